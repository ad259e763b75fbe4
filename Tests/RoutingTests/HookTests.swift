// Another attempt because a hook asks for one, and what holds for every walk whatever the answers are.

import Core
import Routing
import Testing

@Suite struct HookTests {
    private func asking(_ target: String? = nil, status: Int = 200) -> AttemptOutcome {
        AttemptOutcome(status: status, verdict: .retry(target: target))
    }

    private let good = AttemptOutcome(status: 200)

    private func tree() throws -> Route {
        try Route(
            .strategy(
                .fallback(onStatusCodes: [503]),
                [
                    .leaf(0, name: "cheap", retry: RetryPolicy(attempts: 1)), .leaf(1, name: "good"),
                    .strategy(.fallback(), name: "last", [.leaf(2), .leaf(3, name: "reserve")]),
                ]))
    }

    @Test func withoutANameTheNextTargetIsTried() throws {
        var walk = Walk()
        #expect(try walk.run(tree(), [asking(), good]).targets == [0, 1])
    }

    @Test func theVerdictGoesBeforeRetriesAndCodes() throws {
        // 500 is retried by the first target's policy, and is none of the fallback's codes.
        var walk = Walk()
        let trace = try walk.run(tree(), [asking(status: 500), good])
        #expect(trace.targets == [0, 1])
        #expect(trace.delays == [0, 0])
    }

    @Test func aNamedTargetIsFoundAnywhere() throws {
        var walk = Walk()
        #expect(
            try walk.run(tree(), [asking("reserve"), good]).paths == [
                "config.targets[0]", "config.targets[2].targets[1]",
            ])
        #expect(try walk.run(tree(), [asking("last"), good]).targets == [0, 2])
        #expect(try walk.run(tree(), [asking("good"), asking("cheap"), good]).targets == [0, 1, 0])
    }

    @Test func afterANamedTargetTheFallbacksAroundItGoOn() throws {
        var walk = Walk()
        #expect(try walk.run(tree(), [asking("last"), .init(status: 500), good]).targets == [0, 2, 3])
        #expect(try walk.run(tree(), [asking("good"), .init(status: 503), good]).targets == [0, 1, 2])
        #expect(try walk.run(tree(), [asking("good"), .init(status: 500)]).targets == [0, 1])
    }

    @Test func theInnermostFallbackAroundANamedTargetGoesOnFirst() throws {
        let inner = Route.Node.strategy(.fallback(), [.leaf(1), .leaf(2, name: "x"), .leaf(3)])
        let route = try Route(.strategy(.fallback(), [.leaf(0), inner, .leaf(4)]))
        var walk = Walk()
        #expect(try walk.run(route, [asking("x"), .init(status: 500)]).targets == [0, 2, 3, 4])
    }

    @Test func withNothingNextTheSameTargetIsTriedAgain() throws {
        var walk = Walk()
        let trace = try walk.run(Route(.leaf(0)), [asking(), good])
        #expect(trace.targets == [0, 0])
        #expect(trace.delays == [0, 0])
        #expect(trace.finish?.reason == .settled)
    }

    @Test func aFailingTargetIsNotHammered() throws {
        var walk = Walk()
        let delays = try walk.run(Route(.leaf(0)), [asking(status: 503), asking(status: 503), good]).delays
        #expect((1000..<1250).contains(delays[1]))
        #expect((2000..<2500).contains(delays[2]))
    }

    @Test func aGuardThatFailedMovesOnAndNeverRepeats() throws {
        let failed = AttemptOutcome(status: 502, verdict: .moveOn)
        var single = Walk()
        let alone = try single.run(Route(.leaf(0, retry: RetryPolicy(attempts: 3))), [failed])
        #expect(alone.targets == [0])
        #expect(alone.finish?.reason == .settled)
        var fallback = Walk()
        let trace = try fallback.run(
            Route(.strategy(.fallback(onStatusCodes: [429]), [.leaf(0), .leaf(1), .leaf(2)])), [failed, failed, good])
        #expect(trace.targets == [0, 1, 2])
    }

    @Test func tenExtraAttemptsAreTheLimit() throws {
        var walk = Walk()
        let trace = try walk.run(Route(.leaf(0)), [asking()])
        #expect(trace.attempts.count == 11)
        #expect(trace.finish?.reason == .retryUnavailable)
    }

    @Test func theLimitHoldsForNamesToo() throws {
        var walk = Walk()
        let trace = try walk.run(tree()) { asking($0.target == 0 ? "good" : "cheap") }
        #expect(trace.attempts.count == 11)
        #expect(trace.finish?.reason == .retryUnavailable)
    }

    @Test func anUnknownNameEndsTheRequest() throws {
        var walk = Walk()
        let trace = try walk.run(tree(), [asking("nobody")])
        #expect(trace.attempts.count == 1)
        #expect(trace.finish?.reason == .retryUnavailable)
    }

    @Test func nothingFollowsAByteSentOrAGatewayException() throws {
        var walk = Walk()
        let sent = AttemptOutcome(status: 200, verdict: .retry(target: nil), firstByteSent: true)
        #expect(try walk.run(tree(), [sent]).finish?.reason == .firstByteSent)
        let exception = AttemptOutcome(status: 500, isGatewayException: true, verdict: .retry(target: nil))
        #expect(try walk.run(tree(), [exception]).finish?.reason == .gatewayException)
    }
}

