// RefuseUnscannable: a path whose body nobody here can read does not pass a mandatory guard that must see everything, unless the
// operator lists it in defaults.allow_unscannable.

import Core
import Wire

/// "/v1/files", or everything below a path: "/v1/audio/*".
struct PathPattern: Sendable {
    private let path: Substring
    private let isPrefix: Bool

    /// Nil for what is neither.
    init?(_ text: String) {
        isPrefix = text.hasSuffix("/*")
        path = isPrefix ? text.dropLast() : text[...]
        guard path.hasPrefix("/v1/") || path.hasPrefix("/v1beta/"), !path.contains("*") else { return nil }
    }

    /// `path` is canonical: nobody else reads another path in it.
    func matches(_ path: String) -> Bool { isPrefix ? path.hasPrefix(self.path) : path == self.path }
}

extension Worker {
    func refuseUnscannable(_ exchange: Exchange, _ plan: Plan) throws(GatewayError) {
        guard !exchange.endpoint.hasSegmentTable, exchange.endpoint != .models,
            let denying = (plan.mandatory.before + plan.mandatory.after).first(where: { $0.mustSeeEverything }),
            !exchange.snapshot.unscannable.contains(where: { $0.matches(exchange.pathText) })
        else { return }
        throw GatewayError(
            .guardrailDenied, status: 446,
            "the mandatory guardrail \(denying.id) cannot read requests to \(exchange.pathText), so they are refused",
            type: "hooks_failed", code: "endpoint_not_scannable")
    }
}
