// The circuit breaker (Portkey specification, §4.8): when it opens and closes, and what routers make of it.

import Core
import Routing
import Testing

@Suite struct CircuitBreakerTests {
    private func breaker(_ policy: BreakerPolicy, _ outcomes: String, gap: Int64 = 0) -> (CircuitBreaker, now: Int64) {
        var now: Int64 = 0
        var breaker = CircuitBreaker(policy, now: now)
        for outcome in outcomes {
            breaker.record(isFailure: outcome == "F", now: now)
            now += gap
        }
        return (breaker, now)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var policy: BreakerPolicy
        var outcomes: String
        var isOpen: Bool

        init(
            _ name: String, threshold: Int? = nil, percentage: Double? = nil, minimum: Int? = nil, _ outcomes: String,
            isOpen: Bool
        ) {
            testDescription = name
            policy = BreakerPolicy(
                failureThreshold: threshold, failurePercentage: percentage, minimumRequests: minimum, cooldown: 30_000)
            self.outcomes = outcomes
            self.isOpen = isOpen
        }
    }

    static let rows = [
        Row("at the threshold it is closed", threshold: 3, "FFF", isOpen: false),
        Row("beyond it is open", threshold: 3, "FFFF", isOpen: true),
        Row("failures need not be consecutive", threshold: 3, "FSFSSFSF", isOpen: true),
        Row("a threshold of zero opens at once", threshold: 0, "F", isOpen: true),
        Row("successes never open", threshold: 0, "SSSS", isOpen: false),
        Row("the rate exceeds", percentage: 50, "SFF", isOpen: true),
        Row("the rate is reached only", percentage: 50, "SF", isOpen: false),
        Row("too few requests for a rate", percentage: 20, minimum: 5, "FFFF", isOpen: false),
        Row("just enough", percentage: 20, minimum: 5, "FFFFF", isOpen: true),
        Row("a success completes the minimum", percentage: 20, minimum: 5, "FFFFS", isOpen: true),
        Row("the threshold needs no minimum", threshold: 1, percentage: 90, minimum: 100, "FF", isOpen: true),
        Row(
            "a fraction of a percent", percentage: 0.5, minimum: 100, String(repeating: "S", count: 99) + "F",
            isOpen: true),
        Row("without thresholds it never opens", "FFFFFFFFFFFFFFFFFFFF", isOpen: false),
    ]

    @Test(arguments: rows) func opens(_ row: Row) {
        let (breaker, now) = breaker(row.policy, row.outcomes)
        #expect(breaker.isOpen(at: now) == row.isOpen)
    }

    @Test func closesByItselfAfterTheCooldownWithItsCountsAtZero() {
        var (breaker, _) = breaker(BreakerPolicy(failureThreshold: 1, cooldown: 60_000), "FF")
        #expect(breaker.isOpen(at: 60 * second - 1))
        #expect(!breaker.isOpen(at: 60 * second))
        breaker.record(isFailure: true, now: 60 * second)
        #expect(!breaker.isOpen(at: 60 * second))
        breaker.record(isFailure: true, now: 61 * second)
        #expect(breaker.isOpen(at: 61 * second))
        #expect(!breaker.isOpen(at: 121 * second))
    }

    @Test func cooldownsAreAtLeastThirtySeconds() {
        #expect(BreakerPolicy(cooldown: 5).cooldown == 30_000)
        #expect(BreakerPolicy(cooldown: 30_001).cooldown == 30_001)
        let (breaker, _) = breaker(BreakerPolicy(failureThreshold: 0, cooldown: .max), "F")
        #expect(breaker.isOpen(at: .max - 1))
    }

    @Test func outcomesWhileOpenDoNotProlongIt() {
        var (breaker, _) = breaker(BreakerPolicy(failureThreshold: 0, cooldown: 30_000), "F")
        breaker.record(isFailure: true, now: 29 * second)
        #expect(!breaker.isOpen(at: 30 * second))
    }

    @Test func oldFailuresAreForgotten() {
        // One failure in 31 seconds, for an hour: never more than two in two intervals.
        let (breaker, now) = breaker(
            BreakerPolicy(failureThreshold: 2, cooldown: 30_000), String(repeating: "F", count: 100), gap: 31 * second)
        #expect(!breaker.isOpen(at: now - 31 * second))
    }

