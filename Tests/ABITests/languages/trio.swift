// The three checks in Swift, against the SDK: see trio.c.

public import CGatehouse
import PluginSDK

struct Echo: Guardrail {
    static let id = "echo"

    init(config: JSON, host: Host) {}

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let list = exchange.segments(.request).map { segment in
            JSON.array([.int(Int(segment.role.rawValue)), .string(segment.text.string)])
        }
        return .answer(Answer(JSON.array(list)))
    }
}

struct Deny: Guardrail {
    static let id = "deny"
    private let word: [UInt8]

    init(config: JSON, host: Host) throws(ConfigError) {
        word = Array((config["word"]?.string ?? "").utf8)
        if word.isEmpty { throw ConfigError("must not be empty", at: "/word") }
    }

    static var denial: Verdict { .deny(Denial(code: "word", message: "A word that is not allowed.", status: 451)) }

    private func look(_ exchange: Exchange, _ side: Side) -> Verdict {
        exchange.texts(side).contains { contains($0.text) } ? Self.denial : .proceed
    }

    private func contains(_ text: Text) -> Bool {
        text.bytes.count >= word.count
            && (0...text.bytes.count - word.count).contains { text.bytes[$0..<$0 + word.count].elementsEqual(word) }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { look(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { look(exchange, .response) }
    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        contains(window.text) ? Self.denial : .proceed
    }
}

struct Judge: Guardrail {
    static let id = "judge"
    private let url: String

    init(config: JSON, host: Host) throws(ConfigError) {
        url = config["url"]?.string ?? ""
        if url.isEmpty { throw ConfigError("must not be empty", at: "/url") }
        if host.table(GH_EXT_HTTP, gh_http.self) == nil { throw ConfigError("this host lacks gh.http/1") }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let question = exchange.json("/messages/0/content", .request).map { Array($0.bytes) }
        return try exchange.pend(on: HTTPRequest("POST", url, body: question)) { answer, _ throws(PluginFailure) in
            guard answer.status == 200 else { throw PluginFailure("the judge did not answer") }
            return answer.body.string.contains("deny") ? Deny.denial : .proceed
        }
    }
}

private let plugin = Plugin(id: "trio", version: "1.0.0", checks: [Echo.self, Deny.self, Judge.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
