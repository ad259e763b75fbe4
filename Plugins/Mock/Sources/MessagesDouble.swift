// Messages in Anthropic's format, whole and streamed.

import PluginSDK

struct MessagesDouble {
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
        guard messages != nil else { return Reply(request.failure(400, "messages: Input should be a valid list")) }
        let delay = behaviour.delay(delay, isStream: request.isStream)
        return request.isStream ? Reply(script, delay: delay) : Reply(Answer(message), delay: delay)
    }

    private var content: String {
        switch behaviour {
        case .slow: return Behaviour.longText
        case .echo:
            let content = messages?.last { $0["role"] == "user" }?["content"]
            return content?.string ?? (content?.array ?? []).compactMap { $0["text"]?.string }.joined()
        default: break
        }
        guard let format = request.body["output_config"]?["format"], format["type"] == "json_schema" else {
            return text
        }
        return "\(Sample(format["schema"] ?? [:]).value)"
    }

    private var call: MockCall? {
        if case .echo = behaviour { return nil }
        let blocks = (messages ?? []).flatMap { $0["content"]?.array ?? [] }
        guard !blocks.contains(where: { $0["type"] == "tool_result" }) else { return nil }
        let choice = request.body["tool_choice"]
        guard choice?["type"] != "none" else { return nil }
        let tools = (request.body["tools"]?.array ?? []).filter { $0["input_schema"] != nil }
        let wanted = choice?["name"]
        guard let tool = tools.first(where: { wanted == nil || $0["name"] == wanted }) else {
            return behaviour == .tool ? MockCall(name: "get_weather", arguments: ["city": "Paris"]) : nil
        }
        return MockCall(name: tool["name"]?.string ?? "", arguments: Sample(tool["input_schema"] ?? [:]).value)
    }

    private func usage(_ output: Int) -> JSON {
        let input = Tokens.count(request.body["messages"]) + Tokens.count(request.body["system"])
        return ["input_tokens": .int(input + Tokens.count(request.body["tools"])), "output_tokens": .int(output)]
    }

    private func head(_ content: [JSON], reason: JSON, output: Int) -> JSON {
        [
            "id": "msg_mock", "type": "message", "role": "assistant", "model": request.body["model"] ?? "mock-1",
            "content": .array(content), "stop_reason": reason, "stop_sequence": .null, "usage": usage(output),
        ]
    }

    private static func block(_ call: MockCall, input: JSON) -> JSON {
        ["type": "tool_use", "id": "toolu_mock", "name": .string(call.name), "input": input]
    }

    private var message: JSON {
        guard let call else {
            let content = content
            return head(
                [["type": "text", "text": .string(content)]], reason: "end_turn", output: Tokens.count(content))
        }
        let output = Tokens.count("\(call.arguments)") + 1
        return head([Self.block(call, input: call.arguments)], reason: "tool_use", output: output)
    }

    private var script: EventScript {
        let call = call
        let content = call.map { "\($0.arguments)" } ?? content
        var script = EventScript()
        func add(_ type: String, _ members: JSON) {
            var event: JSON = ["type": .string(type)]
            for member in members.object ?? JSON.Object() { event[member.key] = member.value }
            script.add(event, event: type)
        }
        add("message_start", ["message": head([], reason: .null, output: 1)])
        let block = call.map { Self.block($0, input: [:]) } ?? ["type": "text", "text": ""]
        add("content_block_start", ["index": 0, "content_block": block])
        add("ping", [:])
        var pieces = (call == nil ? behaviour : .echo(5)).pieces(of: content)
        if behaviour == .cut { pieces = Array(pieces.prefix(2)) }
        for piece in pieces {
            let delta: JSON =
                call == nil
                ? ["type": "text_delta", "text": .string(piece)]
                : ["type": "input_json_delta", "partial_json": .string(piece)]
            add("content_block_delta", ["index": 0, "delta": delta])
        }
        if behaviour == .cut { return script }
        add("content_block_stop", ["index": 0])
        let reason: JSON = call == nil ? "end_turn" : "tool_use"
        let output = Tokens.count(content) + (call == nil ? 0 : 1)
        add(
            "message_delta",
            ["delta": ["stop_reason": reason, "stop_sequence": .null], "usage": ["output_tokens": .int(output)]])
        add("message_stop", [:])
        return script
    }
}
