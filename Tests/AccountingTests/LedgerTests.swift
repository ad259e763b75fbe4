// Budgets: what the ledger lets through, charges, tells and keeps.

import Accounting
import Core
import Testing

private let dollar: Int64 = 1_000_000_000_000
private let day: Int64 = 86_400
/// Thursday, 2026-01-15 12:00 UTC.
private let noon: Int64 = 1_768_478_400

private func budget(
    _ id: String = "b", _ measure: Budget.Measure = .cost, _ limit: Int64 = dollar, _ period: BudgetPeriod = .monthly,
    alertAt: Int64? = nil
) -> Budget {
    Budget(id: id, measure: measure, limit: limit, period: period, alertAt: alertAt)
}

extension Ledger {
    fileprivate func spend(_ budgets: Budget..., cost: Int64 = 0, tokens: Int64 = 0, now: Int64 = noon) throws
        -> [BudgetAlert]
    {
        settle(try reserve(budgets, cost: cost, tokens: tokens, now: now), cost: cost, tokens: tokens)
    }

    fileprivate func spent(_ budget: Budget, now: Int64 = noon) -> Int64 { standing(of: budget, now: now).spent }

    fileprivate func reserved(_ budget: Budget, now: Int64 = noon) -> Int64 { standing(of: budget, now: now).reserved }
}

@Suite struct BudgetPeriodTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var period: BudgetPeriod
        var now: Int64
        var start: Int64
        var next: Int64?

        init(_ name: String, _ period: BudgetPeriod, _ now: Int64, _ start: Int64, _ next: Int64?) {
            (testDescription, self.period, self.now, self.start, self.next) = (name, period, now, start, next)
        }
    }

    static let rows = [
        Row("one period only", .none, noon, 0, nil),
        Row("midnight", .daily, noon, noon - 43_200, noon + 43_200),
        Row("midnight itself", .daily, noon + 43_200, noon + 43_200, noon + 43_200 + day),
        Row("Monday", .weekly, noon, 1_768_176_000, 1_768_780_800),
        Row("Monday at midnight", .weekly, 1_768_176_000, 1_768_176_000, 1_768_780_800),
        Row("the second before it", .weekly, 1_768_175_999, 1_767_571_200, 1_768_176_000),
        Row("before the first Monday", .weekly, 0, -3 * day, 4 * day),
        Row("January", .monthly, noon, 1_767_225_600, 1_769_904_000),
        Row("the last second of January", .monthly, 1_769_903_999, 1_767_225_600, 1_769_904_000),
        Row("February", .monthly, 1_769_904_000, 1_769_904_000, 1_772_323_200),
        Row("a leap day", .monthly, 1_709_164_800, 1_706_745_600, 1_709_251_200),
        Row("after a leap day", .monthly, 1_709_251_200, 1_709_251_200, 1_711_929_600),
        Row("2000 had one", .monthly, 951_782_400, 949_363_200, 951_868_800),
        Row("2100 will have none", .monthly, 4_107_542_399, 4_105_123_200, 4_107_542_400),
        Row("December", .monthly, 1_767_225_599, 1_764_547_200, 1_767_225_600),
        Row("before 1970", .monthly, -1, -31 * day, 0),
        Row("ten days", .days(10), 25 * day + 5, 20 * day, 30 * day),
        Row("ten days, before 1970", .days(10), -1, -10 * day, 0),
        Row("fewer days than one", .days(-4), noon, noon - 43_200, noon + 43_200),
    ]

    @Test(arguments: rows) func beginsAt(_ row: Row) {
        #expect(row.period.start(of: row.now) == row.start)
        #expect(row.period.next(after: row.now) == row.next)
    }

    @Test(arguments: [.daily, .weekly, .monthly, .days(3), .days(.max)] as [BudgetPeriod])
    func periodsFollowEachOtherWithoutGaps(_ period: BudgetPeriod) throws {
        var start = period.start(of: noon - 500 * 365 * day)
        for _ in 0..<13_000 {
            let next = try #require(period.next(after: start))
            #expect(next > start && period.start(of: next - 1) == start && period.start(of: next) == next)
            start = next
            if start > noon + 500 * 365 * day { break }
        }
        #expect(period.start(of: .max) > 0 || period == .days(.max))
        #expect(period.start(of: .min) < 0)
    }
}

