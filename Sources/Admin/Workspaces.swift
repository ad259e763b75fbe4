// Workspaces: /admin/workspaces and the users in them. A workspace is a team: what it spends is what it costs.

import Core
import Gateway
import Identity
import Store

extension ControlDesk {
    func workspaces(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        if places.count >= 2, places[1] == "users" { return try await members(call, places[0], places.dropFirst(2)) }
        switch (call.request.method, places.count) {
        case ("GET", 0): return try listWorkspaces(call)
        case ("POST", 0): return try await createWorkspace(call)
        case ("GET", 1): return .object(try present(workspace(places[0], call, "workspaces.read")))
        case ("PUT", 1): return try await updateWorkspace(call, places[0])
        case ("DELETE", 1): return try await deleteWorkspace(call, places[0])
        default: throw call.unknown
        }
    }

    private func workspace(_ name: String, _ call: Call, _ scope: String) throws(GatewayError) -> StoredObject {
        guard let found = try workspace(name), call.principal.workspace ?? found.slug == found.slug else {
            if !call.principal.scopes.contains(scope) { throw Call.forbidden(scope) }
            throw Call.missing("workspace", name)
        }
        try call.require(scope, in: found.slug)
        return found
    }

    private func listWorkspaces(_ call: Call) throws(GatewayError) -> JSONValue {
        try call.require("workspaces.list", in: call.principal.workspace)
        let all = try read { store throws(StoreError) in try store.objects(Kind.workspace) }
        var shown: [JSONValue] = []
        for workspace in all where call.principal.workspace ?? workspace.slug == workspace.slug {
            shown.append(.object(try present(workspace)))
        }
        return try call.list(shown)
    }

    private func present(_ workspace: StoredObject) throws(GatewayError) -> JSONObject {
        var object = workspace.common("workspace")
        object["workspace_id"] = nil
        object["description"] = workspace.document["description"] ?? .null
        object["defaults"] = workspace.document["defaults"] ?? .object(JSONObject())
        object["usage_limits"] = workspace.document["usage_limits"] ?? .array([])
        object["rate_limits"] = workspace.document["rate_limits"] ?? .array([])
        let members = try read { store throws(StoreError) in try store.objects(Kind.member, in: workspace.slug) }
        object["users"] = .array(
            members.map {
                ["id": .string($0.slug), "role": $0.document["role"] ?? "member", "object": "workspace-user"]
            })
        addStandings(to: &object, of: "workspace/" + workspace.slug, workspace.document)
        return object
    }

    /// Reads what a body says of a workspace into its document.
    private func apply(_ fields: inout Fields, to document: inout JSONObject, in slug: String) throws(GatewayError) {
        if fields.has("description") {
            document["description"] = fields.text("description", limit: 1_000).map { .string($0) }
        }
        if let defaults = fields.object("defaults") {
            var kept = JSONObject()
            if let metadata = fields.metadata("metadata", in: defaults) { kept["metadata"] = .object(metadata) }
            if let config = defaults["config_id"]?.string {
                if config != "", try !knowsConfig(config, in: slug) {
                    fields.problem("defaults.config_id", "there is no config \(config)")
                }
                kept["config_id"] = config.isEmpty ? nil : .string(config)
            }
            for name in defaults.keys where !["metadata", "config_id"].contains(name) {
                fields.problem("defaults.\(name)", "there is no such field")
            }
            document["defaults"] = .object(kept)
        }
        if fields.has("usage_limits") { document["usage_limits"] = fields.usageLimits() }
        if fields.has("rate_limits") { document["rate_limits"] = fields.rateLimits() }
        fields.ignore("organisation_id", "icon", "is_default", "workspace_id")
    }

