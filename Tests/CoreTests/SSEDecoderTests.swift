// Server-sent events, however the stream is cut and whichever line ends it has (WHATWG HTML, 9.2.6).

import Testing

@testable import Core

private func decode(_ pieces: [[UInt8]], limit: Int = 8 << 20, finishes: Bool = true) throws -> [SSEEvent] {
    var decoder = SSEDecoder(limit: limit)
    var events: [SSEEvent] = []
    for piece in pieces { try piece.withUnsafeBytes { try decoder.feed($0, into: &events) } }
    if finishes { decoder.finish(into: &events) }
    return events
}

private func decode(_ text: String, finishes: Bool = true) throws -> [SSEEvent] {
    try decode([Array(text.utf8)], finishes: finishes)
}

private func event(_ data: String, _ name: String = "") -> SSEEvent { SSEEvent(name: name, data: Bytes(data)) }

@Suite struct SSEDecoderTests {
    @Test(arguments: ["\n", "\r\n", "\r"])
    func lineEndsOfAllKindsEndLines(_ end: String) throws {
        let text = ["event: a", "data: 1", "data: 2", "", ": note", "", "data:3", "", ""].joined(separator: end)
        #expect(try decode(text, finishes: false) == [event("1\n2", "a"), event("3")])
    }

    @Test func mixedLineEndsAreNotCountedTwice() throws {
        #expect(
            try decode("data: 1\r\n\ndata: 2\n\rdata: 3\r\r\ndata: 4\r\n\r\n")
                == ["1", "2", "3", "4"].map { event($0) })
    }

    @Test(
        arguments: [
            ("data: x\n\n", ["x"]), ("data:x\n\n", ["x"]), ("data:  x\n\n", [" x"]), ("data: x \n\n", ["x "]),
            ("data\n\n", [""]), ("data:\n\n", [""]), ("data: \n\n", [""]),
            ("data\ndata\n\n", ["\n"]), ("data: a\ndata:\ndata: b\n\n", ["a\n\nb"]), ("data: a:b\n\n", ["a:b"]),
            ("\n\n\n", []), ("event: x\n\n", []), ("id: 1\nretry: 5\n\n", []),
            ("Data: x\n\n", []), (" data: x\n\n", []), ("datax: y\n\n", []), (":data: x\n\n", []),
            ("data: é漢\n\n", ["é漢"]), ("unknown\ndata: x\nother: y\n\n", ["x"]),
            ("", []),
        ] as [(String, [String])])
    func fieldsAreReadAsTheStandardSays(_ text: String, _ data: [String]) throws {
        #expect(try decode(text) == data.map { event($0) })
    }

    @Test func namesBelongToOneEvent() throws {
        #expect(
            try decode("event: a\n\ndata: 1\n\nevent: b\nevent: c\ndata: 2\n\ndata: 3\n\n") == [
                event("1"), event("2", "c"), event("3"),
            ])
    }

    @Test func aByteOrderMarkIsSkippedAtTheStartOnly() throws {
        #expect(try decode("\u{FEFF}data: x\n\n") == [event("x")])
        #expect(try decode("\u{FEFF}\u{FEFF}data: x\n\n") == [])
        #expect(try decode("data: \u{FEFF}x\n\n\u{FEFF}data: y\n\n") == [event("\u{FEFF}x")])
        #expect(try decode("\u{FEFF}\n\ndata: x\n\n") == [event("x")])
    }

    @Test func theEndOfTheStreamEndsAnEvent() throws {
        for text in ["data: x", "data: x\n", "data: x\n\n", "data: x\r", "data: x\r\n"] {
            #expect(try decode(text) == [event("x")], "\(text.debugDescription)")
        }
        #expect(try decode("data: x\n", finishes: false) == [])
        #expect(try decode("event: a") == [])
    }

    @Test func aHalfReadEventIsKnown() throws {
        var decoder = SSEDecoder()
        var events: [SSEEvent] = []
        func feed(_ text: String) throws {
            try Array(text.utf8).withUnsafeBytes { try decoder.feed($0, into: &events) }
        }
        #expect(!decoder.isMidEvent)
        try feed("da")
        #expect(decoder.isMidEvent)
        try feed("ta: x\n")
        #expect(decoder.isMidEvent)
        try feed("\n")
        #expect(!decoder.isMidEvent)
        #expect(events == [event("x")])
    }

    private static let stream = Array(
        "\u{FEFF}: hello\r\n\r\nevent: message_start\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata: é漢😀\n\n\n\ndata:1\r\rdata: 2\n\nid: 7\nevent: last\ndata: [DONE]"
            .utf8)

    @Test func anyCutGivesTheSameEvents() throws {
        let whole = try decode([Self.stream])
        #expect(
            whole == [
                event("{\"a\":\n1}", "message_start"), event("é漢😀"), event("1"), event("2"), event("[DONE]", "last"),
            ])
        for first in 0...Self.stream.count {
            #expect(try decode([Array(Self.stream[..<first]), Array(Self.stream[first...])]) == whole)
        }
        #expect(try decode(Self.stream.map { [$0] }) == whole)
        for first in stride(from: 0, to: Self.stream.count, by: 3) {
            for second in stride(from: first, to: Self.stream.count, by: 5) {
                let pieces = [
                    Array(Self.stream[..<first]), Array(Self.stream[first..<second]), [], Array(Self.stream[second...]),
                ]
                #expect(try decode(pieces) == whole)
            }
        }
    }

    @Test func anEventHasALimit() throws {
        let fits = Array(("data: " + String(repeating: "x", count: 94)).utf8)
        #expect(try decode([fits], limit: 100).count == 1)
        #expect(throws: SSEDecoder.EventTooLarge.self) { try decode([fits + Array("xx".utf8)], limit: 100) }
        // In one line or in many, with an end or without one, in one piece or byte by byte.
        let lines = Array(String(repeating: "data: xxxxxxxxx\n", count: 12).utf8)
        #expect(throws: SSEDecoder.EventTooLarge.self) { try decode([lines], limit: 100) }
        #expect(throws: SSEDecoder.EventTooLarge.self) { try decode(lines.map { [$0] }, limit: 100) }
        // Many small events are none that is large.
        let events = Array(String(repeating: "data: xxxxxxxxx\n\n", count: 100).utf8)
        #expect(try decode([events], limit: 100).count == 100)
        // Nor are comments.
        #expect(try decode([Array(String(repeating: ": a comment\n", count: 100).utf8)], limit: 100) == [])
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        for sent in [
            event("{}"), event("a\nb\n", "x"), event("", "ping"), event("\n"), SSEEvent.done, event("é漢😀", "ü"),
        ] {
            var output = BytesBuilder()
            sent.write(into: &output)
            #expect(try decode([output.finish().array], finishes: false) == [sent])
        }
        #expect(SSEEvent.done.isDone)
        #expect(!event("[DONE] ").isDone)
    }
}
