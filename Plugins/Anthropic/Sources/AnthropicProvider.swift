// The adapter: addresses, headers, and which of the two formats an endpoint speaks. Chat is translated; Messages and
// whatever the proxy carries are Anthropic's already and pass through.

import PluginSDK

struct AnthropicProvider: Provider {
    static let id = "anthropic"

    private let chatURL: String
    private let messagesURL: String
    private let proxyBase: String
    private let version: String?
    private let beta: String?
    private let isStrict: Bool
    private let defaultMaximum: Int

    private static let usualVersion = "2023-06-01"

    init(config: JSON, host: Host) throws(ConfigError) {
        let description = config["description"] ?? [:]
        let target = config["target"] ?? [:]
        let base = try Self.base(description, target)
        let paths = description["paths"] ?? [:]
        chatURL = base + (paths["chat_completions"]?.string ?? "/messages")
        messagesURL = base + (paths["messages"]?.string ?? "/messages")
        proxyBase = base + (paths["proxy"]?.string ?? "")
        version = try Self.text(target, "anthropic_version")
        beta = try Self.text(target, "anthropic_beta")
        let strictness = target["strict_open_ai_compliance"]
        isStrict = strictness != false && strictness != "false"
        let maximum = target["default_max_tokens"] ?? description["default_max_tokens"] ?? 4096
        guard let maximum = maximum.int, maximum > 0 else {
            throw ConfigError("default_max_tokens must be a positive number", at: "/target/default_max_tokens")
        }
        defaultMaximum = maximum
    }

    private static func base(_ description: JSON, _ target: JSON) throws(ConfigError) -> String {
        for name in ["custom_host", "base_url"] {
            guard let own = try text(target, name) else { continue }
            let isURL = own.hasPrefix("https://") || own.hasPrefix("http://")
            guard isURL, own.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") }) else {
                throw ConfigError("\(name) must be an http or https URL without user info", at: "/target/\(name)")
            }
            return own.hasSuffix("/") ? String(own.dropLast()) : own
        }
        return description["base_url"]?.string ?? "https://api.anthropic.com/v1"
    }

    private static func text(_ target: JSON, _ key: String) throws(ConfigError) -> String? {
        guard let value = target[key]?.unlessNull else { return nil }
        guard let text = value.string else { throw ConfigError("\(key) must be a string", at: "/target/\(key)") }
        return text.isEmpty ? nil : text
    }

    // MARK: The request

    func build(_ exchange: Exchange, _ out: UpstreamRequest) throws(PluginFailure) -> Verdict {
        guard let endpoint = exchange.info(.endpoint) else { throw PluginFailure("An exchange without an endpoint") }
        if endpoint == "chat_completions" { return try translate(exchange, out) }
        guard endpoint == "messages" || endpoint == "proxy" else {
            return refusal("unsupported_endpoint", "\(endpoint.string) is not supported by anthropic")
        }
        if endpoint == "messages" {
            try out.target("POST", messagesURL)
        } else {
            try out.target(exchange.info(.method)?.string ?? "POST", proxyBase + remainder(exchange.info(.path)))
        }
        try out.passThrough()
        return try authorise(exchange, out, version: nil, beta: nil)
    }

    private func translate(_ exchange: Exchange, _ out: UpstreamRequest) throws(PluginFailure) -> Verdict {
        var translation: ChatTranslation
        do throws(Inexpressible) {
            translation = try ChatTranslation(exchange.body(.request), defaultMaximum: defaultMaximum)
        } catch {
            return refusal(error.code, error.message)
        }
        try out.target("POST", chatURL)
        try out.body(translation.body.bytes)
        for parameter in translation.dropped { try out.dropped(parameter) }
        if let maximum = translation.assumedMaximum { note(exchange, "default_max_tokens", "\(maximum)") }
        try out.mapped()
        return try authorise(exchange, out, version: translation.version, beta: translation.beta)
    }

    /// For the log and the span. A host that wants none in this place may say so.
    private func note(_ exchange: Exchange, _ key: String, _ value: String) {
        do throws(PluginFailure) {
            try exchange.setAttribute(key, value)
        } catch {
            exchange.host.log(.debug, error.message)
        }
    }

    /// Headers: the target's options before the client's own, and these before what the body says.
    private func authorise(
        _ exchange: Exchange, _ out: UpstreamRequest, version: String?, beta: String?
    ) throws(PluginFailure) -> Verdict {
        let version = self.version ?? exchange.header("anthropic-version")?.string ?? version
        try out.header("anthropic-version", version ?? Self.usualVersion)
        if let beta = self.beta ?? exchange.header("anthropic-beta")?.string ?? beta {
            try out.header("anthropic-beta", beta)
        }
        guard try out.credential(header: "x-api-key") else {
            return refusal("missing_api_key", "The target has no API key for Anthropic", status: 401)
        }
        return .proceed
    }

    /// The client's path and query without `/v1`.
    private func remainder(_ path: Text?) -> String {
        guard let path else { return "" }
        guard path.bytes.starts(with: "/v1/".utf8) else { return path.string }
        return path[3..<path.count].string
    }

    private func refusal(_ code: String, _ message: String, status: Int = 400) -> Verdict {
        .deny(Denial(code: code, message: message, status: status))
    }

    // MARK: The answer

    private func slug(_ exchange: Exchange) -> String { exchange.info(.provider)?.string ?? Self.id }

    func mapResponse(_ answer: HTTPAnswer, _ exchange: Exchange) throws(UnreadableAnswer) -> [UInt8] {
        try MessageAnswer(answer.json()).completion(provider: slug(exchange), isStrict: isStrict).bytes
    }

    func openStream(_ exchange: Exchange) -> MessageStream {
        let wantsUsage = exchange.json("/stream_options/include_usage", .request).map { $0 == "true" } ?? false
        return MessageStream(provider: slug(exchange), isStrict: isStrict, wantsUsage: wantsUsage)
    }

    func mapEvent(_ event: UpstreamEvent, _ stream: MessageStream, _ client: ClientStream) throws(UnreadableAnswer) {
        try stream.receive(event.json(), client)
    }

    func closeStream(_ stream: MessageStream, _ client: ClientStream) throws(UnreadableAnswer) {
        try stream.close(client)
    }

    /// `{"type":"error","error":{"type":…,"message":…},"request_id":…}`
    func mapError(_ answer: HTTPAnswer, _ exchange: Exchange) -> ProviderError? {
        guard let error = (try? answer.json())?["error"], let message = error["message"]?.string else { return nil }
        var mapped = ProviderError(message: message, type: error["type"]?.string)
        mapped.isRetryable = mapped.type == "overloaded_error"
        return mapped
    }
}
