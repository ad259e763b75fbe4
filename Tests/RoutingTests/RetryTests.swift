// Retry (Portkey specification, §4.6) and the attempt count (§3).

import Core
import Routing
import Testing

@Suite struct RetryTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var attempts: Int
        var codes: Set<Int>?
        var outcomes: [AttemptOutcome]
        var calls: Int
        var count: Int

        init(
            _ name: String, attempts: Int, codes: Set<Int>? = nil, _ statuses: [Int], calls: Int, count: Int
        ) {
            self.init(
                name, attempts: attempts, codes: codes, outcomes: statuses.map { AttemptOutcome(status: $0) },
                calls: calls,
                count: count)
        }

        init(
            _ name: String, attempts: Int, codes: Set<Int>? = nil, outcomes: [AttemptOutcome], calls: Int, count: Int
        ) {
            testDescription = name
            self.attempts = attempts
            self.codes = codes
            self.outcomes = outcomes
            self.calls = calls
            self.count = count
        }
    }

    static let rows = [
        Row("a first success is final", attempts: 3, [200], calls: 1, count: 0),
        Row("n attempts are n + 1 calls", attempts: 3, [500], calls: 4, count: -1),
        Row("success on the second retry", attempts: 3, [500, 503, 200], calls: 3, count: 2),
        Row("no retry configured", attempts: 0, [500], calls: 1, count: 0),
        Row("other codes end the loop at once", attempts: 3, [400], calls: 1, count: 0),
        Row("other codes end the loop later", attempts: 3, [429, 400], calls: 2, count: 1),
        Row("408 is not a default code", attempts: 3, [408], calls: 1, count: 0),
        Row("408 can be listed", attempts: 2, codes: [408], [408, 200], calls: 2, count: 1),
        Row("a list replaces the default codes", attempts: 2, codes: [418], [500], calls: 1, count: 0),
        Row("a listed 2xx is retried", attempts: 1, codes: [202], [202, 200], calls: 2, count: 1),
        Row("446 is not a default code", attempts: 2, [446], calls: 1, count: 0),
        Row("446 can be listed", attempts: 2, codes: [446], [446, 200], calls: 2, count: 1),
        Row("246 can be listed", attempts: 1, codes: [246], [246], calls: 2, count: -1),
        Row("a broken connection is retried", attempts: 2, outcomes: [.failed(.transport)], calls: 3, count: -1),
        Row("whatever the codes", attempts: 1, codes: [], outcomes: [.failed(.connect)], calls: 2, count: -1),
        Row("a timeout is not", attempts: 2, outcomes: [.failed(.timeout)], calls: 1, count: 0),
        Row("unless 408 is listed", attempts: 1, codes: [408], outcomes: [.failed(.timeout)], calls: 2, count: -1),
        Row("a broken connection without retry", attempts: 0, outcomes: [.failed(.transport)], calls: 1, count: 0),
        Row("ten is accepted", attempts: 10, [500], calls: 11, count: -1),
    ]

    @Test(arguments: rows) func retries(_ row: Row) throws {
        var walk = Walk()
        let trace = try walk.run(.retrying(row.attempts, on: row.codes), row.outcomes)
        #expect(trace.attempts.count == row.calls)
        #expect(trace.attempts.map(\.retry) == Array(0..<row.calls))
        #expect(trace.attempts.map(\.number) == Array(1...row.calls))
        #expect(trace.finish?.retryCount == row.count)
        #expect(trace.finish?.attempts == row.calls)
        #expect(trace.finish?.reason == .settled)
    }

    @Test(arguments: [429, 500, 502, 503, 504, 529]) func retriesByDefault(status: Int) throws {
        var walk = Walk()
        #expect(try walk.run(.retrying(1), status, 200).finish?.retryCount == 1)
    }

    @Test(arguments: [201, 204, 301, 401, 404, 422, 501, 505]) func doesNotRetryByDefault(status: Int) throws {
        var walk = Walk()
        #expect(try walk.run(.retrying(1), status).attempts.count == 1)
    }

    @Test(arguments: [-1, 11, 1000]) func refusesAttemptsOutOfBounds(attempts: Int) {
        #expect(throws: RoutingError("'retry.attempts' must be a whole number from 0 to 10")) {
            _ = try RetryPolicy(attempts: attempts)
        }
    }

    // MARK: Waiting

    @Test func waitsLongerEachTimeWithUpToAQuarterOfJitter() throws {
        let bases: [Int64] = [1, 2, 4, 8, 16, 16, 16, 16, 16, 16]
        var seen: Set<Int64> = []
        for seed in 0..<50 {
            var walk = Walk()
            walk.random = Xoshiro256(seed: UInt64(seed))
            let delays = try walk.run(.retrying(10), 500).attempts.map(\.delay)
            #expect(delays.first == 0)
            for (delay, base) in zip(delays.dropFirst(), bases) {
                #expect((base * second..<base * second * 5 / 4).contains(delay))
            }
            seen.insert(delays[1])
        }
        #expect(seen.count == 50)
    }

    @Test(arguments: [446, 246]) func retriesGuardsStatusesWithoutWaiting(status: Int) throws {
        var walk = Walk()
        #expect(try walk.run(.retrying(2, on: [status]), status).delays == [0, 0, 0])
    }

    struct Said: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var header: RetryAfter
        /// Milliseconds; nil: the ordinary backoff.
        var wait: Int64?
        var givesUp = false

        init(
            _ name: String, ms: String? = nil, xms: String? = nil, seconds: String? = nil, wait: Int64? = nil,
            givesUp: Bool = false
        ) {
            testDescription = name
            // Sun, 06 Nov 1994 08:49:30 GMT
            header = RetryAfter(
                milliseconds: ms, microsoftMilliseconds: xms, secondsOrDate: seconds, receivedAt: 784_111_770 * second)
            self.wait = wait
            self.givesUp = givesUp
        }
    }

    static let said = [
        Said("milliseconds", ms: "1500", wait: 1500),
        Said("Azure's milliseconds", xms: "2500", wait: 2500),
        Said("seconds", seconds: "3", wait: 3000),
        Said("the first header decides", ms: "100", xms: "200", seconds: "3", wait: 100),
        Said("the second before the third", xms: "200", seconds: "3", wait: 200),
        Said("zero", seconds: "0", wait: 0),
        Said("a fraction", seconds: "1.5", wait: 1500),
        Said("white space", seconds: " 2\t", wait: 2000),
        Said("nothing"),
        Said("empty", seconds: ""),
        Said("words", seconds: "soon"),
        Said("negative", seconds: "-1"),
        Said("exponent", seconds: "1e1"),
        Said("two points", ms: "1.2.3"),
        Said("the first header unreadable", ms: "x", seconds: "3"),
        Said("IMF date", seconds: "Sun, 06 Nov 1994 08:49:37 GMT", wait: 7000),
        Said("RFC 850 date", seconds: "Sunday, 06-Nov-94 08:49:37 GMT", wait: 7000),
        Said("asctime date", seconds: "Sun Nov  6 08:49:37 1994", wait: 7000),
        Said("a past date", seconds: "Sun, 06 Nov 1994 08:49:29 GMT", wait: 0),
        Said("a date too far", seconds: "Sun, 06 Nov 1994 08:50:30 GMT", givesUp: true),
        Said("59.999 s", ms: "59999", wait: 59_999),
        Said("60 s", seconds: "60", givesUp: true),
        Said("a number beyond all bounds", seconds: "99999999999999999999999999", givesUp: true),
        Said("a date beyond all bounds", seconds: "Fri, 31 Dec 9999 23:59:59 GMT", givesUp: true),
    ]

    @Test(arguments: said) func honoursRetryAfter(_ said: Said) throws {
        var walk = Walk()
        let limited = AttemptOutcome(status: 429, retryAfter: said.header)
        let trace = try walk.run(.retrying(2, usesRetryAfter: true), [limited, AttemptOutcome(status: 200)])
        if said.givesUp {
            #expect(trace.attempts.count == 1)
            #expect(trace.finish?.retryCount == -1)
        } else if let wait = said.wait {
            #expect(trace.delays == [0, wait])
            #expect(trace.finish?.retryCount == 1)
        } else {
            #expect((1000..<1250).contains(trace.delays[1]))
        }
    }

    @Test func ignoresRetryAfterUnlessAsked() throws {
        var walk = Walk()
        let limited = AttemptOutcome(status: 429, retryAfter: RetryAfter(secondsOrDate: "3", receivedAt: 0))
        #expect(try (1000..<1250).contains(walk.run(.retrying(1), [limited]).delays[1]))
    }

    @Test func ignoresRetryAfterOfOtherStatuses() throws {
        var walk = Walk()
        let failing = AttemptOutcome(status: 503, retryAfter: RetryAfter(secondsOrDate: "50", receivedAt: 0))
        #expect(try (1000..<1250).contains(walk.run(.retrying(1, usesRetryAfter: true), [failing]).delays[1]))
    }

    @Test func stopsWhenWaitsExceedAMinuteTogether() throws {
        var walk = Walk()
        let limited = AttemptOutcome(status: 429, retryAfter: RetryAfter(secondsOrDate: "25", receivedAt: 0))
        let trace = try walk.run(.retrying(5, usesRetryAfter: true), [limited])
        #expect(trace.delays == [0, 25_000, 25_000])
        #expect(trace.finish?.retryCount == -1)
    }

    @Test func fallsBackAfterATooLongRetryAfter() throws {
        let policy = try RetryPolicy(attempts: 2, usesRetryAfter: true)
        let route = try Route(.strategy(.fallback(), [.leaf(0, retry: policy), .leaf(1, retry: policy)]))
        let limited = AttemptOutcome(status: 429, retryAfter: RetryAfter(secondsOrDate: "61", receivedAt: 0))
        var walk = Walk()
        let trace = try walk.run(route, [limited, AttemptOutcome(status: 200)])
        #expect(trace.targets == [0, 1])
        #expect(trace.finish?.retryCount == 0)
    }
}