    private func createWorkspace(_ call: Call) async throws(GatewayError) -> JSONValue {
        try call.require("workspaces.create", in: nil)
        var fields = try call.fields()
        let name = fields.requiredText("name")
        let slug = fields.slug() ?? Identifier.slug("ws", name)
        var document = JSONObject([("name", .string(name))])
        try apply(&fields, to: &document, in: slug)
        let users = try membersToBe(&fields, "users")
        try fields.finish()
        if try workspace(slug) != nil { throw Self.taken("workspace", slug) }
        if try read({ store throws(StoreError) in try store.object(Kind.retired, id: slug) }) != nil {
            throw GatewayError(
                .conflict, status: 409,
                "there was a workspace \(slug) once, and the log still tells of it: take another slug",
                code: "slug_was_used", param: "slug")
        }
        let made = try await change(call, "workspaces.create", "workspace/" + slug, in: slug) {
            store, now throws(StoreError) in
            let made = StoredObject(
                kind: Kind.workspace, id: slug, workspace: slug, slug: slug, document: document, at: now,
                by: call.principal.id)
            try store.insert(made)
            for user in users { try store.insert(Self.member(user.id, user.role, of: slug, call, now)) }
            return made
        }
        return Call.done(try present(made))
    }

    private func updateWorkspace(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var workspace = try workspace(name, call, "workspaces.update")
        var fields = try call.fields()
        // What a team may spend is not the team's to say.
        let isLimit = ["usage_limits", "rate_limits", "reset_usage"].first { fields.has($0) }
        if let isLimit, call.principal.workspace != nil {
            throw GatewayError(
                .forbidden, status: 403, "a workspace's limits are the organisation's to change",
                type: "permission_error", code: "permission_denied", param: isLimit)
        }
        if let name = fields.text("name") { workspace.document["name"] = .string(name) }
        try apply(&fields, to: &workspace.document, in: workspace.slug)
        if fields.flag("reset_usage") == true {
            workspace.document["usage_reset_at"] = .number(String(WallClock.now()))
        }
        try fields.finish()
        let changed = workspace
        let kept = try await change(call, "workspaces.update", "workspace/" + workspace.slug, in: workspace.slug) {
            store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
            return changed
        }
        return Call.done(try present(kept))
    }

    private func deleteWorkspace(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        let workspace = try workspace(name, call, "workspaces.delete")
        try call.require("workspaces.delete", in: nil)
        guard workspace.slug != Directory.defaultWorkspace else {
            throw GatewayError(
                .conflict, status: 409, "the default workspace cannot be deleted", code: "default_workspace")
        }
        let slug = workspace.slug
        let kinds = [
            Kind.apiKey, Kind.virtualKey, Kind.provider, Kind.config, Kind.guardrail, Kind.usagePolicy, Kind.ratePolicy,
        ]
        var left: [String] = []
        for kind in kinds {
            let count = try read { store throws(StoreError) in try store.objects(kind, in: slug).count }
            if count > 0 { left.append("\(count) \(kind)") }
        }
        guard left.isEmpty else { throw Self.inUse("the workspace \(slug)", left.joined(separator: ", ")) }
        try await change(call, "workspaces.delete", "workspace/" + slug, in: slug) { store, now throws(StoreError) in
            for kind in [Kind.member, Kind.export] {
                for object in try store.objects(kind, in: slug) { try store.delete(kind, id: object.id) }
            }
            try store.delete(Kind.workspace, id: slug)
            try store.insert(
                StoredObject(
                    kind: Kind.retired, id: slug, workspace: "", slug: slug, document: JSONObject(), at: now,
                    by: call.principal.id))
        }
        return Call.done(JSONObject([("id", .string(slug))]))
    }

    // MARK: Users in a workspace

    private func membersToBe(_ fields: inout Fields, _ name: String) throws(GatewayError) -> [(
        id: String, role: WorkspaceRole
    )] {
        var found: [(id: String, role: WorkspaceRole)] = []
        for (index, item) in (fields.array(name) ?? []).enumerated() {
            guard let id = item.string ?? item["id"]?.string else {
                fields.problem("\(name)[\(index)]", "expected a user's id")
                continue
            }
            guard let role = WorkspaceRole(rawValue: item["role"]?.string ?? "member") else {
                fields.problem("\(name)[\(index)].role", "expected admin, manager or member")
                continue
            }
            if try read({ store throws(StoreError) in try store.object(Kind.user, id: id) }) == nil {
                fields.problem("\(name)[\(index)].id", "there is no user \(id)")
            }
            found.append((id, role))
        }
        return found
    }