    @Test(arguments: [0, 7, 15, 29, 30, 44, 59, 61] as [Int64])
    func aBurstWithinOneIntervalIsSeenWhole(start: Int64) {
        var breaker = CircuitBreaker(BreakerPolicy(failureThreshold: 3, cooldown: 30_000), now: 0)
        breaker.record(isFailure: false, now: 0)
        for offset in [0, 10, 20, 29] as [Int64] { breaker.record(isFailure: true, now: (start + offset) * second) }
        #expect(breaker.isOpen(at: (start + 29) * second))
    }

    @Test(
        arguments: [
            (500, nil, false), (501, nil, true), (503, nil, true), (599, nil, true), (429, nil, false),
            (404, nil, false),
            (446, nil, false), (246, nil, false), (200, nil, false), (429, [429, 500], true), (500, [429, 500], true),
            (503, [429, 500], false), (503, [], false),
        ] as [(Int, Set<Int>?, Bool)]) func knowsFailures(status: Int, codes: Set<Int>?, expected: Bool)
    {
        let policy = BreakerPolicy(cooldown: 30_000, failureStatusCodes: codes)
        #expect(policy.isFailure(AttemptOutcome(status: status)) == expected)
    }

    @Test(arguments: [AttemptOutcome.Failure.connect, .transport, .timeout])
    func noAnswerIsAFailure(failure: AttemptOutcome.Failure) {
        #expect(BreakerPolicy(cooldown: 30_000, failureStatusCodes: []).isFailure(.failed(failure)))
    }
}

@Suite struct BreakerRoutingTests {
    private static let policy = BreakerPolicy(failureThreshold: 0, cooldown: 30_000)

    @Test func fallbackSkipsOpenTargetsUntilTheyClose() throws {
        let route = try Route.flat(.fallback(), 3, breaker: Self.policy)
        var walk = Walk(breakers: BreakerBoard())
        #expect(try walk.run(route, 503, 200).targets == [0, 1])
        #expect(try walk.run(route, 200).targets == [1])
        #expect(try walk.run(route, 503, 200).targets == [1, 2])
        #expect(try walk.run(route, 200).paths == ["config.targets[2]"])
        walk.now += 31 * second
        #expect(try walk.run(route, 200).targets == [0])
    }

    @Test func fallbackSkipsOpenTargetsInTheMiddle() throws {
        let route = try Route.flat(.fallback(), 3, breaker: Self.policy)
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(route) { AttemptOutcome(status: $0.target == 1 ? 503 : $0.target == 0 ? 429 : 200) }
        #expect(try walk.run(route, 429, 200).targets == [0, 2])
    }

