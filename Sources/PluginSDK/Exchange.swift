// One client request with its answer, as one instance may see it: facts, texts, edits, reports, and the verdict that
// comes later. All changes are staged; the host applies them when the verdict lets the exchange go on.

public import CGatehouse

public enum Side: gh_side, Sendable {
    case request = 0
    case response = 1
}

/// Facts about an exchange: host.h says when each is known.
public enum Info: Int32, Sendable {
    case endpoint = 1, model, provider, target, attempt, attemptCount, stream, traceID, workspace, principal, metadata
    case usage, finishReason, method, path, status, mode
}

/// An exchange, for the length of a hook, or from `pend` until the call is completed. Do not store it elsewhere.
public struct Exchange {
    public let pointer: OpaquePointer
    public let host: Host

    public init(_ pointer: OpaquePointer, host: Host) {
        self.pointer = pointer
        self.host = host
    }

    private var table: UnsafePointer<gh_host> { host.pointer }

    // MARK: Facts

    public func info(_ fact: Info) -> Text? {
        table.pointee.info.flatMap { Text($0(pointer, fact.rawValue)) }
    }

    /// "chat_completions", "completions", "embeddings", "messages", "proxy".
    public var endpoint: String { info(.endpoint)?.string ?? "" }
    /// The model of this attempt; before one, the model that the client asked for.
    public var model: String? { info(.model)?.string }
    /// The client asked for a stream.
    public var isStream: Bool { info(.stream).map { $0 == "true" } ?? false }

    public func metadata(_ key: String) -> Text? {
        table.pointee.metadata.flatMap { metadata in key.lend { Text(metadata(pointer, $0)) } }
    }

    public func header(_ name: String, _ side: Side = .request, at index: Int = 0) -> Text? {
        table.pointee.header.flatMap { header in
            name.lend { Text(header(pointer, side.rawValue, $0, index)) }
        }
    }

    /// The whole body in the client's format; nil when it is not buffered.
    public func body(_ side: Side) -> Text? {
        table.pointee.body.flatMap { Text($0(pointer, side.rawValue)) }
    }

    /// The raw JSON value at a JSON pointer.
    public func json(_ jsonPointer: String, _ side: Side) -> Text? {
        table.pointee.json.flatMap { json in jsonPointer.lend { Text(json(pointer, side.rawValue, $0)) } }
    }

    /// Until the host stops waiting.
    public var timeLeft: Duration {
        .nanoseconds(table.pointee.time_left_ns.map { $0(pointer) } ?? 0)
    }

    // MARK: Texts

    /// Everything that was presented, in order. Reading a segment counts as having seen it.
    public func segments(_ side: Side) -> Segments {
        Segments(exchange: self, side: side, kinds: .all)
    }

    /// The segments that have text to read: of these kinds, and neither binary nor empty of text.
    public func texts(_ side: Side, _ kinds: Segment.Kinds = .readable) -> Segments {
        Segments(exchange: self, side: side, kinds: kinds, textOnly: true)
    }

    /// The texts of a side in one string, joined by newlines. Makes copies: fine for rules that need the whole.
    public func text(_ side: Side, _ kinds: Segment.Kinds = .text) -> String {
        texts(side, kinds).map(\.text.string).joined(separator: "\n")
    }

    // MARK: Changes

    /// Replaces a byte range of a segment's text as it was presented.
    public func edit(_ segment: Segment, _ range: Range<Int>, with replacement: [UInt8]) throws(PluginFailure) {
        try edit(segment, range, replacement.lend)
    }

    public func edit(_ segment: Segment, _ range: Range<Int>, with replacement: String) throws(PluginFailure) {
        try edit(segment, range, replacement.lend)
    }

    private func edit(
        _ segment: Segment, _ range: Range<Int>, _ lend: ((gh_str) -> gh_status) -> gh_status
    ) throws(PluginFailure) {
        let status = lend { replacement in
            table.pointee.edit?(
                pointer, segment.id, UInt64(range.lowerBound), UInt64(range.upperBound), replacement) ?? unsupported
        }
        try require(status, "edit")
    }

