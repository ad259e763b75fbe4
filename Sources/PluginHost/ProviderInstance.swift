// ProviderInstance: a target's wire format, behind the plugin's gh_provider table.

import CGatehouse
package import Core
import Wire

/// Confined to one loop at a time during a call; the instance itself is shared.
package struct ProviderInstance: Sendable {
    package let instance: PluginInstance
    package let descriptor: ProviderDescriptor
    private var table: UnsafePointer<gh_provider>? { instance.library.provider }

    package init(instance: PluginInstance, descriptor: ProviderDescriptor) {
        self.instance = instance
        self.descriptor = descriptor
    }

    package enum Mapped: Sendable {
        case json(Bytes)
        case invalid
    }

    /// Builds the upstream request of one attempt.
    package func build(_ exchange: HookExchange, _ out: OutgoingRequest) -> Verdict {
        guard let build = table?.pointee.build else { return .fail("the provider has no build function") }
        let running = marked(.build)
        defer { running.end() }
        var decision = gh_decision()
        decision.struct_size = structSize(gh_decision.self)
        out.instance = instance
        defer { out.instance = nil }
        let verdict = build(instance.pointer, exchange.pointer, out.pointer, &decision)
        HookCall.forgetCall(of: exchange)
        exchange.isOver = true
        return Decision(verdict, decision, from: instance).verdict
    }

    package func mapResponse(
        _ exchange: HookExchange, status: Int, headers: [(name: String, value: String)], body: Bytes
    ) -> Mapped {
        guard let map = table?.pointee.map_response else { return .json(body) }
        let running = marked(.mapResponse)
        defer { running.end() }
        return withAnswer(exchange, status, headers, body) { answer in
            var json = gh_bytes()
            guard map(instance.pointer, exchange.pointer, answer, &json) == gh_status(GH_OK) else {
                json.discard()
                return .invalid
            }
            return json.adopt(from: instance).map { .json($0) } ?? .invalid
        }
    }

    /// What the adapter makes of an error answer; nil when it does not recognise it.
    package func mapError(
        _ exchange: HookExchange, status: Int, headers: [(name: String, value: String)], body: Bytes
    ) -> PluginFailureInfo? {
        guard let map = table?.pointee.map_error else { return nil }
        let running = marked(.mapError)
        defer { running.end() }
        return withAnswer(exchange, status, headers, body) { answer -> PluginFailureInfo? in
            var failure = gh_failure()
            failure.struct_size = structSize(gh_failure.self)
            failure.http_status = Int32(status)
            guard map(instance.pointer, exchange.pointer, answer, &failure) == gh_status(GH_OK) else { return nil }
            return PluginFailureInfo(
                status: Int(failure.http_status), isRetryable: failure.flags & UInt32(GH_FAILURE_RETRYABLE) != 0,
                retryAfterMilliseconds: Int(failure.retry_after_ms), type: failure.type.string,
                code: failure.code.string,
                param: failure.param.string, message: failure.message.string)
        }
    }

    private func withAnswer<Result>(
        _ exchange: HookExchange, _ status: Int, _ headers: [(name: String, value: String)], _ body: Bytes,
        _ use: (UnsafePointer<gh_http_in>) -> Result
    ) -> Result {
        var fields: [gh_field] = []
        for (name, value) in headers { fields.append(gh_field(key: exchange.view(name), value: exchange.view(value))) }
        return fields.withUnsafeBufferPointer { fields in
            var answer = gh_http_in()
            answer.struct_size = structSize(gh_http_in.self)
            answer.status = Int32(status)
            answer.headers = fields.baseAddress
            answer.header_count = fields.count
            answer.body = exchange.view(body)
            defer { exchange.isOver = true }
            return withUnsafePointer(to: answer, use)
        }
    }

    package func openStream(_ exchange: HookExchange) -> ProviderStream {
        let running = marked(.streamOpen)
        defer { running.end() }
        return ProviderStream(self, exchange, state: table?.pointee.stream_open?(instance.pointer, exchange.pointer))
    }

    fileprivate var functions: gh_provider? { table?.pointee }

    fileprivate func marked(_ call: CrashMarker.Call) -> CrashMarker.Running {
        CrashMarker.begin(call, of: instance.library.mark)
    }
}

/// The translation of one streamed answer. Confined to its loop.
package final class ProviderStream {
    private let provider: ProviderInstance
    private let exchange: HookExchange
    private let state: UnsafeMutableRawPointer?
    private var isClosed = false
    private var sink = Sink()

    private final class Sink {
        var events: [SSEEvent] = []
    }

    fileprivate init(_ provider: ProviderInstance, _ exchange: HookExchange, state: UnsafeMutableRawPointer?) {
        self.provider = provider
        self.exchange = exchange
        self.state = state
    }

    deinit { drop() }

    private static let emit: gh_emit = { sink, event, data in
        guard let sink else { return }
        Unmanaged<Sink>.fromOpaque(sink).takeUnretainedValue().events.append(
            SSEEvent(name: event.string ?? "", data: data.copied))
    }

    private func collect(_ call: (UnsafeMutableRawPointer) -> gh_status) -> [SSEEvent]? {
        sink.events = []
        let status = call(Unmanaged.passUnretained(sink).toOpaque())
        return status == gh_status(GH_OK) ? sink.events : nil
    }

    /// The canonical events of one upstream event; nil when the adapter cannot read it.
    package func map(_ event: SSEEvent) -> [SSEEvent]? {
        guard let map = provider.functions?.map_event else { return [event] }
        let running = provider.marked(.mapEvent)
        defer { running.end() }
        let name = Bytes(event.name)
        return withExtendedLifetime((name, event)) {
            collect { sink in
                map(
                    provider.instance.pointer, state, event.name.isEmpty ? .absent : gh_str(viewing: name),
                    gh_str(viewing: event.data), Self.emit, sink)
            }
        }
    }

    /// The last events, when the upstream has ended; nil when it ended too early.
    package func close() -> [SSEEvent]? {
        guard !isClosed else { return [] }
        isClosed = true
        guard let close = provider.functions?.stream_close else { return [] }
        let running = provider.marked(.streamClose)
        defer { running.end() }
        return collect { sink in close(provider.instance.pointer, state, Self.emit, sink) }
    }

    /// Frees the plugin's state without a word.
    package func drop() {
        guard !isClosed else { return }
        isClosed = true
        let running = provider.marked(.streamDrop)
        provider.functions?.stream_drop?(provider.instance.pointer, state)
        running.end()
    }
}
