// ErrorShape: a GatewayError as its client can read it. Clients of OpenAI's API find `error`; those of Portkey's, where
// that has a form of its own, find `status` and `message` beside it; those of Messages find theirs.

package import Core

package enum ErrorShape {
    /// The body of an answer. `endpoint`: nil for paths that are none.
    package static func body(_ error: GatewayError, for endpoint: Endpoint?, requestID: String? = nil) -> Bytes {
        Bytes((endpoint?.isAnthropic == true ? messagesShape(error, requestID) : ownShape(error)).bytes)
    }

    /// The event that tells of an error in a stream. After it the stream ends.
    package static func event(_ error: GatewayError, for endpoint: Endpoint, requestID: String? = nil) -> SSEEvent {
        if endpoint == .messages { return SSEEvent(name: "error", data: Bytes(messagesShape(error, requestID).bytes)) }
        return SSEEvent(data: Bytes(JSONValue.object(JSONObject([("error", openAIError(error))])).bytes))
    }

    private static func openAIError(_ error: GatewayError) -> JSONValue {
        [
            "message": .string(error.message), "type": .string(error.type ?? error.kind.rawValue),
            "param": error.param.map { .string($0) } ?? .null, "code": error.code.map { .string($0) } ?? .null,
        ]
    }

    private static func ownShape(_ error: GatewayError) -> JSONValue {
        var object = JSONObject()
        if isGatewaysOwn(error.kind) {
            object["status"] = "failure"
            object["message"] = .string(error.message)
        }
        if error.status == 404, error.kind == .notFound { object["ok"] = false }
        object["error"] = openAIError(error)
        if !error.errors.isEmpty { object["errors"] = .array(error.errors.map { .string($0) }) }
        return .object(object)
    }

    /// Portkey answers these with `status` and `message`; what comes from providers, guards and time limits, with
    /// `error` alone.
    private static func isGatewaysOwn(_ kind: GatewayError.Kind) -> Bool {
        switch kind {
        case .guardrailDenied, .upstreamError, .upstreamInvalid, .upstreamUnreachable, .timeout: false
        default: true
        }
    }

    private static func messagesShape(_ error: GatewayError, _ requestID: String?) -> JSONValue {
        var inner = JSONObject([("type", .string(messagesType(error.status))), ("message", .string(error.message))])
        if let param = error.param { inner["param"] = .string(param) }
        if let code = error.code { inner["code"] = .string(code) }
        var object = JSONObject([("type", "error"), ("error", .object(inner))])
        if let requestID, !requestID.isEmpty { object["request_id"] = .string(requestID) }
        if !error.errors.isEmpty { object["errors"] = .array(error.errors.map { .string($0) }) }
        return .object(object)
    }

    /// The Messages API has a type for each status; its SDKs choose their exception by the status.
    private static func messagesType(_ status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 402: "billing_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 408, 504: "timeout_error"
        case 503, 529: "overloaded_error"
        case 400..<500: "invalid_request_error"
        default: "api_error"
        }
    }
}
