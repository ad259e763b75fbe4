// ShapeAndBuild: steps 7a and 7e (first half): the body as the target wants it, and the upstream request that its adapter makes.

import Config
import Core
import HTTPServer
import Logging
import PluginHost
import Upstream
import Wire

extension Worker {
    /// 7a. The body with the target's parameters, or the client's own bytes when nothing is to be changed.
    func shape(_ exchange: Exchange, _ target: Target) throws(GatewayError) -> Bytes {
        guard exchange.endpoint.hasSegmentTable else { return exchange.body }
        var model: String?
        if let override = exchange.modelWithoutPrefix { model = override }
        if exchange.fields?.model == nil || exchange.fields?.model == "portkey-default" {
            model = target.defaultModel
            if model == nil, exchange.fields?.model == "portkey-default", !target.shape.overrides("model") {
                throw GatewayError(
                    .invalidRequest, status: 400, "no model is named: neither by the request nor for \(target.path)",
                    param: "model")
            }
        }
        // A count takes no parameters beside those that are counted.
        let shape = exchange.endpoint == .countTokens ? target.shape.ofModel : target.shape
        if model == nil, shape.isEmpty { return exchange.body }
        do {
            return try shape.apply(to: exchange.body, model: model)
        } catch {
            throw GatewayError(.invalidRequest, status: 400, "the request body is not a JSON object")
        }
    }

    /// What hooks and adapters see during an attempt.
    func attemptFacts(_ exchange: Exchange, _ target: Target, model: String?, number: Int) -> (BodyView) ->
        ExchangeFacts
    {
        let identity = identity(exchange)
        return { view in
            ExchangeFacts(
                identity: identity, model: model, request: view, provider: target.slug, target: target.path,
                attempt: number,
                attemptCount: number)
        }
    }

    /// The target's secrets by their references, which adapters and signers write into headers and never hold.
    func secrets(_ exchange: Exchange, _ target: Target) -> (String) -> String? {
        let credential: String? =
            switch target.credential {
            case .client: exchange.clientCredential
            case .configured(let secret): secret.reveal()
            case .none: nil
            }
        return { reference in reference == "api_key" ? credential : target.secrets[reference] }
    }

    /// 7e. The upstream request of one attempt.
    func build(
        _ exchange: Exchange, _ target: Target, body: Bytes, facts: ExchangeFacts
    ) throws(GatewayError) -> OutgoingRequest {
        guard target.provider.descriptor.support(for: exchange.endpoint.adapted) != nil else {
            throw GatewayError(
                .notSupported, status: 501, "\(exchange.endpoint.portkeyFunction) is not supported by \(target.slug)")
        }
        let out = OutgoingRequest(method: exchange.client.head.method, credential: secrets(exchange, target))
        let hookExchange = HookExchange(instance: target.provider.instance, facts: facts)
        hookExchange.prepare(facts, deadline: exchange.deadline)
        switch target.provider.build(hookExchange, out) {
        case .proceed: break
        case .deny(let denial):
            throw GatewayError(
                .invalidRequest, status: denial.status == 0 ? 400 : denial.status,
                denial.message ?? "the request cannot be sent to \(target.slug)",
                code: denial.code)
        case .answer, .retry, .fail, .timeout:
            throw GatewayError(
                .pluginFailed, status: 502, "The adapter of \(target.slug) failed (trace id \(exchange.traceID)).",
                type: "plugin_error",
                detail: "build of \(target.slug) gave no request")
        }
        if !out.droppedParameters.isEmpty {
            exchange.droppedParameters = out.droppedParameters
            logger.info(
                "parameters were not carried",
                metadata: [
                    "provider": "\(target.slug)", "parameters": "\(out.droppedParameters)",
                    "trace_id": "\(exchange.traceID)",
                ])
        }
        exchange.providerExchange = hookExchange
        return out
    }

    /// The adapter's headers, over those of the client that the endpoint lets through.
    func outgoingHeaders(_ exchange: Exchange, _ target: Target, _ out: OutgoingRequest) -> [(
        name: String, value: String
    )] {
        var headers = clientHeaders(exchange, target)
        for (name, value) in out.headers {
            let lower = name.lowercased()
            // Forwarded headers replace the adapter's own, credentials among them: that is what listing them means.
            if target.forwardHeaders.contains(lower), headers.contains(where: { $0.name.lowercased() == lower }) {
                continue
            }
            headers.removeAll { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == lower }
            headers.append((name, value))
        }
        return headers
    }

