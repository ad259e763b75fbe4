// The one protocol that an adapter conforms to, and the C table "gh.provider/1" that calls it. An adapter turns the
// client's request into the provider's and the provider's answer, events and errors into the client's. It never sees
// half an event, never holds a key, and never opens a connection: the host does.

public import CGatehouse

/// The wire format of a provider. One instance per target, immutable: calls for different exchanges run concurrently,
/// and any of them may run again for the next attempt.
///
/// A provider that speaks the client's format says so in `build` (`out.passThrough()`) and leaves the rest to the
/// defaults.
public protocol Provider: Sendable {
    /// What one stream needs to remember between events.
    associatedtype Stream: AnyObject = NoStream

    /// The provider's id in the manifest; "*": this type serves all providers of the plugin.
    static var id: String { get }

    /// `config` is `{"description": …, "target": …}`: the provider's description, and the target's own options.
    init(config: JSON, host: Host) throws(ConfigError)

    /// Makes the upstream request of one attempt. `.proceed`, or `.deny`: the request cannot be expressed.
    func build(_ exchange: Exchange, _ out: UpstreamRequest) throws(PluginFailure) -> Verdict

    /// A 2xx answer as canonical JSON.
    func mapResponse(_ answer: HTTPAnswer, _ exchange: Exchange) throws(UnreadableAnswer) -> [UInt8]

    /// A streamed answer begins. What the stream needs of the exchange must be taken here: the later calls do not get
    /// it.
    func openStream(_ exchange: Exchange) -> Stream
    /// One whole upstream event; sends as many canonical ones as it means, or none.
    func mapEvent(_ event: UpstreamEvent, _ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer)
    /// The upstream ended: sends what is left. Throws when it ended too early.
    func closeStream(_ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer)

    /// A non-2xx answer. nil: it has not this provider's error shape.
    func mapError(_ answer: HTTPAnswer, _ exchange: Exchange) -> ProviderError?
}

extension Provider {
    public func mapResponse(_ answer: HTTPAnswer, _ exchange: Exchange) throws(UnreadableAnswer) -> [UInt8] {
        Array(answer.body.bytes)
    }

    public func mapEvent(_ event: UpstreamEvent, _ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer) {
        client.forward(event)
    }

    public func closeStream(_ stream: Stream, _ client: ClientStream) throws(UnreadableAnswer) {}

    public func mapError(_ answer: HTTPAnswer, _ exchange: Exchange) -> ProviderError? { nil }
}

extension Provider where Stream == NoStream {
    public func openStream(_ exchange: Exchange) -> NoStream { NoStream() }
}

/// For adapters that remember nothing between events.
public final class NoStream: Sendable {
    public init() {}
}

/// The answer is not one that this provider gives. The reason goes to the log: never put an answer's text in it.
public struct UnreadableAnswer: Error {
    public let reason: String

    public init(_ reason: String) {
        self.reason = reason
    }
}

/// What a provider's error says; nil where it says nothing.
public struct ProviderError: Sendable {
    public var message: String
    public var type: String?
    public var code: String?
    public var param: String?
    /// Where the client should get another status than the upstream's.
    public var status: Int?
    /// The provider says that the same request may succeed later, whatever the status.
    public var isRetryable = false

    public init(message: String, type: String? = nil, code: String? = nil, param: String? = nil) {
        self.message = message
        self.type = type
        self.code = code
        self.param = param
    }
}

// MARK: - The request that goes out

/// The upstream request of one attempt, under construction. Valid inside `build` only.
public struct UpstreamRequest {
    private let table: UnsafePointer<gh_upstream>
    private let pointer: OpaquePointer

    public init(_ pointer: OpaquePointer, table: UnsafePointer<gh_upstream>) {
        self.pointer = pointer
        self.table = table
    }

    /// Method and absolute URL. A URL in `mock:` asks for no network: see `answer`.
    public func target(_ method: String, _ url: String) throws(PluginFailure) {
        let status = method.lend { method in url.lend { table.pointee.out_target?(pointer, method, $0) } }
        try require(status, "out_target")
    }

    /// nil removes the header. For keys see `credential`.
    public func header(_ name: String, _ value: String?) throws(PluginFailure) {
        let status = name.lend { name in value.lend { table.pointee.out_header?(pointer, name, $0) } }
        try require(status, "out_header")
    }

    /// Without it the client's own body is sent, byte for byte.
    public func body(_ bytes: [UInt8]) throws(PluginFailure) {
        let status = bytes.lend { table.pointee.out_body?(pointer, gh_bytes(lending: $0)) }
        try require(status, "out_body")
    }

