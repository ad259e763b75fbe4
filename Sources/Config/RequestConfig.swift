// RequestConfig: what a Portkey-shaped config says for a request, with everything that targets inherit already in its
// place.
//
// The tree has strategies inside and targets at its leaves; whoever walks it never looks back at a parent. It comes out
// of RequestConfigParser, from a config of the file or from a request's header.

package import Core

/// Who wrote a config. What the file says is the operator's word; what a request brings along is checked against
/// `allow_inline`.
package enum ConfigOrigin: Sendable, Hashable {
    /// The named config of the file; "" where the file says it outside a named config.
    case file(String)
    /// The named config that somebody has stored by the control API: its credentials are the gateway's to keep, its addresses are
    /// checked like a request's.
    case stored(String)
    case request

    package var isFile: Bool { if case .file = self { true } else { false } }
}

package struct RequestConfig: Sendable, Equatable {
    package var origin: ConfigOrigin
    package var root: ConfigNode

    package init(origin: ConfigOrigin, root: ConfigNode) {
        self.origin = origin
        self.root = root
    }

    /// The leaves in order.
    package var targets: [TargetConfig] { root.targets }

    /// False when the config has features only (cache, retry, guards): provider and credential come from the headers
    /// then.
    package var namesProvider: Bool {
        if case .target(let target) = root {
            return target.provider != nil || target.virtualKey != nil || target.passthrough
        }
        return true
    }
}

package indirect enum ConfigNode: Sendable, Equatable {
    case target(TargetConfig)
    case strategy(StrategyConfig)

    package var path: String {
        switch self {
        case .target(let it): it.path;
        case .strategy(let it): it.path
        }
    }
    package var name: String? {
        switch self {
        case .target(let it): it.name;
        case .strategy(let it): it.name
        }
    }
    package var weight: Double {
        switch self {
        case .target(let it): it.weight;
        case .strategy(let it): it.weight
        }
    }

    package var targets: [TargetConfig] {
        switch self {
        case .target(let target): [target]
        case .strategy(let strategy): strategy.children.flatMap(\.targets)
        }
    }
}

// MARK: Strategies

package struct StrategyConfig: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case single, loadbalance, fallback, conditional
    }

    package struct Condition: Sendable, Equatable {
        /// As written; Routing judges it.
        package var query: JSONValue
        /// The name of a child.
        package var then: String

        package init(query: JSONValue, then: String) {
            self.query = query
            self.then = then
        }
    }

    package struct Sticky: Sendable, Equatable {
        package var hashFields: [String]
        package var seconds: Int

        package init(hashFields: [String], seconds: Int) {
            self.hashFields = hashFields
            self.seconds = seconds
        }
    }

    /// As `TargetConfig.path`.
    package var path: String
    package var pointer: JSONPointer
    package var name: String?
    package var weight: Double = 1
    package var mode: Mode
    /// Never empty.
    package var children: [ConfigNode]
    /// Fallback moves on at these; nil: at whatever is not 2xx. An empty list matches nothing.
    package var onStatusCodes: [Int]?
    package var conditions: [Condition] = []
    /// The child for requests that meet no condition.
    package var defaultTarget: String?
    package var sticky: Sticky?
    /// Its own or its parent's.
    package var circuitBreaker: CircuitBreakerConfig?

    package init(path: String, pointer: JSONPointer, mode: Mode, children: [ConfigNode]) {
        self.path = path
        self.pointer = pointer
        self.mode = mode
        self.children = children
    }
}

package struct CircuitBreakerConfig: Sendable, Equatable {
    package var failureThreshold: Int?
    /// Of 100.
    package var failureThresholdPercentage: Double?
    package var cooldownMilliseconds = 30_000
    /// nil: above 500.
    package var failureStatusCodes: [Int]?
    package var minimumRequests: Int?

    package init() {}
}

// MARK: Targets

package struct TargetConfig: Sendable, Equatable {
    /// "config", "config.targets[1]", "config.targets[1].targets[0]": the client sees it in a header.
    package var path: String
    package var pointer: JSONPointer
    package var name: String?
    package var weight: Double = 1

    /// An adapter's slug, or "@name" of the file's `providers`.
    package var provider: String?
    package var virtualKey: String?
    package var apiKey: Secret?
    package var customHost: String?
    /// Takes its provider from the request.
    package var passthrough = false

    package var overrideParams = JSONObject()
    package var defaultParams = JSONObject()
    package var dropParams: [String] = []

    package var retry: RetryConfig?
    package var cache: CacheConfig?
    /// To the head of the answer, per attempt.
    package var requestTimeoutMilliseconds: Int?
    package var timeouts = TokenTimeouts()
    /// Lower-case, with "-" where "_" was written.
    package var forwardHeaders: [String] = []
    package var strictOpenAICompliance: Bool?
    /// The guards' receipts go into the answer.
    package var receipts: Bool?
    package var circuitBreaker: CircuitBreakerConfig?

    /// In order: long form, short form, mutators, then the defaults of the root and of the headers.
    package var beforeGuards: [GuardGroup] = []
    package var afterGuards: [GuardGroup] = []

    /// Every other member, in snake_case: `aws_region`, `resource_name`, `api_version`, … for the adapter.
    package var options = JSONObject()

    package init(path: String = "config", pointer: JSONPointer = JSONPointer()) {
        self.path = path
        self.pointer = pointer
    }

    /// Options that were given by reference ({env: …}, {file: …}), in the file: never shown.
    package var secretOptions: Set<String> = []

    /// The name from the file's `providers` whose credential this target uses, written as `provider: "@name"` or
    /// `virtual_key: name`. The parser has made the first out of `override_params: {model: "@name/…"}`.
    package var namedProvider: String? {
        if let provider, provider.hasPrefix("@") { return String(provider.dropFirst()) }
        guard let virtualKey else { return nil }
        return virtualKey.hasPrefix("@") ? String(virtualKey.dropFirst()) : virtualKey
    }
}

