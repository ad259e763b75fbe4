// Checks that count: wordCount, sentenceCount, characterCount.

import PluginSDK

/// A range, and whether to be outside of it.
private struct Limits {
    let minimum: Int
    let maximum: Int
    let not: Bool

    init(_ config: JSON, _ minimumKey: String, _ maximumKey: String) throws(ConfigError) {
        minimum = try config.requiredInt(minimumKey)
        maximum = try config.requiredInt(maximumKey)
        not = try config.flag("not")
        guard minimum <= maximum else { throw ConfigError("Must be at least \(minimum)", at: "/" + maximumKey) }
    }

    func findings(_ count: Int, _ key: StaticString, _ texts: Segments) -> Findings {
        let isWithin = minimum <= count && count <= maximum
        let passed = isWithin != not
        var findings = Findings(passed, isWithin ? "The count is within the range." : "The count is outside the range.")
        findings.add(key, count)
        findings.add("minCount", minimum)
        findings.add("maxCount", maximum)
        findings.add("not", not)
        findings.add("verdict", passed)
        findings.addExcerpt(texts)
        return findings
    }
}

struct WordCount: TextCheck {
    static let id = "wordCount"
    static let kinds: Segment.Kinds = .text
    private let limits: Limits

    init(config: JSON, host: Host) throws(ConfigError) {
        limits = try Limits(config, "minWords", "maxWords")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        return limits.findings(texts.reduce(0) { $0 + $1.text.bytes.wordCount }, "wordCount", texts)
    }
}

struct SentenceCount: TextCheck {
    static let id = "sentenceCount"
    static let kinds: Segment.Kinds = .text
    private let limits: Limits

    init(config: JSON, host: Host) throws(ConfigError) {
        limits = try Limits(config, "minSentences", "maxSentences")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        limits.findings(texts.reduce(0) { $0 + $1.text.bytes.sentenceEndCount }, "sentenceCount", texts)
    }
}

struct CharacterCount: TextCheck {
    static let id = "characterCount"
    static let kinds: Segment.Kinds = .text
    private let limits: Limits

    init(config: JSON, host: Host) throws(ConfigError) {
        limits = try Limits(config, "minCharacters", "maxCharacters")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        // The newlines that join the texts count.
        let length = texts.reduce(-1) { $0 + 1 + $1.text.bytes.utf16Count }
        return limits.findings(length, "characterCount", texts)
    }
}
