// DirectoryBuilder: what is stored, put together as the data path reads it. Workspaces in which nothing has changed stay what they are,
// so that their plans do.

import Accounting
import Config
import Core
import Digests
import Gateway
import Identity
import Logging
import Prompts
import Routing
import Store
import Vault

struct DirectoryBuilder {
    let store: ControlStore
    let vault: Vault
    let codes: HMACKey
    let isLocal: Bool
    let previous: Directory
    let previousTexts: [String: String]
    let revision: Int
    let logger: Logger?

    struct Built {
        var directory: Directory
        /// Everything that makes a workspace, by slug.
        var texts: [String: String]
        /// Subject to time.
        var resets: [String: Int64]
        var budgets: [String: [Budget]]
    }

    func build() throws(StoreError) -> Built {
        let workspaces = try store.objects(Kind.workspace)
        var objects: [String: [StoredObject]] = [:]
        for kind in [
            Kind.virtualKey, Kind.provider, Kind.config, Kind.guardrail, Kind.usagePolicy, Kind.ratePolicy, Kind.member,
            Kind.prompt, Kind.partial, Kind.label,
        ] {
            for object in try store.objects(kind) { objects[object.workspace, default: []].append(object) }
        }
        let integrations = Dictionary(
            try store.objects(Kind.integration).map { ($0.id, $0) }, uniquingKeysWith: { one, _ in one })
        let credentials = Dictionary(
            try store.credentials().map { ("\($0.kind)/\($0.object)", $0) }, uniquingKeysWith: { one, _ in one })
        var texts: [String: String] = [:]
        var tenants: [String: Tenant] = [:]
        var resets: [String: Int64] = [:]
        var budgets: [String: [Budget]] = [:]
        func note(_ object: StoredObject, _ subject: String) {
            budgets[subject] = LimitText.budgets(object.document["usage_limits"], of: subject)
            if let time = object.document["usage_reset_at"]?.int { resets[subject] = Int64(time) }
        }
        for workspace in workspaces {
            let own = objects[workspace.slug] ?? []
            note(workspace, "workspace/" + workspace.slug)
            for object in own { note(object, "\(object.kind)/\(object.id)") }
            let text = Self.text([workspace] + own + Array(integrations.values).sorted { $0.id < $1.id })
            texts[workspace.slug] = text
            if let known = previous.tenants[workspace.slug], previousTexts[workspace.slug] == text {
                tenants[workspace.slug] = known
            } else {
                tenants[workspace.slug] = try tenant(workspace, own, integrations, credentials)
            }
        }
        let callers = try callers(tenants, objects) { note($0, "key/" + $0.id) }
        return Built(
            directory: Directory(
                revision: revision, isLocal: isLocal, tenants: tenants, authentication: codes, codes: callers),
            texts: texts, resets: resets, budgets: budgets)
    }

    /// Two states of a workspace are one when this is the same.
    private static func text(_ objects: [StoredObject]) -> String {
        objects.map { "\($0.kind)/\($0.id)/\($0.version)/\($0.status)/\($0.updatedAt)" }.joined(separator: "\n")
    }

    // MARK: A workspace

