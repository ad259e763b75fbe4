// Policies: /policies/usage-limits and /policies/rate-limits: limits for requests that meet conditions, counted apart for each value of
// what they group by. "metadata.tier", "api_key", "virtual_key", "provider", "model", "config" and "workspace_id" can be asked for.

import Accounting
import Core
import Gateway
import Identity
import Store

extension ControlDesk {
    func policies(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        guard let family = places.first, family == "usage-limits" || family == "rate-limits" else { throw call.unknown }
        let kind = family == "usage-limits" ? Kind.usagePolicy : Kind.ratePolicy
        switch (call.request.method, places.count) {
        case ("GET", 1):
            let all = try visible(kind, call, "policies.list")
            return try call.list(all.map { .object(item($0)) })
        case ("POST", 1): return try await createPolicy(call, kind)
        case ("GET", 2): return Call.done(item(try find(kind, places[1], call, "policies.read", called: "policy")))
        case ("PUT", 2): return try await updatePolicy(call, kind, places[1])
        case ("DELETE", 2):
            let policy = try find(kind, places[1], call, "policies.delete", called: "policy")
            try await change(call, "policies.delete", "\(kind)/\(policy.id)", in: policy.workspace) {
                store, _ throws(StoreError) in try store.delete(kind, id: policy.id)
            }
            return Call.done(JSONObject([("id", .string(policy.id))]))
        case ("GET", 3) where places[2] == "entities" && kind == Kind.usagePolicy:
            return try entities(call, places[1])
        case ("PUT", 5), ("POST", 5):
            guard places[2] == "entities", places[4] == "reset", kind == Kind.usagePolicy else { throw call.unknown }
            return try await resetEntity(call, places[1], places[3])
        default: throw call.unknown
        }
    }

    private func item(_ policy: StoredObject) -> JSONObject {
        var object = policy.common(policy.kind == Kind.usagePolicy ? "policy-usage-limit" : "policy-rate-limit")
        object["slug"] = nil
        for member in policy.document.members { object[member.key] = member.value }
        return object
    }

    private func apply(_ fields: inout Fields, to document: inout JSONObject, _ kind: String) {
        if let name = fields.text("name") { document["name"] = .string(name) }
        if let conditions = fields.array("conditions") {
            for (index, condition) in conditions.enumerated() {
                guard condition["key"]?.string?.isEmpty == false, condition["value"]?.string != nil,
                    condition.object?.members.count == 2
                else {
                    fields.problem("conditions[\(index)]", "expected an object with key and value")
                    continue
                }
            }
            document["conditions"] = .array(conditions)
        }
        if let groups = fields.array("group_by") {
            var kept: [JSONValue] = []
            for (index, group) in groups.enumerated() {
                guard let key = group["key"]?.string ?? group.string, !key.isEmpty else {
                    fields.problem("group_by[\(index)]", "expected an object with key")
                    continue
                }
                kept.append(["key": .string(key)])
            }
            document["group_by"] = .array(kept)
        }
        let names =
            kind == Kind.usagePolicy
            ? ["type", "credit_limit", "periodic_reset", "periodic_reset_days", "alert_threshold"]
            : ["type", "unit", "value"]
        for name in names where fields.has(name) { document[name] = fields.value(name) }
        var limit = JSONObject()
        for name in names { limit[name] = document[name] }
        var problem = ""
        let isGood =
            kind == Kind.usagePolicy
            ? UsageLimit(.object(limit), problem: &problem) != nil : RateRule(.object(limit), problem: &problem) != nil
        if !isGood { fields.problem(String(problem.prefix { $0 != " " }), problem) }
        fields.ignore("organisation_id", "workspace_id", "status")
    }

    private func createPolicy(_ call: Call, _ kind: String) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("policies.create", in: place)
        var document = JSONObject([("name", "policy"), ("conditions", []), ("group_by", [])])
        apply(&fields, to: &document, kind)
        try fields.finish()
        let id = Identifier.make()
        let final = document
        try await change(call, "policies.create", "\(kind)/\(id)", in: place, detail: document) {
            store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: kind, id: id, workspace: place, slug: id, document: final, at: now, by: call.principal.id))
        }
        return Call.done(JSONObject([("id", .string(id)), ("object", "policy")]))
    }

    private func updatePolicy(_ call: Call, _ kind: String, _ id: String) async throws(GatewayError) -> JSONValue {
        var policy = try find(kind, id, call, "policies.update", called: "policy")
        var fields = try call.fields()
        apply(&fields, to: &policy.document, kind)
        try fields.finish()
        let changed = policy
        try await change(call, "policies.update", "\(kind)/\(policy.id)", in: policy.workspace, detail: policy.document)
        {
            store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("id", .string(policy.id)), ("object", "policy")]))
    }

    // MARK: What each group has spent

    private func entities(_ call: Call, _ id: String) throws(GatewayError) -> JSONValue {
        let policy = try find(Kind.usagePolicy, id, call, "policies.read", called: "policy")
        guard let budget = DirectoryBuilder.policy(policy)?.budget else { return try call.list([]) }
        let now = WallClock.now() / 1_000_000_000
        let window = budget.period.start(of: now)
        let places = budget.measure == .cost ? 12 : 0
        let counts = try read { store throws(StoreError) in try store.counts() }
        return try call.list(
            counts.filter { $0.counter.hasPrefix(budget.id) && $0.window == window }.map { count in
                [
                    "id": .string(String(count.counter.dropFirst(budget.id.count))),
                    "current_usage": .number(FixedPoint.text(count.amount, places: places)),
                    "credit_limit": .number(FixedPoint.text(budget.limit, places: places)),
                    "object": "policy-usage-limit-entity",
                ]
            })
    }

    private func resetEntity(_ call: Call, _ id: String, _ entity: String) async throws(GatewayError) -> JSONValue {
        let policy = try find(Kind.usagePolicy, id, call, "policies.update", called: "policy")
        guard let budget = DirectoryBuilder.policy(policy)?.budget else { throw Call.missing("budget", id) }
        var own = budget
        own.id += entity
        surroundings.gateway?.ledger.reset(own, now: WallClock.now() / 1_000_000_000)
        try await change(
            call, "policies.update", "\(Kind.usagePolicy)/\(policy.id)", in: policy.workspace,
            detail: JSONObject([("reset", .string(entity))])
        ) { _, _ in }
        return Call.done(JSONObject([("id", .string(entity))]))
    }
}
