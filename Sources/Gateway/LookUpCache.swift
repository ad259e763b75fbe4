// LookUpCache: step 7c, and the way into the cache. The key is the tenant, the provider, the request as it goes out: credentials,
// resolved URL, headers, body (but for its stream members); and the namespace or the metadata.

import Cache
import Config
import Core
import Digests
import PluginHost
import Telemetry
import Wire

extension Worker {
    /// The cached answer, if there is one. Sets the exchange's cache status and key.
    func lookUpCache(_ exchange: Exchange, _ target: Target, _ out: OutgoingRequest, body: Bytes) -> Answer? {
        // A forwarded header may change the answer in ways that the key does not know.
        guard let policy = target.cache, target.forwardHeaders.isEmpty, exchange.endpoint.hasSegmentTable,
            exchange.endpoint != .countTokens,
            !exchange.headers.isDebugOff
        else {
            exchange.record.cacheStatus = .disabled
            return nil
        }
        let key = cacheKey(exchange, target, out, body: body)
        exchange.cacheKey = key
        if exchange.headers.forceRefresh {
            exchange.record.cacheStatus = .refresh
            return nil
        }
        guard let entry = services.cache.get(key) else {
            exchange.record.cacheStatus = policy.isSemantic ? .semanticMiss : .miss
            return nil
        }
        exchange.record.cacheStatus = .hit
        let answer = Answer(
            status: entry.status, contentType: entry.contentType, headers: entry.headers.map { ($0.name, $0.value) },
            body: entry.body)
        answer.isCanonical = true
        let age = max(0, (WallClock.now() - entry.storedAt) / 1_000_000_000)
        answer.headers.append(("age", String(age)))
        return answer
    }

    func storeInCache(_ answer: Answer, _ exchange: Exchange, _ target: Target) {
        guard let key = exchange.cacheKey, let policy = target.cache, answer.status == 200,
            exchange.record.cacheStatus != .hit,
            !exchange.guardResults.hasSoftFailure
        else { return }
        services.cache.put(
            key, CacheEntry(status: 200, contentType: answer.contentType, body: answer.body, form: .whole),
            forSeconds: policy.maximumAgeSeconds)
    }

    /// How the answer travels: streamed and whole ones share an entry.
    private static func isNegotiated(_ name: String) -> Bool { name == "accept" || name == "accept-encoding" }

    private func cacheKey(_ exchange: Exchange, _ target: Target, _ out: OutgoingRequest, body: Bytes) -> CacheKey {
        var material = BytesBuilder(capacity: body.count + 512)
        func add(_ text: String) {
            // Each part with its length, so that no two sets of parts give the same text.
            material.append("\(text.utf8.count):")
            material.append(text)
        }
        add(exchange.endpoint.rawValue)
        add(exchange.key?.workspace ?? exchange.tenant?.slug ?? "")
        switch target.credential {
        case .configured(let secret): add(secret.reveal())
        case .client: add(exchange.clientCredential ?? "")
        case .none: add("")
        }
        for (name, value) in target.secrets.sorted(by: { $0.key < $1.key }) {
            add(name)
            add(value)
        }
        add(target.signer?.fingerprint ?? "")
        add(target.slug)
        add(out.method)
        add(out.url)
        // The client's own for the provider are among them, as anthropic-beta and openai-organization.
        let headers = outgoingHeaders(exchange, target, out).map { (name: $0.name.lowercased(), value: $0.value) }
        for header in headers.sorted(by: { ($0.name, $0.value) < ($1.name, $1.value) })
        where !Self.isNegotiated(header.name) {
            add(header.name)
            add(header.value)
        }
        add(target.isStrict ? "strict" : "")
        // Answers are kept as the guards left them: only for requests that the same guards would judge.
        for stage in (exchange.plan?.mandatory.after ?? []) + target.guards.after { add(stage.fingerprint) }
        if let namespace = exchange.headers.cacheNamespace {
            add("namespace")
            add(namespace)
        } else {
            add("metadata")
            for (key, value) in exchange.metadata.sorted(by: { ($0.key, $0.value) < ($1.key, $1.value) }) {
                add(key)
                add(value)
            }
        }
        var shaped = JSONEditor.remove(JSONPointer(["stream"]), from: body)
        shaped = JSONEditor.remove(JSONPointer(["stream_options"]), from: shaped)
        material.append(shaped)
        let bytes = material.finish()
        let digest = withExtendedLifetime(bytes) { SHA256.hash(bytes.buffer) }
        return digest.withUnsafeBytes { CacheKey(digest: $0) } ?? CacheKey(0, 0, 0, 0)
    }
}
