// HTTPDate: the three forms in which a date may stand in a header (RFC 9110, 5.6.7). Senders write the first; readers
// must accept all of them.
//
//     Sun, 06 Nov 1994 08:49:37 GMT       IMF-fixdate
//     Sunday, 06-Nov-94 08:49:37 GMT      RFC 850
//     Sun Nov  6 08:49:37 1994            C's asctime

enum HTTPDate {
    /// Seconds since 1970; nil when `text` is none of the three. `now`, in the same unit, tells which century a year
    /// of two digits means: the latest that is no more than fifty years ahead.
    static func seconds(_ text: String, now: Int64) -> Int64? {
        let parts = text.utf8.split { $0 == 0x20 || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "-") }
        switch parts.count {
        case 6:
            guard parts[5].elementsEqual("GMT".utf8), let written = number(parts[3]) else { return nil }
            let isShort = parts[3].count == 2
            guard isShort || parts[3].count == 4 else { return nil }
            return seconds(
                year: isShort ? fullYear(written, now: now) : written, month: parts[2], day: parts[1], time: parts[4])
        case 5:
            guard parts[4].count == 4, let year = number(parts[4]) else { return nil }
            return seconds(year: year, month: parts[1], day: parts[2], time: parts[3])
        default: return nil
        }
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func seconds(
        year: Int64, month: Substring.UTF8View, day: Substring.UTF8View, time: Substring.UTF8View
    ) -> Int64? {
        let clock = time.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard clock.count == 3, clock.allSatisfy({ $0.count == 2 }),
            let month = months.firstIndex(where: { month.elementsEqual($0.utf8) }),
            let day = number(day), (1...31).contains(day),
            let hour = number(clock[0]), hour < 24,
            let minute = number(clock[1]), minute < 60,
            let second = number(clock[2]), second <= 60  // a leap second
        else { return nil }
        return days(year: year, month: Int64(month) + 1, day: day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    private static func number(_ digits: Substring.UTF8View) -> Int64? {
        guard (1...4).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    private static func fullYear(_ short: Int64, now: Int64) -> Int64 {
        // A day more or less does not matter at a distance of fifty years.
        let thisYear = 1970 + now / 31_556_952
        let candidate = thisYear - thisYear % 100 + short
        return candidate > thisYear + 50 ? candidate - 100 : candidate <= thisYear - 50 ? candidate + 100 : candidate
    }

    /// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms"): years begin in March, so that the leap day is the last one.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
