// The host's services, as plugins get them: through the tables of the ABI.

import CGatehouse
import Core
import Testing

@testable import PluginHost

@Suite struct ExtensionTests {
    @Test func onlyWhatTheManifestAsksForIsThere() throws {
        let bench = try Bench.doing("nothing", plugin: "services")
        // gh.kv/1 is wanted, and this host lacks it; gh.upstream/1 was not asked for.
        #expect(bench.probe[.status2] == 0)
        #expect(bench.probe[.status] == 0)
    }

    @Test func everyTableSaysItsSize() throws {
        for id in Extensions.ids {
            let table = try #require(Extensions.table(id))
            #expect(table.load(as: UInt32.self) >= 16)
            #expect(Extensions.table(id) == table)
        }
        #expect(Extensions.table("gh.none/1") == nil)
    }
}

// MARK: gh.regex/1

@Suite struct RegexServiceTests {
    private let table: gh_regex

    init() throws {
        table = try #require(Extensions.table(GH_EXT_REGEX)).load(as: gh_regex.self)
    }

    /// A compiled pattern, or the error's offset and sentence.
    private func compile(_ pattern: String, _ flags: Int = 0, room: Int = 128) -> (
        pattern: OpaquePointer?, offset: UInt64, error: String
    ) {
        let text = Bytes(pattern)
        var offset: UInt64 = 0
        var error = [CChar](repeating: 0x7F, count: room + 1)
        let compiled = withExtendedLifetime(text) {
            table.compile?(nil, gh_str(viewing: text), UInt32(flags), &offset, &error, room)
        }
        #expect(error[room] == 0x7F, "the buffer's end was passed")
        return (
            compiled, offset, String(decoding: error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        )
    }

    /// The status, and the spans as text; nil for a group that took no part.
    private func match(_ pattern: OpaquePointer?, _ text: String, from start: UInt64 = 0, room: Int = 4) -> (
        status: Int, groups: [String?]
    ) {
        let bytes = Bytes(text)
        var spans = [gh_regex_span](repeating: gh_regex_span(begin: 7, end: 7), count: room)
        let status = withExtendedLifetime(bytes) {
            Int(table.match?(pattern, gh_str(viewing: bytes), start, &spans, room) ?? -99)
        }
        guard status > 0 else { return (status, []) }
        return (
            status, spans.prefix(status).map { $0.begin == .max ? nil : String(bytes[Int($0.begin)..<Int($0.end)]) }
        )
    }

    @Test func groupsComeBehindTheWholeMatch() throws {
        let pattern = compile("(?<user>[a-z]+)@(x)?([a-z]+)").pattern
        defer { table.free_pattern?(pattern) }
        #expect(match(pattern, "write to ada@gate now") == (4, ["ada@gate", "ada", nil, "gate"]))
        #expect(match(pattern, "ada@gate", room: 2) == (4, ["ada@gate", "ada"]))
        #expect(match(pattern, "ada@gate", room: 0) == (4, []))
        #expect(match(pattern, "nobody").status == 0)
        #expect(table.group_name?(pattern, 1).string == "user")
        #expect(table.group_name?(pattern, 2).isAbsent == true)
        #expect(table.group_name?(pattern, 99).isAbsent == true)
        #expect(table.group_name?(nil, 1).isAbsent == true)
    }

    @Test func aSearchBeginsWhereItIsTold() throws {
        let pattern = compile("a.").pattern
        defer { table.free_pattern?(pattern) }
        #expect(match(pattern, "ab ac", from: 1).groups == ["ac"])
        #expect(match(pattern, "ab ac", from: 5).status == 0)
        #expect(match(pattern, "ab ac", from: 6).status == GH_INVALID)
        #expect(match(pattern, "ab ac", from: .max).status == GH_INVALID)
        #expect(match(nil, "ab").status == GH_INVALID)
    }

    @Test func anEmptyTextHasAnEmptyMatch() throws {
        let pattern = compile("^$").pattern
        defer { table.free_pattern?(pattern) }
        #expect(match(pattern, "") == (1, [""]))
        #expect(table.match?(pattern, .absent, 0, nil, 0) == 1)
    }

    @Test func theFlagsAreThoseOfTheHeader() throws {
        func matches(_ pattern: String, _ flags: Int, _ text: String) -> Bool {
            let compiled = compile(pattern, flags).pattern
            defer { table.free_pattern?(compiled) }
            return match(compiled, text).status > 0
        }
        #expect(matches("É", GH_REGEX_CASELESS, "é") && !matches("É", 0, "é"))
        #expect(matches("^b$", GH_REGEX_MULTILINE, "a\nb\nc") && !matches("^b$", 0, "a\nb\nc"))
        #expect(matches("a.b", GH_REGEX_DOTALL, "a\nb") && !matches("a.b", 0, "a\nb"))
        #expect(matches("a b # c", GH_REGEX_EXTENDED, "ab") && !matches("a b # c", 0, "ab"))
        // What this host does not know is ignored.
        #expect(matches("a", 1 << 20, "a"))
    }

    @Test func anInvalidPatternSaysWhereAndWhy() throws {
        let (pattern, offset, error) = compile("ab(c")
        #expect(pattern == nil)
        #expect(offset == 4)
        #expect(error == "missing closing parenthesis")
        #expect(compile("a[z-a]").offset == 4)
        #expect(compile("ü(").offset == 3, "bytes")
        // A small buffer gets what fits, and its zero.
        #expect(compile("ab(c", room: 8).error == "missing")
        #expect(compile("ab(c", room: 1).error == "")
        #expect(table.compile?(nil, gh_str("("), 0, nil, nil, 0) == nil)
    }

    @Test func textsMustBeUTF8UnlessTheyAreBytes() throws {
        let text = Bytes([0x61, 0xFF, 0x62])
        var span = gh_regex_span()
        let pattern = compile("b").pattern
        let raw = compile("\\xffb", GH_REGEX_BYTES).pattern
        defer {
            table.free_pattern?(pattern)
            table.free_pattern?(raw)
        }
        withExtendedLifetime(text) {
            #expect(table.match?(pattern, gh_str(viewing: text), 0, &span, 1) == Int32(GH_INVALID))
            #expect(table.match?(raw, gh_str(viewing: text), 0, &span, 1) == 1)
        }
        #expect(span.begin == 1 && span.end == 3)
    }

    @Test func noPatternAndNoTextTakeForever() throws {
        let pattern = compile("^(a|aa)+$").pattern
        defer { table.free_pattern?(pattern) }
        let before = MonotonicClock.now()
        #expect(match(pattern, String(repeating: "a", count: 100_000) + "b").status == GH_OVER_LIMIT)
        #expect(MonotonicClock.now() - before < 10_000_000_000)
    }

    @Test func aPatternOfAbsurdLengthIsRefused() {
        let (pattern, _, error) = compile(String(repeating: "a", count: 1 << 20))
        #expect(pattern == nil)
        #expect(!error.isEmpty)
    }

    @Test func freeingNothingIsNothing() { table.free_pattern?(nil) }
}

// MARK: gh.schema/1

@Suite struct SchemaServiceTests {
    private let table: gh_schema

