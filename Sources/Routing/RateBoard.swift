// RateBoard: the rate counters of the process, shared by all event loops.
//
// A request names all limits that hold for it. Either each of them has room, and each is charged, or none is: a request
// that one limit refuses takes nothing from another. Tokens are charged by an estimate and corrected when the request
// is over. The counters are sliding windows (SlidingWindow.swift); those of an hour and more can be kept in a store.
//
// The board is bounded. A counter whose windows have passed is dropped in the course of things, and when there are too
// many, the one that has not been asked about for longest goes, with what it counted.

import Synchronization

package final class RateBoard: Sendable {
    package static let defaultCapacity = 100_000

    /// Loops read the clock before they come here, so that times may be a little out of order. Up to this much the
    /// board's time stands still instead of going back. It is the shortest window: none bars anyone for longer by it.
    package static let tolerance: Int64 = 1_000_000_000

    private let state: Mutex<State>

    package init(capacity: Int = RateBoard.defaultCapacity) {
        state = Mutex(State(capacity: capacity))
    }

    package var count: Int { state.withLock { $0.counters.count } }

    /// Admits a request by all `limits`, and charges it, or refuses it and charges nothing.
    ///
    /// - Parameter tokens: An estimate of what the request will use. One without an estimate needs room for one token.
    /// - Parameter now: The wall clock's nanoseconds since 1970.
    ///
    /// Where two limits count the same with different values both must let the request through, and it counts once.
    package func admit(_ limits: [RateLimit], tokens: Int64, now: Int64) -> RateAdmission {
        state.withLock { $0.admit(limits, tokens: max(0, tokens), now: now) }
    }

    /// Corrects the token counters when it is known what a request used, which may be more or less than was estimated:
    /// zero for one that was given up. The request itself stays counted.
    package func settle(_ admitted: [RateLimit], estimated: Int64, used: Int64, admittedAt: Int64) {
        let change = max(0, used) - max(0, estimated)
        guard change != 0 else { return }
        state.withLock { $0.settle(admitted, by: change, at: State.bounded(admittedAt)) }
    }

    /// What the counters of an hour and more grew by since the last call, for a store to add up.
    package func drain() -> [RateDelta] {
        state.withLock { $0.drain() }
    }

    /// Adds what a store had; what is of windows gone by, or of no known counter, is passed over.
    package func load(_ deltas: [RateDelta], now: Int64) {
        state.withLock { $0.load(deltas, now: now) }
    }
}

private struct State: Sendable {
    /// The end of what 64 bits can tell, less a few weeks, so that sums of times fit.
    private static let latestTime = Int64.max - 4 * RateLimit.Unit.week.nanoseconds

    var counters: LRUTable<RateLimit.Counter, SlidingWindow>
    private let capacity: Int
    /// Those with something for the store. Dropped ones may be among them for a while.
    private var changed: Set<RateLimit.Counter> = []
    private var clock: Int64 = 0

    init(capacity: Int) {
        self.capacity = max(1, capacity)
        counters = LRUTable(capacity: capacity)
    }

    static func bounded(_ time: Int64) -> Int64 { min(max(0, time), latestTime) }

    private mutating func boardTime(_ now: Int64) -> Int64 {
        if now >= clock || clock - now > RateBoard.tolerance { clock = now }
        return clock
    }

