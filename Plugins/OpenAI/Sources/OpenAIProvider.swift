// The adapter: addresses, credentials, and the few bytes that a dialect wants otherwise. On the fast path it names a
// URL and asks for pass-through; body, answers and events are then never looked at here.

import PluginSDK

struct OpenAIProvider: Provider {
    /// The descriptions say which providers there are.
    static let id = "*"

    private let description: Description
    private let routes: Routes
    private let isStrict: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let description = config["description"] else { throw ConfigError("A description is missing") }
        let target = config["target"] ?? [:]
        self.description = try Description(description)
        routes = try Routes(self.description, target: target)
        let strictness = target["strict_open_ai_compliance"]
        isStrict = strictness != false && strictness != "false"
    }

    // MARK: The request

    func build(_ exchange: Exchange, _ out: UpstreamRequest) throws(PluginFailure) -> Verdict {
        guard let route = routes.find(exchange.info(.endpoint)) else {
            return refusal("unsupported_endpoint", "\(exchange.endpoint) is not supported by \(description.id)")
        }
        let url: String
        do throws(Route.Unusable) {
            url = try route.url(exchange)
        } catch {
            return refusal(error.code, error.message)
        }
        try out.target(route.endpoint == "proxy" ? exchange.info(.method)?.string ?? "POST" : "POST", url)
        for header in routes.headers { try out.header(header.name, header.value) }
        if let authentication = description.authentication {
            let isKnown = try out.credential(header: authentication.header, prefix: authentication.prefix)
            guard isKnown || authentication.isOptional else {
                return refusal("missing_api_key", "The target has no API key for \(description.name)", status: 401)
            }
        }
        if route.isShaped, !description.requestRules.isEmpty { try shape(exchange, out, route) }
        let isMapped = route.isCompletion && description.answerRules.apply(toStrict: isStrict)
        if isMapped { try out.mapped() } else { try out.passThrough() }
        return .proceed
    }

    private func shape(_ exchange: Exchange, _ out: UpstreamRequest, _ route: Route) throws(PluginFailure) {
        guard let body = exchange.body(.request),
            let change = description.requestRules.change(body, endpoint: route.endpoint)
        else { return }
        try out.body(change.body)
        for parameter in change.dropped { try out.dropped(parameter) }
    }

    private func refusal(_ code: String, _ message: String, status: Int = 400) -> Verdict {
        .deny(Denial(code: code, message: message, status: status))
    }

    // MARK: The answer

    func mapResponse(_ answer: HTTPAnswer, _ exchange: Exchange) throws(UnreadableAnswer) -> [UInt8] {
        let outcome = description.answerRules.apply(to: answer.body, setting(exchange, isChunk: false))
        guard outcome.isAnswer else { throw UnreadableAnswer("The answer has no choices") }
        return outcome.changed ?? Array(answer.body.bytes)
    }

    private func setting(_ exchange: Exchange, isChunk: Bool) -> AnswerRules.Setting {
        let isChat = exchange.info(.endpoint).map { $0 == "chat_completions" } ?? false
        return AnswerRules.Setting(isStrict: isStrict, isChunk: isChunk, isChat: isChat)
    }

    /// How far a stream has come.
    final class Stream {
        fileprivate let setting: AnswerRules.Setting
        fileprivate(set) var isFinished = false
        fileprivate(set) var isDone = false

        fileprivate init(_ setting: AnswerRules.Setting) {
            self.setting = setting
        }
    }

    func openStream(_ exchange: Exchange) -> Stream { Stream(setting(exchange, isChunk: true)) }

    func mapEvent(_ event: UpstreamEvent, _ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer) {
        guard !event.isDone else {
            stream.isDone = true
            return client.done()
        }
        let outcome = description.answerRules.apply(to: event.data, stream.setting)
        if outcome.isFinished { stream.isFinished = true }
        if let changed = outcome.changed { client.send(changed) } else { client.forward(event) }
    }

    /// Some providers end without the mark. A stream that also lacks a finish reason was cut.
    func closeStream(_ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer) {
        guard !stream.isDone else { return }
        guard stream.isFinished else { throw UnreadableAnswer("The stream ended before it was finished") }
        client.done()
    }

    func mapError(_ answer: HTTPAnswer, _ exchange: Exchange) -> ProviderError? {
        guard let document = try? JSON(parsing: answer.body) else { return nil }
        return description.errors.read(document)
    }
}
