// KeepRow: the exchange's row in the request log. The loop hands the finished exchange's facts over; the log's thread makes a row of
// them: cuts what is too long, masks what looks like a secret, leaves out what must not be kept.

import Accounting
import Config
import Core
import Routing
import Store
import Telemetry
import Wire

extension Worker {
    /// Part of step 5.
    func admitToLog(_ exchange: Exchange) throws(GatewayError) {
        guard canLog(exchange) else {
            exchange.isUnlogged = true
            throw GatewayError(
                .overloaded, status: 503,
                "requests are refused while the request log cannot be written; try again in a moment",
                code: "log_unavailable")
        }
        beginTranscript(exchange)
    }

    /// False while rows cannot be written and the operator would rather have no exchanges than unlogged ones.
    func canLog(_ exchange: Exchange) -> Bool {
        guard let log = services.requestLog else { return true }
        return exchange.snapshot.config.store.logLoss == .continue || log.takesRows
    }

    /// The gateway's own pages are no exchanges with anybody.
    func keepRow(of exchange: Exchange, in log: any RequestLog) {
        guard !exchange.isUnlogged else { return }
        switch exchange.recognised {
        case .success(.root), .success(.health), .success(.metrics): return
        case .success(.reserved) where exchange.prompt == nil: return
        default: log.append(FinishedExchange(exchange))
        }
    }
}

/// What is left of an exchange. Sendable because nobody changes the record any more.
private struct FinishedExchange: RequestLogEntry, @unchecked Sendable {
    private let record: ExchangeRecord
    private let plan: Plan?
    private let metadata: [(key: String, value: String)]
    private let parent: String?
    private let span: (id: String?, name: String?)
    private let virtualKey: String?
    private let configOrigin: RequestRow.ConfigOrigin?
    private let config: ConfigSnapshot
    private let policy: StoreSettings.Bodies
    private let request: Bytes?
    private let answer: Bytes?

    init(_ exchange: Exchange) {
        record = exchange.record
        plan = exchange.plan
        metadata = exchange.metadata
        parent = exchange.headers.parentSpanID ?? Self.parent(in: exchange.headers.traceparent)
        span = (exchange.headers.spanID, exchange.headers.spanName)
        virtualKey = record.targetPath.flatMap { path in
            exchange.plan?.targets.first { $0.path == path }?.virtualKey?.slug
        }
        configOrigin = Self.configOrigin(exchange)
        config = exchange.snapshot.config
        policy = exchange.transcript?.policy ?? .none
        request = exchange.transcript?.request
        answer = exchange.transcript?.answer
    }

    var size: Int { 1_024 + (request?.count ?? 0) + (answer?.count ?? 0) }

    /// W3C Trace Context: version "-" trace id "-" parent id "-" flags.
    private static func parent(in traceparent: String?) -> String? {
        guard let parts = traceparent?.split(separator: "-", omittingEmptySubsequences: false), parts.count >= 4,
            parts[2].utf8.count == 16
        else { return nil }
        return String(parts[2])
    }

    private static func configOrigin(_ exchange: Exchange) -> RequestRow.ConfigOrigin? {
        guard let plan = exchange.plan else { return nil }
        if exchange.asked != nil { return plan.configName == nil ? nil : .plugin }
        if let given = exchange.headers.config, !given.isEmpty { return plan.configName == nil ? .request : .header }
        guard let name = plan.configName else { return nil }
        return name == (exchange.key?.config ?? exchange.tenant?.defaultConfig) ? .key : .default
    }

    // MARK: On the log's thread

