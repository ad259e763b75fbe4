// Users: /admin/users and their invitations. A user is a name to whom keys are given; an invitation that is accepted becomes one. Nobody
// is sent anything: the link is the inviter's to pass on.

import Core
import Digests
import Gateway
import Identity
import Store

extension ControlDesk {
    private static let invitationTime: Int64 = 7 * 86_400 * 1_000_000_000

    func users(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        if places.first == "invites" { return try await invites(call, places.dropFirst()) }
        switch (call.request.method, places.count) {
        case ("GET", 0): return try listUsers(call)
        case ("GET", 1): return try present(try user(places[0], call, "organisation_users.read"))
        case ("PUT", 1): return try await updateUser(call, places[0])
        case ("DELETE", 1): return try await deleteUser(call, places[0])
        default: throw call.unknown
        }
    }

    private func user(_ id: String, _ call: Call, _ scope: String) throws(GatewayError) -> StoredObject {
        try call.require(scope, in: nil)
        guard let user = try read({ store throws(StoreError) in try store.object(Kind.user, id: id) }) else {
            throw Call.missing("user", id)
        }
        return user
    }

    private func listUsers(_ call: Call) throws(GatewayError) -> JSONValue {
        try call.require("organisation_users.list", in: nil)
        var shown: [JSONValue] = []
        for user in try read({ store throws(StoreError) in try store.objects(Kind.user) }) {
            if let role = call.query("role"), user.document["role"]?.string != role { continue }
            if let email = call.query("email"), user.document["email"]?.string != email { continue }
            shown.append(try present(user))
        }
        return try call.list(shown)
    }

    private func present(_ user: StoredObject) throws(GatewayError) -> JSONValue {
        let members = try read { store throws(StoreError) in try store.objects(Kind.member) }
        return [
            "object": "user", "id": .string(user.id), "first_name": user.document["first_name"] ?? "",
            "last_name": user.document["last_name"] ?? "", "role": user.document["role"] ?? "member",
            "email": user.document["email"] ?? "", "created_at": Moment.text(user.createdAt),
            "last_updated_at": Moment.text(user.updatedAt),
            "workspace_ids": .array(members.filter { $0.slug == user.id }.map { .string($0.workspace) }),
        ]
    }

