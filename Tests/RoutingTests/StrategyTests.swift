// Single, fallback and load balancing (Portkey specification, §4.3 and §4.4), and the paths of §3.

import Core
import Routing
import Testing

@Suite struct PathTests {
    @Test func aConfigWithoutTargetsIsItsOwnTarget() throws {
        var walk = Walk()
        let trace = try walk.run(Route(.leaf(3)), 200)
        #expect(trace.targets == [3])
        #expect(trace.paths == ["config"])
        #expect(trace.finish?.path == "config")
        #expect(trace.finish?.target == 3)
    }

    @Test func pathsNameEveryLevel() throws {
        let route = try Route(
            .strategy(
                .fallback(),
                [.leaf(0), .strategy(.fallback(), [.leaf(1), .strategy(.single, [.leaf(2)])])]))
        var walk = Walk()
        #expect(
            try walk.run(route, 500).paths
                == ["config.targets[0]", "config.targets[1].targets[0]", "config.targets[1].targets[1].targets[0]"])
    }

    @Test(arguments: [Route.Strategy.single, .fallback(), .loadbalance(), .conditional([], default: "a")])
    func aStrategyNeedsTargets(strategy: Route.Strategy) {
        #expect(throws: RoutingError("config has a strategy and no targets")) { _ = try Route(.strategy(strategy, [])) }
    }
}

@Suite struct FallbackTests {
    @Test func singleTakesTheFirstTargetOnly() throws {
        var walk = Walk()
        #expect(try walk.run(.flat(.single, 3), 500).targets == [0])
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var codes: Set<Int>?
        var outcomes: [AttemptOutcome]
        var targets: [Int]

        init(_ name: String, codes: Set<Int>? = nil, _ statuses: [Int], _ targets: [Int]) {
            self.init(name, codes: codes, outcomes: statuses.map { AttemptOutcome(status: $0) }, targets)
        }

        init(_ name: String, codes: Set<Int>? = nil, outcomes: [AttemptOutcome], _ targets: [Int]) {
            testDescription = name
            self.codes = codes
            self.outcomes = outcomes
            self.targets = targets
        }
    }

    static let rows = [
        Row("a success is final", [200], [0]),
        Row("every 2xx is", [299], [0]),
        Row("anything else moves on", [300, 404, 200], [0, 1, 2]),
        Row("the last answer stands", [500], [0, 1, 2]),
        Row("listed codes move on", codes: [429], [429, 200], [0, 1]),
        Row("others do not", codes: [429], [500], [0]),
        Row("a listed 2xx does", codes: [246], [246, 200], [0, 1]),
        Row("an empty list names nothing", codes: [], [500], [0]),
        Row("446 is no success", [446, 200], [0, 1]),
        Row("246 is one", [246], [0]),
        Row("408 moves on", outcomes: [.failed(.timeout), .init(status: 200)], [0, 1]),
        Row("408 only where listed", codes: [500], outcomes: [.failed(.timeout)], [0]),
        Row("no connection moves on", outcomes: [.failed(.connect), .init(status: 200)], [0, 1]),
        Row("listed as Portkey's 500", codes: [500], outcomes: [.failed(.transport), .init(status: 200)], [0, 1]),
        Row("listed as Portkey's 503", codes: [503], outcomes: [.failed(.connect), .init(status: 200)], [0, 1]),
        Row("not listed at all", codes: [429], outcomes: [.failed(.transport)], [0]),
        Row("a gateway exception stops", outcomes: [.init(status: 500, isGatewayException: true)], [0]),
        Row("so does a byte sent", outcomes: [.init(status: 502, firstByteSent: true)], [0]),
    ]

    @Test(arguments: rows) func movesOn(_ row: Row) throws {
        var walk = Walk()
        let trace = try walk.run(.flat(.fallback(onStatusCodes: row.codes), 3), row.outcomes)
        #expect(trace.targets == row.targets)
        #expect(trace.finish?.target == row.targets.last)
        #expect(trace.finish?.path == row.targets.last.map { "config.targets[\($0)]" })
    }

    @Test func saysWhatStoppedTheChain() throws {
        var walk = Walk()
        let route = try Route.flat(.fallback(), 2)
        #expect(try walk.run(route, [.init(status: 500, isGatewayException: true)]).finish?.reason == .gatewayException)
        #expect(try walk.run(route, [.init(status: 200, firstByteSent: true)]).finish?.reason == .firstByteSent)
    }

    @Test func eachTargetFinishesItsRetriesFirst() throws {
        let policy = try RetryPolicy(attempts: 2)
        let route = try Route(.strategy(.fallback(), [.leaf(0, retry: policy), .leaf(1), .leaf(2, retry: policy)]))
        var walk = Walk()
        let trace = try walk.run(route, 500, 500, 500, 500, 500, 200)
        #expect(trace.targets == [0, 0, 0, 1, 2, 2])
        #expect(trace.attempts.map(\.retry) == [0, 1, 2, 0, 0, 1])
        #expect(trace.finish?.retryCount == 1)
    }

