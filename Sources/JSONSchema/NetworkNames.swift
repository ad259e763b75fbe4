// NetworkNames: the syntax of host names, addresses, mailboxes and URIs, for "format".

internal import Core

typealias Text = ArraySlice<UInt8>

enum NetworkNames {
    /// RFC 1123: labels of letters, digits and inner hyphens.
    static func isHostname(_ text: Text) -> Bool {
        guard !text.isEmpty, text.count <= 253 else { return false }
        return text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") }
        }
    }

    /// Four decimal numbers without leading zeros.
    static func isIPv4(_ text: Text) -> Bool {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.count) && part.allSatisfy(\.isDigit)
                    && (part.count == 1 || part.first != UInt8(ascii: "0"))
                    && part.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 255
            }
    }

    /// RFC 4291: eight groups, the last two perhaps an IPv4 address, one run of zeros perhaps left out.
    static func isIPv6(_ text: Text) -> Bool {
        var groups = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard groups.count >= 3 else { return false }
        var count = 0
        if let last = groups.last, last.contains(UInt8(ascii: ".")) {
            guard isIPv4(last) else { return false }
            count = 2
            groups.removeLast()
        }
        let endsInGap = count == 0 && groups.suffix(2).allSatisfy(\.isEmpty)
        let beginsWithGap = groups.prefix(2).allSatisfy(\.isEmpty)
        // A gap at an end shows as two empty groups there, one inside as one.
        if endsInGap { groups.removeLast() }
        if beginsWithGap { groups.removeFirst() }
        if !beginsWithGap, groups.first?.isEmpty == true { return false }
        if !endsInGap, count == 0, groups.last?.isEmpty == true { return false }
        let gaps = groups.count { $0.isEmpty }
        let areGroups = groups.allSatisfy { $0.isEmpty || ($0.count <= 4 && $0.allSatisfy(\.isHexDigit)) }
        count += groups.count - gaps
        return areGroups && (gaps == 1 ? count <= 7 : gaps == 0 && count == 8)
    }

    /// RFC 5321's Mailbox: a dotted or quoted name at a host or an address in brackets.
    static func isEmail(_ text: Text) -> Bool {
        guard let at = text.lastIndex(of: UInt8(ascii: "@")) else { return false }
        let name = text[..<at]
        let host = text[(at + 1)...]
        guard isLocalPart(name), name.count <= 64 else { return false }
        guard host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") else { return isHostname(host) }
        let address = host.dropFirst().dropLast()
        let tag = Array("ipv6:".utf8)
        return isIPv4(address)
            || (address.prefix(5).elementsEqual(tag) { $0 | 0x20 == $1 | 0x20 } && isIPv6(address.dropFirst(5)))
    }

    private static func isLocalPart(_ name: Text) -> Bool {
        if name.count >= 2, name.first == UInt8(ascii: "\""), name.last == UInt8(ascii: "\"") {
            return isQuoted(name.dropFirst().dropLast())
        }
        return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { atom in
            !atom.isEmpty && atom.allSatisfy { $0.isLetter || $0.isDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains($0) }
        }
    }

    private static func isQuoted(_ text: Text) -> Bool {
        var isEscaped = false
        for byte in text {
            guard (0x20...0x7E).contains(byte), isEscaped || byte != UInt8(ascii: "\"") else { return false }
            isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
        }
        return !isEscaped
    }
}

enum URISyntax {
    /// RFC 3986, and for other than ASCII RFC 3987.
    static func isReference(_ text: Text, absolute: Bool, ascii: Bool) -> Bool {
        guard areCharacters(text, also: "%:/?#[]@!$&'()*+,;=-._~", ascii) else { return false }
        let reference = Reference(String(decoding: text, as: UTF8.self))
        if let scheme = reference.scheme {
            guard isScheme(Array(scheme.utf8)[...]) else { return false }
        } else if absolute || firstSegmentHasColon(reference) {
            return false
        }
        let plain = "%:/@!$&'()*+,;=-._~"
        return areCharacters(Array(reference.path.utf8)[...], also: plain, ascii)
            && areCharacters(Array((reference.query ?? "").utf8)[...], also: plain + "?", ascii)
            && areCharacters(Array((reference.fragment ?? "").utf8)[...], also: plain + "?", ascii)
            && reference.authority.map { isAuthority(Array($0.utf8)[...], ascii) } ?? true
    }

    private static func firstSegmentHasColon(_ reference: Reference) -> Bool {
        reference.authority == nil && reference.path.prefix { $0 != "/" }.contains(":")
    }

    private static func isScheme(_ text: Text) -> Bool {
        text.first?.isLetter == true && text.allSatisfy { $0.isLetter || $0.isDigit || "+-.".utf8.contains($0) }
    }

    private static func isAuthority(_ text: Text, _ ascii: Bool) -> Bool {
        var host = text
        if let at = text.lastIndex(of: UInt8(ascii: "@")) {
            guard areCharacters(text[..<at], also: "%:!$&'()*+,;=-._~", ascii) else { return false }
            host = text[(at + 1)...]
        }
        let closing = host.lastIndex(of: UInt8(ascii: "]")) ?? host.startIndex
        if let colon = host[closing...].lastIndex(of: UInt8(ascii: ":")) {
            guard host[(colon + 1)...].allSatisfy(\.isDigit) else { return false }
            host = host[..<colon]
        }
        if host.first == UInt8(ascii: "[") {
            let literal = host.dropFirst().dropLast()
            let isFuture = literal.first.map { $0 | 0x20 } == UInt8(ascii: "v")
            return host.last == UInt8(ascii: "]") && (isFuture || NetworkNames.isIPv6(literal))
        }
        return areCharacters(host, also: "%!$&'()*+,;=-._~", ascii)
    }

    /// Letters, digits, `also`, and percent signs with two digits after each.
    private static func areCharacters(_ text: Text, also: String, _ ascii: Bool) -> Bool {
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index += 1
            if byte == UInt8(ascii: "%") {
                guard text.endIndex - index >= 2, text[index].isHexDigit, text[index + 1].isHexDigit else {
                    return false
                }
                index += 2
            } else if byte >= 0x80 {
                if ascii { return false }
            } else if !byte.isLetter, !byte.isDigit, !also.utf8.contains(byte) {
                return false
            }
        }
        return true
    }

    /// RFC 6570, roughly: expressions in braces, of names and their modifiers.
    static func isTemplate(_ text: Text) -> Bool {
        var rest = text
        while let byte = rest.popFirst() {
            if byte <= 0x20 || byte == 0x7F || "\"'<>\\^`|}".utf8.contains(byte) { return false }
            guard byte == UInt8(ascii: "{") else { continue }
            guard let end = rest.firstIndex(of: UInt8(ascii: "}")), isExpression(rest[..<end]) else { return false }
            rest = rest[(end + 1)...]
        }
        return true
    }

    private static func isExpression(_ text: Text) -> Bool {
        var names = text
        if let first = names.first, "+#./;?&=,!@|".utf8.contains(first) { names = names.dropFirst() }
        return names.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).allSatisfy { name in
            var name = name
            if name.last == UInt8(ascii: "*") { name = name.dropLast() }
            if let colon = name.firstIndex(of: UInt8(ascii: ":")) {
                let length = name[(colon + 1)...]
                guard (1...4).contains(length.count), length.allSatisfy(\.isDigit) else { return false }
                name = name[..<colon]
            }
            return !name.isEmpty
                && name.allSatisfy { $0.isLetter || $0.isDigit || "_.%".utf8.contains($0) }
        }
    }
}
