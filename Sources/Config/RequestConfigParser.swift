// RequestConfigParser: a Portkey-shaped document to a RequestConfig. Collects every issue, in the texts that Portkey's
// clients know; resolves what targets inherit (spec §4.2); keeps members that it does not know as options of the
// target.
//
// Keys may be written in snake_case or camelCase. JSON null is as if the member were not there.

import Core

package struct RequestConfigParser {
    package typealias Issue = RequestConfigError.Issue

    let origin: ConfigOrigin
    /// Where the document stands: in the file, or nowhere.
    let base: JSONPointer
    /// Guardrails that a list may name.
    var guardrails: [String: GuardGroup] = [:]
    /// Names behind "@".
    var providerNames: Set<String> = []
    /// The slugs that a config may say; nil: not judged here.
    var knownProviders: [String]?
    /// Slugs that need no key.
    var keylessProviders: Set<String> = ["ollama", "triton"]
    /// Whether a URL may be a custom host; the address rules are Upstream's.
    var allowsHost: (String) -> Bool = HTTPURL.isValid
    /// Reads {env: …} and {file: …}, in the file only.
    var resolve: ((SecretReference, JSONPointer) -> String?)?

    private(set) var issues: [Issue] = []
    /// A router's error: a message of its own, without a path.
    private var routerError: String?
    private var isObsolete = false

    init(origin: ConfigOrigin, base: JSONPointer = JSONPointer()) {
        self.origin = origin
        self.base = base
    }

    /// The whole document, or the error that the client gets.
    mutating func config(_ document: JSONValue) throws(RequestConfigError) -> RequestConfig {
        let root = node(document, path: [], label: "config", from: Inherited())
        if !issues.isEmpty { throw RequestConfigError(issues: issues) }
        if isObsolete {
            throw RequestConfigError(
                "This version of config is not supported in this route. Please migrate to the latest version")
        }
        if let routerError { throw RequestConfigError(routerError) }
        guard let root else { throw RequestConfigError(issues: [Issue([], "Required")]) }
        return RequestConfig(origin: origin, root: root)
    }

    mutating func report(_ path: [String], _ message: String) { issues.append(Issue(path, message)) }

    func pointer(_ path: [String]) -> JSONPointer { JSONPointer(base.tokens + path) }

    // MARK: Nodes

    /// What a node hands down. Its guard lists are without the defaults, which come last in every leaf.
    private struct Inherited {
        var target = TargetConfig()
        var defaultsBefore: [GuardGroup] = []
        var defaultsAfter: [GuardGroup] = []
    }

    private mutating func node(
        _ value: JSONValue, path: [String], label: String, from parent: Inherited
    ) -> ConfigNode? {
        guard let fields = fields(value, path) else { return nil }
        if path.isEmpty, fields["options"] != nil { isObsolete = true }
        var inherited = parent
        readFeatures(fields, into: &inherited)
        readGuards(fields, into: &inherited)
        let name = string(fields, "name")
        let weight = weight(fields)
        let isBranch = fields["targets"] != nil || fields["strategy"] != nil
        checkUse(fields)
        if isBranch {
            guard var strategy = strategy(fields, label: label, inherited: inherited) else { return nil }
            strategy.name = name
            strategy.weight = weight
            return .strategy(strategy)
        }
        var target = inherited.target
        target.path = label
        target.pointer = pointer(path)
        target.name = name
        target.weight = weight
        target.beforeGuards += inherited.defaultsBefore
        target.afterGuards += inherited.defaultsAfter
        readIdentity(fields, into: &target)
        return .target(target)
    }

    private mutating func weight(_ fields: Fields) -> Double {
        guard let weight = number(fields, "weight") else { return 1 }
        if weight < 0 { report(fields.path(of: "weight"), "Number must be greater than or equal to 0") }
        return max(0, weight)
    }

    /// What is inherited, but for guards.
    private mutating func readFeatures(_ fields: Fields, into inherited: inout Inherited) {
        if let own = object(fields, "override_params") {
            inherited.target.overrideParams = Self.merge(own, over: inherited.target.overrideParams)
        }
        if let own = object(fields, "default_params") {
            inherited.target.defaultParams = Self.merge(own, over: inherited.target.defaultParams)
        }
        if let own = strings(fields, "drop_params") {
            inherited.target.dropParams += own.filter { !inherited.target.dropParams.contains($0) }
        }
        if let retry = retry(fields) { inherited.target.retry = retry }
        if let cache = cache(fields) { inherited.target.cache = cache }
        if let timeout = milliseconds(fields, "request_timeout") {
            inherited.target.requestTimeoutMilliseconds = timeout
        }
        if let timeouts = self.fields(fields, "timeouts") {
            if let value = milliseconds(timeouts, "first_token_ms") {
                inherited.target.timeouts.firstTokenMilliseconds = value
            }
            if let value = milliseconds(timeouts, "between_tokens_ms") {
                inherited.target.timeouts.betweenTokensMilliseconds = value
            }
        }
        if let host = string(fields, "custom_host") {
            // Portkey names the node here, not the member.
            let path = origin.isFile ? fields.path(of: "custom_host") : fields.path
            if !HTTPURL.isValid(host) || !allowsHost(host) { report(path, "Invalid custom host") }
            inherited.target.customHost = host
        }
        if let headers = strings(fields, "forward_headers") {
            inherited.target.forwardHeaders = HeaderName.normalised(headers)
            if inherited.target.forwardHeaders.contains("x-portkey-forward-headers") {
                report(fields.path(of: "forward_headers"), HeaderName.forwardsItself)
            }
        }
        if let strict = boolean(fields, "strict_open_ai_compliance") {
            inherited.target.strictOpenAICompliance = strict
        }
        if let receipts = boolean(fields, "receipts") { inherited.target.receipts = receipts }
    }

    private static func merge(_ own: JSONObject, over parents: JSONObject) -> JSONObject {
        parents.isEmpty ? own : parents.merged(under: own)
    }

    private mutating func readGuards(_ fields: Fields, into inherited: inout Inherited) {
        if let own = guards(fields, .before) { inherited.target.beforeGuards = own }
        if let own = guards(fields, .after) { inherited.target.afterGuards = own }
        inherited.defaultsBefore += guardList(fields, "default_input_guardrails", .before, .short(.guardrail)) ?? []
        inherited.defaultsAfter += guardList(fields, "default_output_guardrails", .after, .short(.guardrail)) ?? []
    }

    /// A node's own list replaces its parent's as a whole; nil when it has none.
    private mutating func guards(_ fields: Fields, _ stage: GuardGroup.Stage) -> [GuardGroup]? {
        let side = stage == .before ? ("before_request_hooks", "input") : ("after_request_hooks", "output")
        let lists = [
            guardList(fields, side.0, stage, .long),
            guardList(fields, side.1 + "_guardrails", stage, .short(.guardrail)),
            guardList(fields, side.1 + "_mutators", stage, .short(.mutator)),
        ]
        return lists.contains { $0 != nil } ? lists.flatMap { $0 ?? [] } : nil
    }

    // MARK: Features

    private mutating func retry(_ fields: Fields) -> RetryConfig? {
        guard let retry = self.fields(fields, "retry") else { return nil }
        guard retry["attempts"] != nil else {
            report(retry.path + ["attempts"], "Required")
            return nil
        }
        let attempts = number(retry, "attempts") ?? 0
        let header = boolean(retry, "use_retry_after_header") ?? boolean(retry, "use_retry_after_headers")
        return RetryConfig(
            attempts: Int(min(max(attempts, 0), 1_000)), onStatusCodes: integers(retry, "on_status_codes"),
            useRetryAfterHeader: header ?? false)
    }

    private mutating func cache(_ fields: Fields) -> CacheConfig? {
        guard let cache = self.fields(fields, "cache") else { return nil }
        guard cache["mode"] != nil else {
            report(cache.path + ["mode"], "Required")
            return nil
        }
        guard let word = string(cache, "mode") else { return nil }
        guard let mode = CacheConfig.Mode(rawValue: word) else {
            report(cache.path(of: "mode"), "Invalid 'cache.mode' value. Must be one of: simple, semantic")
            return nil
        }
        return CacheConfig(mode: mode, maximumAgeSeconds: positive(cache, "max_age"))
    }

    // MARK: Strategies

    private mutating func strategy(_ fields: Fields, label: String, inherited: Inherited) -> StrategyConfig? {
        guard fields["strategy"] != nil else {
            report(fields.path + ["strategy"], "Required: 'targets' need a 'strategy' with a 'mode'")
            return nil
        }
        guard let own = self.fields(fields, "strategy") else { return nil }
        var handed = inherited
        if let breaker = breaker(own) { handed.target.circuitBreaker = breaker }
        let mode = mode(own)
        guard let targets = array(fields, "targets") else {
            if fields["targets"] == nil { report(fields.path + ["targets"], "Required: a 'strategy' needs 'targets'") }
            return nil
        }
        if targets.isEmpty { report(fields.path(of: "targets"), "'targets' must have at least one target") }
        var children: [ConfigNode] = []
        for (index, target) in targets.enumerated() {
            let path = fields.path(of: "targets") + [String(index)]
            if let child = node(target, path: path, label: "\(label).targets[\(index)]", from: handed) {
                children.append(child)
            }
        }
        guard let mode, children.count == targets.count, !children.isEmpty else { return nil }
        if mode == .loadbalance, children.allSatisfy({ $0.weight == 0 }) {
            report(fields.path(of: "targets"), "The weights of the targets add up to 0")
        }
        var strategy = StrategyConfig(path: label, pointer: pointer(fields.path), mode: mode, children: children)
        strategy.circuitBreaker = handed.target.circuitBreaker
        strategy.onStatusCodes = integers(own, "on_status_codes")
        strategy.sticky = sticky(own)
        strategy.defaultTarget = string(own, "default")
        if mode == .conditional { readConditions(own, into: &strategy) }
        return strategy
    }

    private mutating func mode(_ strategy: Fields) -> StrategyConfig.Mode? {
        guard strategy["mode"] != nil else {
            report(strategy.path + ["mode"], "Required")
            return nil
        }
        guard let word = string(strategy, "mode") else { return nil }
        if let mode = StrategyConfig.Mode(rawValue: word) { return mode }
        let modes = StrategyConfig.Mode.allCases.map(\.rawValue).joined(separator: ", ")
        report(strategy.path(of: "mode"), "Invalid 'mode' value. Must be one of: \(modes)")
        return nil
    }

    private mutating func readConditions(_ own: Fields, into strategy: inout StrategyConfig) {
        guard own["conditions"] != nil else {
            let message = "No conditions passed in the query router"
            if origin.isFile {
                report(own.path + ["conditions"], message)
            } else {
                routerError = routerError ?? message
            }
            return
        }
        for (index, value) in (array(own, "conditions") ?? []).enumerated() {
            guard let condition = fields(value, own.path(of: "conditions") + [String(index)]) else { continue }
            for name in ["query", "then"] where condition[name] == nil { report(condition.path + [name], "Required") }
            guard let query = object(condition, "query"), let then = string(condition, "then") else { continue }
            strategy.conditions.append(StrategyConfig.Condition(query: .object(query), then: then))
            checkTargetName(then, at: condition.path(of: "then"), in: strategy)
        }
        if let name = strategy.defaultTarget { checkTargetName(name, at: own.path(of: "default"), in: strategy) }
    }

    /// In the file a name that leads nowhere is an error now; a request's is one when a condition leads there.
    private mutating func checkTargetName(_ name: String, at path: [String], in strategy: StrategyConfig) {
        guard origin.isFile, !strategy.children.contains(where: { $0.name == name }) else { return }
        report(path, "Invalid target name found in the query router: \(name)")
    }

    private mutating func sticky(_ strategy: Fields) -> StrategyConfig.Sticky? {
        guard let sticky = fields(strategy, "sticky") else { return nil }
        let isEnabled = boolean(sticky, "enabled") ?? false
        let hashFields = strings(sticky, "hash_fields") ?? []
        let seconds = positive(sticky, "ttl") ?? 3_600
        return isEnabled ? StrategyConfig.Sticky(hashFields: hashFields, seconds: seconds) : nil
    }

    private mutating func breaker(_ strategy: Fields) -> CircuitBreakerConfig? {
        guard let own = fields(strategy, "cb_config") else { return nil }
        var breaker = CircuitBreakerConfig()
        breaker.failureThreshold = positive(own, "failure_threshold")
        breaker.failureThresholdPercentage = number(own, "failure_threshold_percentage")
        breaker.cooldownMilliseconds = positive(own, "cooldown_interval") ?? breaker.cooldownMilliseconds
        breaker.failureStatusCodes = integers(own, "failure_status_codes")
        breaker.minimumRequests = number(own, "minimum_requests").map { Int(min(max($0, 0), 1e9)) }
        return breaker
    }

    // MARK: Targets

    /// What a target has for itself: provider, credential, options.
    private mutating func readIdentity(_ fields: Fields, into target: inout TargetConfig) {
        target.provider = string(fields, "provider")
        target.virtualKey = string(fields, "virtual_key")
        target.apiKey = secret(fields, "api_key").map { Secret($0) }
        target.passthrough = boolean(fields, "passthrough") ?? false
        adoptModelName(&target)
        checkProvider(fields, target)
        if let name = target.namedProvider, target.customHost != nil {
            report(fields.path + ["custom_host"], CredentialRule.customHost(withNamed: name))
        }
        for member in fields.members where !Self.ownKeys.contains(member.name) {
            let place = fields.path + [member.key]
            if let resolve, let reference = SecretReference(member.value) {
                if let text = resolve(reference, pointer(place)) {
                    target.options[member.name] = .string(text)
                    target.secretOptions.insert(member.name)
                }
            } else {
                target.options[member.name] = member.value
            }
        }
    }

    /// `override_params: {model: "@name/model"}` chooses the provider, when there is one of that name: Cloudflare's
    /// models begin with "@cf/".
    private func adoptModelName(_ target: inout TargetConfig) {
        guard let model = target.overrideParams["model"]?.string, let parts = ModelName.split(model),
            providerNames.contains(parts.provider)
        else { return }
        target.provider = "@" + parts.provider
        target.virtualKey = nil
        target.apiKey = nil
        target.overrideParams["model"] = .string(parts.model)
    }

    private mutating func checkProvider(_ fields: Fields, _ target: TargetConfig) {
        if let name = target.namedProvider {
            guard !providerNames.contains(name) else { return }
            var message = "There is no provider \"@\(name)\""
            // Names are for the operator's eyes.
            if origin.isFile, let near = Suggestion.nearest(to: name, in: providerNames.sorted()) {
                message += "; did you mean \"@\(near)\"?"
            }
            report(fields.path(of: target.provider?.hasPrefix("@") == true ? "provider" : "virtual_key"), message)
        } else if let provider = target.provider, let knownProviders, !knownProviders.contains(provider) {
            let list = knownProviders.joined(separator: ", ")
            report(fields.path(of: "provider"), "Invalid 'provider' value. Must be one of: \(list)")
        }
    }

    // MARK: The validity rule (spec §4.1)

    static let nothingUseful =
        "Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' and 'targets', or "
        + "'cache', or 'retry', or 'request_timeout'"
    static let vertexIncomplete =
        "Invalid configuration. ('vertex_project_id' and 'vertex_region') or ('vertex_service_account_json' and "
        + "'vertex_region') are required for 'vertex-ai' provider."

    private mutating func checkUse(_ fields: Fields) {
        let provider = fields["provider"]?.string ?? ""
        func has(_ name: String) -> Bool {
            switch fields[name] {
            case nil, .string(""), .bool(false), .number("0"): false
            default: true
            }
        }
        if provider == "vertex-ai", !has("custom_host"),
            !(has("vertex_region") && (has("vertex_project_id") || has("vertex_service_account_json")))
        {
            report(fields.path, Self.vertexIncomplete)
            return
        }
        // An old config is refused for its `options`, and an empty one says that the headers say everything.
        if fields.path.isEmpty, has("options") || fields.members.isEmpty { return }
        // Half a branch has an issue that says more, and a file's provider may need no key: its plugin knows.
        let isFine =
            Self.usefulAlone.contains(where: has) || (has("provider") && (has("api_key") || provider.hasPrefix("@")))
            || (has("strategy") && has("targets")) || (has("targets") && !has("strategy"))
            || keylessProviders.contains(provider) || provider == "vertex-ai"
            || (has("aws_access_key_id") && has("aws_secret_access_key"))
            || (provider == "azure-openai" && has("azure_auth_mode"))
            || (origin.isFile && fields.members.contains { $0.name != "name" && $0.name != "weight" })
        if !isFine { report(fields.path, Self.nothingUseful) }
    }

    private static let usefulAlone = [
        "cache", "retry", "request_timeout", "before_request_hooks", "after_request_hooks", "input_guardrails",
        "output_guardrails",
        // Ours.
        "virtual_key", "passthrough", "override_params", "default_params", "drop_params", "timeouts",
    ]

    /// Members that are read here; every other is an option.
    private static let ownKeys = Set(Catalogue.members(of: "#config").keys).union(["options"])
}

