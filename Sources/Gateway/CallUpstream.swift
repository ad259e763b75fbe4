// CallUpstream: one attempt at one target: shape, guard, look up, build, send, and wait until it is clear what came back.

import Config
import Core
import Logging
import PluginHost
import Routing
import Telemetry
import Upstream
import Wire

extension Worker {
    /// One attempt. Never throws: what goes wrong is an answer, which the router judges like any other.
    func attempt(_ exchange: Exchange, _ target: Target, _ next: Router.Attempt) async -> AttemptResult {
        let started = MonotonicClock.now()
        var result: AttemptResult
        do throws(GatewayError) {
            result = try await tryTarget(exchange, target, next)
        } catch {
            let answer = answer(for: error, exchange)
            // What this target's limits refuse, another may have room for.
            answer.movesOn = error.kind == .rateLimited || error.kind == .budgetExceeded
            result = .answer(answer)
        }
        exchange.transfer = exchange.isClientGone ? nil : exchange.transfer
        var attempt = AttemptRecord(
            provider: target.slug, model: exchange.attemptModel, target: target.path, retry: next.retry,
            status: result.status,
            duration: MonotonicClock.now() - started)
        if case .answer(let answer) = result { attempt.errorKind = answer.error?.kind }
        exchange.record.attempts.append(attempt)
        return result
    }

    private func tryTarget(_ exchange: Exchange, _ target: Target, _ next: Router.Attempt) async throws(GatewayError)
        -> AttemptResult
    {
        var body = try shape(exchange, target)
        var model = try attemptModel(exchange, target, body)
        exchange.attemptModel = model
        if !target.guards.before.isEmpty, exchange.endpoint.hasSegmentTable {
            let outcome = await runGuards(
                target.guards.before.filter { !$0.runsBeside }, .before, exchange, body: body,
                facts: attemptFacts(exchange, target, model: model, number: next.number))
            try exchange.checkClient()
            switch outcome {
            case .proceed(let changed):
                if changed != body {
                    body = changed
                    // A hook may have changed the model.
                    model = try attemptModel(exchange, target, body)
                    exchange.attemptModel = model
                }
            case .denied(let answer), .answered(let answer): return .answer(answer)
            case .retry(let wanted, _):
                return .retry(
                    answer(
                        for: GatewayError(
                            .pluginFailed, status: 502, "A guardrail could not judge this request.",
                            type: "plugin_error"), exchange), target: wanted)
            }
        }
        if mustGuardFinalBody(exchange, body), let refusal = try await guardFinalBody(exchange, &body) {
            return .answer(refusal)
        }
        exchange.transcript?.passed(request: body)
        let facts = attemptFacts(exchange, target, model: model, number: next.number)(
            BodyView(body: body, endpoint: exchange.endpoint, isRequest: true))
        // Guards of the answer may look at the request, too: one that could be read in two ways is refused before it goes out.
        if exchange.endpoint.answersText,
            !target.guards.after.isEmpty || exchange.plan?.mandatory.after.isEmpty == false
        {
            try facts.request.check()
        }
        let asking = askingForUsage(body, exchange, target)
        let asked =
            asking == body
            ? facts
            : attemptFacts(exchange, target, model: model, number: next.number)(
                BodyView(body: asking, endpoint: exchange.endpoint, isRequest: true))
        let out = try build(exchange, target, body: asking, facts: asked)
        let beside = beginBeside(exchange, target, body: body, facts)
        if let beside, beside.refusesAlready, let refusal = await beside.verdict() { return .answer(refusal) }
        var result: Result<AttemptResult, GatewayError>
        exchange.meter.body = asking
        if let hit = lookUpCache(exchange, target, out, body: out.body ?? asking) {
            result = .success(await guardAnswer(hit, exchange, target, facts))
        } else {
            do throws(GatewayError) {
                try checkOwnership(exchange, target)
                try reserve(exchange, target, body: asking)
                result = .success(try await send(exchange, target, out, body: asking, asked))
            } catch {
                result = .failure(error)
            }
        }
        if let beside, let refusal = await beside.verdict() {
            if case .success(let unwanted) = result { unwanted.discard() }
            return .answer(refusal)
        }
        return try result.get()
    }

