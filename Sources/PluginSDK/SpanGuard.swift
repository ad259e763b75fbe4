// SpanGuard: a check that finds stretches of text and reports them, blots them out, or refuses. It finds the same in a
// stream, wherever it is cut, as in the whole text: what the end of a window leaves open is held back and looked at again.

/// Finds stretches in folded symbols. A value that is shared by all exchanges.
public protocol SpanFinder: Sendable {
    /// Calls `found` for each stretch, in order and without overlaps, with a number that says what it is.
    ///
    /// `before` is the symbol that stands before the first. Unless `isLast`, more may follow: returns the index of the
    /// first symbol that is needed again then, and reports nothing that ends after it.
    func find(
        _ symbols: UnsafeBufferPointer<UInt32>, before: UInt32, isLast: Bool, _ found: (Range<Int>, Int) -> Void
    ) -> Int
}

/// What becomes of a finding.
public enum SpanAction: String, Sendable {
    /// The check fails; the operator's config decides.
    case report
    /// It is replaced, and the check passes.
    case redact
    /// The exchange is refused.
    case deny

    public init(_ config: JSON) throws(ConfigError) {
        guard let word = config["action"] else {
            self = .report
            return
        }
        guard let action = word.string.flatMap(SpanAction.init(rawValue:)) else {
            throw ConfigError("Must be \"report\", \"redact\" or \"deny\"", at: "/action")
        }
        self = action
    }
}

public protocol SpanGuard: Guardrail {
    associatedtype Finder: SpanFinder
    var finder: Finder { get }
    var action: SpanAction { get }
    var denial: Denial { get }
    /// What takes the place of a finding of so many characters.
    func replacement(of finding: Int, length: Int) -> String
    /// Whether it is one, by its bytes. For what folding has taken away: capital letters.
    func confirms(_ finding: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool
    /// What the report says. `counts`: how often each finding was found, in the order of their first.
    func report(_ counts: SpanCounts) -> JSON
}

/// How often each finding was found.
public struct SpanCounts: Sendable {
    public private(set) var total = 0
    public private(set) var counts: [(finding: Int, count: Int)] = []
    private var places: [Int: Int] = [:]
    /// So many different findings are told apart.
    public static let most = 32

    mutating func add(_ finding: Int) {
        total += 1
        if let place = places[finding] {
            counts[place].count += 1
        } else if counts.count < Self.most {
            places[finding] = counts.count
            counts.append((finding, 1))
        }
    }
}

/// Reads one segment, in one piece or window by window.
public struct TextScanner: Sendable {
    private var strings: JSONStrings?
    private var before = FoldedText.edge

    /// `isJSON`: the text is the JSON text of a tool call's arguments.
    public init(isJSON: Bool = false) {
        strings = isJSON ? JSONStrings() : nil
    }

    /// Texts are read in blocks, so that a large one needs no memory of its size.
    private static let blockBytes = 64 << 10

    /// Calls `found` with byte ranges of the text, the number of characters in them, and the finding. Returns how much of
    /// the text is done with: the next window begins there.
    public mutating func scan(
        _ text: Text, isLast: Bool, for finder: some SpanFinder, _ folded: inout FoldedText,
        _ found: (Range<Int>, Int, Int) -> Void
    ) -> Int {
        let bytes = text.bytes
        var position = 0
        var size = Self.blockBytes
        while position < bytes.count {
            let end = bytes.characterEnd(atOrBefore: position + size)
            let endsHere = isLast && end == bytes.count
            let read = folded.read(bytes, position..<end, strings: strings, isLast: endsHere)
            let kept = folded.symbols.withUnsafeBufferPointer { symbols in
                finder.find(symbols, before: before, isLast: endsHere) { range, finding in
                    found(folded.source(range), folded.characterCount(of: range), finding)
                }
            }
            let next = kept < folded.count ? folded.begin(of: kept) : read
            if kept > 0 { before = folded.symbols[kept - 1] }
            strings?.pass(bytes, position..<next)
            if end == bytes.count { return next }
            // A block that is one unfinished match is too small.
            size = next == position ? 2 * size : Self.blockBytes
            position = next
        }
        return position
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate func characterEnd(atOrBefore offset: Int) -> Int {
        guard offset < count else { return count }
        var end = offset
        while end > offset - 4, end > 0, self[end] & 0xC0 == 0x80 { end -= 1 }
        return self[end] & 0xC0 == 0x80 ? offset : end
    }
}

/// What is known of one stream.
private final class SpanProgress {
    var scanners: [UInt64: TextScanner] = [:]
    var counts = SpanCounts()
    var folded = FoldedText()
}

extension SpanGuard {
    public func confirms(_ finding: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool { true }

    public func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    public func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        var counts = SpanCounts()
        var folded = FoldedText()
        for segment in exchange.texts(side) {
            var scanner = TextScanner()
            var edits: [Edit] = []
            _ = scanner.scan(segment.text, isLast: true, for: finder, &folded) { range, length, finding in
                guard confirms(finding, segment.text[range].bytes) else { return }
                counts.add(finding)
                if action == .redact { edits.append((range, replacement(of: finding, length: length))) }
            }
            try apply(edits, to: segment, of: exchange, escaping: false)
        }
        if action == .deny, counts.total > 0 { return .deny(denial) }
        try exchange.report(passed: action == .redact || counts.total == 0, data: report(counts))
        return .proceed
    }

    public func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { SpanProgress() }
        if window.isEnd {
            let passed = action == .redact || progress.counts.total == 0
            try exchange.report(passed: passed, data: report(progress.counts))
            return .proceed
        }
        let isJSON = window.segment.kind == .toolArguments
        let known = progress.counts.total
        var edits: [Edit] = []
        var scanner = progress.scanners[window.segment.id] ?? TextScanner(isJSON: isJSON)
        let text = window.text
        let done = scanner.scan(text, isLast: window.isLast, for: finder, &progress.folded) {
            range, length, finding in
            guard confirms(finding, text[range].bytes) else { return }
            progress.counts.add(finding)
            if action == .redact { edits.append((range, replacement(of: finding, length: length))) }
        }
        progress.scanners[window.segment.id] = scanner
        if !window.isLast { window.releasedTo = done }
        try apply(edits, to: window.segment, of: exchange, escaping: isJSON)
        guard progress.counts.total > known else { return .proceed }
        if action == .deny { return .deny(denial) }
        // Said before the text is let go: a config that denies can still stop it.
        if action == .report, known == 0 { try exchange.report(passed: false, data: report(progress.counts)) }
        return .proceed
    }

    private typealias Edit = (range: Range<Int>, text: String)

    private func apply(
        _ edits: [Edit], to segment: Segment, of exchange: Exchange, escaping: Bool
    ) throws(PluginFailure) {
        guard !segment.isReadOnly else { return }
        for edit in edits {
            var text = Array(edit.text.utf8)
            if escaping {
                var escaped: [UInt8] = []
                text.withUnsafeBufferPointer { escaped.append(escaping: $0) }
                text = escaped
            }
            try exchange.edit(segment, edit.range, with: text)
        }
    }
}
