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
    /// It undoes what its request hook did.
    let restores: Bool
    /// The first of those: what goes to the cache is what comes before it.
    let isFirstToRestore: Bool
    var mode: CheckManifest.StreamMode { use.stream.mode }
    var hold: StreamHold
    /// Of the whole answer, where that was judged.
    var wholeCoverage: Coverage?
    var edits = 0
    /// What came of it, where that was no plain verdict.
    var verdict: Receipt.Verdict?
    private let delays: (first: HistogramCell, next: HistogramCell)?
    /// When the events came that have not left.
    private var arrivals: ArraySlice<Int64> = []
    private var hasReleased = false
    private let endpoint: Endpoint
    /// Mode "full": everything, until the end.
    private(set) var kept: [SSEEvent] = []
    private(set) var keptBytes = 0
    var result: CheckResult
    /// A failing check that its policy lets pass: the rest of the stream goes by unseen.
    var isOff = false

    init(
        stage: GuardStage, use: GuardUse, restores: Bool, isFirstToRestore: Bool, endpoint: Endpoint,
        delays: (first: HistogramCell, next: HistogramCell)?
    ) {
        self.stage = stage
        self.use = use
        self.restores = restores
        self.isFirstToRestore = isFirstToRestore
        self.endpoint = endpoint
        self.delays = delays
        hold = StreamHold(endpoint: endpoint, rule: use.stream)
        result = CheckResult(
            id: use.id, passed: true, duration: 0, failsOnError: use.failsOnError, startedAt: WallClock.now())
    }

    /// Judges the assembled answer at the end.
    var judgesWhole: Bool { use.stream.judgesWhole }

    func keep(_ events: [SSEEvent]) {
        kept += events
        // An event costs some memory beside its text.
        for event in events { keptBytes += event.data.count + 64 }
    }

    /// Some event that is kept carries text.
    var hasText: Bool {
        kept.contains { event in
            let chunk = ChunkText(endpoint: endpoint, event: event)
            return chunk.deltas.contains { !chunk.text(of: $0).isEmpty }
        }
    }

    /// All that is held, with the edits that were decided: nothing more is judged. What is only observed has left before.
    func giveUp() -> [SSEEvent] {
        if judgesWhole, wholeCoverage == nil { for event in kept { hold.skip(event) } }
        let all = judgesWhole ? kept : hold.releaseAll()
        kept = []
        keptBytes = 0
        return mode == .observe ? [] : all
    }

    /// What there was to see, and what was seen.
    var coverage: Coverage { wholeCoverage ?? hold.coverage }

    // MARK: The delay that it adds

    func arrived(_ count: Int) {
        guard delays != nil, mode != .off, mode != .observe else { return }
        arrivals.append(contentsOf: repeatElement(MonotonicClock.now(), count: count))
    }

    /// Events leave in the order in which they came. What it made of the whole answer counts as its first ones.
    func left(_ count: Int) {
        guard let delays, count > 0, !arrivals.isEmpty else { return }
        let now = MonotonicClock.now()
        let leaving = min(count, arrivals.count)
        for arrival in arrivals.prefix(leaving) {
            (hasReleased ? delays.next : delays.first).observe(nanoseconds: now - arrival)
            hasReleased = true
        }
        arrivals.removeFirst(leaving)
    }
}

extension Worker {
    /// The guards of a stream in the order in which it passes them; the last ones restore.
    func streamGuards(_ stages: [GuardStage], _ restorers: [Restorer], _ exchange: Exchange) -> [StreamGuard] {
        guard exchange.endpoint.canStream else { return [] }
        let isMeasured = exchange.snapshot.config.metrics.enabled
        func make(
            _ stage: GuardStage, _ use: GuardUse, restores: Bool = false, isFirstToRestore: Bool = false
        ) -> StreamGuard {
            StreamGuard(
                stage: stage, use: use, restores: restores, isFirstToRestore: isFirstToRestore,
                endpoint: exchange.endpoint,
                delays: isMeasured ? telemetry.streamDelays(use.id) : nil)
        }
        var guards: [StreamGuard] = []
        for stage in stages where !stage.isAside {
            for use in stage.uses where use.check.hooks.contains(.stream) || use.check.hooks.contains(.response) {
                guards.append(make(stage, use))
            }
        }
        for (index, restorer) in restorers.enumerated() {
            guards.append(make(restorer.stage, restorer.use, restores: true, isFirstToRestore: index == 0))
        }
        return guards
    }

