// Scanner: finds personal data in one text, from left to right, in one pass. It stops only at bytes that something can
// begin at (digits, @, colons, dots, hyphens) and looks around them, a bounded distance each time: the time is linear in
// the text, whatever it holds.
//
// It is made for texts that come in parts: what is found before `safe` does not depend on what follows, and a scan that
// goes on from there, with `contextBefore` bytes of what precedes, finds what one scan of the whole would have found.

/// What a search of a text in parts hands on to the next part, beside the text before it.
struct Carry {
    /// The last match was a part of a URL that goes on.
    var isInsideURL = false
    /// Bytes since the last match.
    var matchDistance = farAway
    static let farAway = 1 << 20
}

struct Scanner {
    /// How far back a scan looks, in bytes.
    static let contextBefore = 160
    /// Numbers and words are at most so long; what is longer is none.
    static let longestNumber = 64
    /// How far beyond its first byte a number's judgement looks: the number, and the words after it.
    private static let reach = ContextWords.after + ContextWords.longest + 8
    /// E-mail addresses and parts of URLs are at most so long, in bytes.
    static let longestRun = 512

    let text: Bytes
    let enabled: EntitySet
    /// A number without any word near it is judged by its form. Not in tool arguments, where it is any number.
    let trustsLoneNumbers: Bool
    private let start: Int
    private var matches: [Match] = []
    /// The last match is a part of a URL that goes on behind it.
    private(set) var isInsideURL: Bool
    /// Nothing begins before: the end of the last match.
    private(set) var floor: Int
    /// Where the last match ended: digits after it are a value of their own.
    private(set) var matchEnd: Int
    var context = ContextWords()
    /// Up to here colons and hexadecimal digits make no IPv6 address.
    var noAddressBefore = 0
    private let classes = ByteClass.table

    /// Scans `text` from the offset `start`. `carry`: what the scan before it handed on.
    init(_ text: Bytes, from start: Int, enabled: EntitySet, trustsLoneNumbers: Bool, carry: Carry = Carry()) {
        self.text = text
        self.start = start
        isInsideURL = carry.isInsideURL
        matchEnd = start - carry.matchDistance
        self.enabled = enabled
        self.trustsLoneNumbers = trustsLoneNumbers
        floor = start
    }

    /// Finds everything, and drops what might still change when the text goes on. `safe`: up to where all is decided.
    mutating func scan(isLast: Bool) -> (matches: [Match], safe: Int) {
        let wasInsideURL = isInsideURL
        let firstMatchEnd = matchEnd
        scanAll()
        guard !isLast else { return (matches, text.count) }
        var safe = undecidedStart()
        while let last = matches.last, last.range.lowerBound >= safe { matches.removeLast() }
        if let last = matches.last {
            safe = max(safe, last.range.upperBound)
            isInsideURL =
                last.kind == Entity.url.index && last.range.upperBound == safe && last.range.count == Self.longestRun
        } else {
            // Nothing of the URL's next part is decided before it is known how long it is.
            isInsideURL = wasInsideURL && safe == start
            matchEnd = firstMatchEnd
        }
        return (matches, safe)
    }

    private mutating func scanAll() {
        if isInsideURL { continueURL() }
        var position = floor
        // Up to here digits have been looked at for an @ after them.
        var addressesBefore = floor
        while position < text.count {
            let byte = text[position]
            guard classes[Int(byte)] & ByteClass.trigger != 0 else {
                position += 1
                continue
            }
            var next = position + 1
            switch byte {
            case UInt8(ascii: "@"): next = found(.email, { $0.emailAddress(at: position) }) ?? next
            case UInt8(ascii: ":"):
                next =
                    foundURL({ $0.url(atColon: position) }) ?? found(.ipAddress, { $0.ipv6(around: position) })
                    ?? found(.macAddress, { $0.macAddress(at: position) }) ?? next
            case UInt8(ascii: "."):
                next =
                    foundURL({ $0.url(atDotAfterWWW: position) }) ?? found(.macAddress, { $0.macAddress(at: position) })
                    ?? next
            case UInt8(ascii: "-"): next = found(.macAddress, { $0.macAddress(at: position) }) ?? next
            default:
                if position >= addressesBefore, enabled.contains(.email) {
                    if let at = sign(after: position) {
                        addressesBefore = at
                        if let end = found(.email, { $0.emailAddress(at: at) }) {
                            position = end
                            continue
                        }
                    } else {
                        addressesBefore = endOfRun(from: position)
                    }
                }
                if text.hasPrefix("%40", at: position - 1),
                    let end = found(.email, { $0.emailAddress(at: position - 1, width: 3) })
                {
                    next = end
                } else {
                    next = number(at: position)
                }
            }
            position = next
        }
    }

