// Bodies that were broken at random: nothing traps, edits of nothing change nothing, and what is found lies in the
// body.

import Core
import Testing

@testable import Wire

@Suite struct MutatedBodiesTests {
    private static let seeds: [(Endpoint, String)] = [
        (
            .chatCompletions,
            #"{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"a\u00e9\n"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":[\"b\",{\"c\":\"d\\n\"}]}"}}]}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"enum":["y"]}}}}}],"stop":["x"]}"#
        ),
        (
            .messages,
            #"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"d"}},{"type":"tool_result","content":[{"type":"text","text":"r"}]}]}],"content":[{"type":"tool_use","name":"n","input":{"k":"v"}}],"stop_reason":"end_turn","usage":{"input_tokens":1}}"#
        ),
        (
            .chatCompletions,
            #"{"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a","tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a"}}],"reasoning_details":[{"index":0,"text":"t"}]},"message":{"content":"x","audio":{"transcript":"t"}},"text":"t","logprobs":{"content":[]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}}"#
        ),
        (
            .messages,
            #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"t","input":{"a":"b"}},"delta":{"type":"text_delta","text":"a","partial_json":"{","stop_reason":"x"},"message":{"content":[{"type":"text","text":"q"}],"usage":{"output_tokens":2}},"error":{"message":"m"}}"#
        ),
        (.embeddings, #"{"input":["a",[1,2],{"text":"t"}],"prompt":[1,"a"],"suffix":"s"}"#),
    ]

    @Test(arguments: seeds.indices)
    func trapsOnNothing(_ index: Int) {
        let (endpoint, seed) = Self.seeds[index]
        let bytes = Array("\"\\{}[],:0-9.e ntf/u\n".utf8) + [0x80, 0xC3, 0xFF]
        var random = Generator(state: UInt64(index))
        for _ in 0..<1500 {
            var text = Array(seed.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: text[place] = bytes.randomElement(using: &random) ?? 0
                case 1: text.remove(at: place)
                case 2: text.insert(bytes.randomElement(using: &random) ?? 0, at: place)
                default:
                    // A value of another type, or a part of the text once more.
                    let end = min(text.count, place + Int.random(in: 1...12, using: &random))
                    text.insert(contentsOf: text[place..<end], at: Int.random(in: 0...text.count, using: &random))
                }
            }
            check(Bytes(text), endpoint)
        }
    }

    private static let values = [
        "null", "1", "true", "\"\"", "\"w\"", "\"two words\"", "[]", "{}", "[1]", "[\"s\"]", "{\"a\":\"b\"}", "[[]]",
    ]

    /// Every value of each seed, replaced by values of every type.
    @Test(arguments: seeds.indices)
    func takesValuesOfAnyType(_ index: Int) throws {
        let (endpoint, seed) = Self.seeds[index]
        for pointer in Self.pointers(try json(seed)) {
            for value in Self.values {
                let changed = try #require(JSONEditor.put(Array(value.utf8), at: pointer, in: Bytes(seed)))
                check(changed, endpoint)
            }
        }
    }

    private static func pointers(_ value: JSONValue, _ pointer: JSONPointer = JSONPointer()) -> [JSONPointer] {
        switch value {
        case .object(let object): [pointer] + object.members.flatMap { pointers($0.value, pointer / $0.key) }
        case .array(let array): [pointer] + array.enumerated().flatMap { pointers($0.element, pointer / $0.offset) }
        default: [pointer]
        }
    }

    private func check(_ body: Bytes, _ endpoint: Endpoint) {
        let fields = try? RequestFields(reading: body, for: endpoint)
        _ = (fields?.model, fields?.includesUsage, fields?.user)
        for segments in [(try? SegmentTable.request(endpoint, body)) ?? [], SegmentTable.response(endpoint, body)] {
            var edits = SegmentEdits()
            for segment in segments {
                let text = SegmentTable.text(of: segment, in: body)
                edits.replace(0..<text.count, of: segment, with: text)
            }
            // The same text written back says the same, though maybe with other escapes.
            let changed = edits.apply(to: body)
            if fields != nil, segments.allSatisfy({ $0.shadow == nil }) {
                #expect((try? JSONValue(parsing: changed)) == (try? JSONValue(parsing: body)))
            }
        }
        let event = SSEEvent(data: body)
        let chunk = ChunkText(endpoint: endpoint, event: event)
        #expect(chunk.replacing(chunk.deltas.map { _ in nil }) == body)
        _ = chunk.replacing(chunk.deltas.map { chunk.text(of: $0) })
        _ = AnswerFacts(reading: body)
        var assembler = StreamAssembler(endpoint: endpoint)
        assembler.take(event)
        assembler.take(event)
        if let whole = assembler.finish() {
            #expect((try? JSONReader.whole(whole)) != nil, "\(String(whole))")
            _ = StreamReplay.events(of: whole, endpoint, includeUsage: true)
        }
        for event in StreamReplay.events(of: body, endpoint, includeUsage: true) ?? [] where !event.isDone {
            #expect((try? JSONReader.whole(event.data)) != nil, "\(String(event.data))")
        }
    }

    @Test func takesDeepNesting() {
        for depth in [100, 255, 300, 100_000] {
            let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            for member in ["content", "unknown", "tool_calls", "reasoning_details"] {
                check(
                    Bytes(
                        "{\"choices\":[{\"delta\":{\"\(member)\":\(nested)}}],\"messages\":[{\"\(member)\":\(nested)}]}"
                    ), .chatCompletions)
                check(Bytes("{\"content_block\":{\"\(member)\":\(nested)},\"delta\":\(nested)}"), .messages)
            }
        }
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}

extension JSONReader {
    /// Throws when `text` is not JSON.
    fileprivate static func whole(_ text: Bytes) throws(JSONError) {
        try withExtendedLifetime(text) { () throws(JSONError) in
            var reader = JSONReader(text.buffer)
            try reader.skipValue()
            try reader.finish()
        }
    }
}
