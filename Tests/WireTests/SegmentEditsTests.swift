import Core
import Testing

@testable import Wire

@Suite struct SegmentEditsTests {
    /// `body` after replacing what `old` is in the segment at `pointer`.
    private func edited(
        _ body: String, _ pointer: String, _ changes: [(old: String, new: String)],
        _ endpoint: Endpoint = .chatCompletions
    ) throws -> String {
        let bytes = Bytes(body)
        let segment = try #require(try SegmentTable.request(endpoint, bytes).first { $0.pointer == pointer })
        let text = String(SegmentTable.text(of: segment, in: bytes))
        var edits = SegmentEdits()
        for change in changes {
            let range = try #require(text.firstRange(of: change.old))
            let start = text.utf8.distance(from: text.startIndex, to: range.lowerBound)
            edits.replace(start..<start + change.old.utf8.count, of: segment, with: Bytes(change.new))
        }
        return String(edits.apply(to: bytes))
    }

    @Test func changesPlainText() throws {
        #expect(
            try edited(
                #"{ "messages" : [ {"role":"user", "content":"my name is Bob, I am Bob"} ] , "x":1.0 }"#,
                "/messages/0/content", [("Bob,", "[N],")])
                == #"{ "messages" : [ {"role":"user", "content":"my name is [N], I am Bob"} ] , "x":1.0 }"#)
    }

    @Test func keepsEscapesThatItDoesNotTouch() throws {
        #expect(
            try edited(
                #"{"messages":[{"content":"a\u0041\/\n b\ud83d\ude00c\"d é"}]}"#, "/messages/0/content",
                [("b😀c", "X\n\"")])
                == #"{"messages":[{"content":"a\u0041\/\n X\n\"\"d é"}]}"#)
    }

    @Test func appliesSeveralEdits() throws {
        #expect(
            try edited(
                #"{"messages":[{"content":"one\ttwo three"}]}"#, "/messages/0/content",
                [("three", "3"), ("one", "1"), ("two", "")])
                == #"{"messages":[{"content":"1\t 3"}]}"#)
    }

    @Test func escapesTwiceInArguments() throws {
        let body =
            #"{"messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{\"to\": \"bob \\\"x\\\" \\u00e9\", \"n\":1}"}}]}]}"#
        let changed = try edited(
            body, "/messages/0/tool_calls/0/function/arguments/to", [("bob", "a\"b\\c\n"), ("é", "e")])
        #expect(
            changed
                == #"{"messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{\"to\": \"a\\\"b\\\\c\\n \\\"x\\\" e\", \"n\":1}"}}]}]}"#
        )
        let inner = try json(changed).value(
            at: JSONPointer(["messages", "0", "tool_calls", "0", "function", "arguments"]))?.string
        #expect(try json(try #require(inner))["to"]?.string == "a\"b\\c\n \"x\" e")
    }

    @Test func changesWholeAndEmptyTexts() throws {
        #expect(
            try edited(#"{"messages":[{"content":"x"}]}"#, "/messages/0/content", [("x", "")])
                == #"{"messages":[{"content":""}]}"#)
        let body: Bytes = #"{"messages":[{"content":""}]}"#
        var edits = SegmentEdits()
        edits.replace(0..<0, of: try #require(try SegmentTable.request(.chatCompletions, body).first), with: "new")
        #expect(String(edits.apply(to: body)) == #"{"messages":[{"content":"new"}]}"#)
    }

    @Test func changesLeavesOfInputsThatAreObjects() throws {
        #expect(
            try edited(
                #"{"messages":[{"content":[{"type":"tool_use","name":"n","input":{"k":"v\u0031"}}]}]}"#,
                "/messages/0/content/0/input/k", [("v1", "w")], .messages)
                == #"{"messages":[{"content":[{"type":"tool_use","name":"n","input":{"k":"w"}}]}]}"#)
    }

    @Test func leavesReadOnlySegmentsAndBadRangesAlone() throws {
        let body: Bytes = #"{"input":[1,2]}"#
        var edits = SegmentEdits()
        let segment = try #require(try SegmentTable.request(.embeddings, body).first)
        edits.replace(0..<1, of: segment, with: "x")
        #expect(edits.isEmpty)
        let text: Bytes = #"{"input":"ab"}"#
        edits.replace(0..<9, of: try #require(try SegmentTable.request(.embeddings, text).first), with: "x")
        #expect(edits.apply(to: text) == text)
    }

    @Test func makesLogProbabilitiesOfEditedTextNull() throws {
        let body: Bytes =
            #"{"choices":[{"logprobs":{"content":[{"token":"Bob"}]},"message":{"content":"Bob"}},{"message":{"content":"x"},"logprobs":{"content":[]}}]}"#
        let segments = SegmentTable.response(.chatCompletions, body)
        #expect(segments.count == 2)
        var edits = SegmentEdits()
        edits.replace(0..<3, of: segments[0], with: "[N]")
        edits.replace(3..<3, of: segments[0], with: "!")
        #expect(
            String(edits.apply(to: body))
                == #"{"choices":[{"logprobs":null,"message":{"content":"[N]!"}},{"message":{"content":"x"},"logprobs":{"content":[]}}]}"#
        )
    }

    @Test func repairsIllFormedReplacements() throws {
        let body: Bytes = #"{"input":"ab"}"#
        var edits = SegmentEdits()
        edits.replace(0..<1, of: try #require(try SegmentTable.request(.embeddings, body).first), with: Bytes([0xFF]))
        #expect(String(edits.apply(to: body)) == "{\"input\":\"\u{FFFD}b\"}")
    }

    @Test(arguments: [
        "", "plain", #"\n\t\"\\\/"#, #"é\u00e9漢\u6f22"#, #"\ud83d\ude00"#, #"\ud83d"#, #"\ud83dx\ude00"#, #"\\u0041"#,
    ])
    func mapsEveryOffset(_ raw: String) {
        let bytes = Array(raw.utf8)
        bytes.withUnsafeBytes { buffer in
            let text = EscapedText(buffer)
            #expect(text.bytes == JSONString.decode(buffer))
            #expect(text.places.count == text.bytes.count + 1)
            #expect(text.places == text.places.sorted())
            #expect(Int(text.places.last ?? -1) == bytes.count)
        }
    }
}