    private func updateUser(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        let found = try user(id, call, "organisation_users.update")
        var user = found
        var fields = try call.fields()
        if let role = fields.choice("role", OrganisationRole.self) { user.document["role"] = .string(role.rawValue) }
        if let name = fields.text("first_name") { user.document["first_name"] = .string(name) }
        if let name = fields.text("last_name") { user.document["last_name"] = .string(name) }
        try fields.finish()
        if found.document["role"] == "owner", user.document["role"] != "owner" { try refuseLastOwner(id) }
        let changed = user
        try await change(call, "organisation_users.update", "user/" + id, in: "", detail: user.document) {
            store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("id", .string(id))]))
    }

    private func refuseLastOwner(_ id: String) throws(GatewayError) {
        let owners = try read { store throws(StoreError) in
            try store.objects(Kind.user).filter { $0.document["role"] == "owner" && $0.id != id }
        }
        if owners.isEmpty {
            throw GatewayError(.conflict, status: 409, "this is the last owner", code: "last_owner")
        }
    }

    private func deleteUser(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        let user = try user(id, call, "organisation_users.delete")
        if user.document["role"] == "owner" { try refuseLastOwner(id) }
        try await change(call, "organisation_users.delete", "user/" + id, in: "") { store, _ throws(StoreError) in
            for member in try store.objects(Kind.member) where member.slug == id {
                try store.delete(Kind.member, id: member.id)
            }
            // Keys end with whom they were given to.
            for key in try store.objects(Kind.apiKey) where key.document["user_id"]?.string == id {
                try store.deleteKeys(of: key.id)
                try store.delete(Kind.apiKey, id: key.id)
            }
            try store.delete(Kind.user, id: id)
        }
        return Call.done(JSONObject([("id", .string(id))]))
    }

    // MARK: Invitations

    private func invites(_ call: Call, _ rest: ArraySlice<String>) async throws(GatewayError) -> JSONValue {
        switch (call.request.method, rest.count) {
        case ("POST", 0): return try await invite(call)
        case ("GET", 0):
            try call.require("organisation_users.list", in: nil)
            let all = try read { store throws(StoreError) in try store.objects(Kind.invite) }
            return try call.list(all.map(present(invite:)))
        default: break
        }
        let id = rest.first ?? ""
        let isAcceptance = rest.dropFirst().first == "accept"
        if !isAcceptance {
            try call.require("organisation_users.\(call.request.method == "GET" ? "read" : "update")", in: nil)
        }
        guard let invite = try read({ store throws(StoreError) in try store.object(Kind.invite, id: id) }) else {
            throw Call.missing("invitation", id)
        }
        switch (call.request.method, rest.dropFirst().first) {
        case ("GET", nil): return present(invite: invite)
        case ("DELETE", nil):
            try await set(invite, "cancelled", call)
            return Call.done(JSONObject([("id", .string(id))]))
        case ("POST", "resend"):
            var renewed = invite
            renewed.document["expires_at"] = .number(String(WallClock.now() + Self.invitationTime))
            try await set(renewed, "pending", call)
            let link = link(of: renewed, call)
            return Call.done(JSONObject([("inviteLink", .string(link)), ("invite_link", .string(link))]))
        case ("POST", "accept"): return try await accept(invite, call)
        default: throw call.unknown
        }
    }

    private func status(of invite: StoredObject) -> String {
        let end = invite.document["expires_at"]?.int ?? 0
        return invite.status == "pending" && WallClock.now() > Int64(end) ? "expired" : invite.status
    }

    private func present(invite: StoredObject) -> JSONValue {
        [
            "object": "user-invite", "id": .string(invite.id), "email": invite.document["email"] ?? "",
            "role": invite.document["role"] ?? "member", "created_at": Moment.text(invite.createdAt),
            "expires_at": Moment.text(Int64(invite.document["expires_at"]?.int ?? 0)),
            "accepted_at": invite.document["accepted_at"]?.int.map { Moment.text(Int64($0)) } ?? .null,
            "status": .string(status(of: invite)), "invited_by": .string(invite.createdBy),
            "workspaces": invite.document["workspaces"] ?? [],
        ]
    }

    /// Whoever has it may accept: it is as good as a key, and tells its own code.
    private func link(of invite: StoredObject, _ call: Call) -> String {
        "\(call.request.origin)/v1/admin/users/invites/\(invite.id)/accept?code=\(code(of: invite))"
    }

    private func code(of invite: StoredObject) -> String {
        linkCodes.authenticate("invite \(invite.id) \(invite.document["expires_at"]?.int ?? 0)").hex
    }

    private func invite(_ call: Call) async throws(GatewayError) -> JSONValue {
        try call.require("organisation_users.create", in: nil)
        var fields = try call.fields()
        let email = fields.requiredText("email")
        if !email.isEmpty,
            email.split(separator: "@", omittingEmptySubsequences: false).filter({ !$0.isEmpty }).count != 2
        {
            fields.problem("email", "expected an e-mail address")
        }
        let role = fields.choice("role", OrganisationRole.self) ?? .member
        var workspaces: [JSONValue] = []
        for (index, item) in (fields.array("workspaces") ?? []).enumerated() {
            let name = item["id"]?.string ?? item.string ?? ""
            guard let workspace = try workspace(name) else {
                fields.problem("workspaces[\(index)].id", "there is no workspace \(name)")
                continue
            }
            guard let role = WorkspaceRole(rawValue: item["role"]?.string ?? "member") else {
                fields.problem("workspaces[\(index)].role", "expected admin, manager or member")
                continue
            }
            workspaces.append(["id": .string(workspace.slug), "role": .string(role.rawValue)])
        }
        if let details = fields.object("workspace_api_key_details") {
            let scopes = (details["scopes"]?.array ?? []).compactMap(\.string)
            for scope in scopes where !Scopes.all.contains(scope) {
                fields.problem("workspace_api_key_details.scopes", "there is no scope \(scope)")
            }
        }
        fields.ignore("first_name", "last_name")
        try fields.finish()
        let users = try read { store throws(StoreError) in try store.objects(Kind.user) }
        if users.contains(where: { $0.document["email"]?.string == email }) { throw Self.taken("user", email) }
        let document = JSONObject([
            ("email", .string(email)), ("role", .string(role.rawValue)), ("workspaces", .array(workspaces)),
            ("expires_at", .number(String(WallClock.now() + Self.invitationTime))),
        ])
        let id = Identifier.make()
        let made = try await change(call, "organisation_users.create", "invite/" + id, in: "", detail: document) {
            store, now throws(StoreError) in
            let made = StoredObject(
                kind: Kind.invite, id: id, workspace: "", slug: id, status: "pending", document: document, at: now,
                by: call.principal.id)
            try store.insert(made)
            return made
        }
        return Call.done(
            JSONObject([("id", .string(id)), ("invite_link", .string(link(of: made, call))), ("object", "user-invite")])
        )
    }

    private func set(_ invite: StoredObject, _ status: String, _ call: Call) async throws(GatewayError) {
        if invite.status == "accepted" {
            throw GatewayError(.conflict, status: 409, "the invitation was accepted already", code: "already_accepted")
        }
        try await change(call, "organisation_users.update", "invite/" + invite.id, in: "") {
            store, now throws(StoreError) in
            var changed = invite
            changed.status = status
            changed.touch(call, at: now)
            try store.update(changed)
        }
    }

    /// Makes the user. The code of the link is the permission.
    private func accept(_ invite: StoredObject, _ call: Call) async throws(GatewayError) -> JSONValue {
        guard Secrets.areEqual(call.query("code") ?? "", code(of: invite)), status(of: invite) == "pending" else {
            throw Call.missing("invitation that is open", invite.id)
        }
        var fields = try call.fields()
        let first = fields.text("first_name") ?? ""
        let last = fields.text("last_name") ?? ""
        try fields.finish()
        let id = Identifier.make()
        try await change(call, "organisation_users.create", "user/" + id, in: "") { store, now throws(StoreError) in
            let document = JSONObject([
                ("email", invite.document["email"] ?? ""), ("role", invite.document["role"] ?? "member"),
                ("first_name", .string(first)), ("last_name", .string(last)),
            ])
            try store.insert(
                StoredObject(
                    kind: Kind.user, id: id, workspace: "", slug: id, document: document, at: now, by: call.principal.id
                ))
            for place in invite.document["workspaces"]?.array ?? [] {
                try store.insert(
                    StoredObject(
                        kind: Kind.member, id: Identifier.make(), workspace: place["id"]?.string ?? "", slug: id,
                        document: JSONObject([("role", place["role"] ?? "member")]), at: now, by: call.principal.id))
            }
            var accepted = invite
            accepted.status = "accepted"
            accepted.document["accepted_at"] = .number(String(now))
            accepted.touch(call, at: now)
            try store.update(accepted)
        }
        return Call.done(JSONObject([("id", .string(id)), ("object", "user")]))
    }
}
