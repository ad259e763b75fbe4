import Core
import Testing

@testable import Wire

@Suite struct StreamReplayTests {
    private func data(_ answer: String, _ endpoint: Endpoint, usage: Bool = false) throws -> [String] {
        try #require(StreamReplay.events(of: Bytes(answer), endpoint, includeUsage: usage)).map { String($0.data) }
    }

    static let chat =
        #"{"id":"x","object":"chat.completion","created":1,"model":"m","system_fingerprint":"f","choices":[{"index":0,"message":{"role":"assistant","content":"Hi é\n","refusal":null,"reasoning_content":"why","annotations":[],"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"logprobs":{"content":[]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"hook_results":{}}"#

    @Test func replaysAChatAnswer() throws {
        let head =
            #"{"object":"chat.completion.chunk","id":"x","created":1,"model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"#
        let tail = #"},"logprobs":null,"finish_reason":null}]}"#
        #expect(
            try data(Self.chat, .chatCompletions) == [
                head + #""role":"assistant","content":"","annotations":[]"# + tail,
                head + #""reasoning_content":"why""# + tail,
                head + #""content":"Hi é\n""# + tail,
                head + #""tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]"#
                    + tail,
                head + #""tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]"# + tail,
                head + #"},"logprobs":{"content":[]},"finish_reason":"tool_calls"}]}"#, "[DONE]",
            ])
    }

    @Test func sendsUsageWhenAskedTo() throws {
        let events = try data(Self.chat, .chatCompletions, usage: true)
        #expect(
            events.dropLast().last
                == #"{"object":"chat.completion.chunk","id":"x","created":1,"model":"m","system_fingerprint":"f","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#
        )
        #expect(events.dropLast(2).allSatisfy { $0.hasSuffix(",\"usage\":null}") })
        #expect(try !data(Self.chat, .chatCompletions).contains { $0.contains("usage") })
    }

    static let completion =
        #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":"stop"},{"text":"b","index":1,"logprobs":null,"finish_reason":"length"}]}"#

    @Test func replaysATextCompletion() throws {
        let events = try data(Self.completion, .completions)
        #expect(events.count == 5)
        #expect(
            events[0]
                == #"{"object":"text_completion","id":"c","created":1,"model":"m","choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":null}]}"#
        )
        #expect(
            events[3]
                == #"{"object":"text_completion","id":"c","created":1,"model":"m","choices":[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}]}"#
        )
        #expect(events[4] == "[DONE]")
    }

    static let messages =
        #"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi","citations":[{"cited_text":"c"}]},{"type":"tool_use","id":"t","name":"f","input":{"a":"b\n"}},{"type":"redacted_thinking","data":"ZZ"}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#

    @Test func replaysMessages() throws {
        let events = try #require(StreamReplay.events(of: Bytes(Self.messages), .messages, includeUsage: false))
        for event in events { #expect(try json(event.data)["type"]?.string == event.name) }
        #expect(
            events.map { String($0.data) } == [
                #"{"type":"message_start","message":{"content":[],"id":"m","type":"message","role":"assistant","model":"c","usage":{"input_tokens":1,"output_tokens":2},"stop_reason":null,"stop_sequence":null}}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
                #"{"type":"content_block_stop","index":0}"#,
                #"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"","citations":[]}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"cited_text":"c"}}}"#,
                #"{"type":"content_block_stop","index":1}"#,
                #"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\"b\\n\"}"}}"#,
                #"{"type":"content_block_stop","index":2}"#,
                #"{"type":"content_block_start","index":3,"content_block":{"type":"redacted_thinking","data":"ZZ"}}"#,
                #"{"type":"content_block_stop","index":3}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":1,"output_tokens":2}}"#,
                #"{"type":"message_stop"}"#,
            ])
    }

    @Test func cutsTextAtCharacters() throws {
        let text = String(repeating: "é", count: 499) + #"\ud83d\ude00"# + String(repeating: #"\n"#, count: 500) + "漢"
        let body =
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":""# + text
            + #""},"finish_reason":"stop"}]}"#
        let pieces = try data(body, .chatCompletions).dropFirst().dropLast(2).map {
            try json($0)["choices"]?[0]?["delta"]?["content"]?.string ?? ""
        }
        #expect(pieces.map(\.unicodeScalars.count) == [500, 500, 1])
        #expect(pieces.joined() == String(repeating: "é", count: 499) + "😀" + String(repeating: "\n", count: 500) + "漢")
    }

    @Test(arguments: [(chat, Endpoint.chatCompletions), (completion, .completions), (messages, .messages)])
    func givesBackWhatTheAssemblerPutsTogether(_ answer: String, _ endpoint: Endpoint) throws {
        var assembler = StreamAssembler(endpoint: endpoint)
        for event in try #require(StreamReplay.events(of: Bytes(answer), endpoint, includeUsage: true)) {
            assembler.take(event)
        }
        var expected = try #require(try json(answer).object)
        expected["hook_results"] = nil
        let whole = try #require(try json(assembler.finish()).object)
        #expect(assembler.isComplete)
        #expect(Set(whole.keys) == Set(expected.keys))
        for key in expected.keys where key != "choices" { #expect(whole[key] == expected[key], "\(key)") }
        for (index, choice) in (expected["choices"]?.array ?? []).enumerated() {
            for member in choice.object?.members ?? [] where !member.value.isNull && member.key != "message" {
                #expect(whole["choices"]?[index]?[member.key] == member.value)
            }
            for member in choice["message"]?.object?.members ?? [] where !member.value.isNull {
                #expect(whole["choices"]?[index]?["message"]?[member.key] == member.value)
            }
        }
    }

    @Test(arguments: [
        "", "[]", "{}", "null", "{\"error\":{}}", "{\"choices\":1}", "{\"content\":\"x\"}", "{\"choices\":[",
    ])
    func replaysNothingElse(_ answer: String) {
        for endpoint in Endpoint.allCases {
            #expect(StreamReplay.events(of: Bytes(answer), endpoint, includeUsage: true) == nil)
        }
    }

    @Test func replaysOddAnswers() throws {
        #expect(try data(#"{"choices":[]}"#, .chatCompletions) == ["[DONE]"])
        let old = try data(
            #"{"choices":[{"message":{"function_call":{"name":"f","arguments":"{}"}}}]}"#, .chatCompletions)
        #expect(
            old[1]
                == #"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"function_call":{"name":"f","arguments":""}},"logprobs":null,"finish_reason":null}]}"#
        )
        let custom = try data(
            #"{"choices":[{"message":{"tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"ls"}}]}}]}"#,
            .chatCompletions)
        #expect(custom[2].contains(#""custom":{"input":"ls"}"#))
    }
}
