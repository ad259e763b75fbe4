// Redaction: takes out of a text what looks like a secret, before the text goes to a log.
//
// A net under the trapeze: the code that logs must not have secrets in its hands in the first place. It knows the
// prefixes by which vendors mark their keys, the words before which people write them, and passwords in URLs. Not for
// the data path.

package enum Redaction {
    package static let mask = "[redacted]"

    /// `text` with every likely secret masked. What announces it ("Bearer ", "sk-") stays, so that one sees what was
    /// there.
    package static func scrub(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        var kept = 0
        var at = 0
        while at < bytes.count {
            guard mayBegin(bytes, at), let secret = secret(in: bytes, at: at) else {
                at += 1
                continue
            }
            output.append(contentsOf: bytes[kept..<secret.lowerBound])
            output.append(contentsOf: mask.utf8)
            kept = secret.upperBound
            at = secret.upperBound
        }
        guard kept > 0 else { return text }
        output.append(contentsOf: bytes[kept...])
        return String(decoding: output, as: UTF8.self)
    }

    /// Beginnings of keys; what follows must have this many letters, digits, "-" or "_" to be taken for one.
    private static let prefixes: [(text: [UInt8], length: Int)] = [
        ("sk-", 8), ("pk-", 8), ("rk-", 8), ("sk_", 8), ("pk_", 8), ("rk_", 8), ("whsec_", 8),
        ("gsk_", 8), ("xai-", 8), ("pplx-", 8), ("nvapi-", 8), ("hf_", 16), ("r8_", 16), ("fw_", 16), ("AIza", 20),
        ("ya29.", 16), ("AKIA", 12), ("ASIA", 12), ("ghp_", 16), ("gho_", 16), ("ghs_", 16), ("github_pat_", 16),
        ("glpat-", 12), ("xoxb-", 8), ("xoxp-", 8), ("eyJ", 20), ("ghk-", 32), ("-----BEGIN", 4),
    ].map { (Array($0.0.utf8), $0.1) }

    /// Words after which a credential comes, in lower case.
    private static let schemes = ["bearer ", "basic "].map { Array($0.utf8) }

    /// Names whose value is a secret, in lower case.
    private static let names = [
        "authorization", "api-key", "api_key", "apikey", "access_token", "access-token", "refresh_token", "token",
        "client_secret", "secret_access_key", "secret", "password", "passwd", "signature", "x-goog-signature",
        "x-amz-signature",
    ].map { Array($0.utf8) }

    /// Bytes that a prefix, a scheme or a name begins with.
    private static let beginnings: [Bool] = {
        var table = [Bool](repeating: false, count: 256)
        for prefix in prefixes { table[Int(prefix.text[0])] = true }
        for word in schemes + names {
            table[Int(word[0])] = true
            table[Int(word[0] & ~0x20)] = true
        }
        return table
    }()

    /// Most places of a text are none where a secret begins: this says so at once.
    private static func mayBegin(_ bytes: [UInt8], _ at: Int) -> Bool {
        let byte = bytes[at]
        if byte == UInt8(ascii: "/") { return at > 0 && bytes[at - 1] == byte }
        return beginnings[Int(byte)] && (at == 0 || !isKeyByte(bytes[at - 1]))
    }

    private static func secret(in bytes: [UInt8], at: Int) -> Range<Int>? {
        if at > 0, bytes[at] == UInt8(ascii: "/"), bytes[at - 1] == UInt8(ascii: "/") {
            return userInfo(in: bytes, from: at + 1)
        }
        guard at == 0 || !isKeyByte(bytes[at - 1]) else { return nil }
        for prefix in prefixes where prefix.text[0] == bytes[at] && bytes[at...].starts(with: prefix.text) {
            let start = at + prefix.text.count
            let end = end(of: bytes, from: start, where: isTokenByte)
            if end - start >= prefix.length { return start..<end }
        }
        for scheme in schemes where startsIgnoringCase(bytes, at, scheme) {
            let start = end(of: bytes, from: at + scheme.count) { $0 == 0x20 }
            let end = end(of: bytes, from: start, where: isTokenByte)
            if end - start >= 6 { return start..<end }
        }
        for name in names where startsIgnoringCase(bytes, at, name) {
            if let range = value(in: bytes, from: at + name.count) { return range }
        }
        return nil
    }

    /// What stands after a name: `=x`, `: x`, `":"x"`. Nil for what is no assignment, or too short to be a secret.
    private static func value(in bytes: [UInt8], from end: Int) -> Range<Int>? {
        var at = self.end(of: bytes, from: end) { $0 == 0x22 || $0 == 0x27 || $0 == 0x5C }
        at = self.end(of: bytes, from: at) { $0 == 0x20 }
        guard at < bytes.count, bytes[at] == UInt8(ascii: "=") || bytes[at] == UInt8(ascii: ":") else { return nil }
        at = self.end(of: bytes, from: at + 1) { $0 == 0x20 || $0 == 0x22 || $0 == 0x27 || $0 == 0x5C }
        for scheme in schemes where startsIgnoringCase(bytes, at, scheme) { at += scheme.count }
        let stop = self.end(of: bytes, from: at) { !isDelimiter($0) }
        // "tokens: 12" and "token=3" are counts.
        return stop - at >= 6 && !bytes[at..<stop].allSatisfy { (0x30...0x39).contains($0) } ? at..<stop : nil
    }

    /// "user:password" of "//user:password@host".
    private static func userInfo(in bytes: [UInt8], from start: Int) -> Range<Int>? {
        let end = end(of: bytes, from: start) { !isDelimiter($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        guard let sign = bytes[start..<end].lastIndex(of: UInt8(ascii: "@")), sign > start else { return nil }
        return start..<sign
    }

    private static func end(of bytes: [UInt8], from start: Int, where belongs: (UInt8) -> Bool) -> Int {
        var at = min(start, bytes.count)
        while at < bytes.count, belongs(bytes[at]) { at += 1 }
        return at
    }

    private static func startsIgnoringCase(_ bytes: [UInt8], _ at: Int, _ word: [UInt8]) -> Bool {
        guard at + word.count <= bytes.count else { return false }
        for index in 0..<word.count {
            let byte = bytes[at + index]
            guard ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) == word[index] else { return false }
        }
        return true
    }

    /// What may stand inside a key, so that a prefix after it begins none.
    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        isKeyByte(byte) || "-_.~+/=".utf8.contains(byte)
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool {
        byte <= 0x20 || "\"'\\,;&<>(){}[]".utf8.contains(byte)
    }
}