    @Test func aNestedStrategyCountsAsOneTarget() throws {
        // The inner fallback is content with 500, the outer one is not: the inner chain ends and the outer one goes
        // on.
        let route = try Route(
            .strategy(.fallback(), [.strategy(.fallback(onStatusCodes: [429]), [.leaf(0), .leaf(1)]), .leaf(2)]))
        var walk = Walk()
        #expect(try walk.run(route, 500, 200).targets == [0, 2])
        #expect(try walk.run(route, 429, 500, 200).targets == [0, 1, 2])
    }

    @Test func aStrategyThatWasLeftHasNoMoreSay() throws {
        // The inner fallback ended with 500. A 429 of a later target is not its business, although it lists that.
        let route = try Route(
            .strategy(
                .fallback(), [.strategy(.fallback(onStatusCodes: [429]), [.leaf(0), .leaf(1)]), .leaf(2), .leaf(3)]))
        var walk = Walk()
        #expect(try walk.run(route, 500, 429, 200).targets == [0, 2, 3])
    }

    @Test func theOuterStrategyJudgesTheFinalAnswerOnly() throws {
        let route = try Route(
            .strategy(.fallback(onStatusCodes: [429]), [.strategy(.fallback(), [.leaf(0), .leaf(1)]), .leaf(2)]))
        var walk = Walk()
        #expect(try walk.run(route, 429, 500).targets == [0, 1])
    }

    @Test func goesThroughLoadBalancersOnItsWay() throws {
        let route = try Route(
            .strategy(.fallback(), [.strategy(.loadbalance(), [.leaf(0), .leaf(1)]), .strategy(.single, [.leaf(2)])]))
        var walk = Walk()
        for _ in 0..<20 {
            let trace = try walk.run(route, 500, 200)
            #expect(trace.attempts.count == 2)
            #expect(trace.targets[0] < 2)
            #expect(trace.targets[1] == 2)
        }
    }
}

@Suite struct LoadBalanceTests {
    private func shares(_ weights: [Double], runs: Int = 20_000) throws -> [Double] {
        let route = try Route(
            .strategy(.loadbalance(), weights.enumerated().map { .leaf($0.offset, weight: $0.element) }))
        var walk = Walk()
        var counts = [Int](repeating: 0, count: weights.count)
        for _ in 0..<runs { counts[try walk.run(route, 200).targets[0]] += 1 }
        return counts.map { Double($0) / Double(runs) }
    }

    @Test(arguments: [[1, 1], [0.75, 0.25], [5, 3, 1], [10, 0, 30], [1e-9, 3e-9]] as [[Double]])
    func choosesByWeight(weights: [Double]) throws {
        let total = weights.reduce(0, +)
        for (share, weight) in zip(try shares(weights), weights) {
            #expect(abs(share - weight / total) < 0.015)
            if weight == 0 { #expect(share == 0) }
        }
    }

    @Test func weighsOneByDefault() throws {
        var walk = Walk()
        var counts = [0, 0]
        let route = try Route.flat(.loadbalance(), 2)
        for _ in 0..<2000 { counts[try walk.run(route, 200).targets[0]] += 1 }
        #expect(abs(counts[0] - counts[1]) < 200)
    }

    @Test func doesNotFailOverByItself() throws {
        var walk = Walk()
        #expect(try walk.run(.flat(.loadbalance(), 3), 500).attempts.count == 1)
    }

    @Test func refusesATotalOfZero() {
        #expect(throws: RoutingError("The weights of the targets of config add up to 0")) {
            _ = try Route(.strategy(.loadbalance(), [.leaf(0, weight: 0), .leaf(1, weight: 0)]))
        }
    }

    @Test(arguments: [-1, -0.001, .infinity, .nan] as [Double]) func refusesWeightsThatAreNone(weight: Double) throws {
        let error = #expect(throws: RoutingError.self) {
            _ = try Route(.strategy(.loadbalance(), [.leaf(0), .leaf(1, weight: weight)]))
        }
        #expect(error?.status == 400)
        #expect(error?.message.hasPrefix("The weight of config.targets[1] must be") == true)
    }

    @Test func weightsOfOtherStrategiesDoNotMatter() throws {
        var walk = Walk()
        let route = try Route(.strategy(.fallback(), [.leaf(0, weight: 0), .leaf(1, weight: -3)]))
        #expect(try walk.run(route, 500).targets == [0, 1])
    }
}

@Suite struct StickyTests {
    private static let hour = StickyPolicy(hashFields: ["metadata.user_id"], ttl: 3600)

    private func route(_ policy: StickyPolicy, weights: [Double] = [1, 1, 1], breaker: BreakerPolicy? = nil) throws
        -> Route
    {
        try Route(
            .strategy(
                .loadbalance(sticky: policy), breaker: breaker,
                weights.enumerated().map { .leaf($0.offset, weight: $0.element) }))
    }

    private func choice(_ walk: inout Walk, _ route: Route, user: Int) throws -> Int {
        walk.request = ["metadata": ["user_id": .string("user-\(user)")]]
        return try walk.run(route, 200).targets[0]
    }

