// RunGuards: steps 6, 7b and 7g: the request's and the answer's hooks. Each check in turn sees what its predecessor left; the
// operator's config decides what a failed or failing check does.

import Config
import Core
import Logging
import PluginHost
import Telemetry
import Wire

/// How a list of stages ended.
enum GuardOutcome {
    /// Go on with this body.
    case proceed(Bytes)
    /// 446 with hook_results, or a plugin's own refusal.
    case denied(Answer)
    /// A plugin answers in the place of an upstream.
    case answered(Answer)
    /// Another attempt is wanted.
    case retry(target: String?, Bytes)
}

extension Worker {
    enum GuardSide {
        case before, after

        var receipt: Receipt.Side { self == .before ? .request : .answer }
        var hook: HookExchange.Side { self == .before ? .request : .response }
    }

    /// Runs `stages` over one side of the exchange. `facts` makes the facts for a body.
    func runGuards(
        _ stages: [GuardStage], _ side: GuardSide, _ exchange: Exchange, body: Bytes, facts: (BodyView) -> ExchangeFacts
    ) async -> GuardOutcome {
        var body = body
        var view: BodyView?
        var ahead = AskedAhead()
        defer { ahead.giveUp(runner, exchange) }
        for (index, stage) in stages.enumerated() {
            if stage.isAside {
                let current = view ?? BodyView(body: body, endpoint: exchange.endpoint, isRequest: side == .before)
                setAside(stage, side, facts(current), exchange)
                continue
            }
            if side == .before, let known = exchange.guardMemory.recall(stage, body) {
                exchange.guardResults.before.append(known.result)
                if known.result.isDenied { return .denied(denial(exchange, by: known.result)) }
                if known.output != body { view = nil }
                body = known.output
                continue
            }
            let input = body
            let started = MonotonicClock.now()
            var result = StageResult(stage: stage, checks: [], startedAt: WallClock.now(), duration: 0)
            for use in stage.uses where handles(use, side) {
                let current = view ?? BodyView(body: body, endpoint: exchange.endpoint, isRequest: side == .before)
                if view == nil {
                    do throws(GatewayError) { try current.check() } catch {
                        return .denied(answer(for: error, exchange))
                    }
                }
                view = current
                let facts = facts(current)
                if !ahead.holds(use) { askAhead(stages[index...], from: use, side, exchange, facts, &ahead) }
                let step = await runCheck(use, side, exchange, facts, started: ahead.take(use))
                result.checks.append(step.result)
                switch step.next {
                case .proceed(let changed):
                    guard let changed else { continue }
                    body = changed
                    view = nil
                case .stop(let outcome):
                    result.duration = MonotonicClock.now() - started
                    add(result, side, exchange)
                    return outcome
                case .retry(let target):
                    result.duration = MonotonicClock.now() - started
                    add(result, side, exchange)
                    return .retry(target: target, body)
                }
            }
            result.duration = MonotonicClock.now() - started
            add(result, side, exchange)
            if side == .before { exchange.guardMemory.keep(stage, input, body, result) }
            if result.isDenied {
                exchange.record.deniedBy = result.checks.first { !$0.passed }?.id ?? stage.id
                return .denied(denial(exchange, by: result))
            }
        }
        return .proceed(body)
    }

    func handles(_ use: GuardUse, _ side: GuardSide) -> Bool {
        use.check.hooks.contains(side == .before ? .request : .response)
    }

    private func add(_ result: StageResult, _ side: GuardSide, _ exchange: Exchange) {
        if side == .before {
            exchange.guardResults.before.append(result)
        } else {
            exchange.guardResults.after.append(result)
        }
    }

    // MARK: Asking several at once

