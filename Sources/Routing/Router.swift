// Router: decides where one request goes next. A value that walks a Route; the shell (Gateway) does what it says.
//
//     start ──► attempt ──► finish(outcome) ──► attempt ──► finish(outcome) ──► … ──► finish
//
// It makes no calls, reads no clock and waits for nothing: an attempt says how long to wait before it, and the caller
// brings the time and the random numbers. What lasts longer than a request, circuit breakers and sticky choices, is on
// two boards that the router is given.
//
// After each outcome these are asked, in this order:
//
//  1. has the client seen a part of the answer, or did the gateway itself fail? Then this was the last attempt;
//  2. did a hook ask for another attempt? Then its target, else the next one of the innermost fallback that has one,
//     else the same target again (after a backoff where it failed); so many times at most, then this was the last
//     attempt. Or could a guard not judge, and the attempt counts as failed? Then the next one of that fallback, or none;
//  3. does the target's retry policy want another call? Then the same target, after a wait;
//  4. the fallbacks that the target stands in, from the inside out: does one move on, and has it another target?

package import Core

package struct Router: Sendable {
    package enum Action: Sendable, Equatable {
        case attempt(Attempt)
        /// No further attempt: the answer of the last one stands.
        case finish(Finish)
    }

    package struct Attempt: Sendable, Equatable {
        package var target: Int
        package var path: String
        /// 0 for the first call of this target, n for its n-th retry.
        package var retry: Int
        /// Nanoseconds to wait before the call.
        package var delay: Int64
        /// Number of this attempt in the request, from 1.
        package var number: Int
    }

    package struct Finish: Sendable, Equatable {
        package enum Reason: Sendable {
            /// The strategies accept the answer, or have nothing left to try.
            case settled
            case gatewayException
            case firstByteSent
            /// A hook asked for another attempt, which cannot be had: too many already, or no target of that name. The
            /// answer is one that the hook did not want the client to have.
            case retryUnavailable
        }

        package var reason: Reason
        /// `x-portkey-last-used-option-index`
        package var path: String
        package var target: Int
        /// `x-portkey-retry-attempt-count`: retries of the last target that were made; -1 when they ran out, or a
        /// provider's retry-after was too long to wait for.
        package var retryCount: Int
        /// Attempts made in all.
        package var attempts: Int
    }

    /// The most attempts that hooks can ask for in one request.
    package static let maximumExtraAttempts = 10
    /// The longest that the retry-after waits of one target may take together, in nanoseconds.
    package static let maximumRetryAfter: Int64 = 60_000_000_000

    /// A fallback on the way from the root to the current target.
    private struct Frame: Sendable {
        var node: Int
        var position: Int
        /// When the fallback began, every target's breaker was open.
        var ignoresBreakers: Bool
    }

    /// What follows an outcome.
    private enum Step {
        case end(Finish.Reason)
        case retry(RetryWait)
        /// The next target of a fallback, given by its place on the stack.
        case next(frame: Int, position: Int)
        /// As a hook wishes.
        case extra(Extra)
    }

    private enum RetryWait {
        case none
        case backoff
        case exactly(Int64)
    }

    private enum Extra {
        case node(Int)
        case next(frame: Int, position: Int)
        case again
    }

    private let route: Route
    private let breakers: BreakerBoard?
    private let sticky: StickyTable?
    private let extraLimit: Int

    private var frames: [Frame] = []
    /// The current target's node; -1 before the start.
    private var leaf = -1
    private var retry = 0
    private var retryAfterLeft = Router.maximumRetryAfter
    private var attempts = 0
    private var extras = 0

    /// Without boards, breakers are closed and sticky choices only computed.
    package init(
        _ route: Route, breakers: BreakerBoard? = nil, sticky: StickyTable? = nil,
        maximumExtraAttempts: Int = Router.maximumExtraAttempts
    ) {
        self.route = route
        self.breakers = route.hasBreakers ? breakers : nil
        self.sticky = sticky
        extraLimit = maximumExtraAttempts
    }

    // MARK: Events

    /// The first attempt. `now` is in nanoseconds on a monotonic clock.
    package mutating func start(
        lookup: RoutingLookup, random: inout Xoshiro256, now: Int64
    ) throws(RoutingError) -> Action {
        precondition(leaf < 0, "a router starts once")
        return try enter(0, lookup, &random, now)
    }

    /// What to do after the attempt that the router asked for last. Throws when a fallback arrives at conditions that
    /// resolve to nothing.
    package mutating func finish(
        _ outcome: AttemptOutcome, lookup: RoutingLookup, random: inout Xoshiro256, now: Int64
    ) throws(RoutingError) -> Action {
        let step = step(after: outcome, now)
        switch step {
        case .retry: break
        case .end, .next, .extra: record(outcome, now)
        }
        switch step {
        case .end(let reason): return .finish(end(reason, outcome))
        case .retry(let wait):
            retry += 1
            let delay: Int64
            switch wait {
            case .none: delay = 0
            case .backoff: delay = Backoff.delay(beforeRetry: retry, random: &random)
            case .exactly(let nanoseconds):
                delay = nanoseconds
                retryAfterLeft -= nanoseconds
            }
            return attempt(delay: delay)
        case .next(let frame, let position): return try advance(frame, to: position, lookup, &random, now)
        case .extra(let extra):
            extras += 1
            switch extra {
            case .next(let frame, let position): return try advance(frame, to: position, lookup, &random, now)
            case .again: return enterAgain(after: outcome, &random)
            case .node(let node):
                retrace(to: node)
                return try enter(node, lookup, &random, now)
            }
        }
    }

    /// Whether `finish` would end the request, were this the outcome: what an error hook is told as "final". Changes
    /// nothing.
    package func isLast(after outcome: AttemptOutcome, now: Int64) -> Bool {
        if case .end = step(after: outcome, now) { true } else { false }
    }

    // MARK: Deciding

    private func step(after outcome: AttemptOutcome, _ now: Int64) -> Step {
        guard leaf >= 0 else { preconditionFailure("an outcome before the first attempt: \(outcome)") }
        if outcome.firstByteSent { return .end(.firstByteSent) }
        if outcome.isGatewayException { return .end(.gatewayException) }
        switch outcome.verdict {
        case .retry(let name): return stepForHook(name, now)
        case .moveOn:
            return nextTarget(now, movesOn: { _ in true }).map { .next(frame: $0.frame, position: $0.position) }
                ?? .end(.settled)
        case nil: break
        }
        if case .again(let wait) = retryDecision(after: outcome) { return .retry(wait) }
        if let (frame, position) = nextTarget(now, movesOn: { outcome.movesOn($0) }) {
            return .next(frame: frame, position: position)
        }
        return .end(.settled)
    }

    private func stepForHook(_ name: String?, _ now: Int64) -> Step {
        guard extras < extraLimit else { return .end(.retryUnavailable) }
        if let name {
            guard let node = route.node(named: name) else { return .end(.retryUnavailable) }
            return .extra(.node(node))
        }
        if let (frame, position) = nextTarget(now, movesOn: { _ in true }) {
            return .extra(.next(frame: frame, position: position))
        }
        return .extra(.again)
    }

    private enum RetryDecision {
        case again(RetryWait)
        /// The answer is one that is not retried.
        case accept
        /// It would be, but there have been enough calls, or the wait is too long.
        case giveUp
    }

    private func retryDecision(after outcome: AttemptOutcome) -> RetryDecision {
        guard case .leaf(_, let policy) = route.places[leaf].kind, policy.attempts > 0, policy.retries(after: outcome)
        else {
            return .accept
        }
        guard retry < policy.attempts else { return .giveUp }
        // Guards' statuses: the provider is well, so there is nothing to wait for.
        if outcome.status == 446 || outcome.status == 246 { return .again(.none) }
        if policy.usesRetryAfter, outcome.status == 429, let wait = outcome.retryAfter?.wait {
            let isTooLong = wait >= Self.maximumRetryAfter || wait > retryAfterLeft
            return isTooLong ? .giveUp : .again(.exactly(wait))
        }
        return .again(.backoff)
    }

    /// The next target of the innermost fallback that moves on and has one.
    private func nextTarget(_ now: Int64, movesOn: (Set<Int>?) -> Bool) -> (frame: Int, position: Int)? {
        for index in frames.indices.reversed() {
            let frame = frames[index]
            guard case .fallback(let codes, let children) = route.places[frame.node].kind, movesOn(codes) else {
                continue
            }
            let rest = (frame.position + 1)..<children.count
            if let position = rest.first(where: { frame.ignoresBreakers || !isOpen(children[$0], now) }) {
                return (index, position)
            }
        }
        return nil
    }

    /// Whether breakers keep requests away from a node: a target's own, or those of every target that a strategy could
    /// choose.
    private func isOpen(_ node: Int, _ now: Int64) -> Bool {
        guard let breakers else { return false }
        switch route.places[node].kind {
        case .leaf: return route.places[node].breaker.map { breakers.isOpen($0.key, now: now) } ?? false
        case .single(let child): return isOpen(child, now)
        case .fallback(_, let children): return children.allSatisfy { isOpen($0, now) }
        case .loadbalance(let balance): return balance.arms.allSatisfy { isOpen($0.node, now) }
        case .conditional: return false
        }
    }

    // MARK: Moving

    /// Walks from `node` down to a target.
    private mutating func enter(
        _ node: Int, _ lookup: RoutingLookup, _ random: inout Xoshiro256, _ now: Int64
    ) throws(RoutingError) -> Action {
        var node = node
        while true {
            switch route.places[node].kind {
            case .leaf:
                leaf = node
                retry = 0
                retryAfterLeft = Self.maximumRetryAfter
                return attempt(delay: 0)
            case .single(let child): node = child
            case .fallback(_, let children):
                let position = children.firstIndex { !isOpen($0, now) }
                frames.append(Frame(node: node, position: position ?? 0, ignoresBreakers: position == nil))
                node = children[position ?? 0]
            case .loadbalance(let balance): node = arm(of: balance, lookup, &random, now)
            case .conditional(let conditional): node = try conditional.node(lookup)
            }
        }
    }

    private func arm(
        of balance: LoadBalance, _ lookup: RoutingLookup, _ random: inout Xoshiro256, _ now: Int64
    ) -> Int {
        var arms = balance.arms
        if breakers != nil {
            let closed = arms.filter { !isOpen($0.node, now) }
            if !closed.isEmpty { arms = closed }
        }
        if let policy = balance.sticky, let caller = policy.hash(lookup) {
            return balance.arm(of: arms, caller: caller, ttl: policy.ttl, table: sticky, now: now).node
        }
        return balance.arm(of: arms, unit: random.unit()).node
    }

    private mutating func advance(
        _ frame: Int, to position: Int, _ lookup: RoutingLookup, _ random: inout Xoshiro256, _ now: Int64
    ) throws(RoutingError) -> Action {
        frames.removeSubrange((frame + 1)...)
        frames[frame].position = position
        guard case .fallback(_, let children) = route.places[frames[frame].node].kind else {
            preconditionFailure("node \(frames[frame].node) is on the stack and no fallback")
        }
        return try enter(children[position], lookup, &random, now)
    }

    /// Makes the stack what it would be, had the fallbacks above `node` come to it by themselves.
    private mutating func retrace(to node: Int) {
        frames.removeAll(keepingCapacity: true)
        var child = node
        while route.places[child].parent >= 0 {
            let parent = route.places[child].parent
            if case .fallback = route.places[parent].kind {
                frames.append(Frame(node: parent, position: route.places[child].position, ignoresBreakers: false))
            }
            child = parent
        }
        frames.reverse()
    }

    /// A hook has nothing to try but the same target. An answer that a guard dislikes can be asked for again at once,
    /// a provider that is failing cannot.
    private mutating func enterAgain(after outcome: AttemptOutcome, _ random: inout Xoshiro256) -> Action {
        let isFailing = outcome.failure != nil || RetryPolicy.defaultStatusCodes.contains(outcome.status)
        retry = 0
        retryAfterLeft = Self.maximumRetryAfter
        return attempt(delay: isFailing ? Backoff.delay(beforeRetry: extras, random: &random) : 0)
    }

    private mutating func attempt(delay: Int64) -> Action {
        guard case .leaf(let target, _) = route.places[leaf].kind else {
            preconditionFailure("node \(leaf) is attempted and no target")
        }
        attempts += 1
        return .attempt(
            Attempt(target: target, path: route.places[leaf].path, retry: retry, delay: delay, number: attempts))
    }

    private func end(_ reason: Finish.Reason, _ outcome: AttemptOutcome) -> Finish {
        guard case .leaf(let target, _) = route.places[leaf].kind else {
            preconditionFailure("node \(leaf) was attempted and is no target")
        }
        var count = retry
        if reason == .settled, case .giveUp = retryDecision(after: outcome) { count = -1 }
        return Finish(
            reason: reason, path: route.places[leaf].path, target: target, retryCount: count, attempts: attempts)
    }

    /// Counts the target's last outcome: one request, one count. What the gateway did wrong is not the target's
    /// failure.
    private func record(_ outcome: AttemptOutcome, _ now: Int64) {
        // A guard that failed says nothing of the target.
        guard let breakers, let breaker = route.places[leaf].breaker, !outcome.isGatewayException,
            outcome.verdict != .moveOn
        else { return }
        breakers.record(breaker.key, breaker.policy, isFailure: breaker.policy.isFailure(outcome), now: now)
    }
}
