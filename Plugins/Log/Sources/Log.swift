// log.post: the exchange is sent to a server that keeps it.

public import CGatehouse
import PluginSDK

struct Post: Guardrail {
    static let id = "post"

    private let url: String
    private let headers: [(String, String)]
    private let timeoutMilliseconds: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let url = config["logURL"]?.string, url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw ConfigError("Must be an http or https URL", at: "/logURL")
        }
        self.url = url
        headers = try Headers.read(config["headers"], at: "/headers")
        timeoutMilliseconds = config["timeout"]?.int ?? 3000
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try post(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try post(exchange, .response) }

    private func post(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let request = HTTPRequest(
            "POST", url, headers: headers + [("content-type", "application/json")],
            body: Document.json(of: exchange, side), timeoutMilliseconds: timeoutMilliseconds)
        return try exchange.pend(on: request) { answer, exchange throws(PluginFailure) in
            guard (200...299).contains(answer.status) else {
                let reason = answer.transportError?.string ?? "status \(answer.status)"
                throw PluginFailure("The exchange was not kept: \(reason)")
            }
            try exchange.report(passed: true, data: ["message": "The exchange was kept."])
            return .proceed
        }
    }
}

private let plugin = Plugin(id: "log", version: "1.0.0", checks: [Post.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
