import Core
import Testing

@testable import Wire

@Suite struct StreamAssemblerTests {
    private func assemble(_ endpoint: Endpoint, _ events: [String]) -> (body: Bytes?, isComplete: Bool) {
        var assembler = StreamAssembler(endpoint: endpoint)
        for event in events { assembler.take(SSEEvent(data: Bytes(event))) }
        return (assembler.finish(), assembler.isComplete)
    }

    @Test func assemblesAChatAnswer() throws {
        let (body, isComplete) = assemble(
            .chatCompletions,
            [
                #"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"z"}"#,
                #"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"so"}}]}"#,
                #"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"ha"}},{"index":1,"delta":{"content":"other"}}]}"#,
                #"{"id":"x","choices":[{"index":0,"delta":{"content":"ha\ud83d"},"finish_reason":null}]}"#,
                #"{"id":"x","choices":[{"index":0,"delta":{"content":"\ude00\n"},"finish_reason":"stop"},{"index":1,"delta":{"refusal":"no"},"finish_reason":"length"}]}"#,
                #"{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, "[DONE]",
            ])
        #expect(isComplete)
        #expect(
            try json(body)
                == json(
                    #"""
                    {"id":"x","object":"chat.completion","created":1,"model":"m","system_fingerprint":"f","choices":[
                      {"index":0,"message":{"role":"assistant","content":"haha😀\n","reasoning_content":"so"},"logprobs":null,"finish_reason":"stop"},
                      {"index":1,"message":{"role":"assistant","content":"other","refusal":"no"},"logprobs":null,"finish_reason":"length"}],
                     "usage":{"prompt_tokens":1,"completion_tokens":2}}
                    """#))
    }

    @Test func mergesToolCalls() throws {
        let (body, isComplete) = assemble(
            .chatCompletions,
            [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\":"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}},{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            ])
        #expect(!isComplete)
        #expect(
            try json(body)["choices"]?[0]
                == json(
                    #"""
                    {"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
                      {"id":"a","type":"function","function":{"name":"f","arguments":"{\"q\":1}"}},
                      {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}
                    """#))
    }

    @Test func tellsCallsApartThatShareAnIndex() throws {
        let (body, _) = assemble(
            .chatCompletions,
            [
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"["}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"]"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"c","function":{"name":"h","arguments":"1"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"c","function":{"arguments":"2"}}]}}]}"#,
            ])
        let calls = try json(body)["choices"]?[0]?["message"]?["tool_calls"]?.array ?? []
        #expect(calls.map { $0["id"]?.string } == ["a", "b", "c"])
        #expect(calls.map { $0["function"]?["arguments"]?.string } == ["{", "[]", "12"])
    }

    @Test func keepsMembersThatItDoesNotKnow() throws {
        let (body, _) = assemble(
            .chatCompletions,
            [
                #"{"choices":[{"index":0,"delta":{"thoughts":"a","mode":"x","annotations":[{"u":1}],"n":1},"logprobs":{"content":[{"token":"a"}],"refusal":null}}],"citations":["u"]}"#,
                #"{"choices":[{"index":0,"delta":{"thoughts":"b","mode":"x","annotations":[{"u":2}],"n":2},"logprobs":{"content":[{"token":"b"}]}}],"citations":["u","v"]}"#,
            ])
        let answer = try json(body)
        let message = answer["choices"]?[0]?["message"]
        #expect(message?["thoughts"]?.string == "ab")
        #expect(message?["mode"]?.string == "x")
        #expect(message?["n"]?.int == 2)
        #expect(message?["annotations"]?.text == #"[{"u":1},{"u":2}]"#)
        #expect(
            answer["choices"]?[0]?["logprobs"]?.text == #"{"content":[{"token":"a"},{"token":"b"}],"refusal":null}"#)
        #expect(answer["citations"]?.text == #"["u","v"]"#)
    }

    @Test func assemblesATextCompletion() throws {
        let (body, _) = assemble(
            .completions,
            [
                #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"a","index":0,"logprobs":{"tokens":["a"]},"finish_reason":null}]}"#,
                #"{"id":"c","object":"text_completion","choices":[{"text":"b\"","index":0,"logprobs":{"tokens":["b"]},"finish_reason":"stop"}]}"#,
                "[DONE]",
            ])
        #expect(
            try json(body)
                == json(
                    #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"ab\"","logprobs":{"tokens":["a","b"]},"finish_reason":"stop"}]}"#
                ))
    }

    @Test func assemblesMessages() throws {
        let (body, isComplete) = assemble(
            .messages,
            [
                #"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}"#,
                #"{"type":"content_block_stop","index":0}"#, #"{"type":"ping"}"#,
                #"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"","citations":null}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"cited_text":"c"}}}"#,
                #"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
                #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
                #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"b\"}"}}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":25}}"#,
                #"{"type":"message_stop"}"#,
            ])
        #expect(isComplete)
        #expect(
            try json(body)
                == json(
                    #"""
                    {"id":"m","type":"message","role":"assistant","model":"c","content":[
                      {"type":"thinking","thinking":"hm","signature":"sig"},{"type":"text","text":"HiHi","citations":[{"cited_text":"c"}]},
                      {"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}],"stop_reason":"tool_use","stop_sequence":null,
                     "usage":{"input_tokens":9,"output_tokens":25}}
                    """#))
    }

    @Test func keepsAnInputThatWasBrokenOff() throws {
        let (body, isComplete) = assemble(
            .messages,
            [
                #"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
            ])
        #expect(!isComplete)
        #expect(try json(body)["content"]?[0]?["input"]?.string == "{\"a\":")
    }

    @Test func isNotCompleteAfterAnError() throws {
        let chat = assemble(
            .chatCompletions,
            [#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#, #"{"error":{"message":"e"}}"#, "[DONE]"])
        #expect(!chat.isComplete)
        #expect(try json(chat.body)["error"]?["message"]?.string == "e")
        let messages = assemble(
            .messages, [#"{"type":"error","error":{"type":"x","message":"e"}}"#, #"{"type":"message_stop"}"#])
        #expect(!messages.isComplete)
    }

    @Test func givesUpWhatOutgrowsTheLimit() {
        let piece = #"{"id":"c","choices":[{"index":0,"delta":{"content":"0123456789"}}]}"#
        var small = StreamAssembler(endpoint: .chatCompletions, limit: 400)
        var large = StreamAssembler(endpoint: .chatCompletions, limit: 400)
        for _ in 0..<20 { small.take(SSEEvent(data: Bytes(piece))) }
        for _ in 0..<200 { large.take(SSEEvent(data: Bytes(piece))) }
        #expect(!small.isTooLarge && small.finish() != nil)
        #expect(large.isTooLarge && large.finish() == nil)
    }

    @Test func hasNothingOfNothing() {
        for endpoint in [Endpoint.chatCompletions, .completions, .messages] {
            #expect(assemble(endpoint, []).body == nil)
            #expect(assemble(endpoint, ["[DONE]"]).body == nil)
            #expect(assemble(endpoint, ["nonsense", "[1]"]).body == nil)
        }
    }
}
