// ISOTime: moments as ISO 8601 writes them (RFC 3339, and a day alone).

package enum ISOTime {
    /// "2026-02-23", or that with "T14:20", "T14:20:31" or "T14:20:31.25" and "Z" or an offset like "+05:30" or
    /// "-0800". Without an offset it is UTC. Nanoseconds since 1970; nil for anything else.
    package static func parse(_ text: String) -> Int64? {
        var rest = text.utf8[...]
        guard let year = number(&rest, 4), skip(&rest, "-"), let month = number(&rest, 2), skip(&rest, "-"),
            let day = number(&rest, 2), (1970...2261).contains(year), (1...12).contains(month), day >= 1,
            day <= length(ofMonth: month, year)
        else { return nil }
        let midnight = days(year, month, day) * 86_400
        guard !rest.isEmpty else { return midnight * 1_000_000_000 }
        guard skip(&rest, "T") || skip(&rest, "t") || skip(&rest, " "), let hour = number(&rest, 2), hour < 24,
            skip(&rest, ":"), let minute = number(&rest, 2), minute < 60
        else { return nil }
        var seconds: Int64 = 0
        var fraction: Int64 = 0
        if skip(&rest, ":") {
            // 60 is a leap second's.
            guard let number = number(&rest, 2), number <= 60 else { return nil }
            seconds = number
            if skip(&rest, ".") || skip(&rest, ",") {
                guard let read = nanoseconds(&rest) else { return nil }
                fraction = read
            }
        }
        guard let offset = offset(&rest), rest.isEmpty else { return nil }
        let sum = (midnight + hour * 3_600 + minute * 60 + seconds - offset) * 1_000_000_000 + fraction
        return sum >= 0 ? sum : nil
    }

    private static func skip(_ text: inout Substring.UTF8View, _ character: Unicode.Scalar) -> Bool {
        guard let first = text.first, UInt32(first) == character.value else { return false }
        text = text.dropFirst()
        return true
    }

    private static func number(_ text: inout Substring.UTF8View, _ digits: Int) -> Int64? {
        let part = text.prefix(digits)
        guard part.count == digits, part.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        text = text.dropFirst(digits)
        return part.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    private static func nanoseconds(_ text: inout Substring.UTF8View) -> Int64? {
        let digits = text.prefix { $0 &- 0x30 < 10 }
        guard !digits.isEmpty else { return nil }
        text = text.dropFirst(digits.count)
        let kept = digits.prefix(9)
        let value = kept.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        return (kept.count..<9).reduce(value) { value, _ in value * 10 }
    }

    /// Seconds east of Greenwich. In a query that was not encoded, a plus has become a space.
    private static func offset(_ text: inout Substring.UTF8View) -> Int64? {
        if text.isEmpty || skip(&text, "Z") || skip(&text, "z") { return 0 }
        let sign: Int64
        if skip(&text, "+") || skip(&text, " ") { sign = 1 } else if skip(&text, "-") { sign = -1 } else { return nil }
        guard let hours = number(&text, 2), hours < 24 else { return nil }
        _ = skip(&text, ":")
        guard let minutes = number(&text, 2), minutes < 60 else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }

    private static func length(ofMonth month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin with March, so that a leap day is the
    /// last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month > 2 ? year : year - 1
        let century = year / 400
        let yearOfEra = year - century * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return century * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