    /// Passes events through guards in a row, and writes what comes out at the end. One event takes the whole way before the
    /// next, so that a refusal comes at the same place however the stream was cut on its way here.
    func pass(
        _ events: [SSEEvent], _ guards: ArraySlice<StreamGuard>, _ exchange: Exchange, _ target: Target,
        _ relay: inout StreamRelay,
        into output: inout BytesBuilder
    ) async throws(GatewayError) {
        for event in events {
            var released = [event]
            for guardian in guards {
                if guardian.isFirstToRestore { relay.assemble(released) }
                released = try await step(guardian, released, isFinal: false, exchange, target)
            }
            write(released, exchange, target, &relay, into: &output)
        }
    }

    /// The stream has ended: what each guard holds is judged for the last time, and goes through those that follow.
    func finish(
        _ guards: [StreamGuard], _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay,
        into output: inout BytesBuilder
    ) async throws(GatewayError) {
        for (index, guardian) in guards.enumerated() {
            let released = try await step(guardian, [], isFinal: true, exchange, target)
            try await pass(released, guards[(index + 1)...], exchange, target, &relay, into: &output)
        }
        addResults(guards, exchange)
        if relay.heldEnd != nil || !relay.writesRaw { relay.flushEnd(resultEvents(exchange, target), into: &output) }
    }

    private func write(
        _ events: [SSEEvent], _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay,
        into output: inout BytesBuilder
    ) {
        if relay.isRestored { exchange.transcript?.restored(events) } else { relay.assemble(events) }
        for event in events {
            // The end waits: what the guards found is told just before it.
            if Self.isEnd(event, exchange.endpoint) { relay.heldEnd = event } else { relay.write(event, into: &output) }
        }
    }

    private func addResults(_ guards: [StreamGuard], _ exchange: Exchange) {
        var stages: [ObjectIdentifier: Int] = [:]
        for guardian in guards {
            noteReceipt(guardian, exchange)
            if guardian.restores || guardian.mode == .off { continue }
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
        }
    }

    /// What each guard saw and did of a stream, however that ended.
    private func noteReceipt(_ guardian: StreamGuard, _ exchange: Exchange) {
        let result = guardian.result
        let plain: Receipt.Verdict =
            result.failure != nil ? .error : !result.passed ? .failed : result.transformed ? .edited : .passed
        note(
            result, guardian.verdict ?? plain, guardian.use, .after, exchange, guardian.coverage, edits: guardian.edits)
    }

    /// The stream has ended before its end.
    func noteReceipts(_ guards: [StreamGuard], _ exchange: Exchange) {
        for guardian in guards { noteReceipt(guardian, exchange) }
    }

    // MARK: One guard

    /// What `guardian` releases when these events come. Throws when it refuses the stream, or could not judge and its policy
    /// does not let that pass.
    private func step(
        _ guardian: StreamGuard, _ events: [SSEEvent], isFinal: Bool, _ exchange: Exchange, _ target: Target
    ) async throws(GatewayError) -> [SSEEvent] {
        if guardian.mode == .off || guardian.isOff {
            for event in events { guardian.hold.skip(event) }
            return events
        }
        guardian.arrived(events.count)
        if !events.allSatisfy({ $0.isDone || Self.isJSON($0.data) }) {
            try fail(guardian, exchange, "an event of the stream is not JSON", guardian.use.onFailure)
            return guardian.giveUp() + events
        }
        let released =
            guardian.judgesWhole
            ? try await stepWhole(guardian, events, isFinal: isFinal, exchange, target)
            : try await stepWindows(guardian, events, isFinal: isFinal, exchange, target)
        guardian.left(released.count)
        return released
    }

    private func stepWindows(
        _ guardian: StreamGuard, _ events: [SSEEvent], isFinal: Bool, _ exchange: Exchange, _ target: Target
    ) async throws(GatewayError) -> [SSEEvent] {
        for event in events { guardian.hold.take(event) }
        if isFinal { guardian.hold.finish() }
        while !guardian.isOff, let (key, window) = guardian.hold.nextWindow() {
            try await present(window, key, guardian, exchange, target)
        }
        if let kind = guardian.hold.unseen, !guardian.isOff {
            guardian.verdict = .unseen
            try fail(guardian, exchange, "it does not ask to see \(kind.name)", guardian.use.onFailure, unseen: kind)
        }
        if guardian.mode == .observe {
            _ = guardian.hold.release()
            return events
        }
        if guardian.isOff { return guardian.giveUp() }
        let released = guardian.hold.release()
        if guardian.hold.heldSize > exchange.snapshot.config.limits.upstreamBodyBytes {
            try fail(guardian, exchange, Self.heldTooMuch, guardian.use.onFailure)
            return released + guardian.giveUp()
        }
        return released
    }