    /// The operator's mandatory guards have seen what the client sent. Where the target's parameters or hooks come from
    /// the client's own config and have changed it since, they see what goes out, too.
    private func mustGuardFinalBody(_ exchange: Exchange, _ body: Bytes) -> Bool {
        guard let plan = exchange.plan, plan.isFromRequest, !plan.mandatory.before.isEmpty else { return false }
        return exchange.endpoint.hasSegmentTable && body != exchange.body
    }

    private func guardFinalBody(_ exchange: Exchange, _ body: inout Bytes) async throws(GatewayError) -> Answer? {
        guard let plan = exchange.plan else { return nil }
        let identity = identity(exchange)
        let before = exchange.guardResults.before
        let stages = plan.mandatory.before.filter { !$0.runsBeside }
        let outcome = await runGuards(stages, .before, exchange, body: body) { view in
            ExchangeFacts(identity: identity, model: exchange.attemptModel, request: view)
        }
        try exchange.checkClient()
        switch outcome {
        case .proceed(let judged):
            exchange.guardResults.before = before
            body = judged
            return nil
        case .denied(let answer), .answered(let answer): return answer
        case .retry:
            throw GatewayError(
                .pluginFailed, status: 502, "A mandatory guardrail could not judge this request.", type: "plugin_error")
        }
    }

    private func attemptModel(_ exchange: Exchange, _ target: Target, _ body: Bytes) throws(GatewayError) -> String? {
        let isRead = exchange.endpoint.hasSegmentTable
        // A proxied request without a body asks for no model; one with a body that is not JSON could ask for any.
        if !isRead, target.allowedModels == nil || (body.isEmpty && exchange.upload == nil) { return nil }
        var model = exchange.fields?.model
        if !isRead || body != exchange.body { model = Self.model(in: body) }
        if let allowed = target.allowedModels, !allowed.contains(model ?? "") {
            throw GatewayError(
                .invalidRequest, status: 403,
                "the model \(model ?? "(none)") is not among those that this provider is configured for",
                code: "model_not_allowed", param: "model")
        }
        return model
    }

    /// The top-level "model" of a JSON body; nil when there is none, or more than one.
    private static func model(in body: Bytes) -> String? {
        withExtendedLifetime(body) { (try? JSONValue(parsing: body.buffer))?["model"]?.string }
    }

    // MARK: Sending

    private func send(
        _ exchange: Exchange, _ target: Target, _ out: OutgoingRequest, body: Bytes, _ facts: ExchangeFacts
    ) async throws(GatewayError) -> AttemptResult {
        let source: AnswerSource
        if let canned = out.answer {
            source = AnswerSource(canned: canned, timers: timers, exchange: exchange)
        } else {
            guard out.url.hasPrefix("http://") || out.url.hasPrefix("https://") else {
                throw GatewayError(
                    .invalidConfig, status: 400, "Invalid custom host: it must be an absolute http or https URL")
            }
            var request = try upstreamRequest(exchange, target, out, body: body)
            if let signer = target.signer { request = try await sign(request, by: signer, exchange, target, facts) }
            source = AnswerSource(sent: try start(request, exchange))
        }
        let started = MonotonicClock.now()
        defer { exchange.record.upstreamDuration += MonotonicClock.now() - started }
        do throws(UpstreamFailure) {
            let head = try await source.head(
                by: headDeadline(exchange, target), timeoutMessage: headTimeout(exchange, target))
            return try await take(head, source, exchange, target, out, facts)
        } catch {
            source.cancel()
            // The client's body broke off or grew too large: that is the client's failure, not the upstream's.
            if let uploadError = exchange.uploadError { throw uploadError }
            if let detail = error.detail {
                logger.warning(
                    "\(error.message)",
                    metadata: ["provider": "\(target.slug)", "detail": "\(detail)", "trace_id": "\(exchange.traceID)"])
            }
            return .answer(answer(for: error, exchange, target))
        }
    }

    private func start(_ request: UpstreamRequest, _ exchange: Exchange) throws(GatewayError) -> Transfer {
        do throws(UpstreamFailure) {
            let transfer = try upstream.send(request)
            exchange.transfer = transfer
            return transfer
        } catch {
            if error.kind == .refusedAddress {
                throw GatewayError(.invalidRequest, status: 400, "Invalid custom host: \(error.message)")
            }
            throw GatewayError(.internalError, status: 500, "the request could not be sent", detail: error.message)
        }
    }

    private func requestTimeout(_ exchange: Exchange, _ target: Target) -> Int? {
        target.requestTimeoutMilliseconds ?? exchange.snapshot.config.defaults.requestTimeoutMilliseconds
    }

