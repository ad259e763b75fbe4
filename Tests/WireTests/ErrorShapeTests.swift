import Core
import Testing

@testable import Wire

@Suite struct ErrorShapeTests {
    private func body(_ error: GatewayError, _ endpoint: Endpoint?, requestID: String? = nil) throws -> JSONValue {
        try json(ErrorShape.body(error, for: endpoint, requestID: requestID))
    }

    @Test func speaksOpenAIAndPortkey() throws {
        let error = GatewayError(
            .invalidConfig, status: 400, "Invalid config passed", type: "invalid_request_error", code: "c", param: "p",
            detail: "secret",
            errors: ["path: strategy, message: x"])
        #expect(
            try body(error, .chatCompletions)
                == json(
                    #"{"status":"failure","message":"Invalid config passed","error":{"message":"Invalid config passed","type":"invalid_request_error","param":"p","code":"c"},"errors":["path: strategy, message: x"]}"#
                ))
    }

    @Test func namesTheKindWhereNoTypeIsGiven() throws {
        #expect(
            try body(GatewayError(.overloaded, status: 503, "busy"), .embeddings)["error"]
                == json(#"{"message":"busy","type":"overloaded","param":null,"code":null}"#))
    }

    @Test(arguments: [
        GatewayError.Kind.guardrailDenied, .upstreamError, .upstreamInvalid, .upstreamUnreachable, .timeout,
    ])
    func hasErrorAloneForWhatIsNotTheGatewaysOwn(_ kind: GatewayError.Kind) throws {
        #expect(try body(GatewayError(kind, status: 502, "x"), .chatCompletions).object?.keys == ["error"])
    }

    @Test func answersUnknownPathsAsPortkeyDoes() throws {
        #expect(
            try body(GatewayError(.notFound, status: 404, "Not Found"), nil)
                == json(
                    #"{"status":"failure","message":"Not Found","ok":false,"error":{"message":"Not Found","type":"not_found","param":null,"code":null}}"#
                ))
    }

    @Test(arguments: [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"), (405, "invalid_request_error"), (408, "timeout_error"), (413, "request_too_large"),
        (415, "invalid_request_error"), (429, "rate_limit_error"), (446, "invalid_request_error"), (500, "api_error"),
        (501, "api_error"),
        (502, "api_error"), (503, "overloaded_error"), (504, "timeout_error"), (529, "overloaded_error"),
    ])
    func speaksMessages(_ status: Int, _ type: String) throws {
        let error = GatewayError(.internalError, status: status, "m \"q\"", type: "other")
        #expect(
            try body(error, .messages, requestID: "r1")
                == ["type": "error", "error": ["type": .string(type), "message": "m \"q\""], "request_id": "r1"])
        #expect(try body(error, .messages)["request_id"] == nil)
        #expect(try body(error, .messages, requestID: "")["request_id"] == nil)
    }

    @Test func keepsCodeAndPlacesOnMessages() throws {
        let value = try body(
            GatewayError(.invalidRequest, status: 400, "m", code: "c", param: "p", errors: ["e"]), .messages)
        #expect(
            value["error"]?["code"]?.string == "c" && value["error"]?["param"]?.string == "p"
                && value["errors"]?[0]?.string == "e")
    }

    @Test func endsStreams() throws {
        let error = GatewayError(.timeout, status: 408, "late", type: "timeout_error")
        let chat = ErrorShape.event(error, for: .chatCompletions)
        #expect(chat.name == "")
        #expect(
            try json(chat.data)
                == json(#"{"error":{"message":"late","type":"timeout_error","param":null,"code":null}}"#))
        let messages = ErrorShape.event(error, for: .messages, requestID: "r")
        #expect(messages.name == "error")
        #expect(
            try json(messages.data)
                == json(#"{"type":"error","error":{"type":"timeout_error","message":"late"},"request_id":"r"}"#))
    }
}
