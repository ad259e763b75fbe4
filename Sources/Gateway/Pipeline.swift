// Pipeline: the data path, readable from top to bottom. Each step is a file named for its verb; "Life of a Request" in the
// documentation follows this table.

import Config
import Core
import HTTPServer
import Logging
import PluginHost
import Routing
import Telemetry
import Upstream
import Wire

extension Worker {
    /// One exchange, from the complete head (1) to the record (9).
    func run(_ exchange: Exchange) async {
        trace(exchange)
        do throws(GatewayError) {
            // 2. What is asked for; the gateway's own pages end here.
            guard let endpoint = try await serveOwnPage(exchange) else { return finish(exchange) }
            exchange.endpoint = endpoint
            // 3. Who asks.
            if let refusal = exchange.refusal { throw refusal }
            if exchange.key?.maySend == false {
                throw GatewayError(
                    .forbidden, status: 403, "this key lacks the permission completions.write",
                    type: "permission_error", code: "permission_denied", param: "completions.write")
            }
            // 4. What the config says for it.
            try readRequest(exchange)
            if try listModels(exchange) { return finish(exchange) }
            let plan = try await resolvePlan(exchange)
            exchange.plan = plan
            // 5. The caller's rate limits, the deadline, and whether a row can be kept.
            try admit(exchange)
            // 6. The operator's mandatory request guards, on what the client sent.
            if !plan.mandatory.isEmpty, let refusal = try await guardRequest(exchange, plan) {
                write(refusal, exchange)
            } else {
                // 7. Attempts.
                try await attempt(exchange, plan)
            }
        } catch {
            exchange.record.errorKind = error.kind
            write(answer(for: error, exchange), exchange)
            if let detail = error.detail {
                logger.warning(
                    "\(error.message)", metadata: ["detail": "\(detail)", "trace_id": "\(exchange.traceID)"])
            }
        }
        // 9. For refused exchanges, too.
        close(exchange)
        if !exchange.aside.isEmpty { await judgeAside(exchange) }
        record(exchange)
        finishHooks(exchange)
    }

    private func finish(_ exchange: Exchange) {
        close(exchange)
        record(exchange)
    }

    private func admit(_ exchange: Exchange) throws(GatewayError) {
        try admitRates(exchange)
        try admitToLog(exchange)
        exchange.deadline = .after(milliseconds: exchange.snapshot.config.limits.requestDeadlineMilliseconds)
    }

    /// Step 6. The answer when a mandatory guard ends the exchange.
    func guardRequest(_ exchange: Exchange, _ plan: Plan) async throws(GatewayError) -> Answer? {
        guard !plan.mandatory.isEmpty else { return nil }
        try refuseUnscannable(exchange, plan)
        guard exchange.endpoint.hasSegmentTable else { return nil }
        let identity = identity(exchange)
        let stages = plan.mandatory.before.filter { !$0.runsBeside }
        let outcome = await runGuards(stages, .before, exchange, body: exchange.body) { view in
            ExchangeFacts(identity: identity, model: exchange.fields?.model, request: view)
        }
        try exchange.checkClient()
        switch outcome {
        case .proceed(let body):
            if body != exchange.body { try replaceBody(body, exchange) }
            return nil
        case .denied(let answer), .answered(let answer): return answer
        case .retry:
            throw GatewayError(
                .pluginFailed, status: 502, "A mandatory guardrail could not judge this request.", type: "plugin_error")
        }
    }

    /// Step 7: attempts, until the router is content or has nothing left.
    func attempt(_ exchange: Exchange, _ plan: Plan) async throws(GatewayError) {
        var router = Router(
            plan.route, breakers: services.breakers, sticky: services.sticky,
            maximumExtraAttempts: exchange.snapshot.config.limits.guardRetries)
        let lookup = routingLookup(exchange)
        var action = try routing { () throws(RoutingError) in
            try router.start(lookup: lookup, random: &random, now: MonotonicClock.now())
        }
        while case .attempt(let next) = action {
            if next.delay > 0 { await timers.sleep(nanoseconds: next.delay, exchange) }
            try exchange.checkClient()
            let target = plan.targets[next.target]
            exchange.begin(next, target)
            if exchange.hasOtherBody, let refusal = try await takeRequest(exchange, plan) {
                return write(refusal, exchange)
            }
            var result = await attempt(exchange, target, next)
            try exchange.checkClient()
            var outcome = outcome(of: result)
            // What the client would get is what the router judges.
            if outcome.status == 200, exchange.guardResults.hasSoftFailure { outcome.status = 246 }
            let isOutOfAttempts = next.number >= exchange.snapshot.config.limits.attempts
            if outcome.verdict == nil || outcome.verdict == .moveOn, isFailure(result) {
                let isFinal =
                    isOutOfAttempts || exchange.deadline.hasPassed() || exchange.upload?.isSpent == true
                    || router.isLast(after: outcome, now: MonotonicClock.now())
                await runErrorHooks(exchange, target, next, &result, &outcome, isFinal: isFinal)
            }
            let now = MonotonicClock.now()
            action = try routing { () throws(RoutingError) in
                try router.finish(outcome, lookup: lookup, random: &random, now: now)
            }
            switch action {
            case .attempt(let upcoming)
            where isOutOfAttempts || exchange.deadline.remaining() <= upcoming.delay || exchange.upload?.isSpent == true:
                // There is no time for another attempt, or no body, or there were enough: this one's answer has to do.
                if isOutOfAttempts {
                    logger.notice(
                        "no more attempts: limits.attempts is \(next.number)",
                        metadata: ["trace_id": "\(exchange.traceID)"])
                }
                exchange.routeTaken = RouteTaken(path: target.path, retryCount: -1, provider: target.slug)
                if case .retry = result { result = exhausted(result, exchange) }
                return await deliver(result, exchange, target, plan)
            case .attempt where exchange.upload != nil:
                // A body that was streamed has gone: there is no second attempt.
                exchange.routeTaken = RouteTaken(path: target.path, retryCount: next.retry, provider: target.slug)
                return await deliver(result, exchange, target, plan)
            case .attempt: result.discard()
            case .finish(let finish):
                exchange.routeTaken = RouteTaken(
                    path: finish.path, retryCount: finish.retryCount, provider: target.slug)
                if finish.reason == .retryUnavailable { result = exhausted(result, exchange) }
                await deliver(result, exchange, target, plan)
            }
        }
    }