    private func stepWhole(
        _ guardian: StreamGuard, _ events: [SSEEvent], isFinal: Bool, _ exchange: Exchange, _ target: Target
    ) async throws(GatewayError) -> [SSEEvent] {
        guardian.keep(events)
        // Who only observes holds nothing back.
        let mayRefuse = guardian.mode == .full
        if guardian.keptBytes > exchange.snapshot.config.limits.upstreamBodyBytes {
            try fail(guardian, exchange, Self.heldTooMuch, guardian.use.onFailure)
            return guardian.giveUp() + (mayRefuse ? [] : events)
        }
        guard isFinal else { return mayRefuse ? [] : events }
        let judged = try await judgeWhole(guardian, exchange, target)
        return mayRefuse ? judged : events
    }

    private static let heldTooMuch = "the stream is longer than limits.upstream_body_bytes"

    func streamFacts(_ exchange: Exchange, _ target: Target, _ response: BodyView?) -> ExchangeFacts {
        ExchangeFacts(
            identity: identity(exchange), model: exchange.attemptModel,
            request: BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true), provider: target.slug,
            target: target.path,
            attempt: exchange.record.attempts.count, attemptCount: exchange.record.attempts.count, response: response,
            status: 200)
    }

    /// Runs on_stream for one window.
    private func present(
        _ window: StreamWindow, _ key: StreamKey, _ guardian: StreamGuard, _ exchange: Exchange, _ target: Target
    ) async throws(GatewayError) {
        let use = guardian.use
        let facts = exchange.streamFacts ?? streamFacts(exchange, target, nil)
        exchange.streamFacts = facts
        let (decision, hookExchange) = await run(
            .stream(window), guardian, exchange, facts, presentedBytes: window.text.count)
        try exchange.checkClient()
        switch decision.verdict {
        case .proceed:
            if !hookExchange.edits.isEmpty { guardian.result.transformed = true }
            guardian.edits += hookExchange.edits.count
            if !guardian.hold.settle(key, window, releasedTo: decision.releasedTo, edits: hookExchange.edits) {
                logger.warning("a guardrail wanted to hold back more than its window", metadata: ["check": "\(use.id)"])
            }
            for report in hookExchange.reports {
                guardian.result.passed = guardian.result.passed && report.passed
                guardian.result.data = report.data ?? guardian.result.data
            }
            exchange.attributes += hookExchange.attributes.map {
                ("plugin.\(use.instance.library.manifest.id).\($0.key)", $0.value)
            }
            if !guardian.result.passed, guardian.stage.denies { throw refused(guardian, exchange) }
        case .deny(let denial): throw refused(guardian, exchange, denial)
        case .answer: try fail(guardian, exchange, "GH_ANSWER is no verdict for on_stream", use.onFailure)
        case .retry: try fail(guardian, exchange, "GH_RETRY is no verdict for on_stream", use.onFailure)
        case .fail(let reason): try fail(guardian, exchange, reason, use.onFailure)
        case .timeout:
            guardian.verdict = .timedOut
            try fail(guardian, exchange, "no verdict within \(use.timeoutMilliseconds) ms", use.onTimeout)
        }
    }

    /// Runs on_response over the assembled answer; its events as they may leave.
    private func judgeWhole(
        _ guardian: StreamGuard, _ exchange: Exchange, _ target: Target
    ) async throws(GatewayError) -> [SSEEvent] {
        var assembler = StreamAssembler(endpoint: exchange.endpoint)
        for event in guardian.kept { assembler.take(event) }
        let use = guardian.use
        guard let body = assembler.finish() else {
            // Without any text there is nothing to judge.
            if guardian.hasText { try fail(guardian, exchange, "the stream makes no answer", use.onFailure) }
            return guardian.giveUp()
        }
        let view = BodyView(body: body, endpoint: exchange.endpoint, isRequest: false)
        let (decision, hookExchange) = await run(
            .response, guardian, exchange, streamFacts(exchange, target, view), presentedBytes: body.count)
        try exchange.checkClient()
        if decision.verdict != .timeout { guardian.wholeCoverage = hookExchange.coverage(.response) }
        switch decision.verdict {
        case .proceed:
            if let count = guardian.coverage.firstUnseen(of: use.demands(of: .after)) {
                guardian.verdict = .unseen
                try fail(
                    guardian, exchange,
                    "it saw \(count.seenBytes) of \(count.presentedBytes) bytes of \(count.kind.name)",
                    use.onFailure, unseen: count.kind)
                return guardian.giveUp()
            }
            guardian.edits += hookExchange.edits.count
            guardian.result.passed = hookExchange.reports.allSatisfy(\.passed)
            guardian.result.data = hookExchange.reports.last?.data
            if !guardian.result.passed, guardian.stage.denies, guardian.mode == .full {
                throw refused(guardian, exchange)
            }
            return try replay(guardian, hookExchange, view, exchange)
        case .deny(let denial):
            guard guardian.mode == .full else {
                guardian.result.passed = false
                return guardian.giveUp()
            }
            throw refused(guardian, exchange, denial)
        case .answer, .retry: try fail(guardian, exchange, "the verdict is not possible on a stream", use.onFailure)
        case .fail(let reason):
            try fail(guardian, exchange, reason, use.policy(onFailureOver: guardian.coverage))
        case .timeout:
            guardian.verdict = .timedOut
            try fail(guardian, exchange, "no verdict within \(use.timeoutMilliseconds) ms", use.onTimeout)
        }
        return guardian.giveUp()
    }

    /// The events that were kept, or others when the guard changed the answer.
    private func replay(
        _ guardian: StreamGuard, _ hookExchange: HookExchange, _ view: BodyView, _ exchange: Exchange
    ) throws(GatewayError) -> [SSEEvent] {
        let changed: Bytes?
        do { changed = try hookExchange.changed(view, .response) } catch {
            try fail(guardian, exchange, "its changes could not be applied: \(error.message)", guardian.use.onFailure)
            return guardian.giveUp()
        }
        guard let changed, guardian.mode == .full else { return guardian.giveUp() }
        let includesUsage = exchange.fields?.includesUsage ?? false
        guard let events = StreamReplay.events(of: changed, exchange.endpoint, includeUsage: includesUsage) else {
            try fail(guardian, exchange, "what it made of the answer is no answer", guardian.use.onFailure)
            return guardian.giveUp()
        }
        guardian.result.transformed = true
        return events
    }

    private func run(
        _ hook: Hook, _ guardian: StreamGuard, _ exchange: Exchange, _ facts: ExchangeFacts, presentedBytes: Int
    ) async -> (Decision, HookExchange) {
        let use = guardian.use
        let hookExchange = exchange.hookExchange(use.instance, facts)
        let deadline = min(Deadline.after(milliseconds: use.timeoutMilliseconds), exchange.deadline)
        let started = MonotonicClock.now()
        if use.breaker?.isOpen == true {
            return (Decision(verdict: .fail("its breaker is open")), hookExchange)
        }
        hookExchange.mode = use.mode
        hookExchange.prepare(facts, deadline: deadline)
        let decision = await runner.run(hook, on: hookExchange, presentedBytes: presentedBytes, by: deadline)
        guardian.result.duration += MonotonicClock.now() - started
        switch decision.verdict {
        case .fail, .timeout: use.breaker?.note(failed: true)
        default: use.breaker?.note(failed: false)
        }
        if decision.verdict == .timeout { exchange.discardHookExchange(use.instance) }
        return (decision, hookExchange)
    }

    private func refused(_ guardian: StreamGuard, _ exchange: Exchange, _ denial: Denial? = nil) -> GatewayError {
        guardian.result.passed = false
        guardian.verdict = .denied
        exchange.record.deniedBy = guardian.use.id
        return GatewayError(
            .guardrailDenied, status: denial.map { $0.status == 0 ? 446 : $0.status } ?? 446,
            denial?.message ?? Self.denialMessage, type: "hooks_failed", code: denial?.code)
    }

    /// The guard could not judge: returns, and the guard is off, where its policy lets the stream go on.
    private func fail(
        _ guardian: StreamGuard, _ exchange: Exchange, _ reason: String, _ policy: FailurePolicy,
        unseen: Segment.Kind? = nil
    ) throws(GatewayError) {
        guardian.result.failure = reason
        guardian.result.passed = !guardian.use.failsOnError
        guardian.isOff = true
        logger.warning(
            "a guardrail could not judge a stream",
            metadata: [
                "check": "\(guardian.use.id)", "reason": "\(reason)", "policy": "\(policy.rawValue)",
                "trace_id": "\(exchange.traceID)",
            ])
        // What has left cannot be called back.
        if policy == .open || (guardian.mode == .observe && guardian.judgesWhole) { return }
        exchange.record.deniedBy = guardian.use.id
        if let unseen {
            throw GatewayError(
                .guardrailDenied, status: 446,
                "The guardrail \(guardian.use.id) cannot read everything in this answer (\(unseen.name)), so it is refused.",
                type: "hooks_failed", code: "coverage_incomplete")
        }
        throw GatewayError(
            .pluginFailed, status: 502,
            "The guardrail \(guardian.use.id) could not judge this answer (trace id \(exchange.traceID)).",
            type: "plugin_error", code: "guardrail_failed")
    }
}

/// True when `needle` is somewhere in `text`.
func bytesContain(_ text: UnsafeRawBufferPointer, _ needle: UnsafeRawBufferPointer) -> Bool {
    linux_memmem(text.baseAddress, text.count, needle.baseAddress, needle.count) != nil
}

/// Where `needle` begins in `text`.
func position(of needle: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer) -> Int? {
    guard let base = text.baseAddress,
        let found = linux_memmem(base, text.count, needle.baseAddress, needle.count)
    else { return nil }
    return base.distance(to: UnsafeRawPointer(found))
}
