// GatewaySnapshot: one configuration with the plugins that it names and the plans made from it. Immutable but for the plan cache;
// a reload makes a new one, and exchanges keep the one they began with.

import Accounting
import Config
import Core
import PluginHost
import Upstream

package final class GatewaySnapshot: Sendable {
    let config: ConfigSnapshot
    let plugins: PluginCatalogue
    let services: HostServices
    let plans: PlanCache
    /// Counts reloads, from 1.
    let generation: Int
    /// Options that a header may set: those that some provider declares.
    let headerOptions: Set<String>
    /// For hosts that a client names.
    let addressPolicy: AddressPolicy
    /// What answers cost, and what is wrong with the list.
    let prices: PriceCatalogue
    private let priceProblem: String?
    /// Paths that mandatory guards let pass unread.
    let unscannable: [PathPattern]

    init(config: ConfigSnapshot, plugins: PluginCatalogue, services: HostServices, generation: Int, ports: [UInt16]) {
        self.config = config
        self.plugins = plugins
        var services = services
        services.grants = config.plugins.settings.mapValues { PluginGrants($0) }
        services.secret = { config.secrets[$0]?.reveal() }
        services.ledger = InstanceLedger()
        self.services = services
        self.generation = generation
        headerOptions = plugins.providerSlugs.reduce(into: []) { names, slug in
            if let provider = plugins.provider(slug) {
                names.formUnion(ProviderOptions.names(in: provider.manifest.document))
            }
        }
        plans = PlanCache(limit: config.limits.planCacheEntries)
        do throws(GatewayError) {
            prices = try Gateway.prices(config)
            priceProblem = nil
        } catch {
            prices = PriceCatalogue()
            priceProblem = error.message
        }
        unscannable = config.defaults.allowUnscannable.compactMap(PathPattern.init)
        addressPolicy = AddressPolicy(
            rules: config.network.allowHosts.compactMap { try? HostRule(parsing: $0) },
            allowsLoopback: config.keys.isEmpty && !(config.control.enabled && config.control.access == .keys)
                && !config.listen.allowPublicWithoutKeys, ownPorts: ports)
    }

    /// What a plugin may fetch from: public addresses, and what the operator allows to all or grants to this plugin.
    func fetchPolicy(for request: PluginFetch) -> AddressPolicy {
        let granted = config.plugins.settings[request.pluginID]?.egress ?? []
        guard !granted.isEmpty else { return addressPolicy }
        var policy = addressPolicy
        policy.rules += granted.compactMap { try? HostRule(parsing: $0) }
        return policy
    }
}

extension GatewaySnapshot {
    /// Makes every plan that the file names, so that what is wrong with one is known at once. Control thread only.
    func problems() -> [String] {
        var problems = priceProblem.map { [$0] } ?? []
        for (index, text) in config.network.allowHosts.enumerated() {
            do throws(AddressRefusal) { _ = try HostRule(parsing: text) } catch {
                problems.append("/network/allow_hosts/\(index): \(error.message)")
            }
        }
        for (id, settings) in config.plugins.settings.sorted(by: { $0.key < $1.key }) {
            for (index, text) in settings.egress.enumerated() {
                do throws(AddressRefusal) { _ = try HostRule(parsing: text) } catch {
                    problems.append("/plugins/settings/\(id)/egress/\(index): \(error.message)")
                }
            }
        }
        for (index, text) in config.defaults.allowUnscannable.enumerated() where PathPattern(text) == nil {
            problems.append(
                "/defaults/allow_unscannable/\(index): expected a path like /v1/files or /v1/audio/*, found \(text)")
        }
        problems += guardProblems()
        // Every plan has the mandatory ones: what is wrong with them is said once.
        guard problems.isEmpty else { return problems }
        var inputs: [(String, PlanInputs)] = []
        for (name, named) in config.configs.sorted(by: { $0.key < $1.key }) {
            var wanted = PlanInputs()
            wanted.config = name
            if named.targets.contains(where: \.takesProviderFromRequest) {
                // Tried with any provider of the file; without one there is nothing to try.
                guard let any = config.defaults.provider ?? config.providers.keys.min() else { continue }
                wanted.provider = "@" + any
            }
            inputs.append((named.root.pointerText, wanted))
        }
        if config.defaults.config != nil || config.defaults.provider != nil || !config.defaults.inputGuards.isEmpty
            || !config.defaults.outputGuards.isEmpty
        {
            inputs.append(("/defaults", PlanInputs()))
        }
        for name in config.providers.keys.sorted() {
            var provider = PlanInputs()
            provider.provider = "@" + name
            inputs.append(("/providers/\(name)", provider))
        }
        for (place, inputs) in inputs {
            do throws(GatewayError) {
                plans.keep(
                    try PlanBuilder(self, tenant: nil, allowInline: config.allowInline, keyConfig: nil).plan(
                        for: inputs),
                    for: inputs)
            } catch {
                if place == "/defaults", config.defaults.config == nil, config.defaults.provider == nil,
                    error.kind == .invalidRequest
                {
                    continue
                }
                problems.append(([place + ": " + error.message] + error.errors).joined(separator: "\n  "))
            }
        }
        return problems
    }

    /// Guards outside of the configs, used by one or not.
    private func guardProblems() -> [String] {
        let named = config.guardrails.sorted { $0.key < $1.key }.map { name, group in
            // Without a type it gets one from the list that names it.
            var typed = group
            typed.kind = typed.kind ?? .guardrail
            return (place: "/guardrails/\(name)", group: typed)
        }
        let builder = GuardBuilder(snapshot: self, file: config, allowInline: config.allowInline)
        func problem(_ place: String, _ check: () throws(GatewayError) -> Void) -> String? {
            do throws(GatewayError) {
                try check()
                return nil
            } catch {
                return ([place + ": " + error.message] + error.errors).joined(separator: "\n  ")
            }
        }
        let mandatory = problem("/defaults") { () throws(GatewayError) in _ = try builder.mandatory() }
        return (mandatory.map { [$0] } ?? [])
            + named.compactMap { entry in
                problem(entry.place) { () throws(GatewayError) in try builder.check(entry.group) }
            }
    }
}

extension TargetConfig {
    /// Features only, or written to pass through.
    fileprivate var takesProviderFromRequest: Bool { provider == nil && virtualKey == nil }
}

extension ConfigNode {
    fileprivate var pointerText: String {
        switch self {
        case .target(let target): target.pointer.description
        case .strategy(let strategy): strategy.pointer.description
        }
    }
}

extension PluginGrants {
    init(_ settings: PluginSettings) {
        self.init()
        secrets = Set(settings.secrets)
        headers = Set(settings.headers.map { $0.lowercased() })
        text = settings.text
    }
}

/// Asks the address rules about each address that a request may go to.
final class AddressCheck: ConnectPolicy, Sendable {
    private let policy: AddressPolicy
    private let port: UInt16
    let host: String

    init(_ policy: AddressPolicy, _ url: CheckedURL) {
        self.policy = policy
        host = url.host
        port = url.port
    }

    func refusal(of address: IPAddress, port: UInt16) -> String? {
        reason { () throws(AddressRefusal) in try policy.check(address, port: port, host: host) }
    }

    func refusalBehindProxy() -> String? {
        reason { () throws(AddressRefusal) in try policy.checkBehindProxy(host: host, port: port) }
    }

    private func reason(_ check: () throws(AddressRefusal) -> Void) -> String? {
        do throws(AddressRefusal) { try check() } catch { return error.message }
        return nil
    }
}
