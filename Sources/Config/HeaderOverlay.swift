// HeaderOverlay: a request's config with what its headers say over it (spec §2.2). A header holds for every target.

package import Core

extension RequestConfig {
    /// A config that came with a request. `{}` is one, too: everything is in the headers then.
    ///
    /// `knownProviders` are the slugs that have an adapter, and `keylessProviders` those among them that need no key.
    /// `allowsHost` judges custom hosts beyond their spelling.
    package init(
        parsing document: JSONValue, in file: ConfigSnapshot, headers: HeaderOptions = HeaderOptions(),
        knownProviders: [String]? = nil, keylessProviders: Set<String> = ["ollama", "triton"],
        allowsHost: @escaping (String) -> Bool = { _ in true }
    ) throws(RequestConfigError) {
        try self.init(
            parsing: document, from: .request, in: file, headers: headers, knownProviders: knownProviders,
            keylessProviders: keylessProviders, allowsHost: allowsHost)
    }

    /// The same for one that is stored under a name.
    package init(
        stored name: String, parsing document: JSONValue, in file: ConfigSnapshot,
        headers: HeaderOptions = HeaderOptions(), knownProviders: [String]? = nil,
        keylessProviders: Set<String> = ["ollama", "triton"],
        allowsHost: @escaping (String) -> Bool = { _ in true }
    ) throws(RequestConfigError) {
        try self.init(
            parsing: document, from: .stored(name), in: file, headers: headers, knownProviders: knownProviders,
            keylessProviders: keylessProviders, allowsHost: allowsHost)
    }

    private init(
        parsing document: JSONValue, from origin: ConfigOrigin, in file: ConfigSnapshot, headers: HeaderOptions,
        knownProviders: [String]?, keylessProviders: Set<String>, allowsHost: @escaping (String) -> Bool
    ) throws(RequestConfigError) {
        var parser = RequestConfigParser(origin: origin)
        parser.guardrails = file.guardrails
        parser.providerNames = Set(file.providers.keys)
        parser.knownProviders = knownProviders
        parser.keylessProviders = keylessProviders
        parser.allowsHost = allowsHost
        self = try parser.config(document).applying(headers, in: file)
    }

    /// This config under a request's headers.
    package func applying(_ headers: HeaderOptions, in file: ConfigSnapshot) throws(RequestConfigError) -> RequestConfig
    {
        if headers == HeaderOptions() { return self }
        if headers.customHost != nil, origin != .request {
            throw RequestConfigError(CredentialRule.customHostWithFileConfig)
        }
        if let names = headers.forwardHeaders, HeaderName.normalised(names).contains("x-portkey-forward-headers") {
            throw RequestConfigError(HeaderName.forwardsItself)
        }
        if let host = headers.customHost {
            guard HTTPURL.isValid(host) else { throw RequestConfigError("Invalid custom host") }
            // Stored credentials keep their own host: the header is for targets that the client brings the credential for.
            if let name = targets.lazy.compactMap(\.namedProvider).first(where: { !Self.isStored($0, file) }) {
                throw RequestConfigError(CredentialRule.customHost(withNamed: name))
            }
        }
        let before = try headers.defaultInputGuardrails.map { value throws(RequestConfigError) in
            try Self.guards(value, "x-portkey-default-input-guardrails", .before, file)
        }
        let after = try headers.defaultOutputGuardrails.map { value throws(RequestConfigError) in
            try Self.guards(value, "x-portkey-default-output-guardrails", .after, file)
        }
        return RequestConfig(
            origin: origin,
            root: Self.map(root) {
                let host = $0.customHost
                Self.overlay(headers, before ?? [], after ?? [], on: &$0)
                if let name = $0.namedProvider, Self.isStored(name, file) { $0.customHost = host }
            })
    }

    private static func isStored(_ name: String, _ file: ConfigSnapshot) -> Bool {
        file.providers[name]?.isChecked == true
    }

    private static func overlay(
        _ headers: HeaderOptions, _ before: [GuardGroup], _ after: [GuardGroup], on target: inout TargetConfig
    ) {
        target.customHost = headers.customHost ?? target.customHost
        target.requestTimeoutMilliseconds = headers.requestTimeoutMilliseconds ?? target.requestTimeoutMilliseconds
        if let names = headers.forwardHeaders { target.forwardHeaders = HeaderName.normalised(names) }
        if let strict = headers.strictOpenAICompliance {
            target.strictOpenAICompliance = strict && target.strictOpenAICompliance ?? true
        }
        target.cache = target.cache ?? headers.cache
        target.beforeGuards += before
        target.afterGuards += after
    }

    private static func guards(
        _ value: JSONValue, _ header: String, _ stage: GuardGroup.Stage, _ file: ConfigSnapshot
    ) throws(RequestConfigError) -> [GuardGroup] {
        var parser = RequestConfigParser(origin: .request)
        parser.guardrails = file.guardrails
        guard let list = value.array else {
            throw RequestConfigError(issues: [
                RequestConfigError.Issue([header], "Expected array, received something else")
            ])
        }
        let groups = parser.guardList(list, [header], stage, .short(.guardrail))
        if !parser.issues.isEmpty { throw RequestConfigError(issues: parser.issues) }
        return groups
    }

    private static func map(_ node: ConfigNode, _ change: (inout TargetConfig) -> Void) -> ConfigNode {
        switch node {
        case .target(var target):
            change(&target)
            return .target(target)
        case .strategy(var strategy):
            strategy.children = strategy.children.map { map($0, change) }
            return .strategy(strategy)
        }
    }
}
