// OpenStream: a canonical event stream that is being read: frames cut, events translated by the adapter, errors recognised.

import Config
import Core
import PluginHost
import Telemetry
import Upstream
import Wire

/// A body that is passed on unread.
final class OpenRelay {
    let head: UpstreamHead
    let transfer: AnswerSource
    let deadline: Deadline

    init(head: UpstreamHead, transfer: AnswerSource, deadline: Deadline) {
        self.head = head
        self.transfer = transfer
        self.deadline = deadline
    }
}

/// Confined to its loop.
final class OpenStream {
    let status: Int
    let headers: [(name: String, value: String)]
    let source: AnswerSource
    /// The upstream's bytes are the client's: events are read, but need not be written anew.
    let isPassthrough: Bool
    private let endpoint: Endpoint
    private var decoder = SSEDecoder()
    /// In the decoder's stead, where each line is an event.
    private var lines: JSONLinesDecoder?
    private let translation: ProviderStream?
    private let timeouts: TokenTimeouts
    private let deadline: Deadline
    private var first: Batch?
    private var hasEnded = false

    /// What came at once.
    struct Batch {
        /// The upstream's own bytes.
        var raw: Bytes
        /// The canonical events that they complete.
        var events: [SSEEvent]
        /// The bytes' line ends are not for every client: the events are to be written anew.
        var isUncommon = false
    }

    init(
        head: UpstreamHead, source: AnswerSource, endpoint: Endpoint, framing: OutgoingRequest.Framing,
        translation: ProviderStream?,
        timeouts: TokenTimeouts, deadline: Deadline
    ) {
        status = head.status
        headers = head.headers
        self.source = source
        self.endpoint = endpoint
        self.translation = translation
        lines = framing == .jsonLines ? JSONLinesDecoder() : nil
        // Clients get events, whatever comes.
        isPassthrough = translation == nil && lines == nil
        self.timeouts = timeouts
        self.deadline = deadline
    }

    /// Waits for the first event, so that a stream that fails before it can still go elsewhere. Nil when the stream ended
    /// without any.
    func open() async throws(UpstreamFailure) -> SSEEvent? {
        let limit = timeouts.firstTokenMilliseconds
        let byThen = limit.map { min(deadline, .after(milliseconds: $0)) } ?? deadline
        let message =
            limit.map { "The first token did not come within \($0)ms" } ?? "The request exceeded the gateway's deadline"
        var collected: Batch?
        while true {
            guard let batch = try await read(by: byThen, message) else {
                first = collected
                return collected?.events.first
            }
            if var known = collected {
                var raw = BytesBuilder(capacity: known.raw.count + batch.raw.count)
                raw.append(known.raw)
                raw.append(batch.raw)
                known.raw = raw.finish()
                known.events += batch.events
                known.isUncommon = batch.isUncommon
                collected = known
            } else {
                collected = batch
            }
            if let event = collected?.events.first {
                first = collected
                return event
            }
        }
    }

    /// The next batch, which may hold no whole event; nil at the stream's end.
    func next() async throws(UpstreamFailure) -> Batch? {
        if let first {
            self.first = nil
            return first
        }
        let limit = timeouts.betweenTokensMilliseconds
        let byThen = limit.map { min(deadline, .after(milliseconds: $0)) } ?? deadline
        return try await read(
            by: byThen, limit.map { "No token came for \($0)ms" } ?? "The request exceeded the gateway's deadline")
    }

