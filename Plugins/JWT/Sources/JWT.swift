// jwt.verify: a JSON Web Token in a header of the request, checked against a key set that is published somewhere.

public import CGatehouse
import Glibc
import PluginSDK

struct Verify: Guardrail {
    static let id = "verify"

    private let header: String
    private let algorithms: Set<Algorithm>
    private let rules: ClaimRules
    private let keys: KeySet

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let url = config["jwksUri"]?.string, url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw ConfigError("Must be an http or https URL", at: "/jwksUri")
        }
        header = config["headerKey"]?.string ?? "Authorization"
        var algorithms: Set<Algorithm> = []
        for (index, name) in (config["algorithms"]?.array ?? []).enumerated() {
            guard let algorithm = name.string.flatMap(Algorithm.init(rawValue:)) else {
                let known = Algorithm.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigError("Must be one of \(known)", at: "/algorithms/\(index)")
            }
            algorithms.insert(algorithm)
        }
        self.algorithms = algorithms.isEmpty ? Set(Algorithm.allCases) : algorithms
        var rules = ClaimRules()
        rules.issuers = Self.texts(config["issuer"])
        rules.audiences = Self.texts(config["audience"])
        rules.required = (config["claims"]?.object ?? JSON.Object()).map { ($0.key, $0.value) }
        rules.toleranceSeconds = try Self.span("clockTolerance", config, default: 5)
        if config["maxTokenAge"]?.isNull != true {
            rules.maximumAgeSeconds = try Self.span("maxTokenAge", config, default: 86_400)
        }
        self.rules = rules
        keys = KeySet(
            url, maximumAgeSeconds: try Self.span("cacheMaxAge", config, default: 86_400),
            timeoutMilliseconds: config["timeout"]?.int ?? 3000, host: host)
    }

    private static func texts(_ value: JSON?) -> [String] {
        value?.array?.compactMap(\.string) ?? value?.string.map { [$0] } ?? []
    }

    private static func span(_ name: String, _ config: JSON, default missing: Int) throws(ConfigError) -> Int {
        guard let value = config[name] else { return missing }
        guard let seconds = TimeSpan.seconds(value) else {
            throw ConfigError("Must be seconds, or a text like \"90s\", \"15m\", \"12h\" or \"1d\"", at: "/" + name)
        }
        return seconds
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let token: Token
        do throws(TokenRefusal) {
            guard let text = exchange.header(header)?.string else {
                throw TokenRefusal("the request has no header \(header)")
            }
            token = try Token(Self.withoutScheme(text), allowed: algorithms)
            // What is refused anyway needs no keys.
            try rules.check(token.claims, now: Self.now())
        } catch {
            return try Self.report(exchange, error)
        }
        if let known = keys.keys(for: token) {
            return try Self.judge(token, known, exchange)
        }
        let call = try exchange.pend()
        keys.fetch { result in
            do throws(PluginFailure) {
                call.complete(try Self.judge(token, result.get(), call.exchange))
            } catch {
                call.fail(error)
            }
        }
        return .pending
    }

    private static func judge(_ token: Token, _ keys: KeySet.Keys, _ exchange: Exchange) throws(PluginFailure)
        -> Verdict
    {
        guard keys.fits(token) else {
            return try report(exchange, TokenRefusal("the key set has no key for this token"))
        }
        return try report(exchange, keys.accepts(token) ? nil : TokenRefusal("the token's signature is not valid"))
    }

    private static func report(_ exchange: Exchange, _ refusal: TokenRefusal?) throws(PluginFailure) -> Verdict {
        let explanation = refusal.map { "Not accepted: \($0.reason)." } ?? "The token is valid."
        try exchange.report(
            passed: refusal == nil, data: ["verdict": .bool(refusal == nil), "explanation": .string(explanation)])
        return .proceed
    }

    /// The token of "Bearer TOKEN" (RFC 6750, 2.1), or of a header that has nothing else.
    private static func withoutScheme(_ value: String) -> String {
        let parts = value.utf8.split(separator: UInt8(ascii: " "))
        guard parts.count == 2, String(decoding: parts[0], as: UTF8.self).lowercased() == "bearer" else { return value }
        return String(decoding: parts[1], as: UTF8.self)
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec)
    }
}

private let plugin = Plugin(id: "jwt", version: "1.0.0", checks: [Verify.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
