// CircuitBreaker: keeps requests away from a target that has been failing.
//
// Closed, it counts how the target's requests ended. When failures exceed a threshold it opens, and for one cooldown
// interval the target is not chosen. Then it is closed again, with its counts at zero; there is no half-open state and
// no probe. One request is one count, whatever the number of its retries.
//
// Only recent outcomes count, else a target with one failure a day would open in the end. Portkey's documents leave
// open what recent is; here it is the current cooldown interval and the one before it: any burst of failures that fits
// into one interval is seen whole, and for a breaker two counters are enough.

/// `strategy.cb_config`
package struct BreakerPolicy: Sendable, Equatable {
    /// A cooldown is at least this long, whatever the config says.
    package static let minimumCooldown = 30_000

    /// Opens with the failure after this many.
    package let failureThreshold: Int?
    /// Opens when more than this percentage of the requests failed, as soon as there were `minimumRequests`.
    package let failurePercentage: Double?
    package let minimumRequests: Int
    /// Milliseconds.
    package let cooldown: Int
    /// nil: every status above 500.
    package let failureStatusCodes: Set<Int>?

    /// With neither threshold the breaker never opens.
    package init(
        failureThreshold: Int? = nil, failurePercentage: Double? = nil, minimumRequests: Int? = nil, cooldown: Int,
        failureStatusCodes: Set<Int>? = nil
    ) {
        self.failureThreshold = failureThreshold
        self.failurePercentage = failurePercentage
        self.minimumRequests = minimumRequests ?? 1
        self.cooldown = max(Self.minimumCooldown, cooldown)
        self.failureStatusCodes = failureStatusCodes
    }

    /// An attempt without an answer, by timeout too, is the target's failure whatever the codes say.
    package func isFailure(_ outcome: AttemptOutcome) -> Bool {
        if outcome.failure != nil { return true }
        return failureStatusCodes?.contains(outcome.status) ?? (outcome.status > 500)
    }
}

package struct CircuitBreaker: Sendable {
    private struct Counts: Sendable {
        var failures = 0
        var requests = 0
    }

    private let policy: BreakerPolicy
    private let cooldown: Int64
    private var current = Counts()
    private var previous = Counts()
    /// When `current` began to count.
    private var began: Int64
    /// Closed again from this moment on.
    private var closes: Int64 = .min

    /// Closed, with nothing counted. All times are nanoseconds on one monotonic clock.
    package init(_ policy: BreakerPolicy, now: Int64) {
        self.policy = policy
        cooldown = Int64(policy.cooldown).multipliedSaturating(by: 1_000_000)
        began = now
    }

    package func isOpen(at now: Int64) -> Bool { now < closes }

    /// Counts a request. While the breaker is open nothing counts: such a request was under way when it opened, or was
    /// let through because every target's breaker is open.
    package mutating func record(isFailure: Bool, now: Int64) {
        guard !isOpen(at: now) else { return }
        advance(to: now)
        current.requests += 1
        if isFailure { current.failures += 1 }
        let failures = current.failures + previous.failures
        let requests = current.requests + previous.requests
        let isTooMany = policy.failureThreshold.map { failures > $0 } ?? false
        let isTooOften =
            policy.failurePercentage.map {
                requests >= policy.minimumRequests && Double(failures) * 100 > $0 * Double(requests)
            }
            ?? false
        guard isTooMany || isTooOften else { return }
        let (end, overflow) = now.addingReportingOverflow(cooldown)
        closes = overflow ? .max : end
        current = Counts()
        previous = Counts()
        began = closes
    }

    private mutating func advance(to now: Int64) {
        let elapsed = now.subtractingReportingOverflow(began)
        guard elapsed.overflow || elapsed.partialValue >= cooldown else { return }
        let isNext = !elapsed.overflow && elapsed.partialValue - cooldown < cooldown
        previous = isNext ? current : Counts()
        current = Counts()
        began = isNext ? began + cooldown : now
    }
}
