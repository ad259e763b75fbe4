// AccessLog: one line for each exchange, refused ones included.
//
// A line says who asked for what, where it went, how long it took and how it ended. It never has a body, a header, a
// key, or a query. What is not known is left out, but for cost_usd, which is null: no cost must be taken for none.

import Accounting
import Core

/// Where the records of exchanges go, each once, when its exchange is over.
package protocol RecordSink: Sendable {
    func write(_ record: ExchangeRecord)
}

package final class AccessLog: RecordSink {
    package let format: LogFormat
    private let writer: LogWriter
    private let channel: LogChannel

    /// One for each event loop, each with a channel of its own.
    package init(writer: LogWriter, format: LogFormat? = nil) {
        self.writer = writer
        self.format = format ?? writer.format
        channel = writer.channel()
    }

    package func write(_ record: ExchangeRecord) {
        switch format {
        case .json: channel.line { Self.json(record, into: &$0) }
        case .text: channel.line { Self.text(record, into: &$0) }
        }
    }

    // MARK: JSON

    static func json(_ record: ExchangeRecord, into line: inout LogBuffer) {
        line.append("{\"time\":\"")
        line.append(timestamp: record.startedAt)
        line.append("\",\"method\":\"")
        line.append(json: record.method, limit: 32)
        line.append("\",\"path\":\"")
        line.append(json: withoutQuery(record.path))
        line.append("\",\"status\":")
        line.append(decimal: record.status)
        line.append(",\"duration_ms\":")
        line.append(milliseconds: record.duration)
        if !record.attempts.isEmpty {
            line.append(",\"upstream_ms\":")
            line.append(milliseconds: record.upstreamDuration)
        }
        if let first = record.timeToFirstToken {
            line.append(",\"ttft_ms\":")
            line.append(milliseconds: first)
        }
        line.append(",\"bytes_in\":")
        line.append(decimal: record.bytesIn)
        line.append(",\"bytes_out\":")
        line.append(decimal: record.bytesOut)
        line.append(record.isStream ? ",\"stream\":true" : ",\"stream\":false")
        if record.isAborted { line.append(",\"aborted\":true") }
        line.field(",\"endpoint\":\"", record.endpoint)
        line.field(",\"provider\":\"", record.provider)
        line.field(",\"model\":\"", record.requestModel)
        if let model = record.responseModel, model != record.requestModel {
            line.field(",\"response_model\":\"", model)
        }
        line.field(",\"target\":\"", record.targetPath)
        line.append(",\"attempts\":")
        line.append(decimal: record.attempts.count)
        if record.cacheStatus != .disabled { line.field(",\"cache\":\"", record.cacheStatus.rawValue) }
        line.field(",\"trace_id\":\"", record.traceID)
        line.field(",\"workspace\":\"", record.workspace)
        line.field(",\"principal\":\"", record.principal)
        line.field(",\"asked_by\":\"", record.askedBy)
        line.number(",\"input_tokens\":", record.inputTokens)
        line.number(",\"output_tokens\":", record.outputTokens)
        if record.cachedTokens > 0 { line.number(",\"cached_tokens\":", record.cachedTokens) }
        if record.cacheWriteTokens > 0 { line.number(",\"cache_write_tokens\":", record.cacheWriteTokens) }
        if record.reasoningTokens > 0 { line.number(",\"reasoning_tokens\":", record.reasoningTokens) }
        if record.isUsageEstimated { line.append(",\"usage_estimated\":true") }
        if let cost = record.cost {
            line.append(",\"cost_usd\":")
            line.append(text: cost.usd)
            line.field(",\"price_version\":\"", cost.priceVersion)
        } else {
            line.append(",\"cost_usd\":null")
        }
        if let kind = record.errorKind { line.field(",\"error\":\"", kind.rawValue) }
        line.field(",\"denied_by\":\"", record.deniedBy)
        line.field(",\"client\":\"", record.clientAddress)
        if !record.receipts.isEmpty {
            line.append(",\"receipts\":")
            let receipts = Receipt.list(record.receipts, withReason: true)
            withExtendedLifetime(receipts) { line.append(receipts.buffer.bindMemory(to: UInt8.self)) }
        }
        line.append("}\n")
    }

    // MARK: Text

    static func text(_ record: ExchangeRecord, into line: inout LogBuffer) {
        line.append(timestamp: record.startedAt)
        line.append(UInt8(ascii: " "))
        line.append(decimal: record.status)
        line.append(UInt8(ascii: " "))
        line.append(text: record.method, limit: 32)
        line.append(UInt8(ascii: " "))
        line.append(text: withoutQuery(record.path))
        line.append(UInt8(ascii: " "))
        line.append(milliseconds: record.duration)
        line.append("ms")
        if !record.attempts.isEmpty {
            line.append(" upstream=")
            line.append(milliseconds: record.upstreamDuration)
            line.append("ms")
        }
        if let first = record.timeToFirstToken {
            line.append(" ttft=")
            line.append(milliseconds: first)
            line.append("ms")
        }
        line.append(" in=")
        line.append(decimal: record.bytesIn)
        line.append(" out=")
        line.append(decimal: record.bytesOut)
        if record.isStream { line.append(" stream") }
        if record.isAborted { line.append(" aborted") }
        line.word(" endpoint=", record.endpoint)
        line.word(" provider=", record.provider)
        line.word(" model=", record.requestModel)
        line.word(" target=", record.targetPath)
        if record.attempts.count > 1 {
            line.append(" attempts=")
            line.append(decimal: record.attempts.count)
        }
        if record.cacheStatus != .disabled { line.word(" cache=", record.cacheStatus.rawValue) }
        line.number(" input_tokens=", record.inputTokens)
        line.number(" output_tokens=", record.outputTokens)
        if record.isUsageEstimated { line.append(" usage=estimated") }
        line.word(" cost_usd=", record.cost?.usd)
        if let kind = record.errorKind { line.word(" error=", kind.rawValue) }
        line.word(" denied_by=", record.deniedBy)
        if !record.receipts.isEmpty {
            line.word(" guards=", record.receipts.map { "\($0.check):\($0.verdict.rawValue)" }.joined(separator: ","))
        }
        line.word(" workspace=", record.workspace)
        line.word(" principal=", record.principal)
        line.word(" asked_by=", record.askedBy)
        line.word(" trace=", record.traceID)
        line.word(" client=", record.clientAddress)
        line.append(UInt8(ascii: "\n"))
    }

    /// Whoever filled the record should have cut it already.
    private static func withoutQuery(_ path: String) -> String {
        guard let end = path.utf8.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else {
            return path
        }
        return String(path[..<end])
    }
}

extension LogBuffer {
    fileprivate mutating func field(_ name: StaticString, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        append(name)
        append(json: value, limit: 256)
        append(UInt8(ascii: "\""))
    }

    fileprivate mutating func word(_ name: StaticString, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        append(name)
        append(text: value, limit: 256)
    }

    fileprivate mutating func number(_ name: StaticString, _ value: Int?) {
        guard let value else { return }
        append(name)
        append(decimal: value)
    }
}
