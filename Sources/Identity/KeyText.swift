// KeyText: how a gateway key is written. "ghk-", 16 digits to find it by, "-", and 64 digits that are 256 random bits. The prefix
// lets scanners for leaked secrets know one.

import Digests

package enum KeyText {
    private static let prefix = "ghk-"

    package static func make() -> String {
        let lookup = Secrets.randomBytes(count: 8).withUnsafeBytes { Hexadecimal.text($0) }
        let secret = Secrets.randomBytes(count: 32).withUnsafeBytes { Hexadecimal.text($0) }
        return "\(prefix)\(lookup)-\(secret)"
    }

    /// What a key is found by. Texts of another form, as an owner's key that was given from outside, are found by a digest.
    package static func lookup(_ text: String) -> String {
        let utf8 = text.utf8
        if utf8.count == 85, text.hasPrefix(prefix),
            utf8[utf8.index(utf8.startIndex, offsetBy: 20)] == UInt8(ascii: "-")
        {
            return String(text.dropFirst(4).prefix(16))
        }
        return "d" + SHA256.hash(text).hex.prefix(16)
    }

    /// What may be shown of it.
    package static func masked(lookup: String) -> String {
        lookup.hasPrefix("d") && lookup.utf8.count == 17 ? "***" : "\(prefix)\(lookup)-***"
    }
}
