// VirtualKeys: /virtual-keys: providers' credentials of a workspace, under a name that requests use. A credential goes in and never comes
// out again.

import Config
import Core
import Gateway
import Identity
import Store
import Vault

extension ControlDesk {
    func virtualKeys(_ call: Call) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0):
            let all = try visible(Kind.virtualKey, call, "virtual_keys.list")
            return try call.list(all.map { .object(present(virtualKey: $0)) })
        case ("POST", 0): return try await createVirtualKey(call)
        case ("GET", 1):
            return .object(
                present(
                    virtualKey: try find(
                        Kind.virtualKey, places[0], call, "virtual_keys.read", called: "virtual key")))
        case ("PUT", 1): return try await updateVirtualKey(call, places[0])
        case ("DELETE", 1): return try await deleteVirtualKey(call, places[0])
        default: throw call.unknown
        }
    }

    func present(virtualKey key: StoredObject) -> JSONObject {
        var object = key.common("virtual-key")
        object["provider"] = key.document["provider"] ?? .null
        object["note"] = key.document["note"] ?? .null
        object["model_config"] = key.document["options"] ?? .object(JSONObject())
        object["allowed_models"] = key.document["allowed_models"] ?? .null
        object["usage_limits"] = key.document["usage_limits"] ?? .null
        object["rate_limits"] = key.document["rate_limits"] ?? []
        object["reset_usage"] = .null
        object["expires_at"] = key.document["expires_at"]?.int.map { Moment.text(Int64($0)) } ?? .null
        if let end = key.document["expires_at"]?.int, Int64(end) <= WallClock.now() { object["status"] = "expired" }
        addStandings(to: &object, of: "virtual-key/" + key.id, key.document)
        return object
    }

    /// The members of every virtual key; all others are options for the provider's adapter.
    private static let ownFields: Set<String> = [
        "name", "provider", "key", "note", "workspace_id", "organisation_id", "slug", "usage_limits", "rate_limits",
        "expires_at", "allowed_models", "models", "status", "reset_usage", "object", "ai_provider_id",
    ]

    /// What Portkey spells in its own way.
    private static let spellings = [
        "apiVersion": "api_version", "resourceName": "resource_name", "deploymentName": "deployment_id",
        "custom_host": "base_url", "customHost": "base_url",
    ]

    /// Options that are credentials themselves.
    static func isSecret(_ option: String) -> Bool {
        ["secret", "password", "token", "private_key", "access_key", "service_account"].contains {
            option.contains($0)
        }
    }

    private func readLimits(_ fields: inout Fields, into document: inout JSONObject) {
        if fields.has("note") { document["note"] = fields.text("note", limit: 1_000).map { .string($0) } }
        if fields.has("usage_limits") { document["usage_limits"] = fields.usageLimits() }
        if fields.has("rate_limits") { document["rate_limits"] = fields.rateLimits() }
        if fields.has("expires_at") { document["expires_at"] = fields.time("expires_at").map { .number(String($0)) } }
        for name in ["allowed_models", "models"] where fields.has(name) {
            document["allowed_models"] = fields.texts(name).map { .array($0.map { .string($0) }) }
        }
        fields.ignore("workspace_id", "organisation_id", "object", "ai_provider_id")
    }

    /// Plain options for the document, and the rest for the vault.
    private func readOptions(_ fields: inout Fields, _ names: [String]) -> (plain: JSONObject, secret: JSONObject) {
        var plain = JSONObject()
        var secret = JSONObject()
        for name in names where !Self.ownFields.contains(name) {
            guard let value = fields.value(name) else { continue }
            if name == "deploymentConfig" || name == "deployment_config" {
                readDeployments(value, &fields, into: &plain)
                continue
            }
            let option = Self.spellings[name] ?? SnakeCase.convert(name)
            if option == "base_url" {
                guard let url = value.string, HTTPURL.isValid(url) else {
                    fields.problem(name, "expected a URL like https://host/v1")
                    continue
                }
            }
            if Self.isSecret(option) { secret[option] = value } else { plain[option] = value }
        }
        return (plain, secret)
    }

    /// The option, if one has changed, that decides to which host the credential goes.
    static func moved(_ new: JSONObject, _ known: JSONObject) -> String? {
        new.members.first { member in
            let namesHost = ["_url", "_host", "resource_name", "endpoint_name", "account_id", "region"].contains {
                member.key.hasSuffix($0)
            }
            return namesHost && known[member.key] != member.value
        }?.key
    }

    /// Azure's deployments, of which a virtual key has one here.
    private func readDeployments(_ value: JSONValue, _ fields: inout Fields, into plain: inout JSONObject) {
        let list = value.array ?? [value]
        guard list.count == 1, let deployment = list[0].object else {
            return fields.problem("deploymentConfig", "expected one deployment: make a virtual key for each")
        }
        plain["deployment_id"] = deployment["deploymentName"] ?? deployment["deployment_name"]
        plain["api_version"] = deployment["apiVersion"] ?? deployment["api_version"]
    }

    private func checkProvider(_ slug: String, _ fields: inout Fields) {
        guard let known = surroundings.gateway?.providerSlugs, !slug.isEmpty, !known.contains(slug) else { return }
        fields.problem("provider", "no plugin speaks for \(slug)")
    }

    private func createVirtualKey(_ call: Call) async throws(GatewayError) -> JSONValue {
        let body = try call.body()
        var fields = try Fields(body)
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("virtual_keys.create", in: place)
        let name = fields.requiredText("name")
        let given = fields.slug()
        let provider = fields.text("provider") ?? fields.requiredText("ai_provider_id")
        checkProvider(provider, &fields)
        let key = credential(&fields, "key")
        var document = JSONObject([("name", .string(name)), ("provider", .string(provider))])
        readLimits(&fields, into: &document)
        let options = readOptions(&fields, body.object?.keys ?? [])
        document["options"] = .object(options.plain)
        fields.ignore("status")
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
        let sealed = Credential(key: key, options: options.secret).sealed(
            by: vault, kind: Kind.virtualKey, id, place, slug, 1)
        try await change(
            call, "virtual_keys.create", "virtual-key/" + slug, in: place,
            detail: JSONObject([("provider", .string(provider))])
        ) { store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: Kind.virtualKey, id: id, workspace: place, slug: slug, document: final, at: now,
                    by: call.principal.id))
            try store.put(sealed)
        }
        return Call.done(JSONObject([("id", .string(id)), ("slug", .string(slug)), ("object", "virtual-key")]))
    }

    /// Text that can stand in a header.
    func credential(_ fields: inout Fields, _ name: String) -> String? {
        guard let value = fields.value(name) else { return nil }
        guard let text = value.string, !text.isEmpty, text.utf8.count <= 16_384,
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            fields.problem(name, "expected a credential: text without line breaks")
            return nil
        }
        return text
    }

    private func updateVirtualKey(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().providers[name] != nil { throw Self.fileOwned("provider", name) }
        var key = try find(Kind.virtualKey, name, call, "virtual_keys.update", called: "virtual key")
        let body = try call.body()
        var fields = try Fields(body)
        if let name = fields.text("name") { key.document["name"] = .string(name) }
        if let provider = fields.text("provider"), provider != key.document["provider"]?.string {
            fields.problem("provider", "a credential stays with its provider: make another virtual key")
        }
        let new = credential(&fields, "key")
        readLimits(&fields, into: &key.document)
        let options = readOptions(&fields, body.object?.keys ?? [])
        if !options.plain.isEmpty {
            let known = key.document["options"]?.object ?? JSONObject()
            if new == nil, let moved = Self.moved(options.plain, known) {
                fields.problem(moved, "a credential goes only to the host it was given for: send the key again")
            }
            key.document["options"] = .object(known.merged(under: options.plain))
        }
        if let status = fields.text("status") {
            if status == "active" || status == "disabled" {
                key.status = status
            } else {
                fields.problem("status", "expected active or disabled")
            }
        }
        if fields.flag("reset_usage") == true { key.document["usage_reset_at"] = .number(String(WallClock.now())) }
        fields.ignore("slug")
        try fields.finish()
        var sealed: StoredCredential?
        if new != nil || !options.secret.isEmpty {
            key.version += 1
            let known = try open(key)
            let next = Credential(
                key: new ?? known?.key, options: (known?.options ?? JSONObject()).merged(under: options.secret))
            sealed = next.sealed(by: vault, kind: Kind.virtualKey, key.id, key.workspace, key.slug, key.version)
        }
        let (changed, credential) = (key, sealed)
        try await change(
            call, "virtual_keys.update", "virtual-key/" + key.slug, in: key.workspace,
            detail: JSONObject([("rotated", .bool(sealed != nil)), ("status", .string(key.status))])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
            if let credential { try store.put(credential) }
        }
        return Call.done(JSONObject([("id", .string(key.id)), ("slug", .string(key.slug)), ("object", "virtual-key")]))
    }

    func open(_ object: StoredObject) throws(GatewayError) -> Credential? {
        let all = try read { store throws(StoreError) in try store.credentials() }
        guard let stored = all.first(where: { $0.kind == object.kind && $0.object == object.id }) else { return nil }
        do throws(VaultError) { return try Credential(opening: stored, slug: object.slug, by: vault) } catch {
            throw GatewayError(
                .internalError, status: 500, "the stored credential cannot be read", code: "credential_unreadable",
                detail: error.message)
        }
    }

    private func deleteVirtualKey(_ call: Call, _ name: String) async throws(GatewayError) -> JSONValue {
        if surroundings.config().providers[name] != nil { throw Self.fileOwned("provider", name) }
        let key = try find(Kind.virtualKey, name, call, "virtual_keys.delete", called: "virtual key")
        let users = try configs(using: key.slug, in: key.workspace)
        if !users.isEmpty { throw Self.inUse("the virtual key \(key.slug)", "config " + users.joined(separator: ", ")) }
        try await change(call, "virtual_keys.delete", "virtual-key/" + key.slug, in: key.workspace) {
            store, _ throws(StoreError) in try store.delete(Kind.virtualKey, id: key.id)
        }
        return Call.done(JSONObject([("slug", .string(key.slug))]))
    }

    /// Configs of a workspace that name a credential.
    func configs(using slug: String, in place: String) throws(GatewayError) -> [String] {
        try read { store throws(StoreError) in try store.objects(Kind.config, in: place) }
            .filter { Self.names(slug, $0.document["config"] ?? .null) }.map(\.slug)
    }

    private static func names(_ slug: String, _ value: JSONValue) -> Bool {
        switch value {
        case .array(let list): list.contains { names(slug, $0) }
        case .object(let object):
            object.members.contains { member in
                switch member.key {
                case "virtual_key", "virtualKey": member.value.string == slug || member.value.string == "@" + slug
                case "provider": member.value.string == "@" + slug
                case "model": member.value.string?.hasPrefix("@\(slug)/") == true
                default: names(slug, member.value)
                }
            }
        default: false
        }
    }
}

