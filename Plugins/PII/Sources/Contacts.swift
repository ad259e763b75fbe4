// Addresses of people and machines: e-mail (RFC 5321), URLs, IP (RFC 4291) and MAC addresses.

extension Scanner {
    // MARK: E-mail

    /// The address around an @: at most 64 bytes before it, a domain of at most 255 with a top level of letters after it.
    /// `width`: of the @, which URLs write "%40".
    func emailAddress(at sign: Int, width: Int = 1) -> Range<Int>? {
        var start = sign
        let limit = max(floor, sign - Self.longestNumber)
        while start > limit, isLocal(start - 1) { start -= 1 }
        while start < sign, text[start].isContinuation || isLeadingPunctuation(text[start]) { start += 1 }
        guard start < sign, text[sign - 1] != UInt8(ascii: "."), let end = domainEnd(from: sign + width) else {
            return nil
        }
        return start..<end
    }

    private func isLeadingPunctuation(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "'"), UInt8(ascii: "-"), UInt8(ascii: "%"), UInt8(ascii: "&"): true
        default: false
        }
    }

    private func domainEnd(from start: Int) -> Int? {
        var end: Int?
        var position = start
        var isFirst = true
        while position - start <= 255 {
            let label = position
            while position < text.count, position - label <= 63, isLabel(position) { position += 1 }
            guard position > label, text[label] != UInt8(ascii: "-") else { break }
            if !isFirst, let top = topLevelEnd(label, position) { end = top }
            guard text.at(position) == UInt8(ascii: ".") else { break }
            isFirst = false
            position += 1
        }
        return end
    }

    private func isLabel(_ position: Int) -> Bool {
        let byte = text[position]
        return byte.isAlphanumeric || byte == UInt8(ascii: "-") || byte.leadsLatinLetter
            || byte.isContinuation && text.at(position - 1).leadsLatinLetter
    }

    /// Where a label ends as a top-level domain: two letters or more, or a Punycode label.
    private func topLevelEnd(_ label: Int, _ end: Int) -> Int? {
        if text.hasPrefix("xn--", at: label) { return end - label > 4 ? end : nil }
        var position = label
        while position < end, text[position].isLetter { position += 1 }
        return position - label >= 2 && !text.at(position).isAlphanumeric && !text.at(position).leadsLatinLetter
            ? position : nil
    }

    // MARK: URLs

    /// A URL whose scheme ends at a colon.
    func url(atColon colon: Int) -> Range<Int>? {
        guard text.at(colon + 1) == UInt8(ascii: "/"), text.at(colon + 2) == UInt8(ascii: "/") else { return nil }
        let schemes: [StaticString] = ["https", "http", "ftp", "ftps", "sftp", "ws", "wss"]
        for scheme in schemes {
            let start = colon - scheme.utf8CodeUnitCount
            guard text.hasPrefix(scheme, at: start), !text.isWordByte(start - 1) else { continue }
            return url(start, host: colon + 3, dots: 1)
        }
        return nil
    }

    /// "www." and a name.
    func url(atDotAfterWWW dot: Int) -> Range<Int>? {
        guard text.hasPrefix("www", at: dot - 3), !text.isWordByte(dot - 4) else { return nil }
        return url(dot - 3, host: dot + 1, dots: 1)
    }

    private func url(_ start: Int, host: Int, dots: Int) -> Range<Int>? {
        var end = host
        var found = 0
        let limit = min(text.count, start + Self.longestRun)
        while end < limit, isURL(end), !isDelimiter(text[end]) {
            if text[end] == UInt8(ascii: "."), end > host, text.isWordByte(end + 1) { found += 1 }
            end += 1
        }
        let isNamed = found >= dots || text.at(host) == UInt8(ascii: "[") || text.hasPrefix("localhost", at: host)
        guard isNamed, end > host, let part = urlPart(from: start), part.upperBound > host else { return nil }
        return part
    }

    /// So much of a URL as is taken at once. A full stop or bracket at its end belongs to the sentence around it.
    func urlPart(from start: Int) -> Range<Int>? {
        var end = start
        let limit = min(text.count, start + Self.longestRun)
        var opened = 0
        while end < limit, isURL(end) {
            if text[end] == UInt8(ascii: "(") { opened += 1 }
            end += 1
        }
        guard end - start < Self.longestRun else { return start..<end }
        while end > start {
            switch text[end - 1] {
            case UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "!"),
                UInt8(ascii: "?"), UInt8(ascii: "'"), UInt8(ascii: "]"), UInt8(ascii: "*"):
                end -= 1
                continue
            case UInt8(ascii: ")") where opened == 0:
                end -= 1
                continue
            default: break
            }
            break
        }
        return end > start ? start..<end : nil
    }

    private func isURL(_ position: Int) -> Bool { ByteClass.table[Int(text[position])] & ByteClass.url != 0 }

    private func isDelimiter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
    }

    // MARK: IP addresses

    /// Four numbers up to 255, and a prefix length when one follows.
    func ipv4(at start: Int) -> Range<Int>? {
        guard text.at(start).isDigit, !(text.at(start - 1) == UInt8(ascii: ".") && text.isWordByte(start - 2)),
            let end = text.endOfIPv4(start), !text.at(end).isAlphanumeric
        else { return nil }
        return start..<prefixEnd(end, most: 32)
    }

    /// After "/24", when that is a prefix length.
    private func prefixEnd(_ end: Int, most: Int) -> Int {
        guard text.at(end) == UInt8(ascii: "/") else { return end }
        var position = end + 1
        var length = 0
        while position - end <= 3, text.at(position).isDigit {
            length = length * 10 + Int(text[position] & 15)
            position += 1
        }
        return position > end + 1 && length <= most && !text.at(position).isAlphanumeric ? position : end
    }

    /// An IPv6 address of which `position` is a digit or a colon.
    mutating func ipv6(around position: Int) -> Range<Int>? {
        guard position >= noAddressBefore else { return nil }
        var colon = position
        while colon - position < 4, text.at(colon).isHexadecimal { colon += 1 }
        guard text.at(colon) == UInt8(ascii: ":") else { return nil }
        var start = position
        while position - start <= 45, isAddressPart(start - 1) { start -= 1 }
        var whole = position
        while isAddressPart(whole) { whole += 1 }
        noAddressBefore = whole
        guard start >= floor, !text.isWordByte(start - 1), let address = IPv6(text, at: start) else { return nil }
        var end = address.end
        if text.at(end) == UInt8(ascii: "%") {
            var zone = end + 1
            while zone - end <= 16, text.at(zone).isAlphanumeric { zone += 1 }
            if zone > end + 1 { end = zone }
        }
        whole = prefixEnd(end, most: 128)
        guard !text.isWordByte(end), !(text.at(end) == UInt8(ascii: ".") && text.at(end + 1).isDigit) else {
            return nil
        }
        // "::", "1::2" and "a::b" are also written by programmers.
        let isPlain = address.digits < 4 && !address.isLoopback || !address.hasDecimal
        if isPlain, whole == end, !context.around(start, in: text).topics.contains(.ip) { return nil }
        return start..<whole
    }

    private func isAddressPart(_ position: Int) -> Bool {
        let byte = text.at(position)
        return byte.isHexadecimal || byte == UInt8(ascii: ":")
    }

    /// The text form of RFC 4291, section 2.2.
    private struct IPv6 {
        var end: Int
        /// Hexadecimal digits in all groups.
        var digits = 0
        var hasDecimal = false
        var isLoopback = false

        init?(_ text: Bytes, at start: Int) {
            var position = start
            var groups = 0
            var isShortened = false
            if text.at(position) == UInt8(ascii: ":") {
                guard text.at(position + 1) == UInt8(ascii: ":") else { return nil }
                isShortened = true
                position += 2
            }
            end = position
            while groups < 8 {
                let group = position
                while position - group < 5, text.at(position).isHexadecimal {
                    if text[position].isDigit { hasDecimal = true }
                    position += 1
                }
                guard position > group else { break }
                if text.at(position) == UInt8(ascii: "."), text.at(position + 1).isDigit {
                    guard let last = text.endOfIPv4(group) else { return nil }
                    groups += 2
                    digits += 8
                    hasDecimal = true
                    end = last
                    position = last
                    break
                }
                guard position - group <= 4 else { return nil }
                groups += 1
                digits += position - group
                end = position
                guard text.at(position) == UInt8(ascii: ":") else { break }
                if text.at(position + 1) == UInt8(ascii: ":") {
                    guard !isShortened else { return nil }
                    isShortened = true
                    position += 2
                    end = position
                } else {
                    position += 1
                }
            }
            // A colon that nothing follows ends a sentence's clause; one that something follows makes it no address.
            if text.at(end) == UInt8(ascii: ":") {
                let next = text.at(end + 1)
                guard !next.isAlphanumeric, next != UInt8(ascii: ":"), end > start,
                    text.at(end - 1) != UInt8(ascii: ":")
                else {
                    return nil
                }
            }
            guard isShortened ? groups <= 7 : groups == 8 else { return nil }
            isLoopback =
                digits == 1 && groups == 1 && text[start] == UInt8(ascii: ":") && text[end - 1] == UInt8(ascii: "1")
        }
    }

    // MARK: MAC addresses

    /// A MAC address whose first separator is at `position`.
    func macAddress(at position: Int) -> Range<Int>? {
        guard text.at(position - 1).isHexadecimal else { return nil }
        return macAddress(from: position - (text[position] == UInt8(ascii: ".") ? 4 : 2))
    }

    /// Six pairs with colons or hyphens, or three groups of four with dots; not all zeros and not all ones.
    func macAddress(from start: Int) -> Range<Int>? {
        guard start >= floor, !text.isWordByte(start - 1) else { return nil }
        let (size, count): (Int, Int)
        let separator: UInt8
        switch (text.at(start + 2), text.at(start + 4)) {
        case (UInt8(ascii: ":"), _): (size, count, separator) = (2, 6, UInt8(ascii: ":"))
        case (UInt8(ascii: "-"), _): (size, count, separator) = (2, 6, UInt8(ascii: "-"))
        case (_, UInt8(ascii: ".")): (size, count, separator) = (4, 3, UInt8(ascii: "."))
        default: return nil
        }
        let end = start + (size + 1) * count - 1
        guard end <= text.count, text.at(start - 1) != separator else { return nil }
        var all: UInt8 = text[start].lowercased
        for offset in 0..<(end - start) {
            let byte = text[start + offset]
            if offset % (size + 1) == size {
                guard byte == separator else { return nil }
            } else {
                guard byte.isHexadecimal else { return nil }
                if byte.lowercased != all { all = 0 }
            }
        }
        guard all != UInt8(ascii: "0"), all != UInt8(ascii: "f"), !text.isWordByte(end),
            !(text.at(end) == separator && text.isWordByte(end + 1))
        else { return nil }
        return start..<end
    }
}

extension Bytes {
    /// Where four numbers up to 255 with dots between them end.
    fileprivate func endOfIPv4(_ start: Int) -> Int? {
        var position = start
        for part in 0..<4 {
            if part > 0 {
                guard at(position) == UInt8(ascii: ".") else { return nil }
                position += 1
            }
            let first = position
            var value = 0
            while position - first < 3, at(position).isDigit {
                value = value * 10 + Int(self[position] & 15)
                position += 1
            }
            guard position > first, value <= 255, !at(position).isDigit else { return nil }
        }
        return position
    }
}
