// Deliver: steps 7f and 8: the answer that the router settled on goes to the client: whole, as events, or passed on unread.

import Accounting
import Config
import Core
import HTTPServer
import Logging
import PluginHost
import Telemetry
import Upstream
import Wire

#if canImport(Glibc)
    import Glibc
#endif

extension Worker {
    func deliver(_ result: AttemptResult, _ exchange: Exchange, _ target: Target, _ plan: Plan) async {
        switch result {
        case .answer(let answer), .retry(let answer, _): deliver(answer, exchange, target)
        case .relay(let relay): await deliver(relay, exchange, target)
        case .stream(let stream): await deliver(stream, exchange, target, plan)
        }
    }

    // MARK: Whole answers

    private func deliver(_ answer: Answer, _ exchange: Exchange, _ target: Target) {
        let results = exchange.guardResults
        if answer.isCanonical, exchange.isStream {
            return replay(answer, exchange, target)
        }
        if answer.isCanonical, !results.isEmpty {
            answer.body = (try? JSONEditor.merge(answer.body, [("hook_results", results.json())])) ?? answer.body
            if answer.status == 200, results.hasSoftFailure { answer.status = 246 }
        }
        write(answer, exchange)
    }

    /// The client asked for a stream and the answer is whole: out of the cache, or from a provider that does not stream.
    private func replay(_ answer: Answer, _ exchange: Exchange, _ target: Target) {
        guard
            let events = StreamReplay.events(
                of: answer.body, exchange.endpoint, includeUsage: exchange.fields?.includesUsage ?? false)
        else {
            return write(answer, exchange)
        }
        let results = exchange.guardResults
        exchange.transcript?.sent(answer)
        beginEvents(status: answer.status, headers: answer.headers, exchange, target)
        var output = BytesBuilder()
        writeResults(results, .before, exchange, target, into: &output)
        for event in events {
            if Self.isEnd(event, exchange.endpoint) { writeResults(results, .after, exchange, target, into: &output) }
            event.write(into: &output)
        }
        exchange.client.write(output.finish())
        exchange.client.end()
    }

    // MARK: Relays

    /// Bytes as they come, with back-pressure.
    private func deliver(_ relay: OpenRelay, _ exchange: Exchange, _ target: Target) async {
        var headers = Self.relayed(relay.head.headers)
        if let type = relay.head.value("content-type") { headers.append(("content-type", type)) }
        addGatewayHeaders(&headers, exchange)
        exchange.record.status = relay.head.status
        // A length that still holds is passed on; a decoded body has another.
        let isDecoded = relay.head.value("content-encoding") != nil || relay.head.value("transfer-encoding") != nil
        let length = isDecoded ? nil : relay.head.value("content-length").flatMap { Int($0) }
        exchange.client.writeHead(status: relay.head.status, headers: headers, contentLength: length)
        if !relay.transfer.hasBytes { exchange.client.flush() }
        let started = MonotonicClock.now()
        var isFirst = exchange.client.head.method == "POST" && exchange.tenant != nil
        do throws(UpstreamFailure) {
            while let piece = try await relay.transfer.next(by: relay.deadline, timeoutMessage: "deadline") {
                if isFirst { noteOwner(of: piece, exchange, target) }
                isFirst = false
                exchange.client.write(piece)
                exchange.client.flush()
                await exchange.client.writable()
            }
            exchange.client.end()
        } catch {
            exchange.record.errorKind = .upstreamUnreachable
            exchange.client.cut()
        }
        exchange.record.upstreamDuration += MonotonicClock.now() - started
    }

    // MARK: Event streams

    private func beginEvents(
        status: Int, headers: [(name: String, value: String)], _ exchange: Exchange, _ target: Target
    ) {
        var headers = headers
        headers.append(("content-type", "text/event-stream; charset=utf-8"))
        if !headers.contains(where: { $0.name.equalsIgnoringCase("cache-control") }) {
            headers.append(("cache-control", "no-cache"))
        }
        headers.append(("x-accel-buffering", "no"))
        addGatewayHeaders(&headers, exchange)
        let softFailure = exchange.guardResults.before.contains { !$0.passed }
        let status = status == 200 && softFailure ? 246 : status
        exchange.record.status = status
        exchange.client.writeHead(status: status, headers: headers, contentLength: nil)
    }

