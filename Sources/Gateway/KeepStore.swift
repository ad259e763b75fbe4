// KeepStore: the request log over the gateway's life: opened at the start, told about new settings, closed at the end; what it has to
// say goes to the log and the metrics.

import Config
import Core
import Logging
import PluginHost
import Store
import Telemetry

extension Gateway {
    static func openRequestLog(_ config: StoreSettings, _ logger: Logger) throws(StartError) -> (any RequestLog)? {
        guard let path = config.path else { return nil }
        var settings = SQLiteRequestLog.Settings(path: path)
        settings.queueRows = config.queueRows
        settings.queueBytes = config.queueBytes
        settings.retention = Retention(config)
        do throws(StoreError) {
            return try SQLiteRequestLog(settings) { notice in
                switch notice {
                case .failing(let reason, let waiting):
                    logger.error(
                        "the request log cannot be written; it is tried again",
                        metadata: ["reason": "\(reason)", "waiting": "\(waiting)"])
                case .lost(let rows):
                    logger.error("rows of the request log were lost", metadata: ["rows": "\(rows)"])
                case .recovered(let waiting):
                    logger.notice("the request log is written again", metadata: ["waiting": "\(waiting)"])
                }
            }
        } catch { throw StartError(message: "/store/path: \(error.message)") }
    }

    /// After a reload. Policies are read from each exchange's snapshot; the file and the queue stay as they are.
    func adoptStore(_ config: StoreSettings, previous: StoreSettings) {
        if config.path != previous.path || config.queueRows != previous.queueRows
            || config.queueBytes != previous.queueBytes
        {
            services.logger.warning("another path or queue of the store takes effect with the next start")
        }
        services.requestLog?.keep(Retention(config))
    }

    func closeRequestLog() async {
        guard let log = services.requestLog else { return }
        await ControlThread.call { log.shutDown(milliseconds: 5_000) }
    }
}

extension Retention {
    fileprivate init(_ config: StoreSettings) {
        self.init(
            maximumAge: config.retentionDays == 0 ? nil : config.retentionDays * 86_400,
            maximumBytes: config.maximumBytes == 0 ? nil : config.maximumBytes)
    }
}

extension GatewayMetrics {
    /// Shows how the request log fares. Call it once.
    func watch(_ log: any RequestLog) {
        registry.counter("gatehouse_store_rows_written_total", "Rows that the request log has written.") {
            Double(log.statistics.written)
        }
        registry.counter(
            "gatehouse_store_rows_lost_total", "Rows of the request log that found no room, or were refused."
        ) { Double(log.statistics.lost) }
        registry.counter("gatehouse_store_rows_removed_total", "Rows that were too old or too many.") {
            Double(log.statistics.removed)
        }
        registry.counter("gatehouse_store_failures_total", "Attempts of the request log to write that failed.") {
            Double(log.statistics.failures)
        }
        registry.gauge("gatehouse_store_queue_rows", "Rows that wait to be written.") {
            Double(log.statistics.waiting)
        }
        registry.gauge("gatehouse_store_writable", "1 while rows can be written and have room.") {
            log.takesRows ? 1 : 0
        }
    }
}
