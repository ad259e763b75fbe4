// FixtureRun: plays one fixture to a plugin, through the same code that the gateway runs: the request, the whole answer, and the
// answer as a stream that is cut at every place.

import Core
import PluginHost
import Wire

/// What came of one side.
struct Outcome: Equatable {
    var verdict = "continue"
    var passed = true
    /// Kind and text of each segment, after the edits.
    var texts: [String] = []
    var body: Bytes = .empty
    var code: String?
    var message: String?
    var status: Int?
    var data: Bytes?
    var changed = false

    /// What a stream must have in common with the whole answer.
    func agrees(with other: Outcome) -> Bool {
        guard verdict == other.verdict, passed == other.passed else { return false }
        return verdict != "continue" || !passed || texts == other.texts
    }
}

struct FixtureRun {
    let plugin: PluginDirectory
    let fixture: Fixture
    let loop: BenchLoop
    let instance: PluginInstance
    let scope: PresentedScope

    private func identity(isStream: Bool) -> ExchangeIdentity {
        ExchangeIdentity(
            endpoint: fixture.endpoint, method: "POST", path: fixture.endpoint.path ?? "/", traceID: "fixture",
            workspace: nil, principal: nil, isStream: isStream, metadata: fixture.metadata,
            requestHeaders: fixture.headers
        )
    }

    private func facts(_ request: Bytes, _ answer: Bytes? = nil, isStream: Bool = false) -> ExchangeFacts {
        ExchangeFacts(
            identity: identity(isStream: isStream), model: fixture.model ?? fixture.request?["model"]?.string,
            request: BodyView(body: request, endpoint: fixture.endpoint, isRequest: true), provider: "fixture",
            target: "config", attempt: 1, attemptCount: 1,
            response: answer.map { BodyView(body: $0, endpoint: fixture.endpoint, isRequest: false) },
            status: answer == nil ? nil : 200)
    }

    /// The first thing that is not as expected, or nil.
    func problem() async -> String? {
        let check = instance.check
        let requestBody = Bytes((fixture.request ?? [:]).bytes)
        let judgesRequests = fixture.request != nil && check?.hooks.contains(.request) ?? false
        func begin(isStream: Bool = false) async -> (HookExchange, Outcome?, Bytes) {
            let facts = facts(requestBody, isStream: isStream)
            let exchange = HookExchange(instance: instance, facts: facts)
            guard judgesRequests else { return (exchange, nil, requestBody) }
            let outcome = await judge(.request, .request, exchange, facts)
            return (exchange, outcome, outcome.body)
        }
        if let expected = fixture.onRequest {
            guard judgesRequests, let outcome = await begin().1 else { return "the check has no on_request" }
            if let problem = mismatch(outcome, expected, "request") { return problem }
        }
        guard let expected = fixture.onAnswer else { return nil }
        var whole: Outcome?
        if let answer = fixture.answer, check?.hooks.contains(.response) ?? false {
            let (exchange, _, request) = await begin()
            let outcome = await judge(.response, .response, exchange, facts(request, Bytes(answer.bytes)))
            if let problem = mismatch(outcome, expected, "answer") { return problem }
            whole = outcome
        }
        guard fixture.endpoint.canStream, let check, check.hooks.contains(.stream), check.streamMode != .off,
            check.streamMode != .full, let events = streamEvents()
        else { return whole == nil ? "the check judges no answers" : nil }
        for (name, pieces) in StreamCuts.all(of: events, fixture.endpoint) {
            let (exchange, _, request) = await begin(isStream: true)
            let outcome = await stream(pieces, exchange, facts(request, isStream: true))
            if let whole {
                if !outcome.agrees(with: whole) {
                    return
                        "the stream, \(name), is not judged like the whole answer: \(Self.difference(outcome, whole))"
                }
            } else if let problem = mismatch(outcome, expected, "stream, \(name)") {
                return problem
            }
        }
        return nil
    }

    private func streamEvents() -> [SSEEvent]? {
        if let text = fixture.stream {
            var decoder = SSEDecoder()
            var events: [SSEEvent] = []
            let bytes = Bytes(text)
            do { try withExtendedLifetime(bytes) { try decoder.feed(bytes.buffer, into: &events) } } catch {
                return nil
            }
            decoder.finish(into: &events)
            return events
        }
        guard let answer = fixture.answer else { return nil }
        return StreamReplay.events(of: Bytes(answer.bytes), fixture.endpoint, includeUsage: false)
    }

    // MARK: One side

    private func judge(_ hook: Hook, _ side: HookExchange.Side, _ exchange: HookExchange, _ facts: ExchangeFacts) async
        -> Outcome
    {
        let decision = await loop.run(hook, on: exchange, facts, scope)
        var outcome = Outcome()
        outcome.read(decision)
        outcome.read(exchange)
        guard let view = side == .request ? facts.request : facts.response else { return outcome }
        outcome.body = view.body
        if decision.verdict == .proceed {
            do {
                if let changed = try exchange.changed(view, side) {
                    outcome.body = changed
                    outcome.changed = true
                }
            } catch {
                outcome.verdict = "fail"
                outcome.message = "its changes could not be applied: \(error.message)"
            }
        }
        outcome.texts = texts(of: outcome.body, isRequest: side == .request)
        return outcome
    }

