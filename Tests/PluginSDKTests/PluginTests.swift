import CGatehouse
import PluginSDK
import Synchronization
import Testing

/// Does what its parameters say.
private struct Puppet: Guardrail {
    static let id = "puppet"
    private let act: String

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let act = config["act"]?.string else { throw ConfigError("Must be a string", at: "/act") }
        self.act = act
        if act == "log" { host.log(.warning, "puppet made", ["act": act, "empty": ""]) }
        if act == "many errors" {
            host.configError("first", at: "/a")
            throw ConfigError("second", at: "/b")
        }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        switch act {
        case "deny":
            let message = "Not \(exchange.model ?? "?")"
            return .deny(Denial(code: "no", message: message, status: 451, retryAfterMilliseconds: 9))
        case "answer": return .answer(Answer(["a": 1], status: 201))
        case "retry": return .retry(target: "other")
        case "retry next": return .retry()
        case "fail": throw PluginFailure("broken")
        case "edit":
            for segment in exchange.texts(.request) { try exchange.edit(segment, 0..<1, with: "X") }
        case "set":
            try exchange.setJSON("/messages/0", ["role": "user"], .request, insert: true)
            try exchange.setHeader("x-a", nil)
        case "report": try exchange.report(passed: false, data: ["found": "yes"])
        case "text": try exchange.report(passed: true, data: .string(exchange.text(.request)))
        case "facts": try exchange.report(passed: true, data: .string(Self.facts(exchange)))
        case "count":
            let count = try exchange.state { Count() }
            count.value += 1
            try exchange.report(passed: true, data: .int(count.value))
        case "pend", "pend refused", "pend fail":
            let request = HTTPRequest(
                "POST", act == "pend refused" ? "refused" : "https://judge.example", headers: [("X-Key", "v")],
                body: Array("harmful".utf8))
            let fails = act == "pend fail"
            return try exchange.pend(on: request) { answer, exchange throws(PluginFailure) in
                if fails { throw PluginFailure("unreadable") }
                let key = answer.header("x-key")?.string ?? ""
                return .deny(Denial(code: "judged", message: "\(answer.status) \(key) \(answer.body.string)"))
            }
        default: break
        }
        return .proceed
    }

    private static func facts(_ exchange: Exchange) -> String {
        "\(exchange.endpoint) \(exchange.isStream) \(exchange.metadata("team")?.string ?? "-") \(exchange.timeLeft)"
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        try exchange.report(passed: window.isLast, data: .string("\(window.text.string) \(window.freshFrom)"))
        window.releasedTo -= 1
        return .proceed
    }

    func onError(_ exchange: Exchange, _ failure: Failure) throws(PluginFailure) -> Verdict {
        let message = failure.message?.string ?? ""
        try exchange.report(passed: failure.isFinal, data: .string("\(failure.status) \(message)"))
        return .proceed
    }

    private final class Count {
        var value = 0
    }
}

private let plugin = Plugin(id: "puppets", version: "1.2.3", checks: [Puppet.self])

/// An instance of a check behind its tables.
private final class Instance {
    private let plugin: UnsafePointer<gh_plugin>
    private let hooks: UnsafePointer<gh_hooks>
    private let address: UnsafeMutableRawPointer

    init?(_ config: String, check: String = "puppet") {
        guard let table = PluginSDKTests.plugin.entry(fakeHost),
            let hooks = table.pointee.query(GH_INTERFACE_HOOKS)?.assumingMemoryBound(to: gh_hooks.self)
        else { return nil }
        let strings = FakeExchange()
        var info = gh_create_info()
        info.struct_size = UInt32(MemoryLayout<gh_create_info>.size)
        info.interface_id = strings.keep(GH_INTERFACE_HOOKS)
        info.check = strings.keep(check)
        info.config_json = strings.keep(config)
        guard let address = withExtendedLifetime(strings, { table.pointee.create(fakeHost, &info) }) else { return nil }
        plugin = table
        self.hooks = hooks
        self.address = address
    }

    deinit { plugin.pointee.destroy(address) }

