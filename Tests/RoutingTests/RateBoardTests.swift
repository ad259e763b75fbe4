// Rate limits: what the board admits, for how long it refuses, and what it keeps.

import Core
import Routing
import Testing

/// Wednesday, 2026-01-07 00:00 UTC: the beginning of a window of every unit but the week.
private let midnight: Int64 = 1_767_744_000 * second
private let millisecond: Int64 = 1_000_000

private func requests(
    _ value: Int64, per unit: RateLimit.Unit = .minute, of subject: String = "key/a"
) -> RateLimit {
    RateLimit(subject: subject, measure: .requests, unit: unit, value: value)
}

private func tokens(_ value: Int64, per unit: RateLimit.Unit = .minute, of subject: String = "key/a") -> RateLimit {
    RateLimit(subject: subject, measure: .tokens, unit: unit, value: value)
}

extension RateBoard {
    fileprivate func admits(_ limits: RateLimit..., tokens: Int64 = 0, now: Int64) -> Bool {
        admit(limits, tokens: tokens, now: now).isAdmitted
    }

    /// How many single requests pass at once.
    fileprivate func room(_ limit: RateLimit, now: Int64) -> Int {
        var count = 0
        while count < 10_000, admits(limit, now: now) { count += 1 }
        return count
    }
}

@Suite struct RateBoardTests {
    @Test(arguments: RateLimit.Unit.allCases)
    func admitsExactlyTheLimitWhateverTheNumberOfThreads(
        _ unit: RateLimit.Unit
    ) async {
        let board = RateBoard()
        let limit = requests(1000, per: unit)
        let admitted = await withTaskGroup(of: Int.self, returning: Int.self) { group in
            for _ in 0..<7 {
                group.addTask { (0..<150).count { _ in board.admits(limit, now: midnight) } }
            }
            return await group.reduce(0, +)
        }
        #expect(admitted == 1000)
    }

    @Test(
        arguments: [
            (.second, midnight), (.minute, midnight), (.hour, midnight), (.day, midnight),
            // Monday, 2026-01-05.
            (.week, midnight - 2 * 86_400 * second),
        ] as [(RateLimit.Unit, Int64)])
    func windowsAlignWithTheClock(_ unit: RateLimit.Unit, _ start: Int64) {
        #expect(unit.windowStart(at: start) == start)
        #expect(unit.windowStart(at: start + unit.nanoseconds - 1) == start)
        #expect(unit.windowStart(at: start - 1) == start - unit.nanoseconds)
    }

    @Test func theFirstWeekBeganBefore1970() {
        #expect(RateLimit.Unit.week.windowStart(at: 0) == -3 * 86_400 * second)
        #expect(RateLimit.Unit.week.windowStart(at: 4 * 86_400 * second) == 4 * 86_400 * second)
        #expect(RateBoard().admits(requests(1, per: .week), now: 0))
    }

    @Test func theWindowSlides() {
        let board = RateBoard()
        let limit = requests(100)
        #expect(board.room(limit, now: midnight + 10 * second) == 100)
        #expect(board.room(limit, now: midnight + 60 * second) == 0)
        #expect(board.room(limit, now: midnight + 90 * second) == 50)
        #expect(board.room(limit, now: midnight + 120 * second) == 50)
        #expect(board.room(limit, now: midnight + 300 * second) == 100)
    }

    @Test func aLimitOfOneLetsOneThroughInEachWindow() {
        let board = RateBoard()
        #expect(board.admits(requests(1), now: midnight))
        #expect(board.admit([requests(1)], tokens: 0, now: midnight).retryAfter == 60 * second + 1)
        #expect(board.admits(requests(1), now: midnight + 60 * second + 1))
    }

    @Test func aLimitOfZeroLetsNothingThrough() {
        let board = RateBoard()
        let refusal = board.admit([requests(0, per: .hour)], tokens: 0, now: midnight)
        #expect(!refusal.isAdmitted)
        #expect(refusal.retryAfter == 3600 * second)
        #expect(!board.admits(tokens(0), now: midnight))
        #expect(!board.admits(requests(.min), now: midnight))
    }

