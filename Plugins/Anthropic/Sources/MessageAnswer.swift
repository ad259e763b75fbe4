// An Anthropic message as a chat completion.

import Glibc
import PluginSDK

struct MessageAnswer {
    private let message: JSON
    private let blocks: [JSON]

    init(_ message: JSON) throws(UnreadableAnswer) {
        guard message["type"]?.string == "message", let blocks = message["content"]?.array else {
            throw UnreadableAnswer("The answer is not a message")
        }
        self.message = message
        self.blocks = blocks
    }

    func completion(provider: String, isStrict: Bool) -> JSON {
        let calls = blocks.filter { $0["type"]?.string == "tool_use" }.map(Self.call)
        let text = blocks.filter { $0["type"]?.string == "text" }.compactMap { $0["text"]?.string }.joined()
        var answer: JSON = ["role": "assistant"]
        answer["content"] = text.isEmpty && !calls.isEmpty ? .null : .string(text)
        if !calls.isEmpty { answer["tool_calls"] = .array(calls) }
        if !isStrict { answer["content_blocks"] = .array(blocks.filter { $0["type"]?.string != "tool_use" }) }
        let reason = message["stop_reason"]?.string
        let choice: JSON = [
            "index": 0, "message": answer, "logprobs": .null,
            "finish_reason": .string(isStrict ? StopReason.finish(reason) : reason ?? "stop"),
        ]
        return [
            "id": message["id"] ?? "", "object": "chat.completion", "created": .int(time(nil)),
            "model": message["model"] ?? "", "provider": .string(provider), "choices": [choice],
            "usage": MessageUsage(message["usage"]).json,
        ]
    }

    private static func call(_ block: JSON) -> JSON {
        [
            "id": block["id"] ?? "", "type": "function",
            "function": ["name": block["name"] ?? "", "arguments": .string("\(block["input"] ?? [:])")],
        ]
    }
}

enum StopReason {
    /// OpenAI's word; what is unknown is an ordinary end.
    static func finish(_ reason: String?) -> String {
        switch reason {
        case "max_tokens", "model_context_window_exceeded": "length"
        case "tool_use": "tool_calls"
        case "refusal": "content_filter"
        default: "stop"  // end_turn, stop_sequence, pause_turn
        }
    }
}

/// Anthropic's counts. In a stream they come in two parts, of which the later one is right where it speaks.
struct MessageUsage {
    private var input = 0
    private var output = 0
    private var cacheRead = 0
    private var cacheWritten = 0
    private var thinking: Int?

    init(_ usage: JSON? = nil) {
        add(usage)
    }

    mutating func add(_ usage: JSON?) {
        guard let usage else { return }
        input = usage["input_tokens"]?.int ?? input
        output = usage["output_tokens"]?.int ?? output
        cacheRead = usage["cache_read_input_tokens"]?.int ?? cacheRead
        cacheWritten = usage["cache_creation_input_tokens"]?.int ?? cacheWritten
        thinking = usage["output_tokens_details"]?["thinking_tokens"]?.int ?? thinking
    }

    /// `prompt_tokens` counts what was neither read from the cache nor written to it; the total counts all.
    var json: JSON {
        var json: JSON = [
            "prompt_tokens": .int(input), "completion_tokens": .int(output),
            "total_tokens": .int(input &+ output &+ cacheRead &+ cacheWritten),
            "prompt_tokens_details": ["cached_tokens": .int(cacheRead)],
        ]
        if let thinking { json["completion_tokens_details"] = ["reasoning_tokens": .int(thinking)] }
        if cacheRead != 0 || cacheWritten != 0 {
            json["cache_read_input_tokens"] = .int(cacheRead)
            json["cache_creation_input_tokens"] = .int(cacheWritten)
        }
        return json
    }
}