    private func texts(of body: Bytes, isRequest: Bool) -> [String] {
        BodyView(body: body, endpoint: fixture.endpoint, isRequest: isRequest).segments.map(\.text.string)
    }

    /// The answer as events, through the windows of the check.
    private func stream(_ events: [SSEEvent], _ exchange: HookExchange, _ facts: ExchangeFacts) async -> Outcome {
        guard let check = instance.check else { return Outcome() }
        var hold = StreamHold(endpoint: fixture.endpoint, rule: StreamRule(check))
        var assembler = StreamAssembler(endpoint: fixture.endpoint)
        var outcome = Outcome()
        var released: [SSEEvent] = []
        for index in 0...events.count {
            if index < events.count { hold.take(events[index]) } else { hold.finish() }
            while let (key, window) = hold.nextWindow() {
                let decision = await loop.run(.stream(window), on: exchange, facts, .all)
                outcome.read(decision)
                outcome.read(exchange)
                guard decision.verdict == .proceed else { return outcome }
                if !hold.settle(key, window, releasedTo: decision.releasedTo, edits: exchange.edits) {
                    outcome.verdict = "fail"
                    outcome.message = "it wants to hold back more than its manifest's hold_bytes"
                    return outcome
                }
            }
            released += hold.release()
        }
        for event in released { assembler.take(event) }
        if let body = assembler.finish() {
            outcome.body = body
            outcome.texts = texts(of: body, isRequest: false)
        }
        return outcome
    }

    // MARK: Comparing

    private func mismatch(_ outcome: Outcome, _ expected: Fixture.Expectation, _ side: String) -> String? {
        func differs(_ what: String, _ found: String?, _ wanted: String) -> String? {
            found == wanted
                ? nil : "\(side): \(what) is \(found.map { "\"\($0)\"" } ?? "absent"), expected \"\(wanted)\""
        }
        let reason = outcome.message.map { " (\($0))" } ?? ""
        if outcome.verdict != expected.verdict ?? "continue" {
            return "\(side): the verdict is \(outcome.verdict)\(reason), expected \(expected.verdict ?? "continue")"
        }
        if let passed = expected.passed, outcome.passed != passed {
            return "\(side): the check \(outcome.passed ? "passed" : "failed"): \(outcome.data?.string ?? "no data")"
        }
        if let texts = expected.texts, outcome.texts != texts {
            return "\(side): the texts are \(outcome.texts), expected \(texts)"
        }
        if let body = expected.body, (try? JSONValue(parsing: outcome.body)) != body {
            return "\(side): the body is \(outcome.body.string), expected \(body.text)"
        }
        if let unchanged = expected.isUnchanged, outcome.changed == unchanged {
            return "\(side): it was \(outcome.changed ? "changed" : "not changed"): \(outcome.texts)"
        }
        if let status = expected.status,
            let problem = differs("the status", outcome.status.map { String($0) }, String(status))
        {
            return problem
        }
        if let code = expected.code, let problem = differs("the code", outcome.code, code) { return problem }
        if let message = expected.message, let problem = differs("the message", outcome.message, message) {
            return problem
        }
        if let data = expected.data {
            let found = outcome.data.flatMap { try? JSONValue(parsing: $0) }
            for member in data.members where found?[member.key] != member.value {
                return
                    "\(side): data.\(member.key) is \(found?[member.key]?.text ?? "absent"), expected \(member.value.text)"
            }
        }
        return nil
    }

    private static func difference(_ stream: Outcome, _ whole: Outcome) -> String {
        if stream.verdict != whole.verdict {
            return "\(stream.verdict)\(stream.message.map { " (\($0))" } ?? ""), not \(whole.verdict)"
        }
        if stream.passed != whole.passed { return stream.passed ? "it passed" : "it failed" }
        return "\(stream.texts), not \(whole.texts)"
    }
}

extension Outcome {
    mutating func read(_ decision: Decision) {
        switch decision.verdict {
        case .proceed: verdict = "continue"
        case .deny(let denial):
            verdict = "deny"
            code = denial.code
            message = denial.message
            status = denial.status == 0 ? 446 : denial.status
        case .answer(let answer):
            verdict = "answer"
            status = answer.status
            body = answer.body
        case .retry: verdict = "retry"
        case .fail(let reason):
            verdict = "fail"
            message = reason
        case .timeout:
            verdict = "fail"
            message = "no verdict within 10 s"
        }
    }

    mutating func read(_ exchange: HookExchange) {
        passed = passed && exchange.reports.allSatisfy(\.passed)
        data = exchange.reports.last?.data ?? data
        changed = changed || !exchange.edits.isEmpty
    }
}

extension Bytes {
    var string: String { String(decoding: buffer, as: UTF8.self) }
}
