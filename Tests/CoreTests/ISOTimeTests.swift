// Moments as people and programs write them.

import Core
import Testing

@Suite struct ISOTimeTests {
    /// Seconds since 1970 by Python's datetime.
    private static let seconds: [(text: String, seconds: Int64)] = [
        ("1970-01-01", 0), ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:01Z", 1),
        ("2026-02-23", 1_771_804_800), ("2026-02-23T00:00", 1_771_804_800), ("2026-02-23T14:20:31Z", 1_771_856_431),
        ("2026-02-23t14:20:31z", 1_771_856_431), ("2026-02-23 14:20:31Z", 1_771_856_431),
        ("2026-02-23T14:20:31", 1_771_856_431), ("2026-02-23T14:20:31+00:00", 1_771_856_431),
        ("2026-02-23T14:20:31-00:00", 1_771_856_431),
        // Offsets, with and without a colon, a minute or a second; and a plus that has become a space.
        ("2026-02-23T14:20+05:30", 1_771_836_600), ("2026-02-23T14:20:00+0530", 1_771_836_600),
        ("2026-02-23T14:20:00 05:30", 1_771_836_600), ("2026-02-23T14:20:00-0800", 1_771_885_200),
        ("2026-02-23T14:20-08:00", 1_771_885_200), ("1970-01-01T05:30:00+05:30", 0),
        ("2026-02-23T23:59:59+23:59", 1_771_804_859),
        // Leap years: every fourth, but of the hundredth ones only every fourth.
        ("1972-03-01", 68_256_000), ("2000-02-29", 951_782_400), ("2024-02-29T23:59:59Z", 1_709_251_199),
        ("2024-12-31", 1_735_603_200), ("2100-02-28", 4_107_456_000), ("2100-03-01", 4_107_542_400),
        // A leap second is the next one.
        ("2016-12-31T23:59:59Z", 1_483_228_799), ("2016-12-31T23:59:60Z", 1_483_228_800),
        // The last that fits.
        ("2261-12-31T23:59:59Z", 9_214_646_399), ("2261-12-31T23:59:59-23:59", 9_214_732_739),
    ]

    private static let fractions: [(text: String, nanoseconds: Int64)] = [
        ("1970-01-01T00:00:00.5Z", 500_000_000), ("1970-01-01T00:00:00,5Z", 500_000_000),
        ("1970-01-01T00:00:00.25", 250_000_000), ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T00:00:00.000000001Z", 1), ("1970-01-01T00:00:00.0Z", 0),
        ("1970-01-01T00:00:00.1234567899Z", 123_456_789), ("1970-01-01T00:00:00.0000000009Z", 0),
        ("1970-01-01T00:00:01.75+00:00", 1_750_000_000), ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1970-01-01T00:00:00.\(String(repeating: "9", count: 100))Z", 999_999_999),
    ]

    private static let wrong: [String] = [
        "", " ", "now", "1771804800", "2026", "2026-02", "2026-2-23", "26-02-23", "20260223", "2026/02/23",
        "2026-02-23Z",
        "2026-02-23+01:00", "-2026-02-23", "+2026-02-23", " 2026-02-23", "2026-02-23 ", "2026-02-23T", "2026-02-23T14",
        "2026-02-23T14:2", "2026-02-23T1420", "2026-02-23T14:20:", "2026-02-23T14:20:3", "2026-02-23T14:20:31.",
        "2026-02-23T14:20:31.Z", "2026-02-23T14:20.5Z", "2026-02-23T14:20:31ZZ", "2026-02-23T14:20:31Zulu",
        "2026-02-23T14:20:31 Z", "2026-02-23T14:20:31+", "2026-02-23T14:20:31+5", "2026-02-23T14:20:31+05",
        "2026-02-23T14:20:31+05:3", "2026-02-23T14:20:31+05:300", "2026-02-23T14:20:31+24:00",
        "2026-02-23T14:20:31+05:60", "2026-02-23T14:20:31+-5:00", "2026-02-23x14:20:31Z",
        // No such day, hour, minute or second.
        "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32", "2026-02-29", "2024-02-30", "2100-02-29", "2026-04-31",
        "2026-06-31", "2026-09-31", "2026-11-31", "2026-02-23T24:00:00Z", "2026-02-23T14:60:00Z",
        "2026-02-23T14:20:61Z",
        // Before 1970 and after what 64 bits of nanoseconds hold.
        "1969-12-31", "0000-01-01", "1970-01-01T00:00:00+00:01", "2262-01-01", "9999-12-31", "12026-01-01",
        // Digits of other scripts.
        "２０２６-02-23", "2026-02-2³", "2026\u{2010}02\u{2010}23", "2026-02-23T14:20:31.٥Z",
    ]

    @Test(arguments: seconds) func readsAMoment(_ text: String, _ seconds: Int64) {
        #expect(ISOTime.parse(text) == seconds * 1_000_000_000)
    }

    @Test(arguments: fractions) func readsFractions(_ text: String, _ nanoseconds: Int64) {
        #expect(ISOTime.parse(text) == nanoseconds)
    }

    @Test(arguments: wrong) func refusesAnythingElse(_ text: String) { #expect(ISOTime.parse(text) == nil) }

    /// Each day is one further than the one before, over all the years there are.
    @Test func countsEveryDay() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        var expected: Int64 = 0
        var wrong: [String] = []
        for year in 1970...2261 {
            let isLeap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            for month in 1...12 {
                let length = lengths[month - 1] + (isLeap && month == 2 ? 1 : 0)
                for day in 1...length {
                    let text = "\(year)-\(two(month))-\(two(day))"
                    if ISOTime.parse(text) != expected { wrong.append(text) }
                    expected += 86_400_000_000_000
                }
                if ISOTime.parse("\(year)-\(two(month))-\(two(length + 1))") != nil { wrong.append("\(year)-\(month)") }
            }
        }
        #expect(wrong.isEmpty)
    }
}
