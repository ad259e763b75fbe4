// Reserve: step 7d: before a target is asked, what the answer may cost is reserved in every budget that it counts in; after the attempt
// it is settled (7h), or released where nothing was used. Attempts that the cache answers cost nothing.

import Accounting
import Core
import Routing
import Telemetry

/// What one exchange was admitted for and has reserved.
struct Accounts {
    struct Admitted {
        var board: RateBoard
        var limits: [RateLimit]
        var tokens: Int64
        var at: Int64
        var isOfAttempt: Bool
    }
    var admitted: [Admitted] = []
    var reserved: (ledger: Ledger, reservation: Reservation)?
    private var alerts: [BudgetAlert] = []
    private var requests: RateStanding?
    private var tokens: RateStanding?

    /// The tightest limits, for the headers.
    mutating func note(_ admission: RateAdmission) {
        func tighter(_ known: RateStanding?, _ new: RateStanding?) -> RateStanding? {
            guard let known, let new else { return new ?? known }
            return new.remaining < known.remaining ? new : known
        }
        requests = tighter(requests, admission.requests)
        tokens = tighter(tokens, admission.tokens)
    }

    /// What was used by the attempt that has ended; nil: nothing.
    mutating func settle(_ attempt: AttemptRecord?) {
        let used = Int64((attempt?.usage?.input ?? 0) + (attempt?.usage?.output ?? 0))
        if let (ledger, reservation) = reserved {
            reserved = nil
            if let attempt {
                alerts += ledger.settle(reservation, cost: attempt.cost?.picodollars, tokens: used)
            } else {
                ledger.release(reservation)
            }
        }
        for one in admitted where one.isOfAttempt {
            one.board.settle(one.limits, estimated: one.tokens, used: used, admittedAt: one.at)
        }
        admitted.removeAll(where: \.isOfAttempt)
    }

    /// The exchange is over. Gives the budgets that somebody wants to be told of.
    mutating func close(_ record: ExchangeRecord) -> [BudgetAlert] {
        if !admitted.isEmpty {
            let used = record.attempts.reduce(Int64(0)) {
                $0 + Int64(($1.usage?.input ?? 0) + ($1.usage?.output ?? 0))
            }
            for one in admitted {
                one.board.settle(one.limits, estimated: one.tokens, used: used, admittedAt: one.at)
            }
            admitted = []
        }
        return alerts
    }

    /// OpenAI's names, which SDKs know.
    func addHeaders(_ headers: inout [(name: String, value: String)]) {
        func add(_ standing: RateStanding?, _ what: String) {
            guard let standing else { return }
            // A provider's own say what the gateway's credential may do, which is not the client's business.
            headers.removeAll {
                $0.name.hasPrefixIgnoringCase("x-ratelimit-") && $0.name.lowercased().hasSuffix(what)
            }
            headers.append(("x-ratelimit-limit-\(what)", String(standing.limit.value)))
            headers.append(("x-ratelimit-remaining-\(what)", String(max(0, standing.remaining))))
            headers.append(("x-ratelimit-reset-\(what)", "\((standing.reset + 999_999) / 1_000_000)ms"))
        }
        add(requests, "requests")
        add(tokens, "tokens")
    }
}

extension Worker {
    func reserve(_ exchange: Exchange, _ target: Target, body: Bytes) throws(GatewayError) {
        guard let tenant = exchange.tenant else { return }
        if let key = target.virtualKey { try check(key) }
        let facts = PolicyFacts(exchange, target)
        var rates = target.virtualKey?.limits.rates ?? []
        var budgets = (exchange.caller?.limits.budgets ?? []) + tenant.limits.budgets
        budgets += target.virtualKey?.limits.budgets ?? []
        for policy in tenant.policies {
            if policy.isOfAttempt, let rate = policy.rate(facts.value) { rates.append(rate) }
            if let budget = policy.budget(facts.value) { budgets.append(budget) }
        }
        if !rates.isEmpty { try admit(rates, exchange, isOfAttempt: true) }
        guard !budgets.isEmpty else { return }
        let estimate = estimate(exchange, target, body)
        do throws(BudgetRefusal) {
            let reservation = try services.ledger.reserve(
                budgets, cost: estimate.cost, tokens: Int64(estimate.tokens), now: WallClock.now() / 1_000_000_000)
            exchange.accounts.reserved = (services.ledger, reservation)
        } catch {
            var failure = GatewayError(
                .budgetExceeded, status: 412,
                "the budget of \(Self.owner(of: error.budget)) does not suffice for this request",
                type: "budget_exceeded", code: "budget_exceeded")
            if let end = error.resetsAt { failure.retryAfter = max(1, Int(end - WallClock.now() / 1_000_000_000)) }
            throw failure
        }
    }

    private func check(_ key: VirtualKey) throws(GatewayError) {
        guard key.isEnabled else {
            throw GatewayError(
                .forbidden, status: 403, "the virtual key \(key.slug) is disabled", code: "virtual_key_disabled")
        }
        if let end = key.expiresAt, WallClock.now() >= end {
            throw GatewayError(
                .forbidden, status: 403, "the virtual key \(key.slug) has expired", code: "virtual_key_expired")
        }
    }

    /// For the client, who need not know ids.
    private static func owner(of budget: Budget) -> String {
        switch budget.id.prefix(while: { $0 != "/" }) {
        case "key": "this key"
        case "workspace": "this workspace"
        case "virtual-key": "this virtual key"
        default: "a policy"
        }
    }
}
