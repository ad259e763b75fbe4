// RequestHeaders: the headers that the gateway reads, found in one pass.

import Core

final class RequestHeaders {
    var authorization: String?
    var apiKeyHeader: String?
    var googleKeyHeader: String?
    var contentType: String?
    var contentEncoding: String?
    var traceparent: String?
    var host: String?
    var origin: String?
    var fetchSite: String?

    // x-portkey-…, by what follows.
    var portkeyKey: String?
    var provider: String?
    var config: String?
    var virtualKey: String?
    var traceID: String?
    var parentSpanID: String?
    var spanID: String?
    var spanName: String?
    var metadata: String?
    var cache: String?
    var forceRefresh = false
    var cacheNamespace: String?
    var isDebugOff = false
    /// x-gatehouse-receipts: the guards' receipts go into the answer.
    var wantsReceipts = false
    var customHost: String?
    var forwardHeaders: String?
    var requestTimeout: String?
    var strict: String?
    var defaultInputGuardrails: String?
    var defaultOutputGuardrails: String?
    /// Every other x-portkey- header: an option for the adapter, by its name in a config ("anthropic_version").
    var options: [(name: String, value: String)] = []
    /// x-gatehouse-receipts and the like are not the provider's business.
    static let ownPrefix = "x-gatehouse-"
    static let portkeyPrefix = "x-portkey-"

    init(_ headers: [(name: String, value: String)]) {
        for (name, value) in headers {
            switch name.utf8.count {
            case 4: if equal(name, "host") { host = value }
            case 6: if equal(name, "origin") { origin = value }
            case 9: if equal(name, "x-api-key") { apiKeyHeader = value }
            case 11: if equal(name, "traceparent") { traceparent = value }
            case 12: if equal(name, "content-type") { contentType = value }
            case 13: if equal(name, "authorization") { authorization = value }
            case 14:
                if equal(name, "x-goog-api-key") {
                    googleKeyHeader = value
                } else if equal(name, "sec-fetch-site") {
                    fetchSite = value
                } else {
                    readPortkey(name, value)
                }
            case 16: if equal(name, "content-encoding") { contentEncoding = value } else { readPortkey(name, value) }
            case 11...: readPortkey(name, value)
            default: break
            }
        }
    }

    private func equal(_ name: String, _ lowercase: StaticString) -> Bool { name.equalsIgnoringCase(lowercase) }

    private func readPortkey(_ name: String, _ value: String) {
        guard name.hasPrefixIgnoringCase("x-portkey-") else {
            if equal(name, "x-gatehouse-receipts") { wantsReceipts = value.lowercased() == "true" }
            return
        }
        let key = String(Substring(name.utf8.dropFirst(10))).lowercased()
        switch key {
        case "api-key": portkeyKey = value
        case "provider": provider = value
        case "config": config = value
        case "virtual-key": virtualKey = value
        case "trace-id": traceID = value
        case "parent-span-id": parentSpanID = value
        case "span-id": spanID = value
        case "span-name": spanName = value
        case "metadata": metadata = value
        case "cache": cache = value
        case "cache-force-refresh": forceRefresh = value.lowercased() == "true"
        case "cache-namespace": cacheNamespace = value
        case "debug": isDebugOff = value.lowercased() == "false"
        case "custom-host": customHost = value
        case "forward-headers": forwardHeaders = value
        case "request-timeout": requestTimeout = value
        case "strict-open-ai-compliance": strict = value
        case "default-input-guardrails": defaultInputGuardrails = value
        case "default-output-guardrails": defaultOutputGuardrails = value
        case "package-version", "runtime", "runtime-version",
            "sensitive-headers", "mode",
            "retry-count", "audio-file-duration", "fetch-integrated-models":
            break
        default: options.append((key.replacing("-", with: "_"), value))
        }
    }

    /// What Portkey's SDK sends in the place of a key when it has none.
    static let placeholder = "OPENAI_API_KEY"

    /// A credential without the word in front of it.
    static func token(of value: String) -> Substring {
        value.hasPrefixIgnoringCase("bearer ") ? value.dropFirst(7) : value[...]
    }

    /// The bearer token; the placeholder is none.
    var bearer: String? {
        guard let authorization else { return nil }
        let token = Self.token(of: authorization)
        return token.isEmpty || token == Self.placeholder ? nil : String(token)
    }
}
