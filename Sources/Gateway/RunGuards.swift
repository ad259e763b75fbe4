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
    enum GuardSide { case before, after }

    /// Runs `stages` over one side of the exchange. `facts` makes the facts for a body.
    func runGuards(
        _ stages: [GuardStage], _ side: GuardSide, _ exchange: Exchange, body: Bytes, facts: (BodyView) -> ExchangeFacts
    ) async -> GuardOutcome {
        var body = body
        var view: BodyView?
        for stage in stages {
            if stage.isAsync {
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
                let step = await runCheck(use, side, exchange, facts(current))
                record(step.result, step.verdict, exchange)
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

    // MARK: One check

    enum Next {
        case proceed(Bytes?)
        case stop(GuardOutcome)
        case retry(String?)
    }

    func runCheck(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ facts: ExchangeFacts
    ) async -> (result: CheckResult, verdict: CheckRecord.Verdict, next: Next) {
        let started = MonotonicClock.now()
        let hookExchange = exchange.hookExchange(use.instance, facts)
        let deadline = min(.after(milliseconds: use.timeoutMilliseconds, from: started), exchange.deadline)
        hookExchange.prepare(facts, deadline: deadline)
        let view = side == .before ? facts.request : facts.response ?? facts.request
        hookExchange.present(lastMessageOnly: use.presentsLastOnly)
        let decision = await runner.run(
            side == .before ? .request : .response, on: hookExchange, presentedBytes: view.body.count, by: deadline)
        var result = CheckResult(
            id: use.id, passed: true, duration: MonotonicClock.now() - started, failsOnError: use.failsOnError,
            startedAt: WallClock.now())
        switch decision.verdict {
        case .proceed:
            return settle(use, side, exchange, hookExchange, view, &result)
        case .deny(let denial):
            result.passed = false
            exchange.record.deniedBy = use.id
            return (result, .denied, .stop(.denied(answer(denial, use, exchange))))
        case .answer(let answer):
            return (result, .answered, .stop(.answered(Answer(plugin: answer))))
        case .retry(let target):
            result.passed = false
            if side == .before {
                return fail(use, exchange, &result, "GH_RETRY is no verdict for on_request", use.onFailure)
            }
            do throws(GatewayError) { try keepRequest(of: hookExchange, exchange) } catch {
                return fail(
                    use, exchange, &result, "its changes could not be applied: \(error.message)", use.onFailure)
            }
            return (result, .retried, .retry(target))
        case .fail(let reason):
            return fail(use, exchange, &result, reason, use.onFailure)
        case .timeout:
            exchange.discardHookExchange(use.instance)
            return fail(
                use, exchange, &result, "no verdict within \(use.timeoutMilliseconds) ms", use.onTimeout,
                isTimeout: true)
        }
    }

    /// The hook let the exchange go on: its reports make the check's verdict, its staged changes the new body.
    private func settle(
        _ use: GuardUse, _ side: GuardSide, _ exchange: Exchange, _ hookExchange: HookExchange, _ view: BodyView,
        _ result: inout CheckResult
    ) -> (result: CheckResult, verdict: CheckRecord.Verdict, next: Next) {
        result.passed = hookExchange.reports.allSatisfy(\.passed)
        result.data = hookExchange.reports.last?.data
        exchange.headerChanges += hookExchange.headerChanges
        exchange.attributes += hookExchange.attributes.map {
            ("plugin.\(use.instance.library.manifest.id).\($0.key)", $0.value)
        }
        do {
            let changed = try hookExchange.changed(view, side == .before ? .request : .response)
            result.transformed = changed != nil
            let verdict: CheckRecord.Verdict = result.passed ? (changed == nil ? .passed : .edited) : .failed
            return (result, verdict, .proceed(changed))
        } catch {
            return fail(use, exchange, &result, "its changes could not be applied: \(error.message)", use.onFailure)
        }
    }

    private func fail(
        _ use: GuardUse, _ exchange: Exchange, _ result: inout CheckResult, _ reason: String, _ policy: FailurePolicy,
        isTimeout: Bool = false
    ) -> (result: CheckResult, verdict: CheckRecord.Verdict, next: Next) {
        result.failure = reason
        result.passed = !use.failsOnError
        logger.warning(
            "a guardrail could not judge",
            metadata: [
                "check": "\(use.id)", "reason": "\(reason)", "policy": "\(policy.rawValue)",
                "trace_id": "\(exchange.traceID)",
            ])
        let verdict: CheckRecord.Verdict = isTimeout ? .timedOut : .error
        switch policy {
        case .open: return (result, verdict, .proceed(nil))
        case .closed, .retry:
            exchange.record.deniedBy = use.id
            let answer = failedClosed(use, exchange)
            answer.movesOn = policy == .retry
            return (result, verdict, .stop(.denied(answer)))
        }
    }

    private func record(_ result: CheckResult, _ verdict: CheckRecord.Verdict, _ exchange: Exchange) {
        exchange.record.checks.append(CheckRecord(check: result.id, verdict: verdict, duration: result.duration))
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
