// webhook.call: a server of the operator's judges the exchange, and may put another body in its place.

public import CGatehouse
import PluginSDK

struct Call: Guardrail {
    static let id = "call"

    private let url: String
    private let headers: [(String, String)]
    private let timeoutMilliseconds: Int
    private let secret: [UInt8]?

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let url = config["webhookURL"]?.string, url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw ConfigError("Must be an http or https URL", at: "/webhookURL")
        }
        self.url = url
        headers = try Headers.read(config["headers"], at: "/headers")
        timeoutMilliseconds = config["timeout"]?.int ?? 3000
        secret = config["secret"]?.string.map { Array($0.utf8) }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try ask(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try ask(exchange, .response) }

    private func ask(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let body = Document.json(of: exchange, side)
        var headers = headers + [("content-type", "application/json")]
        if let secret { headers.append(("x-gatehouse-signature", "sha256=" + Signature.hex(of: body, secret))) }
        let request = HTTPRequest(
            "POST", url, headers: headers, body: body, timeoutMilliseconds: timeoutMilliseconds)
        return try exchange.pend(on: request) { answer, exchange throws(PluginFailure) in
            try judge(answer, exchange, side)
        }
    }

    private func judge(_ answer: HTTPAnswer, _ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        guard (200...299).contains(answer.status) else {
            let reason = answer.transportError?.string ?? "status \(answer.status)"
            throw PluginFailure("The webhook did not judge: \(reason)")
        }
        guard let reply = try? JSON(parsing: answer.body), let passed = reply["verdict"]?.bool else {
            throw PluginFailure("The webhook's reply is not a JSON object with a verdict of true or false")
        }
        let name = side == .request ? "request" : "response"
        if let body = reply["transformedData"]?[name]?["json"], !body.isNull {
            guard body.object != nil else {
                throw PluginFailure("The webhook's transformedData.\(name).json is no JSON object")
            }
            try exchange.setBody(body.bytes, side)
        }
        try exchange.report(
            passed: passed,
            data: [
                "verdict": .bool(passed),
                "explanation": .string("The webhook's verdict is \(passed)."), "webhookUrl": .string(withoutQuery),
                "responseData": reply["data"] ?? .null, "requestContext": ["timeout": .int(timeoutMilliseconds)],
            ])
        return .proceed
    }

    /// Keys end up in queries, passwords before the host, and the report goes to the client.
    private var withoutQuery: String {
        let start = url.prefix { $0 != "?" && $0 != "#" }
        let parts = start.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count > 2, let at = parts[2].lastIndex(of: "@") else { return String(start) }
        return parts[0] + "//" + parts[2][parts[2].index(after: at)...] + (parts.count > 3 ? "/" + parts[3] : "")
    }
}

private let plugin = Plugin(id: "webhook", version: "1.0.0", checks: [Call.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