    @Test func keepsACallerAtOneTargetWithATableAndWithout() throws {
        let route = try route(Self.hour)
        var (with, without, elsewhere) = (Walk(sticky: StickyTable()), Walk(), Walk(sticky: StickyTable()))
        for user in 0..<200 {
            let first = try choice(&with, route, user: user)
            #expect(try choice(&with, route, user: user) == first)
            // A restarted process and another machine agree.
            #expect(try choice(&without, route, user: user) == first)
            #expect(try choice(&elsewhere, route, user: user) == first)
        }
    }

    @Test func spreadsCallersByWeight() throws {
        let route = try route(Self.hour, weights: [5, 3, 2, 0])
        var walk = Walk()
        var counts = [0, 0, 0, 0]
        for user in 0..<10_000 { counts[try choice(&walk, route, user: user)] += 1 }
        for (count, expected) in zip(counts, [5000, 3000, 2000, 0]) { #expect(abs(count - expected) < 200) }
        #expect(counts[3] == 0)
    }

    @Test func aChangedWeightMovesOnlyTheCallersItConcerns() throws {
        let (before, after) = (try route(Self.hour, weights: [1, 1, 1]), try route(Self.hour, weights: [1, 1, 2]))
        var walk = Walk()
        for user in 0..<500 {
            let (old, new) = (try choice(&walk, before, user: user), try choice(&walk, after, user: user))
            #expect(old == new || new == 2)
        }
    }

    @Test func remembersAChoiceMadeWhileABreakerWasOpen() throws {
        let breaker = BreakerPolicy(failureThreshold: 0, cooldown: 30_000)
        let route = try route(Self.hour, breaker: breaker)
        var walk = Walk(breakers: BreakerBoard(), sticky: StickyTable())
        let home = try choice(&walk, route, user: 1)
        _ = try walk.run(route, 503)
        let refuge = try choice(&walk, route, user: 1)
        #expect(refuge != home)
        walk.now += 31 * second
        #expect(try choice(&walk, route, user: 1) == refuge)
        walk.now += 3600 * second
        #expect(try choice(&walk, route, user: 1) == home)
    }

    @Test func configsDoNotShareWhatIsRemembered() throws {
        let policy = BreakerPolicy(failureThreshold: 0, cooldown: 30_000)
        let tree = Route.Node.strategy(.loadbalance(sticky: Self.hour), breaker: policy, [.leaf(0), .leaf(1)])
        let (mine, theirs) = (try Route(tree, identity: "a"), try Route(tree, identity: "b"))
        var walk = Walk(breakers: BreakerBoard(), sticky: StickyTable())
        let home = try choice(&walk, mine, user: 1)
        _ = try walk.run(mine, 503)
        #expect(try choice(&walk, mine, user: 1) != home)
        #expect(try choice(&walk, theirs, user: 1) == home)
    }

    @Test func requestsWithoutTheFieldsAreSpreadAtRandom() throws {
        let route = try route(Self.hour)
        var walk = Walk(sticky: StickyTable())
        var seen: Set<Int> = []
        for _ in 0..<100 { seen.insert(try walk.run(route, 200).targets[0]) }
        #expect(seen.count == 3)
        #expect(walk.sticky?.count == 0)
    }

    @Test func allFieldsCountAndTheirPlaces() throws {
        let route = try route(
            StickyPolicy(hashFields: ["metadata.a", "params.user", "url.pathname"]), weights: [1, 1])
        func choice(_ a: JSONValue?, _ user: JSONValue?, _ path: JSONValue = "/v1") throws -> Int {
            var (metadata, params) = (JSONObject(), JSONObject())
            metadata["a"] = a
            params["user"] = user
            var walk = Walk(request: [
                "metadata": .object(metadata), "params": .object(params), "url": ["pathname": path],
            ])
            return try walk.run(route, 200).targets[0]
        }
        var differences = [0, 0, 0, 0]
        for number in 0..<200 {
            let text = JSONValue.string("x\(number)")
            let base = try choice(text, "u")
            if try choice(text, "v") != base { differences[0] += 1 }
            if try choice("u", text) != base { differences[1] += 1 }
            if try choice(text, nil) != base { differences[2] += 1 }
            if try choice(text, "u", "/v2") != base { differences[3] += 1 }
            #expect(try choice(text, "u") == base)
        }
        // Independent choices between two targets differ every second time.
        for count in differences { #expect((60...140).contains(count)) }
    }

    @Test func theTableIsBounded() throws {
        let table = StickyTable(capacity: 10)
        var walk = Walk(sticky: table)
        let route = try route(Self.hour)
        for user in 0..<100 { _ = try choice(&walk, route, user: user) }
        #expect(table.count == 10)
    }

    @Test func namesKeepCallersWhenTargetsChangePlaces() throws {
        func route(_ order: [Int]) throws -> Route {
            try Route(
                .strategy(.loadbalance(sticky: Self.hour), order.map { Route.Node.leaf($0, name: "target-\($0)") }))
        }
        let (one, other) = (try route([0, 1, 2]), try route([2, 0, 1]))
        var walk = Walk()
        for user in 0..<100 { #expect(try choice(&walk, one, user: user) == choice(&walk, other, user: user)) }
    }
}
