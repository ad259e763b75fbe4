// Admit: step 5: the rate limits of the key, of its workspace and of the policies for requests. All of them admit a request, or none is
// charged.

import Accounting
import Config
import Core
import Routing
import Telemetry
import Wire

extension Worker {
    func admitRates(_ exchange: Exchange) throws(GatewayError) {
        guard let tenant = exchange.tenant else { return }
        var rates = (exchange.caller?.limits.rates ?? []) + tenant.limits.rates
        if !tenant.policies.isEmpty {
            let facts = PolicyFacts(exchange)
            rates += tenant.policies.filter { !$0.isOfAttempt }.compactMap { $0.rate(facts.value) }
        }
        guard !rates.isEmpty else { return }
        try admit(rates, exchange, isOfAttempt: false)
    }

    /// Counts a request, or an attempt of one.
    func admit(_ rates: [RateLimit], _ exchange: Exchange, isOfAttempt: Bool) throws(GatewayError) {
        let now = WallClock.now()
        let tokens = rates.contains { $0.measure == .tokens } ? Int64(estimate(exchange, nil, exchange.body).tokens) : 0
        let admission = services.rates.admit(rates, tokens: tokens, now: now)
        exchange.accounts.note(admission)
        guard admission.isAdmitted else {
            let what = admission.refused?.measure == .tokens ? "tokens" : "requests"
            let of = isOfAttempt ? "this virtual key or its policies" : "this key, its workspace or its policies"
            var error = GatewayError(
                .rateLimited, status: 429, "the limit of \(what) of \(of) is reached", type: "rate_limit_error",
                code: "rate_limit_exceeded")
            error.retryAfter = admission.retryAfterSeconds
            throw error
        }
        if tokens > 0 {
            exchange.accounts.admitted.append(
                Accounts.Admitted(
                    board: services.rates, limits: rates, tokens: tokens, at: admission.admittedAt,
                    isOfAttempt: isOfAttempt))
        }
    }

    /// Tokens that a request may take, and what they cost at a target. What goes in is guessed from its size; what comes out is what
    /// the request allows, else what the model can say, but no more than `control.estimate_tokens`.
    func estimate(_ exchange: Exchange, _ target: Target?, _ body: Bytes) -> (tokens: Int, cost: Int64) {
        guard exchange.endpoint.isPriced else { return (0, 0) }
        let snapshot = exchange.snapshot
        let model = target.flatMap { target in
            snapshot.prices.find(target.slug, answered: nil, asked: exchange.attemptModel)
        }
        var usage = TokenUsage()
        usage.prompt = UsageEstimate.tokens(ofBytes: exchange.textBytes(of: body))
        if exchange.endpoint != .embeddings {
            // The client's body has been read; one that was shaped since has not.
            let fields = exchange.fields.flatMap { $0.body == body ? $0 : nil } ?? Self.fields(of: body, exchange)
            let answers = max(1, fields?.count(.n) ?? 1)
            let bound =
                fields?.count(.maxCompletionTokens) ?? fields?.count(.maxTokens)
                ?? min(model?.price.maximumOutput ?? .max, snapshot.config.control.estimateTokens)
            usage.completion = bound.multipliedReportingOverflow(by: min(answers, 128)).partialValue
        }
        return (usage.prompt + usage.completion, model?.price.picodollars(for: usage) ?? 0)
    }

    private static func fields(of body: Bytes, _ exchange: Exchange) -> RequestFields? {
        try? RequestFields(reading: body, for: exchange.endpoint)
    }
}

/// What a policy's conditions and groups are about.
struct PolicyFacts {
    private let exchange: Exchange
    private let target: Target?

    init(_ exchange: Exchange, _ target: Target? = nil) {
        self.exchange = exchange
        self.target = target
    }

    func value(_ key: String) -> String? {
        switch key {
        case "api_key": return exchange.key?.name
        case "workspace", "workspace_id": return exchange.tenant?.slug
        case "config": return exchange.plan?.configName
        case "model": return exchange.attemptModel ?? exchange.fields?.model
        case "virtual_key": return target?.virtualKey?.slug
        case "provider": return target?.slug
        default:
            let name = key.hasPrefix("metadata.") ? String(key.dropFirst(9)) : key
            return exchange.metadata.first { $0.key == name }?.value
        }
    }
}

extension Policy {
    /// Asks for something that is known only when a target was chosen.
    var isOfAttempt: Bool {
        (conditions.map(\.key) + groupBy).contains { $0 == "virtual_key" || $0 == "provider" || $0 == "model" }
    }

    func rate(_ value: (String) -> String?) -> RateLimit? {
        guard var rate, let group = group(value) else { return nil }
        rate.subject += group
        return rate
    }

    func budget(_ value: (String) -> String?) -> Budget? {
        guard var budget, let group = group(value) else { return nil }
        budget.id += group
        return budget
    }
}

extension RateAdmission {
    /// Rounded up: earlier is too early.
    var retryAfterSeconds: Int { Int(max(1, (retryAfter + 999_999_999) / 1_000_000_000)) }
}