    private func read(by deadline: Deadline, _ message: String) async throws(UpstreamFailure) -> Batch? {
        guard !hasEnded else { return nil }
        var events: [SSEEvent] = []
        guard let raw = try await source.next(by: deadline, timeoutMessage: message) else {
            hasEnded = true
            if lines == nil { decoder.finish(into: &events) } else { lines?.finish(into: &events) }
            // The last event may lack its empty line, but nothing else.
            if isPassthrough, let last = events.last, !last.isDone, !Worker.isJSON(last.data) {
                throw UpstreamFailure(.cut, "the upstream's stream ended in the middle of an event")
            }
            var canonical = try translate(events)
            if let translation {
                guard let last = translation.close() else {
                    throw UpstreamFailure(.cut, "the upstream's stream ended too early")
                }
                canonical += last
            }
            return canonical.isEmpty ? nil : Batch(raw: .empty, events: canonical, isUncommon: decoder.endsLinesWithCR)
        }
        do {
            try withExtendedLifetime(raw) { () throws(SSEDecoder.EventTooLarge) in
                if lines == nil {
                    try decoder.feed(raw.buffer, into: &events)
                } else {
                    try lines?.feed(raw.buffer, into: &events)
                }
            }
        } catch {
            throw UpstreamFailure(
                .invalidAnswer, "an event of the upstream's stream is larger than \(error.limit) bytes")
        }
        return Batch(raw: raw, events: try translate(events), isUncommon: decoder.endsLinesWithCR)
    }

    private func translate(_ events: [SSEEvent]) throws(UpstreamFailure) -> [SSEEvent] {
        guard let translation else { return events }
        var canonical: [SSEEvent] = []
        for event in events {
            guard let mapped = translation.map(event) else {
                throw UpstreamFailure(.invalidAnswer, "an event of the upstream's stream is not valid")
            }
            canonical += mapped
        }
        return canonical
    }
}

extension Worker {
    /// The head of an event stream has come: waits until its first event shows that it is a good one.
    func openStream(
        _ head: UpstreamHead, _ source: AnswerSource, _ exchange: Exchange, _ target: Target, _ out: OutgoingRequest,
        _ facts: ExchangeFacts
    ) async throws(UpstreamFailure) -> AttemptResult {
        var translation: ProviderStream?
        if !out.isPassthrough, let hookExchange = exchange.providerExchange {
            hookExchange.prepare(facts, deadline: exchange.deadline)
            translation = target.provider.openStream(hookExchange)
        }
        let stream = OpenStream(
            head: head, source: source, endpoint: exchange.endpoint, framing: out.framing, translation: translation,
            timeouts: target.timeouts, deadline: exchange.deadline)
        guard let first = try await stream.open() else {
            throw UpstreamFailure(.invalidAnswer, "the upstream's stream had no events")
        }
        if let error = Self.errorInEvent(first) {
            source.cancel()
            return .answer(
                mappedError(UpstreamHead(status: error, headers: head.headers), first.data, exchange, target))
        }
        if !first.isDone, !Self.isJSON(first.data) {
            throw UpstreamFailure(.invalidAnswer, "the upstream's stream holds no JSON")
        }
        exchange.meter.isAnswered = true
        // For streams that end before they tell their usage.
        exchange.meter.responseModel = AnswerFacts(reading: first.data).model
        exchange.record.timeToFirstToken = MonotonicClock.now() - exchange.attemptStarted
        return .stream(stream)
    }

    static func isJSON(_ data: Bytes) -> Bool {
        withExtendedLifetime(data) {
            var reader = JSONReader(data.buffer)
            return (try? reader.skipValue()) != nil && (try? reader.finish()) != nil
        }
    }

    /// The status of a stream whose first event is an error: its own where it says one, else 502.
    private static func errorInEvent(_ event: SSEEvent) -> Int? {
        guard let range = JSONPointer(["error"]).find(in: event.data.buffer),
            event.data[range.lowerBound] == UInt8(ascii: "{"),
            let error = try? JSONValue(parsing: event.data[range])
        else { return nil }
        for name in ["status", "code", "status_code"] {
            if let status = error[name]?.int, (400...599).contains(status) { return status }
        }
        switch error["type"]?.string {
        case "overloaded_error": return 529
        case "rate_limit_error", "rate_limit_exceeded": return 429
        case "invalid_request_error": return 400
        case "authentication_error": return 401
        default: return 502
        }
    }
}
