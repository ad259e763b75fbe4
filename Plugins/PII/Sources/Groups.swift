// Groups of letters and digits, as long numbers are written: "4012 8888 8888 1881", "AA-12-34-56-B".

/// Up to six groups with single separators between them. Nothing is allocated: this is asked for every number.
struct Groups {
    static let most = 6

    let text: Bytes
    private(set) var count = 0
    private var starts = InlineArray<6, Int>(repeating: 0)
    private var ends = InlineArray<6, Int>(repeating: 0)
    /// Of each group and those before it: how many characters they have.
    private var lengths = InlineArray<6, Int>(repeating: 0)
    /// Which characters are digits, separators left out.
    private(set) var digits: UInt32 = 0

    init(_ text: Bytes, from start: Int) {
        self.text = text
        var position = start
        var length = 0
        var digits: UInt32 = 0
        while count < Self.most {
            starts[count] = position
            while position < text.count, text[position].isAlphanumeric, position - start <= Scanner.longestNumber {
                if text[position].isDigit, length < 32 { digits |= 1 << UInt32(length) }
                length += 1
                position += 1
            }
            guard position > starts[count], !text.at(position).isAlphanumeric else { break }
            // A word: no number has letters alone in a group, but for one or two.
            if position - starts[count] > 2, digits >> UInt32(min(length - (position - starts[count]), 31)) == 0 {
                break
            }
            self.digits = digits
            ends[count] = position
            lengths[count] = length
            count += 1
            guard Self.isSeparator(text.at(position)) else { break }
            position += 1
        }
    }

    /// How many characters the first groups have, without separators.
    func length(ofFirst count: Int) -> Int { lengths[count - 1] }

    /// The lengths of the first groups, as `Shape.key` has them.
    func key(ofFirst count: Int) -> UInt32 {
        var key: UInt32 = 0
        for index in 0..<count { key |= UInt32(truncatingIfNeeded: ends[index] - starts[index]) << UInt32(5 * index) }
        return key
    }

    /// Lends the characters of the first groups in upper case, without separators.
    func withCharacters<Result>(ofFirst count: Int, _ body: (Bytes) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Scanner.longestNumber + 1) { characters in
            var length = 0
            for index in 0..<count {
                for position in starts[index]..<ends[index] {
                    characters[length] = text[position].uppercased
                    length += 1
                }
            }
            return body(Bytes(rebasing: characters[..<length]))
        }
    }

    /// The first groups are digits, in groups of four at least but for the last.
    func isCardLike(_ count: Int) -> Bool {
        let length = lengths[count - 1]
        guard (12...19).contains(length), digits & (1 << UInt32(length) - 1) == 1 << UInt32(length) - 1 else {
            return false
        }
        for index in 0..<(count - 1) where ends[index] - starts[index] < 4 { return false }
        return true
    }

    static func isSeparator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "+"): true
        default: false
        }
    }

    /// The separator that stands between all of the first groups; nil when they differ. 0: there is one group.
    func separator(ofFirst count: Int) -> UInt8? {
        guard count > 1 else { return 0 }
        let separator = text[ends[0]]
        for index in 0..<(count - 1) where text[ends[index]] != separator { return nil }
        return separator
    }

    func range(ofFirst count: Int) -> Range<Int> { starts[0]..<ends[count - 1] }

    /// Whether the first groups are all of the number: no group of digits goes on from them with the same separator.
    func isWhole(_ count: Int, _ separator: UInt8, isAfterMatch: Bool) -> Bool {
        let range = range(ofFirst: count)
        return !continues(text.at(range.upperBound), text.at(range.upperBound + 1), separator, isAfter: true)
            && (isAfterMatch
                || !continues(text.at(range.lowerBound - 1), text.at(range.lowerBound - 2), separator, isAfter: false))
    }

    private func continues(_ between: UInt8, _ beyond: UInt8, _ separator: UInt8, isAfter: Bool) -> Bool {
        switch between {
        case UInt8(ascii: " "): separator == between && beyond.isDigit
        case UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: ","),
            UInt8(ascii: "_"):
            beyond.isDigit
        case UInt8(ascii: "-"): beyond.isAlphanumeric
        default: false
        }
    }
}

extension Scanner {
    // MARK: Payment cards

    /// 12 to 19 digits in groups of 4 (or as American Express and Diners write them), a known issuer and the Luhn digit.
    func creditCard(_ groups: Groups) -> Range<Int>? {
        for count in stride(from: min(groups.count, 5), through: 1, by: -1) where groups.isCardLike(count) {
            guard let separator = groups.separator(ofFirst: count), separator != UInt8(ascii: ":"),
                separator != UInt8(ascii: "+"), isWhole(groups, count, separator),
                groups.withCharacters(ofFirst: count, { Self.isIssued($0) && Checksum.luhn($0) })
            else { continue }
            return groups.range(ofFirst: count)
        }
        return nil
    }

    private func isWhole(_ groups: Groups, _ count: Int, _ separator: UInt8) -> Bool {
        groups.isWhole(count, separator, isAfterMatch: followsMatch(groups.range(ofFirst: 1).lowerBound))
    }

    /// Issuers by the first digits and the length (ISO/IEC 7812; the ranges that networks publish).
    private static func isIssued(_ characters: Bytes) -> Bool {
        let length = characters.count
        let four = characters.prefix(4).reduce(0) { $0 * 10 + Int($1 & 15) }
        switch four {
        case 1000...1999: return length == 15
        case 2014, 2149: return length == 15
        case 2200...2720: return length == 16
        case 3000...3059, 3090...3099, 3600...3699, 3800...3999: return (14...19).contains(length)
        case 3400...3499, 3700...3799: return length == 15
        case 3528...3589: return (16...19).contains(length)
        case 4000...4999: return [13, 16, 19].contains(length)
        case 5100...5599: return length == 16
        case 5000...5099, 5600...5899: return (12...19).contains(length)
        case 6000...6999: return (16...19).contains(length)
        default: return false
        }
    }

