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
    /// The operator's mandatory guards.
    let mandatoryBefore: [GuardStage]
    let mandatoryAfter: [GuardStage]

    /// Those of the mandatory guards that have an on_error hook.
    var onError: [GuardUse] {
        (mandatoryBefore + mandatoryAfter).flatMap(\.uses).filter { $0.check.hooks.contains(.error) }
    }
    /// The config came with the request: what it does is the client's doing.
    let isFromRequest: Bool

    init(
        route: Route, targets: [Target], mandatoryBefore: [GuardStage], mandatoryAfter: [GuardStage],
        isFromRequest: Bool
    ) {
        self.isFromRequest = isFromRequest
        self.route = route
        self.targets = targets
        self.mandatoryBefore = mandatoryBefore
        self.mandatoryAfter = mandatoryAfter
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
    let before: [GuardStage]
    let after: [GuardStage]
    /// Instances with an on_error hook, in order.
    let onError: [GuardUse]
    let cache: CachePolicy?
    let requestTimeoutMilliseconds: Int?
    let timeouts: TokenTimeouts
    let forwardHeaders: [String]
    let isStrict: Bool

    init(
        path: String, slug: String, provider: ProviderInstance, credential: Credential, secrets: [String: String],
        signer: Signer?, isChecked: Bool,
        defaultModel: String?, allowedModels: Set<String>?, shape: ParameterShape, before: [GuardStage],
        after: [GuardStage],
        onError: [GuardUse], cache: CachePolicy?, requestTimeoutMilliseconds: Int?, timeouts: TokenTimeouts,
        forwardHeaders: [String],
        isStrict: Bool
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
        self.before = before
        self.after = after
        self.onError = onError
        self.cache = cache
        self.requestTimeoutMilliseconds = requestTimeoutMilliseconds
        self.timeouts = timeouts
        self.forwardHeaders = forwardHeaders
        self.isStrict = isStrict
    }
}

struct CachePolicy: Sendable {
    var isSemantic: Bool
    var maximumAgeSeconds: Int
}

/// One entry of a guard list, with its instances.
final class GuardStage: Sendable {
    let id: String
    /// "guardrail", "mutator", or nil as configured.
    let kind: String?
    let denies: Bool
    let isAsync: Bool
    let feedbackOnSuccess: JSONValue?
    let feedbackOnFail: JSONValue?
    let uses: [GuardUse]
    /// The same for stages that judge alike.
    let fingerprint: String

    init(_ group: GuardGroup, uses: [GuardUse]) {
        fingerprint = group.checks.filter(\.isEnabled).map { $0.id + $0.parameters.text }.joined(separator: ";")
        id = group.id
        kind = group.kind?.rawValue
        denies = group.deny
        isAsync = group.isAsync
        feedbackOnSuccess = group.onSuccess?["feedback"]
        feedbackOnFail = group.onFail?["feedback"]
        self.uses = uses
    }
}

extension GuardStage {
    /// It may refuse or change a request: one that it cannot read does not pass it.
    var mustSeeEverything: Bool {
        !isAsync && (denies || uses.contains { $0.check.mutates || $0.onFailure == .closed })
    }
}

/// One check of a stage: its instance, and the operator's word on its failures.
final class GuardUse: Sendable {
    let instance: PluginInstance
    let check: CheckManifest
    /// "default.contains".
    let id: String
    let timeoutMilliseconds: Int
    let onFailure: FailurePolicy
    let onTimeout: FailurePolicy
    /// Portkey's way: a check that errored has failed.
    let failsOnError: Bool
    /// Only the last message is presented.
    let presentsLastOnly: Bool
    let denies: Bool

    init(
        instance: PluginInstance, check: CheckManifest, id: String, timeoutMilliseconds: Int, onFailure: FailurePolicy,
        onTimeout: FailurePolicy, failsOnError: Bool, presentsLastOnly: Bool, denies: Bool
    ) {
        self.instance = instance
        self.check = check
        self.id = id
        self.timeoutMilliseconds = timeoutMilliseconds
        self.onFailure = onFailure
        self.onTimeout = onTimeout
        self.failsOnError = failsOnError
        self.presentsLastOnly = presentsLastOnly
        self.denies = denies
    }
}
