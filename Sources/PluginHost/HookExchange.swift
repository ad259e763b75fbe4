// HookExchange: one exchange as one instance sees it; what a plugin holds as gh_exchange. It serves the views, stages the edits and
// counts what was presented and what was read.
//
// Confined to one thread at a time: the loop, a pool thread while a hook runs there, the plugin's own threads between pend and
// complete. A call that the host has given up on keeps its HookExchange to itself; the host makes a new one.

import CGatehouse
package import Core
import Synchronization
import Wire

package final class HookExchange: @unchecked Sendable {
    package let instance: PluginInstance
    package private(set) var facts: ExchangeFacts

    /// What is presented of each side: indices into the side's segments. nil presents all.
    var presented: (request: [Int]?, response: [Int]?) = (nil, nil)

    // Staged by the plugin, taken by the host after the call.
    package private(set) var edits: [Edit] = []
    /// Where the edits are, by segment.
    private var editedRanges: [UInt64: StagedRanges] = [:]
    package private(set) var puts: [Put] = []
    package private(set) var newBodies: [Side: Bytes] = [:]
    package private(set) var headerChanges: [(name: String, value: String?)] = []
    package private(set) var attributes: [(key: String, value: String)] = []
    package private(set) var reports: [Report] = []
    /// What was wrong with the first edit that was refused: a guard that could not change what it wanted to change has not
    /// done its work, whatever it says.
    private var misuse: String?
    // What it has read: segments, whole bodies, values at pointers.
    package private(set) var seen: Set<Int> = []
    var sawBody: Set<Side> = []
    var seenValues: [(side: Side, range: Range<Int>)] = []

    /// Of the call that comes next.
    package var mode = HookMode.enforced
    var deadline: Deadline = .never
    var token: gh_token = 0
    var call: PendingCall?
    /// The call's run on a pool thread.
    var runningCall: PendingCall?
    /// The call is over: setters answer GH_GONE.
    var isOver = false
    /// The request that sign() works on.
    var signing: Signing?
    /// The window of an on_stream call, whose text edits refer to.
    var window: (id: UInt64, text: Bytes, isReadOnly: Bool)?
    /// `released_to` as the host set it for this call.
    var presetRelease = 0
    /// Fetches that were made for this exchange. Any thread.
    private let fetches = Mutex<Set<UInt64>>([])
    private var views: [Bytes] = []
    private var kept: [Bytes] = []
    private var keptSize = 0
    private var pluginState:
        (pointer: UnsafeMutableRawPointer?, drop: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?) = (nil, nil)

    package enum Side: Int, Sendable { case request, response }

    package struct Edit: Sendable {
        package var segment: UInt64
        package var range: Range<Int>
        package var text: Bytes
    }

    package struct Put: Sendable {
        package var side: Side
        package var pointer: JSONPointer
        package var value: [UInt8]
        package var inserts: Bool
    }

    package struct Report: Sendable {
        package var passed: Bool
        /// A JSON value without white space between its tokens, or nil.
        package var data: Bytes?
    }

    package init(instance: PluginInstance, facts: ExchangeFacts) {
        self.instance = instance
        self.facts = facts
    }

    deinit {
        cancelFetches()
        if let drop = pluginState.drop { drop(pluginState.pointer) }
    }

    var pointer: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func from(_ pointer: OpaquePointer?) -> HookExchange? {
        guard let pointer else { return nil }
        return Unmanaged<HookExchange>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// Clears what the last call staged, and shows `facts` to the next.
    package func prepare(_ facts: ExchangeFacts, deadline: Deadline) {
        self.facts = facts
        self.deadline = deadline
        if !edits.isEmpty {
            edits = []
            editedRanges = [:]
        }
        puts = []
        newBodies = [:]
        headerChanges = []
        attributes = []
        reports = []
        misuse = nil
        if !seen.isEmpty { seen = [] }
        if !sawBody.isEmpty { sawBody = [] }
        if !seenValues.isEmpty { seenValues = [] }
        views.removeAll(keepingCapacity: true)
        window = nil
        signing = nil
        presetRelease = 0
        token = 0
        call = nil
        isOver = false
    }

    // MARK: Views

    /// A view that lives until the next call.
    func view(_ bytes: Bytes) -> gh_str {
        views.append(bytes)
        return gh_str(viewing: bytes)
    }

    func view(_ text: String?) -> gh_str {
        guard let text else { return .absent }
        return view(Bytes(text))
    }

    func keep(_ text: gh_str) -> gh_str {
        guard !text.isAbsent, keptSize + text.len <= 16 << 20 else { return .absent }
        let copy = text.copied
        kept.append(copy)
        keptSize += copy.count
        return gh_str(viewing: copy)
    }

    func side(_ raw: gh_side) -> (Side, BodyView)? {
        if Int(raw) == GH_SIDE_REQUEST { return (.request, facts.request) }
        if Int(raw) == GH_SIDE_RESPONSE, let response = facts.response { return (.response, response) }
        return nil
    }

    func indices(_ side: Side, _ view: BodyView) -> [Int]? {
        side == .request ? presented.request : presented.response
    }

    // MARK: Segments

    func segmentCount(_ raw: gh_side) -> Int {
        guard let (side, view) = side(raw) else { return 0 }
        return indices(side, view)?.count ?? view.segments.count
    }

    func segment(_ raw: gh_side, _ number: Int, _ out: UnsafeMutablePointer<gh_segment>) -> gh_status {
        guard let (side, view) = side(raw), number >= 0 else { return gh_status(GH_NOT_FOUND) }
        let segments = view.segments
        let index: Int
        if let chosen = indices(side, view) {
            guard number < chosen.count else { return gh_status(GH_NOT_FOUND) }
            index = chosen[number]
        } else {
            index = number
        }
        guard index < segments.count else { return gh_status(GH_NOT_FOUND) }
        guard out.fill(segments[index], id: segments[index].segment.id | UInt64(side.rawValue) << 62) else {
            return gh_status(GH_INVALID)
        }
        seen.insert(index << 1 | side.rawValue)
        return gh_status(GH_OK)
    }

    // MARK: Staging

    /// An id as plugins know it: the segment's own in these bits, the side above.
    static let segmentBits: UInt64 = 1 << 62 - 1

    private var refusesChanges: gh_status? {
        if isOver { return gh_status(GH_GONE) }
        return nil
    }

    func stageEdit(_ id: UInt64, _ begin: UInt64, _ end: UInt64, _ text: gh_str) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard begin <= end, end <= UInt64(Int.max) else { return misused("edit() of bytes \(begin) to \(end)") }
        guard UTF8Check.isValid(text.buffer) else { return misused("edit() with a replacement that is not UTF-8") }
        // A whole new body has no place for edits of the old one.
        guard window != nil || newBodies[id >> 62 == 0 ? .request : .response] == nil else {
            return gh_status(GH_INVALID)
        }
        let presentedText: Bytes
        if let window {
            guard window.id == id else { return gh_status(GH_NOT_FOUND) }
            // A window without text comes when all of it has left: nothing is there to take an edit along.
            if window.isReadOnly || window.text.isEmpty { return gh_status(GH_UNSUPPORTED) }
            presentedText = window.text
        } else {
            let side: Side = id >> 62 == 0 ? .request : .response
            let view = side == .request ? facts.request : facts.response
            guard let found = view?.segment(id & Self.segmentBits) else { return gh_status(GH_NOT_FOUND) }
            if found.segment.flags & UInt32(GH_SEGMENT_READ_ONLY) != 0 { return gh_status(GH_UNSUPPORTED) }
            presentedText = found.text
        }
        let range = Int(begin)..<Int(end)
        guard range.upperBound <= presentedText.count else {
            return misused("edit() of bytes \(begin) to \(end) of a text of \(presentedText.count)")
        }
        guard isBoundary(presentedText, range.lowerBound), isBoundary(presentedText, range.upperBound) else {
            return misused("edit() of bytes \(begin) to \(end), which cuts a character")
        }
        guard editedRanges[id, default: StagedRanges()].add(range) else {
            return misused("edit() of bytes \(begin) to \(end), which another edit changes, too")
        }
        edits.append(Edit(segment: id, range: range, text: text.copied))
        return gh_status(GH_OK)
    }

    private func misused(_ what: String) -> gh_status {
        misuse = misuse ?? what
        return gh_status(GH_INVALID)
    }

    /// The decision as it counts: one that would let the exchange go on without a change that was wanted is a failure.
    func checked(_ decision: Decision) -> Decision {
        guard let misuse else { return decision }
        switch decision.verdict {
        case .proceed, .retry:
            instance.context.misbehaved(misuse)
            return Decision(verdict: .fail(misuse))
        default: return decision
        }
    }

    private func isBoundary(_ text: Bytes, _ offset: Int) -> Bool {
        offset == 0 || offset == text.count || text[offset] & 0xC0 != 0x80
    }

    func stagePut(_ raw: gh_side, _ pointer: gh_str, _ value: gh_str, inserts: Bool) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard let (side, _) = side(raw) else { return gh_status(GH_NOT_FOUND) }
        guard window == nil else { return gh_status(GH_UNSUPPORTED) }
        guard let pointer = JSONPointer(parsing: pointer.string ?? ""), (try? JSONValue(parsing: value.buffer)) != nil
        else {
            return gh_status(GH_INVALID)
        }
        puts.append(Put(side: side, pointer: pointer, value: [UInt8](value.buffer), inserts: inserts))
        return gh_status(GH_OK)
    }

    func stageBody(_ raw: gh_side, _ body: gh_str) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard let (side, _) = side(raw), !body.isAbsent else { return gh_status(GH_NOT_FOUND) }
        guard window == nil else { return gh_status(GH_UNSUPPORTED) }
        guard (try? JSONValue(parsing: body.buffer)) != nil else { return gh_status(GH_INVALID) }
        guard !edits.contains(where: { $0.segment >> 62 == UInt64(side.rawValue) }) else {
            return gh_status(GH_INVALID)
        }
        newBodies[side] = body.copied
        return gh_status(GH_OK)
    }

    func stageHeader(_ raw: gh_side, _ name: gh_str, _ value: gh_str) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard Int(raw) == GH_SIDE_RESPONSE, let name = name.string, Self.isToken(name),
            !Self.framingHeaders.contains(name.lowercased())
        else { return gh_status(GH_INVALID) }
        if value.buffer.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7F }) { return gh_status(GH_INVALID) }
        headerChanges.append((name, value.string))
        return gh_status(GH_OK)
    }

    /// They say where the answer ends, which is the host's to say.
    private static let framingHeaders: Set<String> = [
        "connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// A header name, RFC 9110 5.6.2.
    static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    func stageAttribute(_ key: gh_str, _ value: gh_str) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard let key = key.string, !key.isEmpty else { return gh_status(GH_INVALID) }
        guard attributes.count < 64, value.len <= 4096 else { return gh_status(GH_OVER_LIMIT) }
        attributes.append((key, value.string ?? ""))
        return gh_status(GH_OK)
    }

    func addReport(_ passed: Bool, _ data: gh_str) -> gh_status {
        if let refused = refusesChanges { return refused }
        guard data.len <= 1 << 20, reports.count < 64 else { return gh_status(GH_OVER_LIMIT) }
        var compact: Bytes?
        if !data.isAbsent {
            var reader = JSONReader(data.buffer)
            guard (try? reader.skipValue()) != nil, (try? reader.finish()) != nil else { return gh_status(GH_INVALID) }
            // On one line, as it goes into an event of a stream and into the log.
            compact = JSONEditor.compact(data.buffer)
        }
        reports.append(Report(passed: passed, data: compact))
        return gh_status(GH_OK)
    }

    func setState(_ pointer: UnsafeMutableRawPointer?, _ drop: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?) {
        if let old = pluginState.drop, pluginState.pointer != pointer { old(pluginState.pointer) }
        pluginState = (pointer, drop)
    }

    var state: UnsafeMutableRawPointer? { pluginState.pointer }

    // MARK: Fetches

    func addFetch(_ token: UInt64) { fetches.withLock { _ = $0.insert(token) } }

    /// Those that have ended by now are not found any more.
    func cancelFetches() {
        var tokens: Set<UInt64> = []
        fetches.withLock { swap(&$0, &tokens) }
        for token in tokens { _ = HTTPService.cancel(token) }
    }
}

extension UnsafeMutablePointer<gh_segment> {
    /// Fills what the caller's struct has room for: its size was set by the plugin. The views live as long as the body.
    /// False when it has not even room for the text.
    func fill(_ presented: PresentedSegment, id: UInt64) -> Bool {
        let size = Int(pointee.struct_size)
        guard size >= MemoryLayout<gh_segment>.offset(of: \gh_segment.pointer) ?? 0 else { return false }
        pointee.flags = presented.segment.flags
        pointee.kind = presented.segment.kind.rawValue
        pointee.role = presented.segment.role.rawValue
        pointee.id = id
        pointee.index = UInt64(presented.segment.index)
        pointee.text = gh_str(viewing: presented.text)
        guard size >= MemoryLayout<gh_segment>.size else { return true }
        pointee.pointer = gh_str(viewing: presented.pointer)
        pointee.media_type = presented.mediaType.map { gh_str(viewing: $0) } ?? .absent
        pointee.name = presented.name.map { gh_str(viewing: $0) } ?? .absent
        return true
    }
}