    @Test func loadBalancingSkipsOpenTargets() throws {
        let route = try Route.flat(.loadbalance(), 3, breaker: Self.policy)
        var walk = Walk(breakers: BreakerBoard())
        let broken = try walk.run(route, 503).targets[0]
        for _ in 0..<50 { #expect(try walk.run(route, 200).targets[0] != broken) }
    }

    @Test(arguments: [Route.Strategy.fallback(), .loadbalance()])
    func withAllTargetsOpenBreakersAreBypassed(strategy: Route.Strategy) throws {
        let route = try Route.flat(strategy, 2, breaker: Self.policy)
        let board = BreakerBoard()
        var walk = Walk(breakers: board)
        for _ in 0..<20 { _ = try walk.run(route, 503) }
        #expect(board.openTargets(now: walk.now).count == 2)
        #expect(try walk.run(route, 200).targets.count == 1)
        if case .fallback = strategy { #expect(try walk.run(route, 503).targets == [0, 1]) }
    }

    @Test func aWeightlessTargetIsNoWayOut() throws {
        let route = try Route(.strategy(.loadbalance(), breaker: Self.policy, [.leaf(0), .leaf(1, weight: 0)]))
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(route, 503)
        #expect(try walk.run(route, 200).targets == [0])
    }

    @Test func aRequestCountsOnceHoweverOftenItIsRetried() throws {
        let policy = BreakerPolicy(failureThreshold: 1, cooldown: 30_000)
        let retry = try RetryPolicy(attempts: 5)
        let route = try Route(.strategy(.fallback(), breaker: policy, [.leaf(0, retry: retry), .leaf(1)]))
        var walk = Walk(breakers: BreakerBoard())
        #expect(try walk.run(route) { AttemptOutcome(status: $0.target == 0 ? 503 : 200) }.attempts.count == 7)
        #expect(walk.breakers?.openTargets(now: walk.now) == [])
        _ = try walk.run(route) { AttemptOutcome(status: $0.target == 0 ? 503 : 200) }
        #expect(walk.breakers?.openTargets(now: walk.now) == [.init(config: "config-1", path: "config.targets[0]")])
    }

    @Test func aRetryThatSucceedsIsASuccess() throws {
        let retry = try RetryPolicy(attempts: 5)
        let route = try Route(.strategy(.fallback(), breaker: Self.policy, [.leaf(0, retry: retry), .leaf(1)]))
        var walk = Walk(breakers: BreakerBoard())
        #expect(try walk.run(route, 503, 503, 200).targets == [0, 0, 0])
        #expect(try walk.run(route, 200).targets == [0])
    }

    @Test func theGatewaysOwnFailuresDoNotCount() throws {
        let route = try Route.flat(.fallback(), 2, breaker: Self.policy)
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(route, [AttemptOutcome(status: 503, isGatewayException: true)])
        #expect(walk.breakers?.count == 0)
    }

    @Test func strategiesInheritBreakersAndTargetsTakeTheirStrategys() throws {
        let inner = Route.Node.strategy(.fallback(), [.leaf(0), .leaf(1)])
        let own = Route.Node.strategy(
            .fallback(), breaker: BreakerPolicy(failureThreshold: 1, cooldown: 30_000), [.leaf(2), .leaf(3)])
        let route = try Route(.strategy(.fallback(), breaker: Self.policy, [inner, own]))
        let board = BreakerBoard()
        var walk = Walk(breakers: board)
        _ = try walk.run(route, 503)
        #expect(
            Set(board.openTargets(now: walk.now).map(\.path)) == [
                "config.targets[0].targets[0]", "config.targets[0].targets[1]",
            ])
        // The first strategy has nothing left that is closed, so the request goes straight to the second.
        #expect(try walk.run(route, 503).targets == [2, 3])
        #expect(board.openTargets(now: walk.now).count == 4)
    }

    @Test func aNestedConditionalIsNeverOpenAndPassesThePolicyOn() throws {
        let cases = [Route.Case(try Condition([:]), then: "x")]
        let conditional = Route.Node.strategy(
            .conditional(cases, default: nil), [.strategy(.fallback(), name: "x", [.leaf(0)]), .leaf(1)])
        let route = try Route(.strategy(.fallback(), breaker: Self.policy, [conditional, .leaf(2)]))
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(route, 503, 200)
        #expect(walk.breakers?.openTargets(now: walk.now).map(\.path) == ["config.targets[0].targets[0].targets[0]"])
        #expect(try walk.run(route, 200).targets == [0])
    }

    @Test func targetsOfAConditionalHaveNone() throws {
        let cases = [Route.Case(try Condition([:]), then: "x")]
        let route = try Route(
            .strategy(.conditional(cases, default: nil), breaker: Self.policy, [.leaf(0, name: "x"), .leaf(1)]))
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(route, 503)
        #expect(walk.breakers?.count == 0)
    }

    @Test func configsDoNotShareBreakers() throws {
        let tree = Route.Node.strategy(.fallback(), breaker: Self.policy, [.leaf(0), .leaf(1)])
        let (mine, theirs) = (try Route(tree, identity: "a"), try Route(tree, identity: "b"))
        var walk = Walk(breakers: BreakerBoard())
        _ = try walk.run(mine, 503, 200)
        #expect(try walk.run(mine, 200).targets == [1])
        #expect(try walk.run(theirs, 200).targets == [0])
    }

    @Test func theBoardIsBoundedAndForgetsTheLeastUsed() throws {
        let board = BreakerBoard(capacity: 4)
        var walk = Walk(breakers: board)
        let tree = Route.Node.strategy(.fallback(), breaker: Self.policy, [.leaf(0), .leaf(1)])
        let busy = try Route(tree, identity: "busy")
        _ = try walk.run(busy, 503, 200)
        for number in 0..<50 {
            _ = try walk.run(Route(tree, identity: "passing-\(number)"), 503, 200)
            #expect(try walk.run(busy, 200).targets == [1])
        }
        #expect(board.count == 4)
    }
}
