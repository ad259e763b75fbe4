// Routes: paths of the control API to their resources. Each resource reads the rest of the path by itself.

import Core
import Gateway

enum Routes {
    static func serve(_ request: ControlRequest, on desk: isolated ControlDesk) async throws(GatewayError) -> JSONValue
    {
        var call = try Call(request)
        let parts = request.path.split(separator: "/").map { Call.decode($0) }
        guard let first = parts.first else { throw missing(request) }
        call.places = Array(parts.dropFirst())
        switch first {
        case "admin":
            call.places = Array(parts.dropFirst(2))
            switch parts.count > 1 ? parts[1] : "" {
            case "workspaces": return try await desk.workspaces(call)
            case "users": return try await desk.users(call)
            default: throw missing(request)
            }
        case "api-keys": return try await desk.apiKeys(call)
        case "configs": return try await desk.configs(call)
        case "virtual-keys": return try await desk.virtualKeys(call)
        case "providers": return try await desk.providers(call)
        case "integrations": return try await desk.integrations(call)
        case "guardrails": return try await desk.guardrails(call)
        case "policies": return try await desk.policies(call)
        case "feedback": return try await desk.feedback(call)
        case "logs": return try await desk.exports(call)
        case "audit-logs": return try desk.auditLogs(call)
        case "model-configs": return try desk.modelPrices(call)
        case "prompts": return try await desk.prompts(call)
        case "collections": return try await desk.collections(call)
        case "labels": return try await desk.labels(call)
        case "partials", "mcp-integrations", "mcp-servers", "scim", "secret-references":
            throw GatewayError(
                .notSupported, status: 501, "\(first) is a part of the control API that this version does not have",
                code: "not_implemented")
        default: throw missing(request)
        }
    }

    static func missing(_ request: ControlRequest) -> GatewayError {
        GatewayError(
            .notFound, status: 404, "the control API has no \(request.method) /v1\(request.path)", code: "not_found")
    }
}

extension Call {
    /// For a resource that does not know what is asked of it.
    var unknown: GatewayError { Routes.missing(request) }
}
