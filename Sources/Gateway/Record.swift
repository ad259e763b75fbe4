// Record: step 9: the access line, the metrics, on_done, and guards that run off the path. For refused exchanges, too.

import Config
import Core
import HTTPServer
import Logging
import PluginHost
import Telemetry
import Wire

extension Worker {
    func record(_ exchange: Exchange) {
        exchange.record.duration = MonotonicClock.now() - exchange.client.startedAt
        exchange.record.bytesOut = exchange.client.bytesSent
        exchange.record.isAborted = exchange.record.isAborted || exchange.isClientGone
        if exchange.isClientGone, !exchange.client.isHeadSent { exchange.record.status = 499 }
        exchange.record.operation = operation(exchange.endpoint)
        let config = exchange.snapshot.config
        if config.metrics.enabled { telemetry.finished(exchange.record) }
        if config.log.access { telemetry.accessLog.write(exchange.record) }
        finishHooks(exchange)
        runAsyncGuards(exchange)
    }

    /// A request that never became an exchange: counted and logged like the others.
    nonisolated func recordRefusal(_ record: ExchangeRecord) {
        assumeIsolated { worker in
            let config = worker.snapshot.config
            if config.metrics.enabled {
                worker.telemetry.started()
                worker.telemetry.finished(record)
            }
            if config.log.access { worker.telemetry.accessLog.write(record) }
        }
    }

    private func operation(_ endpoint: Endpoint) -> String? {
        switch endpoint {
        case .chatCompletions, .messages: "chat"
        case .completions: "text_completion"
        case .embeddings: "embeddings"
        case .countTokens, .models, .proxy: nil
        }
    }

    private func finishHooks(_ exchange: Exchange) {
        let used = exchange.usedHookExchanges
        guard !used.isEmpty else { return }
        let facts = ExchangeFacts(
            identity: identity(exchange), model: exchange.attemptModel,
            request: BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true),
            provider: exchange.record.provider,
            target: exchange.record.targetPath, attempt: exchange.record.attempts.count,
            attemptCount: exchange.record.attempts.count,
            status: exchange.record.status)
        for hookExchange in used { hookExchange.finish(facts) }
    }

    /// `async: true`: judged after the answer, for the log and the metrics alone.
    private func runAsyncGuards(_ exchange: Exchange) {
        guard let plan = exchange.plan, exchange.endpoint.hasSegmentTable, !exchange.isClientGone else { return }
        let target = plan.targets.first { $0.path == exchange.record.targetPath }
        let stages = (plan.mandatoryBefore + (target?.before ?? [])).filter(\.isAsync)
        guard !stages.isEmpty else { return }
        Task.immediate(executorPreference: executor) { await judgeAsync(stages, exchange) }
    }

    private func judgeAsync(_ stages: [GuardStage], _ exchange: Exchange) async {
        let facts = ExchangeFacts(
            identity: identity(exchange), model: exchange.attemptModel,
            request: BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true))
        for use in stages.flatMap(\.uses) where use.check.hooks.contains(.request) {
            let hookExchange = HookExchange(instance: use.instance, facts: facts)
            let deadline = Deadline.after(milliseconds: use.timeoutMilliseconds)
            hookExchange.prepare(facts, deadline: deadline)
            hookExchange.present(lastMessageOnly: use.presentsLastOnly)
            let decision = await runner.run(
                .request, on: hookExchange, presentedBytes: exchange.body.count, by: deadline)
            let passed = decision.verdict == .proceed && hookExchange.reports.allSatisfy(\.passed)
            logger.info(
                "a guardrail judged off the path",
                metadata: ["check": "\(use.id)", "verdict": "\(passed)", "trace_id": "\(exchange.traceID)"])
        }
    }
}