    @Test func moreTokensThanTheLimitNeverPass() {
        let board = RateBoard()
        let refusal = board.admit([requests(5), tokens(100, per: .day)], tokens: 101, now: midnight)
        #expect(refusal.refused == tokens(100, per: .day))
        #expect(refusal.retryAfter == 86_400 * second)
        #expect(refusal.requests?.remaining == 5)
    }

    @Test func chargesAllLimitsOrNone() {
        let board = RateBoard()
        let (key, workspace) = (requests(3), requests(2, of: "workspace/w"))
        #expect(board.admits(key, workspace, now: midnight))
        #expect(board.admits(key, workspace, now: midnight))
        let refusal = board.admit([key, workspace], tokens: 0, now: midnight)
        #expect(refusal.refused == workspace)
        #expect(refusal.requests?.limit == workspace)
        #expect(board.room(key, now: midnight) == 1)
    }

    @Test func twoValuesOfOneCounterAreBothAskedAndChargedOnce() {
        let board = RateBoard()
        #expect(board.admits(requests(10), requests(2), now: midnight))
        #expect(board.admits(requests(10), requests(2), now: midnight))
        #expect(!board.admits(requests(10), requests(2), now: midnight))
        #expect(board.room(requests(10), now: midnight) == 8)
    }

    @Test func tellsTheTightestLimitOfEachMeasure() {
        let board = RateBoard()
        let limits = [requests(10), requests(4, per: .hour), tokens(1000), tokens(5000, per: .day)]
        let admission = board.admit(limits, tokens: 100, now: midnight + 15 * second)
        #expect(admission.requests == RateStanding(limit: limits[1], remaining: 3, reset: 3585 * second))
        #expect(admission.tokens == RateStanding(limit: limits[2], remaining: 900, reset: 45 * second))
        #expect(admission.retryAfter == 0)
        #expect(admission.refused == nil)
        #expect(board.admit([], tokens: 5, now: midnight) == board.admit([], tokens: 9, now: midnight))
    }

    @Test func settlingCorrectsTheTokensUpAndDown() {
        let board = RateBoard()
        let limits = [requests(100), tokens(1000)]
        func left(_ now: Int64 = midnight) -> Int64? { board.admit(limits, tokens: 0, now: now).tokens?.remaining }
        _ = board.admit(limits, tokens: 600, now: midnight)
        board.settle(limits, estimated: 600, used: 200, admittedAt: midnight)
        #expect(left() == 800)
        _ = board.admit(limits, tokens: 100, now: midnight)
        board.settle(limits, estimated: 100, used: 0, admittedAt: midnight)
        #expect(left() == 800)
        _ = board.admit(limits, tokens: 0, now: midnight)
        board.settle(limits, estimated: 0, used: 900, admittedAt: midnight)
        #expect(!board.admits(tokens(1000), tokens: 0, now: midnight))
        // In the next window what is settled late belongs to the one before.
        #expect(left(midnight + 90 * second) == 450)
        board.settle(limits, estimated: 900, used: 700, admittedAt: midnight)
        #expect(left(midnight + 90 * second) == 550)
        board.settle(limits, estimated: 0, used: 700, admittedAt: midnight - 60 * second)
        board.settle(limits, estimated: .max, used: 0, admittedAt: midnight)
        #expect(left(midnight + 90 * second) == 1000)
    }

    @Test func aClockThatWasSetBackForgetsNothingAndBarsNobodyForLonger() {
        let board = RateBoard()
        let limit = requests(10)
        #expect(board.room(limit, now: midnight) == 10)
        // Loops do not come in the order in which they read the clock.
        #expect(board.room(limit, now: midnight - millisecond) == 0)
        #expect(board.room(limit, now: midnight) == 0)
        let back = midnight - 3600 * second
        #expect(board.room(limit, now: back) == 0)
        let wait = board.admit([limit], tokens: 0, now: back).retryAfter
        #expect(wait == 60 * second + 1)
        #expect(board.room(limit, now: back + wait) == 1)
        #expect(board.room(limit, now: .min) == 0)
        #expect(board.admits(limit, now: .max))
    }

