// ExchangeFacts: what hooks may see of an exchange. Immutable: a new value is made when the gateway knows more, so that a plugin
// that still reads an old one on its own thread is never disturbed.

package import Core
import Synchronization
package import Wire

/// What becomes of a hook's verdict.
package enum HookMode: String, Sendable {
    case enforced
    /// Off the path: recorded only.
    case async, shadow
}

/// The same for the whole exchange.
package final class ExchangeIdentity: Sendable {
    package let endpoint: Endpoint
    package let method: String
    package let path: String
    package let traceID: String
    package let workspace: String?
    package let principal: String?
    package let isStream: Bool
    package let metadata: [(key: String, value: String)]
    package let requestHeaders: [(name: String, value: String)]
    /// A plugin asked for it (`gh.gateway/1`): what belongs to it may not ask again.
    package let isAsked: Bool

    package init(
        endpoint: Endpoint, method: String, path: String, traceID: String, workspace: String?, principal: String?,
        isStream: Bool,
        metadata: [(key: String, value: String)], requestHeaders: [(name: String, value: String)], isAsked: Bool = false
    ) {
        self.isAsked = isAsked
        self.endpoint = endpoint
        self.method = method
        self.path = path
        self.traceID = traceID
        self.workspace = workspace
        self.principal = principal
        self.isStream = isStream
        self.metadata = metadata
        self.requestHeaders = requestHeaders
    }

    /// Headers that carry credentials: invisible to plugins.
    static let secretHeaders: Set<String> = [
        "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "x-portkey-api-key",
        "x-portkey-config", "x-portkey-aws-secret-access-key", "x-portkey-aws-session-token",
        "x-portkey-azure-ad-token",
        "x-portkey-azure-entra-client-secret", "x-portkey-vertex-service-account-json", "x-portkey-oracle-private-key",
    ]
}

/// One side's body with its segments, which are looked up once, when the first hook asks.
package final class BodyView: Sendable {
    package let body: Bytes
    private let endpoint: Endpoint
    private let isRequest: Bool
    private let found = Mutex<[PresentedSegment]?>(nil)

    package init(body: Bytes, endpoint: Endpoint, isRequest: Bool) {
        self.body = body
        self.endpoint = endpoint
        self.isRequest = isRequest
    }

    /// Finds the segments now, and throws where the body could be read in two ways (a member that stands twice, for example): then
    /// no guard can say what the provider will see.
    package func check() throws(GatewayError) {
        guard isRequest else { return }
        let segments = try SegmentTable.request(endpoint, body)
        found.withLock { $0 = $0 ?? segments.map { PresentedSegment($0, in: body) } }
    }

    /// The body's segments. Empty for bodies that are not this endpoint's JSON: the request's were checked before.
    package var segments: [PresentedSegment] {
        found.withLock { found in
            if let found { return found }
            let segments =
                isRequest ? (try? SegmentTable.request(endpoint, body)) ?? [] : SegmentTable.response(endpoint, body)
            let presented = segments.map { PresentedSegment($0, in: body) }
            found = presented
            return presented
        }
    }

    /// The segment with this id, which is its place among the body's.
    package func segment(_ id: UInt64) -> PresentedSegment? {
        let segments = segments
        guard id < segments.count, segments[Int(id)].segment.id == id else { return nil }
        return segments[Int(id)]
    }
}

/// A segment with its views as plugins get them, made once per body.
package struct PresentedSegment: Sendable {
    package let segment: Segment
    package let text: Bytes
    let pointer: Bytes
    let mediaType: Bytes?
    let name: Bytes?

    init(_ segment: Segment, in body: Bytes) {
        self.segment = segment
        text = SegmentTable.text(of: segment, in: body)
        pointer = Bytes(segment.pointer)
        mediaType = segment.mediaType.map { Bytes($0) }
        name = segment.name.map { Bytes($0) }
    }
}

/// What is known at one point of the exchange.
package final class ExchangeFacts: Sendable {
    package let identity: ExchangeIdentity
    package let model: String?
    package let provider: String?
    package let target: String?
    package let attempt: Int
    package let attemptCount: Int
    package let request: BodyView
    package let response: BodyView?
    package let responseHeaders: [(name: String, value: String)]
    package let status: Int?
    package let usage: TokenUsage?
    package let finishReason: String?

    package init(
        identity: ExchangeIdentity, model: String?, request: BodyView, provider: String? = nil, target: String? = nil,
        attempt: Int = 0, attemptCount: Int = 0, response: BodyView? = nil,
        responseHeaders: [(name: String, value: String)] = [], status: Int? = nil, usage: TokenUsage? = nil,
        finishReason: String? = nil
    ) {
        self.identity = identity
        self.model = model
        self.provider = provider
        self.target = target
        self.attempt = attempt
        self.attemptCount = attemptCount
        self.request = request
        self.response = response
        self.responseHeaders = responseHeaders
        self.status = status
        self.usage = usage
        self.finishReason = finishReason
    }
}
