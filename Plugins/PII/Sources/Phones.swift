// Telephone numbers: international ones (ITU-T E.164), the forms of the North American plan, national numbers with their
// leading 0, and plain digits where a word says that they are one.

extension Scanner {
    /// A telephone number whose first digit, or the bracket or sign before it, is at `start`.
    func phone(at digit: Int, _ topics: Topics) -> Range<Int>? {
        guard text[digit].isDigit else { return nil }
        var start = digit
        if start > floor, text[start - 1] == UInt8(ascii: "(") { start -= 1 }
        let hasPlus = start > floor && text[start - 1] == UInt8(ascii: "+")
        if hasPlus { start -= 1 }
        guard !text.isWordByte(start - 1), !isPartOfNumber(start) else { return nil }
        let number = PhoneGroups(text, from: hasPlus ? start + 1 : start)
        let hasTopic = topics.contains(.phone)
        guard number.total >= 7 else { return nil }
        for count in stride(from: number.count, through: 1, by: -1) {
            let end = number.end(ofFirst: count)
            guard !text.isWordByte(end), !goesOn(end, number, count),
                number.isPhone(count, hasPlus: hasPlus, hasTopic: hasTopic)
            else { continue }
            // The bracket before the number belongs to the sentence unless it closes inside.
            let opens = text[hasPlus ? start + 1 : start] == UInt8(ascii: "(")
            let closes = text[start..<end].contains(UInt8(ascii: ")"))
            return (opens && !closes ? (hasPlus ? start : start + 1) : start)..<end
        }
        return nil
    }

    /// Digits go before, as of a longer number, a decimal fraction or an amount.
    private func isPartOfNumber(_ start: Int) -> Bool {
        switch text.at(start - 1) {
        case UInt8(ascii: "$"): true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ","), UInt8(ascii: ":"),
            UInt8(ascii: "_"):
            !followsMatch(start) && text.at(start - 2).isAlphanumeric
        case UInt8(ascii: " "):
            !followsMatch(start) && text.at(start - 2).isDigit && text.at(start).isDigit
        default: false
        }
    }

    /// More digits follow than were taken: a longer number of some other kind.
    private func goesOn(_ end: Int, _ number: PhoneGroups, _ count: Int) -> Bool {
        let next = text.at(end + 1)
        switch text.at(end) {
        case UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "_"): return next.isAlphanumeric
        case UInt8(ascii: "."), UInt8(ascii: ","): return next.isDigit
        case UInt8(ascii: " "): return next.isDigit && number.separator(ofFirst: count) == UInt8(ascii: " ")
        case UInt8(ascii: "@"): return true
        default: return false
        }
    }
}

/// Digits in up to six groups, with brackets and separators between them. Nothing is allocated.
private struct PhoneGroups {
    private(set) var count = 0
    private var ends = InlineArray<6, Int>(repeating: 0)
    private var lengths = InlineArray<6, Int>(repeating: 0)
    /// Before each group but the first: the last separator.
    private var separators = InlineArray<6, UInt8>(repeating: 0)
    private var digits = InlineArray<18, UInt8>(repeating: 0)
    private(set) var total = 0

    init(_ text: Bytes, from start: Int) {
        var position = start
        while count < 6 {
            var skipped = 0
            while skipped < 3, Self.isSeparator(text.at(position)) {
                separators[count] = text[position]
                position += 1
                skipped += 1
            }
            let first = position
            while text.at(position).isDigit, total + position - first < 18 {
                digits[total + position - first] = text[position]
                position += 1
            }
            guard position > first, !text.at(position).isAlphanumeric else { break }
            total += position - first
            lengths[count] = position - first
            ends[count] = position
            count += 1
        }
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "("),
            UInt8(ascii: ")"):
            true
        default: false
        }
    }

    func end(ofFirst count: Int) -> Int { ends[count - 1] }

    /// The separator before the last of the first groups.
    func separator(ofFirst count: Int) -> UInt8 { count > 1 ? separators[count - 1] : 0 }

    private func value(_ place: Int) -> Int { Int(digits[place] & 15) }

    /// The first groups have these lengths.
    private func has(_ count: Int, _ expected: Int...) -> Bool {
        guard count == expected.count else { return false }
        for (index, length) in expected.enumerated() where lengths[index] != length { return false }
        return true
    }

    func isPhone(_ count: Int, hasPlus: Bool, hasTopic: Bool) -> Bool {
        var total = 0
        for index in 0..<count { total += lengths[index] }
        guard total >= 7 else { return false }
        if hasPlus { return isInternational(from: 0, total) }
        if value(0) == 0, value(1) == 0 {
            return total >= 11 && isInternational(from: 2, total) && (count > 1 || hasTopic)
        }
        if isNorthAmerican(count, total) { return count > 1 || hasTopic }
        let last = lengths[count - 1]
        // "91-415-555-0132": a country code without its sign.
        if count == 4, lengths[0] <= 3, lengths[1] == 3, lengths[2] == 3, last == 4, separators[1] == UInt8(ascii: "-"),
            separators[2] == separators[1], separators[3] == separators[1]
        {
            return isInternational(from: 0, total)
        }
        var isGrouped = count > 1 && !has(count, 3, 2, 4) && last >= 2
        if last == 2 { for index in 1..<max(count, 1) where lengths[index] > 3 { isGrouped = false } }
        let isDate = has(count, 4, 2, 2) || has(count, 2, 2, 4)
        if value(0) == 0, (9...11).contains(total) { return isGrouped && lengths[0] <= 5 ? !isDate : hasTopic }
        return hasTopic && total <= 12 && (count == 1 ? total >= 9 : isGrouped) && !isDate && !isUniform(total)
    }

    private func isUniform(_ total: Int) -> Bool {
        for place in 1..<total where digits[place] != digits[0] { return false }
        return true
    }

    /// Area code and exchange begin with 2 to 9; the country code 1 may stand before them.
    private func isNorthAmerican(_ count: Int, _ total: Int) -> Bool {
        let hasCode = total == 11 && value(0) == 1
        guard total == 10 || hasCode else { return false }
        let area = hasCode ? 1 : 0
        return value(area) > 1 && value(area + 3) > 1
            && (count == 1 || has(count, 3, 3, 4) || has(count, 3, 7) || has(count, 1, 3, 3, 4) || has(count, 1, 3, 7))
    }

    /// A country code and 6 digits or more, 15 in all.
    private func isInternational(from place: Int, _ total: Int) -> Bool {
        guard total - place >= 7, let code = CountryCode.length(value(place), value(place + 1)) else { return false }
        return value(place) == 1 ? total - place == 11 : total - place - code >= 6 && total - place <= 15
    }
}

/// Calling codes that are assigned (ITU-T E.164, list of country codes).
private enum CountryCode {
    /// How many digits the code has that begins with these two.
    static func length(_ first: Int, _ second: Int) -> Int? {
        switch first * 10 + second {
        case 10...19, 70...79: 1
        case 20, 27, 30...34, 36, 39, 40, 41, 43...49, 51...58, 60...66, 81, 82, 84, 86, 90...95, 98: 2
        case 21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99: 3
        default: nil
        }
    }
}
