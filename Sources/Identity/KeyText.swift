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
        let utf8 = Array(text.utf8)
        if utf8.count == 85, utf8.starts(with: prefix.utf8), utf8[4..<20].allSatisfy(isDigit),
            utf8[20] == UInt8(ascii: "-")
        {
            return String(decoding: utf8[4..<20], as: UTF8.self)
        }
        return "d" + SHA256.hash(text).hex.prefix(16)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// What may be shown of it.
    package static func masked(lookup: String) -> String {
        lookup.hasPrefix("d") && lookup.utf8.count == 17 ? "***" : "\(prefix)\(lookup)-***"
    }
}
