// The adapter: reads the request, has a double write the answer, and hands it to the host in place of an upstream's.
// The answer then takes the path of a real one: hooks, windows, retries and accounting cannot tell.

import PluginSDK

struct MockProvider: Provider {
    static let id = "mock"

    private let text: String
    private let mode: String?
    private let delay: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        let target = config["target"] ?? [:]
        func string(_ key: String) throws(ConfigError) -> String? {
            guard let value = target[key], !value.isNull else { return nil }
            guard let string = value.string else { throw ConfigError("\(key) must be a string", at: "/target/\(key)") }
            return string
        }
        text = try string("text") ?? "Hello from the mock provider."
        mode = try string("mode")
        if let mode, Behaviour(named: mode) == nil {
            throw ConfigError("There is no mode \"\(mode)\"", at: "/target/mode")
        }
        guard let delay = (target["delay_ms"] ?? 0).int, (0...60_000).contains(delay) else {
            throw ConfigError("delay_ms must be a number from 0 to 60000", at: "/target/delay_ms")
        }
        self.delay = delay
    }

    func build(_ exchange: Exchange, _ out: UpstreamRequest) throws(PluginFailure) -> Verdict {
        let endpoint = exchange.endpoint
        let method = exchange.info(.method)?.string ?? "POST"
        try out.target(method, "mock:\(endpoint)")
        let body = exchange.body(.request).flatMap { try? JSON(parsing: $0) } ?? .null
        let request = MockRequest(
            endpoint: endpoint, method: method, path: exchange.info(.path)?.string ?? "", body: body,
            attempt: exchange.info(.attempt).flatMap { Int($0.string) } ?? 1)
        let behaviour = Behaviour(named: mode ?? request.model) ?? .text
        let reply = answer(request, behaviour)
        try out.answer(reply.answer, chunkBytes: reply.pieceBytes, delayMilliseconds: reply.delay)
        try out.passThrough()
        return .proceed
    }

    private func answer(_ request: MockRequest, _ behaviour: Behaviour) -> Reply {
        if let status = behaviour.failure(ofAttempt: request.attempt) {
            return Reply(request.failure(status, "mock \(status)"))
        }
        switch request.endpoint {
        case "chat_completions": return ChatDouble(request, behaviour, text).answer(delay: delay)
        case "completions": return CompletionDouble(request, behaviour, text).answer(delay: delay)
        case "messages": return MessagesDouble(request, behaviour, text).answer(delay: delay)
        case "embeddings": return Reply(EmbeddingsDouble(request).answer, delay: delay)
        default: return Reply(ProxyDouble(request).answer, delay: delay)
        }
    }

    func mapError(_ answer: HTTPAnswer, _ exchange: Exchange) -> ProviderError? {
        guard let error = (try? answer.json())?["error"], let message = error["message"]?.string else { return nil }
        return ProviderError(
            message: message, type: error["type"]?.string, code: error["code"]?.string, param: error["param"]?.string)
    }
}

/// What was asked.
struct MockRequest {
    let endpoint: String
    let method: String
    let path: String
    let body: JSON
    let attempt: Int

    /// `mock/echo` is `echo`.
    var model: String {
        let model = body["model"]?.string ?? ""
        return model.split(separator: "/").last.map(String.init) ?? model
    }

    var isStream: Bool { body["stream"]?.bool ?? false }

    /// An error in the format of the endpoint.
    func failure(_ status: Int, _ message: String) -> Answer {
        let type =
            switch status {
            case 401: "authentication_error"
            case 403: "permission_error"
            case 404: "not_found_error"
            case 429: "rate_limit_error"
            case 529: "overloaded_error"
            case 400..<500: "invalid_request_error"
            default: endpoint == "messages" ? "api_error" : "server_error"
            }
        if endpoint == "messages" {
            return Answer(
                ["type": "error", "error": ["type": .string(type), "message": .string(message)]], status: status)
        }
        let code: JSON = status == 429 ? "rate_limit_exceeded" : .null
        return Answer(
            ["error": ["message": .string(message), "type": .string(type), "param": .null, "code": code]],
            status: status)
    }
}

/// An answer and its pace.
struct Reply {
    let answer: Answer
    /// 0: whole.
    let pieceBytes: Int
    /// Before each piece.
    let delay: Int

    init(_ answer: Answer, pieceBytes: Int = 0, delay: Int = 0) {
        self.answer = answer
        self.pieceBytes = pieceBytes
        self.delay = delay
    }

    /// A stream: with a delay, about one event at a time.
    init(_ script: EventScript, delay: Int) {
        self.init(
            Answer(body: script.bytes, contentType: "text/event-stream"),
            pieceBytes: delay > 0 ? max(1, script.bytes.count / max(1, script.count)) : 0, delay: delay)
    }
}

/// A stream of server-sent events, written down.
struct EventScript {
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0

    mutating func add(_ data: JSON, event: String? = nil) {
        if let event { bytes.append(contentsOf: "event: \(event)\n".utf8) }
        bytes.append(literal: "data: ")
        data.write(to: &bytes)
        bytes.append(literal: "\n\n")
        count += 1
    }

    mutating func done() {
        bytes.append(literal: "data: [DONE]\n\n")
        count += 1
    }
}
