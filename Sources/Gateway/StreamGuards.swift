// StreamGuards: step 7f for answers that stream: guards in a row, each of which sees what its predecessor released.

import CLinux
import Config
import Core
import Logging
import PluginHost
import Telemetry
import Wire

/// One check on one stream. Confined to its loop.
final class StreamGuard {
    let stage: GuardStage
    let use: GuardUse
    let mode: CheckManifest.StreamMode
    var hold: StreamHold
    /// Mode "full": everything, until the end.
    var kept: [SSEEvent] = []
    var result: CheckResult
    /// A failing check that its policy lets pass: the rest of the stream goes by unseen.
    var isOff = false

    init(stage: GuardStage, use: GuardUse, endpoint: Endpoint) {
        self.stage = stage
        self.use = use
        // A check that only judges whole answers gets the whole, held back when it may refuse or change it.
        if use.check.hooks.contains(.stream), use.check.streamMode != .off {
            mode = use.check.streamMode
        } else if use.check.hooks.contains(.response) {
            mode = stage.denies || use.check.mutates ? .full : .observe
        } else {
            mode = .off
        }
        hold = StreamHold(endpoint: endpoint, check: use.check)
        result = CheckResult(
            id: use.id, passed: true, duration: 0, failsOnError: use.failsOnError, startedAt: WallClock.now())
    }

    /// Judges the assembled answer at the end.
    var judgesWhole: Bool { mode == .full || !use.check.hooks.contains(.stream) }
    var needsWhole: Bool { mode != .off && judgesWhole }
}

extension Worker {
    func streamGuards(_ stages: [GuardStage], _ exchange: Exchange) -> [StreamGuard] {
        guard exchange.endpoint.canStream else { return [] }
        var guards: [StreamGuard] = []
        for stage in stages where !stage.isAsync {
            for use in stage.uses where use.check.hooks.contains(.stream) || use.check.hooks.contains(.response) {
                guards.append(StreamGuard(stage: stage, use: use, endpoint: exchange.endpoint))
            }
        }
        return guards
    }

    /// Passes events through all guards; what comes out at the end is written. A refusal ends the stream.
    func pass(
        _ events: [SSEEvent], _ guards: [StreamGuard], _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay,
        into output: inout BytesBuilder
    ) async -> GatewayError? {
        var events = events
        for guardian in guards {
            switch await step(guardian, events, isFinal: false, exchange, target) {
            case .success(let released): events = released
            case .failure(let error): return error
            }
        }
        write(events, exchange, target, &relay, into: &output)
        return nil
    }

    /// The stream has ended: what is held is judged for the last time.
    func finish(
        _ guards: [StreamGuard], _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay, into output: inout BytesBuilder
    ) async -> GatewayError? {
        var events: [SSEEvent] = []
        for guardian in guards {
            switch await step(guardian, events, isFinal: true, exchange, target) {
            case .success(let released): events = released
            case .failure(let error): return error
            }
        }
        addResults(guards, exchange)
        write(events, exchange, target, &relay, into: &output)
        if relay.heldEnd != nil || !relay.writesRaw { relay.flushEnd(resultEvents(exchange, target), into: &output) }
        return nil
    }

    private func write(
        _ events: [SSEEvent], _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay, into output: inout BytesBuilder
    ) {
        for event in events {
            // The end waits: what the guards found is told just before it.
            if Self.isEnd(event, exchange.endpoint) { relay.heldEnd = event } else { relay.write(event, into: &output) }
        }
    }

    private func addResults(_ guards: [StreamGuard], _ exchange: Exchange) {
        var stages: [ObjectIdentifier: Int] = [:]
        for guardian in guards where guardian.mode != .off {
            let key = ObjectIdentifier(guardian.stage)
            if let index = stages[key] {
                exchange.guardResults.after[index].checks.append(guardian.result)
            } else {
                stages[key] = exchange.guardResults.after.count
                exchange.guardResults.after.append(
                    StageResult(
                        stage: guardian.stage, checks: [guardian.result], startedAt: guardian.result.startedAt,
                        duration: guardian.result.duration))
            }
            exchange.record.checks.append(
                CheckRecord(
                    check: guardian.use.id, verdict: guardian.result.passed ? (guardian.result.transformed ? .edited : .passed) : .failed,
                    duration: guardian.result.duration))
        }
    }