    private func headDeadline(_ exchange: Exchange, _ target: Target) -> Deadline {
        guard let timeout = requestTimeout(exchange, target) else { return exchange.deadline }
        return min(exchange.deadline, .after(milliseconds: timeout))
    }

    private func headTimeout(_ exchange: Exchange, _ target: Target) -> String {
        guard let timeout = requestTimeout(exchange, target) else {
            return "The request exceeded the gateway's deadline"
        }
        return "Request exceeded the timeout sent in the request: \(timeout)ms"
    }

    /// The head is there: decide what kind of answer this is.
    private func take(
        _ head: UpstreamHead, _ source: AnswerSource, _ exchange: Exchange, _ target: Target, _ out: OutgoingRequest,
        _ facts: ExchangeFacts
    ) async throws(UpstreamFailure) -> AttemptResult {
        guard (200...599).contains(head.status) else {
            throw UpstreamFailure(.invalidAnswer, "the upstream's status \(head.status) is none of HTTP's")
        }
        let contentType = head.value("content-type") ?? ""
        let isEventStream = contentType.hasPrefixIgnoringCase("text/event-stream")
        guard (200...299).contains(head.status) else {
            return .answer(try await errorAnswer(head, source, exchange, target))
        }
        if exchange.endpoint == .proxy || exchange.endpoint == .models {
            // Broken together with its head: there is still time for an error, or for another target.
            if let failure = source.earlyFailure { throw failure }
            if let owned = try await ownedAnswer(head, source, exchange, target) { return owned }
            return .relay(OpenRelay(head: head, transfer: source, deadline: exchange.deadline))
        }
        if isEventStream || (exchange.isStream && out.framing == .jsonLines) {
            return try await openStream(head, source, exchange, target, out, facts)
        }
        let body = try await source.body(
            limit: exchange.snapshot.config.limits.upstreamBodyBytes, by: exchange.deadline,
            timeoutMessage: "The request exceeded the gateway's deadline")
        return await canonicalAnswer(head, body, exchange, target, out, facts)
    }

    // MARK: Whole answers

    private func canonicalAnswer(
        _ head: UpstreamHead, _ body: Bytes, _ exchange: Exchange, _ target: Target, _ out: OutgoingRequest,
        _ facts: ExchangeFacts
    ) async -> AttemptResult {
        var json = body
        if !out.isPassthrough, let hookExchange = exchange.providerExchange {
            hookExchange.prepare(facts, deadline: exchange.deadline)
            switch target.provider.mapResponse(hookExchange, status: head.status, headers: head.headers, body: body) {
            case .json(let mapped): json = mapped
            case .invalid: return .answer(invalidAnswer(body, exchange, target))
            }
        }
        guard Self.isJSONObject(json) else { return .answer(invalidAnswer(body, exchange, target)) }
        let answer = Answer(
            status: head.status, contentType: "application/json", headers: Self.relayed(head.headers), body: json)
        answer.isCanonical = true
        if !isGuarded(exchange, target) {
            noteFacts(of: answer.body, exchange)
            storeInCache(answer, exchange, target)
            exchange.transcript?.passed(answer: answer.body)
            return .answer(answer)
        }
        return await guardAnswer(answer, exchange, target, facts)
    }

    /// Somebody judges the answer, or puts back what was taken from the request.
    private func isGuarded(_ exchange: Exchange, _ target: Target) -> Bool {
        guard exchange.endpoint.answersText else { return false }
        let mandatory = exchange.plan?.mandatory
        return !target.guards.after.isEmpty || !target.guards.restorers.isEmpty
            || mandatory?.after.isEmpty == false || mandatory?.restorers.isEmpty == false
    }

    private static func isJSONObject(_ body: Bytes) -> Bool {
        withExtendedLifetime(body) {
            var reader = JSONReader(body.buffer)
            reader.skipSpace()
            guard reader.current == UInt8(ascii: "{") else { return false }
            return (try? reader.skipValue()) != nil && (try? reader.finish()) != nil
        }
    }