    /// Notes a match, if there is one, and returns its end.
    private mutating func found(_ entity: Entity, _ find: (inout Scanner) -> Range<Int>?) -> Int? {
        guard enabled.contains(entity), let range = find(&self), range.lowerBound >= floor else { return nil }
        return note(entity.index, range)
    }

    /// A URL is noted in parts of `longestRun` bytes.
    private mutating func foundURL(_ find: (inout Scanner) -> Range<Int>?) -> Int? {
        guard let end = found(.url, find) else { return nil }
        guard matches[matches.count - 1].range.count == Self.longestRun else { return end }
        continueURL()
        return floor
    }

    private mutating func continueURL() {
        isInsideURL = false
        while let part = urlPart(from: floor) {
            matches.append(Match(kind: Entity.url.index, range: part, isContinuation: true))
            floor = part.upperBound
            matchEnd = floor
            guard part.count == Self.longestRun else { return }
        }
    }

    private mutating func note(_ kind: Int, _ range: Range<Int>) -> Int {
        matches.append(Match(kind: kind, range: range))
        floor = range.upperBound
        matchEnd = floor
        return floor
    }

    /// Nothing, or one separator, stands between the last match and `position`.
    func followsMatch(_ position: Int) -> Bool { position <= matchEnd + 1 }

    /// What the next part of the text needs to know, which begins at `safe`.
    func carry(from safe: Int) -> Carry {
        let end = matches.last?.range.upperBound ?? matchEnd
        return Carry(isInsideURL: isInsideURL, matchDistance: min(safe - end, Carry.farAway))
    }

    /// The @ that the characters of a local part lead to.
    private func sign(after position: Int) -> Int? {
        var position = position
        let end = min(position + Self.longestNumber + 1, text.count)
        while position < end, isLocal(position) { position += 1 }
        return text.at(position) == UInt8(ascii: "@") ? position : nil
    }

    private func endOfRun(from position: Int) -> Int {
        var position = position
        let end = min(position + Self.longestNumber, text.count)
        while position < end, isLocal(position) { position += 1 }
        return position
    }

    @inline(__always) func isLocal(_ position: Int) -> Bool {
        let byte = text[position]
        return classes[Int(byte)] & ByteClass.local != 0 || byte.leadsLatinLetter
            || byte.isContinuation && text.at(position - 1).leadsLatinLetter
    }

    // MARK: Numbers

