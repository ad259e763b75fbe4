// LoopMetrics: records exchanges for one event loop.
//
// The cells that an exchange needs are found by few look-ups in tables of the loop's own; after that, recording is
// plain adds. The tables are bounded as the families are.

import Accounting
import Core

/// Confined to its event loop's thread: every method must be called there.
package final class LoopMetrics: @unchecked Sendable {
    private let metrics: GatewayMetrics
    private let loop: Int
    private let connections: GaugeCell
    private let inFlight: GaugeCell
    private let aborted: CounterCell
    private let stalls: CounterCell
    private let cache: [CounterCell]

    private var endpoints = LabelTable<EndpointCells>(limit: tableLimit)
    private var providers = LabelTable<ProviderCells>(limit: tableLimit)
    /// By operation, provider and model, as the exchange has them.
    private var operations = LabelTable<OperationCells>(limit: tableLimit * 2)
    private var checks = LabelTable<CheckCells>(limit: tableLimit)
    /// By provider and model.
    private var spendings = LabelTable<SpendingCells>(limit: tableLimit * 2)

    /// About as many entries as a family has series: a table that is full says "other" for all that is new.
    private static let tableLimit = 256

    init(_ metrics: GatewayMetrics, loop: Int) {
        self.metrics = metrics
        self.loop = loop
        connections = metrics.openConnections.cell(loop: loop)
        inFlight = metrics.inFlight.cell(loop: loop)
        aborted = metrics.aborted.cell(loop: loop)
        stalls = metrics.loopStalls.cell(loop: loop)
        cache = ExchangeRecord.CacheStatus.allCases.map { status in
            metrics.cache.cell(loop: loop, [status.rawValue.lowercased().replacingSpaces])
        }
    }

    package func connectionOpened() { connections.add(1) }
    package func connectionClosed() { connections.add(-1) }
    package func exchangeStarted() { inFlight.add(1) }
    package func loopStalled() { stalls.add() }

    /// Where the gaps of one stream go. Ask once for each stream, then observe each gap.
    package func interTokenGaps(provider: String) -> HistogramCell { cells(provider: provider).interToken }

    /// Where the delays go that a check adds to streams: to their first piece, and to the others. Ask once for each stream.
    package func streamDelays(check: String) -> (first: HistogramCell, next: HistogramCell) {
        let cells = cells(check: check)
        return (cells.firstDelay, cells.delay)
    }

    /// Records everything about an exchange that `exchangeStarted` began.
    package func exchangeFinished(_ record: ExchangeRecord) {
        inFlight.add(-1)
        if record.isAborted { aborted.add() }
        if record.cacheStatus != .disabled { cache[record.cacheStatus.index].add() }
        let endpoint = cells(endpoint: record.endpoint)
        endpoint.answered(record.status)
        endpoint.duration.observe(nanoseconds: record.duration)
        endpoint.overhead.observe(nanoseconds: record.overhead)
        if let kind = record.errorKind { endpoint.failed(kind) }
        var answering: OperationCells?
        for attempt in record.attempts {
            answering = recordAttempt(attempt, operation: record.operation)
            if let usage = attempt.usage { recordUsage(usage, attempt) }
        }
        if let answering, record.errorKind == nil { recordAnswer(record, answering) }
        for receipt in record.receipts { checkRan(receipt) }
    }

    private func checkRan(_ receipt: Receipt) {
        let cells = cells(check: receipt.check)
        cells.duration.observe(nanoseconds: receipt.duration)
        cells.verdict(receipt.verdict).add()
        if receipt.coverage.contains(where: { $0.seenBytes < $0.presentedBytes }) { cells.unseen.add() }
    }

    /// Gives the operation's cells when the attempt was a success.
    private func recordAttempt(_ attempt: AttemptRecord, operation: String?) -> OperationCells? {
        let provider = cells(provider: attempt.provider)
        provider.answered(attempt.status)
        provider.duration.observe(nanoseconds: attempt.duration)
        guard let operation else { return nil }
        let isSuccess = attempt.status >= 200 && attempt.status < 300 && attempt.errorKind == nil
        let cells = cells(operation, attempt.provider, attempt.model ?? "", isKnown: isSuccess)
        guard isSuccess else {
            cells.failed(attempt.errorKind, status: attempt.status, nanoseconds: attempt.duration)
            return nil
        }
        cells.duration.observe(nanoseconds: attempt.duration)
        return cells
    }

    /// Charged for, whether or not the answer reached anybody.
    private func recordUsage(_ usage: AttemptUsage, _ attempt: AttemptRecord) {
        let cells = spending(attempt.provider, attempt.model ?? "")
        cells.input.add(UInt64(clamping: usage.input))
        cells.output.add(UInt64(clamping: usage.output))
        if usage.cached > 0 { cells.cached.add(UInt64(clamping: usage.cached)) }
        if usage.cacheWrite > 0 { cells.cacheWrite.add(UInt64(clamping: usage.cacheWrite)) }
        if usage.reasoning > 0 { cells.reasoning.add(UInt64(clamping: usage.reasoning)) }
        if let cost = attempt.cost { cells.cost.add(cost.nanodollars) } else { cells.unpriced.add() }
    }

    /// Tokens and their times, of the attempt that answered. An answer out of the cache used no tokens.
    private func recordAnswer(_ record: ExchangeRecord, _ cells: OperationCells) {
        if let tokens = record.inputTokens { cells.inputTokens.observe(Double(tokens)) }
        if let tokens = record.outputTokens { cells.outputTokens.observe(Double(tokens)) }
        guard record.isStream, let first = record.timeToFirstToken, let last = record.attempts.last else { return }
        cells.firstToken.observe(nanoseconds: first)
        if let tokens = record.outputTokens, tokens > 1, last.duration > first {
            cells.perToken.observe(Double(last.duration - first) * 1e-9 / Double(tokens - 1))
        }
    }

    // MARK: Finding cells

    /// The model is known: it has answered.
    private func spending(_ provider: String, _ model: String) -> SpendingCells {
        if let known = spendings.find(provider, model) { return known }
        let model = spendings.count < Self.tableLimit ? model : Metrics.other
        if let known = spendings.find(provider, model) { return known }
        let cells = SpendingCells(metrics, loop, [provider, model])
        if !spendings.isFull { spendings.add(cells, for: provider, model) }
        return cells
    }

    private func cells(endpoint: String) -> EndpointCells {
        if let known = endpoints.find(endpoint) { return known }
        let cells = EndpointCells(metrics, loop, endpoints.isFull ? Metrics.other : endpoint)
        if !endpoints.isFull { endpoints.add(cells, for: endpoint) }
        return cells
    }

    private func cells(provider: String) -> ProviderCells {
        if let known = providers.find(provider) { return known }
        let cells = ProviderCells(metrics, loop, providers.isFull ? Metrics.other : provider)
        if !providers.isFull { providers.add(cells, for: provider) }
        return cells
    }

    private func cells(check: String) -> CheckCells {
        if let known = checks.find(check) { return known }
        let cells = CheckCells(metrics, loop, checks.isFull ? Metrics.other : check)
        if !checks.isFull { checks.add(cells, for: check) }
        return cells
    }

    /// `isKnown`: the upstream answered, so that there is such a model. Only then may it become a label: names that a
    /// client made up would take the room of the real ones.
    private func cells(_ operation: String, _ provider: String, _ model: String, isKnown: Bool) -> OperationCells {
        if let known = operations.find(operation, provider, model) { return known }
        // The second half of the table is for the combinations without a model of their own.
        let model = isKnown && operations.count < Self.tableLimit ? model : Metrics.other
        if let known = operations.find(operation, provider, model) { return known }
        let cells = OperationCells(metrics, loop, [operation, GenAIConventions.providerName(provider), model])
        if !operations.isFull { operations.add(cells, for: operation, provider, model) }
        return cells
    }
}