    /// 7g. The answer's hooks, then its place in the cache.
    func guardAnswer(_ answer: Answer, _ exchange: Exchange, _ target: Target, _ facts: ExchangeFacts) async
        -> AttemptResult
    {
        noteFacts(of: answer.body, exchange)
        let stages = !exchange.endpoint.answersText ? [] : (exchange.plan?.mandatory.after ?? []) + target.guards.after
        if !stages.isEmpty {
            let status = answer.status
            let headers = answer.headers
            let answerFacts = AnswerFacts(reading: answer.body)
            let outcome = await runGuards(stages, .after, exchange, body: answer.body) { view in
                ExchangeFacts(
                    identity: facts.identity, model: facts.model, request: facts.request, provider: facts.provider,
                    target: facts.target,
                    attempt: facts.attempt, attemptCount: facts.attemptCount, response: view, responseHeaders: headers,
                    status: status,
                    usage: answerFacts.usage, finishReason: answerFacts.finishReason)
            }
            switch outcome {
            case .proceed(let body): answer.body = body
            case .denied(let refusal): return .answer(refusal)
            case .answered(let other): return .answer(other)
            case .retry(let wanted, let body):
                answer.body = body
                exchange.guardResults.after = []
                return .retry(answer, target: wanted)
            }
        }
        if answer.isCanonical { storeInCache(answer, exchange, target) }
        exchange.transcript?.passed(answer: answer.body)
        if let refusal = await restore(answer, exchange, target, facts) { return .answer(refusal) }
        return .answer(answer)
    }

    func noteFacts(of body: Bytes, _ exchange: Exchange) {
        let facts = AnswerFacts(reading: body)
        if exchange.record.cacheStatus != .hit { exchange.meter.isAnswered = true }
        exchange.meter(answer: body, facts)
        if let usage = facts.usage {
            exchange.record.inputTokens = usage.prompt
            exchange.record.outputTokens = usage.completion
        }
        if let model = facts.model { exchange.record.responseModel = model }
    }

    // MARK: Failures

    /// A non-2xx answer, in the OpenAI shape (specification, §7.3) or, on Messages, in its own.
    private func errorAnswer(
        _ head: UpstreamHead, _ source: AnswerSource, _ exchange: Exchange, _ target: Target
    ) async throws(UpstreamFailure) -> Answer {
        if exchange.endpoint == .proxy || exchange.endpoint == .models {
            let body = try await source.body(
                limit: exchange.snapshot.config.limits.upstreamBodyBytes, by: exchange.deadline,
                timeoutMessage: "The request exceeded the gateway's deadline")
            return Answer(
                status: head.status, contentType: head.value("content-type") ?? "application/octet-stream",
                headers: Self.relayed(head.headers), body: body,
                error: GatewayError(.upstreamError, status: head.status, "the upstream answered \(head.status)"))
        }
        let body = try await source.body(
            limit: exchange.snapshot.config.limits.upstreamBodyBytes, by: exchange.deadline,
            timeoutMessage: "The request exceeded the gateway's deadline")
        return mappedError(head, body, exchange, target)
    }

    func mappedError(_ head: UpstreamHead, _ body: Bytes, _ exchange: Exchange, _ target: Target) -> Answer {
        var error: GatewayError
        if let hookExchange = exchange.providerExchange,
            let failure = target.provider.mapError(hookExchange, status: head.status, headers: head.headers, body: body)
        {
            error = GatewayError(
                .upstreamError, status: head.status,
                "\(target.slug) error: \(failure.message ?? "status \(head.status)")",
                type: failure.type, code: failure.code, param: failure.param)
        } else {
            error = GatewayError(
                .upstreamError, status: head.status,
                "Invalid response received from \(target.slug): \(Self.excerpt(body))")
        }
        if error.type == nil { error.type = "upstream_error" }
        let answer = Answer(
            status: head.status, contentType: "application/json",
            headers: Self.relayed(head.headers), body: providerError(error, target, exchange), error: error)
        if exchange.isClientGone { answer.failure = .transport }
        return answer
    }

    private func invalidAnswer(_ body: Bytes, _ exchange: Exchange, _ target: Target) -> Answer {
        let error = GatewayError(
            .upstreamInvalid, status: 502, "Invalid response received from \(target.slug): \(Self.excerpt(body))",
            type: "upstream_error")
        return Answer(
            status: 502, contentType: "application/json", body: providerError(error, target, exchange), error: error)
    }