/// What the vault keeps for an object.
struct Credential {
    var key: String?
    var options: JSONObject

    init(key: String?, options: JSONObject) {
        self.key = key
        self.options = options
    }

    /// Bound to its row: one that was put into another's place does not open.
    private static func binding(_ kind: String, _ id: String, _ workspace: String, _ slug: String, _ version: Int)
        -> [String]
    {
        [kind, id, workspace, slug, String(version)]
    }

    func sealed(
        by vault: Vault, kind: String, _ id: String, _ workspace: String, _ slug: String, _ version: Int
    ) -> StoredCredential {
        var object = JSONObject([("options", .object(options))])
        object["key"] = key.map { .string($0) }
        return StoredCredential(
            kind: kind, object: id, workspace: workspace, version: version,
            sealed: vault.seal(
                JSONValue.object(object).bytes, binding: Self.binding(kind, id, workspace, slug, version)))
    }

    init(opening stored: StoredCredential, slug: String, by vault: Vault) throws(VaultError) {
        let plain = try vault.open(
            stored.sealed,
            binding: Self.binding(stored.kind, stored.object, stored.workspace, slug, stored.version))
        let object = plain.withUnsafeBytes { try? JSONValue(parsing: $0) }
        self.init(key: object?["key"]?.string, options: object?["options"]?.object ?? JSONObject())
    }
}