    /// Looks at the word around a digit. Returns where to go on.
    private mutating func number(at position: Int) -> Int {
        var start = position
        while start > 0, text[start - 1].isAlphanumeric, position - start <= Self.longestNumber { start -= 1 }
        var end = position
        while end < text.count, text[end].isAlphanumeric { end += 1 }
        // Inside of a word that has been looked at, or too long for anything.
        guard start >= floor, end - start <= Self.longestNumber else { return end }

        if let next = found(.ipAddress, { $0.ipv6(around: position) }) { return next }
        if let next = found(.macAddress, { $0.macAddress(from: start) }) { return next }
        if let next = found(.ipAddress, { $0.ipv4(at: start) }) { return next }
        if let next = found(.iban, { $0.iban(at: start) }) { return next }
        if end - start >= 26, let next = found(.crypto, { $0.cryptoAddress(start..<end) }) { return next }
        if let next = found(.dateOfBirth, { $0.date(at: start) }) { return next }
        let groups = Groups(text, from: start)
        guard groups.count > 0 else { return end }
        guard groups.length(ofFirst: groups.count) >= 7 else {
            guard hasBracketsOrPlus(start, end) else { return end }
            return found(.phone, { $0.phone(at: start, $0.context.around(start, in: $0.text).topics) }) ?? end
        }
        if let next = found(.creditCard, { $0.creditCard(groups) }) { return next }
        guard mayBePhone(start) || mayBeIdentity(start, groups) else { return end }
        let around = context.around(start, in: text)
        let isAlone = around.isAlone && trustsLoneNumbers
        let identity = identity(start, groups, around.topics, isAlone)
        if let identity, identity.strength > 1 { return note(identity.kind, identity.range) }
        if let next = found(.phone, { $0.phone(at: start, around.topics) }) { return next }
        if let identity { return note(identity.kind, identity.range) }
        return end
    }

    /// Seven digits or more, with what may stand between them.
    private func mayBePhone(_ start: Int) -> Bool {
        var position = start
        var digits = 0
        var skipped = 0
        while digits < 7 {
            let byte = text.at(position)
            if byte.isDigit {
                digits += 1
                skipped = 0
            } else {
                guard skipped < 3,
                    byte == 0x20 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "(")
                        || byte == UInt8(ascii: ")") || byte == UInt8(ascii: "/")
                else { return false }
                skipped += 1
            }
            position += 1
        }
        return true
    }

    /// "+44 (20) …", "(415)555…", "0 (30) …": telephone numbers whose groups others do not have.
    private func hasBracketsOrPlus(_ start: Int, _ end: Int) -> Bool {
        text.at(start - 1) == UInt8(ascii: "+") || text.at(start - 1) == UInt8(ascii: "(")
            || text.at(end) == UInt8(ascii: "/")
            || text.at(end) == UInt8(ascii: "(") || text.at(end) == 0x20 && text.at(end + 1) == UInt8(ascii: "(")
    }

    private func cryptoAddress(_ range: Range<Int>) -> Range<Int>? {
        CryptoAddress.isAddress(Bytes(rebasing: text[range])) ? range : nil
    }

    // MARK: Parts

    /// Where something begins that may change when the text goes on: the last word, when it may go on, the words with
    /// digits that are too near to the end, and the one before them, which may belong to them.
    private func undecidedStart() -> Int {
        var safe = text.count
        if isRun(safe - 1) { safe = runStart(safe - 1) }
        var digit = max(0, text.count - Self.reach)
        while digit < safe, !text[digit].isDigit { digit += 1 }
        if digit < safe { safe = runStart(digit) }
        return max(start, text.characterStart(wordBefore(safe)))
    }

    /// What words, addresses and URLs are made of.
    private func isRun(_ position: Int) -> Bool {
        guard position >= 0 else { return false }
        let byte = text[position]
        return classes[Int(byte)] & ByteClass.graphic != 0 || byte.leadsLatinLetter
            || byte.isContinuation && text.at(position - 1).leadsLatinLetter
    }

    private func runStart(_ position: Int) -> Int {
        var start = position
        let limit = max(0, position - Self.longestRun)
        while start > limit, isRun(start - 1) { start -= 1 }
        return start
    }

    /// The beginning of the short word in front of `position`, with one or two separators between them: initials, a month
    /// or a country code may belong to the digits after it.
    private func wordBefore(_ position: Int) -> Int {
        var start = position
        while start > 0, position - start < 3, text[start - 1] == 0x20 || text[start - 1] == UInt8(ascii: ",") {
            start -= 1
        }
        guard start < position || position == text.count else { return position }
        let end = start
        while start > 0, end - start <= Dates.longestMonth, isRun(start - 1) { start -= 1 }
        return end - start <= Dates.longestMonth ? start : position
    }
}