    init() throws {
        table = try #require(Extensions.table(GH_EXT_SCHEMA)).load(as: gh_schema.self)
    }

    private final class Violations {
        var lines: [String] = []
        static let note: gh_schema_violation = { user, pointer, message in
            guard let user else { return }
            Unmanaged<Violations>.fromOpaque(user).takeUnretainedValue().lines.append(
                "\(pointer.string ?? "-"): \(message.string ?? "-")")
        }
        var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    }

    private func compile(_ schema: String, flags: Int = 0) -> (schema: OpaquePointer?, lines: [String]) {
        let violations = Violations()
        let text = Bytes(schema)
        let compiled = withExtendedLifetime((text, violations)) {
            table.compile?(nil, gh_str(viewing: text), UInt32(flags), Violations.note, violations.pointer)
        }
        return (compiled, violations.lines)
    }

    private func validate(_ schema: OpaquePointer?, _ document: String) -> (status: Int, lines: [String]) {
        let violations = Violations()
        let text = Bytes(document)
        let status = withExtendedLifetime((text, violations)) {
            table.validate?(schema, gh_str(viewing: text), Violations.note, violations.pointer)
        }
        return (Int(status ?? -99), violations.lines)
    }

    @Test func documentsAreJudgedWithReasons() throws {
        let (schema, lines) = compile(
            #"{"type":"object","properties":{"a/b":{"type":"integer"},"c":{"enum":["x"]}},"required":["c"]}"#)
        defer { table.free_schema?(schema) }
        #expect(schema != nil)
        #expect(lines.isEmpty)
        #expect(validate(schema, #"{"a/b":1,"c":"x"}"#) == (1, []))
        let (status, reasons) = validate(schema, #"{"a/b":"1","c":"y"}"#)
        #expect(status == 0)
        #expect(reasons.map { $0.split(separator: ":")[0] } == ["/a~1b", "/c"])
        #expect(validate(schema, "{}").status == 0)
        #expect(validate(schema, "no JSON").status == GH_INVALID)
        #expect(validate(nil, "{}").status == GH_INVALID)
    }

    @Test func reasonsMayBeLeftOut() throws {
        let schema = compile(#"{"type":"null"}"#).schema
        defer { table.free_schema?(schema) }
        #expect(table.validate?(schema, gh_str("1"), nil, nil) == 0)
        #expect(table.compile?(nil, gh_str("{"), 0, nil, nil) == nil)
    }

    @Test func invalidSchemasSayWhy() throws {
        for schema in ["{", "7", #"{"type":"strin"}"#, #"{"$ref":"https://example.com/s.json"}"#, #"{"pattern":"("}"#] {
            let (compiled, lines) = compile(schema)
            #expect(compiled == nil, "\(schema)")
            #expect(lines.count == 1, "\(schema)")
        }
    }

    @Test func flagsSayWhatFormatsAndSilentSchemasMean() throws {
        let mail = #"{"format":"email"}"#
        let remark = compile(mail).schema
        let rule = compile(mail, flags: GH_SCHEMA_FORMATS).schema
        // A list of schemas under "items" is draft 7, where "$schema" does not say otherwise.
        let list = #"{"items":[{"type":"null"}]}"#
        let old = compile(list, flags: GH_SCHEMA_DRAFT_7).schema
        let new = #"{"$schema":"https://json-schema.org/draft/2020-12/schema","items":[{"type":"null"}]}"#
        defer { for schema in [remark, rule, old] { table.free_schema?(schema) } }
        #expect(validate(remark, #""nobody""#).status == 1)
        #expect(validate(rule, #""nobody""#).status == 0)
        #expect(validate(old, "[1]").status == 0)
        #expect(compile(list).schema == nil)
        #expect(compile(new, flags: GH_SCHEMA_DRAFT_7).schema == nil)
    }

    @Test func eachReasonIsTold() throws {
        let (compiled, lines) = compile(#"{"type":"strin","properties":{"a":{"minLength":-1},"b":{"pattern":"("}}}"#)
        #expect(compiled == nil)
        #expect(lines.count == 3)
        #expect(lines.contains { $0.hasPrefix("/type") })
        #expect(lines.contains { $0.hasPrefix("/properties/a/minLength") })
    }

    @Test func freeingNothingIsNothing() { table.free_schema?(nil) }
}

// MARK: gh.metrics/1

@Suite struct MetricsServiceTests {
    @Test func metricsAreDefinedInCreateAndFrozenThen() async throws {
        let bench = try Bench.doing("metrics", plugin: "services")
        #expect(
            bench.recorder.metrics == [
                "counter services asked_total: How often.", "histogram services length: How long. [1.0, 2.5, 10.0]",
            ])
        // The same name gives the same metric; too many bounds give none.
        #expect(bench.probe.results(4) == [1, 2, 1, 0])
        #expect(await TestLoop().run(.request, on: bench.exchange()).verdict == .proceed)
        #expect(bench.recorder.recorded == ["add 1 2.0", "observe 2 3.5", "add 0 1.0"])
        #expect(bench.probe.result(4) == 0)
        #expect(bench.probe.result(5) == 0)
        #expect(bench.recorder.misbehaviour == Array(repeating: "a metric was defined outside create()", count: 2))
        #expect(bench.recorder.metrics.count == 2)
    }
}

// MARK: gh.http/1

@Suite struct HTTPServiceTests {
    private let loop = TestLoop()
    private static let url: [(String, JSONValue)] = [("url", "http://judge.internal/ask"), ("timeout_ms", 700)]

    private func fetching(_ what: String = "fetch") throws -> Bench {
        try Bench.doing(what, plugin: "services", with: Self.url)
    }

    @Test func aFetchGoesOutAsItWasAsked() async throws {
        let bench = try fetching()
        async let decision = loop.run(.request, on: bench.exchange())
        await bench.probe.waits(for: .started)
        let request = try #require(bench.recorder.fetcher.requests.first)
        #expect(request.plugin == "services.hook")
        #expect(request.method == "POST")
        #expect(request.url == "http://judge.internal/ask")
        #expect(request.headers.map(\.name) == ["X-Ask"])
        #expect(request.headers.map(\.value) == ["now"])
        #expect(String(request.body) == "{\"ask\":1}")
        #expect(request.askedEgress == ["judge.internal"])
        #expect(request.pluginID == "services")
        bench.recorder.fetcher.answer(
            0, PluginFetchAnswer(status: 200, headers: [("content-type", "text/plain"), ("x", "y")], body: "yes"))
        #expect(await decision.verdict == .proceed)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.answer] == 200)
        #expect(bench.probe[.sum] == HookLifeTests.sum("yes"))
        #expect(bench.probe.result(0) == 2)
        #expect(bench.probe.result(1) == HookLifeTests.sum("text/plain"))
        #expect(bench.probe.result(2) == 0, "done() ran inside fetch()")
        #expect(bench.probe[.status] == GH_OK)
    }

    @Test func aFetchTakesNoLongerThanItsExchange() async throws {
        let bench = try fetching()
        let exchange = bench.exchange()
        let near = Deadline.after(milliseconds: 100)
        exchange.prepare(exchange.facts, deadline: near)
        _ = HookCall.invoke(.request, exchange)
        #expect(bench.recorder.fetcher.requests.first?.deadline == near)
        exchange.prepare(exchange.facts, deadline: .never)
        let before = Deadline.after(milliseconds: 700)
        _ = HookCall.invoke(.request, exchange)
        let own = try #require(bench.recorder.fetcher.requests.last?.deadline)
        #expect(before <= own && own <= .after(milliseconds: 700))
        for index in 0..<2 {
            bench.recorder.fetcher.answer(index, PluginFetchAnswer(status: 200, headers: [], body: .empty))
        }
        await bench.probe.waits(for: .completed, 2)
    }

    @Test func anAnswerThatDoesNotComeSaysWhy() async throws {
        let bench = try fetching()
        async let decision = loop.run(.request, on: bench.exchange())
        await bench.probe.waits(for: .started)
        bench.recorder.fetcher.answer(
            0, PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "the address 10.0.0.1 is private"))
        #expect(await decision.verdict == .fail("the address 10.0.0.1 is private"))
        #expect(bench.probe[.sum] == HookLifeTests.sum("the address 10.0.0.1 is private"))
    }

    @Test func aFetchMayBeCancelled() async throws {
        let bench = try fetching("fetch_and_cancel")
        #expect(await loop.run(.request, on: bench.exchange()).verdict == .fail("cancelled"))
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.answer] == 0)
        #expect(bench.probe.result(3) == GH_OK)
        #expect(bench.probe.result(4) == GH_GONE)
        #expect(HTTPService.cancel(UInt64(bench.probe[.token])) == gh_status(GH_GONE))
    }