    /// Checks that wait for others (a server, a thread) and change nothing are asked together: their answers are taken in the
    /// config's order.
    private func askAhead(
        _ stages: ArraySlice<GuardStage>, from first: GuardUse, _ side: GuardSide, _ exchange: Exchange,
        _ facts: ExchangeFacts, _ ahead: inout AskedAhead
    ) {
        guard first.waitsForOthers else { return }
        var wave: [GuardUse] = []
        var isReached = false
        collect: for stage in stages where !stage.isAside {
            if side == .before, exchange.guardMemory.recall(stage, facts.request.body) != nil { continue }
            for use in stage.uses where handles(use, side) {
                if use === first { isReached = true }
                guard isReached else { continue }
                if stage.isSequential || use.check.mutates { break collect }
                if use.waitsForOthers, use.breaker?.isOpen != true { wave.append(use) }
            }
        }
        guard wave.count > 1 else { return }
        for use in wave { ahead.add(use, begin(use, side, exchange, facts)) }
    }

    private func begin(_ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ facts: ExchangeFacts)
        -> AskedAhead.Call
    {
        let started = MonotonicClock.now()
        let hookExchange = exchange.hookExchange(use.instance, facts)
        let deadline = min(.after(milliseconds: use.timeoutMilliseconds, from: started), exchange.deadline)
        hookExchange.mode = use.mode
        hookExchange.prepare(facts, deadline: deadline)
        hookExchange.present(use.scope)
        let view = side == .before ? facts.request : facts.response ?? facts.request
        let hook = runner.start(
            side == .before ? .request : .response, on: hookExchange, presentedBytes: view.body.count)
        return AskedAhead.Call(exchange: hookExchange, hook: hook, deadline: deadline, started: started, view: view)
    }

    // MARK: One check

    enum Next {
        case proceed(Bytes?)
        case stop(GuardOutcome)
        case retry(String?)
    }

    struct Step {
        var result: CheckResult
        var next: Next
    }

    /// Runs a check to its end and writes its receipt. `started`: it has been asked already.
    func runCheck(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ facts: ExchangeFacts,
        started: AskedAhead.Call? = nil
    ) async -> Step {
        var result = CheckResult(
            id: use.id, passed: true, duration: 0, failsOnError: use.failsOnError, startedAt: WallClock.now())
        if started == nil, use.breaker?.isOpen == true {
            var coverage = Coverage()
            let view = side == .before ? facts.request : facts.response
            for segment in view?.segments ?? [] { coverage.present(segment.segment.kind, bytes: segment.text.count) }
            let next = fail(use, side, exchange, &result, "its breaker is open", use.onFailure)
            note(result, .error, use, side, exchange, coverage, edits: 0)
            return Step(result: result, next: next)
        }
        let call = started ?? begin(use, side, exchange, facts)
        let decision = await runner.finish(call.hook, call.exchange, by: call.deadline)
        result.duration = MonotonicClock.now() - call.started
        let hookExchange = call.exchange
        let isGivenUp = decision.verdict == .timeout
        // What a plugin still holds is not looked at.
        let coverage = isGivenUp ? Coverage() : hookExchange.coverage(side.hook)
        let edits = isGivenUp ? 0 : hookExchange.edits.count
        var verdict = Receipt.Verdict.passed
        var next: Next
        switch decision.verdict {
        case .proceed:
            next = settle(use, side, exchange, hookExchange, call.view, &result, &verdict)
            if result.failure == nil, let unseen = coverage.firstUnseen(of: use.demands(of: side)) {
                verdict = .unseen
                next = failUnseen(use, side, exchange, &result, unseen, next)
            }
        case .deny(let denial):
            verdict = .denied
            result.passed = false
            next = .proceed(nil)
            if use.mode == .enforced {
                exchange.record.deniedBy = use.id
                next = .stop(.denied(answer(denial, use, exchange)))
            }
        case .answer(let answer):
            verdict = .answered
            next = .stop(.answered(Answer(plugin: answer)))
        case .retry(let target):
            verdict = .retried
            next = askAgain(use, side, exchange, hookExchange, target, &result, &verdict)
        case .fail(let reason):
            verdict = .error
            next = fail(use, side, exchange, &result, reason, use.policy(onFailureOver: coverage))
        case .timeout:
            verdict = .timedOut
            exchange.discardHookExchange(use.instance)
            next = fail(
                use, side, exchange, &result, "no verdict within \(use.timeoutMilliseconds) ms", use.onTimeout)
        }
        use.breaker?.note(failed: verdict == .error || verdict == .timedOut)
        note(result, verdict, use, side, exchange, coverage, edits: edits)
        return Step(result: result, next: next)
    }