/// A credential that the server holds goes only to the origin it was configured with.
package enum CredentialRule {
    package static func customHost(withNamed name: String) -> String {
        "'custom_host' cannot be used with \"@\(name)\": its credential goes only to the host it was configured with"
    }
    package static let customHostWithFileConfig =
        "A custom host cannot be used with a config of the server: its credentials go only to the hosts "
        + "they were configured with"

    /// What a client may say about a named provider beside its credential. Whatever else its config has is not handed
    /// to the adapter: a resource name or a region would lead the credential elsewhere.
    package static let clientOptions: Set<String> = [
        "anthropic_beta", "anthropic_version", "openai_organization", "openai_project", "openai_beta",
        "fetch_integrated_models",
        "mistral_fim_completion", "provider_model", "file_purpose", "prompt_id",
    ]
}

package enum HeaderName {
    static let forwardsItself = "forward_headers must not contain the 'x-portkey-forward-headers' header"

    /// Lower-case and with "-" for "_", each once: the SDK keeps the underscores of its keyword arguments.
    package static func normalised(_ names: [String]) -> [String] {
        var result: [String] = []
        for name in names {
            var bytes: [UInt8] = []
            for byte in name.lowercased().utf8 where byte != 0x20 && byte != 0x09 {
                bytes.append(byte == UInt8(ascii: "_") ? UInt8(ascii: "-") : byte)
            }
            let text = String(decoding: bytes, as: UTF8.self)
            if !text.isEmpty, !result.contains(text) { result.append(text) }
        }
        return result
    }
}

/// The text of an address that requests can be sent to. Where it may lead is not judged here.
package enum HTTPURL {
    /// http or https, a host, perhaps a port and a path; no user, password, query, fragment or odd character.
    package static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\"") })
        else {
            return false
        }
        let lower = text.lowercased()
        guard let scheme = ["https://", "http://"].first(where: lower.hasPrefix) else { return false }
        let rest = lower.dropFirst(scheme.count)
        guard !rest.contains("?"), !rest.contains("#") else { return false }
        var host = rest.prefix { $0 != "/" }
        guard !host.contains("@") else { return false }
        if host.hasPrefix("[") {
            guard let close = host.firstIndex(of: "]") else { return false }
            let inner = host[host.index(after: host.startIndex)..<close]
            guard inner.contains(":"), inner.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else {
                return false
            }
            host = host[host.index(after: close)...]
            return host.isEmpty || (host.hasPrefix(":") && isPort(host.dropFirst()))
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            !label.isEmpty
                && label.utf8.allSatisfy { byte in
                    (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
                        || byte == UInt8(ascii: "_")
                }
        }
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt16(text).map { $0 > 0 } == true
    }
}