    private func deliver(_ stream: OpenStream, _ exchange: Exchange, _ target: Target, _ plan: Plan) async {
        let stages = plan.mandatory.after + target.guards.after
        let aside = stages.filter(\.isAside)
        let guards = streamGuards(stages, restorers(target, plan), exchange)
        let config = exchange.snapshot.config
        var relay = StreamRelay(
            endpoint: exchange.endpoint,
            assembles: exchange.cacheKey != nil || !aside.isEmpty || exchange.transcript != nil,
            limit: aside.isEmpty && exchange.transcript == nil
                ? config.cache.maximumEntryBytes : config.limits.upstreamBodyBytes,
            writesRaw: stream.isPassthrough && guards.allSatisfy { $0.mode == .off } && !exchange.wantsReceipts,
            isRestored: guards.contains(where: \.restores))
        if relay.isRestored, !relay.writesRaw {
            exchange.transcript?.readsRestored(exchange.endpoint, limit: config.limits.upstreamBodyBytes)
        }
        await relayEvents(stream, guards, exchange, target, &relay)
        if let transcript = exchange.transcript { transcript.streamed(relay.assembled()) }
        guard !aside.isEmpty else { return }
        guard let sent = relay.assembled() else {
            logger.warning(
                "a stream could not be put together for its async guards",
                metadata: ["trace_id": "\(exchange.traceID)"])
            return
        }
        // They judge what went out, also of a stream that broke off.
        let view = BodyView(body: sent, endpoint: exchange.endpoint, isRequest: false)
        for stage in aside { setAside(stage, .after, streamFacts(exchange, target, view), exchange) }
    }

    /// Puts a stream that is complete into the cache before its end leaves: whoever has read the end finds it there.
    private func store(_ stream: OpenStream, _ exchange: Exchange, _ target: Target, _ relay: inout StreamRelay) {
        guard exchange.cacheKey != nil, !relay.isStored, relay.isComplete, let body = relay.assembled() else { return }
        relay.isStored = true
        let answer = Answer(
            status: stream.status, contentType: "application/json", headers: Self.relayed(stream.headers), body: body)
        answer.isCanonical = true
        storeInCache(answer, exchange, target)
    }

    private func relayEvents(
        _ stream: OpenStream, _ guards: [StreamGuard], _ exchange: Exchange, _ target: Target,
        _ relay: inout StreamRelay
    ) async {
        beginEvents(status: stream.status, headers: Self.relayed(stream.headers), exchange, target)
        var output = BytesBuilder()
        writeResults(exchange.guardResults, .before, exchange, target, into: &output)
        let started = MonotonicClock.now()
        let gaps = telemetry.gapCell(target.slug)
        defer { exchange.record.upstreamDuration += MonotonicClock.now() - started }
        do {
            while let batch = try await stream.next() {
                var batch = batch
                for event in batch.events { relay.note(event, exchange) }
                if exchange.meter.hidesUsage { relay.hideUsage(in: &batch) }
                if relay.writesRaw {
                    relay.appendRaw(batch, into: &output)
                } else {
                    try await pass(batch.events, guards[...], exchange, target, &relay, into: &output)
                }
                if output.count > 0 {
                    // Guards that may still refuse hold the end back; without any it is in here.
                    if relay.writesRaw { store(stream, exchange, target, &relay) }
                    exchange.client.write(output.finish())
                    exchange.client.flush()
                    if let gap = relay.gap() { gaps.observe(nanoseconds: gap) }
                    await exchange.client.writable()
                }
                if exchange.isClientGone { throw UpstreamFailure(.cancelled, "the client left") }
            }
            try await finish(guards, exchange, target, &relay, into: &output)
        } catch let refusal as GatewayError {
            noteReceipts(guards, exchange)
            return refuse(refusal, stream, exchange, &output)
        } catch {
            noteReceipts(guards, exchange)
            return breakOff(
                error as? UpstreamFailure ?? UpstreamFailure(.internalError, "\(error)"), stream, exchange, target,
                &output)
        }
        relay.end(into: &output)
        store(stream, exchange, target, &relay)
        exchange.client.write(output.finish())
        exchange.client.end()
    }

