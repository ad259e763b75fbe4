// GatewayError: what went wrong, with three faces: `kind` for metrics, `message` for the client, `detail` for the log.

package struct GatewayError: Error, Sendable, Equatable {
    /// A bounded set: it becomes a metric label.
    package enum Kind: String, Sendable, CaseIterable {
        case invalidRequest = "invalid_request"
        case invalidConfig = "invalid_config"
        case unauthorized
        case forbidden
        case notFound = "not_found"
        case conflict
        case rateLimited = "rate_limited"
        case budgetExceeded = "budget_exceeded"
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

    /// In a box: an error of one word costs the functions that may throw it next to nothing.
    private var box: Box

    private final class Box: @unchecked Sendable {
        var fields: Fields
        init(_ fields: Fields) { self.fields = fields }
    }

    private struct Fields: Equatable {
        var kind: Kind
        var status: Int
        var message: String
        var type: String?
        var code: String?
        var param: String?
        var detail: String?
        var errors: [String]
        var retryAfter: Int?
    }

    private var fields: Fields {
        get { box.fields }
        set {
            if isKnownUniquelyReferenced(&box) { box.fields = newValue } else { box = Box(newValue) }
        }
    }

    package init(
        _ kind: Kind, status: Int, _ message: String, type: String? = nil, code: String? = nil, param: String? = nil,
        detail: String? = nil, errors: [String] = []
    ) {
        box = Box(
            Fields(
                kind: kind, status: status, message: message, type: type, code: code, param: param, detail: detail,
                errors: errors))
    }

    package static func == (one: GatewayError, other: GatewayError) -> Bool { one.fields == other.fields }

    package var kind: Kind {
        get { fields.kind }
        set { fields.kind = newValue }
    }
    package var status: Int {
        get { fields.status }
        set { fields.status = newValue }
    }
    /// Safe to show to the client.
    package var message: String {
        get { fields.message }
        set { fields.message = newValue }
    }
    /// OpenAI's `error.type`; `kind`'s word when nil.
    package var type: String? {
        get { fields.type }
        set { fields.type = newValue }
    }
    package var code: String? {
        get { fields.code }
        set { fields.code = newValue }
    }
    package var param: String? {
        get { fields.param }
        set { fields.param = newValue }
    }
    /// For the log only.
    package var detail: String? {
        get { fields.detail }
        set { fields.detail = newValue }
    }
    /// Seconds after which the same request may pass.
    package var retryAfter: Int? {
        get { fields.retryAfter }
        set { fields.retryAfter = newValue }
    }
    /// Further sentences, each naming a place: "path: strategy,mode, message: …".
    package var errors: [String] {
        get { fields.errors }
        set { fields.errors = newValue }
    }
}