    // MARK: One guard

    private func step(
        _ guardian: StreamGuard, _ events: [SSEEvent], isFinal: Bool, _ exchange: Exchange, _ target: Target
    ) async -> Result<[SSEEvent], GatewayError> {
        if guardian.mode == .off || guardian.isOff { return .success(events) }
        if guardian.judgesWhole {
            guardian.kept += events
            let mayRefuse = guardian.mode == .full
            guard isFinal else { return .success(mayRefuse ? [] : events) }
            let verdict = await judgeWhole(guardian, exchange, target)
            if case .failure(let error) = verdict { return mayRefuse ? .failure(error) : .success(events) }
            return mayRefuse ? verdict : .success(events)
        }
        for event in events { guardian.hold.take(event) }
        if isFinal { guardian.hold.finish() }
        while let (key, window) = guardian.hold.nextWindow() {
            if let refusal = await present(window, key, guardian, exchange, target) { return .failure(refusal) }
            if guardian.isOff { break }
        }
        if guardian.mode == .observe {
            _ = guardian.hold.release()
            return .success(events)
        }
        if guardian.isOff { return .success(guardian.hold.releaseAll()) }
        return .success(isFinal ? guardian.hold.release() + guardian.hold.releaseAll() : guardian.hold.release())
    }

    private func streamFacts(_ exchange: Exchange, _ target: Target, _ response: BodyView?) -> ExchangeFacts {
        ExchangeFacts(
            identity: identity(exchange), model: exchange.attemptModel,
            request: BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true), provider: target.slug, target: target.path,
            attempt: exchange.record.attempts.count, attemptCount: exchange.record.attempts.count, response: response, status: 200)
    }

    /// Runs on_stream for one window. What comes back refuses the stream.
    private func present(
        _ window: StreamWindow, _ key: StreamKey, _ guardian: StreamGuard, _ exchange: Exchange, _ target: Target
    ) async -> GatewayError? {
        let use = guardian.use
        let facts = exchange.streamFacts ?? streamFacts(exchange, target, nil)
        exchange.streamFacts = facts
        let hookExchange = exchange.hookExchange(use.instance, facts)
        let deadline = min(Deadline.after(milliseconds: use.timeoutMilliseconds), exchange.deadline)
        let started = MonotonicClock.now()
        hookExchange.prepare(facts, deadline: deadline)
        let decision = await runner.run(.stream(window), on: hookExchange, presentedBytes: window.text.count, by: deadline)
        guardian.result.duration += MonotonicClock.now() - started
        switch decision.verdict {
        case .proceed:
            if !hookExchange.edits.isEmpty { guardian.result.transformed = true }
            if !guardian.hold.settle(key, window, releasedTo: decision.releasedTo, edits: hookExchange.edits) {
                logger.warning("a guardrail wanted to hold back more than its window", metadata: ["check": "\(use.id)"])
            }
            for report in hookExchange.reports {
                guardian.result.passed = guardian.result.passed && report.passed
                guardian.result.data = report.data ?? guardian.result.data
            }
            exchange.attributes += hookExchange.attributes.map { ("plugin.\(use.instance.library.manifest.id).\($0.key)", $0.value) }
            guard !guardian.result.passed, guardian.stage.denies else { return nil }
            return refused(guardian, exchange)
        case .deny(let denial): return refused(guardian, exchange, denial)
        case .answer: return failed(guardian, exchange, "GH_ANSWER is no verdict for on_stream", use.onFailure)
        case .retry: return failed(guardian, exchange, "GH_RETRY is no verdict for on_stream", use.onFailure)
        case .fail(let reason): return failed(guardian, exchange, reason, use.onFailure)
        case .timeout:
            exchange.discardHookExchange(use.instance)
            return failed(guardian, exchange, "no verdict within \(use.timeoutMilliseconds) ms", use.onTimeout)
        }
    }

    /// Runs on_response over the assembled answer; its events as they may leave.
    private func judgeWhole(
        _ guardian: StreamGuard, _ exchange: Exchange, _ target: Target
    ) async -> Result<[SSEEvent], GatewayError> {
        var assembler = StreamAssembler(endpoint: exchange.endpoint)
        for event in guardian.kept { assembler.take(event) }
        guard let body = assembler.finish() else { return .success(guardian.kept) }
        let use = guardian.use
        let view = BodyView(body: body, endpoint: exchange.endpoint, isRequest: false)
        let facts = streamFacts(exchange, target, view)
        let hookExchange = exchange.hookExchange(use.instance, facts)
        let deadline = min(Deadline.after(milliseconds: use.timeoutMilliseconds), exchange.deadline)
        let started = MonotonicClock.now()
        hookExchange.prepare(facts, deadline: deadline)
        let decision = await runner.run(.response, on: hookExchange, presentedBytes: body.count, by: deadline)
        guardian.result.duration += MonotonicClock.now() - started
        switch decision.verdict {
        case .proceed:
            guardian.result.passed = hookExchange.reports.allSatisfy(\.passed)
            guardian.result.data = hookExchange.reports.last?.data
            if !guardian.result.passed, guardian.stage.denies { return .failure(refused(guardian, exchange)) }
            guard let changed = try? hookExchange.changed(view, .response) else { return .success(guardian.kept) }
            guardian.result.transformed = true
            let includesUsage = exchange.fields?.includesUsage ?? false
            return .success(StreamReplay.events(of: changed, exchange.endpoint, includeUsage: includesUsage) ?? guardian.kept)
        case .deny(let denial): return .failure(refused(guardian, exchange, denial))
        case .answer, .retry:
            return failed(guardian, exchange, "the verdict is not possible on a stream", use.onFailure).map { .failure($0) } ?? .success(guardian.kept)
        case .fail(let reason):
            return failed(guardian, exchange, reason, use.onFailure).map { .failure($0) } ?? .success(guardian.kept)
        case .timeout:
            exchange.discardHookExchange(use.instance)
            return failed(guardian, exchange, "no verdict in time", use.onTimeout).map { .failure($0) } ?? .success(guardian.kept)
        }
    }

    private func refused(_ guardian: StreamGuard, _ exchange: Exchange, _ denial: Denial? = nil) -> GatewayError {
        guardian.result.passed = false
        exchange.record.deniedBy = guardian.use.id
        exchange.record.checks.append(
            CheckRecord(check: guardian.use.id, verdict: .denied, duration: guardian.result.duration))
        return GatewayError(
            .guardrailDenied, status: denial.map { $0.status == 0 ? 446 : $0.status } ?? 446,
            denial?.message ?? Self.denialMessage, type: "hooks_failed", code: denial?.code)
    }

    private func failed(_ guardian: StreamGuard, _ exchange: Exchange, _ reason: String, _ policy: FailurePolicy) -> GatewayError? {
        guardian.result.failure = reason
        guardian.result.passed = !guardian.use.failsOnError
        logger.warning(
            "a guardrail could not judge a stream",
            metadata: ["check": "\(guardian.use.id)", "reason": "\(reason)", "policy": "\(policy.rawValue)", "trace_id": "\(exchange.traceID)"])
        switch policy {
        case .open:
            guardian.isOff = true
            return nil
        case .closed, .retry:
            exchange.record.deniedBy = guardian.use.id
            return GatewayError(
                .pluginFailed, status: 502, "The guardrail \(guardian.use.id) could not judge this answer (trace id \(exchange.traceID)).",
                type: "plugin_error", code: "guardrail_failed")
        }
    }
}

/// True when `needle` is somewhere in `text`.
func bytesContain(_ text: UnsafeRawBufferPointer, _ needle: UnsafeRawBufferPointer) -> Bool {
    linux_memmem(text.baseAddress, text.count, needle.baseAddress, needle.count) != nil
}