@Suite struct HTTPDateTests {
    /// Reads a date through the header; the clock stands at 1970.
    private func read(_ text: String, now: Int64 = 0) -> Int64? {
        RetryAfter(secondsOrDate: text, receivedAt: now * second).wait.map { $0 / second + now }
    }

    @Test(arguments: [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
        ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200), ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Tue Jan  5 09:00:00 2038", 2_146_294_800),
    ]) func readsDates(text: String, seconds: Int64) {
        #expect(read(text) == seconds)
    }

    /// RFC 9110, 5.6.7: a date that seems more than fifty years ahead lies in the past.
    @Test(arguments: [
        (2026, "76", 2076), (2026, "77", 1977), (2026, "25", 2025), (1994, "94", 1994), (1999, "01", 2001),
    ])
    func completesShortYears(now: Int64, year: String, full: Int64) {
        let date = "Monday, 01-Mar-\(year) 00:00:00 GMT"
        // The middle of the year in which the text is read.
        let clock = (now - 1970) * 31_556_952 + 15_000_000
        let whole = "Mon, 01 Mar \(full) 00:00:00 GMT"
        #expect(read(date, now: clock) == read(whole, now: clock))
    }

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 994 08:49:37 GMT",
        "Sun, xx Nov 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 94", ",,,,,",
        "1994-11-06T08:49:37Z",
    ]) func refusesWhatIsNoDate(text: String) {
        #expect(read(text) == nil)
    }
}
