import Core
import Testing

@testable import Wire

@Suite struct AnswerFactsTests {
    @Test(arguments: [
        (
            #"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}"#,
            TokenUsage(prompt: 10, completion: 5, total: 15)
        ),
        (
            #"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2}}"#,
            TokenUsage(prompt: 10, completion: 5, total: 15, cachedPrompt: 4, reasoning: 2)
        ),
        (#"{"input_tokens":10,"output_tokens":5}"#, TokenUsage(prompt: 10, completion: 5)),
        (
            #"{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":20,"output_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3}}"#,
            TokenUsage(prompt: 33, completion: 5, cachedPrompt: 20, cacheCreation: 3)
        ),
        // As an adapter brings Messages' counts over: the cache beside the prompt, or in it.
        (
            #"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":38,"cache_read_input_tokens":20,"cache_creation_input_tokens":3,"prompt_tokens_details":{"cached_tokens":20}}"#,
            TokenUsage(prompt: 33, completion: 5, total: 38, cachedPrompt: 20, cacheCreation: 3)
        ),
        (
            #"{"prompt_tokens":33,"completion_tokens":5,"total_tokens":38,"cache_read_input_tokens":20,"cache_creation_input_tokens":3}"#,
            TokenUsage(prompt: 33, completion: 5, total: 38, cachedPrompt: 20, cacheCreation: 3)
        ),
        (
            #"{"input_tokens":30,"input_tokens_details":{"cached_tokens":8},"output_tokens":2,"total_tokens":32}"#,
            TokenUsage(prompt: 30, completion: 2, total: 32, cachedPrompt: 8)
        ),
        (#"{"prompt_tokens":7,"total_tokens":7}"#, TokenUsage(prompt: 7, total: 7)),
        (#"{"prompt_tokens":7,"completion_tokens":null}"#, TokenUsage(prompt: 7)),
    ])
    func readsUsage(_ text: String, _ expected: TokenUsage) {
        #expect(TokenUsage(reading: Bytes(text)) == expected)
        #expect(AnswerFacts(reading: Bytes("{\"usage\":\(text)}")).usage == expected)
    }

    @Test(arguments: [
        "null", "{}", "[]", "{\"cost\":1}", "{\"prompt_tokens\":-1}", "{\"prompt_tokens\":\"1\"}", "", "{",
    ])
    func findsNoUsage(_ text: String) {
        #expect(TokenUsage(reading: Bytes(text)) == nil)
    }

    @Test func readsAnswersAndEvents() {
        let whole = AnswerFacts(
            reading:
                #" {"id":"x","model":"gpt\u002d4","choices":[{"message":{"model":"no"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#
        )
        #expect(whole.model == "gpt-4" && whole.finishReason == "stop" && whole.usage?.prompt == 1)
        let chunk = AnswerFacts(
            reading: #"{"model":"m","choices":[{"finish_reason":null},{"finish_reason":"length"}],"usage":null}"#)
        #expect(chunk.model == "m" && chunk.finishReason == "length" && chunk.usage == nil)
        let messages = AnswerFacts(
            reading:
                #"{"model":"c","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#)
        #expect(messages.model == "c" && messages.finishReason == "end_turn" && messages.usage?.total == 3)
        for text in ["", "[DONE]", "[]", "null", "{\"model\":"] {
            #expect(AnswerFacts(reading: Bytes(text)) == AnswerFacts())
        }
    }

    @Test func mergesTheEventsOfMessages() {
        var facts = AnswerFacts(
            reading:
                #"{"type":"message_start","message":{"model":"c","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}"#
        )
        facts.merge(
            AnswerFacts(reading: #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}"#))
        facts.merge(
            AnswerFacts(
                reading: #"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":25}}"#))
        #expect(facts.model == "c" && facts.finishReason == "tool_use")
        #expect(facts.usage == TokenUsage(prompt: 15, completion: 25, cachedPrompt: 5))
        #expect(facts.usage?.total == 40)
    }

    @Test func takesTheNewestOfCumulativeCounts() {
        var usage = TokenUsage(prompt: 10, completion: 1, total: 11)
        usage.merge(TokenUsage(prompt: 10, completion: 7, total: 17))
        #expect(usage == TokenUsage(prompt: 10, completion: 7, total: 17))
        usage.merge(TokenUsage(completion: 9))
        #expect(usage.prompt == 10 && usage.completion == 9 && usage.total == 19)
    }
}
