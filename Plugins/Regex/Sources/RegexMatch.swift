// regex.match: the check.

import PluginSDK

struct RegexMatch: Guardrail {
    static let id = "match"
    private let rules: [Rule]
    private let kinds: Segment.Kinds
    private let message: String
    private let streamHorizon: Int

    /// A stream's window holds no more; the manifest says the same.
    private static let longestHold = 4096
    private static let maximumCount = 1_000_000
    /// A longer text is searched in pieces.
    private static let pieceSize = 16 << 10

    init(config: JSON, host: Host) throws(ConfigError) {
        var rules: [Rule] = []
        for (number, pattern) in (config["patterns"]?.array ?? []).enumerated() {
            let rule = try Rule(pattern, defaults: config, number: number, host: host)
            if rules.contains(where: { $0.name == rule.name }) {
                throw ConfigError("The name \"\(rule.name)\" is taken", at: "/patterns/\(number)/name")
            }
            rules.append(rule)
        }
        guard !rules.isEmpty else { throw ConfigError("Must be an array of patterns", at: "/patterns") }
        self.rules = rules
        kinds = config["segments"]?.array.map(Segment.Kinds.init(named:)) ?? .readable
        message = config["message"]?.string ?? "The text has something that a pattern forbids."
        streamHorizon = config["max_match_bytes"]?.int ?? 256
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        var counts = Counts(rules)
        let start = exchange.timeLeft
        for segment in exchange.texts(side) where kinds.contains(segment.kind.asKinds) {
            var scan = Scan(rules, horizon: Self.pieceSize / 4, longest: Self.pieceSize)
            var redactions = Redactions()
            var edits: [Redactions.Edit] = []
            let text = segment.text
            var known = 0
            repeat {
                // The host bounds each search; this bounds all of them.
                guard start - exchange.timeLeft < .seconds(1) else { throw PluginFailure("The patterns took too long") }
                known = min(text.count, max(scan.settled, known) + Self.pieceSize)
                known = known == text.count ? known : text.bytes.characterStart(atOrBefore: known)
                let base = text.bytes.characterStart(atOrBefore: scan.needed)
                let matches = try scan.advance(over: text[base..<known], at: base, isLast: known == text.count)
                counts.add(matches)
                guard counts.total <= Self.maximumCount else {
                    throw PluginFailure("The patterns match more than \(Self.maximumCount) times")
                }
                edits += redactions.edits(of: matches.lazy.filter { rules[$0.rule].action == .redact })
            } while known < text.count
            if counts.isDenied { return .deny(denial(counts)) }
            for edit in edits.few(text, at: 0) { try redact(exchange, segment, edit, at: 0) }
        }
        try counts.report(to: exchange)
        return .proceed
    }

    private func redact(
        _ exchange: Exchange, _ segment: Segment, _ edit: Redactions.Edit, at base: Int
    ) throws(PluginFailure) {
        guard !segment.isReadOnly else { throw PluginFailure("A match is in a place that cannot be edited") }
        try exchange.edit(
            segment, edit.range.lowerBound - base..<edit.range.upperBound - base, with: edit.replacement)
    }

    private func denial(_ counts: Counts) -> Denial {
        Denial(code: "pattern_found", message: message)
    }

    // MARK: Streams

    private final class Progress {
        var counts: Counts
        var hasFailed = false
        var texts: [UInt64: StreamedText] = [:]
        init(_ rules: [Rule]) { counts = Counts(rules) }
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { Progress(rules) }
        if window.isEnd {
            if !progress.hasFailed { try progress.counts.report(to: exchange) }
            return .proceed
        }
        guard kinds.contains(window.segment.kind.asKinds) else {
            window.releasedTo = window.text.count
            return .proceed
        }
        let id = window.segment.id
        var text =
            progress.texts[id] ?? StreamedText(Scan(rules, horizon: streamHorizon, longest: Self.longestHold))
        let isJSON = window.segment.kind == .toolArguments
        let (matches, known, base) = try text.take(window, escaping: isJSON)
        progress.counts.add(matches)
        if progress.counts.isDenied { return .deny(denial(progress.counts)) }
        let redacted = matches.filter { rules[$0.rule].action == .redact }
        let edits = text.redactions.edits(of: redacted)
        let isSafe = known.withUnsafeBufferPointer { known in
            edits.allSatisfy {
                !isJSON || known.isInsideString($0.range.lowerBound - base..<$0.range.upperBound - base)
            }
        }
        guard isSafe else {
            return .deny(Denial(code: "pattern_not_redactable", message: "A match in a tool call cannot be redacted."))
        }
        for edit in edits.few(window.text, at: window.offset) {
            try redact(exchange, window.segment, edit, at: window.offset)
        }
        window.releasedTo = max(
            0, min(window.text.count, max(text.scan.settled, text.redactions.editedTo) - window.offset))
        progress.texts[id] = text
        if progress.counts.isFailed, !progress.hasFailed {
            // At once, so that a config that denies can keep back what broke the rule.
            progress.hasFailed = true
            try progress.counts.report(to: exchange)
        }
        return .proceed
    }
}

