import Core
import Testing

@testable import Wire

@Suite struct RouteTableTests {
    private func recognise(_ method: String, _ target: String) throws -> Recognised {
        RouteTable.recognise(method: method, try CanonicalPath(target: target))
    }

    @Test(arguments: [
        ("POST", "/v1/chat/completions", Recognised.endpoint(.chatCompletions)),
        ("POST", "/v1/completions", .endpoint(.completions)),
        ("POST", "/v1/embeddings", .endpoint(.embeddings)),
        ("POST", "/v1/messages", .endpoint(.messages)),
        ("GET", "/v1/models", .endpoint(.models)),
        ("POST", "/v1/proxy/chat/completions", .endpoint(.chatCompletions)),
        ("POST", "//v1/chat/./completions/", .endpoint(.chatCompletions)),
        ("GET", "/", .root),
        ("HEAD", "/", .root),
        ("GET", "/livez", .health(.live)),
        ("GET", "/readyz", .health(.ready)),
        ("GET", "/health", .health(.health)),
        ("GET", "/healthz", .health(.health)),
        ("GET", "/metrics", .metrics),
        ("GET", "/v1/realtime", .realtime),
        ("GET", "/v1/realtime?model=x", .realtime),
        ("POST", "/v1/images/generations", .proxy),
        ("GET", "/v1/models/gpt-4o", .proxy),
        ("DELETE", "/v1/models/ft:x", .proxy),
        ("POST", "/v1/messages/count_tokens?beta=true", .endpoint(.countTokens)),
        ("GET", "/v1/chat/completions/chatcmpl-1", .proxy),
        ("PUT", "/v1/x", .proxy),
        ("PATCH", "/v1/x", .proxy),
        ("POST", "/v1beta/models/gemini:generateContent", .proxy),
        ("GET", "/v1/files?purpose=batch", .proxy),
    ])
    func recognises(_ method: String, _ target: String, _ expected: Recognised) throws {
        #expect(try recognise(method, target) == expected)
    }

    @Test(arguments: [
        "api-keys", "virtual-keys", "configs", "prompts", "logs", "feedback", "analytics", "admin", "guardrails",
        "providers",
        "integrations", "collections", "labels", "partials", "audit-logs", "policies", "mcp-servers", "scim",
    ])
    func keepsPortkeysResourcesToItself(_ name: String) throws {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            #expect(try recognise(method, "/v1/\(name)") == .reserved(name))
            #expect(try recognise(method, "/v1/\(name)/x/y") == .reserved(name))
        }
        #expect(try recognise("POST", "/v1/proxy/\(name)") == .reserved(name))
        #expect(try recognise("GET", "/v1/\(name.uppercased())") == .notFound)
    }

    @Test(arguments: [
        ("GET", "/v1/chat/completions", "POST"), ("DELETE", "/v1/messages", "POST"), ("POST", "/v1/models", "GET"),
        ("POST", "/", "GET, HEAD"), ("POST", "/metrics", "GET, HEAD"),
        ("OPTIONS", "/v1/x", "GET, POST, PUT, PATCH, DELETE"),
        ("HEAD", "/v1/files", "GET, POST, PUT, PATCH, DELETE"),
    ])
    func namesTheMethodsThatAPathTakes(_ method: String, _ target: String, _ allow: String) throws {
        #expect(try recognise(method, target) == .methodNotAllowed(allow: allow))
    }

    @Test(arguments: [
        "/v1", "/v2/chat/completions", "/chat/completions", "/V1/chat/completions", "/v1beta", "/favicon.ico",
        "/v1x/models",
    ])
    func findsNothingElse(_ target: String) throws {
        #expect(try recognise("POST", target) == .notFound)
    }

    @Test(arguments: [
        "/v1/Chat/Completions", "/v1/chat/COMPLETIONS", "/v1/chat/completions;x=1", "/v1/chat;a/completions",
        "/v1/chat%252Fcompletions",
        "/v1/%2563hat/completions", "/v1/chat/completions%20", "/v1/x/%252e%252e/messages", "/v1/configs;x",
    ])
    func relaysNoDisguisedEndpoint(_ target: String) throws {
        #expect(try recognise("POST", target) == .notFound)
    }

    @Test func endpointsKnowTheirNames() {
        #expect(
            Endpoint.allCases.map(\.rawValue) == [
                "chat_completions", "completions", "embeddings", "messages", "count_tokens", "models", "proxy",
            ])
        #expect(
            Endpoint.allCases.filter(\.hasSegmentTable)
                == [.chatCompletions, .completions, .embeddings, .messages, .countTokens])
        #expect(
            Endpoint.allCases.map(\.portkeyFunction) == [
                "chatComplete", "complete", "embed", "messages", "messagesCountTokens", "models", "proxy",
            ])
    }
}