/// Cells by status or kind, few of them: a list that is searched from the front.
private struct CellList<Key: Equatable, Cell> {
    private var cells: [(key: Key, cell: Cell)] = []

    mutating func cell(_ key: Key, make: (Key) -> Cell) -> Cell {
        for entry in cells where entry.key == key { return entry.cell }
        let cell = make(key)
        if cells.count < 64 { cells.append((key, cell)) }
        return cell
    }
}

private final class EndpointCells {
    let duration: HistogramCell
    let overhead: HistogramCell
    private let metrics: GatewayMetrics
    private let loop: Int
    private let endpoint: String
    private var statuses = CellList<Int, CounterCell>()
    private var kinds = CellList<GatewayError.Kind, CounterCell>()

    init(_ metrics: GatewayMetrics, _ loop: Int, _ endpoint: String) {
        self.metrics = metrics
        self.loop = loop
        self.endpoint = endpoint
        duration = metrics.requestDuration.cell(loop: loop, [endpoint])
        overhead = metrics.overhead.cell(loop: loop, [endpoint])
    }

    func answered(_ status: Int) {
        statuses.cell(status) { metrics.requests.cell(loop: loop, [endpoint, statusLabel($0)]) }.add()
    }

    func failed(_ kind: GatewayError.Kind) {
        kinds.cell(kind) { metrics.errors.cell(loop: loop, [endpoint, $0.rawValue]) }.add()
    }
}

private final class ProviderCells {
    let duration: HistogramCell
    private(set) lazy var interToken: HistogramCell = metrics.interToken.cell(loop: loop, [provider])
    private let metrics: GatewayMetrics
    private let loop: Int
    private let provider: String
    private var statuses = CellList<Int, CounterCell>()