    /// The upstream broke in mid-stream: one error event in the client's format, then a clean end.
    private func breakOff(
        _ failure: UpstreamFailure, _ stream: OpenStream, _ exchange: Exchange, _ target: Target,
        _ output: inout BytesBuilder
    ) {
        stream.source.cancel()
        guard !exchange.isClientGone else {
            exchange.record.errorKind = .clientTimeout
            exchange.record.isAborted = true
            return
        }
        let isTimeout = failure.kind == .timeout
        let error = GatewayError(
            isTimeout ? .timeout : .upstreamUnreachable, status: isTimeout ? 408 : 502,
            "\(target.slug) error: \(failure.message)",
            type: isTimeout ? "timeout_error" : "upstream_error")
        exchange.record.errorKind = error.kind
        ErrorShape.event(error, for: exchange.endpoint, requestID: exchange.traceID).write(into: &output)
        exchange.client.write(output.finish())
        exchange.client.end()
    }

    /// A guard refused in mid-stream, or the client left while it judged.
    private func refuse(_ error: GatewayError, _ stream: OpenStream, _ exchange: Exchange, _ output: inout BytesBuilder)
    {
        stream.source.cancel()
        guard !exchange.isClientGone else {
            exchange.record.errorKind = .clientTimeout
            exchange.record.isAborted = true
            return
        }
        exchange.record.errorKind = error.kind
        ErrorShape.event(error, for: exchange.endpoint, requestID: exchange.traceID).write(into: &output)
        exchange.client.write(output.finish())
        exchange.client.end()
    }

    // MARK: hook_results in streams

    static func isEnd(_ event: SSEEvent, _ endpoint: Endpoint) -> Bool {
        event.isDone || (endpoint == .messages && event.name == "message_stop")
    }

    private func writeResults(
        _ results: GuardResults, _ part: GuardResults.Part, _ exchange: Exchange, _ target: Target,
        into output: inout BytesBuilder
    ) {
        resultEvent(results, part, exchange, target)?.write(into: &output)
    }

    /// Non-strict clients get what the guards found as an event of its own.
    private func resultEvent(_ results: GuardResults, _ part: GuardResults.Part, _ exchange: Exchange, _ target: Target)
        -> SSEEvent?
    {
        let list = part == .before ? results.before : results.after
        // Receipts are told at the end, and to whoever asks for them.
        let tellsReceipts = part == .after && exchange.wantsReceipts
        guard tellsReceipts || (!list.isEmpty && !isStrict(exchange, target)) else { return nil }
        var json = Array("{\"hook_results\":".utf8) + results.json(part)
        if tellsReceipts {
            json += Array(",\"receipts\":".utf8) + Receipt.list(exchange.record.receipts, withReason: false).array
        }
        json.append(UInt8(ascii: "}"))
        return SSEEvent(name: exchange.endpoint == .messages ? "hook_results" : "", data: Bytes(json))
    }

    func resultEvents(_ exchange: Exchange, _ target: Target) -> SSEEvent? {
        resultEvent(exchange.guardResults, .after, exchange, target)
    }

    func isStrict(_ exchange: Exchange, _ target: Target) -> Bool { target.isStrict }
}

/// What is kept about a stream while it is relayed.
struct StreamRelay {
    private let endpoint: Endpoint
    /// Puts together what leaves.
    private var assembler: StreamAssembler?
    private var whole: Bytes?
    var isStored = false
    let writesRaw: Bool
    /// What is put together is what the client would get without the last guards, which restore.
    let isRestored: Bool
    /// The end event, while it waits for what the guards have to say.
    var heldEnd: SSEEvent?
    private var sawEnd = false
    /// The beginning of an event whose end has not come. Only whole events leave, so that whatever must be said after the
    /// upstream broke off does not end up in the middle of one.
    private var tail = BytesBuilder(capacity: 0)
    private var tailEnd: (UInt8, UInt8) = (0, 0)
    private var lastArrival: Int64 = 0

