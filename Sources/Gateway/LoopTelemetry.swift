// LoopTelemetry: one event loop's part of metrics and access log.

import Core
import Telemetry

/// Confined to its loop.
final class LoopTelemetry {
    private let metrics: LoopMetrics
    let accessLog: any RecordSink
    private var gaps: [String: HistogramCell] = [:]

    init(metrics: LoopMetrics, accessLog: any RecordSink) {
        self.metrics = metrics
        self.accessLog = accessLog
    }

    func connectionOpened() { metrics.connectionOpened() }
    func connectionClosed() { metrics.connectionClosed() }
    func started() { metrics.exchangeStarted() }
    func finished(_ record: ExchangeRecord) { metrics.exchangeFinished(record) }
    func loopStalled() { metrics.loopStalled() }

    /// Where the delays go that a check adds to streams.
    func streamDelays(_ check: String) -> (first: HistogramCell, next: HistogramCell) {
        metrics.streamDelays(check: check)
    }

    /// Where the gaps between the pieces of one provider's streams go.
    func gapCell(_ provider: String) -> HistogramCell {
        if let known = gaps[provider] { return known }
        let cell = metrics.interTokenGaps(provider: provider)
        if gaps.count < 256 { gaps[provider] = cell }
        return cell
    }
}
