// GatewayError: what went wrong, with three faces: `kind` for metrics, `message` for the client, `detail` for the log.

package struct GatewayError: Error, Sendable, Equatable {
    /// A bounded set: it becomes a metric label.
    package enum Kind: String, Sendable, CaseIterable {
        case invalidRequest = "invalid_request"
        case invalidConfig = "invalid_config"
        case unauthorized
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case payloadTooLarge = "payload_too_large"
        case unsupportedMediaType = "unsupported_media_type"
        case clientTimeout = "client_timeout"
        case guardrailDenied = "guardrail_denied"
        case pluginFailed = "plugin_failed"
        case notSupported = "not_supported"
        case upstreamError = "upstream_error"
        case upstreamInvalid = "upstream_invalid"
        case upstreamUnreachable = "upstream_unreachable"
        case timeout
        case overloaded
        case shuttingDown = "shutting_down"
        case internalError = "internal_error"
    }

    package var kind: Kind
    package var status: Int
    /// Safe to show to the client.
    package var message: String
    /// OpenAI's `error.type`; `kind`'s word when nil.
    package var type: String?
    package var code: String?
    package var param: String?
    /// For the log only.
    package var detail: String?
    /// Further sentences, each naming a place: "path: strategy,mode, message: …".
    package var errors: [String] = []

    package init(
        _ kind: Kind, status: Int, _ message: String, type: String? = nil, code: String? = nil, param: String? = nil,
        detail: String? = nil, errors: [String] = []
    ) {
        self.kind = kind
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.detail = detail
        self.errors = errors
    }
}
