// A text in the clients' formats: OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat) and
// completions, and Anthropic's messages (https://docs.anthropic.com/en/api/messages), whole and as a stream.

import Glibc
import PluginSDK

struct CannedReply {
    private enum Format {
        case chatCompletion, completion, message
    }

    private let format: Format
    private let text: String
    private let model: String
    private let id: String
    private let created = time(nil)

    /// nil: there is no text in answers of this endpoint.
    init?(endpoint: String, text: String, model: String, id: String) {
        switch endpoint {
        case "chat_completions": format = .chatCompletion
        case "completions": format = .completion
        case "messages": format = .message
        default: return nil
        }
        self.text = text
        self.model = model
        self.id = id
    }

    func whole(status: Int) -> Answer {
        switch format {
        case .chatCompletion:
            Answer(
                openAI(
                    "chatcmpl-", "chat.completion",
                    choice: [
                        "index": 0, "message": ["role": "assistant", "content": .string(text)], "finish_reason": "stop",
                    ], usage: Self.noTokens), status: status)
        case .completion:
            Answer(
                openAI(
                    "cmpl-", "text_completion",
                    choice: ["index": 0, "text": .string(text), "logprobs": nil, "finish_reason": "stop"],
                    usage: Self.noTokens), status: status)
        case .message:
            Answer(message([["type": "text", "text": .string(text)]], stopReason: "end_turn"), status: status)
        }
    }

    func stream(status: Int) -> Answer {
        var body: [UInt8] = []
        switch format {
        case .chatCompletion:
            let delta: JSON = ["role": "assistant", "content": .string(text)]
            for choice: JSON in [
                ["index": 0, "delta": delta, "finish_reason": nil],
                ["index": 0, "delta": [:], "finish_reason": "stop"],
            ] {
                body.append(event: nil, openAI("chatcmpl-", "chat.completion.chunk", choice: choice).bytes)
            }
            body.append(event: nil, Array("[DONE]".utf8))
        case .completion:
            let choice: JSON = ["index": 0, "text": .string(text), "logprobs": nil, "finish_reason": "stop"]
            body.append(event: nil, openAI("cmpl-", "text_completion", choice: choice).bytes)
            body.append(event: nil, Array("[DONE]".utf8))
        case .message:
            for event in messageEvents { body.append(event: event["type"]?.string, event.bytes) }
        }
        return Answer(body: body, contentType: "text/event-stream", status: status)
    }

    private static let noTokens: JSON = ["prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0]

    private func openAI(_ prefix: String, _ object: String, choice: JSON, usage: JSON? = nil) -> JSON {
        var json: JSON = [
            "id": .string(prefix + id), "object": .string(object), "created": .int(created), "model": .string(model),
            "choices": [choice],
        ]
        json["usage"] = usage
        return json
    }

    private func message(_ content: JSON, stopReason: JSON) -> JSON {
        [
            "id": .string("msg_" + id), "type": "message", "role": "assistant", "model": .string(model),
            "content": content, "stop_reason": stopReason, "stop_sequence": nil,
            "usage": ["input_tokens": 0, "output_tokens": 0],
        ]
    }

    private var messageEvents: [JSON] {
        [
            ["type": "message_start", "message": message([], stopReason: nil)],
            ["type": "content_block_start", "index": 0, "content_block": ["type": "text", "text": ""]],
            ["type": "content_block_delta", "index": 0, "delta": ["type": "text_delta", "text": .string(text)]],
            ["type": "content_block_stop", "index": 0],
            [
                "type": "message_delta", "delta": ["stop_reason": "end_turn", "stop_sequence": nil],
                "usage": ["output_tokens": 0],
            ],
            ["type": "message_stop"],
        ]
    }
}

extension [UInt8] {
    /// Appends a server-sent event.
    fileprivate mutating func append(event: String?, _ data: [UInt8]) {
        if let event { append(contentsOf: "event: \(event)\n".utf8) }
        append(literal: "data: ")
        append(contentsOf: data)
        append(literal: "\n\n")
    }
}
