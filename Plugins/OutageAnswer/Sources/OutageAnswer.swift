// outage-answer: when no target can answer, one more target is asked, or the client gets a text of the operator's in
// the format that it expects, instead of an error.

public import CGatehouse
import PluginSDK

struct OutageAnswer: Guardrail {
    static let id = "answer"
    private let message: String
    private let status: Int
    private let model: String?
    private let retryTarget: String?

    init(config: JSON, host: Host) throws(ConfigError) {
        message = config["message"]?.string ?? "The service cannot answer at the moment. Please try again later."
        status = config["status"]?.int ?? 200
        model = config["model"]?.string
        retryTarget = config["retry_target"]?.string
        guard (200...599).contains(status) else { throw ConfigError("Must be from 200 to 599", at: "/status") }
    }

    func onError(_ exchange: Exchange, _ failure: Failure) throws(PluginFailure) -> Verdict {
        guard failure.isFinal, !failure.isOfTheRequest else { return .proceed }
        let progress = try exchange.state { Progress() }
        if let retryTarget, !progress.hasRetried {
            progress.hasRetried = true
            return .retry(target: retryTarget)
        }
        let model = model ?? exchange.model ?? ""
        let id = exchange.info(.traceID)?.string ?? "none"
        guard let reply = CannedReply(endpoint: exchange.endpoint, text: message, model: model, id: id) else {
            return .proceed
        }
        try exchange.setAttribute("answered", "true")
        return .answer(exchange.isStream ? reply.stream(status: status) : reply.whole(status: status))
    }

    private final class Progress {
        var hasRetried = false
    }
}

extension Failure {
    /// The request is at fault: no other target would take it, and the client must learn why.
    fileprivate var isOfTheRequest: Bool {
        !isTransport && !isRetryable && [400, 404, 405, 413, 415, 422].contains(status)
    }
}

private let plugin = Plugin(id: "outage-answer", version: "1.0.0", checks: [OutageAnswer.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
