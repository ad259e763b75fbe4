// GuardBuilder: guard lists of a config to stages with instances. Whatever is missing or contradicts itself is refused here, with
// its place: a guard that would not do what the config says must not look as if it did.

import Config
import Core
import Digests
import JSONSchema
import PluginHost
import Telemetry
import Wire

struct GuardBuilder {
    let snapshot: GatewaySnapshot
    /// The configuration, with what a workspace has of its own.
    let file: ConfigSnapshot
    let allowInline: AllowInline

    func mandatory() throws(GatewayError) -> GuardSet {
        try build(before: file.defaults.inputGuards, after: file.defaults.outputGuards)
    }

    /// A guard of the file, which may be used in either list.
    func check(_ group: GuardGroup) throws(GatewayError) {
        do throws(GatewayError) { _ = try build(before: [group], after: []) } catch {
            do throws(GatewayError) { _ = try build(before: [], after: [group]) } catch _ { throw error }
        }
    }

    /// Groups of both directions stand in one list and judge in both.
    func build(before: [GuardGroup], after: [GuardGroup]) throws(GatewayError) -> GuardSet {
        var set = GuardSet()
        for group in before {
            let stage = try stage(group, listedIn: .before)
            set.before.append(stage)
            if group.policy.direction == .both { set.after.append(stage) }
            for use in stage.uses where use.check.restores && !stage.isAside {
                set.restorers.insert(Restorer(stage: stage, use: use), at: 0)
            }
        }
        for group in after {
            let stage = try stage(group, listedIn: .after)
            set.after.append(stage)
            if group.policy.direction == .both { set.before.append(stage) }
        }
        set.onError = (set.before + set.after).flatMap(\.uses).filter { $0.check.hooks.contains(.error) }
        return set
    }

    private func stage(_ group: GuardGroup, listedIn list: GuardGroup.Stage) throws(GatewayError) -> GuardStage {
        let policy = group.policy
        let other: GuardPolicy.Direction = list == .before ? .output : .input
        if policy.direction == other {
            throw refused(
                group, "direction",
                "a guardrail of the \(list == .before ? "input" : "output") side cannot be \(other.rawValue)")
        }
        if policy.runsBeside, list == .after || policy.direction == .both {
            throw refused(group, "run", "only a guardrail of the request can run beside the upstream call")
        }
        var uses: [GuardUse] = []
        if group.kind != nil {
            for check in group.checks where check.isEnabled { uses.append(try use(check, group, listedIn: list)) }
        }
        return GuardStage(group, uses: uses)
    }

    private func use(_ check: GuardCheck, _ group: GuardGroup, listedIn list: GuardGroup.Stage) throws(GatewayError)
        -> GuardUse
    {
        guard let found = snapshot.plugins.check(check.id) else {
            throw refused(
                check, [("", "no plugin has the check \(check.id)\(snapshot.plugins.suggestion(for: check.id))")])
        }
        let id = found.library.manifest.id + "." + found.check.id
        if group.origin == .request, !allowInline.allows(check: id) {
            throw GatewayError(
                .invalidConfig, status: 400, "the check \(check.id) may not be used by configs of requests here",
                code: "inline_plugin_blocked")
        }
        let parameters = check.parameters.isNull ? JSONValue.object(JSONObject()) : check.parameters
        if let violations = found.check.schema?.validate(parameters), !violations.isEmpty {
            throw refused(check, violations.map { ($0.instance.description, $0.message) })
        }
        let demanded = demanded(found.check, group)
        if let problem = contradiction(found.check, group, listedIn: list, demanded) {
            throw refused(check, [("", "\(check.id): \(problem)")])
        }
        let instance: PluginInstance
        do throws(PluginCreationError) {
            instance = try PluginInstance.create(
                library: found.library, interface: .hooks, id: found.check.id, check: found.check, config: parameters,
                services: snapshot.services, isOperators: group.origin.isFile)
        } catch {
            throw refused(check, error.errors.map { ($0.pointer, $0.message) })
        }
        let policy = group.policy
        let settings = file.plugins.settings[found.library.manifest.id]
        let manifest = found.library.manifest.defaults
        let isPolicyImplied =
            policy.onFailure == nil && settings?.onFailure == nil && file.defaults.onFailure == nil
            && manifest.onFailure == nil
        func failurePolicy(_ own: FailurePolicy?, _ settings: FailurePolicy?, _ manifest: String?) -> FailurePolicy {
            own ?? settings ?? file.defaults.onFailure ?? manifest.flatMap(FailurePolicy.init(rawValue:))
                ?? (group.deny ? .closed : .open)
        }
        let configBytes = Bytes(parameters.bytes)
        return GuardUse(
            instance: instance, check: found.check, id: check.id,
            issuer: ReceiptIssuer(
                check: check.id, guardrail: group.id, plugin: found.library.manifest.id,
                version: found.library.manifest.version, file: found.library.sha256,
                config: withExtendedLifetime(configBytes) { SHA256.hash(configBytes.buffer).hex }),
            timeoutMilliseconds: policy.timeoutMilliseconds ?? settings?.timeoutMilliseconds
                ?? manifest.timeoutMilliseconds ?? 5_000,
            onFailure: failurePolicy(policy.onFailure, settings?.onFailure, manifest.onFailure),
            onTimeout: failurePolicy(
                policy.onTimeout ?? policy.onFailure, settings?.onTimeout ?? settings?.onFailure,
                manifest.onTimeout ?? manifest.onFailure),
            isPolicyImplied: isPolicyImplied, failsOnError: parameters["failOnError"]?.bool ?? false,
            scope: scope(policy.scope, parameters),
            denies: group.deny, mode: policy.isShadow ? .shadow : group.isAsync ? .async : .enforced,
            demanded: demanded, maximumRetries: policy.maximumRetries, breaker: policy.breaker.map { GuardBreaker($0) },
            // Of an answer, one that restores need not see more than what it put there.
            stream: streamRule(found.check, group, found.check.restores ? [] : demanded))
    }

