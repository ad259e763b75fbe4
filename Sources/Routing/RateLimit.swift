// RateLimit: how many requests or tokens a subject may have in a time, and what the board answers.

package struct RateLimit: Sendable, Hashable {
    package enum Measure: String, Sendable {
        case requests, tokens
    }

    /// Of requests and of tokens alike; the raw values are those of the configuration.
    package enum Unit: String, Sendable, CaseIterable {
        case second = "rps"
        case minute = "rpm"
        case hour = "rph"
        case day = "rpd"
        case week = "rpw"
    }

    /// What is counted: `key/ID`, `workspace/ID`, `policy/ID/VALUE`.
    package var subject: String
    package var measure: Measure
    package var unit: Unit
    /// Zero lets nothing through.
    package var value: Int64

    package init(subject: String, measure: Measure, unit: Unit, value: Int64) {
        self.subject = subject
        self.measure = measure
        self.unit = unit
        self.value = value
    }

    /// What the count goes by. The value is no part of it: when the configuration changes a limit, the count stays.
    struct Counter: Hashable, Sendable {
        var subject: String
        var measure: Measure
        var unit: Unit
    }

    var counter: Counter { Counter(subject: subject, measure: measure, unit: unit) }
}

extension RateLimit.Unit {
    private static let dayLength: Int64 = 86_400_000_000_000

    package var nanoseconds: Int64 {
        switch self {
        case .second: 1_000_000_000
        case .minute: 60_000_000_000
        case .hour: 3_600_000_000_000
        case .day: Self.dayLength
        case .week: 7 * Self.dayLength
        }
    }

    /// When the window began that `time`, from 1970 on, lies in. Weeks begin on Monday, all windows in UTC.
    package func windowStart(at time: Int64) -> Int64 {
        // 1970 began on a Thursday, three days into its week.
        let shift = self == .week ? 3 * Self.dayLength : 0
        return time - (time + shift) % nanoseconds
    }

    /// Whether the window is long enough for its count to outlive the process.
    var isKept: Bool { nanoseconds >= RateLimit.Unit.hour.nanoseconds }
}

extension RateLimit.Counter {
    /// `requests/rph/key/ID`: the subject comes last, since it has slashes of its own.
    var name: String { "\(measure.rawValue)/\(unit.rawValue)/\(subject)" }

    init?(name: String) {
        let parts = name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let measure = RateLimit.Measure(rawValue: String(parts[0])),
            let unit = RateLimit.Unit(rawValue: String(parts[1]))
        else { return nil }
        self.init(subject: String(parts[2]), measure: measure, unit: unit)
    }
}

/// Where a limit stands, for the `x-ratelimit-*` headers.
package struct RateStanding: Sendable, Hashable {
    package var limit: RateLimit
    package var remaining: Int64
    /// Nanoseconds until the request passes, where this limit refused it; else until the limit's window ends.
    package var reset: Int64

    package init(limit: RateLimit, remaining: Int64, reset: Int64) {
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
    }
}

package struct RateAdmission: Sendable, Hashable {
    package internal(set) var isAdmitted = true
    /// The limit that takes longest to let the request through; one that never will goes first.
    package internal(set) var refused: RateLimit?
    /// Nanoseconds until the same request would be admitted if nothing else came. One that can never pass is told the
    /// limit's unit.
    package internal(set) var retryAfter: Int64 = 0
    /// The limit with the least left, after this request if it was admitted.
    package internal(set) var requests: RateStanding?
    package internal(set) var tokens: RateStanding?
    /// For `settle`: the board's time, which may be a little ahead of the caller's.
    package internal(set) var admittedAt: Int64
}

/// What a counter grew by in one window, or shrank.
package struct RateDelta: Sendable, Hashable {
    package var counter: String
    /// Nanoseconds since 1970.
    package var windowStart: Int64
    package var amount: Int64

    package init(counter: String, windowStart: Int64, amount: Int64) {
        self.counter = counter
        self.windowStart = windowStart
        self.amount = amount
    }
}