    /// Puts a raw JSON value at a JSON pointer: replaces, or adds to an object; index "-" appends; with `insert` an
    /// existing index makes room.
    public func setJSON(
        _ jsonPointer: String, _ raw: [UInt8], _ side: Side, insert: Bool = false
    ) throws(PluginFailure) {
        let status = jsonPointer.lend { jsonPointer in
            raw.lend {
                table.pointee.set_json?(pointer, side.rawValue, jsonPointer, $0, insert ? UInt32(GH_PUT_INSERT) : 0)
                    ?? unsupported
            }
        }
        try require(status, "set_json")
    }

    public func setJSON(
        _ jsonPointer: String, _ value: JSON, _ side: Side, insert: Bool = false
    ) throws(PluginFailure) {
        try setJSON(jsonPointer, value.bytes, side, insert: insert)
    }

    public func setBody(_ body: [UInt8], _ side: Side) throws(PluginFailure) {
        try require(body.lend { table.pointee.set_body?(pointer, side.rawValue, $0) ?? unsupported }, "set_body")
    }

    /// A header of the answer to the client; nil removes it.
    public func setHeader(_ name: String, _ value: String?, _ side: Side = .response) throws(PluginFailure) {
        let status = name.lend { name in
            value.lend { table.pointee.set_header?(pointer, side.rawValue, name, $0) ?? unsupported }
        }
        try require(status, "set_header")
    }

    /// A fact for the log and the span, under plugin.<id>.<key>.
    public func setAttribute(_ key: String, _ value: String) throws(PluginFailure) {
        let status = key.lend { key in
            value.lend { table.pointee.set_attribute?(pointer, key, $0) ?? unsupported }
        }
        try require(status, "set_attribute")
    }

    // MARK: Findings

    /// What a check found. The operator's config decides what a failed check does. `data` is raw JSON.
    public func report(passed: Bool, data: [UInt8]) throws(PluginFailure) {
        try require(data.lend { table.pointee.report?(pointer, passed ? 1 : 0, $0) ?? unsupported }, "report")
    }

    public func report(passed: Bool, data: Text) throws(PluginFailure) {
        try require(table.pointee.report?(pointer, passed ? 1 : 0, gh_str(data.bytes)) ?? unsupported, "report")
    }

    public func report(passed: Bool, data: JSON? = nil) throws(PluginFailure) {
        if let data { return try report(passed: passed, data: data.bytes) }
        try require(table.pointee.report?(pointer, passed ? 1 : 0, gh_str()) ?? unsupported, "report")
    }

    /// A copy that lives as long as the exchange. Absent when the host refuses.
    public func keep(_ text: String) -> gh_str {
        guard let keep = table.pointee.keep else { return gh_str() }
        return text.lend { keep(pointer, $0) }
    }

    // MARK: State

    /// The object that `setState` stored, for this exchange and instance.
    public func state<State: AnyObject>(_ type: State.Type = State.self) -> State? {
        guard let address = table.pointee.state?(pointer) else { return nil }
        return Unmanaged<AnyObject>.fromOpaque(address).takeUnretainedValue() as? State
    }

    /// The object that belongs to this exchange and instance, made at the first call.
    public func state<State: AnyObject>(orSet make: () -> State) throws(PluginFailure) -> State {
        if let known = state(State.self) { return known }
        let made = make()
        try setState(made)
        return made
    }

    /// Keeps an object until the exchange is over.
    public func setState(_ state: some AnyObject) throws(PluginFailure) {
        let address = Unmanaged<AnyObject>.passRetained(state).toOpaque()
        let drop: @convention(c) (UnsafeMutableRawPointer?) -> Void = { address in
            if let address { Unmanaged<AnyObject>.fromOpaque(address).release() }
        }
        let status = table.pointee.set_state?(pointer, address, drop) ?? unsupported
        if status != GH_OK { drop(address) }
        try require(status, "set_state")
    }

    // MARK: Later