    /// The hook let the exchange go on: its reports make the check's verdict, its staged changes the new body.
    private func settle(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ hookExchange: HookExchange, _ view: BodyView,
        _ result: inout CheckResult, _ verdict: inout Receipt.Verdict
    ) -> Next {
        result.passed = hookExchange.reports.allSatisfy(\.passed)
        result.data = hookExchange.reports.last?.data
        if use.mode == .enforced { exchange.headerChanges += hookExchange.headerChanges }
        exchange.attributes += hookExchange.attributes.map {
            ("plugin.\(use.instance.library.manifest.id).\($0.key)", $0.value)
        }
        do {
            let changed = try hookExchange.changed(view, side.hook)
            result.transformed = changed != nil
            verdict = result.passed ? (changed == nil ? .passed : .edited) : .failed
            return .proceed(changed)
        } catch {
            verdict = .error
            return fail(
                use, side, exchange, &result, "its changes could not be applied: \(error.message)", use.onFailure)
        }
    }

    private func askAgain(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ hookExchange: HookExchange, _ target: String?,
        _ result: inout CheckResult, _ verdict: inout Receipt.Verdict
    ) -> Next {
        result.passed = false
        result.data = hookExchange.reports.last?.data
        if side == .before {
            verdict = .error
            return fail(use, side, exchange, &result, "GH_RETRY is no verdict for on_request", use.onFailure)
        }
        guard use.mode == .enforced else { return .proceed(nil) }
        if let most = use.maximumRetries, exchange.guardRetries[ObjectIdentifier(use), default: 0] >= most {
            // It has had its tries: the answer is one that it did not let pass.
            verdict = .failed
            return .proceed(nil)
        }
        exchange.guardRetries[ObjectIdentifier(use), default: 0] += 1
        do throws(GatewayError) { try keepRequest(of: hookExchange, exchange) } catch {
            verdict = .error
            return fail(
                use, side, exchange, &result, "its changes could not be applied: \(error.message)", use.onFailure)
        }
        return .retry(target)
    }

    private func fail(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ result: inout CheckResult, _ reason: String,
        _ policy: FailurePolicy
    ) -> Next {
        result.failure = reason
        result.passed = !use.failsOnError
        logger.warning(
            "a guardrail could not judge",
            metadata: [
                "check": "\(use.id)", "reason": "\(reason)", "policy": "\(policy.rawValue)",
                "mode": "\(use.mode.rawValue)", "trace_id": "\(exchange.traceID)",
            ])
        switch policy {
        case .open: return .proceed(nil)
        case .closed, .retry:
            guard use.mode == .enforced else { return .proceed(nil) }
            exchange.record.deniedBy = use.id
            let answer = failedClosed(use, exchange)
            answer.movesOn = policy == .retry
            return .stop(.denied(answer))
        }
    }

    /// It let pass what it has not seen.
    private func failUnseen(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ result: inout CheckResult, _ count: Coverage.Count,
        _ next: Next
    ) -> Next {
        let reason =
            "it saw \(count.seenBytes) of \(count.presentedBytes) bytes in \(count.seenSegments) of "
            + "\(count.presentedSegments) segments of the kind \(count.kind.name)"
        let failed = fail(use, side, exchange, &result, reason, use.onFailure)
        guard case .stop(.denied(let answer)) = failed else { return next }
        let what = side == .before ? "request" : "answer"
        let refusal = uncovered(
            "The guardrail \(use.id) cannot read everything in this \(what) (\(count.kind.name)), so it is refused.",
            exchange)
        refusal.movesOn = answer.movesOn
        return .stop(.denied(refusal))
    }

