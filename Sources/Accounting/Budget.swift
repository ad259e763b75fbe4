// Budget: what may be spent in a period, and when periods begin.

package struct Budget: Sendable, Hashable {
    package enum Measure: String, Sendable {
        case cost, tokens
    }

    package var id: String
    package var measure: Measure
    /// Picodollars or tokens. Zero allows nothing.
    package var limit: Int64
    package var period: BudgetPeriod
    /// When this much is spent somebody is told.
    package var alertAt: Int64?

    package init(id: String, measure: Measure, limit: Int64, period: BudgetPeriod, alertAt: Int64? = nil) {
        self.id = id
        self.measure = measure
        self.limit = limit
        self.period = period
        self.alertAt = alertAt
    }
}

/// Periods begin at midnight, UTC. Times are seconds since 1970.
package enum BudgetPeriod: Sendable, Hashable {
    /// One period, without an end.
    case none
    case daily
    /// From Monday on.
    case weekly
    /// From the first of the month on.
    case monthly
    /// So many days, counted from 1970-01-01; fewer than one are one.
    case days(Int)

    private static let dayLength: Int64 = 86_400
    /// Some hundred thousand years. Times and lengths are held to it, so that sums of them fit.
    private static let eternity: Int64 = 1 << 42

    /// When the period began that `now` lies in; 0 for none.
    package func start(of now: Int64) -> Int64 {
        let day = Self.floor(min(max(-Self.eternity, now), Self.eternity), by: Self.dayLength)
        switch self {
        case .none: return 0
        case .daily: return day * Self.dayLength
        // 1970 began on a Thursday, three days into its week.
        case .weekly: return (Self.floor(day + 3, by: 7) * 7 - 3) * Self.dayLength
        case .monthly: return (day - Self.dayOfMonth(day)) * Self.dayLength
        case .days(let count):
            let count = Self.bounded(count)
            return Self.floor(day, by: count) * count * Self.dayLength
        }
    }

    /// When the next period begins; nil for none.
    package func next(after now: Int64) -> Int64? {
        let start = start(of: now)
        switch self {
        case .none: return nil
        case .daily: return start + Self.dayLength
        case .weekly: return start + 7 * Self.dayLength
        // The 32nd of a month is in the next one.
        case .monthly: return self.start(of: start + 31 * Self.dayLength)
        case .days(let count): return start + Self.bounded(count) * Self.dayLength
        }
    }

    private static func bounded(_ days: Int) -> Int64 { min(max(1, Int64(days)), eternity / dayLength) }

    private static func floor(_ value: Int64, by length: Int64) -> Int64 {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: length)
        return rest < 0 ? quotient - 1 : quotient
    }

    /// How many days of its month lie before a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms"): years begin in March, so that the leap day is the last one.
    private static func dayOfMonth(_ day: Int64) -> Int64 {
        let shifted = day + 719_468
        let dayOfEra = shifted - floor(shifted, by: 146_097) * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        return dayOfYear - (153 * month + 2) / 5
    }
}

/// What a reservation holds, until it is settled or released. A copy is the same reservation.
package struct Reservation: Sendable {
    struct Line: Sendable {
        var budget: Budget
        var periodStart: Int64
        var amount: Int64
    }

    let ticket: UInt64
    let lines: [Line]

    /// What it is reserved from.
    package var budgets: [Budget] { lines.map(\.budget) }
}

/// A budget has no room for a request: of all that have none, the one that begins anew last.
package struct BudgetRefusal: Error, Sendable, Hashable {
    package var budget: Budget
    package var spent: Int64
    package var reserved: Int64
    package var estimate: Int64
    /// Seconds since 1970; nil when it never does.
    package var resetsAt: Int64?
}

/// A budget's spending reached a mark.
package struct BudgetAlert: Sendable, Hashable {
    package enum Mark: String, Sendable {
        case alert, limit
    }

    package var budget: Budget
    package var mark: Mark
    package var spent: Int64
    package var periodStart: Int64

    package init(budget: Budget, mark: Mark, spent: Int64, periodStart: Int64) {
        self.budget = budget
        self.mark = mark
        self.spent = spent
        self.periodStart = periodStart
    }
}

/// What was spent in one period of a budget, to be added up.
package struct LedgerDelta: Sendable, Hashable {
    package var budget: String
    /// Seconds since 1970.
    package var periodStart: Int64
    package var amount: Int64

    package init(budget: String, periodStart: Int64, amount: Int64) {
        self.budget = budget
        self.periodStart = periodStart
        self.amount = amount
    }
}
