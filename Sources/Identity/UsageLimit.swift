// UsageLimit: what a key, a virtual key, a workspace or a policy allows, as it is written in the control API.

package import Core

/// `usage_limits`: how much may be spent.
package struct UsageLimit: Sendable, Hashable {
    package enum Measure: String, Sendable, CaseIterable { case cost, tokens }
    package enum Reset: Sendable, Hashable {
        case never, daily, weekly, monthly
        case days(Int)
    }

    package var measure: Measure
    /// 10⁻¹² US dollars, or tokens.
    package var amount: Int64
    package var reset: Reset
    /// In the same unit.
    package var alertAt: Int64?

    package init(measure: Measure, amount: Int64, reset: Reset, alertAt: Int64?) {
        self.measure = measure
        self.amount = amount
        self.reset = reset
        self.alertAt = alertAt
    }
}

/// `rate_limits`: how much may pass in a time.
package struct RateRule: Sendable, Hashable {
    package enum Measure: String, Sendable, CaseIterable { case requests, tokens }
    package enum Unit: String, Sendable, CaseIterable { case rps, rpm, rph, rpd, rpw }

    package var measure: Measure
    package var unit: Unit
    package var value: Int64

    package init(measure: Measure, unit: Unit, value: Int64) {
        self.measure = measure
        self.unit = unit
        self.value = value
    }
}

extension RawRepresentable where RawValue == String {
    /// What a member says; `usual` where it is absent or null.
    fileprivate init?(_ member: JSONValue?, or usual: Self) {
        guard let member, !member.isNull else {
            self = usual
            return
        }
        guard let word = member.string else { return nil }
        self.init(rawValue: word)
    }
}

extension UsageLimit {
    /// Reads one of Portkey's objects. `nil` with a sentence in `problem` when it is none.
    package init?(_ value: JSONValue, problem: inout String) {
        guard let object = value.object else {
            problem = "expected an object with credit_limit, found \(value.kindName)"
            return nil
        }
        let known = [
            "credit_limit", "type", "alert_threshold", "periodic_reset", "periodic_reset_days", "next_usage_reset_at",
        ]
        if let other = object.keys.first(where: { !known.contains($0) }) {
            problem = "there is no \"\(other)\" in a usage limit"
            return nil
        }
        guard let measure = Measure(object["type"], or: .cost) else {
            problem = "type must be cost or tokens"
            return nil
        }
        guard let limit = object["credit_limit"], let amount = Self.amount(limit, measure), amount > 0 else {
            problem = "credit_limit must be a number greater than 0, and at most 9000000 USD"
            return nil
        }
        var alert: Int64?
        if let threshold = object["alert_threshold"], !threshold.isNull {
            alert = Self.amount(threshold, measure)
            guard let alert, alert >= 0 else {
                problem = "alert_threshold must be a number that is not negative, and at most 9000000 USD"
                return nil
            }
        }
        var reset = Reset.never
        if let word = object["periodic_reset"], !word.isNull {
            switch word.string {
            case "daily": reset = .daily
            case "weekly": reset = .weekly
            case "monthly": reset = .monthly
            default:
                problem = "periodic_reset must be daily, weekly or monthly"
                return nil
            }
        }
        if let days = object["periodic_reset_days"], !days.isNull {
            guard let count = days.int, (1...3_650).contains(count) else {
                problem = "periodic_reset_days must be a whole number from 1 to 3650"
                return nil
            }
            reset = .days(count)
        }
        self.init(measure: measure, amount: amount, reset: reset, alertAt: alert)
    }

    private static func amount(_ value: JSONValue, _ measure: Measure) -> Int64? {
        guard case .number(let text) = value else { return nil }
        if let exact = FixedPoint.parse(text, places: measure == .cost ? 12 : 0) { return exact }
        // More digits than fit with twelve decimals, but not more dollars.
        guard measure == .cost, let millionths = FixedPoint.parse(text, places: 6),
            millionths.magnitude <= 9_000_000_000_000
        else { return nil }
        return millionths * 1_000_000
    }

    package var json: JSONValue {
        var object = JSONObject([
            ("credit_limit", .number(Self.text(amount, measure))), ("type", .string(measure.rawValue)),
        ])
        if let alertAt { object["alert_threshold"] = .number(Self.text(alertAt, measure)) }
        switch reset {
        case .never: break
        case .daily: object["periodic_reset"] = "daily"
        case .weekly: object["periodic_reset"] = "weekly"
        case .monthly: object["periodic_reset"] = "monthly"
        case .days(let count): object["periodic_reset_days"] = JSONValue(count)
        }
        return .object(object)
    }

    private static func text(_ amount: Int64, _ measure: Measure) -> String {
        measure == .cost ? FixedPoint.text(amount, places: 12) : String(amount)
    }
}

extension RateRule {
    package init?(_ value: JSONValue, problem: inout String) {
        guard let object = value.object else {
            problem = "expected an object with type, unit and value, found \(value.kindName)"
            return nil
        }
        if let other = object.keys.first(where: { !["type", "unit", "value"].contains($0) }) {
            problem = "there is no \"\(other)\" in a rate limit"
            return nil
        }
        guard let measure = Measure(object["type"], or: .requests) else {
            problem = "type must be requests or tokens"
            return nil
        }
        guard let unit = object["unit"]?.string.flatMap(Unit.init(rawValue:)) else {
            problem = "unit must be rps, rpm, rph, rpd or rpw"
            return nil
        }
        guard let count = object["value"]?.int, count >= 0 else {
            problem = "value must be a whole number that is not negative"
            return nil
        }
        self.init(measure: measure, unit: unit, value: Int64(count))
    }

    package var json: JSONValue {
        ["type": .string(measure.rawValue), "unit": .string(unit.rawValue), "value": JSONValue(Int(value))]
    }
}
