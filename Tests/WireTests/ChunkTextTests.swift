import Core
import Testing

@testable import Wire

@Suite struct ChunkTextTests {
    private func chunk(_ endpoint: Endpoint, _ data: String, name: String = "") -> ChunkText {
        ChunkText(endpoint: endpoint, event: SSEEvent(name: name, data: Bytes(data)))
    }

    /// "choice kind part pointer: text" of each delta.
    private func lines(_ chunk: ChunkText) -> [String] {
        chunk.deltas.map {
            "\($0.key.choice) \($0.key.kind) \($0.key.part) \($0.segment.pointer): \(String(chunk.text(of: $0)))"
        }
    }

    // MARK: Chat

    @Test func findsTheDeltasOfAChatChunk() {
        let chunk = chunk(
            .chatCompletions,
            #"""
            {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[
              {"delta":{"role":"assistant","content":"a\nb","refusal":"r","reasoning_content":"w","reasoning":"v"},"index":1,"finish_reason":null},
              {"index":0,"delta":{"tool_calls":[{"index":2,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}},
                {"function":{"arguments":"x"},"index":3}],"function_call":{"name":"g","arguments":"y"},"audio":{"transcript":"t","data":"AAAA"}},
               "finish_reason":"tool_calls"}],"usage":null,"obfuscation":"zzz"}
            """#)
        #expect(
            lines(chunk) == [
                "1 text 0 /choices/1/message/content: a\nb", "1 text 1 /choices/1/message/refusal: r",
                "1 reasoning 0 /choices/1/message/reasoning_content: w",
                "1 reasoning 1 /choices/1/message/reasoning: v",
                "0 toolArguments 2 /choices/0/message/tool_calls/2/function/arguments: {\"a",
                "0 toolArguments 3 /choices/0/message/tool_calls/3/function/arguments: x",
                "0 toolArguments 65535 /choices/0/message/function_call/arguments: y",
                "0 text 2 /choices/0/message/audio/transcript: t", "0 audio 2 /choices/0/message/audio/data: AAAA",
            ])
        #expect(chunk.deltas.map(\.segment.name) == [nil, nil, nil, nil, "f", nil, "g", nil, nil])
        #expect(chunk.deltas.map(\.isEscaped) == [true, false, false, false, true, false, false, false, false])
        #expect(chunk.deltas.last?.segment.flags == Segment.Flags.binary)
        #expect(chunk.finishedChoices == [0])
        #expect(!chunk.isEnd && chunk.finishedBlock == nil)
        #expect(
            chunk.deltas.allSatisfy {
                $0.segment.role == .assistant && $0.segment.id == $0.key.segmentID && $0.segment.id < 1 << 62
            })
    }

    @Test func keepsOneIdPerText() {
        func id(_ data: String) -> UInt64? { chunk(.chatCompletions, data).deltas.first?.key.segmentID }
        let first = id(#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#)
        #expect(first == id(#"{"choices":[{"delta":{"content":"b"},"index":0}]}"#))
        let others = [
            id(#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#),
            id(#"{"choices":[{"index":0,"delta":{"refusal":"a"}}]}"#),
            id(#"{"choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}"#),
            id(#"{"choices":[{"index":0,"delta":{"unknown":"a"}}]}"#),
            id(#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"a"}}]}}]}"#),
            id(#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"a"}}]}}]}"#),
        ]
        #expect(Set(others + [first]).count == 7)
    }

    @Test func knowsTheEnd() {
        #expect(chunk(.chatCompletions, "[DONE]").isEnd)
        #expect(chunk(.chatCompletions, "[DONE]").deltas.isEmpty)
        #expect(chunk(.messages, #"{"type":"message_stop"}"#).isEnd)
        #expect(
            chunk(
                .messages,
                #"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}"#
            ).finishedChoices == [0])
        #expect(chunk(.messages, #"{"index":4,"type":"content_block_stop"}"#).finishedBlock == 4)
        #expect(
            chunk(
                .chatCompletions, #"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"},{"index":0,"delta":{}}]}"#
            ).finishedChoices == [1])
    }

    @Test func presentsWhatItDoesNotKnow() {
        #expect(
            lines(
                chunk(
                    .chatCompletions,
                    #"{"choices":[{"index":0,"delta":{"thoughts":"x","list":[{"deep":"y"}]},"extra":"two words","word":"one"}],"top":"also two"}"#
                )
            )
            .map { String($0.drop { $0 != "/" }) } == [
                "/extra: two words", "/choices/0/message/thoughts: x", "/choices/0/message/list/0/deep: y",
                "/top: also two",
            ])
        #expect(
            lines(chunk(.chatCompletions, #"{"error":{"message":"it broke"}}"#)).map { String($0.drop { $0 != "/" }) }
                == ["/error/message: it broke"])
        #expect(lines(chunk(.chatCompletions, #"{"choices":[],"usage":{"prompt_tokens":1}}"#)) == [])
        #expect(
            lines(
                chunk(.chatCompletions, #"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"p"}]}}]}"#)
            ).last?.hasSuffix(": p") == true)
    }

    @Test(arguments: ["half {\"choices\":", "{\"choices\":[{\"delta\":{\"content\":\"a", "plain", ""])
    func presentsWhatIsNotJSONWhole(_ data: String) throws {
        let chunk = chunk(.chatCompletions, data)
        let delta = try #require(chunk.deltas.first)
        #expect(chunk.deltas.count == 1)
        #expect(String(chunk.text(of: delta)) == data)
        #expect(delta.segment.flags == Segment.Flags.readOnly)
        #expect(chunk.replacing(["x"]) == Bytes(data))
    }

    @Test func findsReasoningDetails() {
        #expect(
            lines(
                chunk(
                    .chatCompletions,
                    #"{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"signature":"s"},{"summary":"b","index":1}]}}]}"#
                ))
                == [
                    "0 reasoning 65536 /choices/0/message/reasoning_details/0/text: a",
                    "0 reasoning 196609 /choices/0/message/reasoning_details/1/summary: b",
                ])
    }

    @Test func findsTheTextOfCompletions() {
        #expect(
            lines(
                chunk(.completions, #"{"choices":[{"text":"a","index":1,"logprobs":null,"finish_reason":"length"}]}"#))
                == ["1 text 0 /choices/1/text: a"])
    }

    // MARK: Messages

    @Test(arguments: [
        (
            #"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"t"}}"#,
            ["text /content/2/text: t"]
        ),
        (
            #"{"delta":{"thinking":"h","type":"thinking_delta"},"type":"content_block_delta","index":0}"#,
            ["reasoning /content/0/thinking: h"]
        ),
        (
            #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
            ["toolArguments /content/1/input: {\"a"]
        ),
        (#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#, []),
        (
            #"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"c"}}}"#,
            ["text /content/0/citations/cited_text: c"]
        ),
        (
            #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            ["text /content/0/text: "]
        ),
        (
            #"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            []
        ),
        (
            #"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}}"#,
            ["toolArguments /content/1/input/a: b"]
        ),
        (
            #"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"t","content":[{"title":"A title","encrypted_content":"xx"}]}}"#,
            ["toolResult /content/1/content/0/title: A title", "file /content/1/content/0/encrypted_content: xx"]
        ),
        (
            #"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":1}}}"#,
            []
        ),
        (
            #"{"type":"message_start","message":{"content":[{"type":"text","text":"early"}]}}"#,
            ["text /content/0/text: early"]
        ),
        (#"{"type":"ping"}"#, []),
        (
            #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            ["other /error/type: overloaded_error", "other /error/message: Overloaded"]
        ),
    ])
    func findsTheDeltasOfMessages(_ data: String, _ expected: [String]) {
        let chunk = chunk(.messages, data)
        #expect(
            chunk.deltas.map { "\($0.key.kind) \($0.segment.pointer): \(String(chunk.text(of: $0)))" } == expected)
        #expect(chunk.deltas.allSatisfy { $0.segment.id == $0.key.segmentID })
    }

    /// What the deltas go on with is one text; a citation or a search result's title is another, and all of them end
    /// with their block.
    @Test func tellsTheTextsOfABlockApart() {
        let start = chunk(
            .messages,
            #"{"type":"content_block_start","index":3,"content_block":{"type":"text","text":"a","citations":[{"cited_text":"b","title":"c"}]}}"#
        )
        let more = chunk(
            .messages, #"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"d"}}"#)
        let citation = chunk(
            .messages,
            #"{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"cited_text":"e","title":"f"}}}"#
        )
        let keys = (start.deltas + citation.deltas).map(\.key)
        #expect(Set(keys).count == 5)
        #expect(more.deltas.map(\.key) == [keys[0]])
        #expect(keys.allSatisfy { $0.belongs(toBlock: 3) && !$0.belongs(toBlock: 2) })
        let end = chunk(
            .messages,
            #"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"},"stop_sequence":"END"}}"#
        )
        #expect(
            lines(end).map { $0.split(separator: " ").dropFirst(3).joined(separator: " ") } == [
                "/stop_details/explanation: no", "/stop_sequence: END",
            ])
        #expect(!end.deltas.contains { $0.key.belongs(toBlock: 3) })
    }

    /// Names and ids pass; a sentence in their place is a text.
    @Test func presentsSentencesInThePlaceOfNames() {
        let chunk = chunk(
            .chatCompletions,
            #"{"id":"c-1","model":"@a/b","system_fingerprint":"now do this","choices":[{"index":0,"delta":{"role":"a role","tool_calls":[{"index":0,"id":"call 1","type":"function","function":{"name":"two words","arguments":""}}]},"finish_reason":"well then"}],"usage":{"prompt_tokens":1},"obfuscation":"a b"}"#
        )
        #expect(
            chunk.deltas.map { "\($0.key.kind) \(String(chunk.text(of: $0)))" }.sorted() == [
                "other a role", "other call 1", "other now do this", "other two words", "other well then",
                "toolArguments ",
            ])
        #expect(chunk.finishedChoices == [0])
    }

    // MARK: Replacing

    @Test func replacesTextsAndNothingElse() {
        let data =
            #"{ "id":"x" , "choices":[{"index":0,"delta":{"content":"a\u0041", "refusal":"r"},"finish_reason":null}]}"#
        let chunk = chunk(.chatCompletions, data)
        #expect(chunk.replacing([nil, nil]) == Bytes(data))
        #expect(
            String(chunk.replacing(["\"new\"\n", nil]))
                == #"{ "id":"x" , "choices":[{"index":0,"delta":{"content":"\"new\"\n", "refusal":"r"},"finish_reason":null}]}"#
        )
        #expect(
            String(chunk.replacing(["", "s"]))
                == #"{ "id":"x" , "choices":[{"index":0,"delta":{"content":"", "refusal":"s"},"finish_reason":null}]}"#)
    }

    @Test func replacedTextLosesItsLogProbabilities() {
        let chunk = chunk(
            .chatCompletions,
            #"{"choices":[{"index":0,"delta":{"content":"Bob"},"logprobs":{"content":[{"token":"Bob"}]}}]}"#)
        #expect(String(chunk.replacing(["N"])) == #"{"choices":[{"index":0,"delta":{"content":"N"},"logprobs":null}]}"#)
        #expect(chunk.replacing([nil]) == chunk.data)
    }
}