    func onRequest(_ exchange: FakeExchange) -> (verdict: Int, decision: gh_decision) {
        var decision = gh_decision()
        let verdict = hooks.pointee.on_request(address, exchange.pointer, &decision)
        return (Int(verdict), decision)
    }

    func onStream(_ exchange: FakeExchange, _ text: String, isLast: Bool) -> gh_decision {
        var decision = gh_decision()
        var segment = gh_segment()
        segment.struct_size = UInt32(MemoryLayout<gh_segment>.size)
        decision.released_to = UInt64(text.utf8.count)
        withUnsafePointer(to: &segment) { segment in
            var window = gh_window()
            window.struct_size = UInt32(MemoryLayout<gh_window>.size)
            window.text = exchange.keep(text)
            window.fresh_from = 2
            window.flags = isLast ? UInt32(GH_WINDOW_LAST) : 0
            window.segment = segment
            _ = hooks.pointee.on_stream(address, exchange.pointer, &window, &decision)
        }
        return decision
    }

    func onError(_ exchange: FakeExchange, _ failure: gh_failure) {
        var decision = gh_decision()
        var failure = failure
        _ = hooks.pointee.on_error(address, exchange.pointer, &failure, &decision)
    }
}

private func puppet(_ act: String) throws -> Instance {
    let config: JSON = ["act": .string(act)]
    return try #require(Instance(config.description))
}

@Suite struct Exporting {
    @Test func describesThePlugin() throws {
        let table = try #require(plugin.entry(fakeHost)).pointee
        #expect(string(table.id) == "puppets")
        #expect(string(table.version) == "1.2.3")
        #expect(table.flags == UInt32(GH_ABI_DRAFT))
        #expect(table.query(GH_INTERFACE_HOOKS) != nil)
        #expect(table.query(GH_INTERFACE_PROVIDER) == nil)
        #expect(table.query("gh.unknown/1") == nil)
        #expect(plugin.entry(nil) == nil)
    }

    @Test func refusesParameters() {
        #expect(Instance(#"{"act":7}"#) == nil)
        #expect(Instance(#"{"act":"many errors"}"#) == nil)
        #expect(Instance("{}", check: "no-such-check") == nil)
        #expect(Instance("{") == nil)
        let errors = record.withLock(\.configErrors)
        #expect(errors.contains("/act Must be a string"))
        #expect(errors.contains("/a first") && errors.contains("/b second"))
        #expect(errors.contains { $0.contains("no-such-check") })
        #expect(errors.contains { $0.contains("not JSON") })
    }

    @Test func logsWithFields() throws {
        _ = try puppet("log")
        #expect(record.withLock(\.logs).contains("2 puppet made act=log empty="))
    }
}

@Suite struct Verdicts {
    @Test func denies() throws {
        let exchange = FakeExchange()
        exchange.info[.model] = "gpt"
        let (verdict, decision) = try puppet("deny").onRequest(exchange)
        #expect(verdict == GH_DENY)
        #expect(decision.http_status == 451 && decision.retry_after_ms == 9)
        #expect(withExtendedLifetime(exchange) { string(decision.code) } == "no")
        #expect(withExtendedLifetime(exchange) { string(decision.message) } == "Not gpt")
    }

    @Test func answersWithBytesThatAreReleased() throws {
        let exchange = FakeExchange()
        let (verdict, decision) = try puppet("answer").onRequest(exchange)
        #expect(verdict == GH_ANSWER)
        #expect(decision.http_status == 201)
        #expect(withExtendedLifetime(exchange) { string(decision.content_type) } == "application/json")
        let body = UnsafeRawBufferPointer(start: decision.body.ptr, count: decision.body.len)
        #expect(String(decoding: body, as: UTF8.self) == #"{"a":1}"#)
        let release = try #require(decision.body.release)
        release(decision.body.owner)
    }

    @Test func retries() throws {
        let exchange = FakeExchange()
        let (verdict, decision) = try puppet("retry").onRequest(exchange)
        #expect(verdict == GH_RETRY)
        #expect(withExtendedLifetime(exchange) { string(decision.target) } == "other")
        let (next, nextDecision) = try puppet("retry next").onRequest(exchange)
        #expect(next == GH_RETRY)
        #expect(nextDecision.target.ptr == nil)
    }