/// A text of which windows come and go.
private struct StreamedText {
    var scan: Scan
    var redactions = Redactions()
    /// The end of the text that was shown: at least what is needed again.
    private var kept: [UInt8] = []
    private var base = 0

    init(_ scan: Scan) { self.scan = scan }

    mutating func take(
        _ window: Window, escaping: Bool
    ) throws(PluginFailure) -> (matches: [Match], known: [UInt8], base: Int) {
        let overlap = max(0, base + kept.count - window.offset)
        kept.removeLast(min(overlap, kept.count))
        if base + kept.count != window.offset {
            kept = []
            base = window.offset
        }
        kept += window.text.bytes
        let known = kept
        let start = base
        let matches = try known.withUnsafeBufferPointer { bytes throws(PluginFailure) in
            try scan.advance(over: Text(bytes), at: start, isLast: window.isLast, escaping: escaping)
        }
        let unneeded = kept.withUnsafeBufferPointer { $0.characterStart(atOrBefore: scan.needed - base) }
        kept.removeFirst(unneeded)
        base += unneeded
        return (matches, known, start)
    }
}

/// How often each rule matched.
private struct Counts {
    private let rules: [Rule]
    private var counts: [Int]

    init(_ rules: [Rule]) {
        self.rules = rules
        counts = [Int](repeating: 0, count: rules.count)
    }

    var total: Int { counts.reduce(0, +) }

    mutating func add(_ matches: [Match]) {
        for match in matches { counts[match.rule] += 1 }
    }

    private func found(_ action: Rule.Action) -> Bool {
        rules.indices.contains { counts[$0] > 0 && rules[$0].action == action }
    }

    var isDenied: Bool { found(.deny) }
    var isFailed: Bool { found(.report) }

    func report(to exchange: Exchange) throws(PluginFailure) {
        let matches = rules.indices.filter { counts[$0] > 0 }.map { number -> JSON in
            [
                "name": .string(rules[number].name), "action": .string(rules[number].action.rawValue),
                "count": .int(counts[number]),
            ]
        }
        let explanation = matches.isEmpty ? "No pattern was found." : "Patterns were found."
        try exchange.report(
            passed: !isFailed, data: ["explanation": .string(explanation), "matches": .array(matches)])
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// The range lies within one string of JSON text and cuts no escape.
    fileprivate func isInsideString(_ range: Range<Int>) -> Bool {
        var backslashes = 0
        while backslashes < range.lowerBound, self[range.lowerBound - 1 - backslashes] == UInt8(ascii: "\\") {
            backslashes += 1
        }
        guard backslashes % 2 == 0, !isInUnicodeEscape(range.lowerBound) else { return false }
        var position = range.lowerBound
        while position < range.upperBound {
            switch self[position] {
            case UInt8(ascii: "\""): return false
            case UInt8(ascii: "\\"):
                position += position + 1 < count && self[position + 1] == UInt8(ascii: "u") ? 6 : 2
            default: position += 1
            }
        }
        return position == range.upperBound
    }

    /// Among the digits of `\u0041`.
    private func isInUnicodeEscape(_ place: Int) -> Bool {
        for distance in 2...5 where place >= distance && self[place - distance] == UInt8(ascii: "\\") {
            return self[place - distance + 1] == UInt8(ascii: "u")
        }
        return false
    }
}
