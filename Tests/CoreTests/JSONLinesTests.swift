// Streams of one JSON value on each line, however they are cut.

import Testing

@testable import Core

private func decode(_ pieces: [[UInt8]], limit: Int = 1024) throws -> [String] {
    var decoder = JSONLinesDecoder(limit: limit)
    var events: [SSEEvent] = []
    for piece in pieces { try piece.withUnsafeBytes { try decoder.feed($0, into: &events) } }
    decoder.finish(into: &events)
    return events.map { String($0.data) }
}

@Suite struct JSONLinesTests {
    @Test(
        arguments: [
            ("", []), ("\n\r\n\n", []), ("{\"a\":1}", ["{\"a\":1}"]), ("1\n2\r\n3\n", ["1", "2", "3"]),
            ("1\n\n2\r\n\r\n3", ["1", "2", "3"]),
            ("{\"a\":\"é漢\"}\r\n{}", ["{\"a\":\"é漢\"}", "{}"]), ("1\r", ["1"]),
        ] as [(String, [String])])
    func everySplitGivesTheSameLines(_ text: String, _ lines: [String]) throws {
        let bytes = Array(text.utf8)
        #expect(try decode(bytes.map { [$0] }) == lines)
        for cut in 0...bytes.count {
            #expect(try decode([Array(bytes[..<cut]), Array(bytes[cut...])]) == lines)
        }
    }

    @Test func aLineThatIsTooLongIsRefused() throws {
        #expect(throws: SSEDecoder.EventTooLarge.self) {
            try decode([Array("12345".utf8), Array("67890".utf8)], limit: 9)
        }
        #expect(try decode([Array("12345\n".utf8), Array("67890".utf8)], limit: 9) == ["12345", "67890"])
    }
}