    /// Starts a pending call. Return `.pending` after it, and complete the call exactly once, from any thread.
    public func pend() throws(PluginFailure) -> PendingCall {
        let token = table.pointee.pend?(pointer) ?? 0
        guard token != 0 else { throw PluginFailure("The host refused to wait") }
        return PendingCall(token: token, exchange: self)
    }

    /// Asks a server and judges by its answer: the one line of a hook that needs a service.
    ///
    ///     return try exchange.pend(on: request) { answer, exchange throws(PluginFailure) in … }
    public func pend(
        on request: HTTPRequest,
        judge: @escaping @Sendable (HTTPAnswer, Exchange) throws(PluginFailure) -> Verdict
    ) throws(PluginFailure) -> Verdict {
        try pend(judge) { done throws(PluginFailure) in try host.fetch(request, for: self, done: done) }
    }

    /// Asks a target of the operator's with a chat completion request and judges by its answer: see `Host.ask`.
    public func pend(
        asking target: String, _ body: JSON, timeoutMilliseconds: Int = 0,
        judge: @escaping @Sendable (HTTPAnswer, Exchange) throws(PluginFailure) -> Verdict
    ) throws(PluginFailure) -> Verdict {
        try pend(judge) { done throws(PluginFailure) in
            try host.ask(target, body, timeoutMilliseconds: timeoutMilliseconds, for: self, done: done)
        }
    }

    private func pend(
        _ judge: @escaping @Sendable (HTTPAnswer, Exchange) throws(PluginFailure) -> Verdict,
        _ begin: (@escaping @Sendable (HTTPAnswer) -> Void) throws(PluginFailure) -> Fetch
    ) throws(PluginFailure) -> Verdict {
        let call = try pend()
        do throws(PluginFailure) {
            _ = try begin { answer in
                do throws(PluginFailure) {
                    call.complete(try judge(answer, call.exchange))
                } catch {
                    call.fail(error)
                }
            }
        } catch {
            call.fail(error)
        }
        return .pending
    }
}

private var unsupported: gh_status { gh_status(GH_UNSUPPORTED) }

/// A host that refuses a call has a reason that the operator must learn of: the hook fails.
private func require(_ status: gh_status, _ call: StaticString) throws(PluginFailure) {
    guard status != GH_OK else { return }
    throw PluginFailure("The host refused \(call) with status \(status)")
}

/// A verdict that is owed. May go to any thread.
public struct PendingCall: @unchecked Sendable {
    public let token: gh_token
    /// May be used until the call is completed, and not after.
    public let exchange: Exchange

    /// False when the host had stopped waiting.
    @discardableResult
    public func complete(_ verdict: Verdict) -> Bool {
        if case .pending = verdict { return fail(PluginFailure("A pending call was completed with .pending")) }
        return end { verdict.write(to: &$0, of: exchange) }
    }

    @discardableResult
    public func fail(_ failure: PluginFailure) -> Bool {
        end { failure.write(to: &$0, of: exchange) }
    }

    private func end(_ write: (inout gh_decision) -> gh_verdict) -> Bool {
        var decision = gh_decision()
        decision.struct_size = UInt32(MemoryLayout<gh_decision>.size)
        let verdict = write(&decision)
        return exchange.host.pointer.pointee.complete?(token, verdict, &decision) == gh_status(GH_OK)
    }
}

/// One piece of what a person or a model wrote, whatever the wire format.
public struct Segment {
    public enum Kind: gh_segment_kind, Sendable {
        case text = 0, reasoning, toolArguments, toolResult, toolSchema, image, audio, file, tokenIDs, other
    }

    public struct Kinds: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        init(_ kind: Kind) { self.init(rawValue: 1 << UInt32(kind.rawValue)) }

