// ChunkReplay: a chat or text completion as chunks, as OpenAI sends them: a role, pieces of text, tool calls, the
// reason to finish.

import Core

struct ChunkReplay {
    private let answer: RawObject
    private let isChat: Bool
    private let includeUsage: Bool
    private var events: [SSEEvent] = []

    init(_ answer: RawObject, isChat: Bool, includeUsage: Bool) {
        self.answer = answer
        self.isChat = isChat
        self.includeUsage = includeUsage
    }

    mutating func choices(_ list: Range<Int>) {
        for (place, element) in answer.elements(list).enumerated() {
            let choice = RawObject(answer.buffer, element)
            let index = choice.integer("index") ?? place
            if isChat {
                if let message = choice.object("message") { self.message(message, index) }
            } else if let text = choice.rawString("text") {
                for piece in StreamReplay.pieces(answer.buffer, text) { textChunk(index, piece) }
            }
            finishChunk(choice, index)
        }
    }

    mutating func finish() -> [SSEEvent] {
        if includeUsage, let usage = answer.value("usage"), !answer.isNull(usage) {
            var writer = head()
            writer.literal("\"choices\":[],\"usage\":")
            writer.slice(usage)
            writer.literal("}")
            events.append(SSEEvent(data: writer.finish()))
        }
        return events + [.done]
    }

    // MARK: One choice

    private mutating func message(_ message: RawObject, _ index: Int) {
        let buffer = answer.buffer
        // All that is no text goes with the role.
        delta(index) { writer in
            writer.literal("\"role\":")
            if let role = message.value("role") { writer.slice(role) } else { writer.literal("\"assistant\"") }
            writer.literal(",\"content\":\"\"")
            for member in message.members where !Self.isReplayed(message, member.key) && !message.isNull(member.value) {
                if buffer[member.value.lowerBound] == UInt8(ascii: "\"") { continue }
                writer.literal(",")
                writer.member(member)
            }
        }
        // Reasoning comes before the text that it led to, whatever its name.
        for member in message.members
        where !buffer.rawEquals(member.key, "content") && !buffer.rawEquals(member.key, "role") {
            texts(member, index)
        }
        for member in message.members where buffer.rawEquals(member.key, "content") { texts(member, index) }
        if let calls = message.value("tool_calls") {
            for (place, element) in message.elements(calls).enumerated() {
                toolCall(RawObject(buffer, element), index, place)
            }
        }
        if let call = message.object("function_call") { functionCall(call, index) }
    }