    init(_ metrics: GatewayMetrics, _ loop: Int, _ provider: String) {
        self.metrics = metrics
        self.loop = loop
        self.provider = provider
        duration = metrics.upstreamDuration.cell(loop: loop, [provider])
    }

    func answered(_ status: Int) {
        statuses.cell(status) { metrics.attempts.cell(loop: loop, [provider, statusLabel($0)]) }.add()
    }
}

/// Series are made when they are first needed: an embedding model has no time per output token.
private final class OperationCells {
    private(set) lazy var duration = metrics.operationDuration.cell(loop: loop, labels + [""])
    private(set) lazy var inputTokens = metrics.tokenUsage.cell(loop: loop, labels + ["input"])
    private(set) lazy var outputTokens = metrics.tokenUsage.cell(loop: loop, labels + ["output"])
    private(set) lazy var firstToken = metrics.timeToFirstToken.cell(loop: loop, labels)
    private(set) lazy var perToken = metrics.timePerOutputToken.cell(loop: loop, labels)
    private var failures = CellList<Failure, HistogramCell>()
    private let metrics: GatewayMetrics
    private let loop: Int
    private let labels: [String]

    private struct Failure: Equatable {
        var kind: GatewayError.Kind?
        var status: Int
    }

    init(_ metrics: GatewayMetrics, _ loop: Int, _ labels: [String]) {
        self.metrics = metrics
        self.loop = loop
        self.labels = labels
    }

    /// `error_type`: the kind of the gateway's own error, or the provider's status.
    func failed(_ kind: GatewayError.Kind?, status: Int, nanoseconds: Int64) {
        let failure = Failure(kind: kind, status: kind == nil ? status : 0)
        failures.cell(failure) { failure in
            let type = failure.kind?.rawValue ?? (failure.status == 0 ? "_OTHER" : statusLabel(failure.status))
            return metrics.operationDuration.cell(loop: loop, labels + [type])
        }.observe(nanoseconds: nanoseconds)
    }
}

private final class SpendingCells {
    private(set) lazy var input = metrics.tokens.cell(loop: loop, labels + ["input"])
    private(set) lazy var output = metrics.tokens.cell(loop: loop, labels + ["output"])
    private(set) lazy var cached = metrics.tokens.cell(loop: loop, labels + ["cached"])
    private(set) lazy var cacheWrite = metrics.tokens.cell(loop: loop, labels + ["cache_write"])
    private(set) lazy var reasoning = metrics.tokens.cell(loop: loop, labels + ["reasoning"])
    private(set) lazy var cost = metrics.cost.cell(loop: loop, labels)
    private(set) lazy var unpriced = metrics.unpriced.cell(loop: loop, labels)
    private let metrics: GatewayMetrics
    private let loop: Int
    private let labels: [String]

    init(_ metrics: GatewayMetrics, _ loop: Int, _ labels: [String]) {
        self.metrics = metrics
        self.loop = loop
        self.labels = labels
    }
}

private final class CheckCells {
    let duration: HistogramCell
    /// Exchanges of which it did not see everything.
    private(set) lazy var unseen = metrics.guardrailUnseen.cell(loop: loop, [check])
    /// What it adds to the way of a stream: to its first piece, and to each that follows.
    private(set) lazy var firstDelay = metrics.guardrailStreamDelay.cell(loop: loop, [check, "first"])
    private(set) lazy var delay = metrics.guardrailStreamDelay.cell(loop: loop, [check, "next"])
    private let verdicts: [CounterCell]
    private let metrics: GatewayMetrics
    private let loop: Int
    private let check: String

    init(_ metrics: GatewayMetrics, _ loop: Int, _ check: String) {
        self.metrics = metrics
        self.loop = loop
        self.check = check
        duration = metrics.guardrailDuration.cell(loop: loop, [check])
        verdicts = Receipt.Verdict.allCases.map { metrics.guardrails.cell(loop: loop, [check, $0.rawValue]) }
    }

    func verdict(_ verdict: Receipt.Verdict) -> CounterCell { verdicts[verdict.index] }
}

/// A status as a label: what is none is "other".
private func statusLabel(_ status: Int) -> String {
    status == 0 || (100..<600).contains(status) ? String(status) : Metrics.other
}

extension ExchangeRecord.CacheStatus {
    fileprivate var index: Int {
        switch self {
        case .disabled: 0
        case .miss: 1
        case .hit: 2
        case .refresh: 3
        case .semanticMiss: 4
        case .semanticHit: 5
        }
    }
}

extension Receipt.Verdict {
    fileprivate var index: Int {
        switch self {
        case .passed: 0
        case .failed: 1
        case .denied: 2
        case .edited: 3
        case .answered: 4
        case .retried: 5
        case .error: 6
        case .timedOut: 7
        case .unseen: 8
        }
    }
}

extension String {
    fileprivate var replacingSpaces: String { String(map { $0 == " " ? "_" : $0 }) }
}