    /// The request as it goes out.
    func upstreamRequest(
        _ exchange: Exchange, _ target: Target, _ out: OutgoingRequest, body: Bytes
    ) throws(GatewayError) -> UpstreamRequest {
        var headers = outgoingHeaders(exchange, target, out)
        if !headers.contains(where: { $0.name.equalsIgnoringCase("user-agent") }) {
            headers.append(("user-agent", "gatehouse/" + HostVersion.text))
        }
        // What is relayed piece by piece is not to be decompressed piece by piece.
        if exchange.isStream || exchange.endpoint == .proxy,
            !headers.contains(where: { $0.name.equalsIgnoringCase("accept-encoding") })
        {
            headers.append(("accept-encoding", "identity"))
        }
        let hasBody = !body.isEmpty || out.body != nil
        if hasBody, !headers.contains(where: { $0.name.equalsIgnoringCase("content-type") }) {
            headers.append(("content-type", exchange.headers.contentType ?? "application/json"))
        }
        var requestBody = UpstreamRequest.Body.none
        if let upload = exchange.upload {
            requestBody = .stream(upload)
        } else if hasBody || out.method == "POST" || out.method == "PUT" || out.method == "PATCH" {
            requestBody = .bytes(out.body ?? body)
        }
        let limit = exchange.endpoint == .proxy ? 0 : exchange.snapshot.config.limits.upstreamBodyBytes
        var request = UpstreamRequest(
            method: out.method, url: out.url, headers: headers, body: requestBody,
            answerLimit: exchange.isStream ? 0 : limit)
        try setURL(out.url, of: &request, exchange, target)
        return request
    }

    /// A URL that a client had a hand in is checked, and so is every address behind it.
    func setURL(_ url: String, of request: inout UpstreamRequest, _ exchange: Exchange, _ target: Target)
        throws(GatewayError)
    {
        guard target.isChecked else { return request.url = url }
        do throws(AddressRefusal) {
            let checked = try exchange.snapshot.addressPolicy.checkURL(url)
            request.url = checked.text
            request.policy = AddressCheck(exchange.snapshot.addressPolicy, checked)
        } catch {
            throw GatewayError(
                .invalidRequest, status: 400, "Invalid custom host: \(error.message)", detail: error.detail)
        }
    }

    private func clientHeaders(_ exchange: Exchange, _ target: Target) -> [(name: String, value: String)] {
        let isProxy = exchange.endpoint == .proxy || exchange.endpoint == .models
        // Headers of the format that the client speaks, where the provider speaks it, too.
        let prefix: StaticString = exchange.endpoint.isAnthropic ? "anthropic-" : "openai-"
        let isNative = target.provider.descriptor.support(for: exchange.endpoint.adapted) == .native
        let hop =
            isProxy
            ? exchange.client.head.value("connection")?.lowercased().split(separator: ",").map(\.trimmed) ?? [] : []
        var kept: [(name: String, value: String)] = []
        kept.reserveCapacity(8)
        for header in exchange.client.head.headers where isKept(header) { kept.append(header) }
        return kept

        func isKept(_ header: (name: String, value: String)) -> Bool {
            let name = header.name
            // What Connection names is of the hop, too (RFC 9110, 7.6.1).
            if !hop.isEmpty, hop.contains(where: { $0 == name.lowercased() }) { return false }
            if !target.forwardHeaders.isEmpty,
                target.forwardHeaders.contains(name.lowercased().replacing("_", with: "-"))
            {
                return Self.isForwardable(name) && !isGatewayCredential(header.value, exchange)
            }
            if isProxy { return Self.isProxied(name) }
            return isNative && name.hasPrefixIgnoringCase(prefix)
        }
    }

    /// Whoever lists a header gets it, but none that frames the message, names the host, or is the gateway's own.
    private static func isForwardable(_ name: String) -> Bool {
        isProxied(name)
            || ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "accept-encoding"].contains(
                name.lowercased())
    }

    /// What opens this gateway, or stands for no key at all, is nothing for a provider.
    private func isGatewayCredential(_ value: String, _ exchange: Exchange) -> Bool {
        let token = RequestHeaders.token(of: value)
        return token == RequestHeaders.placeholder || exchange.snapshot.config.key(presented: String(token)) != nil
            || exchange.directory?.caller(presented: String(token)) != nil
    }

    /// On the generic proxy all headers go on but those of the hop, of the gateway, and credentials.
    private static func isProxied(_ name: String) -> Bool {
        if name.hasPrefixIgnoringCase("x-portkey-") || name.hasPrefixIgnoringCase("x-gatehouse-") { return false }
        return switch name.utf8.count {
        case 2: !name.equalsIgnoringCase("te")
        case 4: !name.equalsIgnoringCase("host")
        case 6: !(name.equalsIgnoringCase("expect") || name.equalsIgnoringCase("cookie"))
        case 7:
            !(name.equalsIgnoringCase("trailer") || name.equalsIgnoringCase("upgrade")
                || name.equalsIgnoringCase("api-key"))
        case 9: !name.equalsIgnoringCase("x-api-key")
        case 10: !(name.equalsIgnoringCase("connection") || name.equalsIgnoringCase("keep-alive"))
        case 13: !name.equalsIgnoringCase("authorization")
        case 14: !(name.equalsIgnoringCase("content-length") || name.equalsIgnoringCase("x-goog-api-key"))
        case 15: !name.equalsIgnoringCase("accept-encoding")
        case 16: !name.equalsIgnoringCase("proxy-connection")
        case 17: !name.equalsIgnoringCase("transfer-encoding")
        case 19: !name.equalsIgnoringCase("proxy-authorization")
        default: true
        }
    }
}