    private func tenant(
        _ workspace: StoredObject, _ objects: [StoredObject], _ integrations: [String: StoredObject],
        _ credentials: [String: StoredCredential]
    ) throws(StoreError) -> Tenant {
        var providers: [String: ProviderConfig] = [:]
        var virtualKeys: [String: VirtualKey] = [:]
        var guardrails: [String: JSONValue] = [:]
        var configs: [String: StoredConfig] = [:]
        var policies: [Policy] = []
        var defaultConfig = workspace.document["defaults"]?["config_id"]?.string
        for object in objects {
            switch object.kind {
            case Kind.virtualKey, Kind.provider:
                let source =
                    object.kind == Kind.virtualKey
                    ? object : object.document["integration"]?.string.flatMap { integrations[$0] }
                guard let source, source.kind != Kind.integration || ControlDesk.isOpen(source, to: workspace.slug),
                    let provider = provider(object.slug, source, credentials["\(source.kind)/\(source.id)"])
                else { continue }
                providers[object.slug] = provider
                var limits = LimitText.limits(object.document, of: "\(object.kind)/\(object.id)")
                if source.kind == Kind.integration { add(source, workspace.slug, to: &limits) }
                virtualKeys[object.slug] = VirtualKey(
                    slug: object.slug, limits: limits, isEnabled: object.status == "active",
                    expiresAt: object.document["expires_at"]?.int.map(Int64.init))
            case Kind.config where object.status == "active":
                configs[object.slug] = StoredConfig(
                    version: object.version, document: object.document["config"] ?? .object(JSONObject()))
                if defaultConfig == nil, object.document["is_default"] == true { defaultConfig = object.slug }
            case Kind.guardrail where object.status == "active":
                guardrails[object.slug] = ControlDesk.group(object.document)
                guardrails[object.id] = guardrails[object.slug]
            case Kind.usagePolicy, Kind.ratePolicy:
                if let policy = Self.policy(object) { policies.append(policy) }
            default: break
            }
        }
        let labels = Dictionary(
            objects.filter { $0.kind == Kind.label }.map { ($0.id, $0.name) }, uniquingKeysWith: { one, _ in one })
        var prompts: [String: StoredPrompt] = [:]
        var partials: [String: Template] = [:]
        for object in objects where object.kind == Kind.prompt || object.kind == Kind.partial {
            let versions = try store.versions(of: object.kind, object.id)
            if object.kind == Kind.prompt {
                let prompt = Self.prompt(object, versions, labels)
                prompts[object.slug] = prompt
                prompts[object.id] = prompt
            } else {
                for version in versions {
                    guard let template = try? Template(version.document["string"]?.string ?? "") else { continue }
                    partials["\(object.slug)@\(version.version)"] = template
                    if version.version == object.published { partials[object.slug] = template }
                    if version.version == object.version { partials["\(object.slug)@latest"] = template }
                }
            }
        }
        return Tenant(
            slug: workspace.slug, revision: revision, providers: providers, virtualKeys: virtualKeys,
            guardrails: guardrails, configs: configs, prompts: prompts, partials: partials,
            defaultConfig: defaultConfig,
            metadata: workspace.document["defaults"]?["metadata"]?.object ?? JSONObject(),
            limits: LimitText.limits(workspace.document, of: "workspace/" + workspace.slug), policies: policies)
    }

    private static func prompt(_ object: StoredObject, _ versions: [StoredVersion], _ labels: [String: String])
        -> StoredPrompt
    {
        var parsed: [Int: PromptVersion] = [:]
        for version in versions {
            let document = version.document
            let isRaw = document["is_raw_template"]?.int == 1
            guard let body = try? PromptVersion.Body(parsing: document["string"]?.string ?? "", isRaw: isRaw) else {
                continue
            }
            var extras = JSONObject()
            for name in ["tools", "tool_choice", "functions", "response_format"] { extras[name] = document[name] }
            parsed[version.version] = PromptVersion(
                number: version.version, id: version.id, body: body,
                parameters: document["parameters"]?.object ?? JSONObject(), model: document["model"]?.string,
                virtualKey: document["virtual_key"]?.string, config: document["config"]?.string, extras: extras)
        }
        var named: [String: Int] = [:]
        for (id, number) in object.labels { if let name = labels[id] { named[name] = number } }
        return StoredPrompt(
            slug: object.slug, published: object.published, latest: object.version, versions: parsed, labels: named)
    }

    /// What the organisation allows a workspace of an integration.
    private func add(_ integration: StoredObject, _ place: String, to limits: inout Allowance) {
        let own = (integration.document["workspaces"]?.array ?? []).first { $0["id"]?.string == place }
        guard let rules = (own ?? integration.document["global_workspace_access"])?.object else { return }
        let more = LimitText.limits(rules, of: "integration/\(integration.id)/\(place)")
        limits.rates += more.rates
        limits.budgets += more.budgets
    }

