// APIKeys: /api-keys: gateway keys of the organisation, of workspaces and of their users. The key itself is told once.

import Core
import Digests
import Gateway
import Identity
import Store

extension ControlDesk {
    func apiKeys(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0): return try listKeys(call)
        case ("POST", 0): return try await createKey(call, nil, nil)
        case ("POST", 2) where places[1] == "rotate": return try await rotateKey(call, places[0])
        case ("POST", 2): return try await createKey(call, places[0], places[1])
        case ("GET", 1): return .object(present(key: try key(places[0], call, "read")))
        case ("PUT", 1): return try await updateKey(call, places[0])
        case ("DELETE", 1): return try await deleteKey(call, places[0])
        default: throw call.unknown
        }
    }

    /// The resource that a key's type is under, for permissions.
    private static func resource(_ type: String) -> String {
        switch type {
        case "organisation-service": "organisation_service_api_keys"
        case "workspace-user": "workspace_user_api_keys"
        default: "workspace_service_api_keys"
        }
    }

    private func key(_ id: String, _ call: Call, _ action: String) throws(GatewayError) -> StoredObject {
        let found = try read { store throws(StoreError) in try store.object(Kind.apiKey, id: id) }
        guard let found, call.principal.workspace ?? found.workspace == found.workspace else {
            let resources = ["organisation_service", "workspace_service", "workspace_user"]
            if !resources.contains(where: { call.principal.scopes.contains("\($0)_api_keys.\(action)") }) {
                throw Call.forbidden("workspace_service_api_keys." + action)
            }
            throw Call.missing("API key", id)
        }
        try require(Self.resource(type(of: found)) + "." + action, for: found, call)
        return found
    }

    private func type(of key: StoredObject) -> String { key.document["type"]?.string ?? "workspace-service" }

    private func require(_ scope: String, for key: StoredObject, _ call: Call) throws(GatewayError) {
        try call.require(scope, in: key.workspace.isEmpty ? nil : key.workspace)
    }

    private func listKeys(_ call: Call) throws(GatewayError) -> JSONValue {
        let isNamed = call.query("workspace_id") != nil
        let place = isNamed || call.principal.workspace != nil ? try place(call, named: nil) : nil
        let all = try read { store throws(StoreError) in try store.objects(Kind.apiKey) }
        let ofPlace = all.filter { place == nil || $0.workspace == place }
        let shown = ofPlace.filter {
            call.principal.may(
                Self.resource(type(of: $0)) + ".list", in: $0.workspace.isEmpty ? nil : $0.workspace)
        }
        let mayAny = ["organisation_service", "workspace_service", "workspace_user"].contains {
            call.principal.scopes.contains("\($0)_api_keys.list")
        }
        if !mayAny { throw Call.forbidden("workspace_service_api_keys.list") }
        return try call.list(shown.map { .object(present(key: $0)) })
    }

    func present(key: StoredObject) -> JSONObject {
        var object = key.common("api-key")
        object["slug"] = nil
        object["key"] = .string(KeyText.masked(lookup: key.document["lookup"]?.string ?? ""))
        object["type"] = .string(type(of: key))
        for name in ["description", "user_id", "defaults"] { object[name] = key.document[name] ?? .null }
        object["creation_mode"] = key.document["creation_mode"] ?? "api"
        object["scopes"] = key.document["scopes"] ?? []
        object["usage_limits"] = key.document["usage_limits"] ?? .null
        object["rate_limits"] = key.document["rate_limits"] ?? []
        object["expires_at"] = key.document["expires_at"]?.int.map { Moment.text(Int64($0)) } ?? .null
        object["last_used_at"] = lastUse(of: key.id).map { Moment.text($0) } ?? .null
        if let end = key.document["expires_at"]?.int, Int64(end) <= WallClock.now() { object["status"] = "expired" }
        addStandings(to: &object, of: "key/" + key.id, key.document)
        return object
    }

    // MARK: Fields

    private func apply(
        _ fields: inout Fields, to document: inout JSONObject, in place: String, _ call: Call
    ) throws(GatewayError) {
        if fields.has("description") {
            document["description"] = fields.text("description", limit: 1_000).map { .string($0) }
        }
        if let scopes = fields.texts("scopes") {
            for scope in scopes where !Scopes.all.contains(scope) {
                fields.problem("scopes", "there is no scope \(scope)")
            }
            document["scopes"] = .array(Set(scopes).sorted().map { .string($0) })
        }
        if let defaults = fields.object("defaults") {
            var kept = JSONObject()
            if let metadata = fields.metadata("metadata", in: defaults) { kept["metadata"] = .object(metadata) }
            if let config = defaults["config_id"]?.string, !config.isEmpty {
                if try !knowsConfig(config, in: place) {
                    fields.problem("defaults.config_id", "there is no config \(config)")
                }
                kept["config_id"] = .string(config)
            }
            if let allows = defaults["allow_config_override"], !allows.isNull {
                if allows.bool == nil { fields.problem("defaults.allow_config_override", "expected true or false") }
                kept["allow_config_override"] = allows
            }
            for name in defaults.keys where !["metadata", "config_id", "allow_config_override"].contains(name) {
                fields.problem("defaults.\(name)", "there is no such field")
            }
            document["defaults"] = .object(kept)
        }
        if fields.has("usage_limits") { document["usage_limits"] = fields.usageLimits() }
        if fields.has("rate_limits") { document["rate_limits"] = fields.rateLimits() }
        if fields.has("expires_at") { document["expires_at"] = fields.time("expires_at").map { .number(String($0)) } }
        if let mails = fields.texts("alert_emails"), !mails.isEmpty {
            fields.problem("alert_emails", "this gateway sends no mail: alerts are in its log")
        }
        fields.ignore("organisation_id", "type", "sub-type", "sub_type", "rotation_policy")
        if fields.has("rotation_policy"), fields.object("rotation_policy")?.isEmpty == false {
            fields.problem("rotation_policy", "keys are not rotated by themselves here: use /rotate")
        }
    }

    private func createKey(_ call: Call, _ type: String?, _ subtype: String?) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let type = type ?? fields.text("type") ?? "workspace"
        let subtype = subtype ?? fields.text("sub-type") ?? fields.text("sub_type") ?? "service"
        let whole = type.contains("-") ? type : "\(type)-\(subtype)"
        guard ["organisation-service", "workspace-service", "workspace-user"].contains(whole) else {
            throw GatewayError(
                .invalidRequest, status: 400,
                "there are keys of the types organisation/service, workspace/service and workspace/user, and not \(type)/\(subtype)",
                code: "invalid_fields", param: "type")
        }
        let isOrganisations = whole == "organisation-service"
        let named = fields.text("workspace_id")
        let place = isOrganisations ? "" : try place(call, named: named)
        let resource = Self.resource(whole)
        try call.require(resource + ".create", in: isOrganisations ? nil : place)
        let name = fields.requiredText("name")
        var document = JSONObject([("name", .string(name)), ("type", .string(whole)), ("creation_mode", "api")])
        if whole == "workspace-user" {
            let user = fields.requiredText("user_id")
            let role = try role(of: user, in: place)
            if role == nil, !user.isEmpty { fields.problem("user_id", "there is no user \(user) in this workspace") }
            document["user_id"] = .string(user)
        } else {
            fields.ignore("user_id")
        }
        try apply(&fields, to: &document, in: isOrganisations ? Directory.defaultWorkspace : place, call)
        if document["scopes"] == nil { document["scopes"] = ["completions.write"] }
        try fields.finish()
        try checkGrant(document, call)
        let text = KeyText.make()
        document["lookup"] = .string(KeyText.lookup(text))
        let id = Identifier.make()
        let final = document
        try await change(
            call, resource + ".create", "api-key/" + id, in: place,
            detail: JSONObject([("name", .string(name)), ("scopes", document["scopes"] ?? [])])
        ) { store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: Kind.apiKey, id: id, workspace: place, slug: id, document: final, at: now,
                    by: call.principal.id))
            try store.insert(
                StoredKey(
                    lookup: KeyText.lookup(text), key: id, workspace: place, code: self.keyCodes.authenticate(text)))
        }
        return Call.done(JSONObject([("id", .string(id)), ("key", .string(text)), ("object", "api-key")]))
    }

    /// Nobody gives what they do not have.
    private func checkGrant(_ document: JSONObject, _ call: Call) throws(GatewayError) {
        let wanted = Set((document["scopes"]?.array ?? []).compactMap(\.string))
        guard call.principal.mayGrant(wanted) else {
            let lacking = wanted.subtracting(call.principal.scopes).sorted().joined(separator: ", ")
            throw GatewayError(
                .forbidden, status: 403, "a key cannot be given what you do not have: \(lacking)",
                type: "permission_error", code: "scope_not_grantable", param: "scopes")
        }
    }

    private func role(of user: String, in place: String) throws(GatewayError) -> WorkspaceRole? {
        let member = try read { store throws(StoreError) in try store.object(Kind.member, slug: user, in: place) }
        return member?.document["role"]?.string.flatMap(WorkspaceRole.init(rawValue:))
    }

    private func updateKey(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        var key = try key(id, call, "update")
        var fields = try call.fields()
        if let name = fields.text("name") { key.document["name"] = .string(name) }
        fields.ignore("workspace_id", "user_id")
        try apply(
            &fields, to: &key.document, in: key.workspace.isEmpty ? Directory.defaultWorkspace : key.workspace, call)
        if fields.flag("reset_usage") == true { key.document["usage_reset_at"] = .number(String(WallClock.now())) }
        if let status = fields.text("status") {
            if status == "active" || status == "disabled" {
                key.status = status
            } else {
                fields.problem("status", "expected active or disabled")
            }
        }
        try fields.finish()
        // Nobody makes a key work that may do more than they do.
        try checkGrant(key.document, call)
        let changed = key
        try await change(
            call, Self.resource(type(of: key)) + ".update", "api-key/" + id, in: key.workspace,
            detail: JSONObject([("scopes", key.document["scopes"] ?? [])])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("id", .string(id)), ("object", "api-key")]))
    }

    private func deleteKey(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        let key = try key(id, call, "delete")
        if id == call.principal.id {
            throw GatewayError(.conflict, status: 409, "a key cannot delete itself", code: "own_key")
        }
        try await change(call, Self.resource(type(of: key)) + ".delete", "api-key/" + id, in: key.workspace) {
            store, _ throws(StoreError) in
            try store.deleteKeys(of: id)
            try store.delete(Kind.apiKey, id: id)
        }
        return Call.done(JSONObject([("id", .string(id))]))
    }

    /// A new text; the old one opens for as long as the caller says, half an hour unless it says more.
    private func rotateKey(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        var key = try key(id, call, "update")
        var fields = try call.fields()
        let grace = fields.integer("key_transition_period_ms", 1_800_000...2_592_000_000) ?? 1_800_000
        try fields.finish()
        try checkGrant(key.document, call)
        let text = KeyText.make()
        key.document["lookup"] = .string(KeyText.lookup(text))
        let end = WallClock.now() + Int64(grace) * 1_000_000
        let changed = key
        try await change(
            call, Self.resource(type(of: key)) + ".update", "api-key/" + id, in: key.workspace,
            detail: JSONObject([("rotated", true)])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
            try store.expireKeys(of: id, at: end)
            try store.insert(
                StoredKey(
                    lookup: KeyText.lookup(text), key: id, workspace: changed.workspace,
                    code: self.keyCodes.authenticate(text)))
        }
        return Call.done(
            JSONObject([
                ("id", .string(id)), ("key", .string(text)), ("key_transition_expires_at", Moment.text(end)),
                ("object", "api-key"),
            ]))
    }
}
