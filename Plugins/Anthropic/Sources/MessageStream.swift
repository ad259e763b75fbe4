// A streamed Anthropic message as chat completion chunks. Every chunk of a stream has one id, the message's. The usage
// is said once: in a chunk of its own when the client asked for it the way OpenAI wants, else with the finish reason.

import Glibc
import PluginSDK

final class MessageStream {
    private let provider: String
    private let isStrict: Bool
    private let wantsUsage: Bool
    /// What all chunks begin with, up to the choices.
    private var head: [UInt8] = []
    private var usage = MessageUsage()
    /// The tool calls by the index of their block.
    private var calls: [Int: Call] = [:]
    private var state = State.waiting

    private struct Call {
        let number: Int
        var hasArguments = false
    }

    private enum State {
        case waiting, open, finished, done
    }

    init(provider: String, isStrict: Bool, wantsUsage: Bool) {
        self.provider = provider
        self.isStrict = isStrict
        self.wantsUsage = wantsUsage
    }

    func receive(_ event: JSON, _ client: ClientStream) throws(UnreadableAnswer) {
        guard state != .done else { return }
        guard let type = event["type"]?.string else { throw UnreadableAnswer("An event without a type") }
        let block = event["index"]?.int ?? 0
        switch type {
        case "message_start": begin(event["message"] ?? [:], client)
        case "content_block_start": beginBlock(block, event["content_block"] ?? [:], client)
        case "content_block_delta": extend(block, event["delta"] ?? [:], client)
        case "content_block_stop": endBlock(block, client)
        case "message_delta": finish(event, client)
        case "message_stop": end(client)
        case "error": fail(event["error"] ?? [:], client)
        default: break  // ping, and what is yet to come
        }
    }

    /// A stream that was not finished was cut.
    func close(_ client: ClientStream) throws(UnreadableAnswer) {
        switch state {
        case .done: return
        case .finished: end(client)
        case .waiting, .open: throw UnreadableAnswer("The stream ended before the message was finished")
        }
    }

    // MARK: The message

    private func begin(_ message: JSON, _ client: ClientStream) {
        state = .open
        usage.add(message["usage"])
        head.append(literal: "{\"id\":")
        head.append(quoted: message["id"]?.string ?? "msg")
        head.append(literal: ",\"object\":\"chat.completion.chunk\",\"created\":")
        head.append(number: time(nil))
        head.append(literal: ",\"model\":")
        head.append(quoted: message["model"]?.string ?? "")
        head.append(literal: ",\"provider\":")
        head.append(quoted: provider)
        head.append(literal: ",\"choices\":[")
        send(["role": "assistant", "content": ""], client)
    }

    private func finish(_ event: JSON, _ client: ClientStream) {
        usage.add(event["usage"])
        guard let reason = event["delta"]?["stop_reason"]?.string else { return }
        state = .finished
        var delta: JSON = [:]
        if !isStrict, let details = event["delta"]?["stop_details"]?.unlessNull { delta["stop_details"] = details }
        send(delta, client, reason: isStrict ? StopReason.finish(reason) : reason)
    }

    private func end(_ client: ClientStream) {
        if wantsUsage, state == .finished {
            var chunk = head
            chunk.append(literal: "],\"usage\":")
            usage.json.write(to: &chunk)
            chunk.append(literal: "}")
            client.send(chunk)
        }
        state = .done
        client.done()
    }

    /// The client's library raises what it finds under "error".
    private func fail(_ error: JSON, _ client: ClientStream) {
        state = .done
        let message = error["message"]?.string ?? "The stream was ended by an error"
        client.send([
            "error": [
                "message": .string("\(provider) error: \(message)"), "type": error["type"] ?? .null, "param": .null,
                "code": .null,
            ],
            "provider": .string(provider),
        ])
        client.done()
    }

    // MARK: Blocks

    private func beginBlock(_ index: Int, _ block: JSON, _ client: ClientStream) {
        switch block["type"]?.string {
        case "tool_use":
            let call = Call(number: calls.count)
            calls[index] = call
            send(
                [
                    "tool_calls": [
                        [
                            "index": .int(call.number), "id": block["id"] ?? "", "type": "function",
                            "function": ["name": block["name"] ?? "", "arguments": ""],
                        ]
                    ]
                ], client)
        case "text":
            let text = block["text"] ?? ""
            if text != "" || !isStrict { send(delta("content", text, index, "text"), client) }
        case "thinking": sendBlock(index, ["thinking": block["thinking"] ?? ""], client)
        default: sendBlock(index, block, client)
        }
    }

    private func extend(_ index: Int, _ delta: JSON, _ client: ClientStream) {
        switch delta["type"]?.string {
        case "text_delta": send(self.delta("content", delta["text"] ?? "", index, "text"), client)
        case "input_json_delta":
            guard var call = calls[index] else {
                return sendBlock(index, ["partial_json": delta["partial_json"] ?? ""], client)
            }
            guard let text = delta["partial_json"]?.string, !text.isEmpty else { return }
            call.hasArguments = true
            calls[index] = call
            sendArguments(text, of: call, client)
        case "thinking_delta":
            // Strict clients see that the model is alive, and nothing else.
            if isStrict { send([:], client) } else { sendBlock(index, ["thinking": delta["thinking"] ?? ""], client) }
        case "signature_delta": sendBlock(index, ["signature": delta["signature"] ?? ""], client)
        default:
            var rest = delta
            rest["type"] = nil
            sendBlock(index, rest, client)
        }
    }

    /// A call without arguments has the arguments `{}`: what is no JSON at all breaks clients.
    private func endBlock(_ index: Int, _ client: ClientStream) {
        guard let call = calls[index], !call.hasArguments else { return }
        sendArguments("{}", of: call, client)
    }

    private func sendArguments(_ text: String, of call: Call, _ client: ClientStream) {
        send(["tool_calls": [["index": .int(call.number), "function": ["arguments": .string(text)]]]], client)
    }

    private func delta(_ key: String, _ value: JSON, _ index: Int, _ blockKey: String) -> JSON {
        var delta: JSON = [:]
        delta[key] = value
        if !isStrict { delta["content_blocks"] = [["index": .int(index), "delta": [blockKey: value]]] }
        return delta
    }

    /// What OpenAI has no place for: only for clients that are not strict.
    private func sendBlock(_ index: Int, _ delta: JSON, _ client: ClientStream) {
        if !isStrict { send(["content_blocks": [["index": .int(index), "delta": delta]]], client) }
    }

    // MARK: Chunks

    private func send(_ delta: JSON, _ client: ClientStream, reason: String? = nil) {
        guard state != .waiting else { return }
        var chunk = head
        chunk.append(literal: "{\"index\":0,\"delta\":")
        delta.write(to: &chunk)
        chunk.append(literal: ",\"logprobs\":null,\"finish_reason\":")
        if let reason { chunk.append(quoted: reason) } else { chunk.append(literal: "null") }
        chunk.append(literal: "}]")
        if reason != nil, !wantsUsage {
            chunk.append(literal: ",\"usage\":")
            usage.json.write(to: &chunk)
        }
        chunk.append(literal: "}")
        client.send(chunk)
    }
}
