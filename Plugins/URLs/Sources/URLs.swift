// Checks of the addresses in what was written: urls.check goes by lists, urls.valid (Portkey's validUrls) tries them.

public import CGatehouse
import PluginSDK

/// More addresses than this are not tried: a text could make the gateway call the whole world.
private let maximumTrials = 32

struct Check: Guardrail {
    static let id = "check"

    private let allowed: [HostPattern]
    private let denied: [HostPattern]
    private let schemes: [String]
    private let trial: Trial?
    private let timeoutMilliseconds: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        allowed = try Self.patterns("allow", config)
        denied = try Self.patterns("deny", config)
        schemes = config["schemes"]?.array?.compactMap { $0.string?.lowercased() } ?? ["http", "https"]
        trial = config["resolves"]?.bool == true ? .head : nil
        timeoutMilliseconds = config["timeout"]?.int ?? 3000
    }

    private static func patterns(_ name: String, _ config: JSON) throws(ConfigError) -> [HostPattern] {
        var patterns: [HostPattern] = []
        for (index, element) in (config[name]?.array ?? []).enumerated() {
            guard let pattern = element.string.flatMap(HostPattern.init) else {
                throw ConfigError("Must be a host like example.com, or *.example.com", at: "/\(name)/\(index)")
            }
            patterns.append(pattern)
        }
        return patterns
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let found = addresses(exchange, side)
        let refused = found.filter { !isAllowed($0) }
        guard let trial, refused.isEmpty, !found.isEmpty else { return try report(exchange, found, refused) }
        guard found.count <= maximumTrials else {
            throw PluginFailure("\(found.count) addresses are too many to try; \(maximumTrials) are the limit")
        }
        let call = try exchange.pend()
        Probe.ask(
            found.map { trial.request($0, timeoutMilliseconds: timeoutMilliseconds) }, for: exchange,
            judge: trial.isGood
        ) { good in
            do throws(PluginFailure) {
                let bad = zip(found, good).filter { !$1 }.map(\.0)
                call.complete(try report(call.exchange, found, bad))
            } catch {
                call.fail(error)
            }
        }
        return .pending
    }

    private func isAllowed(_ address: Address) -> Bool {
        guard schemes.contains(address.scheme) else { return false }
        if denied.contains(where: { $0.matches(address.host) }) { return false }
        return allowed.isEmpty || allowed.contains { $0.matches(address.host) }
    }

    private func report(_ exchange: Exchange, _ found: [Address], _ refused: [Address]) throws(PluginFailure)
        -> Verdict
    {
        let isGood = refused.isEmpty
        try exchange.report(
            passed: isGood,
            data: [
                "verdict": .bool(isGood), "urlCount": .int(found.count), "refusedHosts": hosts(refused),
                "explanation": .string(
                    isGood ? "All addresses are allowed." : "\(refused.count) of \(found.count) addresses are not."),
            ])
        return .proceed
    }

    private func hosts(_ addresses: [Address]) -> JSON {
        .array(Set(addresses.map(\.host)).sorted().prefix(maximumTrials).map { .string($0) })
    }
}

/// Portkey's validUrls.
struct Valid: Guardrail {
    static let id = "valid"

    private let inverts: Bool
    private let trial: Trial
    private let timeoutMilliseconds: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        inverts = config["not"]?.bool ?? false
        let resolver = config["resolver"]?.string ?? "https://cloudflare-dns.com/dns-query"
        guard resolver.hasPrefix("https://") || resolver.hasPrefix("http://") else {
            throw ConfigError("Must be an http or https URL", at: "/resolver")
        }
        trial = config["onlyDNS"]?.bool == true ? .lookup(resolver: resolver) : .head
        timeoutMilliseconds = config["timeout"]?.int ?? 3000
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let found = addresses(exchange, side).filter { $0.scheme == "http" || $0.scheme == "https" }
        guard !found.isEmpty else {
            try exchange.report(
                passed: false,
                data: [
                    "verdict": false, "not": .bool(inverts), "validUrls": [], "invalidUrls": [],
                    "validationMethod": .string(method), "textExcerpt": .string(excerpt(exchange, side)),
                    "explanation": "There are no addresses in the text.",
                ])
            return .proceed
        }
        guard found.count <= maximumTrials else {
            throw PluginFailure("\(found.count) addresses are too many to try; \(maximumTrials) are the limit")
        }
        let call = try exchange.pend()
        Probe.ask(
            found.map { trial.request($0, timeoutMilliseconds: timeoutMilliseconds) }, for: exchange,
            judge: trial.isGood
        ) { good in
            do throws(PluginFailure) {
                call.complete(try report(call.exchange, side, found, good))
            } catch {
                call.fail(error)
            }
        }
        return .pending
    }

    private func report(_ exchange: Exchange, _ side: Side, _ found: [Address], _ good: [Bool]) throws(PluginFailure)
        -> Verdict
    {
        func list(_ wanted: Bool) -> JSON {
            .array(zip(found, good).filter { $1 == wanted }.map { .string($0.0.text) })
        }
        let passed = good.allSatisfy { $0 } != inverts
        try exchange.report(
            passed: passed,
            data: [
                "verdict": .bool(passed), "not": .bool(inverts), "validUrls": list(true), "invalidUrls": list(false),
                "validationMethod": .string(method), "textExcerpt": .string(excerpt(exchange, side)),
                "explanation": .string("\(good.count { $0 }) of \(good.count) addresses are valid."),
            ])
        return .proceed
    }

    private var method: String { if case .head = trial { "HTTP request" } else { "DNS lookup" } }

    private func excerpt(_ exchange: Exchange, _ side: Side) -> String {
        let text = exchange.text(side, .readable)
        let start = text.prefix(100)
        return start.endIndex == text.endIndex ? text : start + "..."
    }
}

/// Each address once, in the order in which they stand.
private func addresses(_ exchange: Exchange, _ side: Side) -> [Address] {
    var known: Set<String> = []
    return exchange.texts(side, .readable).flatMap { Address.all(in: $0.text) }.filter {
        known.insert($0.text).inserted
    }
}

private let plugin = Plugin(id: "urls", version: "1.0.0", checks: [Check.self, Valid.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
