// Ledger: what has been spent of each budget, and what requests in flight may still spend. One per process, shared by
// all event loops.
//
// A request reserves an estimate before it goes up and settles when it is known what it used. What is drained goes to a
// store that adds it up; what the store has is loaded at the start.

import Synchronization

/// Spending never exceeds a budget's limit by more than what the requests in flight used beyond their estimates: those,
/// summed up, that were in flight when the last one was let through. For a reservation is granted only while what is
/// spent, what is reserved and the estimate stay within the limit together, and settling a request changes that sum by
/// what it used less what it had reserved.
package final class Ledger: Sendable {
    /// Periods of a budget that are remembered, besides those with requests in flight: a clock that goes back finds
    /// what was spent.
    private static let rememberedPeriods = 3

    private let books = Mutex(Books(rememberedPeriods: Ledger.rememberedPeriods))

    package init() {}

    /// Adds what a store has. It is not drained again.
    package func load(_ entries: [LedgerDelta]) {
        books.withLock { $0.load(entries) }
    }

    /// Reserves the estimates from all `budgets` or from none.
    ///
    /// A budget with nothing left refuses an estimate of zero, too. Of two budgets with one id both must have room, and
    /// the first is charged.
    ///
    /// - Parameter cost: Picodollars.
    /// - Parameter now: Seconds since 1970.
    package func reserve(
        _ budgets: [Budget], cost: Int64, tokens: Int64, now: Int64
    ) throws(BudgetRefusal) -> Reservation {
        let result = books.withLock { $0.reserve(budgets, cost: max(0, cost), tokens: max(0, tokens), now: now) }
        return try result.get()
    }

    /// Charges what was used to the periods in which it was reserved. A cost that is not known is none. A reservation
    /// that is no longer open is passed over.
    ///
    /// Gives the marks that were reached by this; each is reached once in a period, unless the budget is reset.
    package func settle(_ reservation: Reservation, cost: Int64?, tokens: Int64) -> [BudgetAlert] {
        books.withLock { $0.close(reservation, cost: max(0, cost ?? 0), tokens: max(0, tokens)) }
    }

    /// Ends a reservation of which nothing was used.
    package func release(_ reservation: Reservation) {
        _ = books.withLock { $0.close(reservation, cost: 0, tokens: 0) }
    }

    package func standing(of budget: Budget, now: Int64) -> (spent: Int64, reserved: Int64) {
        books.withLock { $0.standing(budget.id, budget.period.start(of: now)) }
    }

    /// Sets what was spent in the period of `now` back to nothing. Reservations stay.
    package func reset(_ budget: Budget, now: Int64) {
        books.withLock { $0.reset(budget.id, budget.period.start(of: now)) }
    }

    /// What was spent since the last call. Reservations are no part of it: after a crash they are void.
    package func drain() -> [LedgerDelta] {
        let unsaved = books.withLock { $0.takeUnsaved() }
        return unsaved.map { LedgerDelta(budget: $0.key.budget, periodStart: $0.key.start, amount: $0.value) }
    }

    /// Takes back what was drained and could not be stored.
    package func restore(_ deltas: [LedgerDelta]) {
        books.withLock { books in
            for delta in deltas {
                books.keep(delta.amount, of: Period(budget: delta.budget, start: delta.periodStart))
            }
        }
    }

    /// Forgets budgets that were deleted, with what is reserved from them and what has not been drained.
    package func forget(_ ids: Set<String>) {
        books.withLock { $0.forget(ids) }
    }
}

private struct Period: Hashable, Sendable {
    var budget: String
    var start: Int64
}

private struct Books: Sendable {
    struct Entry: Sendable {
        var start: Int64
        var spent: Int64 = 0
        var reserved: Int64 = 0
        /// Reservations that are open, of nothing too.
        var inFlight = 0
    }

    struct Account: Sendable {
        /// Reservations with a smaller ticket are of an account that was forgotten.
        var firstTicket: UInt64
        /// Few, the last used first.
        var entries: [Entry] = []
    }

    private let rememberedPeriods: Int
    private var accounts: [String: Account] = [:]
    private var unsaved: [Period: Int64] = [:]
    private var open: Set<UInt64> = []
    private var nextTicket: UInt64 = 0

    init(rememberedPeriods: Int) { self.rememberedPeriods = rememberedPeriods }

    mutating func load(_ entries: [LedgerDelta]) {
        for entry in entries {
            change(entry.budget, entry.periodStart) { $0.spent = $0.spent.addingSaturating(entry.amount) }
        }
        for id in Set(entries.map(\.budget)) {
            accounts[id]?.entries.sort { $0.start > $1.start }
            trim(id)
        }
    }

