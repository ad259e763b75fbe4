// Integrations: /integrations, credentials of the organisation that workspaces share, and /providers, the names under which a workspace
// uses one.

import Config
import Core
import Gateway
import Identity
import Store
import Vault

extension ControlDesk {
    func integrations(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0):
            try call.require("integrations.list", in: nil)
            let all = try read { store throws(StoreError) in try store.objects(Kind.integration) }
            return try call.list(all.map { .object(present(integration: $0)) })
        case ("POST", 0): return try await createIntegration(call)
        case ("GET", 1):
            let found = try integration(places[0], call, "integrations.read")
            var object = present(integration: found)
            object["masked_key"] = try open(found)?.key == nil ? .null : "********"
            object["configurations"] = found.document["options"] ?? .object(JSONObject())
            return Call.done(object)
        case ("PUT", 1): return try await updateIntegration(call, places[0])
        case ("DELETE", 1): return try await deleteIntegration(call, places[0])
        case ("GET", 2) where places[1] == "models":
            return try models(of: integration(places[0], call, "integrations.read"))
        case ("PUT", 2) where places[1] == "models": return try await putModels(call, places[0])
        case ("DELETE", 2) where places[1] == "models": return try await deleteModels(call, places[0])
        case ("GET", 2) where places[1] == "workspaces":
            return try access(of: integration(places[0], call, "integrations.read"))
        case ("PUT", 2) where places[1] == "workspaces": return try await putAccess(call, places[0])
        default: throw call.unknown
        }
    }

    private func integration(_ name: String, _ call: Call, _ scope: String) throws(GatewayError) -> StoredObject {
        try call.require(scope, in: nil)
        let found = try read { store throws(StoreError) -> StoredObject? in
            if let found = try store.object(Kind.integration, id: name) { return found }
            return try store.object(Kind.integration, slug: name, in: "")
        }
        guard let found else { throw Call.missing("integration", name) }
        return found
    }

    private func present(integration: StoredObject) -> JSONObject {
        var object = integration.common("integration")
        object["workspace_id"] = .null
        object["ai_provider_id"] = integration.document["provider"] ?? .null
        object["description"] = integration.document["description"] ?? .null
        return object
    }

    private func readConfigurations(_ fields: inout Fields) -> (plain: JSONObject, secret: JSONObject) {
        var plain = JSONObject()
        var secret = JSONObject()
        for member in fields.object("configurations")?.members ?? [] where !member.value.isNull {
            let option = member.key == "custom_host" ? "base_url" : SnakeCase.convert(member.key)
            if option == "base_url", !(member.value.string.map(HTTPURL.isValid) ?? false) {
                fields.problem("configurations.\(member.key)", "expected a URL like https://host/v1")
            }
            if Self.isSecret(option) { secret[option] = member.value } else { plain[option] = member.value }
        }
        return (plain, secret)
    }

    private func createIntegration(_ call: Call) async throws(GatewayError) -> JSONValue {
        try call.require("integrations.create", in: nil)
        var fields = try call.fields()
        let name = fields.requiredText("name")
        let given = fields.slug()
        let provider = fields.requiredText("ai_provider_id")
        if let known = surroundings.gateway?.providerSlugs, !provider.isEmpty, !known.contains(provider) {
            fields.problem("ai_provider_id", "no plugin speaks for \(provider)")
        }
        var document = JSONObject([("name", .string(name)), ("provider", .string(provider))])
        document["description"] = fields.text("description", limit: 1_000).map { .string($0) }
        let key = credential(&fields, "key")
        let options = readConfigurations(&fields)
        document["options"] = .object(options.plain)
        fields.ignore("note", "workspace_id", "organisation_id", "secret_mappings", "create_default_provider")
        try fields.finish()
        let slug = given ?? Identifier.slug("", name)
        if try read({ store throws(StoreError) in try store.object(Kind.integration, slug: slug, in: "") }) != nil {
            throw Self.taken("integration", slug)
        }
        let id = Identifier.make()
        let final = document
        let sealed = Credential(key: key, options: options.secret).sealed(
            by: vault, kind: Kind.integration, id, "", slug, 1)
        try await change(
            call, "integrations.create", "integration/" + slug, in: "",
            detail: JSONObject([("provider", .string(provider))])
        ) { store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: Kind.integration, id: id, workspace: "", slug: slug, document: final, at: now,
                    by: call.principal.id))
            try store.put(sealed)
        }
        return Call.done(JSONObject([("id", .string(id)), ("slug", .string(slug)), ("object", "integration")]))
    }

    private func updateIntegration(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var integration = try integration(name, call, "integrations.update")
        var fields = try call.fields()
        if let name = fields.text("name") { integration.document["name"] = .string(name) }
        if fields.has("description") {
            integration.document["description"] = fields.text("description", limit: 1_000).map { .string($0) }
        }
        let new = credential(&fields, "key")
        let options = readConfigurations(&fields)
        let known = integration.document["options"]?.object ?? JSONObject()
        if new == nil, let moved = Self.moved(options.plain, known) {
            fields.problem(
                "configurations.\(moved)", "a credential goes only to the host it was given for: send the key again")
        }
        integration.document["options"] = .object(known.merged(under: options.plain))
        fields.ignore("slug", "note", "ai_provider_id", "workspace_id", "organisation_id")
        try fields.finish()
        var sealed: StoredCredential?
        if new != nil || !options.secret.isEmpty {
            integration.version += 1
            let opened = try open(integration)
            sealed = Credential(
                key: new ?? opened?.key, options: (opened?.options ?? JSONObject()).merged(under: options.secret)
            ).sealed(by: vault, kind: Kind.integration, integration.id, "", integration.slug, integration.version)
        }
        try await keep(integration, "update", call, sealed)
        return Call.done(JSONObject([("id", .string(integration.id)), ("slug", .string(integration.slug))]))
    }

    private func keep(_ integration: StoredObject, _ action: String, _ call: Call, _ sealed: StoredCredential? = nil)
        async throws(GatewayError)
    {
        try await change(
            call, "integrations." + action, "integration/" + integration.slug, in: "",
            detail: JSONObject([("rotated", .bool(sealed != nil))])
        ) { store, now throws(StoreError) in
            var changed = integration
            changed.touch(call, at: now)
            try store.update(changed)
            if let sealed { try store.put(sealed) }
        }
    }

    private func deleteIntegration(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        let integration = try integration(name, call, "integrations.delete")
        let users = try read { store throws(StoreError) in try store.objects(Kind.provider) }
            .filter { $0.document["integration"]?.string == integration.id }
        if !users.isEmpty {
            throw Self.inUse(
                "the integration \(integration.slug)", "provider " + users.map(\.slug).joined(separator: ", "))
        }
        try await change(call, "integrations.delete", "integration/" + integration.slug, in: "") {
            store, _ throws(StoreError) in try store.delete(Kind.integration, id: integration.id)
        }
        return Call.done(JSONObject([("slug", .string(integration.slug))]))
    }

    // MARK: Models

    private func models(of integration: StoredObject) -> JSONValue {
        let models = integration.document["models"]?.array ?? []
        return [
            "object": "list", "total": JSONValue(models.count), "models": .array(models), "data": .array(models),
            "allow_all_models": integration.document["allow_all_models"] ?? true,
        ]
    }

    private func putModels(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var integration = try integration(name, call, "integrations.update")
        var fields = try call.fields()
        if let all = fields.flag("allow_all_models") { integration.document["allow_all_models"] = .bool(all) }
        var models = integration.document["models"]?.array ?? []
        for (index, model) in (fields.array("models") ?? []).enumerated() {
            guard let slug = model["slug"]?.string, !slug.isEmpty else {
                fields.problem("models[\(index)].slug", "it is required")
                continue
            }
            models.removeAll { $0["slug"]?.string == slug }
            models.append(model)
        }
        try fields.finish()
        integration.document["models"] = .array(models)
        try await keep(integration, "update", call)
        return Call.done(JSONObject())
    }

    private func deleteModels(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var integration = try integration(name, call, "integrations.update")
        let slugs = Set((call.query("slugs") ?? "").split(separator: ",").map(String.init))
        integration.document["models"] = .array(
            (integration.document["models"]?.array ?? []).filter { !slugs.contains($0["slug"]?.string ?? "") })
        try await keep(integration, "update", call)
        return Call.done(JSONObject())
    }

    // MARK: Workspaces

    private func access(of integration: StoredObject) -> JSONValue {
        Call.done(
            JSONObject([
                (
                    "global_workspace_access",
                    integration.document["global_workspace_access"] ?? ["enabled": true]
                ), ("workspaces", integration.document["workspaces"] ?? []),
            ]))
    }

    private func putAccess(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var integration = try integration(name, call, "integrations.update")
        var fields = try call.fields()
        if let global = fields.object("global_workspace_access") {
            var kept = JSONObject([("enabled", global["enabled"] ?? true)])
            var inner = try Fields(.object(global))
            kept["usage_limits"] = inner.usageLimits()
            kept["rate_limits"] = inner.rateLimits()
            inner.ignore("enabled")
            try inner.finish()
            integration.document["global_workspace_access"] = .object(kept)
        }
        var known = integration.document["workspaces"]?.array ?? []
        if fields.flag("override_existing_workspaces_access") == true { known = [] }
        for (index, item) in (fields.array("workspaces") ?? []).enumerated() {
            var inner = try Fields(item)
            let id = inner.requiredText("id")
            if try workspace(id) == nil { fields.problem("workspaces[\(index)].id", "there is no workspace \(id)") }
            var kept = JSONObject([("id", .string(id)), ("enabled", .bool(inner.flag("enabled") ?? true))])
            kept["usage_limits"] = inner.usageLimits()
            kept["rate_limits"] = inner.rateLimits()
            inner.ignore("reset_usage")
            try inner.finish()
            known.removeAll { $0["id"]?.string == id }
            known.append(.object(kept))
        }
        try fields.finish()
        integration.document["workspaces"] = .array(known)
        try await keep(integration, "update", call)
        return Call.done(JSONObject())
    }

    // MARK: Providers

    func providers(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0):
            let all = try visible(Kind.provider, call, "providers.list")
            return try call.list(all.map { .object(present(provider: $0)) })
        case ("POST", 0): return try await createProvider(call)
        case ("GET", 1):
            return .object(
                present(provider: try find(Kind.provider, places[0], call, "providers.read", called: "provider")))
        case ("PUT", 1): return try await updateProvider(call, places[0])
        case ("DELETE", 1):
            let provider = try find(Kind.provider, places[0], call, "providers.delete", called: "provider")
            let users = try configs(using: provider.slug, in: provider.workspace)
            if !users.isEmpty {
                throw Self.inUse("the provider \(provider.slug)", "config " + users.joined(separator: ", "))
            }
            try await change(call, "providers.delete", "provider/" + provider.slug, in: provider.workspace) {
                store, _ throws(StoreError) in try store.delete(Kind.provider, id: provider.id)
            }
            return Call.done(JSONObject([("slug", .string(provider.slug))]))
        default: throw call.unknown
        }
    }

    private func present(provider: StoredObject) -> JSONObject {
        var object = present(virtualKey: provider)
        object["object"] = "provider"
        object["provider"] = nil
        object["model_config"] = nil
        object["integration_id"] = provider.document["integration_slug"] ?? .null
        return object
    }

    private func readProvider(_ fields: inout Fields, into document: inout JSONObject) {
        if fields.has("note") { document["note"] = fields.text("note", limit: 1_000).map { .string($0) } }
        if fields.has("usage_limits") { document["usage_limits"] = fields.usageLimits() }
        if fields.has("rate_limits") { document["rate_limits"] = fields.rateLimits() }
        if fields.has("expires_at") { document["expires_at"] = fields.time("expires_at").map { .number(String($0)) } }
    }

    private func createProvider(_ call: Call) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("providers.create", in: place)
        let name = fields.requiredText("name")
        let given = fields.slug()
        let wanted = fields.requiredText("integration_id")
        let integration = try read { store throws(StoreError) -> StoredObject? in
            if let found = try store.object(Kind.integration, id: wanted) { return found }
            return try store.object(Kind.integration, slug: wanted, in: "")
        }
        if integration == nil, !wanted.isEmpty { fields.problem("integration_id", "there is no integration \(wanted)") }
        if let integration, !Self.isOpen(integration, to: place) {
            fields.problem("integration_id", "the integration \(wanted) is not open to this workspace")
        }
        var document = JSONObject([("name", .string(name))])
        document["integration"] = integration.map { .string($0.id) }
        document["integration_slug"] = integration.map { .string($0.slug) }
        readProvider(&fields, into: &document)
        try fields.finish()
        let slug = given ?? Identifier.slug("", name)
        if surroundings.config().providers[slug] != nil { throw Self.taken("provider of the configuration file", slug) }
        for kind in [Kind.virtualKey, Kind.provider] {
            if try read({ store throws(StoreError) in try store.object(kind, slug: slug, in: place) }) != nil {
                throw Self.taken("virtual key or provider", slug)
            }
        }
        let id = Identifier.make()
        let final = document
        try await change(call, "providers.create", "provider/" + slug, in: place) { store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: Kind.provider, id: id, workspace: place, slug: slug, document: final, at: now,
                    by: call.principal.id))
        }
        return Call.done(JSONObject([("id", .string(id)), ("slug", .string(slug)), ("object", "provider")]))
    }

    private func updateProvider(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        var provider = try find(Kind.provider, name, call, "providers.update", called: "provider")
        var fields = try call.fields()
        if let name = fields.text("name") { provider.document["name"] = .string(name) }
        readProvider(&fields, into: &provider.document)
        if fields.flag("reset_usage") == true { provider.document["usage_reset_at"] = .number(String(WallClock.now())) }
        fields.ignore("slug", "workspace_id", "integration_id")
        try fields.finish()
        let changed = provider
        try await change(call, "providers.update", "provider/" + provider.slug, in: provider.workspace) {
            store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("id", .string(provider.id)), ("slug", .string(provider.slug))]))
    }

    /// A workspace's own entry comes before the one for all.
    static func isOpen(_ integration: StoredObject, to place: String) -> Bool {
        let own = (integration.document["workspaces"]?.array ?? []).first { $0["id"]?.string == place }
        return (own ?? integration.document["global_workspace_access"])?["enabled"]?.bool ?? true
    }
}
