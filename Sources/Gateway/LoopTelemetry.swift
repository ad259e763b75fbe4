// LoopTelemetry: one event loop's part of metrics and access log.

import Core
import Telemetry

/// Confined to its loop.
final class LoopTelemetry {
    private let metrics: LoopMetrics
    let accessLog: AccessLog
    private var gaps: [String: HistogramCell] = [:]

    init(metrics: LoopMetrics, accessLog: AccessLog) {
        self.metrics = metrics
        self.accessLog = accessLog
    }

    func connectionOpened() { metrics.connectionOpened() }
    func connectionClosed() { metrics.connectionClosed() }
    func started() { metrics.exchangeStarted() }
    func finished(_ record: ExchangeRecord) { metrics.exchangeFinished(record) }
    /// A guard whose exchange has been counted.
    func judged(_ check: CheckRecord) { metrics.checkRan(check) }
    func loopStalled() { metrics.loopStalled() }

    /// Where the gaps between the pieces of one provider's streams go.
    func gapCell(_ provider: String) -> HistogramCell {
        if let known = gaps[provider] { return known }
        let cell = metrics.interTokenGaps(provider: provider)
        if gaps.count < 256 { gaps[provider] = cell }
        return cell
    }
}