    private static func isReplayed(_ message: RawObject, _ key: Range<Int>) -> Bool {
        for name in ["role", "content", "tool_calls", "function_call"] as [StaticString]
        where message.buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    /// A member that is a string, in pieces under its own name.
    private mutating func texts(_ member: (key: Range<Int>, value: Range<Int>), _ index: Int) {
        let buffer = answer.buffer
        guard buffer[member.value.lowerBound] == UInt8(ascii: "\"") else {
            // Content in parts has no pieces.
            if buffer.rawEquals(member.key, "content"), buffer[member.value.lowerBound] == UInt8(ascii: "[") {
                delta(index) { $0.member(member) }
            }
            return
        }
        for piece in StreamReplay.pieces(buffer, member.value.lowerBound + 1..<member.value.upperBound - 1) {
            delta(index) { writer in
                writer.slice(member.key.lowerBound - 1..<member.key.upperBound + 1)
                writer.literal(":\"")
                writer.slice(piece)
                writer.literal("\"")
            }
        }
    }

    private mutating func toolCall(_ call: RawObject, _ choice: Int, _ index: Int) {
        let kind: StaticString = call.value("custom") != nil ? "custom" : "function"
        let argument: StaticString = call.value("custom") != nil ? "input" : "arguments"
        guard let called = call.object(kind) else { return }
        let buffer = answer.buffer
        delta(choice) { writer in
            writer.text("\"tool_calls\":[{\"index\":\(index)")
            for member in call.members
            where !buffer.rawEquals(member.key, kind) && !buffer.rawEquals(member.key, "index") {
                writer.literal(",")
                writer.member(member)
            }
            writer.literal(",\"")
            writer.literal(kind)
            writer.literal("\":{")
            for member in called.members where !buffer.rawEquals(member.key, argument) {
                writer.member(member)
                writer.literal(",")
            }
            writer.literal("\"")
            writer.literal(argument)
            writer.literal("\":\"\"}}]")
        }
        guard let arguments = called.rawString(argument) else { return }
        for piece in StreamReplay.pieces(answer.buffer, arguments) {
            delta(choice) { writer in
                writer.text("\"tool_calls\":[{\"index\":\(index),\"")
                writer.literal(kind)
                writer.literal("\":{\"")
                writer.literal(argument)
                writer.literal("\":\"")
                writer.slice(piece)
                writer.literal("\"}}]")
            }
        }
    }

    private mutating func functionCall(_ call: RawObject, _ index: Int) {
        delta(index) { writer in
            writer.literal("\"function_call\":{")
            if let name = call.value("name") {
                writer.literal("\"name\":")
                writer.slice(name)
                writer.literal(",")
            }
            writer.literal("\"arguments\":\"\"}")
        }
        guard let arguments = call.rawString("arguments") else { return }
        for piece in StreamReplay.pieces(answer.buffer, arguments) {
            delta(index) { writer in
                writer.literal("\"function_call\":{\"arguments\":\"")
                writer.slice(piece)
                writer.literal("\"}")
            }
        }
    }

    // MARK: Chunks

    /// Everything up to `choices`, which differs. Members that the format does not know come once, in the first chunk.
    private func head() -> RawWriter {
        var writer = RawWriter(answer.buffer)
        writer.literal(isChat ? "{\"object\":\"chat.completion.chunk\"," : "{\"object\":\"text_completion\",")
        for member in answer.members {
            let isCommon = Self.isCommon(answer.buffer, member.key)
            guard isCommon || (events.isEmpty && !Self.isLeftOut(answer.buffer, member.key)) else { continue }
            writer.member(member)
            writer.literal(",")
        }
        return writer
    }

    private static func isCommon(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for name in ["id", "created", "model", "system_fingerprint", "service_tier", "provider"] as [StaticString]
        where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    private static func isLeftOut(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for name in ["object", "choices", "usage", "hook_results"] as [StaticString] where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    private func end(_ writer: inout RawWriter) -> SSEEvent {
        writer.literal(includeUsage ? "}],\"usage\":null}" : "}]}")
        return SSEEvent(data: writer.finish())
    }

    private mutating func delta(_ index: Int, _ body: (inout RawWriter) -> Void) {
        var writer = head()
        writer.text("\"choices\":[{\"index\":\(index),\"delta\":{")
        body(&writer)
        writer.literal("},\"logprobs\":null,\"finish_reason\":null")
        events.append(end(&writer))
    }

    private mutating func textChunk(_ index: Int, _ piece: Range<Int>) {
        var writer = head()
        writer.literal("\"choices\":[{\"text\":\"")
        writer.slice(piece)
        writer.text("\",\"index\":\(index),\"logprobs\":null,\"finish_reason\":null")
        events.append(end(&writer))
    }

    private mutating func finishChunk(_ choice: RawObject, _ index: Int) {
        var writer = head()
        writer.text(
            isChat ? "\"choices\":[{\"index\":\(index),\"delta\":{}" : "\"choices\":[{\"text\":\"\",\"index\":\(index)")
        for member in choice.members where !Self.isAnswered(answer.buffer, member.key) {
            writer.literal(",")
            writer.member(member)
        }
        events.append(end(&writer))
    }

    private static func isAnswered(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for name in ["index", "message", "text", "delta"] as [StaticString] where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }
}
