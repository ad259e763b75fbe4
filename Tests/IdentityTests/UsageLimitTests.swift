// What limits are read, and what is said of those that are none.

import Core
import Testing

@testable import Identity

private func limit(_ text: String) throws -> (limit: UsageLimit?, problem: String) {
    var problem = ""
    let limit = UsageLimit(try JSONValue(parsing: text), problem: &problem)
    return (limit, problem)
}

private func rule(_ text: String) throws -> (rule: RateRule?, problem: String) {
    var problem = ""
    let rule = RateRule(try JSONValue(parsing: text), problem: &problem)
    return (rule, problem)
}

@Suite struct UsageLimitTests {
    private static let good: [(text: String, limit: UsageLimit)] = [
        (
            #"{"credit_limit": 10}"#,
            UsageLimit(measure: .cost, amount: 10_000_000_000_000, reset: .never, alertAt: nil)
        ),
        (
            #"{"credit_limit": 0.000000000001, "type": "cost"}"#,
            UsageLimit(measure: .cost, amount: 1, reset: .never, alertAt: nil)
        ),
        (
            #"{"credit_limit": 1.5e2, "alert_threshold": 100.25}"#,
            UsageLimit(
                measure: .cost, amount: 150_000_000_000_000, reset: .never, alertAt: 100_250_000_000_000)
        ),
        (
            #"{"credit_limit": 9000000}"#,
            UsageLimit(measure: .cost, amount: 9_000_000_000_000_000_000, reset: .never, alertAt: nil)
        ),
        (
            #"{"credit_limit": 1234567.123456}"#,
            UsageLimit(measure: .cost, amount: 1_234_567_123_456_000_000, reset: .never, alertAt: nil)
        ),
        (
            #"{"type": "tokens", "credit_limit": 1000000, "alert_threshold": 0, "periodic_reset": "monthly"}"#,
            UsageLimit(measure: .tokens, amount: 1_000_000, reset: .monthly, alertAt: 0)
        ),
        (
            #"{"type": "tokens", "credit_limit": 1e6, "periodic_reset": "weekly"}"#,
            UsageLimit(measure: .tokens, amount: 1_000_000, reset: .weekly, alertAt: nil)
        ),
        (
            #"{"credit_limit": 1, "periodic_reset": "daily", "next_usage_reset_at": "2026-01-01T00:00:00Z"}"#,
            UsageLimit(measure: .cost, amount: 1_000_000_000_000, reset: .daily, alertAt: nil)
        ),
        (
            #"{"credit_limit": 1, "periodic_reset_days": 1}"#,
            UsageLimit(measure: .cost, amount: 1_000_000_000_000, reset: .days(1), alertAt: nil)
        ),
        (
            #"{"credit_limit": 1, "periodic_reset": "daily", "periodic_reset_days": 3650}"#,
            UsageLimit(measure: .cost, amount: 1_000_000_000_000, reset: .days(3_650), alertAt: nil)
        ),
        (
            #"{"credit_limit": 1, "type": null, "alert_threshold": null, "periodic_reset": null, "periodic_reset_days": null}"#,
            UsageLimit(measure: .cost, amount: 1_000_000_000_000, reset: .never, alertAt: nil)
        ),
    ]

    @Test(arguments: good)
    func readsALimit(_ text: String, _ expected: UsageLimit) throws {
        let found = try limit(text)
        #expect(found.limit == expected)
        #expect(found.problem.isEmpty)
    }

    @Test(arguments: good)
    func aLimitSurvivesItsJSON(_ text: String, _ expected: UsageLimit) throws {
        let again = try limit(expected.json.text)
        #expect(again.limit == expected, "\(expected.json.text): \(again.problem)")
    }

