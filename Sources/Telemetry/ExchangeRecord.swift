// ExchangeRecord: the facts of one exchange, gathered along the data path and read once, when it is over.
//
// The access log, the metrics and the receipts all come from this value. It holds names, counts and times, never a
// body and never a secret: whoever fills it passes the principal's name, not the key, and a path without its query.

package import Accounting
package import Core

package final class ExchangeRecord {
    // MARK: Times, in nanoseconds

    /// When the request was accepted, on the wall clock (since 1970).
    package var startedAt: Int64
    /// From the first byte of the request to the last byte of the answer.
    package var duration: Int64 = 0
    /// The part of `duration` during which an upstream was waited for or read from, over all attempts.
    package var upstreamDuration: Int64 = 0
    /// The part of `duration` during which the client was waited for: a slow upload, a full socket.
    package var clientWait: Int64 = 0
    /// From the start of the answering attempt to the first piece of its answer.
    package var timeToFirstToken: Int64?

    // MARK: What the client sent and got

    package var method: String
    /// Without the query: keys end up there.
    package var path: String
    package var status: Int
    package var bytesIn: Int = 0
    package var bytesOut: Int = 0
    package var isStream: Bool = false
    /// The client was gone before the answer was complete.
    package var isAborted: Bool = false
    /// Without the port, as the operator's trust in proxies says.
    package var clientAddress: String?
    package var traceID: String?

    // MARK: Who asked

    package var workspace: String?
    /// The name or id of who asked, never the key.
    package var principal: String?

    /// The check that asked for it ("judge.score"), where it was no client: its tokens are that check's cost.
    package var askedBy: String?

    // MARK: Where it went

    /// A bounded set: it becomes a metric label ("chat_completions").
    package var endpoint: String = "unknown"
    /// `gen_ai.operation.name` ("chat", "embeddings"); nil where the endpoint is no generative operation.
    package var operation: String?
    /// The slug of the provider that answered, or was asked last.
    package var provider: String?
    package var requestModel: String?
    package var responseModel: String?
    /// The place of the target in the plan ("targets.1.targets.0").
    package var targetPath: String?
    package var attempts: [AttemptRecord] = []
    package var cacheStatus: CacheStatus = .disabled

    // MARK: How it went

    /// Of the attempt that answered, cached ones included.
    package var inputTokens: Int?
    /// With those that are thought and not said.
    package var outputTokens: Int?
    /// Parts of `inputTokens`, 0 where there are none: out of the provider's cache, and into it.
    package var cachedTokens: Int = 0
    package var cacheWriteTokens: Int = 0
    /// The part of `outputTokens` that is thought and not said.
    package var reasoningTokens: Int = 0
    /// The provider did not tell the tokens, or not all of them.
    package var isUsageEstimated: Bool = false
    /// Of all attempts. nil when one of them cannot be priced, or there is nothing that is sold by tokens.
    package var cost: Cost?
    package var errorKind: GatewayError.Kind?
    /// What the guards saw and did, in order.
    package var receipts: [Receipt] = []
    /// The check that refused the request or the answer.
    package var deniedBy: String?

    package init(startedAt: Int64 = WallClock.now(), method: String, path: String, status: Int = 0) {
        self.startedAt = startedAt
        self.method = method
        self.path = path
        self.status = status
    }

    /// What the gateway itself added: everything that was spent neither on an upstream nor on the client.
    package var overhead: Int64 { max(0, duration - upstreamDuration - clientWait) }

    /// What the cache had to say. The raw value is what the client reads in the answer's header.
    package enum CacheStatus: String, Sendable, CaseIterable {
        case disabled = "DISABLED"
        case miss = "MISS"
        case hit = "HIT"
        case refresh = "REFRESH"
        case semanticMiss = "SEMANTIC MISS"
        case semanticHit = "SEMANTIC HIT"
    }
}

/// One try at one target.
package struct AttemptRecord: Sendable {
    /// The provider's slug.
    package var provider: String
    package var model: String?
    /// The target's place in the plan.
    package var target: String
    /// 0 for the first call of the target, n for its n-th retry.
    package var retry: Int
    /// The upstream's status; 0 when none came.
    package var status: Int
    /// Nanoseconds from the start of the attempt to its end.
    package var duration: Int64
    package var errorKind: GatewayError.Kind?
    /// What the provider will charge for it, whether or not the client got the answer.
    package var usage: AttemptUsage?
    package var cost: Cost?

    package init(
        provider: String, model: String? = nil, target: String = "", retry: Int = 0, status: Int, duration: Int64,
        errorKind: GatewayError.Kind? = nil
    ) {
        self.provider = provider
        self.model = model
        self.target = target
        self.retry = retry
        self.status = status
        self.duration = duration
        self.errorKind = errorKind
    }
}

/// Tokens of one attempt.
package struct AttemptUsage: Sendable, Equatable {
    package var input: Int
    package var output: Int
    package var cached: Int
    package var cacheWrite: Int
    package var reasoning: Int
    package var isEstimated: Bool

    package init(input: Int, output: Int, cached: Int, cacheWrite: Int, reasoning: Int, isEstimated: Bool) {
        self.input = input
        self.output = output
        self.cached = cached
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
        self.isEstimated = isEstimated
    }
}