    init(endpoint: Endpoint, assembles: Bool, limit: Int, writesRaw: Bool, isRestored: Bool) {
        self.isRestored = isRestored
        self.endpoint = endpoint
        assembler = assembles ? StreamAssembler(endpoint: endpoint, limit: limit) : nil
        self.writesRaw = writesRaw
    }

    /// The answer that has left; nil when nobody wanted it put together, or there is none.
    mutating func assembled() -> Bytes? {
        if whole == nil { whole = assembler?.finish() }
        return whole
    }

    /// All of the answer has come, its end included.
    var isComplete: Bool { assembler?.isComplete ?? false }

    mutating func note(_ event: SSEEvent, _ exchange: Exchange) {
        if writesRaw { assembler?.take(event) }
        if event.isDone {
            sawEnd = true
            return
        }
        if endpoint == .messages, event.name == "message_stop" { sawEnd = true }
        exchange.meter.stream.take(eventOf: event.data.count)
        // finish_reason or stop_reason, with a text for a value.
        if event.mayTellUsage || event.data.contains("_reason\":\"", rareAt: 0) {
            exchange.note(AnswerFacts(reading: event.data))
        }
    }

    /// Takes the usage chunk, which the client has not asked for, out of what leaves. All other bytes stay.
    mutating func hideUsage(in batch: inout OpenStream.Batch) {
        guard let index = batch.events.firstIndex(where: \.isUsageChunk) else { return }
        let hidden = batch.events.remove(at: index)
        guard writesRaw else {
            // Kept answers know what they cost.
            assembler?.take(hidden)
            return
        }
        guard !batch.isUncommon else { return }
        if tail.count > 0 {
            tail.append(batch.raw)
            batch.raw = tail.finish()
        }
        if let range = Self.range(of: hidden.data, in: batch.raw) {
            var rest = BytesBuilder(capacity: batch.raw.count)
            rest.append(batch.raw[0..<range.lowerBound])
            rest.append(batch.raw[range.upperBound..<batch.raw.count])
            batch.raw = rest.finish()
        }
    }

    /// Where the event with this data stands: from the end of the one before it to its own empty line. nil when its data
    /// is on several lines: then it goes out, which is better than half of it.
    private static func range(of data: Bytes, in raw: Bytes) -> Range<Int>? {
        withExtendedLifetime((data, raw)) {
            let buffer = raw.buffer
            guard let found = position(of: data.buffer, in: buffer) else { return nil }
            let start = endOfEvents(raw[0..<found])
            var end = found + data.count
            while end < buffer.count {
                end += 1
                if isEmptyLine(buffer[end - 3], buffer[end - 2], buffer[end - 1]) { return start..<end }
            }
            return nil
        }
    }

    /// Nanoseconds since the last piece; nil for the first.
    mutating func gap() -> Int64? {
        let now = MonotonicClock.now()
        defer { lastArrival = now }
        return lastArrival == 0 ? nil : now - lastArrival
    }

    mutating func appendRaw(_ batch: OpenStream.Batch, into output: inout BytesBuilder) {
        if batch.isUncommon {
            _ = tail.finish()
            for event in batch.events { event.write(into: &output) }
            return
        }
        let raw = batch.raw
        guard raw.count > 0 else { return appendTail(into: &output) }
        var end = Self.endOfEvents(raw)
        if end == 0, tail.count > 0 { end = endOfEvents(acrossTailAnd: raw) }
        if end > 0 {
            if tail.count > 0 { output.append(tail.finish()) }
            output.append(end == raw.count ? raw : raw[0..<end])
        }
        guard end < raw.count else { return }
        tail.append(end == 0 ? raw : raw[end..<raw.count])
        tailEnd = (raw.count - end >= 2 ? raw[raw.count - 2] : end == 0 ? tailEnd.1 : 0, raw[raw.count - 1])
    }

