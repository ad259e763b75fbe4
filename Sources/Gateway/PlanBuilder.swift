// PlanBuilder: from configs and headers to a Plan, with its plugin instances. Runs on the control thread.

import Config
import Core
import JSONSchema
import PluginHost
import Routing
import Upstream
import Wire

struct PlanBuilder {
    let snapshot: GatewaySnapshot
    let allowInline: AllowInline
    private let tenant: Tenant?
    private let keyConfig: String?
    /// The configuration, with what the workspace has of its own.
    private let file: ConfigSnapshot

    /// Each target of a config is a plugin's instance.
    private static let inlineTargets = 100

    init(_ snapshot: GatewaySnapshot, tenant: Tenant?, allowInline: AllowInline, keyConfig: String?) {
        self.snapshot = snapshot
        self.tenant = tenant
        file =
            tenant.map { snapshot.config.adding(providers: $0.providers, guardrails: $0.guardrails) } ?? snapshot.config
        self.allowInline = allowInline
        self.keyConfig = keyConfig
    }

    func plan(for inputs: PlanInputs) throws(GatewayError) -> Plan {
        let config = try requestConfig(inputs)
        var targets: [Target] = []
        let node = try routeNode(config.root, inputs, config, &targets)
        let identity: String
        var configName: String?
        switch config.origin {
        case .file(let name):
            identity = "file:" + name
            configName = name
        case .stored(let name):
            identity = "stored:\(tenant?.slug ?? ""):\(name)"
            configName = name
        case .request: identity = "request:" + (inputs.config ?? "") + (inputs.provider ?? "")
        }
        let route: Route
        do throws(RoutingError) { route = try Route(node, identity: identity) } catch {
            throw GatewayError(.invalidConfig, status: 400, error.message)
        }
        return Plan(
            route: route, targets: targets, mandatory: inputs.guarding == .none ? GuardSet() : try guards.mandatory(),
            isFromRequest: !config.origin.isFile || inputs.inputGuardrails?.isEmpty == false,
            configName: configName,
            configVersion: config.origin.isFile ? nil : configName.flatMap { tenant?.configs[$0]?.version })
    }

    /// Finds what is wrong with guards of the file.
    var guards: GuardBuilder { GuardBuilder(snapshot: snapshot, file: file, allowInline: allowInline) }

    // MARK: Which config

    private func requestConfig(_ inputs: PlanInputs) throws(GatewayError) -> RequestConfig {
        let name: String?
        if let given = inputs.config, !given.isEmpty {
            if given.first(where: { !$0.isWhitespace }) == "{" {
                guard allowInline.config else {
                    throw blocked(
                        "inline_config_blocked", "configs are not taken from requests here: name one of the gateway's",
                        "x-portkey-config")
                }
                return try parse(given, inputs)
            }
            name = given
        } else {
            name =
                keyConfig
                ?? (inputs.provider == nil && inputs.virtualKey == nil && inputs.modelProvider == nil
                    ? file.defaults.config : nil)
        }
        guard let name else { return try parse("{}", inputs) }
        if file.configs[name] == nil, let stored = tenant?.configs[name] {
            return try parse(stored.document, inputs, storedAs: name)
        }
        guard let config = file.configs[name] else {
            throw GatewayError(
                .invalidConfig, status: 400,
                "Invalid config passed. You need to pass a valid json, or the name of a config of this gateway; there is none named \(name)"
            )
        }
        return try applyHeaders(to: config, inputs)
    }

