// Checks of what is asked for, and by whom: modelWhitelist, requiredMetadataKeys, allowedRequestTypes.

import PluginSDK

struct ModelWhitelist: Guardrail {
    static let id = "modelWhitelist"
    private let models: [String]
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        models = try config.requiredTexts("models")
        not = try config.flag("not")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        guard let model = Self.model(of: exchange) else { throw PluginFailure("The request names no model") }
        let isListed = models.contains(model)
        var findings = Findings(
            isListed != not, isListed ? "The model is in the list." : "The model is not in the list.")
        findings.add("verdict", isListed != not)
        findings.add("not", not)
        findings.add("requestedModel", model)
        findings.add("allowedModels", models)
        try findings.report(to: exchange)
        return .proceed
    }

    /// The body's model; where the body cannot say, the attempt's.
    private static func model(of exchange: Exchange) -> String? {
        guard let raw = exchange.json("/model", .request) else { return exchange.model }
        return (try? JSON(parsing: raw))?.string ?? exchange.model
    }
}

struct RequiredMetadataKeys: Guardrail {
    static let id = "requiredMetadataKeys"
    private let keys: [String]
    private let quantifier: Quantifier
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        keys = try config.requiredTexts("metadataKeys")
        guard !keys.isEmpty else { throw ConfigError("Must not be empty", at: "/metadataKeys") }
        quantifier = try Quantifier(config, default: .all)
        not = try config.flag("not")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let found = keys.filter { exchange.metadata($0) != nil }
        let missing = keys.filter { exchange.metadata($0) == nil }
        let passed = quantifier.holds(found: found.count, of: keys.count) != not
        var findings = Findings(
            passed, passed ? "The metadata keys are as required." : "The metadata keys are not as required.")
        findings.add("missing_metadata_keys", missing)
        findings.add("found_metadata_keys", found)
        findings.add("operator", quantifier.rawValue)
        try findings.report(to: exchange)
        return .proceed
    }
}

/// Which kinds of requests may pass: by the parameters, else by the request's own metadata.
struct AllowedRequestTypes: Guardrail {
    static let id = "allowedRequestTypes"
    private let rule: Rule?
    private let not: Bool

    private struct Rule {
        let allowed: [String]
        let blocked: [String]

        /// nil: nothing is said.
        init?(allowed: [String], blocked: [String]) {
            guard !allowed.isEmpty || !blocked.isEmpty else { return nil }
            self.allowed = allowed
            self.blocked = blocked
        }

        var conflict: String? { allowed.first(where: blocked.contains) }

        func admits(_ type: String) -> Bool {
            !blocked.contains(type) && (allowed.isEmpty || allowed.contains(type))
        }

        var mode: String { allowed.isEmpty ? "blocklist" : blocked.isEmpty ? "allowlist" : "combined" }
    }

    init(config: JSON, host: Host) throws(ConfigError) {
        rule = Rule(
            allowed: try Self.types(config, "allowedTypes"), blocked: try Self.types(config, "blockedTypes"))
        if let conflict = rule?.conflict {
            throw ConfigError("\"\(conflict)\" is allowed and blocked", at: "/blockedTypes")
        }
        not = try config.flag("not")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let metadataRule = rule == nil ? try Self.metadataRule(exchange) : nil
        let rule = rule ?? metadataRule
        let type = Self.canonical(exchange.endpoint)
        let passed = (rule?.admits(type) ?? true) != not
        var findings = Findings(passed, passed ? "The request type is allowed." : "The request type is not allowed.")
        findings.add("currentRequestType", type)
        findings.add("allowedTypes", rule.flatMap { $0.allowed.isEmpty ? nil : $0.allowed } ?? ["all"])
        if let rule, !rule.blocked.isEmpty { findings.add("blockedTypes", rule.blocked) }
        findings.add("verdict", passed)
        findings.add("source", self.rule != nil ? "parameters" : metadataRule != nil ? "metadata" : "default")
        findings.add("mode", rule?.mode ?? "unrestricted")
        try findings.report(to: exchange)
        return .proceed
    }

    private static func metadataRule(_ exchange: Exchange) throws(PluginFailure) -> Rule? {
        let rule = Rule(
            allowed: exchange.metadata("supported_endpoints").map { types(listed: $0.string) } ?? [],
            blocked: exchange.metadata("blocked_endpoints").map { types(listed: $0.string) } ?? [])
        if let conflict = rule?.conflict { throw PluginFailure("\"\(conflict)\" is allowed and blocked") }
        return rule
    }

    /// An array, or names with commas between them.
    private static func types(_ config: JSON, _ key: String) throws(ConfigError) -> [String] {
        switch config[key] {
        case nil, .null?: return []
        case .string(let list)?: return types(listed: list)
        case .array(let elements)?: return try JSON.texts(elements, at: "/" + key).map(canonical)
        default: throw ConfigError("Must be an array of strings", at: "/" + key)
        }
    }

    private static func types(listed list: String) -> [String] {
        list.utf8.split(separator: UInt8(ascii: ",")).compactMap { part in
            let name = part.drop { $0 == UInt8(ascii: " ") }
            let end = name.lastIndex { $0 != UInt8(ascii: " ") }
            return end.map { canonical(String(decoding: name[...$0], as: UTF8.self)) }
        }
    }

    /// Portkey's name of a request type; the gateway's own names of its endpoints may be used as well.
    private static func canonical(_ type: String) -> String {
        switch type {
        case "chat_completions": "chatComplete"
        case "completions": "complete"
        case "embeddings": "embed"
        default: type
        }
    }
}
