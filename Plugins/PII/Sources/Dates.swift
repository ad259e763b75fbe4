// Dates of birth: a date in one of the common forms where a word says that somebody was born.

enum Dates {
    /// The longest name of a month, in bytes, with a separator.
    static let longestMonth = 12

    fileprivate static let months: Set<[UInt8]> = Set(
        """
        january february march april may june july august september october november december jan feb mar apr jun jul aug \
        sep sept oct nov dec januar februar märz maerz mai juni juli oktober dezember mär okt dez janvier février mars avril \
        juin juillet août septembre octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre \
        octubre noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre janeiro \
        fevereiro março maio junho julho setembro outubro novembro dezembro
        """
        .split(separator: " ").map { Array($0.utf8) })
    fileprivate static let initials: Set<UInt8> = Set(months.compactMap(\.first))
}

extension Scanner {
    /// A date whose first digits are at `start`, near a word about births.
    mutating func date(at start: Int) -> Range<Int>? {
        guard text[start].isDigit, let date = numericDate(at: start) ?? date(dayAt: start) ?? date(monthBefore: start)
        else { return nil }
        return context.around(start, in: text).topics.contains(.birth) ? date : nil
    }

    /// The value of one to `most` digits.
    private func number(at position: Int, most: Int) -> (value: Int, end: Int)? {
        var end = position
        var value = 0
        while end - position < most, text.at(end).isDigit {
            value = value * 10 + Int(text[end] & 15)
            end += 1
        }
        return end > position && !text.at(end).isDigit ? (value, end) : nil
    }

    /// "23.11.1980", "11/23/80", "1980-11-23".
    private func numericDate(at start: Int) -> Range<Int>? {
        guard let first = number(at: start, most: 4) else { return nil }
        let separator = text.at(first.end)
        guard separator == UInt8(ascii: ".") || separator == UInt8(ascii: "/") || separator == UInt8(ascii: "-"),
            let second = number(at: first.end + 1, most: 2), text.at(second.end) == separator
        else { return nil }
        var thirdStart = second.end + 1
        if separator == UInt8(ascii: "."), text.at(thirdStart) == 0x20 { thirdStart += 1 }
        guard let third = number(at: thirdStart, most: 4), !text.isWordByte(third.end) else { return nil }
        let isYearFirst = first.end - start == 4
        let isDate =
            isYearFirst
            ? Checksum.isDate(day: third.value, month: second.value)
            : third.end - thirdStart != 3 && third.end - thirdStart != 1
                && (Checksum.isDate(day: first.value, month: second.value)
                    || Checksum.isDate(day: second.value, month: first.value))
        return isDate ? start..<third.end : nil
    }

    /// "23 November 1980", "23. November 1980", "23-Nov-80", "23rd of November 1980".
    private func date(dayAt start: Int) -> Range<Int>? {
        guard let day = number(at: start, most: 2), (1...31).contains(day.value) else { return nil }
        var position = day.end
        while position - day.end < 2, text.at(position).isLetter { position += 1 }
        let month = skipSeparators(position, words: true)
        guard let monthEnd = monthEnd(month), let year = number(at: skipSeparators(monthEnd, words: true), most: 4),
            isYear(year.value), !text.isWordByte(year.end)
        else { return nil }
        return start..<year.end
    }

    /// "November 23, 1980", "Nov 23rd 1980".
    private func date(monthBefore start: Int) -> Range<Int>? {
        guard let day = number(at: start, most: 2), (1...31).contains(day.value), start > 0, text[start - 1] == 0x20
        else {
            return nil
        }
        var month = start - 1
        while month > floor, start - month <= Dates.longestMonth, text[month - 1].isLetter || text[month - 1] >= 0x80 {
            month -= 1
        }
        guard monthEnd(month) == start - 1 else { return nil }
        var position = day.end
        while position - day.end < 2, text.at(position).isLetter { position += 1 }
        guard let year = number(at: skipSeparators(position, words: false), most: 4), isYear(year.value),
            !text.isWordByte(year.end)
        else { return nil }
        return month..<year.end
    }

    private func isYear(_ value: Int) -> Bool { (1850...2100).contains(value) || value < 100 }

    private func monthEnd(_ start: Int) -> Int? {
        var end = start
        while end - start < Dates.longestMonth, text.at(end).isLetter || text.at(end) >= 0x80 { end += 1 }
        guard end - start >= 3, Dates.initials.contains(text[start].lowercased) else { return nil }
        return Dates.months.contains(text[start..<end].map(\.lowercased)) ? end : nil
    }

    private func isSeparator(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ",")
    }

    /// Over ". ", "-", ", " and, between words, "of" and "de".
    private func skipSeparators(_ start: Int, words: Bool) -> Int {
        var position = start
        while position - start < 3, isSeparator(text.at(position)) { position += 1 }
        if words, text.hasPrefix("of ", at: position) || text.hasPrefix("de ", at: position) { position += 3 }
        return position
    }
}