    func answer(for failure: UpstreamFailure, _ exchange: Exchange, _ target: Target) -> Answer {
        let error: GatewayError
        switch failure.kind {
        case .timeout:
            error = GatewayError(.timeout, status: 408, failure.message, type: "timeout_error")
        case .refusedAddress:
            error = GatewayError(.invalidRequest, status: 400, "Invalid custom host: \(failure.message)")
        case .cancelled: error = GatewayError(.clientTimeout, status: 499, "the client closed the connection")
        case .tooLarge, .invalidAnswer:
            error = GatewayError(
                .upstreamInvalid, status: 502, "\(target.slug) error: \(failure.message)", type: "upstream_error")
        case .internalError: error = GatewayError(.internalError, status: 500, failure.message)
        case .unresolved, .unreachable, .tls, .cut:
            error = GatewayError(
                .upstreamUnreachable, status: 502, "\(target.slug) error: \(failure.message)", type: "upstream_error")
        }
        let body =
            failure.kind == .timeout || failure.kind == .refusedAddress
            ? ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID)
            : providerError(error, target, exchange)
        let answer = Answer(status: error.status, contentType: "application/json", body: body, error: error)
        switch failure.kind {
        case .timeout: answer.failure = .timeout
        case .unresolved, .unreachable, .tls: answer.failure = .connect
        case .cut, .invalidAnswer, .tooLarge: answer.failure = .transport
        case .refusedAddress, .cancelled, .internalError: break
        }
        return answer
    }

    /// The error's body with the provider's name beside it.
    private func providerError(_ error: GatewayError, _ target: Target, _ exchange: Exchange) -> Bytes {
        let body = ErrorShape.body(error, for: exchange.endpoint, requestID: exchange.traceID)
        return (try? JSONEditor.merge(body, [("provider", JSONString.quoted(target.slug))])) ?? body
    }

    /// What of a body that makes no sense is shown: at most 500 bytes of it.
    private static func excerpt(_ body: Bytes) -> String {
        if body.isEmpty { return "an empty body" }
        let end = UTF8Check.boundary(body.buffer, at: min(500, body.count))
        return String(body[0..<end]) + (body.count > end ? "…" : "")
    }

    // MARK: on_error

    /// The hooks for a failed attempt. They may change the answer, or ask for another attempt.
    func runErrorHooks(
        _ exchange: Exchange, _ target: Target, _ next: Router.Attempt, _ result: inout AttemptResult,
        _ outcome: inout AttemptOutcome,
        isFinal: Bool
    ) async {
        guard case .answer(let answer) = result, answer.error?.kind != .guardrailDenied else { return }
        let uses = target.guards.onError + (exchange.plan?.mandatory.onError ?? [])
        guard !uses.isEmpty else { return }
        let failure = PluginFailureInfo(
            status: answer.status,
            isRetryable: answer.failure != nil || [408, 429, 500, 502, 503, 504, 529].contains(answer.status),
            isFinal: isFinal,
            isTransport: answer.failure != nil, type: answer.error?.type, code: answer.error?.code,
            param: answer.error?.param,
            message: answer.error?.message)
        let facts = attemptFacts(exchange, target, model: exchange.attemptModel, number: next.number)(
            BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true))
        for use in uses {
            let hookExchange = exchange.hookExchange(use.instance, facts)
            let deadline = Deadline.after(milliseconds: use.timeoutMilliseconds)
            hookExchange.prepare(facts, deadline: deadline)
            let decision = await runner.run(.error(failure), on: hookExchange, presentedBytes: 0, by: deadline)
            switch decision.verdict {
            case .proceed: continue
            case .retry(let wanted):
                do throws(GatewayError) { try keepRequest(of: hookExchange, exchange) } catch {
                    logger.warning(
                        "\(error.message)", metadata: ["check": "\(use.id)", "trace_id": "\(exchange.traceID)"])
                    continue
                }
                outcome.verdict = .retry(target: wanted)
                return
            case .answer(let plugin):
                result = .answer(Answer(plugin: plugin))
                outcome = AttemptOutcome(status: plugin.status)
                return
            case .deny(let denial):
                let error = GatewayError(
                    .upstreamError, status: denial.status == 0 ? answer.status : denial.status,
                    denial.message ?? answer.error?.message ?? "failed",
                    code: denial.code)
                result = .answer(self.answer(for: error, exchange))
                return
            case .fail, .timeout:
                if decision.verdict == .timeout { exchange.discardHookExchange(use.instance) }
                logger.warning(
                    "an on_error hook failed", metadata: ["check": "\(use.id)", "trace_id": "\(exchange.traceID)"])
            }
        }
    }
}