    // MARK: Bank accounts

    /// Country code, check digits, and as many characters as the country has, in one word or in groups.
    func iban(at start: Int) -> Range<Int>? {
        let (first, second) = (text.at(start), text.at(start + 1))
        guard first.isLetter, second.isLetter, text.at(start + 2).isDigit, text.at(start + 3).isDigit,
            let length = IBANLength.of(first.uppercased, second.uppercased)
        else { return nil }
        let isLower = first | 0x20 == first
        let end: (position: Int, separator: UInt8)? = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) {
            characters in
            var position = start
            var separator: UInt8 = 0
            var count = 0
            while count < length {
                let byte = text.at(position)
                if byte.isAlphanumeric {
                    guard byte.isDigit || (byte | 0x20 == byte) == isLower else { return nil }
                    characters[count] = byte
                    count += 1
                } else {
                    guard byte == UInt8(ascii: " ") || byte == UInt8(ascii: "-"), count % 4 == 0,
                        separator == 0 || byte == separator, text.at(position + 1).isAlphanumeric
                    else { return nil }
                    separator = byte
                }
                position += 1
            }
            guard !text.at(position).isAlphanumeric, Checksum.iban(Bytes(characters)) else { return nil }
            return (position, separator)
        }
        guard let (position, separator) = end else { return nil }
        if separator != 0, text.at(position) == separator, text.at(position + 1).isDigit { return nil }
        return start..<position
    }

    // MARK: Identity numbers

    struct Identity {
        let kind: Int
        let range: Range<Int>
        /// 3: a word says so; 2: the form does; 1: nothing speaks against it.
        let strength: Int
    }

    /// The best of the rules that fit the first groups, longer forms first.
    func identity(_ start: Int, _ groups: Groups, _ topics: Topics, _ isAlone: Bool) -> Identity? {
        if let found = identity(groups, atLeast: 1, topics, isAlone) { return found }
        // "AA 12 34 56 B": the letters in front of the digits are a group of their own.
        return letters(before: start).flatMap { identity(Groups(text, from: $0), atLeast: 2, topics, isAlone) }
    }

    /// Whether there is a rule for as many groups of such characters.
    func mayBeIdentity(_ start: Int, _ groups: Groups) -> Bool {
        if hasRule(groups, atLeast: 1) { return true }
        return letters(before: start).map { hasRule(Groups(text, from: $0), atLeast: 2) } ?? false
    }

    private func hasRule(_ groups: Groups, atLeast least: Int) -> Bool {
        for count in stride(from: groups.count, through: least, by: -1) {
            let length = groups.length(ofFirst: count)
            guard (7...16).contains(length), let rules = IdentityRules.rules(groups.key(ofFirst: count)) else {
                continue
            }
            let digits = groups.digits & (1 << UInt32(length) - 1)
            if rules.contains(where: { $0.shape.fits(digits: digits, separator: nil) }) { return true }
        }
        return false
    }

    private func identity(_ groups: Groups, atLeast least: Int, _ topics: Topics, _ isAlone: Bool) -> Identity? {
        for count in stride(from: groups.count, through: least, by: -1) {
            let length = groups.length(ofFirst: count)
            guard (7...16).contains(length), let separator = groups.separator(ofFirst: count),
                let rules = IdentityRules.rules(groups.key(ofFirst: count))
            else { continue }
            var best: Identity?
            let digits = groups.digits & (1 << UInt32(length) - 1)
            for rule in rules where enabled.contains(index: rule.entity) {
                guard rule.shape.fits(digits: digits, separator: count > 1 ? separator : nil) else { continue }
                let isNamed = !topics.isDisjoint(with: rule.topics)
                let strength = isNamed ? 3 : rule.proof == .form ? 2 : rule.proof == .context && isAlone ? 1 : 0
                guard strength > best?.strength ?? 0, isWhole(groups, count, separator),
                    groups.withCharacters(ofFirst: count, rule.isValid)
                else { continue }
                best = Identity(kind: rule.entity, range: groups.range(ofFirst: count), strength: strength)
            }
            if best != nil { return best }
        }
        return nil
    }

    /// One or two letters and a separator in front of a number.
    private func letters(before start: Int) -> Int? {
        guard start >= 2, Groups.isSeparator(text[start - 1]) else { return nil }
        var front = start - 1
        while front > 0, text[front - 1].isLetter, start - front <= 4 { front -= 1 }
        let count = start - 1 - front
        guard (1...2).contains(count), front >= floor, !text.at(front - 1).isAlphanumeric else { return nil }
        return front
    }
}

/// Characters of an IBAN by country (SWIFT's IBAN registry).
enum IBANLength {
    static func of(_ first: UInt8, _ second: UInt8) -> Int? { lengths[UInt16(first) << 8 | UInt16(second)] }

    private static let lengths: [UInt16: Int] = {
        let countries: [(Int, String)] = [
            (15, "NO"), (16, "BE"), (18, "DK FI FO FK GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
            (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
            (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"), (26, "IS TR"),
            (27, "BI DJ FR GR IT MC MR SM"), (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
            (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"), (33, "RU"),
        ]
        var lengths: [UInt16: Int] = [:]
        for (length, codes) in countries {
            for code in codes.split(separator: " ") {
                let letters = Array(code.utf8)
                lengths[UInt16(letters[0]) << 8 | UInt16(letters[1])] = length
            }
        }
        return lengths
    }()
}
