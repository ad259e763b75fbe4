// contains: which of some words occur, as they are written, anywhere in what was presented.

import PluginSDK

struct Contains: TextCheck {
    static let id = "contains"
    static let kinds: Segment.Kinds = .readable
    private let words: [String]
    private let needles: [[UInt8]]
    private let quantifier: Quantifier
    private let not: Bool
    private let longest: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        words = try config.requiredTexts("words")
        needles = words.map { Array($0.utf8) }
        quantifier = try Quantifier(config, default: .any)
        not = try config.flag("not")
        longest = needles.map(\.count).max() ?? 0
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        var found = [Bool](repeating: false, count: needles.count)
        for segment in texts { search(segment.text, &found) }
        return findings(found)
    }

    private func search(_ text: Text, _ found: inout [Bool]) {
        for index in needles.indices where !found[index] {
            found[index] = text.bytes.firstOffset(of: needles[index]) != nil
        }
    }

    private func passes(_ found: [Bool]) -> Bool {
        quantifier.holds(found: found.count { $0 }, of: found.count) != not
    }

    private func findings(_ found: [Bool]) -> Findings {
        let passed = passes(found)
        var findings = Findings(
            passed, passed ? "The words are there as they should be." : "The words are not there as they should be.")
        findings.add("foundWords", zip(words, found).lazy.filter(\.1).map(\.0))
        findings.add("missingWords", zip(words, found).lazy.filter { !$0.1 }.map(\.0))
        findings.add("operator", quantifier.rawValue)
        return findings
    }

    // MARK: Streams

    private final class Progress: StreamProgress {
        var found: [Bool]
        init(_ count: Int) { found = [Bool](repeating: false, count: count) }
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { Progress(needles.count) }
        search(window.text, &progress.found)
        window.holdBack(longest - 1)
        let canOnlyBreak = quantifier.canOnlyBreak(not: not)
        if progress.mayReport(window, isBroken: canOnlyBreak && !passes(progress.found), canOnlyBreak: canOnlyBreak) {
            try findings(progress.found).report(to: exchange)
        }
        return .proceed
    }
}
