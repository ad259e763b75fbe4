// regexMatch: a pattern is found, or must not be found, anywhere in what was presented.

import PluginSDK

struct RegexMatch: Guardrail {
    static let id = "regexMatch"
    private let rule: String
    private let pattern: Pattern
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        rule = try config.requiredText("rule")
        guard !rule.isEmpty else { throw ConfigError("Must not be empty", at: "/rule") }
        pattern = try Pattern(rule, at: "/rule", host: host)
        not = try config.flag("not")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let texts = exchange.texts(side)
        try texts.requireText()
        var hit: Text?
        for segment in texts {
            if try pattern.firstRange(in: segment.text) != nil {
                hit = segment.text
                break
            }
        }
        try report(exchange, isFound: hit != nil, in: hit, from: 0, texts.lazy.map(\.text))
        return .proceed
    }

    /// `text`: where the match is, as far as it is still at hand.
    private func report(
        _ exchange: Exchange, isFound: Bool, in text: Text?, from start: Int, _ excerpt: some Sequence<Text>
    ) throws(PluginFailure) {
        let passed = isFound != not
        var findings = Findings(passed, isFound ? "The pattern was found." : "The pattern was not found.")
        findings.add("regexPattern", rule)
        findings.add("not", not)
        findings.add("verdict", passed)
        if let text, let match = try pattern.firstMatch(in: text, from: start) {
            findings.add("matchDetails", raw: details(match, of: text))
        } else {
            findings.add("matchDetails", raw: Array("null".utf8))
        }
        findings.addExcerpt(excerpt)
        try findings.report(to: exchange)
    }

    private func details(_ match: [Range<Int>?], of text: Text) -> [UInt8] {
        let whole = match[0] ?? 0..<0
        var data: [UInt8] = []
        data.append(literal: "{\"matchedText\":")
        data.append(quoted: text[whole].bytes)
        data.append(literal: ",\"index\":")
        data.append(number: text[0..<whole.lowerBound].bytes.utf16Count)
        data.append(literal: ",\"groups\":{")
        var separator: StaticString = ""
        for (number, range) in match.enumerated().dropFirst() {
            guard let name = pattern.groupName(number) else { continue }
            data.append(literal: separator)
            data.append(quoted: name)
            data.append(literal: ":")
            write(range, of: text, to: &data)
            separator = ","
        }
        data.append(literal: "},\"captures\":[")
        for (number, range) in match.enumerated().dropFirst() {
            if number > 1 { data.append(literal: ",") }
            write(range, of: text, to: &data)
        }
        data.append(literal: "]}")
        return data
    }

    private func write(_ group: Range<Int>?, of text: Text, to data: inout [UInt8]) {
        if let group { data.append(quoted: text[group].bytes) } else { data.append(literal: "null") }
    }

    // MARK: Streams

    private final class Progress: StreamProgress {
        var isFound = false
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { Progress() }
        let start = progress.searchStart(window)
        let isMatch = try hasMatch(window, from: start)
        if isMatch { progress.isFound = true }
        progress.release(&window, upTo: window.releasedTo, keepingContext: true)
        if progress.mayReport(window, isBroken: not && progress.isFound, canOnlyBreak: not) {
            let text = CollectionOfOne(window.text)
            try report(exchange, isFound: progress.isFound, in: isMatch ? window.text : nil, from: start, text)
        }
        return .proceed
    }

    /// A match that touches the window's end might be none when more text comes. When it lies in what comes again, it
    /// is left for then.
    private func hasMatch(_ window: Window, from start: Int) throws(PluginFailure) -> Bool {
        guard let match = try pattern.firstRange(in: window.text, from: start) else { return false }
        return window.isLast || match.upperBound < window.text.count || match.lowerBound < window.releasedTo
    }
}
