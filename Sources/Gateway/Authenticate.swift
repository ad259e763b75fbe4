// Authenticate: step 3, who asks; and the first half of step 4, what the request says about itself.

import Config
import Core
import HTTPServer
import PluginHost
import Routing
import Telemetry
import Wire

extension Worker {
    /// Finds the gateway key among the headers, in the order of the specification (§2.2). What is no gateway key is a credential
    /// for the provider.
    func authenticate(_ exchange: Exchange) throws(GatewayError) {
        let headers = exchange.headers
        let config = exchange.snapshot.config
        let isOpen = config.keys.isEmpty && exchange.directory?.isLocal ?? true
        var bearer = headers.bearer
        var apiKey = headers.apiKeyHeader
        if isOpen { try refuseWebPages(exchange) }
        if !isOpen || exchange.directory != nil {
            if let presented = headers.portkeyKey, !presented.isEmpty { identify(presented, exchange) }
            // The same key may stand in two headers, as SDKs send it: it must not reach a provider.
            if let presented = bearer, identify(presented, exchange) { bearer = nil }
            if let presented = apiKey, identify(presented, exchange) { apiKey = nil }
            if exchange.key == nil, let presented = headers.googleKeyHeader { identify(presented, exchange) }
        }
        if exchange.key == nil, !isOpen { throw refusal(exchange) }
        exchange.tenant = exchange.caller?.tenant ?? tenant(exchange)
        exchange.record.workspace = exchange.key?.workspace ?? exchange.tenant?.slug
        exchange.record.principal = exchange.key?.name
        exchange.clientCredential = bearer ?? apiKey ?? (isOpen ? headers.googleKeyHeader : nil)
    }

    /// Whether a text is a gateway key. The first one found is who asks.
    @discardableResult
    private func identify(_ presented: String, _ exchange: Exchange) -> Bool {
        if let key = exchange.snapshot.config.key(presented: presented) {
            exchange.key = exchange.key ?? key
            return true
        }
        guard let caller = exchange.directory?.caller(presented: presented) else { return false }
        if exchange.key == nil {
            exchange.key = caller.key
            exchange.caller = caller
            caller.noteUse()
        }
        return true
    }

    /// The workspace of a key of the file, and of programs that need none.
    private func tenant(_ exchange: Exchange) -> Tenant? {
        exchange.directory?.tenants[exchange.key?.workspace ?? Directory.defaultWorkspace]
    }

    /// The same for a key that is not there, wrong or expired. Whoever keeps guessing waits.
    private func refusal(_ exchange: Exchange) -> GatewayError {
        let headers = exchange.headers
        let hasAny =
            headers.portkeyKey?.isEmpty == false || headers.bearer != nil || headers.apiKeyHeader != nil
            || headers.googleKeyHeader != nil
        if hasAny {
            let guesses = RateLimit(
                subject: "guesses/\(exchange.client.clientAddress)", measure: .requests, unit: .minute, value: 60)
            let admission = services.rates.admit([guesses], tokens: 0, now: WallClock.now())
            if !admission.isAdmitted {
                var error = GatewayError(
                    .rateLimited, status: 429, "too many requests with keys that are not this gateway's",
                    type: "rate_limit_error", code: "too_many_failures")
                error.retryAfter = admission.retryAfterSeconds
                return error
            }
        }
        return GatewayError(
            .unauthorized, status: 401,
            hasAny
                ? "the key is not one of this gateway's"
                : "a gateway key is required: send it as x-portkey-api-key, as 'Authorization: Bearer …', or as x-api-key",
            type: "authentication_error", code: "invalid_api_key")
    }

    /// Step 3 comes before the body: what nobody may send is not kept. The refusal waits for its place in the pipeline.
    nonisolated func admits(_ exchange: Exchange) -> Bool {
        nonisolated(unsafe) let exchange = exchange
        return assumeIsolated { worker in
            do throws(GatewayError) {
                try worker.authenticate(exchange)
                return true
            } catch {
                exchange.refusal = error
                return false
            }
        }
    }

    /// Before anything can be refused: SDKs send a failed request again when its answer has no trace id.
    func trace(_ exchange: Exchange) {
        exchange.traceID = traceID(exchange.headers)
        exchange.record.traceID = exchange.traceID
    }

    private func traceID(_ headers: RequestHeaders) -> String {
        if let given = headers.traceID, !given.isEmpty, given.utf8.count <= 256,
            given.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        {
            return given
        }
        // W3C Trace Context: version "-" trace id (32 hex digits) "-" parent id "-" flags.
        if let parent = headers.traceparent {
            let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
            if parts.count >= 4, parts[1].utf8.count == 32,
                parts[1].utf8.allSatisfy({ JSONString.hexValue($0) != nil }),
                parts[1].contains(where: { $0 != "0" })
            {
                return String(parts[1])
            }
        }
        return random.uuid()
    }