    private func headerOptions(_ inputs: PlanInputs) throws(GatewayError) -> HeaderOptions {
        var options = HeaderOptions()
        if let host = inputs.customHost, !host.isEmpty {
            guard allowInline.customHost else {
                throw blocked(
                    "inline_custom_host_blocked", "custom hosts are not taken from requests here",
                    "x-portkey-custom-host")
            }
            do throws(AddressRefusal) { _ = try snapshot.addressPolicy.checkURL(host) } catch {
                throw GatewayError(
                    .invalidRequest, status: 400, "Invalid custom host: \(error.message)", detail: error.detail)
            }
            options.customHost = host
        }
        if let timeout = inputs.requestTimeout {
            guard let milliseconds = Int(timeout), milliseconds > 0 else {
                throw GatewayError(
                    .invalidRequest, status: 400, "x-portkey-request-timeout must be a whole number of milliseconds")
            }
            options.requestTimeoutMilliseconds = milliseconds
        }
        if let list = inputs.forwardHeaders, !list.isEmpty {
            guard allowInline.forwardHeaders else {
                throw blocked(
                    "inline_forward_headers_blocked", "forward headers are not taken from requests here",
                    "x-portkey-forward-headers")
            }
            options.forwardHeaders = try list.split(separator: ",").map { part throws(GatewayError) -> String in
                let name = part.trimmed.lowercased().replacing("_", with: "-")
                if name == "x-portkey-forward-headers" {
                    throw GatewayError(
                        .invalidRequest, status: 400,
                        "forward_headers must not contain the 'x-portkey-forward-headers' header")
                }
                return name
            }
        }
        if let strict = inputs.strict { options.strictOpenAICompliance = strict.lowercased() != "false" }
        if let cache = inputs.cache { options.cache = try cacheHeader(cache) }
        options.defaultInputGuardrails = try guardHeader(inputs.inputGuardrails, "x-portkey-default-input-guardrails")
        options.defaultOutputGuardrails = try guardHeader(
            inputs.outputGuardrails, "x-portkey-default-output-guardrails")
        return options
    }

    private func cacheHeader(_ text: String) throws(GatewayError) -> CacheConfig? {
        if let mode = CacheConfig.Mode(rawValue: text) { return CacheConfig(mode: mode) }
        guard let json = try? JSONValue(parsing: text),
            let mode = json["mode"]?.string.flatMap(CacheConfig.Mode.init(rawValue:))
        else {
            throw GatewayError(
                .invalidRequest, status: 400, "x-portkey-cache must be simple, semantic, or a JSON object with a mode")
        }
        return CacheConfig(mode: mode, maximumAgeSeconds: json["max_age"]?.int)
    }

    /// A JSON array; what is not JSON (as SDKs send Python lists of names) is taken for a list of names.
    private func guardHeader(_ text: String?, _ header: String) throws(GatewayError) -> JSONValue? {
        guard let text, !text.isEmpty else { return nil }
        if let json = try? JSONValue(parsing: text) { return json }
        if let json = try? JSONValue(parsing: text.replacing("'", with: "\"")) { return json }
        throw GatewayError(.invalidRequest, status: 400, "\(header) must be a JSON array")
    }

