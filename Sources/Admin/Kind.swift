// Kind: the words under which managed objects are stored.

import Core
import Digests

enum Kind {
    static let workspace = "workspace"
    /// A workspace that is gone: its name stays taken, for rows in the log and objects at providers are under it.
    static let retired = "retired-workspace"
    static let user = "user"
    static let member = "member"
    static let invite = "invite"
    static let apiKey = "api-key"
    static let virtualKey = "virtual-key"
    static let integration = "integration"
    static let provider = "provider"
    static let config = "config"
    static let guardrail = "guardrail"
    static let usagePolicy = "usage-policy"
    static let ratePolicy = "rate-policy"
    static let export = "export"
    static let prompt = "prompt"
    static let partial = "partial"
    static let collection = "collection"
    static let label = "label"
}

enum Identifier {
    /// A random UUID (RFC 9562, version 4).
    static func make() -> String {
        var bytes = Secrets.randomBytes(count: 16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = bytes.withUnsafeBytes { Hexadecimal.text($0) }
        var text = ""
        for (place, digit) in hex.enumerated() {
            if [8, 12, 16, 20].contains(place) { text += "-" }
            text.append(digit)
        }
        return text
    }

    /// "pc-shop-front-1f3a9c": what people read in configs, made of a name.
    static func slug(_ prefix: String, _ name: String) -> String {
        var words = ""
        for letter in name.lowercased().utf8 {
            if letter &- 0x30 < 10 || letter &- 0x61 < 26 {
                words.unicodeScalars.append(Unicode.Scalar(letter))
            } else if !words.isEmpty, !words.hasSuffix("-") {
                words += "-"
            }
            if words.utf8.count >= 24 { break }
        }
        while words.hasSuffix("-") { words.removeLast() }
        let tail = Secrets.randomBytes(count: 3).withUnsafeBytes { Hexadecimal.text($0) }
        return [prefix, words, tail].filter { !$0.isEmpty }.joined(separator: "-")
    }
}