        public static let text = Kinds(.text)
        public static let reasoning = Kinds(.reasoning)
        public static let toolArguments = Kinds(.toolArguments)
        public static let toolResult = Kinds(.toolResult)
        public static let toolSchema = Kinds(.toolSchema)
        public static let other = Kinds(.other)
        /// All kinds whose text is to be read: not images, audio, files and token ids.
        public static let readable: Kinds = [.text, .reasoning, .toolArguments, .toolResult, .toolSchema, .other]
        public static let all = Kinds(rawValue: .max)
    }

    public enum Role: gh_role, Sendable {
        case none = 0, system, user, assistant, tool
    }

    private let raw: gh_segment

    init(_ raw: gh_segment) { self.raw = raw }

    /// What `Exchange.edit` goes by; stable for this exchange and side.
    public var id: UInt64 { raw.id }
    /// The message (request) or choice (answer) that it belongs to.
    public var index: Int { Int(clamping: raw.index) }
    public var kind: Kind { Kind(rawValue: raw.kind) ?? .other }
    public var role: Role { Role(rawValue: raw.role) ?? .none }
    /// More of it may follow (windows).
    public var isPartial: Bool { raw.flags & UInt32(GH_SEGMENT_PARTIAL) != 0 }
    /// Base64 data, or no text: nothing to read as text.
    public var isBinary: Bool { raw.flags & UInt32(GH_SEGMENT_BINARY) != 0 }
    public var isReadOnly: Bool { raw.flags & UInt32(GH_SEGMENT_READ_ONLY) != 0 }
    public var text: Text { Text(raw.text) ?? Text(UnsafeBufferPointer(start: nil, count: 0)) }
    /// Where it is in the body: "/messages/0/content".
    public var pointer: Text? { Text(raw.pointer) }
    public var mediaType: Text? { Text(raw.media_type) }
    /// The tool's name, for tool kinds.
    public var name: Text? { Text(raw.name) }

    func isOf(_ kinds: Kinds, textOnly: Bool) -> Bool {
        kinds.contains(Kinds(kind)) && !(textOnly && (isBinary || raw.text.ptr == nil))
    }
}

/// The segments of a side, fetched from the host one by one.
public struct Segments: Sequence, IteratorProtocol {
    private let exchange: Exchange
    private let side: Side
    private let kinds: Segment.Kinds
    private let textOnly: Bool
    private var position = 0
    private let count: Int

    init(exchange: Exchange, side: Side, kinds: Segment.Kinds, textOnly: Bool = false) {
        self.exchange = exchange
        self.side = side
        self.kinds = kinds
        self.textOnly = textOnly
        count = exchange.host.pointer.pointee.segment_count?(exchange.pointer, side.rawValue) ?? 0
    }

    public mutating func next() -> Segment? {
        guard let fetch = exchange.host.pointer.pointee.segment else { return nil }
        while position < count {
            var raw = gh_segment()
            raw.struct_size = UInt32(MemoryLayout<gh_segment>.size)
            let status = fetch(exchange.pointer, side.rawValue, position, &raw)
            position += 1
            guard status == GH_OK else { return nil }
            let segment = Segment(raw)
            if segment.isOf(kinds, textOnly: textOnly) { return segment }
        }
        return nil
    }
}

/// Streamed text that the host holds back for this instance: one window of one segment.
public struct Window {
    public let segment: Segment
    /// Edits go by offsets in this text: `exchange.edit(window.segment, range, with: …)`.
    public let text: Text
    /// What is before this offset was presented before.
    public let freshFrom: Int
    /// Nothing of this segment follows.
    public let isLast: Bool
    /// The whole answer has ended: comes once, with an empty text, where the manifest says `"end": true` for on_stream.
    public let isEnd: Bool
    /// Where `text` begins in the segment's whole text, in bytes.
    public let offset: Int
    /// In mode "event", the newest event as canonical JSON.
    public let event: Text?
    /// How far the host may let go; the rest comes again in the next window. Preset to the end less the overlap.
    public var releasedTo: Int

    init(_ raw: gh_window, segment: gh_segment, releasedTo: UInt64) {
        self.segment = Segment(segment)
        text = Text(raw.text) ?? Text(UnsafeBufferPointer(start: nil, count: 0))
        freshFrom = Int(clamping: raw.fresh_from)
        isLast = raw.flags & UInt32(GH_WINDOW_LAST) != 0
        isEnd = raw.flags & UInt32(GH_WINDOW_END) != 0
        offset = Int(clamping: raw.offset)
        event = Text(raw.event)
        self.releasedTo = Int(clamping: releasedTo)
    }
}