    func uncovered(_ message: String, _ exchange: Exchange) -> Answer {
        exchange.record.errorKind = .guardrailDenied
        let error = GatewayError(
            .guardrailDenied, status: 446, message, type: "hooks_failed", code: "coverage_incomplete")
        return Answer(
            status: 446, contentType: "application/json",
            body: ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID), error: error)
    }

    /// The receipt.
    func note(
        _ result: CheckResult, _ verdict: Receipt.Verdict, _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange,
        _ coverage: Coverage, edits: Int
    ) {
        exchange.record.receipts.append(
            Receipt(
                issuer: use.issuer, side: side.receipt, mode: Receipt.Mode(use.mode), attempt: exchange.attemptNumber,
                coverage: coverage.counts.map {
                    CoverageCount(
                        kind: $0.kind.name, presentedSegments: $0.presentedSegments, seenSegments: $0.seenSegments,
                        presentedBytes: $0.presentedBytes, seenBytes: $0.seenBytes)
                },
                verdict: verdict, edits: edits, duration: result.duration, failure: result.failure))
    }

    // MARK: Refusals

    static let denialMessage =
        "The guardrail checks defined in the config failed. You can find more information in the `hook_results` object."

    /// 446, Portkey's status and words.
    func denial(_ exchange: Exchange, by result: StageResult) -> Answer {
        exchange.record.errorKind = .guardrailDenied
        let error = GatewayError(.guardrailDenied, status: 446, Self.denialMessage, type: "hooks_failed")
        let body =
            (try? JSONEditor.merge(
                ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID),
                [("hook_results", exchange.guardResults.json())])) ?? .empty
        return Answer(status: 446, contentType: "application/json", body: body, error: error)
    }

    /// A hook refused by itself: its status, code and sentence.
    private func answer(_ denial: Denial, _ use: GuardUse, _ exchange: Exchange) -> Answer {
        exchange.record.errorKind = .guardrailDenied
        let error = GatewayError(
            .guardrailDenied, status: denial.status == 0 ? 446 : denial.status,
            denial.message ?? "The request was refused by \(use.id).", type: "hooks_failed", code: denial.code)
        let answer = Answer(
            status: error.status, contentType: "application/json",
            body: ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID), error: error)
        if denial.retryAfterMilliseconds > 0 {
            answer.headers.append(("retry-after", String((denial.retryAfterMilliseconds + 999) / 1000)))
        }
        return answer
    }

    /// A guard that could not judge, with a policy that is not open: the plugin's id and the trace id, never its message.
    private func failedClosed(_ use: GuardUse, _ exchange: Exchange) -> Answer {
        exchange.record.errorKind = .pluginFailed
        let error = GatewayError(
            .pluginFailed, status: 502,
            "The guardrail \(use.id) could not judge this request (trace id \(exchange.traceID)).",
            type: "plugin_error", code: "guardrail_failed")
        return Answer(
            status: 502, contentType: "application/json",
            body: ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID), error: error)
    }
}

/// Hooks that were called before their turn.
struct AskedAhead {
    struct Call {
        var exchange: HookExchange
        var hook: HookRunner.Started
        var deadline: Deadline
        var started: Int64
        var view: BodyView
    }

    private var calls: [(use: GuardUse, call: Call)] = []

    func holds(_ use: GuardUse) -> Bool { calls.contains { $0.use === use } }

    mutating func add(_ use: GuardUse, _ call: Call) { calls.append((use, call)) }

    mutating func take(_ use: GuardUse) -> Call? {
        guard let index = calls.firstIndex(where: { $0.use === use }) else { return nil }
        return calls.remove(at: index).call
    }

    /// An earlier one has ended the matter.
    mutating func giveUp(_ runner: HookRunner, _ exchange: Exchange) {
        for (use, call) in calls {
            runner.giveUp(call.hook, call.exchange)
            if case .decided = call.hook { continue }
            exchange.discardHookExchange(use.instance)
        }
        calls = []
    }
}

extension GuardUse {
    /// It runs on a thread of its own, or asks somebody.
    fileprivate var waitsForOthers: Bool {
        check.isBlocking || !instance.library.manifest.extensions.isDisjoint(with: ["gh.http/1", "gh.gateway/1"])
    }
}

extension Receipt.Mode {
    init(_ mode: HookMode) {
        switch mode {
        case .enforced: self = .enforced
        case .async: self = .async
        case .shadow: self = .shadow
        }
    }
}
