// Rule: what pii.redact, pii.detect and pii.portkey have in common: look at all texts of a side, edit what is found, count
// it, report. A report names kinds and numbers, never a value.

import PluginSDK

struct Rule: Sendable {
    let detector: Detector
    /// nil: what is found stays.
    let methods: Methods?
    let failsWhenFound: Bool

    func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        var search = Search(rule: self)
        for segment in exchange.texts(side) {
            var carry = Carry()
            let (edits, _) = try search.edits(
                in: segment.text.bytes, from: 0, isLast: true, kind: segment.kind, carry: &carry)
            try segment.make(edits, in: exchange)
        }
        try report(search.counts, to: exchange)
        return .proceed
    }

    // MARK: Streams

    /// What is remembered of a stream. Calls for one exchange and instance are serial.
    private final class Progress {
        var texts: [UInt64: StreamText] = [:]
        var counts: [Int: Int] = [:]
        var hasFailed = false
    }

    func judge(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { Progress() }
        guard !window.isEnd else {
            try report(progress.counts, to: exchange)
            return .proceed
        }
        var search = Search(rule: self, counts: progress.counts)
        try progress.texts[window.segment.id, default: StreamText()].search(exchange, &window, &search)
        progress.counts = search.counts
        // At once, while what was found can still be held back.
        if failsWhenFound, !progress.hasFailed, !progress.counts.isEmpty {
            progress.hasFailed = true
            try report(progress.counts, to: exchange)
        }
        return .proceed
    }

    private struct Search: TextSearch {
        let rule: Rule
        var counts: [Int: Int] = [:]

        mutating func edits(
            in text: Bytes, from start: Int, isLast: Bool, kind: Segment.Kind, carry: inout Carry
        ) throws(PluginFailure) -> (edits: [TextEdit], safe: Int) {
            let found = try rule.detector.find(
                in: text, from: start, isLast: isLast, trustsLoneNumbers: kind != .toolArguments, carry: &carry)
            for match in found.matches where !match.isContinuation { counts[match.kind, default: 0] += 1 }
            guard let methods = rule.methods else { return ([], found.safe) }
            return (
                found.matches.map { TextEdit(range: $0.range, replacement: methods.replacement($0, in: text)) },
                found.safe
            )
        }
    }

    // MARK: Reports

    private func report(_ counts: [Int: Int], to exchange: Exchange) throws(PluginFailure) {
        let passed = counts.isEmpty || !failsWhenFound
        try exchange.report(passed: passed, data: detector.findings(counts, verdict: passed, isEdited: methods != nil))
    }
}

extension Detector {
    func findings(_ counts: [Int: Int], verdict: Bool, isEdited: Bool) -> JSON {
        var entities = JSON.Object()
        for (kind, count) in counts.sorted(by: { $0.key < $1.key }) { entities[name(kind)] = .int(count) }
        let explanation =
            counts.isEmpty
            ? "No personal data was found."
            : isEdited ? "Personal data was found and replaced." : "Personal data was found."
        return [
            "verdict": .bool(verdict), "explanation": .string(explanation), "entities": .object(entities),
            "count": .int(counts.values.reduce(0, +)),
        ]
    }
}

extension Segment {
    /// Makes edits of a whole text. One that cannot be changed and should be is a failure: it must not pass as clean.
    func make(_ edits: [TextEdit], in exchange: Exchange) throws(PluginFailure) {
        for edit in edits {
            guard let replacement = edit.replacement else { continue }
            guard !isReadOnly else { throw PluginFailure("A text with personal data in it cannot be edited") }
            try exchange.edit(self, edit.range, with: replacement)
        }
    }
}
