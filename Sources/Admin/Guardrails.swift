// Guardrails: /guardrails: checks with their actions under a name, which configs and headers refer to. Each change is a version.

import Config
import Core
import Gateway
import Identity
import Store

extension ControlDesk {
    func guardrails(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0):
            let all = try visible(Kind.guardrail, call, "guardrails.list")
            let file = surroundings.config().guardrails.keys.sorted().map { name -> JSONValue in
                [
                    "id": .string("file:" + name), "slug": .string(name), "name": .string(name), "source": "file",
                    "read_only": true, "status": "active", "object": "guardrail",
                ]
            }
            return try call.list(file + all.map { .object(item($0)) })
        case ("POST", 0): return try await createGuardrail(call)
        case ("GET", 1):
            var object = item(try find(Kind.guardrail, places[0], call, "guardrails.read", called: "guardrail"))
            object["source"] = "api"
            return .object(object)
        case ("PUT", 1): return try await updateGuardrail(call, places[0])
        case ("DELETE", 1): return try await deleteGuardrail(call, places[0])
        default: throw call.unknown
        }
    }

    private func item(_ guardrail: StoredObject) -> JSONObject {
        var object = guardrail.common("guardrail")
        object["version"] = JSONValue(guardrail.version)
        object["version_id"] = guardrail.document["version_id"] ?? .null
        object["checks"] = guardrail.document["checks"] ?? []
        object["actions"] = guardrail.document["actions"] ?? .object(JSONObject())
        return object
    }

    /// As a config would write it: its actions are members of the group.
    static func group(_ document: JSONObject) -> JSONValue {
        var group = JSONObject([("type", "guardrail"), ("checks", document["checks"] ?? [])])
        for member in document["actions"]?.object?.members ?? [] where !member.value.isNull {
            group[member.key] = member.value
        }
        return .object(group)
    }

    private func check(_ document: JSONObject, in place: String) async throws(GatewayError) {
        let (_, issues) = RequestConfigParser.stored(guardrail: "new", Self.group(document))
        let errors = issues.map(\.description)
        guard errors.isEmpty else {
            throw GatewayError(
                .invalidConfig, status: 400, "invalid guardrail: " + errors.joined(separator: "; "),
                code: "invalid_guardrail", errors: errors)
        }
        // A check without parameters may get them later; whoever uses it before that is refused.
        var complete = document
        complete["checks"] = .array((document["checks"]?.array ?? []).filter { $0["parameters"]?.isNull == false })
        try await surroundings.gateway?.check(guardrail: Self.group(complete))
    }

    private func createGuardrail(_ call: Call) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("guardrails.create", in: place)
        let name = fields.requiredText("name")
        let given = fields.slug()
        var document = JSONObject([("name", .string(name))])
        document["checks"] = fields.array("checks").map { .array($0) }
        if document["checks"] == nil { fields.problem("checks", "it is required") }
        document["actions"] = fields.object("actions").map { .object($0) }
        fields.ignore("organisation_id")
        try fields.finish()
        try await check(document, in: place)
        let slug = given ?? Identifier.slug("pg", name)
        if surroundings.config().guardrails[slug] != nil {
            throw Self.taken("guardrail of the configuration file", slug)
        }
        if try read({ store throws(StoreError) in try store.object(Kind.guardrail, slug: slug, in: place) }) != nil {
            throw Self.taken("guardrail", slug)
        }
        document["version_id"] = .string(Identifier.make())
        let id = Identifier.make()
        let final = document
        try await change(call, "guardrails.create", "guardrail/" + slug, in: place) { store, now throws(StoreError) in
            let object = StoredObject(
                kind: Kind.guardrail, id: id, workspace: place, slug: slug, document: final, at: now,
                by: call.principal.id)
            try store.insert(object)
            try store.insert(Self.version(of: object, call, now), of: object)
        }
        return Call.done(
            JSONObject([
                ("id", .string(id)), ("slug", .string(slug)), ("version_id", final["version_id"] ?? .null),
                ("object", "guardrail"),
            ]))
    }

    private static func version(of object: StoredObject, _ call: Call, _ now: Int64) -> StoredVersion {
        StoredVersion(
            id: object.document["version_id"]?.string ?? "", version: object.version, document: object.document,
            createdAt: now, createdBy: call.principal.id)
    }

    private func updateGuardrail(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().guardrails[name] != nil { throw Self.fileOwned("guardrail", name) }
        var guardrail = try find(Kind.guardrail, name, call, "guardrails.update", called: "guardrail")
        var fields = try call.fields()
        if let name = fields.text("name") { guardrail.document["name"] = .string(name) }
        if let checks = fields.array("checks") { guardrail.document["checks"] = .array(checks) }
        if let actions = fields.object("actions") { guardrail.document["actions"] = .object(actions) }
        fields.ignore("workspace_id", "organisation_id", "slug")
        try fields.finish()
        try await check(guardrail.document, in: guardrail.workspace)
        guardrail.version += 1
        guardrail.document["version_id"] = .string(Identifier.make())
        let changed = guardrail
        try await change(
            call, "guardrails.update", "guardrail/" + guardrail.slug, in: guardrail.workspace,
            detail: JSONObject([("version", JSONValue(guardrail.version))])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
            try store.insert(Self.version(of: changed, call, now), of: changed)
        }
        return Call.done(
            JSONObject([
                ("id", .string(guardrail.id)), ("slug", .string(guardrail.slug)),
                ("version_id", guardrail.document["version_id"] ?? .null),
            ]))
    }

    private func deleteGuardrail(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().guardrails[name] != nil { throw Self.fileOwned("guardrail", name) }
        let guardrail = try find(Kind.guardrail, name, call, "guardrails.delete", called: "guardrail")
        let configs = try read { store throws(StoreError) in try store.objects(Kind.config, in: guardrail.workspace) }
        let users = configs.filter { ($0.document["config"] ?? .null).text.contains("\"\(guardrail.slug)\"") }
        if !users.isEmpty {
            throw Self.inUse("the guardrail \(guardrail.slug)", "config " + users.map(\.slug).joined(separator: ", "))
        }
        try await change(call, "guardrails.delete", "guardrail/" + guardrail.slug, in: guardrail.workspace) {
            store, _ throws(StoreError) in try store.delete(Kind.guardrail, id: guardrail.id)
        }
        return Call.done(JSONObject([("slug", .string(guardrail.slug))]))
    }
}
