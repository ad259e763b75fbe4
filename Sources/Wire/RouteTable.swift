// RouteTable: what a method and a canonical path ask for. Only a table decides; nothing is guessed from prefixes but
// the proxy.

package enum Recognised: Sendable, Equatable {
    /// One of the shapes that the gateway reads.
    case endpoint(Endpoint)
    /// Anything else that a provider may answer: relayed as it is.
    case proxy
    case root
    case health(Health)
    case metrics
    /// A resource of the control API, by its first word. Never sent to a provider: its bodies hold keys and configs.
    case reserved(String)
    /// /v1/realtime, which needs a WebSocket.
    case realtime
    case methodNotAllowed(allow: String)
    case notFound

    package enum Health: String, Sendable, CaseIterable { case live, ready, health }
}

package enum RouteTable {
    package static func recognise(method: String, _ path: CanonicalPath) -> Recognised {
        let text = path.path
        if let known = endpoint(text) {
            if method == known.method { return .endpoint(known.endpoint) }
            return .methodNotAllowed(allow: known.method)
        }
        if let page = pages[text] {
            return method == "GET" || method == "HEAD" ? page : .methodNotAllowed(allow: "GET, HEAD")
        }
        if text == "/v1/realtime" { return .realtime }
        let segments = path.segments
        guard let version = segments.first, version == "v1" || version == "v1beta", segments.count > 1 else {
            return .notFound
        }
        if version == "v1" {
            let name = String(segments[1])
            if reserved.contains(name) { return .reserved(name) }
            if isDisguised(path) { return .notFound }
        }
        return proxied.contains(method) ? .proxy : .methodNotAllowed(allow: proxied.joined(separator: ", "))
    }

    /// A switch on constants: the data path's four come first, without hashing.
    private static func endpoint(_ path: String) -> (endpoint: Endpoint, method: String)? {
        switch path {
        case "/v1/chat/completions": (.chatCompletions, "POST")
        case "/v1/completions": (.completions, "POST")
        case "/v1/embeddings": (.embeddings, "POST")
        case "/v1/messages": (.messages, "POST")
        case "/v1/messages/count_tokens": (.countTokens, "POST")
        case "/v1/models": (.models, "GET")
        default: nil
        }
    }

    private static let pages: [String: Recognised] = [
        "/": .root,
        "/metrics": .metrics,
        "/livez": .health(.live), "/health/live": .health(.live),
        "/readyz": .health(.ready), "/health/ready": .health(.ready),
        "/healthz": .health(.health), "/health": .health(.health),
    ]

    private static let proxied = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    /// Portkey's own resources (its spec's 1.3 to 1.5): /v1/<word> and everything below.
    package static let reserved: Set<String> = [
        "admin", "analytics", "api-keys", "audit-logs", "collections", "configs", "feedback", "guardrails",
        "integrations", "labels",
        "logs", "mcp-integrations", "mcp-servers", "model-configs", "partials", "policies", "prompts", "providers",
        "scim",
        "secret-references", "virtual-keys",
    ]

    /// True for a path that is not one of the table's but that a forgiving server might read as one:
    /// "/v1/Chat/completions", "/v1/messages;x". Relayed, it would walk around what guards the plain spelling.
    private static func isDisguised(_ path: CanonicalPath) -> Bool {
        let skeleton = path.skeleton
        guard skeleton != path.path else { return false }
        if endpoint(skeleton) != nil || skeleton == "/v1/realtime" { return true }
        // An escape of an escape that hides slashes or dots.
        let segments = skeleton.split(separator: "/")
        if segments.contains(".") || segments.contains("..") { return true }
        return segments.count > 1 && reserved.contains(String(segments[1]))
    }
}
