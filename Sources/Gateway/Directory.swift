// Directory: what the control plane has stored, as the data path reads it: keys, workspaces, credentials, limits. Immutable; a change
// makes a new one, which all loops have before the change is answered.

package import Accounting
package import Config
package import Core
package import Digests
package import Identity
package import Prompts
package import Routing
import Synchronization

package final class Directory: Sendable {
    /// A text that opens the gateway: a caller has two for as long as one is being replaced.
    package struct Code: Sendable {
        var code: Digest
        /// Nanoseconds since 1970.
        var expiresAt: Int64?
        var caller: Caller

        package init(code: Digest, expiresAt: Int64?, caller: Caller) {
            self.code = code
            self.expiresAt = expiresAt
            self.caller = caller
        }
    }

    /// Programs on this machine need no key.
    package let isLocal: Bool
    /// Grows: a loop that has a newer one keeps it.
    package let revision: Int
    /// By slug.
    package let tenants: [String: Tenant]
    private let authentication: HMACKey
    private let codes: [String: Code]
    /// By id: who has two codes is there once.
    private let callers: [String: Caller]

    package init(
        revision: Int, isLocal: Bool, tenants: [String: Tenant], authentication: HMACKey, codes: [String: Code]
    ) {
        self.revision = revision
        self.isLocal = isLocal
        self.tenants = tenants
        self.authentication = authentication
        self.codes = codes
        callers = Dictionary(codes.values.map { ($0.caller.key.name, $0.caller) }, uniquingKeysWith: { one, _ in one })
    }

    package static let defaultWorkspace = "default"

    /// Who presents this text; nil for nobody. One path for keys that are not there, wrong and expired, and as long for each.
    func caller(presented text: String) -> Caller? {
        let code = authentication.authenticate(text)
        let known = codes[KeyText.lookup(text)]
        let isRight = (known?.code ?? Self.nobody).matches(code)
        guard let known, isRight else { return nil }
        let now = WallClock.now()
        if let end = known.expiresAt, now >= end { return nil }
        if let end = known.caller.expiresAt, now >= end { return nil }
        return known.caller
    }

    package var lastUses: [(caller: Caller, at: Int64)] {
        callers.values.compactMap { $0.lastUse > 0 ? ($0, $0.lastUse) : nil }
    }

    /// A name for a credential at a provider that tells nothing of it.
    func account(_ text: String) -> String {
        String(authentication.authenticate("account " + text).hex.prefix(16))
    }

    /// By its id.
    func caller(id: String) -> Caller? { callers[id] }

    private static let nobody = SHA256.hash("nobody")
}

/// A stored key's owner.
package final class Caller: Sendable {
    /// What plans and records go by; its name is the key's id.
    package let key: GatewayKey
    package let principal: Principal
    package let tenant: Tenant
    package let limits: Allowance
    /// Nanoseconds since 1970.
    let expiresAt: Int64?
    /// Nanoseconds since 1970; 0 as long as it was not used.
    private let used = Atomic<Int64>(0)

    func noteUse() { used.store(WallClock.now(), ordering: .relaxed) }
    package var lastUse: Int64 { used.load(ordering: .relaxed) }

    package init(key: GatewayKey, principal: Principal, tenant: Tenant, limits: Allowance, expiresAt: Int64?) {
        self.key = key
        self.principal = principal
        self.tenant = tenant
        self.limits = limits
        self.expiresAt = expiresAt
    }
}

/// What something may use up.
package struct Allowance: Sendable {
    package var rates: [RateLimit]
    package var budgets: [Budget]

    package init(rates: [RateLimit] = [], budgets: [Budget] = []) {
        self.rates = rates
        self.budgets = budgets
    }

    var isEmpty: Bool { rates.isEmpty && budgets.isEmpty }
}

/// A workspace with everything that is its own.
package final class Tenant: Sendable {
    package let slug: String
    /// Counts its changes: plans are made anew after one.
    package let revision: Int
    /// By slug; the file's come before them.
    package let providers: [String: ProviderConfig]
    package let virtualKeys: [String: VirtualKey]
    package let guardrails: [String: JSONValue]
    package let configs: [String: StoredConfig]
    /// By slug and by id.
    package let prompts: [String: StoredPrompt]
    /// As templates call them: "slug", "slug@2", "slug@latest".
    package let partials: [String: Template]
    /// A config's slug, for requests that name none.
    package let defaultConfig: String?
    package let metadata: JSONObject
    package let limits: Allowance
    package let policies: [Policy]

    package init(
        slug: String, revision: Int, providers: [String: ProviderConfig] = [:], virtualKeys: [String: VirtualKey] = [:],
        guardrails: [String: JSONValue] = [:], configs: [String: StoredConfig] = [:],
        prompts: [String: StoredPrompt] = [:], partials: [String: Template] = [:], defaultConfig: String? = nil,
        metadata: JSONObject = JSONObject(), limits: Allowance = Allowance(), policies: [Policy] = []
    ) {
        self.slug = slug
        self.revision = revision
        self.providers = providers
        self.virtualKeys = virtualKeys
        self.guardrails = guardrails
        self.configs = configs
        self.prompts = prompts
        self.partials = partials
        self.defaultConfig = defaultConfig
        self.metadata = metadata
        self.limits = limits
        self.policies = policies
    }
}

extension Tenant {
    /// Slugs of prompts of which some version asks for a partial.
    package func promptsUsing(partial slug: String) -> [String] {
        Set(
            prompts.values.filter { prompt in
                prompt.versions.values.contains { version in
                    version.body.templates.contains { template in
                        let names = template.partials
                        return names.always.union(names.sometimes).contains { PromptReference.split($0).slug == slug }
                    }
                }
            }.map(\.slug)
        ).sorted()
    }
}

package struct StoredConfig: Sendable {
    package var version: Int
    package var document: JSONValue

    package init(version: Int, document: JSONValue) {
        self.version = version
        self.document = document
    }
}

/// A stored credential's rules. The credential itself is among the tenant's providers.
package final class VirtualKey: Sendable {
    package let slug: String
    package let limits: Allowance
    package let isEnabled: Bool
    /// Nanoseconds since 1970.
    package let expiresAt: Int64?

    package init(slug: String, limits: Allowance, isEnabled: Bool, expiresAt: Int64?) {
        self.slug = slug
        self.limits = limits
        self.isEnabled = isEnabled
        self.expiresAt = expiresAt
    }
}

/// A limit for requests that meet conditions, counted apart for each value of what it groups by.
package struct Policy: Sendable {
    package struct Condition: Sendable {
        package var key: String
        /// "*" is any that is there.
        package var value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }
    package var id: String
    package var conditions: [Condition]
    package var groupBy: [String]
    package var rate: RateLimit?
    package var budget: Budget?

    package init(id: String, conditions: [Condition], groupBy: [String], rate: RateLimit?, budget: Budget?) {
        self.id = id
        self.conditions = conditions
        self.groupBy = groupBy
        self.rate = rate
        self.budget = budget
    }

    /// The groups' part of its counters' names; nil when a request is none of its business.
    func group(_ value: (String) -> String?) -> String? {
        for condition in conditions {
            guard let found = value(condition.key), condition.value == "*" || found == condition.value else {
                return nil
            }
        }
        var name = ""
        for key in groupBy {
            guard let found = value(key) else { return nil }
            // Each with its length: no two sets of values have one name.
            name += "/\(found.utf8.count):\(found)"
        }
        return name
    }
}