    /// Its slug is the user's id.
    private static func member(_ user: String, _ role: WorkspaceRole, of slug: String, _ call: Call, _ now: Int64)
        -> StoredObject
    {
        StoredObject(
            kind: Kind.member, id: Identifier.make(), workspace: slug, slug: user,
            document: JSONObject([("role", .string(role.rawValue))]), at: now, by: call.principal.id)
    }

    private func members(_ call: Call, _ name: String, _ rest: ArraySlice<String>) async throws(GatewayError)
        -> JSONValue
    {
        let action =
            switch call.request.method {
            case "GET": rest.isEmpty ? "list" : "read"
            case "POST": "create"
            case "PUT": "update"
            default: "delete"
            }
        let slug = try workspace(name, call, "workspace_users." + action).slug
        let members = try read { store throws(StoreError) in try store.objects(Kind.member, in: slug) }
        guard let id = rest.first else {
            switch call.request.method {
            case "GET":
                var shown: [JSONValue] = []
                for member in members { shown.append(try present(member: member)) }
                return try call.list(shown)
            case "POST": return try await addMembers(call, slug, members)
            default: throw call.unknown
            }
        }
        guard rest.count == 1, var member = members.first(where: { $0.slug == id }) else {
            throw Call.missing("user in this workspace", id)
        }
        switch call.request.method {
        case "GET": return try present(member: member)
        case "PUT":
            var fields = try call.fields()
            let role = fields.choice("role", WorkspaceRole.self)
            if role == nil, !fields.has("role") { fields.problem("role", "it is required") }
            fields.ignore("user_id", "workspace_id")
            try fields.finish()
            member.document["role"] = role.map { .string($0.rawValue) }
            let changed = member
            try await change(
                call, "workspace_users.update", "user/" + id, in: slug, detail: member.document
            ) { store, now throws(StoreError) in
                var changed = changed
                changed.touch(call, at: now)
                try store.update(changed)
            }
        case "DELETE":
            let gone = member
            try await change(call, "workspace_users.delete", "user/" + id, in: slug) { store, _ throws(StoreError) in
                try store.delete(Kind.member, id: gone.id)
            }
        default: throw call.unknown
        }
        return Call.done(JSONObject([("id", .string(id))]))
    }

    private func addMembers(_ call: Call, _ slug: String, _ known: [StoredObject]) async throws(GatewayError)
        -> JSONValue
    {
        var fields = try call.fields()
        let users = try membersToBe(&fields, "users")
        if users.isEmpty { fields.problem("users", "it is required") }
        fields.ignore("workspace_id")
        for user in users where known.contains(where: { $0.slug == user.id }) {
            fields.problem("users", "\(user.id) is there already")
        }
        try fields.finish()
        try await change(
            call, "workspace_users.create", "workspace/" + slug, in: slug,
            detail: JSONObject([("users", .array(users.map { .string($0.id) }))])
        ) { store, now throws(StoreError) in
            for user in users { try store.insert(Self.member(user.id, user.role, of: slug, call, now)) }
        }
        return Call.done(JSONObject([("users", .array(users.map { .string($0.id) }))]))
    }

    private func present(member: StoredObject) throws(GatewayError) -> JSONValue {
        let user = try read { store throws(StoreError) in try store.object(Kind.user, id: member.slug) }
        return [
            "object": "workspace-user", "id": .string(member.slug), "role": member.document["role"] ?? "member",
            "first_name": user?.document["first_name"] ?? "", "last_name": user?.document["last_name"] ?? "",
            "org_role": user?.document["role"] ?? "member", "email": user?.document["email"] ?? "",
            "status": .string(member.status), "workspace_id": .string(member.workspace), "scopes": [],
            "settings": .object(JSONObject()), "created_at": Moment.text(member.createdAt),
            "last_updated_at": Moment.text(member.updatedAt),
        ]
    }
}