    /// Without keys the gateway is for programs on this machine, not for pages in its browser: those could be anybody's
    /// (DNS rebinding, cross-site requests).
    func refuseWebPages(_ exchange: Exchange) throws(GatewayError) {
        guard !exchange.snapshot.config.listen.allowPublicWithoutKeys else { return }
        let headers = exchange.headers
        let isForeignSite = headers.fetchSite.map { $0 != "none" && $0 != "same-origin" } ?? false
        let isForeignOrigin = headers.origin.map { !Self.isLocal(origin: $0) } ?? false
        var isForeignHost = false
        if let host = headers.host, host != knownLocalHost {
            isForeignHost = !Self.isLocal(host: host)
            if !isForeignHost { knownLocalHost = host }
        }
        if isForeignSite || isForeignOrigin || isForeignHost {
            throw GatewayError(
                .unauthorized, status: 403,
                "this gateway runs without keys and answers only programs on its own machine; configure keys to open it"
            )
        }
    }

    private static func isLocal(origin: String) -> Bool {
        guard origin.hasPrefixIgnoringCase("http://") || origin.hasPrefixIgnoringCase("https://") else { return false }
        return isLocal(host: String(origin.drop { $0 != "/" }.dropFirst(2)))
    }

    private static func isLocal(host: String) -> Bool {
        var name = host.lowercased()[...]
        if name.hasPrefix("[") {
            name = name.dropFirst().prefix { $0 != "]" }
        } else {
            name = name.prefix { $0 != ":" }
        }
        return name == "localhost" || name == "::1" || name.hasSuffix(".localhost") || isLoopbackAddress(name)
    }

    private static func isLoopbackAddress(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    // MARK: The body

    /// Reads what the gateway needs of the body and the metadata, and proves that a JSON body is JSON.
    func readRequest(_ exchange: Exchange) throws(GatewayError) {
        let headers = exchange.headers
        if let encoding = headers.contentEncoding?.lowercased(), !encoding.isEmpty, encoding != "identity",
            exchange.upload == nil
        {
            throw GatewayError(
                .unsupportedMediaType, status: 415,
                "compressed request bodies are not accepted: send the body without Content-Encoding")
        }
        exchange.body = exchange.prompt?.body ?? exchange.client.body
        exchange.record.bytesIn = exchange.body.count
        if exchange.endpoint.hasSegmentTable {
            if let type = headers.contentType, !Self.isJSON(type) {
                throw GatewayError(
                    .unsupportedMediaType, status: 415,
                    "Invalid content type passed: this endpoint takes application/json")
            }
            let fields = try RequestFields(reading: exchange.body, for: exchange.endpoint)
            exchange.fields = fields
            exchange.isStream = fields.isStream && exchange.endpoint.canStream
        }
        exchange.record.isStream = exchange.isStream
        exchange.record.endpoint = exchange.endpoint.rawValue
        exchange.record.requestModel = exchange.fields?.model
        var metadata = Metadata()
        if let header = headers.metadata { metadata = try Metadata(header: header) }
        if let fields = exchange.fields { metadata.fold(under: fields) }
        exchange.metadata = metadata.pairs
        if let prompt = exchange.prompt {
            exchange.metadata.removeAll { $0.key == "_prompt" || $0.key == "_prompt_version" }
            exchange.metadata += [("_prompt", prompt.slug), ("_prompt_version", String(prompt.version))]
        }
        for object in [
            exchange.tenant?.metadata, exchange.key?.metadata, exchange.snapshot.config.defaults.metadata,
        ].compactMap({ $0 }) {
            for member in object.members where !exchange.metadata.contains(where: { $0.key == member.key }) {
                exchange.metadata.append((member.key, member.value.string ?? member.value.text))
            }
        }
        if !exchange.metadata.contains(where: { $0.key == "_user" }), let user = exchange.fields?.user {
            exchange.metadata.append(("_user", user))
        }
    }

    private static func isJSON(_ type: String) -> Bool {
        if type == "application/json" { return true }
        let name = type.lowercased().split(separator: ";").first?.trimmed
        return name == "application/json" || name?.hasSuffix("+json") == true
    }

    /// A hook has changed the request's body.
    func replaceBody(_ body: Bytes, _ exchange: Exchange) throws(GatewayError) {
        let fields = try RequestFields(reading: body, for: exchange.endpoint)
        exchange.body = body
        exchange.fields = fields
    }

    func identity(_ exchange: Exchange) -> ExchangeIdentity {
        if let identity = exchange.identity { return identity }
        let identity = ExchangeIdentity(
            endpoint: exchange.endpoint.adapted, method: exchange.client.head.method,
            path: exchange.pathAndQuery, traceID: exchange.traceID,
            workspace: exchange.key?.workspace, principal: exchange.key?.name, isStream: exchange.isStream,
            metadata: exchange.metadata,
            requestHeaders: exchange.client.head.headers, isAsked: exchange.asked != nil)
        exchange.identity = identity
        return identity
    }
}