    private func provider(_ slug: String, _ source: StoredObject, _ stored: StoredCredential?) -> ProviderConfig? {
        var provider = ProviderConfig(name: slug, provider: source.document["provider"]?.string ?? "")
        provider.isChecked = true
        provider.options = source.document["options"]?.object ?? JSONObject()
        provider.baseURL = provider.options["base_url"]?.string
        provider.options["base_url"] = nil
        provider.models = (source.document["allowed_models"]?.array)?.compactMap(\.string)
        if source.kind == Kind.integration, source.document["allow_all_models"] == false {
            provider.models = (source.document["models"]?.array ?? []).filter { $0["enabled"]?.bool ?? true }
                .compactMap { $0["slug"]?.string }
        }
        guard let stored else { return provider }
        do throws(VaultError) {
            guard stored.version == source.version else {
                throw VaultError(message: "the credential is not the one of this version")
            }
            let credential = try Credential(opening: stored, slug: source.slug, by: vault)
            provider.apiKey = credential.key.map { Secret($0) }
            for option in credential.options.members {
                provider.options[option.key] = option.value
                provider.secretOptions.insert(option.key)
            }
            return provider
        } catch {
            logger?.error(
                "a stored credential cannot be read: it is as if it were not there",
                metadata: ["kind": "\(source.kind)", "slug": "\(source.slug)", "reason": "\(error.message)"])
            return nil
        }
    }

    static func policy(_ object: StoredObject) -> Policy? {
        guard object.kind == Kind.usagePolicy || object.kind == Kind.ratePolicy else { return nil }
        var problem = ""
        let subject = "policy/" + object.id
        var limit = JSONObject()
        let names =
            object.kind == Kind.usagePolicy
            ? ["type", "credit_limit", "periodic_reset", "periodic_reset_days", "alert_threshold"]
            : ["type", "unit", "value"]
        for name in names { limit[name] = object.document[name] }
        let usage = object.kind == Kind.usagePolicy ? UsageLimit(.object(limit), problem: &problem) : nil
        let rate = object.kind == Kind.ratePolicy ? RateRule(.object(limit), problem: &problem) : nil
        return Policy(
            id: object.id,
            conditions: (object.document["conditions"]?.array ?? []).map {
                Policy.Condition(key: $0["key"]?.string ?? "", value: $0["value"]?.string ?? "")
            }, groupBy: (object.document["group_by"]?.array ?? []).compactMap { $0["key"]?.string },
            rate: rate.flatMap { LimitText.rate($0, of: subject) },
            budget: usage.map { LimitText.budget($0, of: subject) })
    }

    // MARK: Keys

    private func callers(
        _ tenants: [String: Tenant], _ objects: [String: [StoredObject]], _ note: (StoredObject) -> Void
    ) throws(StoreError) -> [String: Directory.Code] {
        var callers: [String: Caller] = [:]
        for key in try store.objects(Kind.apiKey) where key.status == "active" {
            note(key)
            // Whoever belongs to the organisation uses the default workspace's credentials.
            let place = key.workspace.isEmpty ? Directory.defaultWorkspace : key.workspace
            guard let tenant = tenants[place] else { continue }
            var scopes = Set((key.document["scopes"]?.array ?? []).compactMap(\.string))
            let type = key.document["type"]?.string ?? "workspace-service"
            if type == "workspace-user" {
                // What the role allows today, whatever the key was given once.
                let member = (objects[place] ?? []).first {
                    $0.kind == Kind.member && $0.slug == key.document["user_id"]?.string
                }
                guard let role = member?.document["role"]?.string.flatMap(WorkspaceRole.init(rawValue:)) else {
                    continue
                }
                scopes.formIntersection(Scopes.of(role))
            }
            let defaults = key.document["defaults"]
            var gatewayKey = GatewayKey(
                name: key.id, workspace: place, hash: SHA256.hash(key.id),
                config: defaults?["config_id"]?.string, metadata: defaults?["metadata"]?.object ?? JSONObject())
            gatewayKey.allowsOtherConfig = defaults?["allow_config_override"]?.bool ?? true
            gatewayKey.maySend = scopes.contains("completions.write")
            callers[key.id] = Caller(
                key: gatewayKey,
                principal: Principal(
                    kind: Principal.Kind(rawValue: type) ?? .workspaceService, id: key.id, name: key.name,
                    workspace: key.workspace.isEmpty ? nil : key.workspace, user: key.document["user_id"]?.string,
                    scopes: scopes), tenant: tenant, limits: LimitText.limits(key.document, of: "key/" + key.id),
                expiresAt: key.document["expires_at"]?.int.map(Int64.init))
        }
        var codes: [String: Directory.Code] = [:]
        for key in try store.keys() {
            guard let caller = callers[key.key] else { continue }
            codes[key.lookup] = Directory.Code(code: key.code, expiresAt: key.expiresAt, caller: caller)
        }
        return codes
    }
}
