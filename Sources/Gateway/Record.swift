// Record: step 9: the access line, the metrics, the row of the request log (KeepRow.swift) and on_done. For refused exchanges, too.

import Config
import Core
import HTTPServer
import Logging
import PluginHost
import Synchronization
import Telemetry
import Wire

extension Worker {
    /// The answer has gone out: how it went is known, but for guards that judge afterwards.
    func close(_ exchange: Exchange) {
        exchange.record.duration = MonotonicClock.now() - exchange.client.startedAt
        exchange.record.bytesOut = exchange.client.bytesSent
        exchange.record.isAborted = exchange.record.isAborted || exchange.isClientGone
        if exchange.isClientGone, !exchange.client.isHeadSent { exchange.record.status = 499 }
        exchange.record.operation = operation(exchange.endpoint)
        exchange.settle()
        let alerts = exchange.accounts.close(exchange.record)
        if !alerts.isEmpty { services.alerts.withLock { $0 += alerts } }
    }

    func record(_ exchange: Exchange) {
        let config = exchange.snapshot.config
        if config.metrics.enabled { telemetry.finished(exchange.record) }
        if config.log.access { telemetry.accessLog.write(exchange.record) }
        if let log = services.requestLog { keepRow(of: exchange, in: log) }
    }

    /// A request that never became an exchange: counted and logged like the others.
    nonisolated func recordRefusal(_ record: ExchangeRecord) {
        // On the loop's thread, which nothing leaves.
        nonisolated(unsafe) let record = record
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

    /// on_done, when nothing is left to judge.
    func finishHooks(_ exchange: Exchange) {
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
}