    func row(id: (_ startedAt: Int64) -> RowID) -> RequestRow {
        var row = RequestRow(
            id: id(record.startedAt), startedAt: record.startedAt,
            workspace: record.workspace.map { Self.clip($0, 128) } ?? "default",
            trace: Self.clip(record.traceID ?? "", 256), endpoint: record.endpoint,
            method: Self.clip(record.method, 32), path: Self.clip(Self.withoutQuery(record.path), 512),
            status: record.status)
        row.parent = parent.map { Self.clip($0, 64) }
        row.span = span.id.map { Self.clip($0, 64) }
        row.spanName = span.name.map { Self.clip($0, 128) }
        row.key = record.principal.map { Self.clip($0, 128) }
        row.askedBy = record.askedBy
        row.model = record.requestModel.map { Self.clip($0, 256) }
        row.isStream = record.isStream
        row.config = plan?.configName
        row.configOrigin = configOrigin
        row.configHash = plan?.configVersion.map { "version \($0)" } ?? String(config.contentHash.prefix(16))
        row.provider = record.provider
        row.virtualKey = virtualKey
        row.responseModel = record.responseModel.map { Self.clip($0, 256) }
        row.target = record.targetPath
        row.route = record.targetPath.flatMap { plan?.route.way(to: $0) }
        row.cache = record.cacheStatus.rawValue
        row.error = record.errorKind?.rawValue
        row.deniedBy = record.deniedBy
        row.isAborted = record.isAborted
        row.attempts = record.attempts.map { attempt in
            RequestRow.Attempt(
                provider: attempt.provider, model: attempt.model.map { Self.clip($0, 256) }, target: attempt.target,
                retry: attempt.retry, status: attempt.status, duration: attempt.duration,
                error: attempt.errorKind?.rawValue)
        }
        if !record.receipts.isEmpty {
            row.receipts = Redaction.scrub(String(Receipt.list(record.receipts, withReason: true)))
        }
        row.duration = record.duration
        row.upstreamDuration = record.upstreamDuration
        row.clientWait = record.clientWait
        row.firstToken = record.timeToFirstToken
        row.bytesIn = record.bytesIn
        row.bytesOut = record.bytesOut
        row.inputTokens = record.inputTokens
        row.outputTokens = record.outputTokens
        row.usage = usage
        row.cost = record.cost?.picodollars
        row.priceVersion = record.cost?.priceVersion
        row.metadata = metadata.prefix(64).map {
            (Self.clip($0.key, 128), Self.clip(Redaction.scrub(Self.clip($0.value, 512)), 512))
        }
        row.bodies = bodies()
        return row
    }

    /// Counts beside the two that have columns; nil where there is nothing to say.
    private var usage: String? {
        let counts = [
            ("cached_tokens", record.cachedTokens), ("cache_write_tokens", record.cacheWriteTokens),
            ("reasoning_tokens", record.reasoningTokens),
        ]
        var members = counts.filter { $0.1 > 0 }.map { ($0.0, JSONValue($0.1)) }
        if record.isUsageEstimated { members.append(("estimated", true)) }
        return members.isEmpty ? nil : JSONValue.object(JSONObject(members)).text
    }

    private func bodies() -> RequestRow.Bodies? {
        guard policy != .none else { return nil }
        // A guard that could not judge, and was let off, may have left in the text what it would have taken out.
        let isRequestSure = policy == .full || !record.receipts.contains { $0.side == .request && $0.leavesDoubt }
        let isAnswerSure = policy == .full || isRequestSure && !record.receipts.contains(where: \.leavesDoubt)
        let kept = (request: isRequestSure ? text(request) : nil, answer: isAnswerSure ? text(answer) : nil)
        guard kept.request != nil || kept.answer != nil else { return nil }
        return RequestRow.Bodies(policy: policy.rawValue, request: kept.request, answer: kept.answer)
    }

    private func text(_ body: Bytes?) -> RequestRow.Bodies.Text? {
        guard let body, !body.isEmpty else { return nil }
        let limit = config.store.bodyBytes
        // A secret that the limit would cut is seen whole.
        let beginning = Redaction.scrub(String(body[0..<min(body.count, limit + 1_024)]))
        return RequestRow.Bodies.Text(bytes: Bytes(Self.clip(beginning, limit)), size: body.count)
    }

    /// The first `limit` bytes, without half a character at the end.
    private static func clip(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.utf8.index(text.utf8.startIndex, offsetBy: limit)
        while end > text.startIndex, UTF8.isContinuation(text.utf8[end]) { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }

    private static func withoutQuery(_ path: String) -> String {
        guard let end = path.utf8.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else {
            return path
        }
        return String(path[..<end])
    }
}

extension Receipt {
    fileprivate var leavesDoubt: Bool {
        mode == .enforced && (verdict == .error || verdict == .timedOut || verdict == .unseen)
    }
}