    @Test func isWrittenInDollarsOrTokens() {
        #expect(
            UsageLimit(measure: .cost, amount: 150_000_000_001, reset: .days(30), alertAt: 1).json.text
                == #"{"credit_limit":0.150000000001,"type":"cost","alert_threshold":0.000000000001,"periodic_reset_days":30}"#
        )
        #expect(
            UsageLimit(measure: .tokens, amount: 5, reset: .weekly, alertAt: nil).json.text
                == #"{"credit_limit":5,"type":"tokens","periodic_reset":"weekly"}"#)
    }

    private static let bad: [(text: String, problem: String)] = [
        ("null", "expected an object with credit_limit, found null"),
        ("10", "expected an object with credit_limit, found a number"),
        ("[]", "expected an object with credit_limit, found an array"),
        (#"{"credit_limit": 1, "limit": 1}"#, "there is no \"limit\" in a usage limit"),
        (#"{"credit_limit": 1, "type": "euros"}"#, "type must be cost or tokens"),
        (#"{"credit_limit": 1, "type": "requests"}"#, "type must be cost or tokens"),
        (#"{"credit_limit": 1, "type": 5}"#, "type must be cost or tokens"),
        (#"{"credit_limit": 1, "type": ["tokens"]}"#, "type must be cost or tokens"),
    ]
    private static let badAmounts = [
        "", #""credit_limit": null"#, #""credit_limit": "10""#, #""credit_limit": true"#, #""credit_limit": 0"#,
        #""credit_limit": 0.0"#, #""credit_limit": -1"#, #""credit_limit": -99999999999"#,
        #""credit_limit": -99999999999999999999"#, #""credit_limit": -1e300"#, #""credit_limit": 9000000.000001"#,
        #""credit_limit": 9000001"#, #""credit_limit": 99999999999"#, #""credit_limit": 1e300"#,
        #""credit_limit": 0.0000000000001"#, #""credit_limit": 1e-13"#, #""type": "tokens", "credit_limit": 1.5"#,
        #""type": "tokens", "credit_limit": -99999999999999999999"#, #""type": "tokens", "credit_limit": 1e30"#,
    ]
    private static let badThresholds = [#""1""#, "-0.5", "-1", "-99999999999", "99999999999", "true", "{}"]
    private static let badDays = ["0", "-1", "3651", "1.5", "1e10", #""7""#, "true"]

    @Test(arguments: bad) func saysWhatIsNoLimit(_ text: String, _ problem: String) throws {
        let found = try limit(text)
        #expect(found.limit == nil)
        #expect(found.problem == problem)
    }

    @Test(arguments: badAmounts) func saysWhatIsNoAmount(_ text: String) throws {
        let found = try limit("{\(text)}")
        #expect(found.limit == nil)
        #expect(found.problem == "credit_limit must be a number greater than 0, and at most 9000000 USD")
    }

    @Test(arguments: badThresholds) func saysWhatIsNoThreshold(_ text: String) throws {
        let found = try limit(#"{"credit_limit": 1, "alert_threshold": \#(text)}"#)
        #expect(found.limit == nil)
        #expect(found.problem == "alert_threshold must be a number that is not negative, and at most 9000000 USD")
    }

    @Test(arguments: [#""yearly""#, #""""#, "7", "true", #""Daily""#])
    func saysWhatIsNoReset(_ text: String) throws {
        let found = try limit(#"{"credit_limit": 1, "periodic_reset": \#(text)}"#)
        #expect(found.limit == nil)
        #expect(found.problem == "periodic_reset must be daily, weekly or monthly")
    }

    @Test(arguments: badDays) func saysWhatIsNoNumberOfDays(_ text: String) throws {
        let found = try limit(#"{"credit_limit": 1, "periodic_reset_days": \#(text)}"#)
        #expect(found.limit == nil)
        #expect(found.problem == "periodic_reset_days must be a whole number from 1 to 3650")
    }
}

@Suite struct RateRuleTests {
    private static let good: [(text: String, rule: RateRule)] = [
        (#"{"type": "requests", "unit": "rps", "value": 1}"#, RateRule(measure: .requests, unit: .rps, value: 1)),
        (#"{"unit": "rpm", "value": 0}"#, RateRule(measure: .requests, unit: .rpm, value: 0)),
        (#"{"type": null, "unit": "rph", "value": 1e3}"#, RateRule(measure: .requests, unit: .rph, value: 1_000)),
        (#"{"type": "tokens", "unit": "rpd", "value": 5.0}"#, RateRule(measure: .tokens, unit: .rpd, value: 5)),
        (
            #"{"type": "tokens", "unit": "rpw", "value": 9223372036854775807}"#,
            RateRule(measure: .tokens, unit: .rpw, value: .max)
        ),
    ]
    private static let bad: [(text: String, problem: String)] = [
        ("null", "expected an object with type, unit and value, found null"),
        (#""rpm""#, "expected an object with type, unit and value, found a string"),
        (#"{"unit": "rpm", "value": 1, "per": "user"}"#, "there is no \"per\" in a rate limit"),
        (#"{"type": "cost", "unit": "rpm", "value": 1}"#, "type must be requests or tokens"),
        (#"{"type": 1, "unit": "rpm", "value": 1}"#, "type must be requests or tokens"),
        (#"{"type": false, "unit": "rpm", "value": 1}"#, "type must be requests or tokens"),
        (#"{"value": 1}"#, "unit must be rps, rpm, rph, rpd or rpw"),
        (#"{"unit": "minute", "value": 1}"#, "unit must be rps, rpm, rph, rpd or rpw"),
        (#"{"unit": 60, "value": 1}"#, "unit must be rps, rpm, rph, rpd or rpw"),
        (#"{"unit": null, "value": 1}"#, "unit must be rps, rpm, rph, rpd or rpw"),
        (#"{"unit": "rpm"}"#, "value must be a whole number that is not negative"),
        (#"{"unit": "rpm", "value": null}"#, "value must be a whole number that is not negative"),
        (#"{"unit": "rpm", "value": -1}"#, "value must be a whole number that is not negative"),
        (#"{"unit": "rpm", "value": 1.5}"#, "value must be a whole number that is not negative"),
        (#"{"unit": "rpm", "value": 1e30}"#, "value must be a whole number that is not negative"),
        (#"{"unit": "rpm", "value": "1"}"#, "value must be a whole number that is not negative"),
    ]

    @Test(arguments: good) func readsARule(_ text: String, _ expected: RateRule) throws {
        let found = try rule(text)
        #expect(found.rule == expected)
        #expect(found.problem.isEmpty)
    }

    @Test(arguments: RateRule.Measure.allCases, RateRule.Unit.allCases)
    func aRuleSurvivesItsJSON(_ measure: RateRule.Measure, _ unit: RateRule.Unit) throws {
        let expected = RateRule(measure: measure, unit: unit, value: 1_000)
        #expect(try rule(expected.json.text).rule == expected)
    }

    @Test(arguments: bad) func saysWhatIsNoRule(_ text: String, _ problem: String) throws {
        let found = try rule(text)
        #expect(found.rule == nil)
        #expect(found.problem == problem)
    }
}