    mutating func admit(_ limits: [RateLimit], tokens: Int64, now: Int64) -> RateAdmission {
        let now = Self.bounded(now)
        let time = boardTime(now)
        counters.sweep(limits.count + 1) { $0.isIdle(at: time) }
        var refusal = RateAdmission(admittedAt: time)
        var never = false
        for limit in limits {
            // A counter comes into being with a request that is admitted. One that is there moves on with each.
            var window = SlidingWindow(limit.unit, now: time)
            counters.amend(limit.counter) {
                $0.advance(to: time)
                window = $0
            }
            let need = limit.measure == .requests ? 1 : max(1, tokens)
            let wait = window.wait(for: need, of: limit.value, now: time)
            let delay = wait.map { $0 == 0 ? 0 : $0 + (time - now) } ?? limit.unit.nanoseconds
            refusal.note(limit, window, delay: delay, now: time)
            guard delay > 0 else { continue }
            refusal.isAdmitted = false
            if refusal.refused == nil || (!never && (wait == nil || delay > refusal.retryAfter)) {
                refusal.refused = limit
            }
            never = never || wait == nil
            refusal.retryAfter = max(refusal.retryAfter, delay)
        }
        return refusal.isAdmitted ? charge(limits, tokens: tokens, time: time) : refusal
    }

    private mutating func charge(_ limits: [RateLimit], tokens: Int64, time: Int64) -> RateAdmission {
        var admission = RateAdmission(admittedAt: time)
        for (index, limit) in limits.enumerated() {
            let counter = limit.counter
            let isCharged = limits[..<index].contains { $0.counter == counter }
            var window = SlidingWindow(limit.unit, now: time)
            counters.update(counter, initial: window) {
                $0.advance(to: time)
                if !isCharged { $0.charge(limit.measure == .requests ? 1 : tokens) }
                window = $0
            }
            if !isCharged { note(counter) }
            admission.note(limit, window, delay: 0, now: time)
        }
        return admission
    }

    mutating func settle(_ admitted: [RateLimit], by change: Int64, at time: Int64) {
        let now = clock
        for (index, limit) in admitted.enumerated() where limit.measure == .tokens {
            let counter = limit.counter
            if admitted[..<index].contains(where: { $0.counter == counter }) { continue }
            // A counter that has been dropped since has nothing that could be taken from it.
            if change > 0 {
                counters.update(counter, initial: SlidingWindow(limit.unit, now: now)) {
                    $0.advance(to: now)
                    $0.correct(by: change, at: time)
                }
            } else {
                counters.amend(counter) { $0.correct(by: change, at: time) }
            }
            note(counter)
        }
    }

    private mutating func note(_ counter: RateLimit.Counter) {
        guard counter.unit.isKept else { return }
        changed.insert(counter)
        guard changed.count > 2 * capacity else { return }
        changed = changed.filter { counters.contains($0) }
    }

    mutating func drain() -> [RateDelta] {
        var deltas: [RateDelta] = []
        for counter in changed {
            counters.amend(counter) { window in
                window.drain {
                    deltas.append(RateDelta(counter: counter.name, windowStart: $0, amount: $1))
                }
            }
        }
        changed = []
        return deltas
    }

    mutating func load(_ deltas: [RateDelta], now: Int64) {
        let time = boardTime(Self.bounded(now))
        for delta in deltas {
            guard let counter = RateLimit.Counter(name: delta.counter) else { continue }
            let start = counter.unit.windowStart(at: time)
            guard delta.windowStart == start || delta.windowStart == start - counter.unit.nanoseconds else { continue }
            counters.update(counter, initial: SlidingWindow(counter.unit, now: time)) {
                $0.advance(to: time)
                $0.load(delta.amount, window: delta.windowStart)
            }
        }
    }
}

extension RateAdmission {
    /// Keeps the standing with the least left; of equals the one that lasts longest.
    fileprivate mutating func note(_ limit: RateLimit, _ window: SlidingWindow, delay: Int64, now: Int64) {
        let left = max(0, max(0, limit.value) - window.held(at: now))
        let new = RateStanding(limit: limit, remaining: left, reset: delay > 0 ? delay : window.end - now)
        switch limit.measure {
        case .requests: requests = requests.map { $0.tighter(new) } ?? new
        case .tokens: tokens = tokens.map { $0.tighter(new) } ?? new
        }
    }
}

extension RateStanding {
    fileprivate func tighter(_ other: RateStanding) -> RateStanding {
        (remaining, -reset) <= (other.remaining, -other.reset) ? self : other
    }
}
