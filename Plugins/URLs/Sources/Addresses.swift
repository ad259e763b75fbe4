// The http and https addresses in a text, and their hosts. One pass over the bytes.

import PluginSDK

struct Address: Sendable {
    /// As it stands in the text.
    let text: String
    let scheme: String
    /// In lower case, without port and user; an IPv6 address in its brackets.
    let host: String

    /// All addresses in a text: what follows a scheme and "://", up to a character that none has.
    static func all(in text: Text) -> [Address] {
        let bytes = text.bytes
        var found: [Address] = []
        var position = 0
        while let colon = next(UInt8(ascii: ":"), in: bytes, from: position) {
            position = colon + 1
            guard colon + 3 < bytes.count else { continue }
            var start = colon
            while start > 0, isOfScheme(bytes[start - 1]), colon - start < 16 { start -= 1 }
            while start < colon, !isLetter(bytes[start]) { start += 1 }
            let scheme = String(decoding: bytes[start..<colon], as: UTF8.self).lowercased()
            guard bytes[(colon + 1)...(colon + 2)].allSatisfy({ $0 == slash || $0 == backslash && isWeb(scheme) })
            else { continue }
            var end = colon + 3
            while end < bytes.count, !isEnd(bytes[end]) { end += 1 }
            if end == colon + 3 || bytes[end - 1] == UInt8(ascii: "@"), let closing = literalEnd(in: bytes, at: end) {
                end = closing + 1
                while end < bytes.count, !isEnd(bytes[end]) { end += 1 }
            } else if let later = userEnd(in: bytes, from: colon + 3, at: end) {
                end = later
                while end < bytes.count, !isEnd(bytes[end]) { end += 1 }
            }
            // A sentence's punctuation is not the address's.
            while end > colon + 3, isTrailing(bytes[end - 1]) { end -= 1 }
            position = max(end, position)
            guard start < colon, end > colon + 3 else { continue }
            let host = host(of: bytes[(colon + 3)..<end])
            if host.isEmpty { continue }
            found.append(
                Address(text: String(decoding: bytes[start..<end], as: UTF8.self), scheme: scheme, host: host))
        }
        return found
    }

    private static let slash = UInt8(ascii: "/")
    private static let backslash = UInt8(ascii: "\\")

    /// Browsers read "\" as "/" in these.
    private static func isWeb(_ scheme: String) -> Bool { ["http", "https", "ws", "wss", "ftp"].contains(scheme) }

    private static func next(_ byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        bytes[start...].firstIndex(of: byte)
    }

    /// Of RFC 3986, 3.1, without "-" and ".", which prose has before an address.
    private static func isOfScheme(_ byte: UInt8) -> Bool {
        isLetter(byte) || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: "+")
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A }

    private static func isEnd(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == 0x7F || "\"'<>{}[]|\\^`,".utf8.contains(byte)
    }

    /// Where an IPv6 address in brackets (RFC 3986, 3.2.2) that begins here ends.
    private static func literalEnd(in bytes: UnsafeBufferPointer<UInt8>, at start: Int) -> Int? {
        guard start < bytes.count, bytes[start] == UInt8(ascii: "[") else { return nil }
        let rest = bytes[(start + 1)..<min(start + 64, bytes.count)]
        guard let closing = rest.firstIndex(of: UInt8(ascii: "]")) else { return nil }
        return rest[..<closing].contains(UInt8(ascii: ":")) ? closing : nil
    }

    /// Where the user of `https://good.example,@evil.example` ends, behind its "@": browsers take marks that an address must not
    /// have for a part of the user's name. nil: what is at `end` is no such mark, or there is no user.
    private static func userEnd(in bytes: UnsafeBufferPointer<UInt8>, from start: Int, at end: Int) -> Int? {
        if bytes[start..<end].contains(where: { $0 == slash || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            return nil
        }
        var place = end
        while place < bytes.count, !isEnd(bytes[place]) || ",{}|^[]".utf8.contains(bytes[place]) {
            switch bytes[place] {
            case UInt8(ascii: "@"): return place + 1
            case slash, UInt8(ascii: "?"), UInt8(ascii: "#"): return nil
            default: place += 1
            }
        }
        return nil
    }

    private static func isTrailing(_ byte: UInt8) -> Bool { ".;:!?)*_".utf8.contains(byte) }

    /// RFC 3986, 3.2: user and port do not count. "\" ends it, as browsers have it.
    private static func host(of rest: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        var authority = rest.prefix { $0 != slash && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
        if authority.first == UInt8(ascii: "["), let closing = authority.firstIndex(of: UInt8(ascii: "]")) {
            return String(decoding: authority[...closing], as: UTF8.self).lowercased()
        }
        if let colon = authority.firstIndex(of: UInt8(ascii: ":")) { authority = authority[..<colon] }
        var host = String(decoding: decoded(authority), as: UTF8.self).lowercased()
        while host.hasSuffix(".") { host.removeLast() }
        return host
    }

    /// "%2e" is "." in a host (RFC 3986, 3.2.2).
    private static func decoded(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
        var out: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, digits.allSatisfy({ isHex($0) }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                out.append(value)
                rest = rest.dropFirst(2)
            } else {
                out.append(byte)
            }
        }
        return out
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66
    }
}

/// "example.com", "[2001:db8::1]", or "*.example.com" for what is below it, or "*".
struct HostPattern: Sendable {
    private let name: String
    private let isWildcard: Bool

    /// nil: not a pattern.
    init?(_ text: String) {
        let lower = text.lowercased()
        isWildcard = lower == "*" || lower.hasPrefix("*.")
        name = String(isWildcard ? lower.dropFirst() : lower[...])
        let isLiteral = name.hasPrefix("[") && name.hasSuffix("]")
        if name.contains("*") || name.contains("/") || (name.contains(":") && !isLiteral)
            || (name.isEmpty && !isWildcard)
        {
            return nil
        }
    }

    func matches(_ host: String) -> Bool { isWildcard ? host.hasSuffix(name) && host != name : host == name }
}