@Suite struct LedgerTests {
    @Test func aDollarIsTenTimesTenCentsWhateverTheNumberOfThreads() async {
        let ledger = Ledger()
        let budget = budget()
        let admitted = await withTaskGroup(of: [Reservation].self, returning: [Reservation].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<25).compactMap { _ in try? ledger.reserve([budget], cost: dollar / 10, tokens: 0, now: noon) }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(admitted.count == 10)
        #expect(ledger.standing(of: budget, now: noon) == (0, dollar))
        for reservation in admitted { _ = ledger.settle(reservation, cost: dollar / 10, tokens: 0) }
        #expect(ledger.standing(of: budget, now: noon) == (dollar, 0))
    }

    @Test func reservesFromAllBudgetsOrFromNone() throws {
        let ledger = Ledger()
        let (cost, tokens) = (budget(), budget("t", .tokens, 100, .daily))
        let first = try ledger.reserve([cost, tokens], cost: dollar / 4, tokens: 60, now: noon)
        let refusal = #expect(throws: BudgetRefusal.self) {
            try ledger.reserve([cost, tokens], cost: dollar / 4, tokens: 41, now: noon)
        }
        #expect(refusal?.budget == tokens)
        #expect(refusal?.reserved == 60)
        #expect(refusal?.resetsAt == noon + 43_200)
        #expect(ledger.reserved(cost) == dollar / 4)
        #expect(first.budgets == [cost, tokens])
        _ = ledger.settle(first, cost: dollar / 2, tokens: 30)
        #expect(ledger.standing(of: cost, now: noon) == (dollar / 2, 0))
        #expect(ledger.standing(of: tokens, now: noon) == (30, 0))
    }

    @Test func aRefusalNamesTheBudgetThatBeginsAnewLast() throws {
        let ledger = Ledger()
        let budgets = [budget("d", .cost, 0, .daily), budget("n", .cost, 0, .none), budget("m", .cost, 0, .monthly)]
        let refusal = #expect(throws: BudgetRefusal.self) { try ledger.reserve(budgets, cost: 0, tokens: 0, now: noon) }
        #expect(refusal?.budget.id == "n")
        #expect(refusal?.resetsAt == nil)
    }

    @Test func aSpentBudgetRefusesAnEstimateOfNothing() throws {
        let ledger = Ledger()
        let budget = budget("t", .tokens, 10)
        let open = try ledger.reserve([budget], cost: 0, tokens: 10, now: noon)
        // What is reserved may come back.
        ledger.release(try ledger.reserve([budget], cost: 0, tokens: 0, now: noon))
        _ = ledger.settle(open, cost: nil, tokens: 10)
        #expect(throws: BudgetRefusal.self) { try ledger.reserve([budget], cost: 0, tokens: 0, now: noon) }
    }

    @Test func aReservationEndsOnce() throws {
        let ledger = Ledger()
        let budget = budget()
        let kept = try ledger.reserve([budget], cost: 5, tokens: 0, now: noon)
        let settled = try ledger.reserve([budget], cost: 7, tokens: 0, now: noon)
        _ = ledger.settle(settled, cost: 9, tokens: 0)
        _ = ledger.settle(settled, cost: 9, tokens: 0)
        ledger.release(settled)
        #expect(ledger.standing(of: budget, now: noon) == (9, 5))
        ledger.release(kept)
        ledger.release(kept)
        _ = ledger.settle(kept, cost: 9, tokens: 0)
        #expect(ledger.standing(of: budget, now: noon) == (9, 0))
    }

    @Test func aCostThatIsNotKnownIsNone() throws {
        let ledger = Ledger()
        let (cost, tokens) = (budget(), budget("t", .tokens))
        let reservation = try ledger.reserve([cost, tokens], cost: 5, tokens: 5, now: noon)
        _ = ledger.settle(reservation, cost: nil, tokens: 8)
        #expect(ledger.standing(of: cost, now: noon) == (0, 0))
        #expect(ledger.spent(tokens) == 8)
    }

    @Test func chargesThePeriodOfTheReservation() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily)
        let evening = try ledger.reserve([budget], cost: 90, tokens: 0, now: noon)
        #expect(try ledger.spend(budget, cost: 100, now: noon + day).map(\.mark) == [.limit])
        _ = ledger.settle(evening, cost: 80, tokens: 0)
        #expect(ledger.spent(budget) == 80)
        #expect(ledger.spent(budget, now: noon + day) == 100)
        let deltas = Set(ledger.drain())
        #expect(
            deltas == [
                LedgerDelta(budget: "b", periodStart: noon - 43_200, amount: 80),
                LedgerDelta(budget: "b", periodStart: noon + 43_200, amount: 100),
            ])
    }

    @Test func tellsEachMarkOnce() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily, alertAt: 80)
        #expect(try ledger.spend(budget, cost: 79).isEmpty)
        let open = [
            try ledger.reserve([budget], cost: 1, tokens: 0, now: noon),
            try ledger.reserve([budget], cost: 1, tokens: 0, now: noon),
            try ledger.reserve([budget], cost: 1, tokens: 0, now: noon),
        ]
        let start = noon - 43_200
        #expect(
            ledger.settle(open[0], cost: 1, tokens: 0) == [
                BudgetAlert(budget: budget, mark: .alert, spent: 80, periodStart: start)
            ])
        #expect(
            ledger.settle(open[1], cost: 50, tokens: 0) == [
                BudgetAlert(budget: budget, mark: .limit, spent: 130, periodStart: start)
            ])
        #expect(ledger.settle(open[2], cost: 1, tokens: 0).isEmpty)
        #expect(try ledger.spend(budget, cost: 100, now: noon + day).map(\.mark) == [.alert, .limit])
    }

    @Test func whatWasToldBeforeARestartIsNotToldAgain() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily, alertAt: 80)
        ledger.load([LedgerDelta(budget: "b", periodStart: noon - 43_200, amount: 85)])
        #expect(try ledger.spend(budget, cost: 5).isEmpty)
        #expect(try ledger.spend(budget, cost: 10).map(\.mark) == [.limit])
        #expect(ledger.drain() == [LedgerDelta(budget: "b", periodStart: noon - 43_200, amount: 15)])
    }

    @Test func aClockThatGoesBackFindsWhatWasSpent() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily)
        _ = try ledger.spend(budget, cost: 100)
        _ = try ledger.spend(budget, cost: 10, now: noon + 2000 * day)
        #expect(throws: BudgetRefusal.self) { try ledger.reserve([budget], cost: 1, tokens: 0, now: noon) }
        _ = try ledger.spend(budget, cost: 5, now: noon - 3 * day)
        #expect(ledger.spent(budget, now: noon + 2000 * day) == 10)
        for extreme in [Int64.min, -1, .max] { _ = try ledger.spend(budget, cost: 1, now: extreme) }
    }

    @Test func remembersAFewPeriodsAndThoseWithRequestsInFlight() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily)
        let long = try ledger.reserve([budget], cost: 0, tokens: 0, now: noon)
        for number in 0..<10 { _ = try ledger.spend(budget, cost: 7, now: noon + Int64(number) * day) }
        #expect(ledger.spent(budget, now: noon + day) == 0)
        #expect(ledger.spent(budget, now: noon + 8 * day) == 7)
        _ = ledger.settle(long, cost: 3, tokens: 0)
        #expect(ledger.spent(budget) == 10)
        #expect(ledger.drain().reduce(0) { $0 + $1.amount } == 73)
    }

    @Test func resettingIsANegativeDelta() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, 100, .daily, alertAt: 60)
        _ = try ledger.spend(budget, cost: 70)
        #expect(ledger.drain().map(\.amount) == [70])
        let open = try ledger.reserve([budget], cost: 20, tokens: 0, now: noon)
        ledger.reset(budget, now: noon)
        ledger.reset(budget, now: noon + day)
        #expect(ledger.standing(of: budget, now: noon) == (0, 20))
        #expect(ledger.drain() == [LedgerDelta(budget: "b", periodStart: noon - 43_200, amount: -70)])
        #expect(ledger.settle(open, cost: 60, tokens: 0).map(\.mark) == [.alert])
    }

    @Test func whatCouldNotBeStoredIsDrainedAgain() throws {
        let ledger = Ledger()
        let budget = budget()
        _ = try ledger.spend(budget, cost: 3)
        let failed = ledger.drain()
        _ = try ledger.spend(budget, cost: 4)
        ledger.restore(failed)
        #expect(ledger.drain().map(\.amount) == [7])
        #expect(ledger.drain().isEmpty)
        #expect(ledger.spent(budget) == 7)
    }

    @Test func forgetsDeletedBudgetsWithTheirReservations() throws {
        let ledger = Ledger()
        let (gone, other) = (budget("gone", .cost, 100), budget("other", .cost, 100))
        let open = try ledger.reserve([gone, other], cost: 60, tokens: 0, now: noon)
        _ = try ledger.spend(gone, cost: 5)
        let undrained = [LedgerDelta(budget: "gone", periodStart: 0, amount: 5)]
        ledger.forget(["gone"])
        ledger.restore(undrained)
        #expect(ledger.drain().isEmpty)
        // A new budget of that name has nothing to do with what was reserved from the old one.
        let new = try ledger.reserve([gone], cost: 90, tokens: 0, now: noon)
        _ = ledger.settle(open, cost: 50, tokens: 0)
        #expect(ledger.standing(of: gone, now: noon) == (0, 90))
        #expect(ledger.standing(of: other, now: noon) == (50, 0))
        ledger.release(new)
    }

    @Test func oneBudgetTwiceIsChargedOnce() throws {
        let ledger = Ledger()
        let (wide, narrow) = (budget("b", .cost, 100), budget("b", .cost, 50))
        _ = try ledger.spend(wide, narrow, cost: 30)
        #expect(ledger.spent(wide) == 30)
        #expect(throws: BudgetRefusal.self) { try ledger.reserve([wide, narrow], cost: 30, tokens: 0, now: noon) }
    }

    @Test func numbersMayBeAsLargeAsTheyLike() throws {
        let ledger = Ledger()
        let budget = budget("b", .cost, .max, .none, alertAt: .max)
        let all = try ledger.reserve([budget], cost: .max, tokens: .max, now: .max)
        #expect(throws: BudgetRefusal.self) { try ledger.reserve([budget], cost: .max, tokens: 0, now: .min) }
        let more = try ledger.reserve([budget], cost: .min, tokens: .min, now: 0)
        #expect(ledger.settle(all, cost: .max, tokens: .max).map(\.mark) == [.alert, .limit])
        #expect(ledger.settle(more, cost: .max, tokens: .max).isEmpty)
        #expect(ledger.standing(of: budget, now: noon) == (.max, 0))
        #expect(ledger.drain().map(\.amount) == [.max])
        ledger.restore([LedgerDelta(budget: "b", periodStart: 0, amount: .max)])
        ledger.restore([LedgerDelta(budget: "b", periodStart: 0, amount: .max)])
        ledger.load([LedgerDelta(budget: "b", periodStart: 0, amount: .max)])
        ledger.reset(budget, now: noon)
        #expect(ledger.spent(budget) == 0)
    }
}

