// Rule: one pattern with its name and what to do about its matches.

import PluginSDK

struct Rule: Sendable {
    enum Action: String, Sendable { case report, deny, redact }

    let name: String
    let pattern: Pattern
    let action: Action
    let replacement: Replacement

    /// `defaults` are the check's parameters, which a pattern's own stand before.
    init(_ config: JSON, defaults: JSON, number: Int, host: Host) throws(ConfigError) {
        let place = "/patterns/\(number)"
        guard let source = config["pattern"]?.string, !source.isEmpty else {
            throw ConfigError("Must be a regular expression", at: place + "/pattern")
        }
        name = config["name"]?.string ?? "pattern \(number + 1)"
        let word = config["action"]?.string ?? defaults["action"]?.string ?? Action.report.rawValue
        guard let action = Action(rawValue: word) else {
            throw ConfigError("Must be \"report\", \"deny\" or \"redact\"", at: place + "/action")
        }
        self.action = action
        var flags: Pattern.Flags = []
        for letter in (config["flags"]?.string ?? "").unicodeScalars {
            switch letter {
            case "i": flags.insert(.caseless)
            case "m": flags.insert(.multiline)
            case "s": flags.insert(.dotAll)
            case "x": flags.insert(.extended)
            default: throw ConfigError("Must be letters of \"imsx\"", at: place + "/flags")
            }
        }
        pattern = try Pattern(source, flags, at: place + "/pattern", host: host)
        guard !Self.matchesNothing(pattern) else {
            throw ConfigError("Matches the empty text, and so every text", at: place + "/pattern")
        }
        let own = config["replacement"]?.string
        replacement = try Replacement(
            own ?? defaults["replacement"]?.string ?? "[REDACTED]", pattern,
            at: own == nil ? "/replacement" : place + "/replacement")
    }

    private static func matchesNothing(_ pattern: Pattern) -> Bool {
        let nothing: [UInt8] = []
        return nothing.withUnsafeBufferPointer { bytes in
            do throws(PluginFailure) { return try pattern.firstRange(in: Text(bytes)) != nil } catch { return false }
        }
    }
}
