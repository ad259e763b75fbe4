// Chat completions and text completions in OpenAI's format, whole and streamed.

import Glibc
import PluginSDK

/// A tool call that the double makes.
struct MockCall {
    let name: String
    let arguments: JSON
}

struct ChatDouble {
    private let request: MockRequest
    private let behaviour: Behaviour
    private let text: String

    init(_ request: MockRequest, _ behaviour: Behaviour, _ text: String) {
        self.request = request
        self.behaviour = behaviour
        self.text = text
    }

    private var messages: [JSON]? { request.body["messages"]?.array }

    func answer(delay: Int) -> Reply {
        guard messages != nil else { return Reply(request.failure(400, "messages must be a list")) }
        let delay = behaviour.delay(delay, isStream: request.isStream)
        return request.isStream ? Reply(script, delay: delay) : Reply(Answer(completion), delay: delay)
    }

    // MARK: What it says

    private var content: String {
        switch behaviour {
        case .slow: return Behaviour.longText
        case .echo: return lastUserText
        default: break
        }
        let format = request.body["response_format"]
        switch format?["type"]?.string {
        case "json_schema": return "\(Sample(format?["json_schema"]?["schema"] ?? [:]).value)"
        case "json_object": return "\(["answer": .string(text)] as JSON)"
        default: return text
        }
    }

    private var lastUserText: String {
        let content = messages?.last { $0["role"] == "user" }?["content"]
        return content?.string ?? (content?.array ?? []).compactMap { $0["text"]?.string }.joined()
    }

    /// Once: when a result is there, the double speaks.
    private var call: MockCall? {
        if case .echo = behaviour { return nil }
        guard let messages, !messages.contains(where: { $0["role"] == "tool" }) else { return nil }
        let choice = request.body["tool_choice"]
        guard choice != "none" else { return nil }
        let functions = (request.body["tools"]?.array ?? []).compactMap { $0["function"] }
        let wanted = choice?["function"]?["name"]
        guard let function = functions.first(where: { wanted == nil || $0["name"] == wanted }) else {
            return behaviour == .tool ? MockCall(name: "get_weather", arguments: ["city": "Paris"]) : nil
        }
        let schema = function["parameters"] ?? ["type": "object"]
        return MockCall(name: function["name"]?.string ?? "", arguments: Sample(schema).value)
    }

    private var choices: Range<Int> { 0..<min(max(request.body["n"]?.int ?? 1, 1), 16) }

    private func usage(_ call: MockCall?) -> JSON {
        let prompt = Tokens.count(request.body["messages"]) + Tokens.count(request.body["tools"])
        let answer = call.map { Tokens.count("\($0.arguments)") + 1 } ?? Tokens.count(content)
        let all = answer * choices.count
        return [
            "prompt_tokens": .int(prompt), "completion_tokens": .int(all), "total_tokens": .int(prompt + all),
        ]
    }

    // MARK: How it says it

    private func head(_ object: JSON) -> JSON {
        [
            "id": "chatcmpl-mock", "object": object, "created": .int(time(nil)),
            "model": request.body["model"] ?? "mock-1", "system_fingerprint": "fp_mock",
        ]
    }

    private var completion: JSON {
        let call = call
        var message: JSON = ["role": "assistant", "content": .null, "refusal": .null]
        if let call {
            message["tool_calls"] = [
                [
                    "id": "call_mock", "type": "function",
                    "function": ["name": .string(call.name), "arguments": .string("\(call.arguments)")],
                ]
            ]
        } else {
            message["content"] = .string(content)
        }
        var json = head("chat.completion")
        json["choices"] = .array(
            choices.map { index in
                [
                    "index": .int(index), "message": message, "logprobs": .null,
                    "finish_reason": call == nil ? "stop" : "tool_calls",
                ]
            })
        json["usage"] = usage(call)
        return json
    }

    private var script: EventScript {
        let call = call
        let wantsUsage = request.body["stream_options"]?["include_usage"]?.bool ?? false
        var script = EventScript()
        func add(_ delta: JSON, _ index: Int, reason: JSON = .null) {
            var chunk = head("chat.completion.chunk")
            chunk["choices"] = [
                ["index": .int(index), "delta": delta, "logprobs": .null, "finish_reason": reason]
            ]
            if wantsUsage { chunk["usage"] = .null }
            script.add(chunk)
        }
        for index in choices {
            var deltas = call.map(Self.deltas) ?? behaviour.pieces(of: content).map { ["content": .string($0)] }
            if behaviour == .cut { deltas = Array(deltas.prefix(2)) }
            add(["role": "assistant", "content": call == nil ? "" : .null], index)
            for delta in deltas { add(delta, index) }
            if behaviour == .cut { return script }
            add([:], index, reason: call == nil ? "stop" : "tool_calls")
        }
        if wantsUsage {
            var chunk = head("chat.completion.chunk")
            chunk["choices"] = []
            chunk["usage"] = usage(call)
            script.add(chunk)
        }
        script.done()
        return script
    }

    private static func deltas(of call: MockCall) -> [JSON] {
        func delta(_ members: JSON) -> JSON {
            var members = members
            members["index"] = 0
            return ["tool_calls": [members]]
        }
        let name: JSON = ["name": .string(call.name), "arguments": ""]
        return [delta(["id": "call_mock", "type": "function", "function": name])]
            + Behaviour.echo(5).pieces(of: "\(call.arguments)").map { delta(["function": ["arguments": .string($0)]]) }
    }
}

struct CompletionDouble {
    private let request: MockRequest
    private let behaviour: Behaviour
    private let content: String

    init(_ request: MockRequest, _ behaviour: Behaviour, _ text: String) {
        self.request = request
        self.behaviour = behaviour
        let prompt = request.body["prompt"]
        content =
            switch behaviour {
            case .slow: Behaviour.longText
            case .echo: prompt?.string ?? prompt?[0]?.string ?? ""
            default: text
            }
    }

    func answer(delay: Int) -> Reply {
        let delay = behaviour.delay(delay, isStream: request.isStream)
        guard request.isStream else {
            var json = chunk(content, reason: "stop")
            let prompt = Tokens.count(request.body["prompt"])
            let all = Tokens.count(content)
            json["usage"] = [
                "prompt_tokens": .int(prompt), "completion_tokens": .int(all), "total_tokens": .int(prompt + all),
            ]
            return Reply(Answer(json), delay: delay)
        }
        var script = EventScript()
        let pieces = behaviour.pieces(of: content)
        for piece in behaviour == .cut ? Array(pieces.prefix(2)) : pieces { script.add(chunk(piece, reason: .null)) }
        if behaviour != .cut {
            script.add(chunk("", reason: "stop"))
            script.done()
        }
        return Reply(script, delay: delay)
    }

    private func chunk(_ text: String, reason: JSON) -> JSON {
        [
            "id": "cmpl-mock", "object": "text_completion", "created": .int(time(nil)),
            "model": request.body["model"] ?? "mock-1",
            "choices": [["index": 0, "text": .string(text), "logprobs": .null, "finish_reason": reason]],
        ]
    }
}
