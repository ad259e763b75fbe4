// SnapshotBuilder: the sections that are more than plain values, and what must agree between sections. Works on a
// document that the catalogue has checked; what has the wrong type was reported there and is passed over here.

import Core
import Digests

final class SnapshotBuilder {
    private(set) var draft: ConfigDraft
    private(set) var issues: [CatalogueCheck.Issue] = []
    /// Files that the config refers to, and what they held: parts of the content hash.
    private(set) var files: [String] = []
    private(set) var contents: [Bytes] = []

    private let document: JSONValue
    private let directory: String
    private let environment: (String) -> String?

    init(document: JSONValue, draft: ConfigDraft, directory: String, environment: @escaping (String) -> String?) {
        self.document = document
        self.draft = draft
        self.directory = directory
        self.environment = environment
    }

    func build() {
        resolvePaths()
        buildTLS()
        buildSecrets()
        buildPlugins()
        buildProviders()
        buildKeys()
        buildGuardrails()
        buildConfigs()
        buildDefaults()
        buildPrices()
        buildControl()
        draft.network.proxy = document["network"]?["proxy"]?.string
        draft.network.noProxy = document["network"]?["no_proxy"]?.string
        checkReferences()
        checkListening()
        checkLimits()
    }

    private func report(_ pointer: JSONPointer, _ message: String, aboutKey: Bool = false, warning: Bool = false) {
        issues.append(
            CatalogueCheck.Issue(pointer: pointer, isAboutKey: aboutKey, isWarning: warning, message: message))
    }

    /// The members of an object at a path; none when it is missing or something else.
    private func members(_ value: JSONValue?) -> [JSONObject.Member] { value?.object?.members ?? [] }

    private func place(_ tokens: String...) -> JSONPointer { JSONPointer(tokens) }

    // MARK: Files and secrets

    private func absolute(_ path: String) -> String { FileReader.resolve(path, in: directory) }

    private func resolvePaths() {
        draft.plugins.directories = draft.plugins.directories.map(absolute)
        draft.plugins.providerDirectories = draft.plugins.providerDirectories.map(absolute)
        draft.plugins.stateDirectory = draft.plugins.stateDirectory.map(absolute)
        draft.network.caFile = draft.network.caFile.map(absolute)
        draft.network.caDirectory = draft.network.caDirectory.map(absolute)
        draft.log.file = draft.log.file.map(absolute)
        draft.store.path = draft.store.path.map(absolute)
        draft.prices.file = draft.prices.file.map(absolute)
        if let path = draft.network.caFile { _ = read(path, at: place("network", "ca_file"), isSecret: false) }
    }

    /// A file's content, which becomes part of the content hash.
    private func read(_ path: String, at pointer: JSONPointer, isSecret: Bool) -> Bytes? {
        do throws(FileError) {
            let content = try FileReader.read(path, limit: FileReader.secretLimit)
            files.append(path)
            contents.append(content.bytes)
            if isSecret, content.isReadableByOthers {
                report(
                    pointer, "\(path) holds a secret and others than its owner may read it (chmod 600)", warning: true)
            }
            return content.bytes
        } catch {
            report(pointer, error.description)
            return nil
        }
    }

    /// The text behind a reference. A file's last line break is not part of it.
    private func resolve(_ reference: SecretReference, at pointer: JSONPointer) -> String? {
        switch reference {
        case .environment(let name):
            guard let text = environment(name) else {
                report(pointer, "the environment has no variable \(name)")
                return nil
            }
            if text.isEmpty { report(pointer, "the environment's variable \(name) is empty") }
            return text.isEmpty ? nil : text
        case .file(let path):
            let path = absolute(path)
            guard let content = read(path, at: pointer, isSecret: true) else { return nil }
            var bytes = content.array
            if bytes.last == 0x0A { bytes.removeLast() }
            if bytes.last == 0x0D { bytes.removeLast() }
            if bytes.isEmpty { report(pointer, "\(path) is empty") }
            return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
        }
    }