    /// The host writes the prefix and the target's credential into a header. False: the target has none.
    public func credential(
        header: String, prefix: String = "", ref: String = "api_key"
    ) throws(PluginFailure) -> Bool {
        let status = header.lend { header in
            prefix.lend { prefix in ref.lend { table.pointee.out_credential?(pointer, header, prefix, $0) } }
        }
        guard status != gh_status(GH_NOT_FOUND) else { return false }
        try require(status, "out_credential")
        return true
    }

    /// How the host cuts a streamed answer.
    public enum Framing: gh_framing, Sendable {
        case automatic = 0
        case serverSentEvents = 1
        case jsonLines = 2
    }

    /// Answers and events are in the client's format already: they are not mapped.
    public func passThrough(_ framing: Framing = .automatic) throws(PluginFailure) {
        try require(table.pointee.out_mode?(pointer, UInt32(GH_OUT_PASSTHROUGH), framing.rawValue), "out_mode")
    }

    /// Answers and events go through `mapResponse` and `mapEvent`, which is what happens without this call, too.
    public func mapped(_ framing: Framing = .automatic) throws(PluginFailure) {
        try require(table.pointee.out_mode?(pointer, 0, framing.rawValue), "out_mode")
    }

    /// A parameter that the adapter could not carry: named in the log and in x-gatehouse-dropped-params.
    public func dropped(_ parameter: String) throws(PluginFailure) {
        try require(parameter.lend { table.pointee.out_dropped?(pointer, $0) }, "out_dropped")
    }

    /// Answers in place of an upstream, in pieces of `chunkBytes` (0: whole) with a delay before each.
    public func answer(
        _ answer: Answer, chunkBytes: Int = 0, delayMilliseconds: Int = 0
    ) throws(PluginFailure) {
        let status = answer.contentType.lend { type in
            answer.body.lend { body in
                table.pointee.out_answer?(
                    pointer, Int32(clamping: answer.status), type, gh_bytes(lending: body),
                    UInt32(clamping: chunkBytes), UInt32(clamping: delayMilliseconds))
            }
        }
        try require(status, "out_answer")
    }

    private func require(_ status: gh_status?, _ call: StaticString) throws(PluginFailure) {
        guard status != gh_status(GH_OK) else { return }
        throw PluginFailure("The host refused \(call) with status \(status ?? gh_status(GH_UNSUPPORTED))")
    }
}

extension gh_bytes {
    /// Bytes that the receiver copies before it returns.
    init(lending view: gh_str) {
        self.init(ptr: UnsafeRawPointer(view.ptr), len: view.len, release: nil, owner: nil)
    }
}

// MARK: - What comes back

extension HTTPAnswer {
    /// The body as a JSON value.
    public func json() throws(UnreadableAnswer) -> JSON {
        try JSON(answered: body)
    }
}

extension JSON {
    /// A document that a provider sent.
    public init(answered text: Text) throws(UnreadableAnswer) {
        do {
            try self.init(parsing: text)
        } catch {
            throw UnreadableAnswer("The answer is not JSON: \(error)")
        }
    }
}

/// One whole event of a streamed answer. Lent for the length of the call.
public struct UpstreamEvent {
    /// The name of a server-sent event.
    public let name: Text?
    public let data: Text

    public init(name: Text?, data: Text) {
        self.name = name
        self.data = data
    }

    /// The end mark of OpenAI's streams.
    public var isDone: Bool { data == "[DONE]" }

    public func json() throws(UnreadableAnswer) -> JSON {
        try JSON(answered: data)
    }
}

/// Where canonical events go. Valid inside the call that got it.
public struct ClientStream {
    private let emit: gh_emit?
    private let sink: UnsafeMutableRawPointer?

    public init(_ emit: gh_emit?, _ sink: UnsafeMutableRawPointer?) {
        self.emit = emit
        self.sink = sink
    }

    /// JSON, under an event's name where the client's format has names.
    public func send(_ data: [UInt8], event: String? = nil) {
        event.lend { event in data.lend { emit?(sink, event, $0) } }
    }

    public func send(_ json: JSON, event: String? = nil) {
        send(json.bytes, event: event)
    }

    /// As it came.
    public func forward(_ event: UpstreamEvent) {
        emit?(sink, event.name.map { gh_str($0.bytes) } ?? gh_str(), gh_str(event.data.bytes))
    }

    /// The end mark of OpenAI's streams.
    public func done() {
        emit?(sink, gh_str(), gh_str("[DONE]"))
    }
}

// MARK: - The border

/// What the host holds as the `self` of a provider.
final class ProviderBox: Sendable {
    let provider: any Provider
    let host: Host
    nonisolated(unsafe) fileprivate let upstream: UnsafePointer<gh_upstream>?

    init(_ provider: any Provider, host: Host) {
        self.provider = provider
        self.host = host
        upstream = host.table(GH_EXT_UPSTREAM, gh_upstream.self)
    }
}

