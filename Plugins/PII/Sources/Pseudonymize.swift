// pii.pseudonymize: the model sees placeholders, the user sees values. The map between them lives with the exchange, in
// memory; it is in no report and no log.

import PluginSDK

struct Pseudonymize: Guardrail {
    static let id = "pseudonymize"
    private let detector: Detector

    init(config: JSON, host: Host) throws(ConfigError) {
        detector = try Detector(config, host: host)
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let vault = try exchange.state { Vault() }
        for segment in exchange.texts(.request) { vault.avoidLabels(in: segment.text.bytes) }
        var counts: [Int: Int] = [:]
        for segment in exchange.texts(.request) {
            let text = segment.text.bytes
            var carry = Carry()
            let (matches, _) = try detector.find(
                in: text, from: 0, isLast: true, trustsLoneNumbers: segment.kind != .toolArguments, carry: &carry)
            for match in matches { counts[match.kind, default: 0] += 1 }
            let edits = matches.map {
                TextEdit(
                    range: $0.range, replacement: vault.placeholder($0.kind, detector.name($0.kind), text[$0.range]))
            }
            try segment.make(edits, in: exchange)
        }
        try exchange.report(passed: true, data: detector.findings(counts, verdict: true, isEdited: true))
        return .proceed
    }

    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        guard let vault = exchange.state(Vault.self), !vault.isEmpty else { return .proceed }
        let restorer = Restorer(vault: vault)
        for segment in exchange.texts(.response) {
            var carry = Carry()
            let (edits, _) = try restorer.edits(
                in: segment.text.bytes, from: 0, isLast: true, kind: segment.kind, carry: &carry)
            try segment.make(edits, in: exchange)
        }
        return .proceed
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        guard let vault = exchange.state(Vault.self), !vault.isEmpty else {
            window.releasedTo = window.text.count
            return .proceed
        }
        var restorer = Restorer(vault: vault)
        try vault.texts[window.segment.id, default: StreamText()].search(exchange, &window, &restorer)
        return .proceed
    }
}

/// The values of one exchange and their labels. Calls for one exchange and instance are serial.
final class Vault {
    private struct Value: Hashable {
        let kind: Int
        let bytes: [UInt8]
    }

    /// Of streams: what is remembered of each segment.
    var texts: [UInt64: StreamText] = [:]
    private var labels: [Value: String] = [:]
    private var values: [[UInt8]: [UInt8]] = [:]
    private var counters: [Int: Int] = [:]
    /// Labels that somebody wrote, in upper case: not ours to give.
    private var avoided: Set<[UInt8]> = []

    var isEmpty: Bool { values.isEmpty }

    /// "<EMAIL_1>": the same for the same value.
    func placeholder(_ kind: Int, _ name: String, _ bytes: Slice<Bytes>) -> [UInt8] {
        let value = Value(kind: kind, bytes: Array(bytes))
        let label = labels[value] ?? newLabel(for: value, name)
        return Array("<\(label)>".utf8)
    }

    private func newLabel(for value: Value, _ name: String) -> String {
        while true {
            let number = counters[value.kind, default: 0] + 1
            counters[value.kind] = number
            let label = "\(name)_\(number)"
            guard !avoided.contains(Array(label.utf8)) else { continue }
            labels[value] = label
            values[Array(label.utf8)] = value.bytes
            return label
        }
    }

    /// The value of a label in upper case.
    func value(_ label: [UInt8]) -> [UInt8]? { values[label] }

    func avoidLabels(in text: Bytes) {
        var position = 0
        while let run = LabelRun(in: text, from: position) {
            position = run.range.upperBound
            if values[run.label] == nil { avoided.insert(run.label) }
        }
    }
}

/// Letters, digits and underscores with an underscore among them: what a label may look like. Models put backslashes
/// before underscores, for Markdown.
struct LabelRun {
    static let longest = 80

    let range: Range<Int>
    /// In upper case, without backslashes.
    let label: [UInt8]
    let isUpperCase: Bool

    /// The first run at or after `start`.
    init?(in text: Bytes, from start: Int) {
        var position = start
        while position < text.count {
            guard text[position] == UInt8(ascii: "_") else {
                position += 1
                continue
            }
            var first = position
            while first > 0, position - first <= Self.longest, Self.isPart(text[first - 1]) { first -= 1 }
            var end = position
            while end < text.count, Self.isPart(text[end]) { end += 1 }
            if first >= start, end - first <= Self.longest {
                while first < position, text[first] == UInt8(ascii: "\\") { first += 1 }
                range = first..<end
                let plain = text[range].filter { $0 != UInt8(ascii: "\\") }
                label = plain.map(\.uppercased)
                isUpperCase = label.elementsEqual(plain)
                return
            }
            position = end
        }
        return nil
    }

    static func isPart(_ byte: UInt8) -> Bool {
        byte.isAlphanumeric || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "\\")
    }
}

/// Puts values back where their placeholders are: in brackets whatever their case, without brackets when the label is
/// written as it was given and stands alone.
struct Restorer: TextSearch {
    let vault: Vault

    func edits(
        in text: Bytes, from start: Int, isLast: Bool, kind: Segment.Kind, carry: inout Carry
    ) throws(PluginFailure) -> (edits: [TextEdit], safe: Int) {
        let safe = isLast ? text.count : max(start, Self.undecidedStart(text))
        var edits: [TextEdit] = []
        var position = start
        while let run = LabelRun(in: text, from: position) {
            guard run.range.lowerBound < safe else { break }
            position = run.range.upperBound
            guard let value = vault.value(run.label) else { continue }
            let range = Self.bracketed(run.range, in: text) ?? (run.isUpperCase ? Self.bare(run.range, in: text) : nil)
            if let range, range.lowerBound >= start { edits.append(TextEdit(range: range, replacement: value)) }
        }
        return (edits, safe)
    }

    /// With "<" and ">" around it, or what HTML and Markdown write for them.
    private static func bracketed(_ run: Range<Int>, in text: Bytes) -> Range<Int>? {
        var start = run.lowerBound
        while start > 0, text[start - 1] == UInt8(ascii: "\\") { start -= 1 }
        if text.at(start - 1) == UInt8(ascii: "<"), text.at(run.upperBound) == UInt8(ascii: ">") {
            let isEscaped = text.at(start - 2) == UInt8(ascii: "\\")
            return (start - (isEscaped ? 2 : 1))..<(run.upperBound + 1)
        }
        if text.hasPrefix("&lt;", at: start - 4), text.hasPrefix("&gt;", at: run.upperBound) {
            return (start - 4)..<(run.upperBound + 4)
        }
        return nil
    }

    /// A backslash at the end belongs to what follows.
    private static func bare(_ run: Range<Int>, in text: Bytes) -> Range<Int> {
        var end = run.upperBound
        while end > run.lowerBound, text[end - 1] == UInt8(ascii: "\\") { end -= 1 }
        return run.lowerBound..<end
    }

    /// Where a placeholder may have begun that goes on.
    private static func undecidedStart(_ text: Bytes) -> Int {
        var start = text.count
        while start > 0, text.count - start < 2 * LabelRun.longest, isPart(text[start - 1]) { start -= 1 }
        return start
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), UInt8(ascii: ";"): true
        default: LabelRun.isPart(byte)
        }
    }
}