    /// A guard did not want the client to have this answer, and there is no other.
    private func exhausted(_ result: AttemptResult, _ exchange: Exchange) -> AttemptResult {
        switch result {
        case .answer(let answer) where !answer.isSuccess: return result
        case .retry(let answer, _) where answer.error != nil: return .answer(answer)
        default:
            result.discard()
            return .answer(
                self.answer(
                    for: GatewayError(.guardrailDenied, status: 446, Self.denialMessage, type: "hooks_failed"), exchange
                ))
        }
    }

    private func routing<Value>(_ body: () throws(RoutingError) -> Value) throws(GatewayError) -> Value {
        do throws(RoutingError) { return try body() } catch {
            throw GatewayError(.invalidConfig, status: 400, error.message)
        }
    }

    private func outcome(of result: AttemptResult) -> AttemptOutcome {
        switch result {
        case .answer(let answer):
            var outcome = AttemptOutcome(status: answer.status)
            switch answer.failure {
            case .connect: outcome.failure = .connect
            case .transport: outcome.failure = .transport
            case .timeout: outcome.failure = .timeout
            case nil: break
            }
            outcome.retryAfter = retryAfter(answer.headers)
            if answer.movesOn { outcome.verdict = .moveOn }
            return outcome
        case .retry(_, let target): return AttemptOutcome(status: 446, verdict: .retry(target: target))
        case .stream, .relay: return AttemptOutcome(status: result.status)
        }
    }

    private func isFailure(_ result: AttemptResult) -> Bool {
        if case .answer(let answer) = result { return !answer.isSuccess && answer.status != 446 }
        return !(200...299).contains(result.status)
    }

    private func retryAfter(_ headers: [(name: String, value: String)]) -> RetryAfter? {
        func value(_ name: StaticString) -> String? { headers.first { $0.name.equalsIgnoringCase(name) }?.value }
        let plain = value("retry-after")
        let milliseconds = value("retry-after-ms")
        let microsoft = value("x-ms-retry-after-ms")
        guard plain != nil || milliseconds != nil || microsoft != nil else { return nil }
        return RetryAfter(
            milliseconds: milliseconds, microsoftMilliseconds: microsoft, secondsOrDate: plain,
            receivedAt: WallClock.now())
    }

    private func routingLookup(_ exchange: Exchange) -> RoutingLookup {
        let body = exchange.body
        let metadata = exchange.metadata
        let path = exchange.pathText
        return { root, names in
            switch root {
            case "metadata":
                guard names.count == 1 else { return nil }
                return metadata.first { $0.key == names[0] }.map { .string($0.value) }
            case "params":
                guard let range = JSONPointer(names).find(in: body.buffer) else { return nil }
                return try? JSONValue(parsing: body[range])
            case "url": return names == ["pathname"] ? .string(path) : nil
            default: return nil
            }
        }
    }
}

/// What the response headers say of the route.
struct RouteTaken {
    var path: String
    var retryCount: Int
    var provider: String
}

/// How one attempt came out.
enum AttemptResult {
    /// A whole answer, good or bad.
    case answer(Answer)
    /// A guard wants another attempt; the answer stands if there is none.
    case retry(Answer, target: String?)
    /// A canonical event stream whose first event has come.
    case stream(OpenStream)
    /// A body that is passed on unread.
    case relay(OpenRelay)

    var status: Int {
        switch self {
        case .answer(let answer), .retry(let answer, _): answer.status
        case .stream(let stream): stream.status
        case .relay(let relay): relay.head.status
        }
    }

    /// The answer is not wanted: its connection is closed.
    func discard() {
        switch self {
        case .answer, .retry: break
        case .stream(let stream): stream.source.cancel()
        case .relay(let relay): relay.transfer.cancel()
        }
    }
}