@Suite struct AnyWalkTests {
    private static func node(_ random: inout Xoshiro256, depth: Int, leaves: inout Int) throws(RoutingError)
        -> Route.Node
    {
        let name = random.next() % 2 == 0 ? "n\(random.next() % 6)" : nil
        let weight = Double(random.next() % 3)
        guard depth < 3, random.next() % 3 > 0 else {
            leaves += 1
            return .leaf(
                leaves - 1, name: name, weight: weight, retry: try RetryPolicy(attempts: Int(random.next() % 4)))
        }
        var targets: [Route.Node] = [.leaf(leaves, name: "n\(random.next() % 6)")]
        leaves += 1
        for _ in 0..<(random.next() % 3) { targets.append(try node(&random, depth: depth + 1, leaves: &leaves)) }
        let breaker = random.next() % 2 == 0 ? BreakerPolicy(failureThreshold: 1, cooldown: 30_000) : nil
        let strategy: Route.Strategy =
            switch random.next() % 5 {
            case 0: .single
            case 1: .loadbalance(sticky: random.next() % 2 == 0 ? StickyPolicy(hashFields: ["metadata.user"]) : nil)
            case 2: .conditional([], default: targets[0].name)
            case 3: .fallback(onStatusCodes: [500, 429])
            default: .fallback()
            }
        return .strategy(strategy, name: name, weight: weight, breaker: breaker, targets)
    }

    private static func outcome(_ random: inout Xoshiro256) -> AttemptOutcome {
        let statuses = [200, 200, 246, 400, 408, 429, 446, 500, 503]
        var outcome = AttemptOutcome(status: statuses[Int(random.next() % 9)])
        switch random.next() % 12 {
        case 0: outcome = .failed(.transport)
        case 1: outcome = .failed(.timeout)
        case 2: outcome.verdict = .retry(target: nil)
        case 3: outcome.verdict = .retry(target: "n\(random.next() % 7)")
        default: break
        }
        return outcome
    }

    /// The walk itself checks that `isLast` foretells every end.
    @Test(arguments: 0..<40) func endsWithinItsBounds(seed: Int) throws {
        var random = Xoshiro256(seed: UInt64(seed))
        let board = BreakerBoard()
        for round in 0..<50 {
            var leaves = 0
            let route = try Route(Self.node(&random, depth: 0, leaves: &leaves), identity: "\(round)")
            var walk = Walk(random: random, breakers: board, sticky: StickyTable())
            walk.request = ["metadata": ["user": .string("\(seed)")]]
            for _ in 0..<10 {
                let trace = try walk.run(route) { _ in Self.outcome(&random) }
                // Each pass over the tree makes at most four calls per target, and hooks can start ten more.
                #expect((1...(leaves * 4 * 11)).contains(trace.attempts.count))
                #expect(trace.finish?.path == trace.attempts.last?.path)
                #expect(trace.finish?.attempts == trace.attempts.count)
                #expect(trace.attempts.allSatisfy { $0.retry <= 3 && $0.target < leaves && $0.delay >= 0 })
                let isGivenUp = trace.finish?.retryCount == -1
                #expect(isGivenUp || trace.finish?.retryCount == trace.attempts.last?.retry)
            }
            walk.now += second
        }
    }
}
