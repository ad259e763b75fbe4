// Authenticate: step 3, who asks; and the first half of step 4, what the request says about itself.

import Config
import Core
import HTTPServer
import PluginHost
import Telemetry
import Wire

extension Worker {
    /// Finds the gateway key among the headers, in the order of the specification (§2.2). What is no gateway key is a credential
    /// for the provider.
    func authenticate(_ exchange: Exchange) throws(GatewayError) {
        let headers = exchange.headers
        let config = exchange.snapshot.config
        var bearer = headers.bearer
        var apiKey = headers.apiKeyHeader
        if config.keys.isEmpty {
            try refuseWebPages(exchange)
        } else {
            if let presented = headers.portkeyKey, !presented.isEmpty {
                exchange.key = config.key(presented: presented)
            }
            if exchange.key == nil, let presented = bearer, let key = config.key(presented: presented) {
                exchange.key = key
                bearer = nil
            }
            if exchange.key == nil, let presented = apiKey, let key = config.key(presented: presented) {
                exchange.key = key
                apiKey = nil
            }
            if exchange.key == nil, let presented = headers.googleKeyHeader {
                exchange.key = config.key(presented: presented)
            }
            guard let key = exchange.key else {
                let hasAny =
                    headers.portkeyKey?.isEmpty == false || bearer != nil || apiKey != nil
                    || headers.googleKeyHeader != nil
                throw GatewayError(
                    .unauthorized, status: 401,
                    hasAny
                        ? "the key is not one of this gateway's"
                        : "a gateway key is required: send it as x-portkey-api-key, as 'Authorization: Bearer …', or as x-api-key",
                    type: "authentication_error", code: "invalid_api_key")
            }
            // The same key may stand in two headers, as SDKs send it: it must not reach a provider.
            if let presented = bearer, config.key(presented: presented) != nil { bearer = nil }
            if let presented = apiKey, config.key(presented: presented) != nil { apiKey = nil }
            exchange.record.workspace = key.workspace
            exchange.record.principal = key.name
        }
        exchange.clientCredential = bearer ?? apiKey ?? (config.keys.isEmpty ? headers.googleKeyHeader : nil)
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
        exchange.body = exchange.client.body
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
        for object in [exchange.key?.metadata, exchange.snapshot.config.defaults.metadata].compactMap({ $0 }) {
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
