// Checks of how a text looks: alluppercase, alllowercase, endsWith, notNull, containsCode.

import PluginSDK

struct AllUppercase: TextCheck {
    static let id = "alluppercase"
    static let kinds: Segment.Kinds = .text
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        not = try config.flag("not")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        let isUpper = texts.allSatisfy { !$0.text.bytes.contains(oneOf: UInt8(ascii: "a")...UInt8(ascii: "z")) }
        var findings = Findings(
            isUpper != not, isUpper ? "All letters are uppercase." : "Some letters are lowercase.")
        findings.add("verdict", isUpper != not)
        findings.add("not", not)
        findings.addExcerpt(texts)
        return findings
    }
}

struct AllLowercase: TextCheck {
    static let id = "alllowercase"
    static let kinds: Segment.Kinds = .text
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        not = try config.flag("not")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        let isLower = texts.allSatisfy { !$0.text.bytes.contains(oneOf: UInt8(ascii: "A")...UInt8(ascii: "Z")) }
        var findings = Findings(
            isLower != not, isLower ? "All letters are lowercase." : "Some letters are uppercase.")
        findings.add("verdict", isLower != not)
        findings.add("not", not)
        findings.addExcerpt(texts)
        return findings
    }
}

/// The text ends with the suffix, or with the suffix and a full stop.
struct EndsWith: TextCheck {
    static let id = "endsWith"
    static let kinds: Segment.Kinds = .text
    private let suffix: String
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        suffix = try config.requiredText("suffix")
        not = try config.flag("not")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        let ends = endsWithSuffix(texts)
        var findings = Findings(
            ends != not, ends ? "The text ends with the suffix." : "The text does not end with the suffix.")
        findings.add("suffix", suffix)
        findings.add("not", not)
        findings.add("verdict", ends != not)
        findings.addExcerpt(texts)
        return findings
    }

    private func endsWithSuffix(_ texts: Segments) -> Bool {
        // As many of the last texts as could hold the suffix and the full stop; usually one.
        var tail: [UInt8] = []
        let needed = suffix.utf8.count + 1
        for text in texts.map(\.text).reversed() {
            tail.insert(contentsOf: text.bytes.suffix(needed), at: 0)
            if tail.count >= needed { break }
            tail.insert(UInt8(ascii: "\n"), at: 0)
        }
        return tail.ends(with: suffix.utf8)
            || tail.last == UInt8(ascii: ".") && tail.dropLast().ends(with: suffix.utf8)
    }
}

extension BidirectionalCollection<UInt8> {
    fileprivate func ends(with suffix: String.UTF8View) -> Bool {
        reversed().starts(with: suffix.reversed())
    }
}

/// Something was written.
struct NotNull: TextCheck {
    static let id = "notNull"
    static let kinds: Segment.Kinds = .text
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        not = try config.flag("not")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        var count = 0
        var isNull = true
        for segment in texts {
            count += 1
            if isNull { isNull = segment.text.bytes.isBlank }
        }
        let passed = !isNull != not
        var findings = Findings(passed, isNull ? "The content is empty." : "The content is not empty.")
        findings.add("isNull", isNull)
        findings.add("contentType", count == 0 ? "undefined" : count == 1 ? "string" : "array")
        findings.add("textArrayLength", count)
        findings.add("verdict", passed ? "passed" : "failed")
        return findings
    }
}

/// A fenced block is of the language.
struct ContainsCode: TextCheck {
    static let id = "containsCode"
    static let kinds: Segment.Kinds = .text
    private let format: String
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        format = try config.requiredText("format")
        not = try config.flag("not")
    }

    func judge(_ texts: Segments) throws(PluginFailure) -> Findings {
        try texts.requireText()
        var formats: [String] = []
        for segment in texts {
            for language in FencedBlocks(segment.text) {
                let format = FencedBlocks.format(of: language)
                if !formats.contains(format) { formats.append(format) }
            }
        }
        let wanted = format.lowercased()
        let isFound = formats.contains { $0.lowercased() == wanted }
        var findings = Findings(
            isFound != not,
            isFound
                ? "There is code in the format."
                : formats.isEmpty ? "There are no code blocks." : "There is code, but none in the format.")
        findings.add("searchedFormat", format)
        findings.add("not", not)
        findings.add("foundFormats", formats)
        findings.addExcerpt(texts)
        return findings
    }
}
