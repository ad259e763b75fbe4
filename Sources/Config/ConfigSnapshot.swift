// ConfigSnapshot: one config file, read, checked and resolved. Immutable; a reload makes a new one, and exchanges keep
// the one they began with. The defaults written here are the defaults that the schema and the reference print
// (Catalogue.swift).

package import Core
package import Digests

// MARK: The snapshot

package final class ConfigSnapshot: Sendable {
    package let listen: Listen
    package let tls: TLSFiles?
    package let limits: Limits
    /// In the file's order. `key(presented:)` finds one.
    package let keys: [GatewayKey]
    package let plugins: Plugins
    /// By name: what `${secret:name}` in a plugin's parameters stands for.
    package let secrets: [String: Secret]
    /// By name, without the "@".
    package let providers: [String: ProviderConfig]
    /// The `guardrails` section by name; configs and requests name them in their lists.
    package let guardrails: [String: GuardGroup]
    package let configs: [String: RequestConfig]
    package let defaults: Defaults
    package let allowInline: AllowInline
    package let network: Network
    package let cache: CacheSettings
    package let log: Log
    package let metrics: Metrics
    package let store: StoreSettings
    package let control: ControlSettings
    package let prices: Prices

    /// SHA-256 over the file and every file it refers to for a secret or a certificate, in hex: equal hashes, equal
    /// snapshots but for the environment.
    package let contentHash: String
    /// The files that went into it: what a watcher watches.
    package let files: [String]

    private let keyIndex: [Digest: Int]

    package init(_ draft: ConfigDraft = ConfigDraft(), contentHash: String = "", files: [String] = []) {
        listen = draft.listen
        tls = draft.tls
        limits = draft.limits
        keys = draft.keys
        plugins = draft.plugins
        secrets = draft.secrets
        providers = draft.providers
        guardrails = draft.guardrails
        configs = draft.configs
        defaults = draft.defaults
        allowInline = draft.allowInline
        network = draft.network
        cache = draft.cache
        log = draft.log
        metrics = draft.metrics
        store = draft.store
        control = draft.control
        prices = draft.prices
        self.contentHash = contentHash
        self.files = files
        keyIndex = Dictionary(
            draft.keys.enumerated().map { ($0.element.hash, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    /// The gateway key that a client presents, if it is one. Compares hashes, so that the time taken says nothing.
    package func key(presented text: String) -> GatewayKey? {
        guard !keys.isEmpty else { return nil }
        return keyIndex[SHA256.hash(text)].map { keys[$0] }
    }
}

/// What a snapshot is made of, while it is being put together.
package struct ConfigDraft: Sendable {
    package var listen = Listen()
    package var tls: TLSFiles?
    package var limits = Limits()
    package var keys: [GatewayKey] = []
    package var plugins = Plugins()
    package var secrets: [String: Secret] = [:]
    package var providers: [String: ProviderConfig] = [:]
    package var guardrails: [String: GuardGroup] = [:]
    package var configs: [String: RequestConfig] = [:]
    package var defaults = Defaults()
    package var allowInline = AllowInline()
    package var network = Network()
    package var cache = CacheSettings()
    package var log = Log()
    package var metrics = Metrics()
    package var store = StoreSettings()
    package var control = ControlSettings()
    package var prices = Prices()

    package init() {}
}

// MARK: Prices

/// What answers cost.
package struct Prices: Sendable, Equatable {
    /// The catalogue; without one nothing has a price but what `models` names.
    package var file: String?
    /// What it holds.
    package var text: Bytes?
    package var models: [ModelPrice] = []
    /// Ask providers that know how to tell the usage at the end of streams whose clients have not asked.
    package var asksForStreamUsage = true

    package init() {}
}

/// A price over the catalogue's.
package struct ModelPrice: Sendable, Equatable {
    /// The provider's slug.
    package var provider: String
    package var model: String
    /// Names of the catalogue to decimal numbers.
    package var amounts: [String: String]
    package var pointer: JSONPointer
}

// MARK: Listening

package struct Listen: Sendable, Equatable {
    package var address = "127.0.0.1"
    package var port = 8787
    /// Event loops; 0 is one per core.
    package var loops = 0
    package var allowPublicWithoutKeys = false

    package init() {}
}

/// Paths of PEM files.
package struct TLSFiles: Sendable, Equatable {
    package var certificateFile: String
    package var keyFile: String

    package init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

package struct Limits: Sendable, Equatable {
    package var headerBytes = 32_768
    package var headerCount = 100
    package var bodyBytes = 20 << 20
    /// Bodies that are streamed through (files, audio), not held.
    package var uploadBytes = 512 << 20
    package var headerTimeoutMilliseconds = 10_000
    package var bodyTimeoutMilliseconds = 60_000
    package var idleTimeoutMilliseconds = 75_000
    package var connections = 10_000
    /// Requests that one connection may send ahead of their answers.
    package var pipelined = 16
    package var upstreamBodyBytes = 64 << 20
    /// The most that an upstream body may grow when it is decompressed.
    package var decompressionRatio = 100
    package var requestDeadlineMilliseconds = 600_000
    package var guardRetries = 3
    /// Calls upstream that one exchange may make, over all targets and retries.
    package var attempts = 32
    package var planCacheEntries = 1_024
    package var shutdownGraceMilliseconds = 30_000

    package init() {}
}

// MARK: Who asks

/// A static gateway key. Only its hash is kept.
package struct GatewayKey: Sendable, Equatable {
    package var name: String
    package var workspace: String
    package var hash: Digest
    /// The config for requests that name none.
    package var config: String?
    /// False: it is for the control API only.
    package var maySend = true
    /// False: a request may not name another.
    package var allowsOtherConfig = true
    /// Merged under the request's own.
    package var metadata: JSONObject
    /// What it may do in the control API.
    package var role = KeyRole.member
    /// The file's `allow_inline` with this key's own words over it.
    package var allowInline: AllowInline
    package var pointer: JSONPointer

    package init(
        name: String, workspace: String, hash: Digest, config: String? = nil, metadata: JSONObject = JSONObject(),
        allowInline: AllowInline = AllowInline(), pointer: JSONPointer = JSONPointer()
    ) {
        self.name = name
        self.workspace = workspace
        self.hash = hash
        self.config = config
        self.metadata = metadata
        self.allowInline = allowInline
        self.pointer = pointer
    }
}

/// A key's rights in the control API: all of it, or in its workspace.
package enum KeyRole: String, Sendable, CaseIterable {
    case owner, admin, manager, member
}

/// Which doors are open to what a request brings along.
package struct AllowInline: Sendable, Equatable {
    /// Config JSON in `x-portkey-config`. The name of a config from the file is always allowed.
    package var config = true
    /// A provider with the client's own credential. "@name" is always allowed.
    package var provider = true
    package var customHost = true
    package var forwardHeaders = true
    /// Check ids that a client's config may use; "*" is all, "pii.*" all of one plugin.
    package var plugins = ["*"]

    package init() {}

    package func allows(check id: String) -> Bool {
        plugins.contains { $0 == "*" || $0 == id || ($0.hasSuffix(".*") && id.hasPrefix($0.dropLast())) }
    }
}

// MARK: Plugins and providers

/// What happens when a guard could not judge.
package enum FailurePolicy: String, Sendable, CaseIterable {
    case open, closed
    /// The attempt counts as failed; the router goes on.
    case retry
}

package struct Plugins: Sendable, Equatable {
    /// Directories that hold plugin directories. Empty: `../lib/gatehouse/plugins` beside the executable.
    package var directories: [String] = []
    /// The same for providers that are data, not code.
    package var providerDirectories: [String] = []
    package var stateDirectory: String?
    /// Plugin id to the SHA-256 (hex) that its library must have.
    package var pins: [String: String] = [:]
    package var disabled: [String] = []
    package var settings: [String: PluginSettings] = [:]
    package var blockingThreads = 4
    /// How long a request waits for the instances of a config that is new.
    package var createTimeoutMilliseconds = 10_000
    /// Changes in the directories are picked up without a word from the operator. On, as the configuration file is watched, too.
    package var watch = true
    /// After this long, what a replaced generation still holds is logged.
    package var retireGraceMilliseconds = 60_000
    /// Plugins without a signature by one of `trustedKeys` are loaded, too. On: who installs a plugin file decides, until keys are named.
    package var allowUnsigned = true
    /// Name to Ed25519 public key, hex.
    package var trustedKeys: [String: String] = [:]
    package var afterCrash = AfterCrash.report

    package init() {}
}

/// What becomes of a plugin that the gateway died in.
package enum AfterCrash: String, Sendable, CaseIterable {
    /// It is loaded, and named in the log and by `gatehouse plugin list`.
    case report
    /// Its library is not loaded, until there is another one or `gatehouse plugin enable` lifts that.
    case disable
}

/// The operator's words over the plugin's manifest.
package struct PluginSettings: Sendable, Equatable {
    package var timeoutMilliseconds: Int?
    package var onFailure: FailurePolicy?
    package var onTimeout: FailurePolicy?
    /// Hosts beyond public addresses that it may fetch from.
    package var egress: [String] = []
    /// Names from `secrets` that its parameters may refer to.
    package var secrets: [String] = []
    /// Headers that it may read although they are credentials.
    package var headers: [String] = []
    /// False: texts are withheld from it.
    package var text = true

    package init() {}
}

/// A named target: what "@name" stands for.
package struct ProviderConfig: Sendable, Equatable {
    package var name: String
    /// The adapter's slug.
    package var provider: String
    /// The origin that the credential goes to; nil is the adapter's own.
    package var baseURL: String?
    package var apiKey: Secret?
    /// What `/v1/models` lists and requests may use; nil is anything.
    package var models: [String]?
    package var requestTimeoutMilliseconds: Int?
    package var timeouts = TokenTimeouts()
    /// Every address must pass the address rules: it was not the operator who named the host.
    package var isChecked = false
    /// Everything else, for the adapter.
    package var options: JSONObject
    /// The options that were given by reference ({env: …}, {file: …}): never shown.
    package var secretOptions: Set<String> = []
    package var pointer: JSONPointer

    package init(
        name: String, provider: String, baseURL: String? = nil, apiKey: Secret? = nil, models: [String]? = nil,
        options: JSONObject = JSONObject(), pointer: JSONPointer = JSONPointer()
    ) {
        self.name = name
        self.provider = provider
        self.baseURL = baseURL
        self.apiKey = apiKey
        self.models = models
        self.options = options
        self.pointer = pointer
    }
}

/// Ours: how long to wait for the stream to begin, and to go on.
package struct TokenTimeouts: Sendable, Equatable {
    package var firstTokenMilliseconds: Int?
    package var betweenTokensMilliseconds: Int?

    package init() {}
}

// MARK: Defaults and the rest

package struct Defaults: Sendable, Equatable {
    /// The config for requests that name none.
    package var config: String?
    /// A name from `providers` (no "@"), for requests that name no provider.
    package var provider: String?
    /// Mandatory: they judge every request and answer, whatever its config says.
    package var inputGuards: [GuardGroup] = []
    package var outputGuards: [GuardGroup] = []
    /// Paths that mandatory guards let pass although nobody can read their bodies: "/v1/files", "/v1/audio/*".
    package var allowUnscannable: [String] = []
    /// For guards whose plugin's settings say nothing; over its manifest.
    package var onFailure: FailurePolicy?
    package var requestTimeoutMilliseconds: Int?
    /// Merged under the key's and the request's own.
    package var metadata = JSONObject()

    package init() {}
}

package struct Network: Sendable, Equatable {
    /// Hosts that a client's custom host may be although they are private: names with wildcards, addresses, CIDR
    /// ranges. As written: Upstream's AddressPolicy reads them.
    package var allowHosts: [String] = []
    package var caFile: String?
    package var caDirectory: String?
    /// nil: as the environment says; "" is none.
    package var proxy: String?
    package var noProxy: String?
    package var connectTimeoutMilliseconds = 5_000
    package var http2 = true
    package var maximumIdleConnections = 512

    package init() {}
}

package struct CacheSettings: Sendable, Equatable {
    package var maximumBytes = 64 << 20
    /// For configs whose `cache` has no `max_age`.
    package var maximumAgeSeconds = 604_800
    package var maximumEntryBytes = 1 << 20

    package init() {}
}

package struct Log: Sendable, Equatable {
    package enum Level: String, Sendable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }
    package enum Format: String, Sendable, CaseIterable {
        /// Text on a terminal, JSON elsewhere.
        case auto
        case text, json
    }

    package var level = Level.info
    package var format = Format.auto
    package var access = true
    /// nil is standard error.
    package var file: String?

    package init() {}
}

package struct Metrics: Sendable, Equatable {
    package var enabled = true

    package init() {}
}

/// The request log's file and what goes into it.
package struct StoreSettings: Sendable, Equatable {
    /// Which texts a row has.
    package enum Bodies: String, Sendable, CaseIterable {
        case none
        /// As the last guard left the request, and as the answer came before anything was put back into it.
        case redacted
        /// As the client sent and got them.
        case full
    }
    /// What happens while rows cannot be written.
    package enum LogLoss: String, Sendable, CaseIterable {
        case `continue`, refuse
    }

    /// nil: nothing is stored.
    package var path: String?
    package var bodies = Bodies.none
    /// Of each text.
    package var bodyBytes = 64 << 10
    package var logLoss = LogLoss.continue
    package var queueRows = 20_000
    package var queueBytes = 64 << 20
    /// 0 keeps rows whatever their age.
    package var retentionDays = 30
    /// 0 is no bound.
    package var maximumBytes = 10 << 30

    package init() {}
}

/// The control plane: what the control API manages, in the store's file.
package struct ControlSettings: Sendable, Equatable {
    package enum Access: String, Sendable, CaseIterable {
        /// Every request needs a gateway key.
        case keys
        /// Programs on this machine need none, and may do everything.
        case local
    }
    /// Where the key that wraps all others comes from.
    package enum MasterKey: Sendable, Equatable {
        /// Beside the store's file; made at the first start.
        case besideStore
        case text(Secret)
        case command(String)
    }

    /// What a prompt does about a variable that nobody gives.
    package enum MissingVariables: String, Sendable, CaseIterable {
        case strict, lenient
    }

    package var enabled = false
    package var missingVariables = MissingVariables.strict
    package var access = Access.keys
    package var masterKey = MasterKey.besideStore
    /// The first start's owner key, instead of one that is made and printed.
    package var ownerKey: Secret?
    /// Milliseconds: spend that a crash may lose.
    package var flushMilliseconds = 1_000
    /// Where budgets' alerts are posted to.
    package var alertWebhook: String?
    /// Tokens of an answer for which neither the request nor the catalogue names a bound.
    package var estimateTokens = 4_096

    package init() {}
}

extension ConfigSnapshot {
    /// This configuration with what a workspace has of its own. Of two of one name the file's stays.
    package func adding(providers: [String: ProviderConfig], guardrails: [String: JSONValue]) -> ConfigSnapshot {
        var draft = ConfigDraft()
        draft.listen = listen
        draft.tls = tls
        draft.limits = limits
        draft.keys = keys
        draft.plugins = plugins
        draft.secrets = secrets
        draft.providers = self.providers.merging(providers) { own, _ in own }
        draft.guardrails = self.guardrails
        for (name, document) in guardrails where draft.guardrails[name] == nil {
            draft.guardrails[name] = RequestConfigParser.stored(guardrail: name, document).group
        }
        draft.configs = configs
        draft.defaults = defaults
        draft.allowInline = allowInline
        draft.network = network
        draft.cache = cache
        draft.log = log
        draft.metrics = metrics
        draft.store = store
        draft.control = control
        draft.prices = prices
        return ConfigSnapshot(draft, contentHash: contentHash, files: files)
    }
}

extension RequestConfigParser {
    /// A guardrail of the control API, and what is wrong with it.
    package static func stored(guardrail name: String, _ document: JSONValue) -> (
        group: GuardGroup?, issues: [RequestConfigError.Issue]
    ) {
        var parser = RequestConfigParser(origin: .stored(name))
        var group = parser.namedGuardrail(name, document)
        // Without a type it gets one from the list that names it.
        group?.id = name
        return (parser.issues.isEmpty ? group : nil, parser.issues)
    }
}