package struct RetryConfig: Sendable, Equatable {
    /// Upstream calls after the first.
    package var attempts: Int
    /// nil: the default set.
    package var onStatusCodes: [Int]?
    package var useRetryAfterHeader: Bool

    package init(attempts: Int, onStatusCodes: [Int]? = nil, useRetryAfterHeader: Bool = false) {
        self.attempts = attempts
        self.onStatusCodes = onStatusCodes
        self.useRetryAfterHeader = useRetryAfterHeader
    }
}

package struct CacheConfig: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case simple, semantic
    }

    package var mode: Mode
    /// nil: the file's `cache.max_age`.
    package var maximumAgeSeconds: Int?

    package init(mode: Mode, maximumAgeSeconds: Int? = nil) {
        self.mode = mode
        self.maximumAgeSeconds = maximumAgeSeconds
    }
}

// MARK: Guards

/// One entry of a guard list: some checks, and what follows from their verdict.
package struct GuardGroup: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case guardrail, mutator
    }
    package enum Stage: Sendable, Hashable {
        case before, after
    }

    /// As configured, or made up from its place.
    package var id: String
    /// nil: a request's long form without a type. It runs nothing and passes.
    package var kind: Kind?
    package var stage: Stage
    /// Who wrote the checks. A request that names a guardrail of the file gets the file's.
    package var origin: ConfigOrigin
    package var deny = false
    package var isAsync = false
    package var isSequential = false
    package var policy = GuardPolicy()
    /// `{"feedback": {…}}` as written.
    package var onSuccess: JSONValue?
    package var onFail: JSONValue?
    package var checks: [GuardCheck]
    package var pointer: JSONPointer

    package init(
        id: String, kind: Kind?, stage: Stage, origin: ConfigOrigin, checks: [GuardCheck],
        pointer: JSONPointer = JSONPointer()
    ) {
        self.id = id
        self.kind = kind
        self.stage = stage
        self.origin = origin
        self.checks = checks
        self.pointer = pointer
    }
}

package struct GuardCheck: Sendable, Equatable {
    /// With its plugin: "default.contains".
    package var id: String
    package var parameters: JSONValue
    package var isEnabled = true
    /// Where its parameters stand, in the file or in the request's config, see `GuardGroup.origin`.
    package var pointer: JSONPointer

    package init(id: String, parameters: JSONValue, isEnabled: Bool = true, pointer: JSONPointer = JSONPointer()) {
        self.id = id
        self.parameters = parameters
        self.isEnabled = isEnabled
        self.pointer = pointer
    }
}

// MARK: Model names

package enum ModelName {
    /// "@name/model" in its parts, cut at the first slash, since model ids have slashes of their own. nil without an
    /// "@".
    package static func split(_ text: String) -> (provider: String, model: String)? {
        guard text.hasPrefix("@") else { return nil }
        let rest = text.dropFirst()
        guard let slash = rest.firstIndex(of: "/"), slash != rest.startIndex else { return nil }
        return (String(rest[..<slash]), String(rest[rest.index(after: slash)...]))
    }
}

// MARK: What headers say

/// The options that a request gives beside its config. They hold for every target.
package struct HeaderOptions: Sendable, Equatable {
    package var customHost: String?
    package var requestTimeoutMilliseconds: Int?
    package var forwardHeaders: [String]?
    /// `x-portkey-strict-open-ai-compliance`: an answer is non-strict when this or the config says false.
    package var strictOpenAICompliance: Bool?
    /// `x-portkey-cache`: for targets whose config has no `cache`.
    package var cache: CacheConfig?
    /// The JSON arrays of `x-portkey-default-input-guardrails` and `…-output-guardrails`.
    package var defaultInputGuardrails: JSONValue?
    package var defaultOutputGuardrails: JSONValue?

    package init() {}
}

/// Why a config was refused, in Portkey's words. Always a 400.
package struct RequestConfigError: Error, Sendable, Equatable {
    package struct Issue: Sendable, Equatable, CustomStringConvertible {
        /// As written by the client: "targets", "0", "strategy", "mode".
        package var path: [String]
        package var message: String

        package init(_ path: [String], _ message: String) {
            self.path = path
            self.message = message
        }

        /// "path: strategy,mode, message: …"
        package var description: String { "path: \(path.joined(separator: ",")), message: \(message)" }
    }

    package var message: String
    package var issues: [Issue]

    package init(_ message: String, issues: [Issue] = []) {
        self.message = message
        self.issues = issues
    }

    package init(issues: [Issue]) {
        self.init("Invalid config passed", issues: issues)
    }

    /// The lines of the answer's `errors`.
    package var errors: [String] { issues.map(\.description) }
}
