// regexReplace: replaces what a pattern matches, in place, in every text that was presented.

import PluginSDK

struct RegexReplace: Guardrail {
    static let id = "regexReplace"
    private let rule: String
    private let pattern: Pattern
    private let isGlobal: Bool
    private let replacement: Replacement
    private let failOnDetection: Bool
    /// A match that touches the end of a window may go on: so much of it is held back to see.
    private static let longestHold = 1024

    init(config: JSON, host: Host) throws(ConfigError) {
        rule = try config.requiredText("rule")
        guard !rule.isEmpty else { throw ConfigError("Must not be empty", at: "/rule") }
        let (source, letters) = Self.split(rule)
        var flags: Pattern.Flags = []
        if letters.contains("i") { flags.insert(.caseless) }
        if letters.contains("m") { flags.insert(.multiline) }
        if letters.contains("s") { flags.insert(.dotAll) }
        isGlobal = letters.contains("g")
        pattern = try Pattern(letters.contains("y") ? "\\G(?:\(source))" : source, flags, at: "/rule", host: host)
        replacement = Replacement(config["redactText"]?.string ?? "[REDACTED]")
        failOnDetection = try config.flag("failOnDetection")
    }

    /// "/pattern/flags" in its two parts; anything else is a pattern without flags.
    private static func split(_ rule: String) -> (source: String, flags: String) {
        guard rule.first == "/", let end = rule.lastIndex(of: "/"), end > rule.index(after: rule.startIndex) else {
            return (rule, "")
        }
        let flags = rule[rule.index(after: end)...]
        guard flags.allSatisfy("gimsuy".contains) else { return (rule, "") }
        return (String(rule[rule.index(after: rule.startIndex)..<end]), String(flags))
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try replace(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try replace(exchange, .response) }

    private func replace(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let texts = exchange.texts(side)
        try texts.requireText()
        var isDetected = false
        for segment in texts {
            var position = 0
            while let match = try nextMatch(in: segment.text, from: position) {
                isDetected = true
                try exchange.edit(segment, match.range, with: match.replacement)
                guard isGlobal else { break }
                position = match.next
            }
        }
        try report(exchange, isDetected)
        return .proceed
    }

    private struct Match {
        let range: Range<Int>
        let replacement: [UInt8]
        /// Where the search goes on.
        let next: Int
    }

    private func nextMatch(
        in text: Text, from start: Int, escaping: Bool = false
    ) throws(PluginFailure) -> Match? {
        guard start <= text.count else { return nil }
        let groups: [Range<Int>?]
        if replacement.usesGroups {
            guard let match = try pattern.firstMatch(in: text, from: start) else { return nil }
            groups = match
        } else {
            guard let range = try pattern.firstRange(in: text, from: start) else { return nil }
            groups = [range]
        }
        let range = groups[0] ?? start..<start
        var next = range.upperBound
        if range.isEmpty { next += next < text.count ? text.bytes[next].characterSize.bytes : 1 }
        return Match(
            range: range, replacement: replacement.bytes(groups, of: text, escaping: escaping), next: next)
    }

    private func report(_ exchange: Exchange, _ isDetected: Bool) throws(PluginFailure) {
        let passed = !(isDetected && failOnDetection)
        var findings = Findings(
            passed, isDetected ? "The pattern was found and replaced." : "The pattern was not found.")
        findings.add("regexPattern", rule)
        findings.add("verdict", passed)
        try findings.report(to: exchange)
    }

    // MARK: Streams

    private final class Progress: StreamProgress {
        var isDetected = false
        /// Without the flag g, segments that have had their replacement.
        var done: Set<UInt64> = []
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let progress = try exchange.state { Progress() }
        if !progress.done.contains(window.segment.id) { try replace(exchange, &window, progress) }
        let isBroken = failOnDetection && progress.isDetected
        if progress.mayReport(window, isBroken: isBroken, canOnlyBreak: true) {
            try report(exchange, progress.isDetected)
        }
        return .proceed
    }

    /// Edits what is let go and lets go what is edited: nothing is presented again that has been changed.
    private func replace(
        _ exchange: Exchange, _ window: inout Window, _ progress: Progress
    ) throws(PluginFailure) {
        // Tool calls stream as JSON text; all else is decoded.
        let escaping = window.segment.kind == .toolArguments
        var position = progress.searchStart(window)
        var end = window.releasedTo
        var editedTo = -1
        while let match = try nextMatch(in: window.text, from: position, escaping: escaping) {
            guard match.range.lowerBound < window.releasedTo || window.isLast else { break }
            if mayGoOn(match.range, window) {
                end = match.range.lowerBound
                break
            }
            progress.isDetected = true
            try exchange.edit(window.segment, match.range, with: match.replacement)
            editedTo = match.range.upperBound
            end = max(end, editedTo)
            guard isGlobal else {
                progress.done.insert(window.segment.id)
                break
            }
            position = match.next
        }
        progress.release(&window, upTo: end, keepingContext: end != editedTo)
    }

    private func mayGoOn(_ match: Range<Int>, _ window: Window) -> Bool {
        !window.isLast && match.upperBound == window.text.count && match.count <= Self.longestHold
    }
}

/// The text that takes a match's place. As in JavaScript, `$&` stands for the match, `$1` to `$99` for its groups and
/// `$$` for a dollar sign.
private struct Replacement {
    private let template: [UInt8]
    let usesGroups: Bool

    init(_ template: String) {
        self.template = Array(template.utf8)
        usesGroups = self.template.contains(UInt8(ascii: "$"))
    }

    /// `escaping`: for a place inside a JSON string.
    func bytes(_ groups: [Range<Int>?], of text: Text, escaping: Bool) -> [UInt8] {
        guard usesGroups || escaping else { return template }
        var bytes: [UInt8] = []
        var position = 0
        while position < template.count {
            if let (part, length) = reference(at: position, groups.count) {
                if let range = groups[part] { bytes.append(contentsOf: text[range].bytes) }
                position += length
            } else {
                let length = template[position...].starts(with: [0x24, 0x24]) ? 2 : 1
                append(template[position], to: &bytes, escaping: escaping)
                position += length
            }
        }
        return bytes
    }

    private func append(_ byte: UInt8, to bytes: inout [UInt8], escaping: Bool) {
        guard escaping else { return bytes.append(byte) }
        [byte].withUnsafeBufferPointer { bytes.append(escaping: $0) }
    }

    /// The group that a reference at an offset means, and how long the reference is.
    private func reference(at position: Int, _ groupCount: Int) -> (group: Int, length: Int)? {
        guard template[position] == UInt8(ascii: "$"), position + 1 < template.count else { return nil }
        if template[position + 1] == UInt8(ascii: "&") { return (0, 2) }
        let digits = template[(position + 1)...].prefix(2).prefix { $0 &- UInt8(ascii: "0") < 10 }
        for count in stride(from: digits.count, to: 0, by: -1) {
            let number = digits.prefix(count).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
            if number > 0, number < groupCount { return (number, 1 + count) }
        }
        return nil
    }
}
