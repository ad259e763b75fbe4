// LogFilterText: filters as they are written on a command line.

import Core

#if canImport(Glibc)
    import Glibc
#endif

extension LogFilter {
    /// "90s", "15m", "2h", "7d" before `now`, or a moment: "2026-01-31" or "2026-01-31T09:05:00Z". Nanoseconds since 1970; nil for
    /// anything else.
    package static func moment(_ text: String, now: Int64) -> Int64? {
        if let unit = text.last, let count = Int64(text.dropLast()), count >= 0 {
            let seconds: Int64? =
                switch unit {
                case "s": 1
                case "m": 60
                case "h": 3_600
                case "d": 86_400
                default: nil
                }
            guard let seconds else { return nil }
            let (span, overflow) = count.multipliedReportingOverflow(by: seconds * 1_000_000_000)
            return overflow ? 0 : max(0, now - span)
        }
        let parts = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        let day = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
        guard day.count == 3, let year = day[0], let month = day[1], let date = day[2], (1970...9999).contains(year),
            (1...12).contains(month), (1...31).contains(date)
        else { return nil }
        var clock: [Int32] = [0, 0, 0]
        if parts.count == 2 {
            guard parts[1].hasSuffix("Z") else { return nil }
            let numbers = parts[1].dropLast().split(separator: ":", omittingEmptySubsequences: false).map { Int32($0) }
            guard (2...3).contains(numbers.count), !numbers.contains(nil) else { return nil }
            clock = numbers.compactMap { $0 } + (numbers.count == 2 ? [0] : [])
            guard (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2]) else {
                return nil
            }
        }
        var time = tm()
        time.tm_year = year - 1900
        time.tm_mon = month - 1
        time.tm_mday = date
        time.tm_hour = clock[0]
        time.tm_min = clock[1]
        time.tm_sec = clock[2]
        return Int64(timegm(&time)) * 1_000_000_000
    }

    /// "404", "4xx" or "400-499".
    package static func statuses(_ text: String) -> ClosedRange<Int>? {
        if let exact = Int(text), (100...599).contains(exact) { return exact...exact }
        if text.count == 3, text.dropFirst().lowercased() == "xx", let class_ = text.first?.wholeNumberValue,
            (1...5).contains(class_)
        {
            return class_ * 100...class_ * 100 + 99
        }
        let bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard bounds.count == 2, let low = bounds[0], let high = bounds[1], (100...599).contains(low),
            (low...599).contains(high)
        else { return nil }
        return low...high
    }

    /// "key=value".
    package static func pair(_ text: String) -> (key: String, value: String)? {
        guard let sign = text.firstIndex(of: "="), sign > text.startIndex else { return nil }
        return (String(text[..<sign]), String(text[text.index(after: sign)...]))
    }
}
