// Standings: how much of an object's budgets is spent.

import Accounting
import Core
import Gateway
import Identity
import Routing

extension ControlDesk {
    /// `usage`, a budget each; and the status `exhausted`.
    func addStandings(to object: inout JSONObject, of subject: String, _ document: JSONObject) {
        let budgets = LimitText.budgets(document["usage_limits"], of: subject)
        guard !budgets.isEmpty, let ledger = surroundings.gateway?.ledger else { return }
        let now = WallClock.now() / 1_000_000_000
        var usage: [JSONValue] = []
        var isExhausted = false
        for budget in budgets {
            let standing = ledger.standing(of: budget, now: now)
            let places = budget.measure == .cost ? 12 : 0
            var entry = JSONObject([
                ("type", .string(budget.measure.rawValue)),
                ("credit_limit", .number(FixedPoint.text(budget.limit, places: places))),
                ("spent", .number(FixedPoint.text(standing.spent, places: places))),
                ("reserved", .number(FixedPoint.text(standing.reserved, places: places))),
            ])
            if let next = budget.period.next(after: now) {
                entry["next_usage_reset_at"] = Moment.text(next * 1_000_000_000)
            }
            usage.append(.object(entry))
            if standing.spent >= budget.limit { isExhausted = true }
        }
        object["usage"] = .array(usage)
        if isExhausted, object["status"] == "active" { object["status"] = "exhausted" }
    }
}

/// Limits as they are stored, to those that the data path counts by.
enum LimitText {
    static func budgets(_ stored: JSONValue?, of subject: String) -> [Budget] {
        (stored?.array ?? []).compactMap { item in
            var problem = ""
            guard let limit = UsageLimit(item, problem: &problem) else { return nil }
            return budget(limit, of: subject)
        }
    }

    static func budget(_ limit: UsageLimit, of subject: String) -> Budget {
        let (period, name): (BudgetPeriod, String) =
            switch limit.reset {
            case .never: (.none, "all")
            case .daily: (.daily, "day")
            case .weekly: (.weekly, "week")
            case .monthly: (.monthly, "month")
            case .days(let count): (.days(count), "\(count)days")
            }
        return Budget(
            id: "\(subject)/\(limit.measure.rawValue)/\(name)", measure: limit.measure == .cost ? .cost : .tokens,
            limit: limit.amount, period: period, alertAt: limit.alertAt)
    }

    static func rates(_ stored: JSONValue?, of subject: String) -> [RateLimit] {
        (stored?.array ?? []).compactMap { item in
            var problem = ""
            guard let rule = RateRule(item, problem: &problem) else { return nil }
            return rate(rule, of: subject)
        }
    }

    static func rate(_ rule: RateRule, of subject: String) -> RateLimit? {
        guard let unit = RateLimit.Unit(rawValue: rule.unit.rawValue) else { return nil }
        return RateLimit(
            subject: subject, measure: rule.measure == .tokens ? .tokens : .requests, unit: unit, value: rule.value)
    }

    static func limits(_ document: JSONObject, of subject: String) -> Allowance {
        Allowance(
            rates: rates(document["rate_limits"], of: subject),
            budgets: budgets(document["usage_limits"], of: subject))
    }
}
