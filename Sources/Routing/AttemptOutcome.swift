// AttemptOutcome: what the shell tells the router about one attempt.

package struct AttemptOutcome: Sendable, Equatable {
    /// Why there was no answer.
    package enum Failure: Sendable {
        /// No connection: name, address, refusal, TLS.
        case connect
        /// The connection broke before the answer's headers were complete.
        case transport
        /// `request_timeout` passed before the answer's headers came.
        case timeout
    }

    /// A hook wants another attempt, although (or because) this one has an answer.
    package enum Verdict: Sendable, Equatable {
        /// At the target or strategy of this name, anywhere in the tree; nil: wherever the router would go next.
        case retry(target: String?)
        /// A guard could not judge: this attempt has failed, whatever its status, and is not made again.
        case moveOn
    }

    /// The status that the client would get if this attempt were the last one: the provider's, a guard's (446, 246),
    /// or for an attempt without an answer the gateway's own (502, 503, 408).
    package var status: Int
    package var failure: Failure?
    /// What a 429 said about coming back.
    package var retryAfter: RetryAfter?
    /// The gateway itself failed, so no other target will do better.
    package var isGatewayException: Bool
    package var verdict: Verdict?
    /// The client has seen a part of this answer: it cannot have another one.
    package var firstByteSent: Bool

    package init(
        status: Int, failure: Failure? = nil, retryAfter: RetryAfter? = nil, isGatewayException: Bool = false,
        verdict: Verdict? = nil, firstByteSent: Bool = false
    ) {
        self.status = status
        self.failure = failure
        self.retryAfter = retryAfter
        self.isGatewayException = isGatewayException
        self.verdict = verdict
        self.firstByteSent = firstByteSent
    }

    /// An attempt without an answer.
    package static func failed(_ failure: Failure, status: Int? = nil) -> AttemptOutcome {
        AttemptOutcome(status: status ?? (failure == .timeout ? 408 : 502), failure: failure)
    }

    /// Whether a strategy's list of codes names this outcome. Portkey reports a lost connection as 500 and a
    /// connection that was never made as 503, and configs list those; here such an outcome is a 502 and still meant by
    /// either.
    func isListed(in codes: Set<Int>) -> Bool {
        switch failure {
        case .connect, .transport: codes.contains(status) || !codes.isDisjoint(with: [500, 502, 503])
        case .timeout, nil: codes.contains(status)
        }
    }

    /// Whether a fallback goes on to its next target. An empty set of codes is a set: it names nothing.
    func movesOn(_ codes: Set<Int>?) -> Bool {
        if let codes { isListed(in: codes) } else { failure != nil || !(200...299).contains(status) }
    }
}