    /// The check's own parameter is Portkey's way to say it.
    private func scope(_ scope: GuardPolicy.Scope, _ parameters: JSONValue) -> PresentedScope {
        switch scope {
        case .last: .last
        case .roles(let names): .roles(Set(names.compactMap { Self.roles[$0] }))
        case .all: parameters["scope"]?.string == "last" ? .last : .all
        }
    }

    private static let roles: [String: Segment.Role] = [
        "system": .system, "user": .user, "assistant": .assistant, "tool": .tool,
    ]
    private static let kinds = Dictionary(uniqueKeysWithValues: Segment.Kind.allCases.map { ("\($0.name)", $0) })

    // MARK: Coverage and contradictions

    private func demanded(_ check: CheckManifest, _ group: GuardGroup) -> Set<Segment.Kind> {
        if group.isAsync || group.policy.isShadow { return [] }
        var kinds: Set<Segment.Kind>
        switch group.policy.fullCoverage ?? (group.deny ? .yes : .no) {
        case .no: return []
        case .yes:
            kinds =
                check.judgesNoText ? [] : check.coverage == .everything ? Set(Segment.Kind.allCases) : check.segments
        case .kinds(let names): kinds = Set(names.compactMap { Self.kinds[$0] })
        }
        for name in group.policy.allowUnseen { if let kind = Self.kinds[name] { kinds.remove(kind) } }
        return kinds
    }

    /// Why the check cannot do what the config wants of it.
    private func contradiction(
        _ check: CheckManifest, _ group: GuardGroup, listedIn list: GuardGroup.Stage, _ demanded: Set<Segment.Kind>
    ) -> String? {
        let policy = group.policy
        let judgesRequests = check.hooks.contains(.request)
        let judgesAnswers = check.hooks.contains(.response)
        let judgesStreams = check.hooks.contains(.stream) && check.streamMode != .off
        if list == .before || policy.direction == .both, !judgesRequests, !check.hooks.contains(.error) {
            return "it does not judge requests (its manifest has no on_request)"
        }
        if list == .after || policy.direction == .both {
            if check.restores {
                return "list it under the guardrails of the request: what it restores on the answer follows by itself"
            }
            if !judgesAnswers, !judgesStreams, !check.hooks.contains(.error) {
                return "it does not judge answers (its manifest has neither on_response nor on_stream)"
            }
            if !judgesAnswers, group.deny || !demanded.isEmpty {
                return "it judges streams only, so whole answers would pass it (its manifest has no on_response)"
            }
            switch policy.streamMode {
            case .off where group.deny || !demanded.isEmpty:
                return "stream.mode \"off\" lets streams pass it unseen, which deny and require_full_coverage forbid"
            case .observe where group.deny || check.mutates:
                return "stream.mode \"observe\" lets text leave before it is judged: too late for deny and for edits"
            case .window where !judgesStreams, .event where !judgesStreams:
                return "its manifest has no on_stream: it judges streams in mode full or observe"
            case .full where !judgesAnswers: return "its manifest has no on_response, which mode full needs"
            default: break
            }
        }
        if check.restores, policy.streamMode == .off || policy.streamMode == .observe {
            return
                "stream.mode \"off\" and \"observe\" would leave the answer's text as it is, which this check is to restore"
        }
        if policy.runsBeside, check.mutates {
            return "it changes requests, so it cannot run beside the upstream call"
        }
        if case .kinds = policy.fullCoverage, let missing = demanded.first(where: { !check.asksFor($0) }) {
            return "require_full_coverage demands \(missing.name), which its manifest does not ask to see"
        }
        return nil
    }

    private func streamRule(_ check: CheckManifest, _ group: GuardGroup, _ demanded: Set<Segment.Kind>) -> StreamRule {
        let policy = group.policy
        let judgesStreams = check.hooks.contains(.stream) && check.streamMode != .off
        // A check that only judges whole answers gets the whole, held back when it may refuse or change it.
        var mode: CheckManifest.StreamMode =
            judgesStreams
            ? check.streamMode
            : !check.hooks.contains(.response) ? .off : group.deny || check.mutates ? .full : .observe
        if let own = policy.streamMode, let wanted = CheckManifest.StreamMode(rawValue: own.rawValue) { mode = wanted }
        return StreamRule(
            mode: mode, windowBytes: mode == .event ? 1 : max(1, policy.windowBytes ?? check.windowBytes),
            overlapBytes: max(0, policy.overlapBytes ?? check.overlapBytes),
            holdBytes: policy.windowBytes.map { max($0, check.holdBytes ?? check.windowBytes) } ?? check.holdBytes,
            check: check, demanded: demanded,
            judgesWhole: mode == .full || !judgesStreams)
    }

    // MARK: Errors

    private func refused(_ check: GuardCheck, _ reasons: [(pointer: String, message: String)]) -> GatewayError {
        GatewayError(
            .invalidConfig, status: 400, "Invalid config passed",
            errors: reasons.map {
                "path: \(PlanBuilder.path(check.pointer))\($0.pointer.replacing("/", with: ",")), message: \($0.message)"
            })
    }

    private func refused(_ group: GuardGroup, _ member: String, _ message: String) -> GatewayError {
        GatewayError(
            .invalidConfig, status: 400, "Invalid config passed",
            errors: ["path: \(PlanBuilder.path(group.pointer / member)), message: \(message)"])
    }
}
