// Guards: what a plan's guards are: stages of checks with their instances, and the operator's word on each.

import Config
import Core
import PluginHost
import Telemetry
import Wire

/// The guards of a target, or the operator's mandatory ones.
struct GuardSet: Sendable {
    var before: [GuardStage] = []
    var after: [GuardStage] = []
    /// Checks that undo on the answer what they did to the request: after all other guards and after the cache, the last
    /// first.
    var restorers: [Restorer] = []
    /// Instances with an on_error hook, in order.
    var onError: [GuardUse] = []

    var isEmpty: Bool { before.isEmpty && after.isEmpty }
}

struct Restorer: Sendable {
    var stage: GuardStage
    var use: GuardUse
}

/// One entry of a guard list, with its instances.
final class GuardStage: Sendable {
    let id: String
    /// "guardrail", "mutator", or nil as configured.
    let kind: String?
    let denies: Bool
    let mode: HookMode
    let isSequential: Bool
    let runsBeside: Bool
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
        mode = group.policy.isShadow ? .shadow : group.isAsync ? .async : .enforced
        isSequential = group.isSequential
        runsBeside = group.policy.runsBeside
        feedbackOnSuccess = group.onSuccess?["feedback"]
        feedbackOnFail = group.onFail?["feedback"]
        self.uses = uses
    }

    /// Its verdicts are recorded only: it judges when the answer has gone out.
    var isAside: Bool { mode != .enforced }

    /// It may refuse or change a request: one that it cannot read does not pass it.
    var mustSeeEverything: Bool {
        !isAside && (denies || uses.contains { $0.check.mutates || $0.onFailure == .closed || !$0.demanded.isEmpty })
    }
}

/// One check of a stage: its instance, and the operator's word on its failures.
final class GuardUse: Sendable {
    let instance: PluginInstance
    let check: CheckManifest
    /// "default.contains".
    let id: String
    let issuer: ReceiptIssuer
    let timeoutMilliseconds: Int
    let onFailure: FailurePolicy
    let onTimeout: FailurePolicy
    /// Nobody has set `onFailure`: it follows from `deny`.
    let isPolicyImplied: Bool
    /// Portkey's way: a check that errored has failed.
    let failsOnError: Bool
    let scope: PresentedScope
    let denies: Bool
    let mode: HookMode
    /// Kinds of segments that it must have seen all of, or it has failed to judge.
    let demanded: Set<Segment.Kind>
    let maximumRetries: Int?
    let breaker: GuardBreaker?
    let stream: StreamRule

    /// Kinds that must be seen of a side: what a check restores on the answer is no judgement of it.
    func demands(of side: Worker.GuardSide) -> Set<Segment.Kind> { side == .after && check.restores ? [] : demanded }

    init(
        instance: PluginInstance, check: CheckManifest, id: String, issuer: ReceiptIssuer, timeoutMilliseconds: Int,
        onFailure: FailurePolicy, onTimeout: FailurePolicy, isPolicyImplied: Bool, failsOnError: Bool,
        scope: PresentedScope, denies: Bool,
        mode: HookMode, demanded: Set<Segment.Kind>, maximumRetries: Int?, breaker: GuardBreaker?, stream: StreamRule
    ) {
        self.instance = instance
        self.check = check
        self.id = id
        self.issuer = issuer
        self.timeoutMilliseconds = timeoutMilliseconds
        self.onFailure = onFailure
        self.onTimeout = onTimeout
        self.isPolicyImplied = isPolicyImplied
        self.failsOnError = failsOnError
        self.scope = scope
        self.denies = denies
        self.mode = mode
        self.demanded = demanded
        self.maximumRetries = maximumRetries
        self.breaker = breaker
        self.stream = stream
    }

    /// What becomes of its failure. Where there was no text at all, as in a call without arguments, a check of text has
    /// failed to judge nothing: unless somebody has said otherwise that lets nothing pass.
    func policy(onFailureOver coverage: Coverage) -> FailurePolicy {
        let hadText = coverage.counts.contains { $0.presentedBytes > 0 }
        return isPolicyImplied && !check.segments.isEmpty && !hadText ? .open : onFailure
    }
}