    private func parse(_ text: String, _ inputs: PlanInputs) throws(GatewayError) -> RequestConfig {
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue(parsing: text) } catch {
            throw GatewayError(
                .invalidConfig, status: 400,
                "Invalid config passed. You need to pass a valid json (x-portkey-config: \(error.reason) at byte \(error.offset))"
            )
        }
        return try parse(document, inputs, storedAs: nil)
    }

    private func parse(_ document: JSONValue, _ inputs: PlanInputs, storedAs name: String?) throws(GatewayError)
        -> RequestConfig
    {
        let headers = try headerOptions(inputs)
        do throws(RequestConfigError) {
            // Whether a key is needed is the adapter's to say; the client's own header may bring it.
            let slugs = snapshot.plugins.providerSlugs
            if let name {
                return try RequestConfig(
                    stored: name, parsing: document, in: file, headers: headers, knownProviders: slugs,
                    keylessProviders: Set(slugs),
                    allowsHost: { host in (try? snapshot.addressPolicy.checkURL(host)) != nil })
            }
            return try RequestConfig(
                parsing: document, in: file, headers: headers, knownProviders: slugs, keylessProviders: Set(slugs),
                allowsHost: { host in (try? snapshot.addressPolicy.checkURL(host)) != nil })
        } catch {
            throw GatewayError(.invalidConfig, status: 400, error.message, errors: error.errors)
        }
    }

    private func applyHeaders(to config: RequestConfig, _ inputs: PlanInputs) throws(GatewayError) -> RequestConfig {
        let options = try headerOptions(inputs)
        if options.customHost != nil {
            throw GatewayError(
                .invalidRequest, status: 400,
                "x-portkey-custom-host cannot be combined with a config of this gateway: its credentials go only to the hosts they were configured for"
            )
        }
        do throws(RequestConfigError) { return try config.applying(options, in: file) } catch {
            throw GatewayError(.invalidConfig, status: 400, error.message, errors: error.errors)
        }
    }

    private func blocked(_ code: String, _ message: String, _ field: String) -> GatewayError {
        GatewayError(.invalidRequest, status: 400, message, code: code, param: field)
    }

    // MARK: The tree

    private func routeNode(
        _ node: ConfigNode, _ inputs: PlanInputs, _ config: RequestConfig, _ targets: inout [Target]
    ) throws(GatewayError) -> Route.Node {
        switch node {
        case .target(let target):
            guard config.origin.isFile || targets.count < Self.inlineTargets else {
                throw GatewayError(
                    .invalidConfig, status: 400, "a config may have \(Self.inlineTargets) targets at most",
                    code: "too_many_targets")
            }
            targets.append(try self.target(target, inputs, config))
            return .leaf(targets.count - 1, name: target.name, weight: target.weight, retry: try retry(target.retry))
        case .strategy(let strategy):
            var children: [Route.Node] = []
            for child in strategy.children { children.append(try routeNode(child, inputs, config, &targets)) }
            return .strategy(
                try self.strategy(strategy), name: strategy.name, weight: strategy.weight,
                breaker: strategy.circuitBreaker.map(breaker), children)
        }
    }

    private func retry(_ config: RetryConfig?) throws(GatewayError) -> RetryPolicy {
        guard let config else { return .none }
        do throws(RoutingError) {
            return try RetryPolicy(
                attempts: config.attempts, onStatusCodes: config.onStatusCodes.map(Set.init),
                usesRetryAfter: config.useRetryAfterHeader)
        } catch {
            throw GatewayError(.invalidConfig, status: 400, error.message)
        }
    }

    private func breaker(_ config: CircuitBreakerConfig) -> BreakerPolicy {
        BreakerPolicy(
            failureThreshold: config.failureThreshold, failurePercentage: config.failureThresholdPercentage,
            minimumRequests: config.minimumRequests ?? 0, cooldown: config.cooldownMilliseconds,
            failureStatusCodes: config.failureStatusCodes.map(Set.init))
    }

    private func strategy(_ config: StrategyConfig) throws(GatewayError) -> Route.Strategy {
        switch config.mode {
        case .single: return .single
        case .fallback: return .fallback(onStatusCodes: config.onStatusCodes.map(Set.init))
        case .loadbalance:
            return .loadbalance(sticky: config.sticky.map { StickyPolicy(hashFields: $0.hashFields, ttl: $0.seconds) })
        case .conditional:
            do throws(RoutingError) {
                var cases: [Route.Case] = []
                for (index, condition) in config.conditions.enumerated() {
                    let pointer = config.pointer / "strategy" / "conditions" / index / "query"
                    cases.append(Route.Case(try Condition(condition.query, at: pointer), then: condition.then))
                }
                return .conditional(cases, default: config.defaultTarget)
            } catch {
                throw GatewayError(.invalidConfig, status: 400, error.message)
            }
        }
    }

    // MARK: A target

    /// Where a target's provider comes from.
    private struct Source {
        var slug: String
        var named: ProviderConfig?
    }

    private func target(_ config: TargetConfig, _ inputs: PlanInputs, _ whole: RequestConfig) throws(GatewayError)
        -> Target
    {
        let source = try source(config, inputs, whole)
        guard let descriptor = snapshot.plugins.provider(source.slug) else {
            throw GatewayError(
                .invalidConfig, status: 400, "Invalid provider passed: no plugin speaks for \(source.slug)",
                errors: [
                    "path: \((config.pointer / "provider").tokens.joined(separator: ",")), message: no plugin speaks for \(source.slug)"
                ])
        }
        let isClients = whole.origin == .request
        let isFiles = whole.origin.isFile
        let customHost = config.customHost
        if source.named != nil, customHost != nil {
            throw GatewayError(
                .invalidConfig, status: 400,
                "a custom host cannot be combined with \(source.named.map { "@" + $0.name } ?? ""): its credential goes only to the host it was configured for"
            )
        }
        var options = source.named?.options ?? JSONObject()
        // Secrets reach the adapter's headers through out_credential, never its configuration.
        for name in source.named?.secretOptions ?? [] { options[name] = nil }
        if let base = source.named?.baseURL { options["base_url"] = .string(base) }
        if let customHost { options["custom_host"] = .string(customHost) }
        for member in config.options.members where source.named == nil || isFiles || Self.isHarmless(member.key) {
            options[member.key] = member.value
        }
        for option in inputs.options where (source.named == nil && isClients) || Self.isHarmless(option.name) {
            options[option.name] = .string(option.value)
        }
        let namesHost =
            !isFiles && source.named == nil && (customHost != nil || Self.namesHost(options))
            || source.named?.isChecked == true && (source.named?.baseURL != nil || Self.namesHost(options))
        try checkDoors(
            config, isClients: isClients,
            movesRequests: customHost != nil || options.keys.contains(where: Self.isAddress), source)
        let signer = try signer(options["auth"], of: config, whole.origin)
        options["auth"] = nil
        if !isFiles { try refuseControlCharacters(options, config) }
        let isStrict = config.strictOpenAICompliance ?? true
        options["strict_open_ai_compliance"] = .bool(isStrict)
        var overrides = config.overrideParams
        if let model = overrides["model"]?.string, let split = ModelName.split(model),
            file.providers[split.provider] != nil
        {
            overrides["model"] = .string(split.model)
        }
        let guardSet =
            inputs.guarding == .full
            ? try guards.build(before: config.beforeGuards, after: config.afterGuards) : GuardSet()
        return Target(
            path: config.path, slug: source.slug, provider: try provider(descriptor, options, config),
            credential: credential(source, config), secrets: secrets(source.named), signer: signer,
            isChecked: namesHost,
            defaultModel: options["model"]?.string, allowedModels: source.named?.models.map(Set.init),
            shape: ParameterShape(defaults: config.defaultParams, overrides: overrides, drops: config.dropParams),
            guards: guardSet,
            cache: config.cache.map {
                CachePolicy(
                    isSemantic: $0.mode == .semantic,
                    maximumAgeSeconds: $0.maximumAgeSeconds ?? file.cache.maximumAgeSeconds)
            },
            requestTimeoutMilliseconds: config.requestTimeoutMilliseconds ?? source.named?.requestTimeoutMilliseconds,
            timeouts: merged(config.timeouts, source.named?.timeouts), forwardHeaders: config.forwardHeaders,
            isStrict: isStrict, wantsReceipts: config.receipts ?? false,
            virtualKey: source.named.flatMap { named in named.isChecked ? tenant?.virtualKeys[named.name] : nil })
    }

    private func merged(_ own: TokenTimeouts, _ named: TokenTimeouts?) -> TokenTimeouts {
        var result = own
        result.firstTokenMilliseconds = own.firstTokenMilliseconds ?? named?.firstTokenMilliseconds
        result.betweenTokensMilliseconds = own.betweenTokensMilliseconds ?? named?.betweenTokensMilliseconds
        return result
    }

    /// The doors that a config of a request needs open, besides the one for configs. Its headers have passed theirs.
    private func checkDoors(_ config: TargetConfig, isClients: Bool, movesRequests: Bool, _ source: Source)
        throws(GatewayError)
    {
        guard isClients else { return }
        if movesRequests, source.named == nil, !allowInline.customHost {
            throw blocked("inline_custom_host_blocked", "custom hosts are not taken from requests here", "custom_host")
        }
        if !config.forwardHeaders.isEmpty, !allowInline.forwardHeaders {
            throw blocked(
                "inline_forward_headers_blocked", "forward headers are not taken from requests here", "forward_headers")
        }
    }

    /// JSON can hold what no header can. Documents (a service account's JSON) may have lines.
    private func refuseControlCharacters(_ options: JSONObject, _ config: TargetConfig) throws(GatewayError) {
        func isBroken(_ text: String) -> Bool { text.utf8.contains { $0 < 0x20 || $0 == 0x7F } }
        var broken = options.members.first { !$0.key.hasSuffix("_json") && isBroken($0.value.string ?? "") }?.key
        if let key = config.apiKey, isBroken(key.reveal()) { broken = "api_key" }
        guard let broken else { return }
        throw GatewayError(
            .invalidConfig, status: 400,
            "Invalid config passed: \(broken) holds a control character, which no header can",
            param: broken)
    }

    /// Options that are whole addresses.
    private static func isAddress(_ name: String) -> Bool { name.hasSuffix("_url") || name.hasSuffix("_host") }

    /// Options of a request that cannot move a stored credential to another host.
    private static func isHarmless(_ name: String) -> Bool {
        name.hasPrefix("anthropic_") || name == "openai_beta" || name == "strict_open_ai_compliance"
    }

    /// Options from which an adapter makes a host: those of a request are checked like a custom host.
    private static func namesHost(_ options: JSONObject) -> Bool {
        options.keys.contains { isAddress($0) || $0.hasSuffix("resource_name") || $0.hasSuffix("endpoint_name") }
    }

    private func source(_ config: TargetConfig, _ inputs: PlanInputs, _ whole: RequestConfig) throws(GatewayError)
        -> Source
    {
        if let name = config.namedProvider { return try named(name, at: config) }
        if let slug = config.provider { return try own(slug, whole, named: false) }
        // The config has features only: the request names the provider.
        if let model = inputs.modelProvider { return try reference(model, config, whole) }
        if let provider = inputs.provider, !provider.isEmpty { return try reference(provider, config, whole) }
        if let key = inputs.virtualKey, !key.isEmpty {
            return try named(key.hasPrefix("@") ? String(key.dropFirst()) : key, at: config)
        }
        if let name = file.defaults.provider { return try named(name, at: config) }
        throw GatewayError(
            .invalidRequest, status: 400,
            inputs.config == nil
                ? "Either x-portkey-config or x-portkey-provider header is required"
                : "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a valid config with provider details in it."
        )
    }

    private func reference(_ text: String, _ config: TargetConfig, _ whole: RequestConfig) throws(GatewayError)
        -> Source
    {
        text.hasPrefix("@") ? try named(String(text.dropFirst()), at: config) : try own(text, whole, named: true)
    }

    private func named(_ name: String, at config: TargetConfig) throws(GatewayError) -> Source {
        guard let provider = file.providers[name] else {
            throw GatewayError(
                .invalidConfig, status: 400, "Invalid provider passed: there is no provider named @\(name)")
        }
        return Source(slug: provider.provider, named: provider)
    }

    private func own(_ slug: String, _ whole: RequestConfig, named: Bool) throws(GatewayError) -> Source {
        if whole.origin == .request || named, !allowInline.provider {
            throw blocked(
                "inline_provider_blocked", "providers are not taken from requests here: use @name", "x-portkey-provider"
            )
        }
        if snapshot.plugins.provider(slug) == nil {
            throw GatewayError(.invalidRequest, status: 400, "Invalid provider passed: there is no provider \(slug)")
        }
        return Source(slug: slug, named: nil)
    }

    private func credential(_ source: Source, _ config: TargetConfig) -> Target.Credential {
        if let named = source.named { return named.apiKey.map { .configured($0) } ?? .none }
        if let own = config.apiKey { return .configured(own) }
        // Where the config names the provider, the client's credential was not meant for it.
        return config.provider == nil ? .client : .none
    }

    private func secrets(_ named: ProviderConfig?) -> [String: String] {
        guard let named else { return [:] }
        var secrets: [String: String] = [:]
        for name in named.secretOptions { secrets[name] = named.options[name]?.string }
        return secrets
    }

    private func provider(_ descriptor: ProviderDescriptor, _ options: JSONObject, _ config: TargetConfig)
        throws(GatewayError) -> ProviderInstance
    {
        do throws(PluginCreationError) {
            let instance = try PluginInstance.create(
                library: descriptor.library, interface: .provider, id: descriptor.slug, check: nil,
                config: .object(
                    JSONObject([("description", descriptor.manifest.document), ("target", .object(options))])),
                services: snapshot.services)
            return ProviderInstance(instance: instance, descriptor: descriptor)
        } catch {
            throw GatewayError(
                .invalidConfig, status: 400, "Invalid config passed",
                errors: error.errors.map { "path: \(Self.path(config.pointer))\($0.pointer), message: \($0.message)" })
        }
    }

    static func path(_ pointer: JSONPointer) -> String { pointer.tokens.joined(separator: ",") }
}

extension Substring {
    var trimmed: Substring {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
