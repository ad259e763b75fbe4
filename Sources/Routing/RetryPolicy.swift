// RetryPolicy: how often one target is asked again, and after which answers.

package struct RetryPolicy: Sendable, Equatable {
    /// Portkey documents five and enforces nothing. Five retries already wait half a minute; ten is where we refuse,
    /// so that a typing error cannot hold a client's connection for hours.
    package static let maximumAttempts = 10

    /// What is retried when a policy lists no codes. 529 is Anthropic's "overloaded".
    package static let defaultStatusCodes: Set<Int> = [429, 500, 502, 503, 504, 529]

    /// No retries: a target is called once.
    package static let none = RetryPolicy()

    /// Calls after the first one.
    package let attempts: Int
    package let statusCodes: Set<Int>
    /// Whether a 429 may say itself when to come back.
    package let usesRetryAfter: Bool

    private init() {
        attempts = 0
        statusCodes = []
        usesRetryAfter = false
    }

    /// `onStatusCodes` replaces the default codes; an empty set leaves only transport errors to retry.
    package init(
        attempts: Int, onStatusCodes: Set<Int>? = nil, usesRetryAfter: Bool = false
    ) throws(RoutingError) {
        guard (0...Self.maximumAttempts).contains(attempts) else {
            throw RoutingError("'retry.attempts' must be a whole number from 0 to \(Self.maximumAttempts)")
        }
        self.attempts = attempts
        self.statusCodes = onStatusCodes ?? Self.defaultStatusCodes
        self.usesRetryAfter = usesRetryAfter
    }

    /// Whether the policy wants another call after `outcome`, were there any left.
    func retries(after outcome: AttemptOutcome) -> Bool {
        // No answer at all is retried whatever the codes say. A timeout is not: it has cost the caller its full length
        // already, and is repeated only where 408 is listed.
        switch outcome.failure {
        case .connect, .transport: true
        case .timeout, nil: statusCodes.contains(outcome.status)
        }
    }
}
