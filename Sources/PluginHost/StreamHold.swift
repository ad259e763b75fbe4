// StreamHold: what one guard holds back of a stream, as a pure state machine. Events come in, windows of joined text come out for
// the hook, and events leave again, in their order, once all of their text has been released. Nothing held leaves; what leaves
// was seen.
//
// Texts are joined per segment: the content, the reasoning and each tool call's arguments of each choice. An edit may span many
// events: its text goes into the first that it touches, the others lose what was replaced. Windows are the same however the
// stream was cut on its way here: events are looked at one by one, each when the windows before it are settled.

package import Core
package import Wire

package struct StreamHold {
    /// A piece of an event's text: where it lies in its segment's text, counted from the stream's beginning.
    private struct Piece {
        var delta: Int
        var key: StreamKey
        var range: Range<Int>
    }

    private struct HeldEvent {
        var event: SSEEvent
        var chunk: ChunkText
        var pieces: [Piece]
    }

    private struct TextEdit {
        var range: Range<Int>
        var text: Bytes
        /// An insertion at a window's beginning goes out with what follows it: what precedes it may have left.
        var leadsIn: Bool

        /// True when it changes something of the piece at `place`.
        func belongs(to place: Range<Int>) -> Bool {
            guard range.isEmpty else { return range.overlaps(place) }
            return leadsIn
                ? place.contains(range.lowerBound)
                : place.lowerBound < range.lowerBound && range.lowerBound <= place.upperBound
        }

        /// True when it changes nothing from `offset` on.
        func isOver(at offset: Int) -> Bool {
            range.upperBound < offset || (range.upperBound == offset && !leadsIn)
        }
    }

    private struct Text {
        var segment: PresentedSegment
        /// Not yet released; its first byte is at `base`.
        var pending: [UInt8] = []
        var base = 0
        /// Presented up to here.
        var seen = 0
        /// In the order of the text; none overlap.
        var edits: ArraySlice<TextEdit> = []
        var isFinished = false
        var isLastPresented = false
        /// Its place among the texts, by their first piece.
        let rank: Int

        var end: Int { base + pending.count }
    }

    /// What an event takes beside its bytes, about.
    private static let eventCost = 64

    private let endpoint: Endpoint
    private let rule: StreamRule
    /// Segments that have been counted.
    private var counted: Set<StreamKey> = []
    /// Taken, not yet looked at.
    private var incoming: ArraySlice<SSEEvent> = []
    private var hasEnded = false
    /// The check wants to be told of the end, and has not been.
    private var owesEnd: Bool
    private var isEnding = false
    private var held: ArraySlice<HeldEvent> = []
    private var texts: [StreamKey: Text] = [:]
    private var order: [StreamKey] = []
    /// Texts that are not finished, by what finishes them: their choice, or their content block. An event costs what it holds,
    /// however many texts there are.
    private var open: [Int: [StreamKey]] = [:]
    /// Ranks of texts that a window may be due of, the next one last.
    private var candidates: [Int] = []
    private var newest: SSEEvent?

    package init(endpoint: Endpoint, rule: StreamRule) {
        self.endpoint = endpoint
        self.rule = rule
        owesEnd = rule.check.wantsEnd
    }

    /// What has come so far, and what of it was judged.
    package private(set) var coverage = Coverage()
    /// A kind that must not leave unseen and that the check does not ask for.
    package private(set) var unseen: Segment.Kind?

    /// Counts an event that passes unseen.
    package mutating func skip(_ event: SSEEvent) {
        let chunk = ChunkText(endpoint: endpoint, event: event)
        for delta in chunk.deltas { count(delta.key, chunk.text(of: delta).count) }
    }

    private mutating func count(_ key: StreamKey, _ bytes: Int) {
        guard bytes > 0 else { return }
        coverage.present(key.kind, bytes: bytes, isNew: counted.insert(key).inserted)
    }

    package var isEmpty: Bool { held.isEmpty && incoming.isEmpty }

    /// Bytes of the events that wait, also of those that wait only for one before them.
    package private(set) var heldSize = 0

    /// Bytes of text waiting.
    package var heldBytes: Int { texts.values.reduce(0) { $0 + $1.pending.count } }

    /// Edits of text that has not left.
    var editCount: Int { texts.values.reduce(0) { $0 + $1.edits.count } }

    /// Takes the next event of the stream.
    package mutating func take(_ event: SSEEvent) { incoming.append(event) }

    /// The stream has ended.
    package mutating func finish() { hasEnded = true }

    private mutating func look(at event: SSEEvent) {
        let chunk = ChunkText(endpoint: endpoint, event: event)
        var pieces: [Piece] = []
        for (index, delta) in chunk.deltas.enumerated() {
            let text = chunk.text(of: delta)
            guard !text.isEmpty else { continue }
            count(delta.key, text.count)
            // Sound, and what only the provider can read: no windows are made of it.
            guard rule.check.asksFor(delta.key.kind), delta.segment.flags & Segment.Flags.binary == 0 else {
                if rule.demanded.contains(delta.key.kind) { unseen = delta.key.kind }
                continue
            }
            if texts[delta.key] == nil {
                texts[delta.key] = Text(segment: PresentedSegment(delta.segment, in: chunk.data), rank: order.count)
                order.append(delta.key)
                if !Self.isWhole(delta) { open[group(of: delta.key), default: []].append(delta.key) }
            } else if texts[delta.key]?.isLastPresented ?? false {
                // More of what was said to be finished.
                texts[delta.key]?.isFinished = false
                texts[delta.key]?.isLastPresented = false
                if !Self.isWhole(delta) { open[group(of: delta.key), default: []].append(delta.key) }
            }
            if Self.isWhole(delta) { texts[delta.key]?.isFinished = true }
            if let rank = texts[delta.key]?.rank { candidates.append(rank) }
            let start = texts[delta.key]?.end ?? 0
            withExtendedLifetime(text) { texts[delta.key]?.pending.append(contentsOf: text.buffer) }
            pieces.append(Piece(delta: index, key: delta.key, range: start..<(start + text.count)))
        }
        held.append(HeldEvent(event: event, chunk: chunk, pieces: pieces))
        heldSize += event.data.count + Self.eventCost
        newest = event
        for choice in chunk.finishedChoices {
            // An answer of Messages is one choice of many blocks.
            if endpoint == .messages { finishAll() } else { finish(choice) }
        }
        if let block = chunk.finishedBlock { finish(block & 0xFFFF) }
        if chunk.isEnd { finishAll() }
        candidates.sort(by: >)
    }

    /// A text beside the choices or blocks, as a provider's name: no later event goes on with it, and none waits for it.
    private static func isWhole(_ delta: ChunkText.Delta) -> Bool {
        let place = delta.segment.pointer
        return delta.key.kind == .other && !place.isEmpty && !place.hasPrefix("/choices")
            && !place.hasPrefix("/content")
    }

    /// What finishes a text.
    private func group(of key: StreamKey) -> Int {
        guard endpoint == .messages else { return key.choice }
        let block = Int(key.part & 0xFFFF)
        return key.belongs(toBlock: block) ? block : -1
    }

    private mutating func finish(_ group: Int) {
        for key in open.removeValue(forKey: group) ?? [] {
            texts[key]?.isFinished = true
            if let rank = texts[key]?.rank { candidates.append(rank) }
        }
    }

    private mutating func finishAll() {
        for group in Array(open.keys) { finish(group) }
        candidates.sort(by: >)
    }

    /// The next window to present, if any is due. Settle it before asking again.
    package mutating func nextWindow() -> (key: StreamKey, window: StreamWindow)? {
        while true {
            if let due = dueWindow() { return due }
            if let event = incoming.popFirst() {
                look(at: event)
            } else if hasEnded {
                hasEnded = false
                isEnding = true
                finishAll()
            } else if isEnding, owesEnd, let end = endWindow() {
                owesEnd = false
                return end
            } else {
                return nil
            }
        }
    }

    private func endWindow() -> (key: StreamKey, window: StreamWindow)? {
        guard let key = order.last, let text = texts[key] else { return nil }
        let window = StreamWindow(
            segment: text.segment, text: .empty, freshFrom: 0, isLast: true, releasedTo: 0, offset: text.end,
            isEnd: true)
        return (key, window)
    }

    private mutating func dueWindow() -> (key: StreamKey, window: StreamWindow)? {
        while let rank = candidates.last {
            let key = order[rank]
            guard let text = texts[key] else { return nil }
            let fresh = text.end - text.seen
            let isLast = text.isFinished && !text.isLastPresented
            guard fresh >= rule.windowBytes || isLast else {
                candidates.removeLast()
                continue
            }
            let whole = Bytes(text.pending)
            let kept = isLast ? 0 : rule.overlapBytes
            let window = StreamWindow(
                segment: text.segment, text: whole, freshFrom: text.seen - text.base, isLast: isLast,
                releasedTo: UTF8Check.boundary(whole.buffer, at: max(0, whole.count - kept)),
                event: rule.mode == .event ? newest?.data : nil, offset: text.base)
            return (key, window)
        }
        return nil
    }

    /// The hook has seen `window`: releases text up to `releasedTo` and takes its edits, whose ranges are offsets in the window.
    /// Edited text is released with what precedes it. False when the hook wanted to hold more than a window, which is clamped.
    @discardableResult
    package mutating func settle(
        _ key: StreamKey, _ window: StreamWindow, releasedTo: Int, edits: [HookExchange.Edit]
    ) -> Bool {
        guard var text = texts.removeValue(forKey: key) else { return true }
        let most = max(rule.mode == .event ? window.text.count - window.freshFrom : 0, rule.holdBytes)
        var released = window.isLast ? window.text.count : min(max(releasedTo, 0), window.text.count)
        for edit in edits { released = max(released, edit.range.upperBound) }
        let isClamped = window.text.count - released > most
        if isClamped { released = window.text.count - most }
        released = UTF8Check.boundary(window.text.buffer, at: released)
        for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            let range = text.base + edit.range.lowerBound..<text.base + edit.range.upperBound
            text.edits.append(
                TextEdit(range: range, text: edit.text, leadsIn: edit.range.isEmpty && edit.range.lowerBound == 0))
        }
        let fresh = text.base + window.text.count - text.seen
        coverage.see(key.kind, bytes: fresh, isNew: text.seen == 0)
        text.seen += fresh
        text.pending.removeFirst(released)
        text.base += released
        if window.isLast { text.isLastPresented = true }
        texts[key] = text
        return !isClamped
    }

    /// The events that may leave now, with the edits in them.
    package mutating func release() -> [SSEEvent] {
        var count = 0
        while count < held.count,
            held[held.startIndex + count].pieces.allSatisfy({ $0.range.upperBound <= (texts[$0.key]?.base ?? .max) })
        { count += 1 }
        guard count > 0 else { return [] }
        let leaving = held.prefix(count)
        let events = leaving.map { edited($0) }
        var left: [StreamKey: Int] = [:]
        for event in leaving {
            heldSize -= event.event.data.count + Self.eventCost
            for piece in event.pieces { left[piece.key] = piece.range.upperBound }
        }
        held = held.count == count ? [] : held.dropFirst(count)
        for (key, end) in left { forgetEdits(of: key, before: end) }
        return events
    }

    /// Drops the edits of what has left: the next piece begins where the last one ended.
    private mutating func forgetEdits(of key: StreamKey, before end: Int) {
        guard let text = texts[key], !text.edits.isEmpty else { return }
        let kept = text.edits.drop { $0.isOver(at: end) }
        texts[key]?.edits = kept.isEmpty ? [] : kept
    }

    /// Everything that is held, with the edits that were decided, the rest unseen: for a policy that lets the stream go on.
    package mutating func releaseAll() -> [SSEEvent] {
        let all = held.map { edited($0) } + incoming
        held = []
        heldSize = 0
        incoming = []
        return all
    }

    private func edited(_ held: HeldEvent) -> SSEEvent {
        var replacements = [Bytes?](repeating: nil, count: held.chunk.deltas.count)
        var isChanged = false
        for piece in held.pieces {
            guard let edits = texts[piece.key]?.edits, !edits.isEmpty,
                let new = apply(edits, to: held.chunk.text(of: held.chunk.deltas[piece.delta]), at: piece.range)
            else { continue }
            replacements[piece.delta] = new
            isChanged = true
        }
        return isChanged ? SSEEvent(name: held.event.name, data: held.chunk.replacing(replacements)) : held.event
    }

    /// The text of one piece after all edits that touch it; nil when none does.
    private func apply(_ edits: ArraySlice<TextEdit>, to text: Bytes, at place: Range<Int>) -> Bytes? {
        var splices = Splices()
        let near = edits[Self.first(in: edits, from: place.lowerBound)...]
        for edit in near.prefix(while: { $0.range.lowerBound <= place.upperBound }) where edit.belongs(to: place) {
            let local = edit.range.clamped(to: place)
            let carriesText = edit.range.lowerBound >= place.lowerBound
            splices.replace(
                (local.lowerBound - place.lowerBound)..<(local.upperBound - place.lowerBound),
                with: carriesText ? edit.text.array : [])
        }
        return splices.isEmpty ? nil : splices.apply(to: text)
    }

    /// The first edit that does not end before `offset`.
    private static func first(in edits: ArraySlice<TextEdit>, from offset: Int) -> Int {
        var low = edits.startIndex
        var high = edits.endIndex
        while low < high {
            let middle = (low + high) / 2
            if edits[middle].range.upperBound < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
