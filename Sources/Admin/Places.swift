// Places: where a call's objects live, and finding them. What belongs to another workspace is not there: same answer, same path.

import Core
import Gateway
import Identity
import Store

extension ControlDesk {
    /// The workspace that a call is about: the one it names, else the key's own, else the default one.
    func place(_ call: Call, named name: String?) throws(GatewayError) -> String {
        guard let name = name ?? call.query("workspace_id") ?? call.query("workspace_slug") else {
            return call.principal.workspace ?? Directory.defaultWorkspace
        }
        guard let workspace = try workspace(name), call.principal.workspace ?? workspace.slug == workspace.slug else {
            throw Call.missing("workspace", name)
        }
        return workspace.slug
    }

    /// By its slug, which is also its id.
    func workspace(_ name: String) throws(GatewayError) -> StoredObject? {
        try read { store throws(StoreError) in try store.object(Kind.workspace, id: name) }
    }

    /// All objects of a kind that a call may list: of the workspace it names, else of all that the key reaches.
    func visible(_ kind: String, _ call: Call, _ scope: String) throws(GatewayError) -> [StoredObject] {
        let isNamed = call.query("workspace_id") != nil || call.query("workspace_slug") != nil
        if !isNamed, call.principal.workspace == nil {
            try call.require(scope, in: nil)
            return try read { store throws(StoreError) in try store.objects(kind) }
        }
        let place = try place(call, named: nil)
        try call.require(scope, in: place)
        return try read { store throws(StoreError) in try store.objects(kind, in: place) }
    }

    /// An object by its id or its slug, and the right to do something with it. Slugs are looked for in the workspace that the call names,
    /// or in its own; a key of the organisation finds them in any, as long as one has it.
    func find(_ kind: String, _ name: String, _ call: Call, _ scope: String, called what: String)
        throws(GatewayError) -> StoredObject
    {
        let isNamed = call.query("workspace_id") != nil
        let place = try place(call, named: nil)
        let found = try read { store throws(StoreError) -> StoredObject? in
            if let object = try store.object(kind, id: name) { return object }
            if let object = try store.object(kind, slug: name, in: place) { return object }
            guard call.principal.workspace == nil, !isNamed else { return nil }
            let all = try store.objects(kind).filter { $0.slug == name }
            return all.count == 1 ? all[0] : nil
        }
        guard let found, call.principal.workspace ?? found.workspace == found.workspace else {
            // Whoever may not ask learns nothing of what is there.
            if !call.principal.scopes.contains(scope) { throw Call.forbidden(scope) }
            throw Call.missing(what, name)
        }
        try call.require(scope, in: found.workspace)
        return found
    }

    static func taken(_ what: String, _ slug: String) -> GatewayError {
        GatewayError(
            .conflict, status: 409, "there is a \(what) \(slug) already", code: "already_exists", param: "slug")
    }

    static func fileOwned(_ what: String, _ name: String) -> GatewayError {
        GatewayError(
            .conflict, status: 409, "the \(what) \(name) belongs to the configuration file: change it there",
            code: "file_owned")
    }

    static func inUse(_ what: String, _ by: String) -> GatewayError {
        GatewayError(.conflict, status: 409, "\(what) is in use: \(by)", code: "in_use")
    }
}

extension StoredObject {
    var name: String { document["name"]?.string ?? slug }

    /// What every object tells of itself.
    func common(_ type: String) -> JSONObject {
        JSONObject([
            ("id", .string(id)), ("slug", .string(slug)), ("name", .string(name)), ("object", .string(type)),
            ("organisation_id", .string(Organisation.id)),
            ("workspace_id", workspace.isEmpty ? .null : .string(workspace)), ("status", .string(status)),
            ("created_at", Moment.text(createdAt)), ("last_updated_at", Moment.text(updatedAt)),
            ("owner_id", .string(createdBy)), ("updated_by", .string(updatedBy)),
        ])
    }

    mutating func touch(_ call: Call, at now: Int64) {
        updatedAt = now
        updatedBy = call.principal.id
    }
}

/// A gateway has one organisation.
enum Organisation {
    static let id = "00000000-0000-4000-8000-000000000001"
}