    @Test func failsWhereAHookThrows() throws {
        let exchange = FakeExchange()
        let (verdict, decision) = try puppet("fail").onRequest(exchange)
        #expect(verdict == GH_FAIL)
        #expect(withExtendedLifetime(exchange) { string(decision.message) } == "broken")
    }

    @Test func failsWhereTheHostRefusesAnEdit() throws {
        let exchange = FakeExchange()
        exchange.segments = [(.text, .user, "abc")]
        exchange.status = gh_status(GH_UNSUPPORTED)
        let (verdict, _) = try puppet("edit").onRequest(exchange)
        #expect(verdict == GH_FAIL)
    }
}

@Suite struct Exchanges {
    @Test func editsTexts() throws {
        let exchange = FakeExchange()
        exchange.segments = [(.text, .user, "abc"), (.image, .user, "data"), (.toolResult, .tool, "d")]
        #expect(try puppet("edit").onRequest(exchange).verdict == GH_CONTINUE)
        #expect(exchange.edits == ["100 0..<1 X", "102 0..<1 X"])
    }

    @Test func setsJSONAndHeaders() throws {
        let exchange = FakeExchange()
        _ = try puppet("set").onRequest(exchange)
        #expect(exchange.sets == [#"0 /messages/0 {"role":"user"} 1"#, "1 x-a: absent"])
    }

    @Test func reports() throws {
        let exchange = FakeExchange()
        _ = try puppet("report").onRequest(exchange)
        #expect(exchange.reports == [#"0 {"found":"yes"}"#])
    }

    @Test func joinsTexts() throws {
        let exchange = FakeExchange()
        exchange.segments = [
            (.text, .user, "a"), (.reasoning, .assistant, "no"), (.text, .user, ""), (.text, .user, "b"),
        ]
        _ = try puppet("text").onRequest(exchange)
        #expect(exchange.reports == [#"1 "a\n\nb""#])
    }

    @Test func knowsFacts() throws {
        let exchange = FakeExchange()
        exchange.info = [.endpoint: "messages", .stream: "true"]
        exchange.metadata["team"] = "red"
        _ = try puppet("facts").onRequest(exchange)
        #expect(exchange.reports == [#"1 "messages true red 0.25 seconds""#])
    }

    @Test func keepsStateForTheExchangeOnly() throws {
        let instance = try puppet("count")
        let exchange = FakeExchange()
        _ = instance.onRequest(exchange)
        _ = instance.onRequest(exchange)
        #expect(exchange.reports == ["1 1", "1 2"])
        let other = FakeExchange()
        _ = instance.onRequest(other)
        #expect(other.reports == ["1 1"])
    }

    @Test func saysHowFarAWindowIsLetGo() throws {
        let exchange = FakeExchange()
        let decision = try puppet("").onStream(exchange, "héllo", isLast: true)
        #expect(decision.released_to == 5)
        #expect(exchange.reports == [#"1 "héllo 2""#])
    }

    @Test func readsFailures() throws {
        let exchange = FakeExchange()
        var failure = gh_failure()
        failure.struct_size = UInt32(MemoryLayout<gh_failure>.size)
        failure.http_status = 503
        failure.flags = UInt32(GH_FAILURE_FINAL)
        failure.message = exchange.keep("overloaded")
        try puppet("").onError(exchange, failure)
        #expect(exchange.reports == [#"1 "503 overloaded""#])
    }
}

@Suite struct Pending {
    private func complete(_ act: String) throws -> Set<String> {
        let exchange = FakeExchange()
        let instance = try puppet(act)
        #expect(instance.onRequest(exchange).verdict == GH_PENDING)
        return Set(record.withLock(\.completions).values)
    }

    @Test func judgesByAnAnswer() throws {
        #expect(try complete("pend").contains("\(GH_DENY) 200 v harmful"))
    }

    @Test func failsWhenTheFetchIsRefused() throws {
        #expect(try complete("pend refused").contains("\(GH_FAIL) The host refused to fetch refused"))
    }

    @Test func failsWhenTheJudgeThrows() throws {
        #expect(try complete("pend fail").contains("\(GH_FAIL) unreadable"))
    }
}