    @Test func senselessFetchesAreRefusedAtOnce() async throws {
        let bench = try fetching("bad_fetches")
        #expect(await loop.run(.request, on: bench.exchange()).verdict == .proceed)
        #expect(bench.probe.results(7) == [0, 0, 0, 0, 0, 0, 0])
        #expect(bench.recorder.fetcher.requests.isEmpty)
        #expect(bench.probe[.completed] == 0)
    }

    @Test func aFetchEndsWithTheCallThatWaitsForIt() async throws {
        let bench = try fetching()
        async let decision = loop.run(.request, on: bench.exchange(), within: 50)
        await bench.probe.waits(for: .started)
        #expect(bench.recorder.fetcher.openCount == 1)
        await loop.pass(milliseconds: 100)
        #expect(await decision.verdict == .timeout)
        #expect(bench.probe[.cancelled] == 1)
        // Nobody answers: the host has cancelled it, and the plugin completes what is gone.
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.answer] == 0)
        #expect(bench.probe[.status] == GH_GONE)
        #expect(bench.recorder.fetcher.openCount == 0)
        #expect(bench.recorder.misbehaviour.isEmpty)
    }

    @Test func aClientThatLeavesEndsTheFetchesMadeForIt() async throws {
        let bench = try fetching()
        let exchange = bench.exchange()
        async let decision = loop.run(.request, on: exchange, within: 60_000)
        await bench.probe.waits(for: .started)
        await loop.abandon(exchange)
        #expect(await decision.verdict == .timeout)
        await bench.probe.waits(for: .completed)
        #expect(bench.recorder.fetcher.openCount == 0)
    }

    @Test func anInstanceLivesUntilItsLastAnswer() async throws {
        let probe: Probe
        let recorder: Recorder
        do {
            let bench = try fetching("fetch_detached")
            probe = bench.probe
            recorder = bench.recorder
        }
        await ControlThread.call {}
        #expect(probe[.destroyed] == 0, "an answer is to come")
        recorder.fetcher.answer(0, PluginFetchAnswer(status: 204, headers: [], body: .empty))
        await probe.waits(for: .destroyed)
        #expect(probe[.answer] == 204)
        #expect(probe[.completed] == 1)
        // It could still use its table when the answer came.
        #expect(recorder.lines.map(\.message) == ["fetched"])
    }

    @Test func aRefusedInstancesTableLivesUntilItsLastAnswer() async throws {
        let recorder = Recorder()
        let library = try Loaded.library("services")
        let probe = Probe()
        #expect(throws: PluginCreationError.self) {
            _ = try PluginInstance.create(
                library: library, interface: .hooks, id: "hook", check: nil,
                config: .object(
                    JSONObject(Self.url + [("do", "fetch_detached_and_refuse"), ("probe", JSONValue(probe.address))])),
                services: recorder.services)
        }
        // services.c keeps what its answer needs: freeing it would be the plugin's own fault.
        #expect(recorder.fetcher.openCount == 1)
        recorder.fetcher.answer(0, PluginFetchAnswer(status: 200, headers: [], body: .empty))
        await eventually("the answer came") { recorder.lines.count == 1 }
    }

    @Test func manyFetchesAtOnceEnd() async throws {
        let bench = try fetching()
        await withTaskGroup(of: Verdict.self) { group in
            for _ in 0..<200 { group.addTask { await loop.run(.request, on: bench.exchange()).verdict } }
            await bench.probe.waits(for: .started, 200)
            for index in 0..<200 {
                bench.recorder.fetcher.answer(index, PluginFetchAnswer(status: 200, headers: [], body: .empty))
            }
            for await verdict in group { #expect(verdict == .proceed) }
        }
        await bench.probe.waits(for: .completed, 200)
    }
}