/// Random requests against several budgets, with a plain account of what should be in the ledger.
@Suite struct LedgerPropertyTests {
    private struct Place: Hashable {
        var id: String
        var start: Int64
    }

    private struct Flight {
        var reservation: Reservation
        var places: [Place: Budget]
        var estimate: Int64
    }

    @Test(arguments: 0..<60 as Range<UInt64>) func spendingStaysWithinItsBound(_ seed: UInt64) {
        var random = Xoshiro256(seed: seed)
        let ledger = Ledger()
        let periods: [BudgetPeriod] = [.none, .daily, .weekly, .monthly, .days(3)]
        let budgets = periods.enumerated().map { number, period in
            let measure: Budget.Measure = Bool.random(using: &random) ? .cost : .tokens
            return budget("\(number)", measure, .random(in: 0...1000, using: &random), period)
        }
        var flights: [Flight] = []
        var spent: [Place: Int64] = [:]
        /// What requests in flight at the last admission used beyond their estimates.
        var beyond: [Place: Int64] = [:]
        var stored: [Place: Int64] = [:]
        var now = noon
        for _ in 0..<600 {
            now += Int64.random(in: 0...day / 20, using: &random)
            if flights.isEmpty || Int.random(in: 0..<5, using: &random) < 3 {
                let mine = budgets.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
                let estimate = Int64.random(in: 0...40, using: &random)
                let places = Dictionary(
                    uniqueKeysWithValues: mine.map { (Place(id: $0.id, start: $0.period.start(of: now)), $0) })
                let fits = places.allSatisfy { place, budget in
                    let reserved = flights.reduce(0) { $0 + ($1.places[place] == nil ? 0 : $1.estimate) }
                    let sum = spent[place, default: 0] + reserved
                    return spent[place, default: 0] < budget.limit && sum + estimate <= budget.limit
                }
                let made = try? ledger.reserve(mine, cost: estimate, tokens: estimate, now: now)
                #expect((made != nil) == fits)
                guard let made else { continue }
                for place in places.keys { beyond[place] = 0 }
                flights.append(Flight(reservation: made, places: places, estimate: estimate))
            } else {
                let flight = flights.remove(at: .random(in: 0..<flights.count, using: &random))
                let isReleased = Int.random(in: 0..<4, using: &random) == 0
                let used = isReleased ? 0 : Int64.random(in: 0...80, using: &random)
                if isReleased {
                    ledger.release(flight.reservation)
                } else {
                    _ = ledger.settle(flight.reservation, cost: used, tokens: used)
                }
                for (place, budget) in flight.places {
                    spent[place, default: 0] += used
                    beyond[place, default: 0] += max(0, used - flight.estimate)
                    #expect(spent[place, default: 0] <= budget.limit + beyond[place, default: 0])
                }
            }
            if Int.random(in: 0..<10, using: &random) == 0 { Self.store(ledger, &stored, &random) }
        }
        for flight in flights { ledger.release(flight.reservation) }
        for budget in budgets {
            let place = Place(id: budget.id, start: budget.period.start(of: now))
            #expect(ledger.standing(of: budget, now: now) == (spent[place, default: 0], 0))
        }
        while !Self.store(ledger, &stored, &random) {}
        #expect(stored == spent.filter { $0.value != 0 })
    }

    /// Whether the store took it; it fails at times.
    @discardableResult
    private static func store(
        _ ledger: Ledger, _ stored: inout [Place: Int64], _ random: inout Xoshiro256
    ) -> Bool {
        let deltas = ledger.drain()
        if Int.random(in: 0..<3, using: &random) == 0 {
            ledger.restore(deltas)
            return false
        }
        for delta in deltas { stored[Place(id: delta.budget, start: delta.periodStart), default: 0] += delta.amount }
        return true
    }
}
