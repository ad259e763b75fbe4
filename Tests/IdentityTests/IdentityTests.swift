import Core
import Testing

@testable import Identity

@Suite struct RoleTests {
    @Test func rolesGrow() {
        let (member, manager, admin) = (
            Scopes.of(WorkspaceRole.member), Scopes.of(WorkspaceRole.manager), Scopes.of(WorkspaceRole.admin)
        )
        #expect(member.isStrictSubset(of: manager) && manager.isStrictSubset(of: admin))
        #expect(admin == Scopes.workspace && Scopes.workspace.isDisjoint(with: Scopes.organisation))
        #expect(Scopes.of(OrganisationRole.owner) == Scopes.all)
    }

    @Test func aWorkspacesKeyStaysInIt() {
        let key = Principal(kind: .workspaceService, id: "k", name: "k", workspace: "a", scopes: Scopes.all)
        #expect(key.may("configs.create", in: "a"))
        #expect(!key.may("configs.create", in: "b") && !key.may("configs.create", in: nil))
        #expect(!key.may("integrations.list", in: nil) && !key.may("integrations.list", in: "a"))
        #expect(key.mayGrant(["configs.create"]) && !key.mayGrant(["audit_logs.list"]))
    }

    @Test func theOrganisationsKeyReachesAll() {
        let key = Principal(kind: .organisationService, id: "k", name: "k", scopes: ["configs.list"])
        #expect(
            key.may("configs.list", in: "a") && key.may("configs.list", in: nil) && !key.may("configs.read", in: "a"))
    }
}

@Suite struct KeyTextTests {
    @Test func keysAreFoundByTheirPrefix() {
        let (one, two) = (KeyText.make(), KeyText.make())
        #expect(one != two && one.utf8.count == 85 && one.hasPrefix("ghk-"))
        let lookup = KeyText.lookup(one)
        #expect(lookup.utf8.count == 16 && one.contains(lookup) && KeyText.lookup(two) != lookup)
        #expect(KeyText.masked(lookup: lookup) == "ghk-\(lookup)-***" && !one.contains(KeyText.masked(lookup: lookup)))
    }

    @Test(arguments: ["", "x", "ghk-", "an owner's own words", "ghk-" + String(repeating: "é", count: 40)])
    func otherTextsAreFoundByADigest(_ text: String) {
        let lookup = KeyText.lookup(text)
        #expect(lookup.hasPrefix("d") && lookup.utf8.count == 17 && KeyText.masked(lookup: lookup) == "***")
    }
}

@Suite struct LimitTests {
    private func usage(_ text: String) -> (UsageLimit?, String) {
        var problem = ""
        let limit = (try? JSONValue(parsing: text)).flatMap { UsageLimit($0, problem: &problem) }
        return (limit, problem)
    }

    @Test(arguments: [
        (#"{"credit_limit":1}"#, UsageLimit(measure: .cost, amount: 1_000_000_000_000, reset: .never, alertAt: nil)),
        (
            #"{"credit_limit":0.000001,"type":"cost","periodic_reset":"weekly","alert_threshold":0}"#,
            UsageLimit(measure: .cost, amount: 1_000_000, reset: .weekly, alertAt: 0)
        ),
        (
            #"{"credit_limit":500,"type":"tokens","periodic_reset_days":30,"alert_threshold":400}"#,
            UsageLimit(measure: .tokens, amount: 500, reset: .days(30), alertAt: 400)
        ),
        (
            #"{"credit_limit":9000000,"periodic_reset":null}"#,
            UsageLimit(measure: .cost, amount: 9_000_000_000_000_000_000, reset: .never, alertAt: nil)
        ),
    ])
    func readsUsageLimits(_ text: String, _ expected: UsageLimit) {
        let (limit, problem) = usage(text)
        #expect(limit == expected && problem.isEmpty)
        // What is shown can be read again.
        var again = ""
        #expect(limit.flatMap { UsageLimit($0.json, problem: &again) } == expected)
    }

    @Test(arguments: [
        (#"{}"#, "credit_limit"), (#"{"credit_limit":0}"#, "credit_limit"), (#"{"credit_limit":-1}"#, "credit_limit"),
        (#"{"credit_limit":"5"}"#, "credit_limit"), (#"{"credit_limit":9000001}"#, "credit_limit"),
        (#"{"credit_limit":1.5,"type":"tokens"}"#, "credit_limit"), (#"{"credit_limit":1,"type":"gold"}"#, "type"),
        (#"{"credit_limit":1,"periodic_reset":"yearly"}"#, "periodic_reset"),
        (#"{"credit_limit":1,"periodic_reset_days":0}"#, "periodic_reset_days"),
        (#"{"credit_limit":1,"alert_threshold":-2}"#, "alert_threshold"), (#"{"credit_limit":1,"colour":2}"#, "colour"),
        (#"[]"#, "expected an object"),
    ])
    func saysWhatIsWrong(_ text: String, _ says: String) {
        let (limit, problem) = usage(text)
        #expect(limit == nil && problem.contains(says))
    }

    @Test(arguments: [
        (#"{"type":"requests","unit":"rpm","value":60}"#, nil), (#"{"type":"tokens","unit":"rpw","value":0}"#, nil),
        (#"{"unit":"rps","value":1}"#, nil), (#"{"type":"requests","unit":"rpy","value":1}"#, "unit"),
        (#"{"type":"requests","unit":"rpm","value":-1}"#, "value"),
        (#"{"type":"words","unit":"rpm","value":1}"#, "type"),
        (#"{"type":"requests","unit":"rpm"}"#, "value"), (#"{"unit":"rpm","value":1,"burst":3}"#, "burst"),
        (#"7"#, "expected an object"),
    ])
    func readsRates(_ text: String, _ says: String?) throws {
        var problem = ""
        let rule = RateRule(try JSONValue(parsing: text), problem: &problem)
        #expect((rule == nil) == (says != nil) && problem.contains(says ?? ""))
        var again = ""
        if let rule { #expect(RateRule(rule.json, problem: &again) == rule) }
    }
}
