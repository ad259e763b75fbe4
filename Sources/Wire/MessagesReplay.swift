// MessagesReplay: an answer of the Messages API as its events.

import Core

struct MessagesReplay {
    private let answer: RawObject
    private var events: [SSEEvent] = []

    init(_ answer: RawObject) {
        self.answer = answer
        var writer = RawWriter(answer.buffer)
        writer.literal("{\"type\":\"message_start\",\"message\":{\"content\":[]")
        for member in answer.members where !Self.comesLater(answer.buffer, member.key) {
            writer.literal(",")
            writer.member(member)
        }
        writer.literal(",\"stop_reason\":null,\"stop_sequence\":null}}")
        events.append(SSEEvent(name: "message_start", data: writer.finish()))
    }

    mutating func content(_ list: Range<Int>) {
        for (index, element) in answer.elements(list).enumerated() { block(RawObject(answer.buffer, element), index) }
    }

    mutating func finish() -> [SSEEvent] {
        var writer = RawWriter(answer.buffer)
        writer.literal("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":")
        if let reason = answer.value("stop_reason") { writer.slice(reason) } else { writer.literal("null") }
        writer.literal(",\"stop_sequence\":")
        if let sequence = answer.value("stop_sequence") { writer.slice(sequence) } else { writer.literal("null") }
        writer.literal("}")
        if let usage = answer.value("usage") {
            writer.literal(",\"usage\":")
            writer.slice(usage)
        }
        writer.literal("}")
        events.append(SSEEvent(name: "message_delta", data: writer.finish()))
        events.append(SSEEvent(name: "message_stop", data: "{\"type\":\"message_stop\"}"))
        return events
    }

    private static func comesLater(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for name in ["content", "stop_reason", "stop_sequence", "hook_results"] as [StaticString]
        where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    // MARK: One block

    private mutating func block(_ block: RawObject, _ index: Int) {
        let buffer = answer.buffer
        let type = block.string("type")
        let isToolUse = type?.hasSuffix("tool_use") ?? false
        var writer = RawWriter(buffer)
        writer.text("{\"type\":\"content_block_start\",\"index\":\(index),\"content_block\":{")
        var isFirst = true
        for member in block.members {
            if !isFirst { writer.literal(",") }
            isFirst = false
            let isStreamed = Self.isStreamed(buffer, member.key, isToolUse: isToolUse)
            guard isStreamed else {
                writer.member(member)
                continue
            }
            writer.slice(member.key.lowerBound - 1..<member.key.upperBound + 1)
            switch buffer[member.value.lowerBound] {
            case UInt8(ascii: "\""): writer.literal(":\"\"")
            case UInt8(ascii: "["): writer.literal(":[]")
            case UInt8(ascii: "{"): writer.literal(":{}")
            default: writer.literal(":null")
            }
        }
        writer.literal("}}")
        events.append(SSEEvent(name: "content_block_start", data: writer.finish()))
        deltas(block, index, isToolUse: isToolUse)
        events.append(
            SSEEvent(name: "content_block_stop", data: Bytes("{\"type\":\"content_block_stop\",\"index\":\(index)}")))
    }

    private static func isStreamed(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, isToolUse: Bool) -> Bool {
        if isToolUse { return buffer.rawEquals(key, "input") }
        for name in ["text", "thinking", "signature", "citations"] as [StaticString] where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    private mutating func deltas(_ block: RawObject, _ index: Int, isToolUse: Bool) {
        let buffer = answer.buffer
        if isToolUse {
            guard let input = block.value("input") else { return }
            var escaped: [UInt8] = []
            JSONString.escape(UnsafeRawBufferPointer(rebasing: buffer[input]), into: &escaped)
            escaped.withUnsafeBytes { text in
                for piece in StreamReplay.pieces(text, 0..<text.count) {
                    delta(index, "input_json_delta", "partial_json", quoted: true, [UInt8](text[piece]))
                }
            }
            return
        }
        if let thinking = block.rawString("thinking") {
            for piece in StreamReplay.pieces(buffer, thinking) {
                delta(index, "thinking_delta", "thinking", quoted: true, [UInt8](buffer[piece]))
            }
        }
        if let signature = block.rawString("signature") {
            delta(index, "signature_delta", "signature", quoted: true, [UInt8](buffer[signature]))
        }
        if let text = block.rawString("text") {
            for piece in StreamReplay.pieces(buffer, text) {
                delta(index, "text_delta", "text", quoted: true, [UInt8](buffer[piece]))
            }
        }
        if let citations = block.value("citations") {
            for citation in block.elements(citations) {
                delta(index, "citations_delta", "citation", quoted: false, [UInt8](buffer[citation]))
            }
        }
    }

    private mutating func delta(
        _ index: Int, _ type: StaticString, _ member: StaticString, quoted: Bool, _ value: [UInt8]
    ) {
        var writer = RawWriter(answer.buffer)
        writer.text(
            "{\"type\":\"content_block_delta\",\"index\":\(index),\"delta\":{\"type\":\"\(type)\",\"\(member)\":")
        if quoted { writer.literal("\"") }
        writer.bytes(value)
        if quoted { writer.literal("\"") }
        writer.literal("}}")
        events.append(SSEEvent(name: "content_block_delta", data: writer.finish()))
    }
}