    func standing(_ id: String, _ start: Int64) -> (spent: Int64, reserved: Int64) {
        guard let entry = accounts[id]?.entries.first(where: { $0.start == start }) else { return (0, 0) }
        return (entry.spent, entry.reserved)
    }

    mutating func reserve(
        _ budgets: [Budget], cost: Int64, tokens: Int64, now: Int64
    ) -> Result<Reservation, BudgetRefusal> {
        var refusal: BudgetRefusal?
        var lines: [Reservation.Line] = []
        for budget in budgets {
            let start = budget.period.start(of: now)
            let estimate = budget.measure == .cost ? cost : tokens
            let (spent, reserved) = standing(budget.id, start)
            let sum = Int128(max(0, spent)) + Int128(reserved) + Int128(estimate)
            if spent >= budget.limit || sum > Int128(budget.limit) {
                let next = budget.period.next(after: now)
                if let refusal, (refusal.resetsAt ?? .max) >= (next ?? .max) { continue }
                refusal = BudgetRefusal(
                    budget: budget, spent: spent, reserved: reserved, estimate: estimate, resetsAt: next)
            } else if !lines.contains(where: { $0.budget.id == budget.id }) {
                lines.append(Reservation.Line(budget: budget, periodStart: start, amount: estimate))
            }
        }
        if let refusal { return .failure(refusal) }
        for line in lines {
            change(line.budget.id, line.periodStart) {
                $0.reserved += line.amount
                $0.inFlight += 1
            }
            trim(line.budget.id)
        }
        let reservation = Reservation(ticket: nextTicket, lines: lines)
        open.insert(nextTicket)
        nextTicket += 1
        return .success(reservation)
    }

    mutating func close(_ reservation: Reservation, cost: Int64, tokens: Int64) -> [BudgetAlert] {
        guard open.remove(reservation.ticket) != nil else { return [] }
        var alerts: [BudgetAlert] = []
        for line in reservation.lines {
            let budget = line.budget
            guard let account = accounts[budget.id], account.firstTicket <= reservation.ticket else { continue }
            let used = budget.measure == .cost ? cost : tokens
            var (before, after) = (Int64(0), Int64(0))
            change(budget.id, line.periodStart) {
                $0.reserved -= line.amount
                $0.inFlight -= 1
                before = $0.spent
                $0.spent = before.addingSaturating(used)
                after = $0.spent
            }
            guard after > before else { continue }
            keep(after - before, of: Period(budget: budget.id, start: line.periodStart))
            for (mark, value) in [(BudgetAlert.Mark.alert, budget.alertAt), (.limit, budget.limit)] {
                guard let value, before < value, after >= value else { continue }
                alerts.append(BudgetAlert(budget: budget, mark: mark, spent: after, periodStart: line.periodStart))
            }
        }
        return alerts
    }

    mutating func reset(_ id: String, _ start: Int64) {
        let (spent, _) = standing(id, start)
        guard spent != 0 else { return }
        change(id, start) { $0.spent = 0 }
        keep(Int64(0).subtractingSaturating(spent), of: Period(budget: id, start: start))
    }

    /// Notes what the store is to add. Amounts that cancel each other out are none.
    mutating func keep(_ amount: Int64, of period: Period) {
        guard accounts[period.budget] != nil else { return }
        let sum = (unsaved[period] ?? 0).addingSaturating(amount)
        unsaved[period] = sum == 0 ? nil : sum
    }

    mutating func takeUnsaved() -> [Period: Int64] {
        defer { unsaved = [:] }
        return unsaved
    }

    mutating func forget(_ ids: Set<String>) {
        for id in ids { accounts[id] = nil }
        unsaved = unsaved.filter { !ids.contains($0.key.budget) }
    }

    /// Changes the entry of a period, which becomes the last used.
    private mutating func change(_ id: String, _ start: Int64, _ body: (inout Entry) -> Void) {
        let fresh = Account(firstTicket: nextTicket)
        Self.change(&accounts[id, default: fresh].entries, start, body)
    }

    private static func change(_ entries: inout [Entry], _ start: Int64, _ body: (inout Entry) -> Void) {
        let place = entries.firstIndex { $0.start == start }
        if place == nil { entries.insert(Entry(start: start), at: 0) }
        if let place, place > 0 { entries.swapAt(0, place) }
        body(&entries[0])
    }

    /// Forgets periods that have not been used for longest. One with requests in flight is needed when they end.
    private mutating func trim(_ id: String) {
        guard let count = accounts[id]?.entries.count, count > rememberedPeriods else { return }
        for place in (rememberedPeriods..<count).reversed() where accounts[id]?.entries[place].inFlight == 0 {
            accounts[id]?.entries.remove(at: place)
        }
    }
}

extension Int64 {
    fileprivate func addingSaturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    fileprivate func subtractingSaturating(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }
}