    @Test func retryAfterCountsFromTheCallersTime() {
        let board = RateBoard()
        #expect(board.room(requests(1), now: midnight) == 1)
        let now = midnight - 200 * millisecond
        #expect(board.admit([requests(1)], tokens: 0, now: now).retryAfter == 60 * second + 1 + 200 * millisecond)
    }

    @Test func aStoreAddsUpWhatIsDrained() {
        let limits = [
            requests(100, per: .week), tokens(10_000, per: .day, of: "policy/p/a/b"), tokens(10_000), requests(90),
        ]
        let board = RateBoard()
        var store: [String: [Int64: Int64]] = [:]
        func flush() {
            for delta in board.drain() {
                store[delta.counter, default: [:]][delta.windowStart, default: 0] += delta.amount
            }
        }
        _ = board.admit(limits, tokens: 500, now: midnight - second)
        flush()
        _ = board.admit(limits, tokens: 700, now: midnight)
        board.settle(limits, estimated: 500, used: 100, admittedAt: midnight - second)
        flush()
        #expect(board.drain().isEmpty)
        let monday = midnight - 2 * 86_400 * second
        #expect(
            store == [
                "requests/rpw/key/a": [monday: 2],
                "tokens/rpd/policy/p/a/b": [midnight - 86_400 * second: 100, midnight: 700],
            ])
        let other = RateBoard()
        let deltas = store.flatMap { counter, windows in
            windows.map { RateDelta(counter: counter, windowStart: $0.key, amount: $0.value) }
        }
        let strange = ["", "requests", "requests/rpx/key/a", "bytes/rpd/key/a"].map {
            RateDelta(counter: $0, windowStart: midnight, amount: 1)
        }
        other.load(deltas + strange, now: midnight + second)
        #expect(other.drain().isEmpty)
        #expect(other.count == 2)
        let kept = Array(limits[..<2])
        let now = midnight + 3600 * second
        let standing = other.admit(kept, tokens: 50, now: now)
        #expect(standing.requests == board.admit(kept, tokens: 50, now: now).requests)
        #expect(standing.tokens?.remaining == 9155)
    }

    @Test func theBoardIsBounded() {
        let board = RateBoard(capacity: 100)
        for number in 0..<1000 {
            #expect(board.admits(requests(1, per: .day, of: "key/\(number)"), now: midnight))
        }
        #expect(board.count == 100)
        #expect(!board.admits(requests(1, per: .day, of: "key/999"), now: midnight))
        #expect(board.admits(requests(1, per: .day, of: "key/5"), now: midnight))
        #expect(board.drain().count == 100)
    }

    @Test func idleCountersAreDropped() {
        let board = RateBoard()
        for number in 0..<500 { _ = board.admit([requests(1, of: "key/\(number)")], tokens: 0, now: midnight) }
        #expect(board.count == 500)
        for step in 0..<300 {
            _ = board.admit([requests(1000, of: "key/b")], tokens: 0, now: midnight + 120 * second + Int64(step))
        }
        #expect(board.count == 1)
    }

    @Test func numbersMayBeAsLargeAsTheyLike() {
        let board = RateBoard()
        let limits = RateLimit.Unit.allCases.map { tokens(.max, per: $0) }
        #expect(board.admit(limits, tokens: .max, now: midnight).tokens?.remaining == 0)
        #expect(board.drain().map(\.amount) == [.max, .max, .max])
        let refusal = board.admit(limits, tokens: .max, now: midnight)
        #expect(!refusal.isAdmitted)
        #expect(board.admit(limits, tokens: .max, now: midnight + refusal.retryAfter).isAdmitted)
        board.settle(limits, estimated: 0, used: .max, admittedAt: midnight)
        board.settle(limits, estimated: .max, used: .min, admittedAt: .max)
        #expect(board.drain().isEmpty)
        #expect(board.admits(requests(1, per: .week, of: "key/b"), now: .max))
        #expect(!board.admits(requests(1, per: .week, of: "key/b"), now: .max))
    }
}

