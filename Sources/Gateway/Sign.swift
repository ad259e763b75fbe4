// Sign: the end of step 7e. A target whose options name a plugin for "auth" has its requests signed by it, once per attempt, when
// method, URL, headers and body are final. What it adds is sent; nothing is sent without it.

import Config
import Core
import PluginHost
import Upstream

/// The instance that signs a target's requests.
struct Signer: Sendable {
    let instance: PluginInstance
    let plugin: String
    let timeoutMilliseconds: Int
    /// Its configuration, which tells targets apart like a credential.
    let fingerprint: String
}

extension PlanBuilder {
    /// `auth`: the plugin's id, or {"plugin": id, …} with what its create() gets.
    func signer(_ auth: JSONValue?, of target: TargetConfig, _ origin: ConfigOrigin) throws(GatewayError) -> Signer? {
        guard let auth, !auth.isNull else { return nil }
        func refused(_ message: String) -> GatewayError {
            GatewayError(
                .invalidConfig, status: 400, "Invalid config passed",
                errors: ["path: \((target.pointer / "auth").tokens.joined(separator: ",")), message: \(message)"])
        }
        guard let plugin = auth.string ?? auth["plugin"]?.string else {
            throw refused("expected a plugin's id, or an object with \"plugin\"")
        }
        guard let library = snapshot.plugins.libraries.first(where: { $0.manifest.id == plugin }), library.canSign
        else {
            throw refused("no plugin \(plugin) signs requests")
        }
        if origin == .request, !allowInline.allows(check: plugin + ".auth") {
            throw GatewayError(
                .invalidConfig, status: 400, "the plugin \(plugin) may not be used by configs of requests here",
                code: "inline_plugin_blocked")
        }
        var parameters = auth.object ?? JSONObject()
        parameters["plugin"] = nil
        do throws(PluginCreationError) {
            let instance = try PluginInstance.create(
                library: library, interface: .auth, id: "auth", check: nil, config: .object(parameters),
                services: snapshot.services, isOperators: origin.isFile)
            let settings = snapshot.config.plugins.settings[plugin]
            return Signer(
                instance: instance, plugin: plugin,
                timeoutMilliseconds: settings?.timeoutMilliseconds ?? library.manifest.defaults.timeoutMilliseconds
                    ?? 5_000,
                fingerprint: plugin + JSONValue.object(parameters).text)
        } catch {
            throw refused(error.errors.map { "\($0.pointer): \($0.message)" }.joined(separator: "; "))
        }
    }
}

extension Worker {
    func sign(
        _ request: UpstreamRequest, by signer: Signer, _ exchange: Exchange, _ target: Target, _ facts: ExchangeFacts
    ) async throws(GatewayError) -> UpstreamRequest {
        let body: Bytes? = if case .bytes(let bytes) = request.body { bytes } else { nil }
        let out = OutgoingRequest(
            method: request.method, url: request.url, headers: request.headers, body: body,
            credential: secrets(exchange, target))
        let hookExchange = exchange.hookExchange(signer.instance, facts)
        let deadline = min(Deadline.after(milliseconds: signer.timeoutMilliseconds), exchange.deadline)
        hookExchange.prepare(facts, deadline: deadline)
        let decision = await runner.run(
            .sign(Signing(out)), on: hookExchange, presentedBytes: body?.count ?? 0, by: deadline)
        try exchange.checkClient()
        switch decision.verdict {
        case .proceed: break
        case .timeout:
            // The plugin may still have the exchange in its hands.
            exchange.discardHookExchange(signer.instance)
            throw unsigned(signer, exchange, target, "no signature within \(signer.timeoutMilliseconds) ms")
        case .fail(let reason): throw unsigned(signer, exchange, target, reason)
        case .deny, .answer, .retry: throw unsigned(signer, exchange, target, "the verdict is none of sign()'s")
        }
        var signed = request
        signed.method = out.method
        signed.headers = out.headers
        if out.url != request.url { try setURL(out.url, of: &signed, exchange, target) }
        if let body = out.body { signed.body = .bytes(body) }
        return signed
    }

    private func unsigned(_ signer: Signer, _ exchange: Exchange, _ target: Target, _ reason: String) -> GatewayError {
        GatewayError(
            .pluginFailed, status: 502,
            "The plugin \(signer.plugin) could not sign the request to \(target.slug) (trace id \(exchange.traceID)).",
            type: "plugin_error", code: "signing_failed", detail: reason)
    }
}