    /// A credential: text that can stand in a header. nil when there is none, or none that can be used.
    private func credential(_ value: JSONValue?, at pointer: JSONPointer) -> String? {
        guard let value else { return nil }
        guard let text = value.string ?? SecretReference(value).flatMap({ resolve($0, at: pointer) }) else {
            return nil
        }
        if text.isEmpty {
            report(pointer, "the credential is empty", warning: true)
            return nil
        }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            report(pointer, "the credential holds a line break or another control character")
            return nil
        }
        return text
    }

    // MARK: Sections

    private func buildTLS() {
        guard let certificate = document["tls"]?["certificate_file"]?.string,
            let key = document["tls"]?["key_file"]?.string,
            !certificate.isEmpty, !key.isEmpty
        else { return }
        let files = TLSFiles(certificateFile: absolute(certificate), keyFile: absolute(key))
        _ = read(files.certificateFile, at: place("tls", "certificate_file"), isSecret: false)
        _ = read(files.keyFile, at: place("tls", "key_file"), isSecret: true)
        draft.tls = files
    }

    private func buildSecrets() {
        for member in members(document["secrets"]) {
            let pointer = place("secrets", member.key)
            guard let text = member.value.string ?? SecretReference(member.value).flatMap({ resolve($0, at: pointer) })
            else { continue }
            draft.secrets[member.key] = Secret(text)
        }
    }

    private func buildPlugins() {
        for key in members(document["plugins"]?["trusted_keys"]) {
            draft.plugins.trustedKeys[key.key] = key.value.string?.lowercased()
        }
        for pin in members(document["plugins"]?["pins"]) {
            draft.plugins.pins[pin.key] = pin.value.string?.lowercased()
        }
        for member in members(document["plugins"]?["settings"]) {
            var settings = PluginSettings()
            settings.timeoutMilliseconds = member.value["timeout_ms"]?.int
            settings.onFailure = policy(member.value["on_failure"])
            settings.onTimeout = policy(member.value["on_timeout"])
            settings.egress = member.value["egress"]?.array?.compactMap(\.string) ?? []
            settings.secrets = member.value["secrets"]?.array?.compactMap(\.string) ?? []
            settings.headers = member.value["headers"]?.array?.compactMap(\.string) ?? []
            settings.text = member.value["text"]?.bool ?? true
            for (index, name) in settings.secrets.enumerated() where document["secrets"]?[name] == nil {
                report(
                    place("plugins", "settings", member.key, "secrets") / index,
                    "there is no secret \"\(name)\" in \"secrets\"")
            }
            draft.plugins.settings[member.key] = settings
        }
    }

    private func policy(_ value: JSONValue?) -> FailurePolicy? { value?.string.flatMap(FailurePolicy.init(rawValue:)) }

    private static let providerKeys = Set(Catalogue.members(of: "/providers/*").keys)

    private func buildProviders() {
        for member in members(document["providers"]) {
            let pointer = place("providers", member.key)
            guard let slug = member.value["provider"]?.string, !slug.isEmpty else { continue }
            if slug.hasPrefix("@") {
                report(pointer / "provider", "a provider cannot stand for another one: name its adapter")
            }
            var provider = ProviderConfig(name: member.key, provider: slug, pointer: pointer)
            if let url = member.value["base_url"]?.string {
                if !HTTPURL.isValid(url) { report(pointer / "base_url", "expected a URL like https://host/v1") }
                provider.baseURL = url
            }
            provider.apiKey = credential(member.value["api_key"], at: pointer / "api_key").map { Secret($0) }
            provider.models = member.value["models"]?.array?.compactMap(\.string)
            provider.requestTimeoutMilliseconds = member.value["request_timeout"]?.int
            provider.timeouts.firstTokenMilliseconds = member.value["timeouts"]?["first_token_ms"]?.int
            provider.timeouts.betweenTokensMilliseconds = member.value["timeouts"]?["between_tokens_ms"]?.int
            for option in members(member.value) where !Self.providerKeys.contains(option.key) {
                addOption(option, to: &provider, at: pointer / option.key)
            }
            draft.providers[member.key] = provider
        }
    }

    private func addOption(_ option: JSONObject.Member, to provider: inout ProviderConfig, at pointer: JSONPointer) {
        let name = SnakeCase.convert(option.key)
        if name == "custom_host" {
            report(pointer, "a provider's address is its \"base_url\"", aboutKey: true)
        } else if Self.providerKeys.contains(name) {
            report(pointer, "write \"\(name)\"", aboutKey: true)
        } else if let reference = SecretReference(option.value) {
            guard let text = resolve(reference, at: pointer) else { return }
            provider.options[name] = .string(text)
            provider.secretOptions.insert(name)
        } else if !option.value.isNull {
            provider.options[name] = option.value
        }
    }

    private func buildKeys() {
        for (index, value) in (document["keys"]?.array ?? []).enumerated() {
            let pointer = place("keys") / index
            guard let name = value["name"]?.string, let hash = hash(of: value, at: pointer) else { continue }
            if draft.keys.contains(where: { $0.name == name }) {
                report(pointer / "name", "there is another key named \"\(name)\"")
            }
            if let other = draft.keys.first(where: { $0.hash == hash }) {
                report(pointer, "this is the same key as \"\(other.name)\"")
            }
            var key = GatewayKey(
                name: name, workspace: value["workspace"]?.string ?? "default", hash: hash, pointer: pointer)
            key.config = value["config"]?.string
            key.role = value["role"]?.string.flatMap(KeyRole.init(rawValue:)) ?? .member
            key.metadata = value["metadata"]?.object ?? JSONObject()
            key.allowInline = draft.allowInline
            if let own = value["allow_inline"] {
                key.allowInline.config = own["config"]?.bool ?? key.allowInline.config
                key.allowInline.provider = own["provider"]?.bool ?? key.allowInline.provider
                key.allowInline.customHost = own["custom_host"]?.bool ?? key.allowInline.customHost
                key.allowInline.forwardHeaders = own["forward_headers"]?.bool ?? key.allowInline.forwardHeaders
                key.allowInline.plugins = own["plugins"]?.array?.compactMap(\.string) ?? key.allowInline.plugins
            }
            draft.keys.append(key)
        }
    }

    private func buildControl() {
        guard let control = document["control"] else { return }
        let pointer = place("control")
        if draft.control.enabled, draft.store.path == nil {
            report(pointer / "enabled", "the control plane keeps its state in the store: name a file in \"store.path\"")
        }
        if let text = credential(control["master_key"], at: pointer / "master_key") {
            draft.control.masterKey = .text(Secret(text))
        }
        if let command = control["master_key_command"]?.string, !command.isEmpty {
            if control["master_key"]?.isNull == false {
                report(pointer / "master_key_command", "expected one of \"master_key\" and \"master_key_command\"")
            }
            draft.control.masterKey = .command(command)
        }
        if let text = credential(control["owner_key"], at: pointer / "owner_key") {
            if text.utf8.count < 32 { report(pointer / "owner_key", "expected at least 32 characters") }
            draft.control.ownerKey = Secret(text)
        }
        if let url = draft.control.alertWebhook, !HTTPURL.isValid(url) {
            report(pointer / "alert_webhook", "expected a URL like https://host/path")
        }
        if draft.control.enabled, draft.control.access == .local, IPText.reach(of: draft.listen.address) != .loopback {
            report(pointer / "access", "\"local\" is for a gateway that listens on loopback")
        }
    }

    private func hash(of value: JSONValue, at pointer: JSONPointer) -> Digest? {
        let given = ["sha256", "key", "key_file"].filter { value[$0]?.isNull == false }
        guard given.count == 1 else {
            let found = given.isEmpty ? "found none" : "found " + given.joined(separator: " and ")
            report(pointer, "expected one of \"sha256\", \"key\" and \"key_file\", \(found)")
            return nil
        }
        if let hex = value["sha256"]?.string { return Digest(hex: hex) }
        let place = pointer / given[0]
        let reference =
            given[0] == "key_file"
            ? value["key_file"]?.string.map { JSONValue.object(JSONObject([("file", .string($0))])) } : value["key"]
        if value["key"]?.string == "" {
            report(place, "the key is empty")
            return nil
        }
        guard let text = credential(reference, at: place) else { return nil }
        if text.utf8.count < 16 {
            report(place, "the key has fewer than 16 characters: it could be guessed", warning: true)
        }
        return SHA256.hash(text)
    }

    // MARK: Configs and guardrails

    private func parser(_ origin: ConfigOrigin, at base: JSONPointer) -> RequestConfigParser {
        var parser = RequestConfigParser(origin: origin, base: base)
        parser.guardrails = draft.guardrails
        // Those that are wrong in themselves were reported there.
        parser.providerNames = Set(members(document["providers"]).map(\.key))
        parser.resolve = { [unowned self] reference, pointer in resolve(reference, at: pointer) }
        return parser
    }

    private func report(_ found: [RequestConfigError.Issue], at base: JSONPointer) {
        for issue in found { report(JSONPointer(base.tokens + issue.path), issue.message) }
    }

    private func buildGuardrails() {
        for member in members(document["guardrails"]) {
            let base = place("guardrails", member.key)
            var parser = parser(.file(""), at: base)
            let group = parser.namedGuardrail(member.key, member.value)
            report(parser.issues, at: base)
            // A wrong one is still there for those that name it.
            draft.guardrails[member.key] =
                group ?? GuardGroup(id: member.key, kind: .guardrail, stage: .before, origin: .file(""), checks: [])
        }
    }

    private func buildConfigs() {
        for member in members(document["configs"]) {
            let base = place("configs", member.key)
            var parser = parser(.file(member.key), at: base)
            do throws(RequestConfigError) {
                draft.configs[member.key] = try parser.config(member.value)
            } catch {
                report(error.issues, at: base)
                if error.issues.isEmpty { report(base / "options", error.message, aboutKey: true) }
            }
        }
    }

    private func buildDefaults() {
        guard let defaults = document["defaults"] else { return }
        draft.defaults.onFailure = policy(defaults["on_failure"])
        draft.defaults.requestTimeoutMilliseconds = defaults["request_timeout"]?.int
        draft.defaults.metadata = defaults["metadata"]?.object ?? JSONObject()
        let base = place("defaults")
        var parser = parser(.file(""), at: base)
        let lists: [(String, GuardGroup.Stage)] = [("input_guardrails", .before), ("output_guardrails", .after)]
        for (name, stage) in lists {
            guard let list = defaults[name]?.array else { continue }
            let groups = parser.guardList(list, [name], stage, .short(.guardrail))
            if stage == .before { draft.defaults.inputGuards = groups } else { draft.defaults.outputGuards = groups }
        }
        report(parser.issues, at: base)
    }

    /// What the file says is read by the accounting; here is what the configuration says over it.
    private func buildPrices() {
        if let path = draft.prices.file {
            let pointer = place("prices", "file")
            do throws(FileError) {
                let content = try FileReader.read(path, limit: FileReader.priceLimit)
                files.append(path)
                contents.append(content.bytes)
                draft.prices.text = content.bytes
            } catch {
                report(pointer, error.description)
            }
        }
        for model in members(document["prices"]?["models"]) {
            let pointer = place("prices", "models", model.key)
            let names = model.key.split(separator: "/", maxSplits: 1).map(String.init)
            guard names.count == 2 else {
                report(pointer, "expected a provider and a model, as in \"openai/gpt-4o\"", aboutKey: true)
                continue
            }
            var price = ModelPrice(provider: names[0], model: names[1], amounts: [:], pointer: pointer)
            for member in members(model.value) {
                guard case .number(let text) = member.value else { continue }
                let places = member.key == "web_search_per_call" ? 12 : 6
                if FixedPoint.parse(text, places: places) == nil {
                    report(pointer / member.key, "expected at most \(places) decimals, found \(text)")
                }
                price.amounts[member.key] = text
            }
            if price.amounts.isEmpty { report(pointer, "expected a price, as in {\"input\": 0.15, \"output\": 0.6}") }
            draft.prices.models.append(price)
        }
    }

    // MARK: What must agree

    private func checkReferences() {
        let configs = members(document["configs"]).map(\.key)
        for key in draft.keys { check(key.config, in: configs, "config", at: key.pointer / "config") }
        check(draft.defaults.config, in: configs, "config", at: place("defaults", "config"))
        let providers = members(document["providers"]).map(\.key)
        if let name = draft.defaults.provider, name.hasPrefix("@") {
            report(place("defaults", "provider"), "write the name without \"@\"")
        } else {
            check(draft.defaults.provider, in: providers, "provider", at: place("defaults", "provider"))
        }
    }

    private func check(_ name: String?, in names: [String], _ kind: String, at pointer: JSONPointer) {
        guard let name, !names.contains(name) else { return }
        let hint = Suggestion.nearest(to: name, in: names).map { "; did you mean \"\($0)\"?" } ?? ""
        report(pointer, "there is no \(kind) \"\(name)\"\(hint)")
    }

    private func checkListening() {
        let pointer = place("listen", "address")
        switch IPText.reach(of: draft.listen.address) {
        case .loopback: break
        case .invalid: report(pointer, "expected an IP address or \"localhost\"")
        case .beyond:
            // Keys with faults of their own are keys that somebody wanted.
            guard document["keys"]?.array?.isEmpty != false, !draft.listen.allowPublicWithoutKeys,
                !(draft.control.enabled && draft.control.access == .keys)
            else { return }
            report(
                pointer,
                "without keys the gateway listens on loopback only: add \"keys\", or set \"allow_public_without_keys\" "
                    + "if something in front of it asks for credentials")
        }
    }

    private func checkLimits() {
        if draft.limits.uploadBytes < draft.limits.bodyBytes {
            let key = document["limits"]?["upload_bytes"] == nil ? "body_bytes" : "upload_bytes"
            report(place("limits", key), "\"upload_bytes\" must not be smaller than \"body_bytes\"")
        }
        // An entry cannot be larger than the whole.
        draft.cache.maximumEntryBytes = min(draft.cache.maximumEntryBytes, draft.cache.maximumBytes)
    }
}
