// What vendors say of usage, whole and streamed, and what it costs. Each sum is worked out by hand beside it: tokens times
// dollars per million tokens are millionths of a dollar.

import Accounting
import Core
import Testing
import Wire

struct UsageCase: Sendable, CustomTestStringConvertible {
    var name: String
    var price: String
    /// The answer, or the data of its stream's events.
    var events: [String]
    /// In millionths of a dollar, with decimals where they come out so.
    var microdollars: String

    var testDescription: String { name }
}

@Suite struct UsageShapesTests {
    @Test(arguments: openAI + anthropic + gemini + bedrock)
    func costsWhatTheListSays(_ sample: UsageCase) throws {
        var facts = AnswerFacts()
        for event in sample.events { facts.merge(AnswerFacts(reading: Bytes(Array(event.utf8)))) }
        let usage = try #require(facts.usage)
        let cost = try #require(price(sample.price).picodollars(for: usage))
        #expect(FixedPoint.text(cost, places: 6) == sample.microdollars)
    }

    static let mini = "input=0.15 output=0.6 cache_read=0.075"

    static let openAI = [
        // 1000 × 0.15 + 200 × 0.6 = 150 + 120
        UsageCase(
            name: "OpenAI: chat", price: mini,
            events: [#"{"usage":{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200}}"#],
            microdollars: "270"),
        // 360 × 0.15 + 640 × 0.075 + 200 × 0.6 = 54 + 48 + 120
        UsageCase(
            name: "OpenAI: chat with a cached prompt", price: mini,
            events: [
                #"{"usage":{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200,"prompt_tokens_details":{"cached_tokens":640,"audio_tokens":0}}}"#
            ], microdollars: "222"),
        // 17 × 0.15 + 3 × 0.6 = 2.55 + 1.8
        UsageCase(
            name: "OpenAI: stream with include_usage", price: mini,
            events: [
                #"{"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}"#,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
                #"{"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":3,"total_tokens":20}}"#,
            ], microdollars: "4.35"),
        // 100 × 1.1 + 900 × 4.4 = 110 + 3960: reasoning is output.
        UsageCase(
            name: "OpenAI: reasoning at the price of output", price: "input=1.1 output=4.4",
            events: [
                #"{"usage":{"prompt_tokens":100,"completion_tokens":900,"completion_tokens_details":{"reasoning_tokens":832}}}"#
            ], microdollars: "4070"),
        // 100 × 0.4 + 100 × 1.2 + 800 × 4 = 40 + 120 + 3200
        UsageCase(
            name: "Dashscope: reasoning with a price of its own", price: "input=0.4 output=1.2 reasoning=4",
            events: [
                #"{"usage":{"prompt_tokens":100,"completion_tokens":900,"completion_tokens_details":{"reasoning_tokens":800}}}"#
            ], microdollars: "3360"),
        // 20 × 2.5 + 80 × 40 + 30 × 10 + 70 × 80 = 50 + 3200 + 300 + 5600
        UsageCase(
            name: "OpenAI: audio both ways", price: "input=2.5 output=10 input_audio=40 output_audio=80",
            events: [
                #"{"usage":{"prompt_tokens":100,"completion_tokens":100,"prompt_tokens_details":{"audio_tokens":80},"completion_tokens_details":{"audio_tokens":70}}}"#
            ], microdollars: "9150"),
        // 100 × 1.25 + 900 × 0.125 + 50 × 10 = 125 + 112.5 + 500
        UsageCase(
            name: "OpenAI: Responses", price: "input=1.25 output=10 cache_read=0.125",
            events: [
                #"{"object":"response","usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":900},"output_tokens":50,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":1050}}"#
            ], microdollars: "737.5"),
        // 10 × 5 + 200 × 10 + 1000 × 40 = 50 + 2000 + 40000
        UsageCase(
            name: "OpenAI: images", price: "input=5 output=40 input_image=10 output_image=40",
            events: [
                #"{"usage":{"input_tokens":210,"output_tokens":1000,"input_tokens_details":{"text_tokens":10,"image_tokens":200},"output_tokens_details":{"image_tokens":1000}}}"#
            ], microdollars: "42050"),
        // 5000 × 0.02
        UsageCase(
            name: "OpenAI: embeddings", price: "input=0.02 output=0",
            events: [#"{"object":"list","data":[],"usage":{"prompt_tokens":5000,"total_tokens":5000}}"#],
            microdollars: "100"),
        // 36 × 0.28 + 64 × 0.028 + 10 × 0.42 = 10.08 + 1.792 + 4.2
        UsageCase(
            name: "DeepSeek: hits and misses", price: "input=0.28 output=0.42 cache_read=0.028",
            events: [
                #"{"usage":{"prompt_tokens":100,"completion_tokens":10,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}}"#
            ], microdollars: "16.072"),
    ]

    static let sonnet =
        "input=3 output=15 cache_read=0.3 cache_write=3.75 cache_write_1h=6 batch_input=1.5 batch_output=7.5 web_search_per_call=0.01"

    static let anthropic = [
        // 1000 × 3 + 200 × 15 = 3000 + 3000
        UsageCase(
            name: "Anthropic: message", price: sonnet,
            events: [
                #"{"type":"message","usage":{"input_tokens":1000,"output_tokens":200,"service_tier":"standard"}}"#
            ],
            microdollars: "6000"),
        // The cache stands beside the input: 50 × 3 + 2000 × 0.3 + 1000 × 3.75 + 10 × 15 = 150 + 600 + 3750 + 150
        UsageCase(
            name: "Anthropic: cache read and written", price: sonnet,
            events: [
                #"{"usage":{"input_tokens":50,"cache_read_input_tokens":2000,"cache_creation_input_tokens":1000,"output_tokens":10}}"#
            ], microdollars: "4650"),
        // 50 × 3 + 400 × 3.75 + 600 × 6 + 10 × 15 = 150 + 1500 + 3600 + 150
        UsageCase(
            name: "Anthropic: cache written for five minutes and for an hour", price: sonnet,
            events: [
                #"{"usage":{"input_tokens":50,"cache_creation_input_tokens":1000,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":600},"output_tokens":10}}"#
            ], microdollars: "5400"),
        // 20 × 3 + 100 × 0.3 + 45 × 15 = 60 + 30 + 675; the opening event's output does not count twice.
        UsageCase(
            name: "Anthropic: stream", price: sonnet,
            events: [
                #"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":20,"cache_read_input_tokens":100,"cache_creation_input_tokens":0,"output_tokens":2}}}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":45}}"#,
            ], microdollars: "765"),
        // 20 × 3 + 200 × 6 + 45 × 15 = 60 + 1200 + 675: what went for an hour is told at the start only.
        UsageCase(
            name: "Anthropic: stream that writes the cache for an hour", price: sonnet,
            events: [
                #"{"type":"message_start","message":{"usage":{"input_tokens":20,"cache_creation_input_tokens":200,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":200},"output_tokens":1}}}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":20,"cache_creation_input_tokens":200,"output_tokens":45}}"#,
            ], microdollars: "1935"),
        // 1000 × 1.5 + 200 × 7.5 = 1500 + 1500
        UsageCase(
            name: "Anthropic: batch", price: sonnet,
            events: [#"{"usage":{"input_tokens":1000,"output_tokens":200,"service_tier":"batch"}}"#],
            microdollars: "3000"),
        // 100 × 3 + 10 × 15 + 2 × 10000 = 300 + 150 + 20000
        UsageCase(
            name: "Anthropic: web searches", price: sonnet,
            events: [#"{"usage":{"input_tokens":100,"output_tokens":10,"server_tool_use":{"web_search_requests":2}}}"#],
            microdollars: "20450"),
    ]

    static let flash = "input=0.3 output=2.5 cache_read=0.075 input_audio=1 cache_read_audio=0.25 output_image=30"

    static let gemini = [
        // 100 × 0.3 + (20 + 30) × 2.5 = 30 + 125: thoughts stand beside the candidates.
        UsageCase(
            name: "Gemini: answer with thoughts", price: flash,
            events: [
                #"{"candidates":[],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,"totalTokenCount":150},"modelVersion":"gemini-2.5-flash"}"#
            ], microdollars: "155"),
        // 36 × 0.3 + 64 × 0.075 + 10 × 2.5 = 10.8 + 4.8 + 25
        UsageCase(
            name: "Gemini: cached content", price: flash,
            events: [
                #"{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":64,"candidatesTokenCount":10,"totalTokenCount":110}}"#
            ], microdollars: "40.6"),
        // Audio 50, of which 20 cached; text 50, of which 10 cached:
        // 40 × 0.3 + 10 × 0.075 + 30 × 1 + 20 × 0.25 + 4 × 2.5 = 12 + 0.75 + 30 + 5 + 10
        UsageCase(
            name: "Gemini: audio, part of it cached", price: flash,
            events: [
                #"{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":4,"promptTokensDetails":[{"modality":"TEXT","tokenCount":50},{"modality":"AUDIO","tokenCount":50}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":20}]}}"#
            ], microdollars: "57.75"),
        // 10 × 0.3 + 5 × 2.5 + 1290 × 30 = 3 + 12.5 + 38700
        UsageCase(
            name: "Gemini: an image out", price: flash,
            events: [
                #"{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1295,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#
            ], microdollars: "38715.5"),
        // (10 + 90) × 0.3 + 8 × 2.5 = 30 + 20: each event tells all so far; tools' prompts stand beside the prompt.
        UsageCase(
            name: "Gemini: stream with a tool's prompt", price: flash,
            events: [
                #"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":2,"totalTokenCount":102}}"#,
                #"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":8,"totalTokenCount":108}}"#,
            ], microdollars: "50"),
    ]

    static let bedrock = [
        // 25 × 3 + 40 × 15 = 75 + 600
        UsageCase(
            name: "Bedrock: Converse", price: sonnet,
            events: [
                #"{"output":{"message":{}},"stopReason":"end_turn","usage":{"inputTokens":25,"outputTokens":40,"totalTokens":65}}"#
            ], microdollars: "675"),
        // 25 × 3 + 1000 × 0.3 + 100 × 3.75 + 200 × 6 + 40 × 15 = 75 + 300 + 375 + 1200 + 600
        UsageCase(
            name: "Bedrock: Converse with caches", price: sonnet,
            events: [
                #"{"usage":{"inputTokens":25,"outputTokens":40,"totalTokens":1365,"cacheReadInputTokens":1000,"cacheWriteInputTokens":300,"cacheDetails":[{"ttl":"5m","inputTokens":100},{"ttl":"1h","inputTokens":200}]}}"#
            ], microdollars: "2550"),
        // 30 × 3 + 7 × 15 = 90 + 105
        UsageCase(
            name: "Bedrock: ConverseStream, metadata", price: sonnet,
            events: [
                #"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#, #"{"stopReason":"end_turn"}"#,
                #"{"usage":{"inputTokens":30,"outputTokens":7,"totalTokens":37},"metrics":{"latencyMs":812}}"#,
            ], microdollars: "195"),
        // 12 × 3 + 500 × 0.3 + 9 × 15 = 36 + 150 + 135: InvokeModel speaks the model's own format.
        UsageCase(
            name: "Bedrock: InvokeModel of Claude", price: sonnet,
            events: [
                #"{"type":"message","usage":{"input_tokens":12,"cache_read_input_tokens":500,"output_tokens":9}}"#
            ], microdollars: "321"),
    ]
}
