// ResolvePlan: step 4, what the config says for this request. Plans are kept by what they were made from, so that the second
// request that says the same pays a look-up.

import Config
import Core
import PluginHost
import Synchronization
import Wire

/// Everything of a request that a plan depends on. Credentials and metadata are not among it.
struct PlanInputs: Hashable, Sendable {
    /// JSON, or the name of a config of the file.
    var config: String?
    /// The name of the gateway key: its `allow_inline` counts.
    var key: String?
    var provider: String?
    var virtualKey: String?
    /// "name" of a body model "@name/model", or the provider of "provider/model".
    var modelProvider: String?
    var customHost: String?
    var forwardHeaders: String?
    var requestTimeout: String?
    var strict: String?
    var cache: String?
    var inputGuardrails: String?
    var outputGuardrails: String?
    var options: [Option] = []
    var guarding = Guarding.full
    /// What is stored for the workspace, at this state.
    var tenant: TenantState?

    struct TenantState: Hashable, Sendable {
        var slug: String
        var revision: Int

        init(_ tenant: Tenant) {
            slug = tenant.slug
            revision = tenant.revision
        }
    }

    enum Guarding {
        case full
        /// A client's guard asks: the operator's mandatory guards, not the target's.
        case mandatory
        /// An operator's guard asks.
        case none
    }

    struct Option: Hashable, Sendable {
        var name: String
        var value: String
    }
}

/// Plans by their inputs: bounded, least recently used out first. Shared by all loops.
final class PlanCache: Sendable {
    private struct State {
        var plans: [PlanInputs: (plan: Plan, used: UInt64)] = [:]
        var clock: UInt64 = 0
        var making: [PlanInputs: PlanMaking] = [:]
    }
    /// Plans that are made or wait to be made at a time: one thread makes them all.
    private static let makingLimit = 128
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = max(1, limit) }

    func find(_ inputs: PlanInputs) -> Plan? {
        state.withLock { state in
            guard let index = state.plans.index(forKey: inputs) else { return nil }
            state.clock += 1
            state.plans.values[index].used = state.clock
            return state.plans.values[index].plan
        }
    }

    func keep(_ plan: Plan, for inputs: PlanInputs) {
        // What falls out is released outside of the lock: instances are destroyed with the last plan that has them.
        let dropped = state.withLock { state -> [Plan] in
            state.clock += 1
            state.plans[inputs] = (plan, state.clock)
            guard state.plans.count > limit else { return [] }
            // A tenth at a time, so that the sort is paid for by many requests.
            let oldest = state.plans.sorted { $0.value.used < $1.value.used }.prefix(max(1, limit / 10))
            return oldest.compactMap { state.plans.removeValue(forKey: $0.key)?.plan }
        }
        withExtendedLifetime(dropped) {}
    }

    /// Has a plan made and kept, or joins those who wait for the same; nil when too many others are being made.
    func make(_ inputs: PlanInputs, _ build: @escaping @Sendable () throws(GatewayError) -> Plan) -> PlanMaking? {
        let (making, isNew) = state.withLock { state -> (PlanMaking?, Bool) in
            if let known = state.making[inputs] { return (known, false) }
            guard state.making.count < Self.makingLimit else { return (nil, false) }
            let making = PlanMaking()
            state.making[inputs] = making
            return (making, true)
        }
        guard let making, isNew else { return making }
        ControlThread.run {
            let result = Result { () throws(GatewayError) in try build() }
            if case .success(let plan) = result { self.keep(plan, for: inputs) }
            self.state.withLock { $0.making[inputs] = nil }
            making.finish(result)
        }
        return making
    }
}

extension Worker {
    func resolvePlan(_ exchange: Exchange) async throws(GatewayError) -> Plan {
        if exchange.key?.allowsOtherConfig == false, exchange.headers.config?.isEmpty == false {
            throw GatewayError(
                .invalidRequest, status: 400, "this key's config is fixed: send no x-portkey-config",
                code: "config_override_not_allowed", param: "x-portkey-config")
        }
        let inputs = planInputs(exchange)
        if let plan = exchange.snapshot.plans.find(inputs) { return plan }
        return try await makePlan(exchange, inputs)
    }

    private func planInputs(_ exchange: Exchange) -> PlanInputs {
        let headers = exchange.headers
        var inputs = PlanInputs()
        inputs.config = headers.config
        if let caller = exchange.caller {
            // Keys that say the same share their plans: there may be thousands of them.
            if (headers.config ?? "").isEmpty { inputs.config = caller.key.config ?? caller.tenant.defaultConfig }
        } else {
            inputs.key = exchange.key?.name
        }
        inputs.tenant = exchange.tenant.map { PlanInputs.TenantState($0) }
        inputs.provider = headers.provider
        inputs.virtualKey = headers.virtualKey
        inputs.customHost = headers.customHost
        inputs.forwardHeaders = headers.forwardHeaders
        inputs.requestTimeout = headers.requestTimeout
        inputs.strict = headers.strict
        inputs.cache = headers.cache
        inputs.inputGuardrails = headers.defaultInputGuardrails
        inputs.outputGuardrails = headers.defaultOutputGuardrails
        if !headers.options.isEmpty {
            // Whatever no provider knows would only make a plan more that does the same.
            let known = exchange.snapshot.headerOptions
            inputs.options = headers.options.filter { known.contains($0.name) }
                .map { PlanInputs.Option(name: $0.name, value: $0.value) }.sorted { $0.name < $1.name }
        }
        // What the prompt was stored with, where the request says nothing.
        if let prompt = exchange.prompt, (headers.config ?? "").isEmpty, headers.provider == nil,
            headers.virtualKey == nil
        {
            if let config = prompt.config, exchange.key?.allowsOtherConfig != false { inputs.config = config }
            inputs.virtualKey = prompt.virtualKey
        }
        if let model = exchange.fields?.model, let split = splitModel(model, headers, exchange) {
            inputs.modelProvider = split.provider
            exchange.modelWithoutPrefix = split.model
        }
        return inputs
    }

    /// A name of the file's or of the workspace's.
    private func isProvider(_ name: String, _ exchange: Exchange) -> Bool {
        exchange.snapshot.config.providers[name] != nil || exchange.tenant?.providers[name] != nil
    }

    /// "@name/model"; or "provider/model" where nothing else names a provider and the provider is a known one.
    private func splitModel(_ model: String, _ headers: RequestHeaders, _ exchange: Exchange) -> (
        provider: String, model: String
    )? {
        if model.hasPrefix("@") {
            // Some providers' own model ids begin with "@", too: only a known name counts, unless nothing else names a provider.
            guard let split = ModelName.split(model) else { return nil }
            let isNamedElsewhere = headers.provider != nil || headers.virtualKey != nil || headers.config != nil
            if !isProvider(split.provider, exchange), isNamedElsewhere { return nil }
            return ("@" + split.provider, split.model)
        }
        guard headers.config == nil, headers.provider == nil, headers.virtualKey == nil, exchange.key?.config == nil,
            exchange.tenant?.defaultConfig == nil,
            exchange.snapshot.config.defaults.config == nil, exchange.snapshot.config.defaults.provider == nil,
            let slash = model.firstIndex(of: "/")
        else { return nil }
        let provider = String(model[..<slash])
        let rest = String(model[model.index(after: slash)...])
        if isProvider(provider, exchange) { return ("@" + provider, rest) }
        if exchange.snapshot.plugins.provider(provider) != nil { return (provider, rest) }
        return nil
    }
}