    /// What the stream ended with, and the empty line that it lacks.
    private mutating func appendTail(into output: inout BytesBuilder) {
        guard tail.count > 0 else { return }
        output.append(tail.finish())
        output.append("\n\n")
    }

    /// Where the last empty line ends.
    private static func endOfEvents(_ bytes: Bytes) -> Int {
        withExtendedLifetime(bytes) {
            let buffer = bytes.buffer
            var end = buffer.count
            while end >= 2 {
                if isEmptyLine(end >= 3 ? buffer[end - 3] : 0, buffer[end - 2], buffer[end - 1]) { return end }
                end -= 1
            }
            return 0
        }
    }

    /// The same for an empty line that began in the tail.
    private func endOfEvents(acrossTailAnd raw: Bytes) -> Int {
        if raw.count >= 2, Self.isEmptyLine(tailEnd.1, raw[0], raw[1]) { return 2 }
        return Self.isEmptyLine(tailEnd.0, tailEnd.1, raw[0]) ? 1 : 0
    }

    /// "\n\n", "\n\r\n" or "\r\r".
    private static func isEmptyLine(_ first: UInt8, _ second: UInt8, _ third: UInt8) -> Bool {
        third == 0x0A ? second == 0x0A || second == 0x0D && first == 0x0A : third == 0x0D && second == 0x0D
    }

    /// Writes an event that the guards have let go.
    func write(_ event: SSEEvent, into output: inout BytesBuilder) { event.write(into: &output) }

    /// Keeps events for the cache and for guards that judge afterwards.
    mutating func assemble(_ events: [SSEEvent]) {
        for event in events { assembler?.take(event) }
    }

    /// What the guards found, then the end event where one has come.
    mutating func flushEnd(_ results: SSEEvent?, into output: inout BytesBuilder) {
        results?.write(into: &output)
        if let heldEnd { write(heldEnd, into: &output) }
        heldEnd = nil
    }

    /// What a stream still lacks when its upstream has ended: an empty line, and the end event that several providers leave out.
    mutating func end(into output: inout BytesBuilder) {
        appendTail(into: &output)
        guard !sawEnd, endpoint != .messages else { return }
        sawEnd = true
        SSEEvent.done.write(into: &output)
    }
}

extension Bytes {
    /// A member whose value begins with this byte stands somewhere in here. Texts that look like one count. `name` has its quotes.
    func hasMember(_ name: StaticString, rareAt: Int, startingWith byte: UInt8) -> Bool {
        var from = 0
        while let found = find(name, rareAt: rareAt, from: from) {
            from = found + name.utf8CodeUnitCount
            while from < count, self[from] <= 0x20 || self[from] == UInt8(ascii: ":") { from += 1 }
            if from < count, self[from] == byte { return true }
        }
        return false
    }

    func contains(_ text: StaticString, rareAt: Int) -> Bool { find(text, rareAt: rareAt) != nil }

    /// Where `text` is in here. Of its bytes, the one at `rareAt` is the rarest: it is looked for first. For short texts this is
    /// faster than memmem, which begins by making a table.
    private func find(_ text: StaticString, rareAt: Int, from start: Int = 0) -> Int? {
        let length = text.utf8CodeUnitCount
        guard count - start >= length else { return nil }
        return withExtendedLifetime(self) {
            let rare = Int32(text.utf8Start[rareAt])
            /// Where the rare byte may be.
            var from = pointer + start + rareAt
            let end = pointer + (count - length + rareAt + 1)
            while from < end, let hit = memchr(from, rare, end - from) {
                let begin = UnsafeRawPointer(hit) - rareAt
                if begin.load(as: UInt8.self) == text.utf8Start[0], memcmp(begin, text.utf8Start, length) == 0 {
                    return begin - pointer
                }
                from = UnsafeRawPointer(hit) + 1
            }
            return nil
        }
    }
}