/// The definition, with a log of all that came.
private struct SlowBoard {
    var log: [(counter: RateLimit, amount: Int64, time: Int64)] = []

    func held(_ limit: RateLimit, at time: Int64) -> Int64 {
        let length = limit.unit.nanoseconds
        let start = limit.unit.windowStart(at: time)
        var (previous, current) = (Int128(0), Int128(0))
        for entry in log where entry.counter == limit {
            let window = limit.unit.windowStart(at: entry.time)
            if window == start { current += Int128(entry.amount) }
            if window == start - length { previous += Int128(entry.amount) }
        }
        return Int64(previous * Int128(length - (time - start)) / Int128(length) + current)
    }

    func admits(_ limits: [RateLimit], tokens: Int64, at time: Int64) -> Bool {
        limits.allSatisfy { held($0, at: time) + ($0.measure == .requests ? 1 : max(1, tokens)) <= $0.value }
    }

    /// By halving: what is held never grows by itself.
    func wait(_ limits: [RateLimit], tokens: Int64, at time: Int64) -> Int64 {
        var (low, high) = (Int64(0), 2 * RateLimit.Unit.week.nanoseconds)
        while low < high {
            let middle = low + (high - low) / 2
            if admits(limits, tokens: tokens, at: time + middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

@Suite struct RateBoardPropertyTests {
    @Test(arguments: 0..<40 as Range<UInt64>) func decidesAsTheDefinitionDoes(_ seed: UInt64) {
        var random = Xoshiro256(seed: seed)
        let board = RateBoard()
        var slow = SlowBoard()
        let limits = (0..<Int.random(in: 1...4, using: &random)).map { number in
            let unit = RateLimit.Unit.allCases.randomElement(using: &random)!
            let value = Int64.random(in: 1...30, using: &random)
            return number.isMultiple(of: 2)
                ? requests(value, per: unit, of: "key/\(number)") : tokens(value * 100, per: unit, of: "key/\(number)")
        }
        let longest = limits.map(\.unit.nanoseconds).max()!
        var now = midnight + Int64.random(in: 0..<longest, using: &random)
        for _ in 0..<80 {
            let amount = Int64.random(in: 0...100, using: &random)
            let mine = limits.filter { _ in Bool.random(using: &random) }
            let admission = board.admit(mine, tokens: amount, now: now)
            #expect(admission.isAdmitted == slow.admits(mine, tokens: amount, at: now))
            if admission.isAdmitted {
                record(mine, amount, now, in: &slow)
                settleSome(mine, amount, now, board, &slow, &random)
            } else {
                let wait = admission.retryAfter
                #expect(wait == slow.wait(mine, tokens: amount, at: now))
                #expect(admission.refused.map { slow.wait([$0], tokens: amount, at: now) } == wait)
                if wait > millisecond {
                    #expect(!board.admit(mine, tokens: amount, now: now + wait - millisecond).isAdmitted)
                }
                now += wait
                #expect(board.admit(mine, tokens: amount, now: now).isAdmitted)
                record(mine, amount, now, in: &slow)
            }
            now += Int64.random(in: 0...longest / 20, using: &random)
        }
    }

    private func record(_ limits: [RateLimit], _ tokens: Int64, _ time: Int64, in slow: inout SlowBoard) {
        slow.log += limits.map { (counter: $0, amount: $0.measure == .requests ? 1 : tokens, time: time) }
    }

    private func settleSome(
        _ limits: [RateLimit], _ estimate: Int64, _ time: Int64, _ board: RateBoard, _ slow: inout SlowBoard,
        _ random: inout Xoshiro256
    ) {
        guard Bool.random(using: &random) else { return }
        let used = Int64.random(in: 0...200, using: &random)
        board.settle(limits, estimated: estimate, used: used, admittedAt: time)
        slow.log += limits.filter { $0.measure == .tokens }.map {
            (counter: $0, amount: used - estimate, time: time)
        }
    }
}
