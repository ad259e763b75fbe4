// Walk: plays the shell around a router: a clock that only tests move, and answers made up per attempt.

import Core
import Routing

let second: Int64 = 1_000_000_000

struct Walk {
    var now: Int64 = 1_000 * second
    var random = Xoshiro256(seed: 7)
    /// What conditions and sticky strategies see: {"metadata": …, "params": …, "url": …}.
    var request: JSONValue = [:]
    var breakers: BreakerBoard?
    var sticky: StickyTable?

    struct Trace {
        var attempts: [Router.Attempt] = []
        var finish: Router.Finish?

        var paths: [String] { attempts.map(\.path) }
        var targets: [Int] { attempts.map(\.target) }
        /// The waits in whole milliseconds.
        var delays: [Int64] { attempts.map { $0.delay / 1_000_000 } }
    }

    /// Walks a route to its end; time passes as the router says.
    mutating func run(_ route: Route, answer: (Router.Attempt) -> AttemptOutcome) throws(RoutingError) -> Trace {
        var trace = Trace()
        var router = Router(route, breakers: breakers, sticky: sticky)
        let lookup = Walk.lookup(in: request)
        var action = try router.start(lookup: lookup, random: &random, now: now)
        while case .attempt(let attempt) = action {
            trace.attempts.append(attempt)
            now += attempt.delay
            let outcome = answer(attempt)
            let isLast = router.isLast(after: outcome, now: now)
            action = try router.finish(outcome, lookup: lookup, random: &random, now: now)
            if case .finish = action { precondition(isLast) } else { precondition(!isLast) }
        }
        if case .finish(let finish) = action { trace.finish = finish }
        return trace
    }

    /// The same with one outcome per attempt; the last one repeats.
    mutating func run(_ route: Route, _ outcomes: [AttemptOutcome]) throws(RoutingError) -> Trace {
        try run(route) { outcomes[min($0.number, outcomes.count) - 1] }
    }

    mutating func run(_ route: Route, _ statuses: Int...) throws(RoutingError) -> Trace {
        try run(route, statuses.map { AttemptOutcome(status: $0) })
    }

    static func lookup(in request: JSONValue) -> (String, [String]) -> JSONValue? {
        { root, path in request.value(at: JSONPointer([root] + path)) }
    }
}

extension Route {
    init(_ root: Node) throws(RoutingError) { try self.init(root, identity: "config-1") }

    /// One target with a retry policy.
    static func retrying(
        _ attempts: Int, on codes: Set<Int>? = nil, usesRetryAfter: Bool = false
    ) throws(RoutingError) -> Route {
        try Route(
            .leaf(0, retry: RetryPolicy(attempts: attempts, onStatusCodes: codes, usesRetryAfter: usesRetryAfter)))
    }

    /// Targets 0, 1, … under one strategy.
    static func flat(_ strategy: Strategy, _ count: Int, breaker: BreakerPolicy? = nil) throws(RoutingError) -> Route {
        try Route(.strategy(strategy, breaker: breaker, (0..<count).map { .leaf($0) }))
    }
}