/// A stream under way, with its adapter: without the types, which C function pointers cannot carry.
private class OpenStream {
    func map(_ event: UpstreamEvent, _ client: ClientStream) throws(UnreadableAnswer) {}
    func close(_ client: ClientStream) throws(UnreadableAnswer) {}

    static func open(_ adapter: some Provider, _ exchange: Exchange) -> OpenStream {
        TypedStream(adapter, adapter.openStream(exchange))
    }
}

private final class TypedStream<Adapter: Provider>: OpenStream {
    private let adapter: Adapter
    private let state: Adapter.Stream

    init(_ adapter: Adapter, _ state: Adapter.Stream) {
        self.adapter = adapter
        self.state = state
    }

    override func map(_ event: UpstreamEvent, _ client: ClientStream) throws(UnreadableAnswer) {
        try adapter.mapEvent(event, state, client)
    }

    override func close(_ client: ClientStream) throws(UnreadableAnswer) {
        try adapter.closeStream(state, client)
    }
}

/// The table for query(). It lives as long as the process and serves the instances of every `Provider`.
func providerTable() -> UnsafePointer<gh_provider> { theTable }

nonisolated(unsafe) private let theTable: UnsafePointer<gh_provider> = {
    var table = gh_provider()
    table.struct_size = UInt32(MemoryLayout<gh_provider>.size)
    table.build = { address, exchange, out, decision in
        guard let box = box(address), let exchange, let out, let decision else { return gh_verdict(GH_FAIL) }
        let view = Exchange(exchange, host: box.host)
        do throws(PluginFailure) {
            guard let upstream = box.upstream else { throw PluginFailure("The host does not offer \(GH_EXT_UPSTREAM)") }
            let verdict = try box.provider.build(view, UpstreamRequest(out, table: upstream))
            return verdict.write(to: &decision.pointee, of: view)
        } catch {
            return error.write(to: &decision.pointee, of: view)
        }
    }
    table.map_response = { address, exchange, answer, json in
        guard let box = box(address), let exchange, let answer, let json else { return gh_status(GH_ERROR) }
        return status(box.host) { () throws(UnreadableAnswer) in
            let mapped = try box.provider.mapResponse(
                HTTPAnswer(answer), Exchange(exchange, host: box.host))
            json.pointee = gh_bytes(handingOver: mapped)
        }
    }
    table.stream_open = { address, exchange in
        guard let box = box(address), let exchange else { return nil }
        let stream = OpenStream.open(box.provider, Exchange(exchange, host: box.host))
        return Unmanaged.passRetained(stream).toOpaque()
    }
    table.map_event = { address, stream, event, data, emit, sink in
        guard let box = box(address), let stream, let data = Text(data) else { return gh_status(GH_INVALID) }
        return status(box.host) { () throws(UnreadableAnswer) in
            try Unmanaged<OpenStream>.fromOpaque(stream).takeUnretainedValue()
                .map(UpstreamEvent(name: Text(event), data: data), ClientStream(emit, sink))
        }
    }
    table.stream_close = { address, stream, emit, sink in
        guard let stream else { return gh_status(GH_INVALID) }
        let open = Unmanaged<OpenStream>.fromOpaque(stream).takeRetainedValue()
        guard let box = box(address) else { return gh_status(GH_ERROR) }
        return status(box.host) { () throws(UnreadableAnswer) in try open.close(ClientStream(emit, sink)) }
    }
    table.stream_drop = { _, stream in
        if let stream { Unmanaged<OpenStream>.fromOpaque(stream).release() }
    }
    table.map_error = { address, exchange, answer, failure in
        guard let box = box(address), let exchange, let answer, let failure else { return gh_status(GH_ERROR) }
        let view = Exchange(exchange, host: box.host)
        guard let error = box.provider.mapError(HTTPAnswer(answer), view) else { return gh_status(GH_INVALID) }
        error.write(to: &failure.pointee, of: view)
        return gh_status(GH_OK)
    }
    return immortal(table)
}()

private func box(_ address: UnsafeMutableRawPointer?) -> ProviderBox? {
    address.map { Unmanaged<ProviderBox>.fromOpaque($0).takeUnretainedValue() }
}

private func status(_ host: Host, _ body: () throws(UnreadableAnswer) -> Void) -> gh_status {
    do throws(UnreadableAnswer) {
        try body()
        return gh_status(GH_OK)
    } catch {
        host.log(.warning, error.reason)
        return gh_status(GH_INVALID)
    }
}

extension ProviderError {
    fileprivate func write(to failure: inout gh_failure, of exchange: Exchange) {
        failure.message = exchange.keep(message)
        if let type { failure.type = exchange.keep(type) }
        if let code { failure.code = exchange.keep(code) }
        if let param { failure.param = exchange.keep(param) }
        if let status { failure.http_status = Int32(clamping: status) }
        if isRetryable { failure.flags |= UInt32(GH_FAILURE_RETRYABLE) }
    }
}
