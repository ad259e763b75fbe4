// What hooks read, and what they stage: changes appear together when the decision lets the exchange go on, and else not at all.

import CGatehouse
import Core
import Testing
import Wire

@testable import PluginHost

@Suite struct ReadingTests {
    private let loop = TestLoop()

    @Test func aHookReadsTheFacts() async throws {
        let bench = try Bench.doing("facts")
        let facts = ExchangeFacts.chat(
            answer:
                #"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"}},{"index":1,"message":{"content":"b"}}]}"#
        )
        let exchange = bench.exchange(facts)
        #expect(await loop.run(.request, on: exchange).verdict == .proceed)
        let told = Dictionary(exchange.attributes.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        let expected = [
            "info.1": "chat_completions", "info.2": "m", "info.3": "openai", "info.4": "config.targets[1]",
            "info.5": "2", "info.6": "3",
            "info.7": "true", "info.8": "t-1", "info.9": "w", "info.10": "p",
            "info.11": #"{"team":"red","user":"u\"1"}"#,
            "info.12": #"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#, "info.13": "stop",
            "info.14": "POST",
            "info.15": "/v1/chat/completions", "info.16": "200", "info.17": "enforced", "metadata.team": "red",
            "metadata.none": "(absent)",
            "header.first": "one", "header.second": "two", "header.third": "(absent)", "header.far": "(absent)",
            "header.secret": "(absent)", "header.response": "yes", "json.role": "\"system\"", "json.none": "(absent)",
            "json.bad": "(absent)", "json.wrong_side": "(absent)", "counts": "2 2",
            "segment.0": "0 1 0 /messages/0/content : Be kind.",
            "segment.1": "0 2 1 /messages/1/content : Grüße, \"Ada\" 😀",
        ]
        #expect(told == expected)
    }

    @Test func whatIsNotKnownYetIsAbsent() async throws {
        let bench = try Bench.doing("facts")
        let identity = ExchangeIdentity(
            endpoint: .messages, method: "POST", path: "/v1/messages", traceID: "t", workspace: nil, principal: nil,
            isStream: false,
            metadata: [], requestHeaders: [])
        let exchange = bench.exchange(
            ExchangeFacts(
                identity: identity, model: nil, request: BodyView(body: "{}", endpoint: .messages, isRequest: true)))
        #expect(await loop.run(.request, on: exchange).verdict == .proceed)
        let told = Dictionary(exchange.attributes.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        for absent in [2, 3, 4, 5, 9, 10, 12, 13, 16] { #expect(told["info.\(absent)"] == "(absent)") }
        #expect(told["info.6"] == "0")
        #expect(told["info.7"] == "false")
        #expect(told["info.11"] == "{}")
        #expect(told["counts"] == "0 0")
    }

    @Test func timeLeftIsThatOfTheCall() async throws {
        let bench = try Bench.doing("facts")
        let exchange = bench.exchange()
        // The table reads the real clock; the loop's own stands near its beginning.
        exchange.prepare(exchange.facts, deadline: .after(milliseconds: 60_000))
        _ = HookCall.invoke(.request, exchange)
        #expect((1...60_000_000_000).contains(bench.probe[.status]))
        exchange.prepare(exchange.facts, deadline: Deadline(nanoseconds: 1))
        _ = HookCall.invoke(.request, exchange)
        #expect(bench.probe[.status] == 0)
    }

    @Test func anOlderPluginsSegmentEndsWhereItSays() async throws {
        let bench = try Bench.doing("short_segment")
        let exchange = bench.exchange()
        #expect(await loop.run(.request, on: exchange).verdict == .proceed)
        #expect(bench.probe[.status] == GH_OK)
        #expect(bench.probe[.sum] == HookLifeTests.sum("Be kind."))
        #expect(bench.probe.result(0) == 0, "bytes beyond the struct's size were written")
        // Without a size there is no room for anything.
        #expect(bench.probe[.status2] == GH_INVALID)
        #expect(bench.probe.result(1) == 0)
    }

    @Test func nothingIsReadBeyondAString() async throws {
        let bench = try Bench.doing("edge", with: [("number", JSONValue(GH_DENY))])
        let exchange = bench.exchange()
        let expected = Denial(status: 455, code: "code", message: "a sentence", retryAfterMilliseconds: 0)
        #expect(await loop.run(.request, on: exchange).verdict == .deny(expected))
        #expect(bench.probe.results(6) == [0, 0, 0, 0, 1, 1])
        #expect(
            bench.recorder.lines == [
                Recorder.Line(level: .warning, plugin: "behaviours.hook", message: "a message", fields: ["field=value"])
            ])
        #expect(exchange.reports.map { $0.data.map { String($0) } } == ["{\"edge\":true}"])
    }

    @Test func whatWasReadCountsAsSeen() async throws {
        let bench = try Bench.doing("short_segment")
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        #expect(exchange.seen == [0])
    }

    @Test func theLastMessageMayBeAllThatIsPresented() async throws {
        let bench = try Bench.doing("facts")
        let exchange = bench.exchange()
        exchange.present(.last)
        _ = await loop.run(.request, on: exchange)
        let told = exchange.attributes.filter { $0.key.hasPrefix("segment.") }.map(\.value)
        #expect(told == ["0 2 1 /messages/1/content : Grüße, \"Ada\" 😀"])
    }
}

@Suite struct StagingTests {
    private let loop = TestLoop()
    private static let body =
        #"{"model":"m","messages":[{"role":"user","content":"Grüße, \"Ada\" 😀"}],"tags":["a","b"],"n":1}"#

    /// The statuses of a script's lines, and the body as it goes on.
    private func play(
        _ lines: String..., body: String = StagingTests.body, answer: String? = nil, misuse: String? = nil
    ) async throws -> (statuses: [Int], body: String?) {
        let bench = try Bench.doing("script", with: [("text", .string(lines.joined(separator: "\n")))])
        let facts = ExchangeFacts.chat(body, answer: answer)
        let exchange = bench.exchange(facts)
        let decision = await loop.run(.request, on: exchange)
        #expect(decision.verdict == misuse.map { .fail($0) } ?? .proceed)
        let side: HookExchange.Side = answer == nil ? .request : .response
        return (
            bench.probe.results(lines.count),
            try exchange.changed(facts.response ?? facts.request, side).map { String($0) }
        )
    }

    // Offsets in: G r ü . ß . e , _ " A d a " _ 😀...
    //             0 1 2   4   6 7 8 9 ...       14  15

    @Test func anEditReplacesARange() async throws {
        let (statuses, body) = try await play("edit|0|0|7|Hi")
        #expect(statuses == [0])
        #expect(body == Self.body.replacing("Grüße", with: "Hi"))
    }

    @Test func whatNoEditTouchesKeepsItsSpelling() async throws {
        let text = #"{ "messages" : [ {"content":"a\u0062\u00e9\/ c"  , "role":"user"} ] , "x": 1.50 }"#
        let (statuses, body) = try await play("edit|0|0|1|A", body: text)
        #expect(statuses == [0])
        #expect(body == text.replacing("\"a\\u", with: "\"A\\u"))
    }

    @Test func severalEditsOfOneTextApplyTogether() async throws {
        let (statuses, body) = try await play(
            "edit|0|10|13|\"Eve\"\\", "edit|0|0|1|g", "edit|0|15|19|:)", "edit|0|7|7|!")
        #expect(statuses == [0, 0, 0, 0])
        #expect(
            try JSONValue(parsing: try #require(body))["messages"]?[0]?["content"]?.string == "grüße!, \"\"Eve\"\\\" :)"
        )
    }

    @Test func insertionsAtOnePlaceKeepTheirOrder() async throws {
        let (statuses, body) = try await play("edit|0|0|0|1", "edit|0|0|0|2", "edit|0|19|19|3", "edit|0|19|19|4")
        #expect(statuses == [0, 0, 0, 0])
        #expect(
            try JSONValue(parsing: try #require(body))["messages"]?[0]?["content"]?.string == "12Grüße, \"Ada\" 😀34")
    }

    @Test func overlappingEditsAreInvalid() async throws {
        let (statuses, body) = try await play(
            "edit|0|0|4|x", "edit|0|2|6|y", "edit|0|1|1|z", "edit|0|0|4|w", "edit|0|4|4|,", "edit|0|0|0|,",
            misuse: "edit() of bytes 2 to 6, which another edit changes, too")
        #expect(statuses == [0, GH_INVALID, GH_INVALID, GH_INVALID, 0, 0].map { Int($0) })
        #expect(try JSONValue(parsing: try #require(body))["messages"]?[0]?["content"]?.string == ",x,ße, \"Ada\" 😀")
    }

    @Test func anInsertionIsNotReplacedUnseen() async throws {
        let (statuses, _) = try await play(
            "edit|0|1|1|z", "edit|0|0|2|x", misuse: "edit() of bytes 0 to 2, which another edit changes, too")
        #expect(statuses == [0, Int(GH_INVALID)])
    }

    @Test func editsThatCutACharacterAreInvalid() async throws {
        // ü is two bytes at 2, 😀 four at 15.
        for range in ["2|3", "3|4", "0|3", "15|17", "16|16", "17|19", "3|3"] {
            let words = range.replacing("|", with: " to ")
            let misuse = "edit() of bytes \(words), which cuts a character"
            let outcome = try await play("edit|0|\(range)|x", misuse: misuse)
            #expect(outcome.statuses == [Int(GH_INVALID)], "\(range)")
        }
        for range in ["2|4", "15|19", "15|15", "19|19", "0|19"] {
            #expect(try await play("edit|0|\(range)|x").statuses == [0], "\(range)")
        }
    }

    @Test func editsOutOfRangeAreInvalid() async throws {
        for range in [
            "0|20", "20|20", "5|4", "18446744073709551615|18446744073709551615", "0|18446744073709551615",
            "9223372036854775808|9223372036854775809",
        ] {
            let words = range.replacing("|", with: " to ")
            let isInOrder = range.hasPrefix("0|20") || range == "20|20"
            let misuse = "edit() of bytes \(words)" + (isInOrder ? " of a text of 19" : "")
            let outcome = try await play("edit|0|\(range)|x", misuse: misuse)
            #expect(outcome.statuses == [Int(GH_INVALID)], "\(range)")
        }
    }

    @Test func unknownSegmentsAreNotFound() async throws {
        #expect(try await play("edit|7|0|1|x").statuses == [Int(GH_NOT_FOUND)])
        #expect(try await play("side|1", "edit|0|0|1|x").statuses == [0, Int(GH_NOT_FOUND)])
    }

    @Test func readOnlySegmentsRefuseEdits() async throws {
        let body = #"{"model":"m","input":[1,2,3]}"#
        let bench = try Bench.script("edit|0|0|1|x")
        let identity = ExchangeFacts.chat().identity
        let exchange = bench.exchange(
            ExchangeFacts(
                identity: identity, model: "m",
                request: BodyView(body: Bytes(body), endpoint: .embeddings, isRequest: true)))
        #expect(
            exchange.facts.request.segments.first?.segment.flags == Segment.Flags.readOnly | Segment.Flags.binary
                || !exchange.facts.request.segments.isEmpty)
        _ = await loop.run(.request, on: exchange)
        #expect(bench.probe.result(0) == GH_UNSUPPORTED)
        #expect(try exchange.changed(exchange.facts.request, .request) == nil)
    }

    @Test func answersAreEditedLikeRequests() async throws {
        let answer =
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":"one"}},{"index":1,"message":{"role":"assistant","content":"two"}}]}"#
        let (statuses, body) = try await play("side|1", "edit|1|0|3|zwei", "edit|0|0|3|eins", answer: answer)
        #expect(statuses == [0, 0, 0])
        #expect(body == answer.replacing("one", with: "eins").replacing("two", with: "zwei"))
    }

    // MARK: set_json

    @Test(arguments: [
        ("json|/n|2", #""n":1"#, #""n":2"#),
        ("json|/model|\"x\"", #""model":"m""#, #""model":"x""#),
        ("json|/tags/0|\"c\"", #"["a","b"]"#, #"["c","b"]"#),
        ("insert|/tags/0|\"c\"", #"["a","b"]"#, #"["c","a","b"]"#),
        ("insert|/tags/1|\"c\"", #"["a","b"]"#, #"["a","c","b"]"#),
        ("json|/tags/-|\"c\"", #"["a","b"]"#, #"["a","b","c"]"#),
        ("insert|/tags/-|\"c\"", #"["a","b"]"#, #"["a","b","c"]"#),
        ("json|/user|{\"a\": [1]}", #""n":1}"#, #""n":1,"user":{"a": [1]}}"#),
        ("insert|/user|null", #""n":1}"#, #""n":1,"user":null}"#),
        ("json|/a~1b~0c|0", #""n":1}"#, #""n":1,"a/b~c":0}"#),
        ("json|/messages/0/name|\"Bo\"", #"😀"}"#, #"😀","name":"Bo"}"#),
    ])
    func setJSONPutsAValue(_ line: String, _ before: String, _ after: String) async throws {
        let (statuses, body) = try await play(line)
        #expect(statuses == [0])
        #expect(body == Self.body.replacing(before, with: after))
    }

    @Test func setJSONTakesJSONOnly() async throws {
        for (pointer, value) in [
            ("/n", "nothing"), ("/n", ""), ("/n", "1 2"), ("/n", "{\"a\":1,}"), ("n", "1"), ("/~2", "1"),
            ("/n", "{\"a\":1,\"a\":2}"),
        ] {
            let (statuses, body) = try await play("json|\(pointer)|\(value)")
            #expect(statuses == [Int(GH_INVALID)], "\(pointer) \(value)")
            #expect(body == nil)
        }
    }

    @Test func setJSONWithoutAParentFailsWhenItIsApplied() async throws {
        let bench = try Bench.script("json|/nowhere/deep|1")
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        #expect(bench.probe.result(0) == GH_OK)
        #expect(throws: GatewayError.self) { try exchange.changed(exchange.facts.request, .request) }
    }

    @Test func valuesAndEditsGoTogether() async throws {
        let (statuses, body) = try await play(
            "json|/messages/0/name|\"Bo\"", "edit|0|0|7|Hi", "json|/n|3", "insert|/tags/0|\"c\"")
        #expect(statuses == [0, 0, 0, 0])
        let value = try JSONValue(parsing: try #require(body))
        #expect(value["messages"]?[0]?["content"]?.string == "Hi, \"Ada\" 😀")
        #expect(value["messages"]?[0]?["name"] == "Bo")
        #expect(value["n"] == 3)
        #expect(value["tags"] == ["c", "a", "b"])
    }

    // MARK: set_body

    @Test func setBodyReplacesAll() async throws {
        let (statuses, body) = try await play("body|{\"model\": \"other\"}", "json|/n|3")
        #expect(statuses == [0, 0])
        #expect(body == "{\"model\": \"other\",\"n\":3}")
    }

    @Test func aNewBodyAndEditsOfTheOldExcludeEachOther() async throws {
        let (statuses, body) = try await play("body|{}", "edit|0|0|1|x")
        #expect(statuses == [0, Int(GH_INVALID)])
        #expect(body == "{}")
        let (others, edited) = try await play("edit|0|0|1|x", "body|{}")
        #expect(others == [0, Int(GH_INVALID)])
        #expect(edited?.contains("\"messages\"") == true)
    }

    @Test func setBodyTakesJSONOnly() async throws {
        for text in ["no", "", "{\"a\":1}}", "{\"a\":1,\"a\":1}"] {
            let (statuses, body) = try await play("body|\(text)")
            #expect(statuses == [Int(GH_INVALID)], "\(text)")
            #expect(body == nil)
        }
        #expect(try await play("side|1", "body|{}").statuses == [0, Int(GH_NOT_FOUND)])
    }

    // MARK: The rest

    @Test func headersOfTheAnswerMustBeHeaders() async throws {
        let bench = try Bench.script("side|1", "header|X-A|b", "header|X A|b", "header||b", "side|0", "header|X-A|b")
        let exchange = bench.exchange(.chat(answer: "{}"))
        _ = await loop.run(.response, on: exchange)
        #expect(bench.probe.results(6) == [0, 0, Int(GH_INVALID), Int(GH_INVALID), 0, Int(GH_INVALID)])
        #expect(exchange.headerChanges.map(\.name) == ["X-A"])
        #expect(exchange.headerChanges.map(\.value) == ["b"])
    }

    @Test func attributesAreBounded() async throws {
        var lines: [String] = []
        for index in 0..<39 { lines.append("attribute|k\(index)|v") }
        lines.append("attribute||v")
        let bench = try Bench.doing("script", with: [("text", .string(lines.joined(separator: "\n")))])
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        #expect(bench.probe.results(40) == Array(repeating: 0, count: 39) + [Int(GH_INVALID)])
        let long = Bytes(String(repeating: "x", count: 4097))
        defer { withExtendedLifetime(long) {} }
        #expect(exchange.stageAttribute(gh_str("k"), gh_str(viewing: long)) == gh_status(GH_GONE), "the call is over")
        exchange.prepare(exchange.facts, deadline: .never)
        #expect(exchange.stageAttribute(gh_str("k"), gh_str(viewing: long)) == gh_status(GH_OVER_LIMIT))
        for _ in 0..<64 { #expect(exchange.stageAttribute(gh_str("k"), gh_str("v")) == gh_status(GH_OK)) }
        #expect(exchange.stageAttribute(gh_str("k"), gh_str("v")) == gh_status(GH_OVER_LIMIT))
    }

    @Test func reportsCarryJSON() async throws {
        let bench = try Bench.script("report|1|{\"a\":1}", "report|0|", "report|0|none")
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        #expect(bench.probe.results(3) == [0, Int(GH_INVALID), Int(GH_INVALID)])
        #expect(exchange.reports.map(\.passed) == [true])
    }

    @Test func reportsFitOnOneLine() throws {
        let exchange = try Bench.doing("verdict").exchange()
        exchange.prepare(exchange.facts, deadline: .never)
        #expect(exchange.addReport(false, gh_str("{\n  \"words\": [\"a b\",\r\n\t\"c\"]\n}")) == gh_status(GH_OK))
        #expect(exchange.reports.first?.data.map { String($0) } == #"{"words":["a b","c"]}"#)
    }

    @Test func keptStringsLiveAsLongAsTheExchange() async throws {
        let bench = try Bench.doing("verdict")
        let exchange = bench.exchange()
        var text = Array("a sentence".utf8)
        let kept = text.withUnsafeBytes {
            exchange.keep(gh_str(ptr: $0.baseAddress?.assumingMemoryBound(to: CChar.self), len: $0.count))
        }
        text = Array("something!".utf8)
        exchange.prepare(exchange.facts, deadline: .never)
        #expect(kept.string == "a sentence")
        #expect(exchange.keep(.absent).isAbsent)
        #expect(!exchange.keep(gh_str("")).isAbsent)
        let large = Bytes([UInt8](repeating: 0x78, count: 9 << 20))
        defer { withExtendedLifetime(large) {} }
        #expect(!exchange.keep(gh_str(viewing: large)).isAbsent)
        #expect(exchange.keep(gh_str(viewing: large)).isAbsent, "16 MiB are enough")
    }

    @Test(arguments: [GH_DENY, GH_ANSWER, GH_RETRY, GH_FAIL])
    func nothingOfARefusalIsLeftBehind(_ verdict: Int) async throws {
        let bench = try Bench.script(
            "edit|0|0|1|x", "json|/n|9", "body|{}", "attribute|k|v", "side|1", "header|x-a|b", "verdict|\(verdict)")
        let facts = ExchangeFacts.chat(answer: "{}")
        let exchange = bench.exchange(facts)
        let decision = await loop.run(.request, on: exchange)
        #expect(decision.verdict != .proceed)
        // A new body and edits of the old exclude each other.
        #expect(bench.probe.results(7) == [0, 0, Int(GH_INVALID), 0, 0, 0, 0])
        // Nobody applies them, and the next call begins with nothing.
        exchange.prepare(facts, deadline: .never)
        #expect(exchange.edits.isEmpty && exchange.puts.isEmpty && exchange.newBodies.isEmpty)
        #expect(exchange.headerChanges.isEmpty && exchange.attributes.isEmpty && exchange.reports.isEmpty)
        #expect(try exchange.changed(facts.request, .request) == nil)
    }

    @Test func aCallThatIsOverStagesNothing() async throws {
        let bench = try Bench.script("edit|0|0|1|x")
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        let gone = gh_status(GH_GONE)
        #expect(exchange.stageEdit(0, 5, 6, gh_str("y")) == gone)
        #expect(exchange.stagePut(0, gh_str("/n"), gh_str("1"), inserts: false) == gone)
        #expect(exchange.stageBody(0, gh_str("{}")) == gone)
        #expect(exchange.stageHeader(1, gh_str("a"), gh_str("b")) == gone)
        #expect(exchange.addReport(true, .absent) == gone)
        #expect(exchange.edits.count == 1)
    }

    @Test func replacementsMustBeText() async throws {
        let bench = try Bench.doing("verdict")
        let exchange = bench.exchange()
        exchange.prepare(exchange.facts, deadline: .never)
        let id = try #require(exchange.facts.request.segments.first).segment.id
        let raw = Bytes([0xFF])
        #expect(
            withExtendedLifetime(raw) { exchange.stageEdit(id, 0, 1, gh_str(viewing: raw)) } == gh_status(GH_INVALID))
        #expect(exchange.stageEdit(id, 0, 1, .absent) == gh_status(GH_OK), "takes the range out")
    }
}

/// Windows as on_stream gets them.
@Suite struct WindowTests {
    private let loop = TestLoop()

    private func window(
        _ text: String, freshFrom: Int = 0, isLast: Bool = false, releasedTo: Int = 0, flags: UInt32 = 0,
        event: Bytes? = nil
    ) -> StreamWindow {
        let segment = Segment(
            kind: .reasoning, role: .assistant, index: 1, id: 77, flags: flags,
            pointer: "/choices/1/message/reasoning_content",
            textRange: 0..<0, depth: 1, isEscaped: false)
        return StreamWindow(
            segment: PresentedSegment(segment, in: .empty), text: Bytes(text), freshFrom: freshFrom, isLast: isLast,
            releasedTo: releasedTo,
            event: event)
    }

    @Test func aWindowSaysWhatItIs() async throws {
        let bench = try Bench.doing("windows", "stream")
        let exchange = bench.exchange()
        #expect(
            await loop.run(.stream(window("Grüße", freshFrom: 2, releasedTo: 4)), on: exchange)
                == Decision(verdict: .proceed, releasedTo: 4))
        #expect(
            await loop.run(.stream(window("", isLast: true, event: "{\"a\":1}")), on: exchange)
                == Decision(verdict: .proceed))
        #expect(
            bench.recorder.lines.map(\.fields) == [
                ["text=Grüße", "numbers=2 4 0 1", "event=-"], ["text=", "numbers=0 0 1 0", "event={\"a\":1}"],
            ])
        // The segment of a window has no text of its own.
        #expect(bench.probe.results(2) == [1, GH_SEGMENT_REASONING])
    }

    @Test func aWindowSaysWhereItIs() async throws {
        let bench = try Bench.doing("windows", "stream")
        var last = window("", isLast: true)
        last.offset = 1 << 40
        last.isEnd = true
        _ = await loop.run(.stream(last), on: bench.exchange())
        #expect(bench.recorder.lines.first?.fields[1] == "numbers=0 0 3 0")
        #expect(bench.probe.results(3)[2] == 1 << 40)
    }

    @Test func editsOfAWindowAreOffsetsInItsText() async throws {
        let bench = try Bench.script(
            "edit|w|2|4|u", "edit|w|3|3|x", "edit|w|4|5|y", "release|7", "json|/n|1", "body|{}", "edit|0|0|1|z",
            check: "stream")
        let exchange = bench.exchange()
        let misuse = "edit() of bytes 3 to 3, which cuts a character"
        #expect(await loop.run(.stream(window("Grüße")), on: exchange).verdict == .fail(misuse))
        #expect(
            bench.probe.results(7) == [
                0, Int(GH_INVALID), Int(GH_INVALID), 0, Int(GH_UNSUPPORTED), Int(GH_UNSUPPORTED), Int(GH_NOT_FOUND),
            ])
        #expect(exchange.edits.map(\.range) == [2..<4])
    }

    @Test func whatCannotBeEditedSaysSo() async throws {
        let bench = try Bench.script("edit|w|0|1|u", check: "stream")
        _ = await loop.run(.stream(window("text", flags: Segment.Flags.readOnly)), on: bench.exchange())
        #expect(bench.probe.result(0) == GH_UNSUPPORTED)
        // Nothing is left to take an insertion along.
        let empty = try Bench.script("edit|w|0|0|u", check: "stream")
        _ = await loop.run(.stream(window("", isLast: true)), on: empty.exchange())
        #expect(empty.probe.result(0) == GH_UNSUPPORTED)
        let marked = try Bench.doing("windows", "stream")
        _ = await loop.run(.stream(window("text", flags: Segment.Flags.readOnly)), on: marked.exchange())
        #expect(marked.recorder.lines.first?.fields[1] == "numbers=0 0 0 5")
    }

    @Test func releaseBeyondAllBoundsIsAnOrdinaryNumber() async throws {
        let bench = try Bench.script("release|18446744073709551615", check: "stream")
        #expect(await loop.run(.stream(window("text")), on: bench.exchange()).releasedTo == Int.max)
    }
}
