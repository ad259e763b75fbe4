// Configs: /configs. Each change is a version that stays; those of the configuration file are shown, and changed there.

import Config
import Core
import Gateway
import Identity
import Store

extension ControlDesk {
    func configs(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0): return try listConfigs(call)
        case ("POST", 0): return try await createConfig(call)
        case ("GET", 1): return try showConfig(call, places[0])
        case ("GET", 2) where places[1] == "versions": return try listVersions(call, places[0])
        case ("PUT", 1): return try await updateConfig(call, places[0])
        case ("DELETE", 1): return try await deleteConfig(call, places[0])
        default: throw call.unknown
        }
    }

    /// Of the file or of the workspace.
    func knowsConfig(_ slug: String, in place: String) throws(GatewayError) -> Bool {
        if surroundings.config().configs[slug] != nil { return true }
        return try read { store throws(StoreError) in try store.object(Kind.config, slug: slug, in: place) } != nil
    }

    private func isDefault(_ config: StoredObject) -> Bool { config.document["is_default"] == true }

    private func item(_ config: StoredObject) -> JSONObject {
        var object = config.common("config")
        object["is_default"] = JSONValue(isDefault(config) ? 1 : 0)
        object["version"] = JSONValue(config.version)
        object["source"] = "api"
        return object
    }

    private func fileItem(_ name: String) -> JSONObject {
        JSONObject([
            ("id", .string("file:" + name)), ("slug", .string(name)), ("name", .string(name)), ("object", "config"),
            ("organisation_id", .string(Organisation.id)), ("workspace_id", .null), ("status", "active"),
            ("is_default", JSONValue(surroundings.config().defaults.config == name ? 1 : 0)), ("owner_id", "file"),
            ("updated_by", "file"), ("source", "file"), ("read_only", true),
        ])
    }

    private func listConfigs(_ call: Call) throws(GatewayError) -> JSONValue {
        let stored = try visible(Kind.config, call, "configs.list")
        let file = surroundings.config().configs.keys.sorted()
        return try call.list(file.map { .object(fileItem($0)) } + stored.map { .object(item($0)) })
    }

    private func showConfig(_ call: Call, _ name: String) throws(GatewayError) -> JSONValue {
        if surroundings.config().configs[name] != nil {
            try call.require("configs.read", in: call.principal.workspace)
            // Its text is the file's, with whatever it refers to.
            return Call.done(fileItem(name))
        }
        let config = try find(Kind.config, name, call, "configs.read", called: "config")
        var object = item(config)
        // A number is taken for a version; the SDK's model wants text or an object.
        if let number = call.query("version") {
            let versions = try read { store throws(StoreError) in try store.versions(of: Kind.config, config.id) }
            guard let version = versions.first(where: { String($0.version) == number || $0.id == number }) else {
                throw Call.missing("version of this config", number)
            }
            object["config"] = version.document["config"]
            object["version_id"] = .string(version.id)
            object["version"] = JSONValue(version.version)
        } else {
            object["config"] = config.document["config"] ?? .object(JSONObject())
            object["version_id"] = config.document["version_id"] ?? .null
        }
        object["format"] = "json"
        object["type"] = "ORG_CONFIG"
        return Call.done(object)
    }

    private func listVersions(_ call: Call, _ name: String) throws(GatewayError) -> JSONValue {
        let config = try find(Kind.config, name, call, "configs.read", called: "config")
        let versions = try read { store throws(StoreError) in try store.versions(of: Kind.config, config.id) }
        let items = versions.map { version in
            var object = item(config)
            object["id"] = .string(config.id)
            object["version_id"] = .string(version.id)
            object["version"] = JSONValue(version.version)
            object["config"] = .string((version.document["config"] ?? .object(JSONObject())).text)
            object["created_at"] = Moment.text(version.createdAt)
            object["updated_by"] = .string(version.createdBy)
            return JSONValue.object(object)
        }
        return try call.list(items)
    }

    // MARK: Changes

    /// A config as it was sent: an object, or its text.
    private func document(_ fields: inout Fields) -> JSONValue? {
        guard let value = fields.value("config") else { return nil }
        if value.object != nil { return value }
        if let text = value.string, let parsed = try? JSONValue(parsing: text), parsed.object != nil { return parsed }
        fields.problem("config", "expected an object, or the text of one")
        return nil
    }

    /// What the data path would say of it.
    private func check(_ document: JSONValue, in place: String) async throws(GatewayError) {
        let tenant = current.tenants[place]
        if Self.hasMember("prompt_id", document) {
            throw GatewayError(
                .notSupported, status: 400,
                "config: targets with a prompt_id are not supported yet: ask by /v1/prompts/{id}/completions",
                code: "not_supported", param: "config")
        }
        do throws(RequestConfigError) {
            let file = surroundings.config()
            let scoped = tenant.map { file.adding(providers: $0.providers, guardrails: $0.guardrails) } ?? file
            _ = try RequestConfig(stored: "new", parsing: document, in: scoped)
        } catch {
            throw GatewayError(
                .invalidConfig, status: 400, ([error.message] + error.errors).joined(separator: "; "),
                code: "invalid_config", param: "config", errors: error.errors)
        }
        try await surroundings.gateway?.check(config: document, tenant: tenant)
    }

    private static func hasMember(_ name: String, _ value: JSONValue) -> Bool {
        switch value {
        case .array(let list): list.contains { hasMember(name, $0) }
        // What is sent to providers may say anything.
        case .object(let object):
            object.members.contains { $0.key == name || $0.key != "override_params" && hasMember(name, $0.value) }
        default: false
        }
    }

    private func createConfig(_ call: Call) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("configs.create", in: place)
        let name = fields.requiredText("name")
        let given = fields.slug()
        let document = document(&fields)
        if document == nil, !fields.has("config") { fields.problem("config", "it is required") }
        let isDefault = fields.flag("is_default") ?? fields.flag("isDefault") ?? false
        fields.ignore("organisation_id", "isDefault", "status", "type", "format")
        try fields.finish()
        guard let document else { return .null }
        try await check(document, in: place)
        let slug = given ?? Identifier.slug("pc", name)
        if try knowsConfig(slug, in: place) { throw Self.taken("config", slug) }
        let id = Identifier.make()
        let versionID = Identifier.make()
        try await change(
            call, "configs.create", "config/" + slug, in: place, detail: JSONObject([("version", 1)])
        ) { store, now throws(StoreError) in
            let stored = JSONObject([
                ("name", .string(name)), ("config", document), ("version_id", .string(versionID)),
                ("is_default", .bool(isDefault)),
            ])
            let object = StoredObject(
                kind: Kind.config, id: id, workspace: place, slug: slug, document: stored, at: now,
                by: call.principal.id)
            if isDefault { try Self.clearDefault(store, in: place) }
            try store.insert(object)
            try store.insert(
                StoredVersion(
                    id: versionID, version: 1, document: JSONObject([("config", document)]), createdAt: now,
                    createdBy: call.principal.id), of: object)
        }
        return Call.done(
            JSONObject([
                ("id", .string(id)), ("version_id", .string(versionID)), ("slug", .string(slug)), ("object", "config"),
            ]))
    }

    private static func clearDefault(_ store: ControlStore, in place: String) throws(StoreError) {
        for var other in try store.objects(Kind.config, in: place) where other.document["is_default"] == true {
            other.document["is_default"] = false
            try store.update(other)
        }
    }

    private func updateConfig(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().configs[name] != nil { throw Self.fileOwned("config", name) }
        var config = try find(Kind.config, name, call, "configs.update", called: "config")
        var fields = try call.fields()
        if let name = fields.text("name") { config.document["name"] = .string(name) }
        let document = document(&fields)
        if let status = fields.text("status") {
            if status == "active" || status == "archived" {
                config.status = status
            } else {
                fields.problem("status", "expected active or archived")
            }
        }
        let isDefault = fields.flag("is_default") ?? fields.flag("isDefault")
        fields.ignore("slug", "workspace_id", "organisation_id", "isDefault", "is_default", "type", "format")
        try fields.finish()
        if let document {
            try await check(document, in: config.workspace)
            config.version += 1
            config.document["config"] = document
            config.document["version_id"] = .string(Identifier.make())
        }
        if let isDefault { config.document["is_default"] = .bool(isDefault) }
        let changed = config
        try await change(
            call, "configs.update", "config/" + config.slug, in: config.workspace,
            detail: JSONObject([("version", JSONValue(config.version))])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            if isDefault == true { try Self.clearDefault(store, in: changed.workspace) }
            try store.update(changed)
            if let document {
                try store.insert(
                    StoredVersion(
                        id: changed.document["version_id"]?.string ?? "", version: changed.version,
                        document: JSONObject([("config", document)]), createdAt: now, createdBy: call.principal.id),
                    of: changed)
            }
        }
        return Call.done(
            JSONObject([
                ("id", .string(config.id)), ("slug", .string(config.slug)),
                ("version_id", config.document["version_id"] ?? .null), ("object", "config"),
            ]))
    }

    private func deleteConfig(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().configs[name] != nil { throw Self.fileOwned("config", name) }
        let config = try find(Kind.config, name, call, "configs.delete", called: "config")
        let users = try read { store throws(StoreError) -> [String] in
            let keys = try store.objects(Kind.apiKey).filter {
                $0.workspace.isEmpty || $0.workspace == config.workspace
            }
            let places = try store.objects(Kind.workspace).filter { $0.slug == config.workspace }
            return (keys + places).filter { $0.document["defaults"]?["config_id"]?.string == config.slug }.map {
                "\($0.kind) \($0.name)"
            }
        }
        if !users.isEmpty { throw Self.inUse("the config \(config.slug)", users.joined(separator: ", ")) }
        try await change(call, "configs.delete", "config/" + config.slug, in: config.workspace) {
            store, _ throws(StoreError) in try store.delete(Kind.config, id: config.id)
        }
        return Call.done(JSONObject([("slug", .string(config.slug))]))
    }
}
