// RenderPrompt: /v1/prompts/{id}/render and …/completions: a stored prompt with the caller's variables becomes a request like any other,
// which then goes the whole way.

import Config
import Core
import HTTPServer
import Identity
import PluginHost
import Prompts
import Telemetry
import Wire

/// What an exchange asks by a stored prompt.
struct PromptUse {
    var slug: String
    var version: Int
    /// The request that it became.
    var body: Bytes
    var virtualKey: String?
    var config: String?
}

extension Worker {
    /// The prompt's name and what is to be done with it; nil for the control API's own paths.
    static func promptPath(_ exchange: Exchange) -> (name: String, isRender: Bool)? {
        guard exchange.client.head.method == "POST", let segments = exchange.path?.segments, segments.count == 4,
            segments[2] != "partials"
        else { return nil }
        switch segments[3] {
        case "render": return (String(segments[2]), true)
        case "completions": return (String(segments[2]), false)
        default: return nil
        }
    }

    /// The endpoint that the prompt's request is for; nil when it was only to be shown.
    func usePrompt(_ name: String, isRender: Bool, _ exchange: Exchange) throws(GatewayError) -> Endpoint? {
        if let refusal = exchange.refusal { throw refusal }
        let scope = isRender ? "prompts.render" : "completions.write"
        guard exchange.caller?.principal.scopes.contains(scope) ?? true else {
            throw GatewayError(
                .forbidden, status: 403, "this key lacks the permission \(scope)", type: "permission_error",
                code: "permission_denied", param: scope)
        }
        let reference = PromptReference.split(Self.decoded(name))
        guard let prompt = exchange.tenant?.prompts[reference.slug] else {
            throw GatewayError(
                .notFound, status: 404, "there is no prompt \(reference.slug.prefix(128))", code: "prompt_not_found")
        }
        guard let version = prompt.version(reference.suffix) else {
            throw GatewayError(
                .notFound, status: 404,
                "the prompt \(prompt.slug) has no version or label \(reference.suffix.prefix(64))",
                code: "prompt_version_not_found")
        }
        let said = try said(exchange)
        let variables = try variables(said, exchange)
        let (body, isChat) = try rendered(version, said, variables, exchange)
        if isRender {
            exchange.record.endpoint = "prompt_render"
            let answer = JSONValue.object(JSONObject([("success", true), ("data", .object(body))]))
            write(Answer(status: 200, contentType: "application/json", body: Bytes(answer.bytes)), exchange)
            return nil
        }
        exchange.prompt = PromptUse(
            slug: prompt.slug, version: version.number, body: Bytes(JSONValue.object(body).bytes),
            virtualKey: version.virtualKey, config: version.config)
        return isChat ? .chatCompletions : .completions
    }

    /// An "@" may come escaped.
    private static func decoded(_ text: String) -> String { text.replacing("%40", with: "@") }

    private func said(_ exchange: Exchange) throws(GatewayError) -> JSONObject {
        let body = exchange.client.body
        if body.isEmpty { return JSONObject() }
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(parsing: body) } catch {
            throw GatewayError(
                .invalidRequest, status: 400, "the body is not JSON: \(error.reason) at byte \(error.offset)",
                code: "invalid_json")
        }
        guard let object = value.object else {
            throw GatewayError(
                .invalidRequest, status: 400, "the body must be a JSON object, and it is \(value.kindName)",
                code: "invalid_body")
        }
        return object
    }

    private func variables(_ said: JSONObject, _ exchange: Exchange) throws(GatewayError) -> JSONValue {
        guard let value = said["variables"], !value.isNull else { return .object(JSONObject()) }
        guard value.object != nil || exchange.snapshot.config.control.missingVariables == .lenient else {
            throw GatewayError(
                .invalidRequest, status: 400, "variables must be an object, and it is \(value.kindName)",
                code: "invalid_variables", param: "variables")
        }
        return value
    }

    private func rendered(
        _ version: PromptVersion, _ said: JSONObject, _ variables: JSONValue, _ exchange: Exchange
    ) throws(GatewayError) -> (body: JSONObject, isChat: Bool) {
        let partials = exchange.tenant?.partials ?? [:]
        let isLenient = exchange.snapshot.config.control.missingVariables == .lenient
        let renderer = Renderer(missing: isLenient ? .lenient : .strict) { partials[$0] }
        do throws(TemplateError) {
            return try version.rendered(
                version.request(overrides: said, defaultModel: nil), version.values(variables), by: renderer)
        } catch {
            throw GatewayError(
                .invalidRequest, status: 400, error.description, code: "prompt_not_rendered", param: "variables")
        }
    }
}
