// Plan: what the config says for a request: a tree of targets with their hooks, cache and limits. Immutable, shared by all requests
// that say the same.

import Config
import Core
import Digests
import PluginHost
import Routing
import Wire

final class Plan: Sendable {
    let route: Route
    let targets: [Target]
    /// The operator's, which nobody can switch off.
    let mandatory: GuardSet
    /// The config came with the request: what it does is the client's doing.
    let isFromRequest: Bool
    /// Of the file, or stored.
    let configName: String?
    /// Of a stored one.
    let configVersion: Int?
    /// Receipts go into the answers.
    var wantsReceipts: Bool { targets.contains(where: \.wantsReceipts) }

    init(
        route: Route, targets: [Target], mandatory: GuardSet, isFromRequest: Bool, configName: String?,
        configVersion: Int?
    ) {
        self.configVersion = configVersion
        self.isFromRequest = isFromRequest
        self.configName = configName
        self.route = route
        self.targets = targets
        self.mandatory = mandatory
    }
}

final class Target: Sendable {
    /// Whose credential goes out.
    enum Credential: Sendable {
        /// The client's own, from its headers.
        case client
        /// From a config: the operator's or the request's.
        case configured(Secret)
        case none
    }

    let path: String
    /// The provider's slug, "openai".
    let slug: String
    let provider: ProviderInstance
    let credential: Credential
    /// Options given by reference: adapters ask for them by name.
    let secrets: [String: String]
    let signer: Signer?
    /// Every address must pass the address rules before it is connected to.
    let isChecked: Bool
    /// The model when the request names none, or says portkey-default.
    let defaultModel: String?
    let allowedModels: Set<String>?
    let shape: ParameterShape
    let guards: GuardSet
    let cache: CachePolicy?
    let requestTimeoutMilliseconds: Int?
    let timeouts: TokenTimeouts
    let forwardHeaders: [String]
    let isStrict: Bool
    /// Its description says that it understands stream_options.include_usage.
    let tellsStreamUsage: Bool
    let wantsReceipts: Bool
    /// Whose stored credential goes out.
    let virtualKey: VirtualKey?

    init(
        path: String, slug: String, provider: ProviderInstance, credential: Credential, secrets: [String: String],
        signer: Signer?, isChecked: Bool,
        defaultModel: String?, allowedModels: Set<String>?, shape: ParameterShape, guards: GuardSet,
        cache: CachePolicy?, requestTimeoutMilliseconds: Int?, timeouts: TokenTimeouts,
        forwardHeaders: [String],
        isStrict: Bool, wantsReceipts: Bool, virtualKey: VirtualKey?
    ) {
        self.path = path
        self.slug = slug
        self.provider = provider
        self.credential = credential
        self.secrets = secrets
        self.signer = signer
        self.isChecked = isChecked
        self.defaultModel = defaultModel
        self.allowedModels = allowedModels
        self.shape = shape
        self.guards = guards
        self.cache = cache
        self.requestTimeoutMilliseconds = requestTimeoutMilliseconds
        self.timeouts = timeouts
        self.forwardHeaders = forwardHeaders
        self.isStrict = isStrict
        tellsStreamUsage = provider.descriptor.manifest.document["stream_usage"]?.bool ?? false
        self.wantsReceipts = wantsReceipts
        self.virtualKey = virtualKey
    }
}

struct CachePolicy: Sendable {
    var isSemantic: Bool
    var maximumAgeSeconds: Int
}
