// What a pattern finds, and how it says that it cannot be compiled.

import Patterns
import Testing

/// The ranges of all matches, or the outcome when the text was not searched to its end.
func ranges(_ pattern: Pattern, in text: [UInt8]) -> (found: [Range<Int>], outcome: Pattern.Outcome) {
    var found: [Range<Int>] = []
    let outcome = text.withUnsafeBytes { buffer in
        pattern.eachMatch(in: buffer) { spans in
            if let range = spans[0].range { found.append(range) }
            return true
        }
    }
    return (found, outcome)
}

func ranges(_ pattern: Pattern, in text: String) -> [Range<Int>] { ranges(pattern, in: Array(text.utf8)).found }

@Suite struct PatternTests {
    @Test func findsTheFirstMatchAndItsGroups() throws {
        let pattern = try Pattern(#"(\w+)@(?:(x)|(\w+))"#)
        var spans = [Pattern.Span](repeating: .absent, count: 6)
        let outcome = Array("to: ann@example now".utf8).withUnsafeBytes { text in
            spans.withUnsafeMutableBufferPointer { pattern.firstMatch(in: text, spans: $0) }
        }
        #expect(outcome == .match(spans: 4))
        #expect(spans[0].range == 4..<15)
        #expect(spans[1].range == 4..<7)
        #expect(spans[2] == .absent)
        #expect(spans[3].range == 8..<15)
        #expect(spans[4] == .absent && spans[5] == .absent)
    }

    @Test func fillsOnlyTheSpansItIsGiven() throws {
        let pattern = try Pattern("(a)(b)(c)")
        var spans = [Pattern.Span](repeating: .absent, count: 2)
        let outcome = Array("abc".utf8).withUnsafeBytes { text in
            spans.withUnsafeMutableBufferPointer { pattern.firstMatch(in: text, spans: $0) }
        }
        #expect(outcome == .match(spans: 4))
        #expect(spans[1].range == 0..<1)
    }

    @Test func searchesFromAnOffset() throws {
        let pattern = try Pattern("a")
        let text = Array("banana".utf8)
        text.withUnsafeBytes { text in
            #expect(pattern.firstRange(in: text, from: 2) == 3..<4)
            #expect(pattern.firstRange(in: text, from: 6) == nil)
            #expect(pattern.firstRange(in: text, from: 7) == nil)
        }
    }

    @Test func looksBehindTheOffset() throws {
        let pattern = try Pattern("(?<=b)a")
        #expect(Array("ba".utf8).withUnsafeBytes { pattern.firstRange(in: $0, from: 1) } == 1..<2)
    }

    @Test(
        arguments: [
            ("caseless", Pattern.Options.caseless, "straße", "STRAßE", true),
            ("not caseless", [], "a", "A", false),
            ("multiline", .multiline, "^b$", "a\nb\nc", true),
            ("not multiline", [], "^b$", "a\nb\nc", false),
            ("dot matches newlines", .dotAll, "a.b", "a\nb", true),
            ("dot does not", [], "a.b", "a\nb", false),
            ("extended", .extended, "a b # comment", "ab", true),
            ("a dot is a character", [], "^.$", "é", true),
            ("or a byte", .bytes, "^.$", "é", false),
            ("classes beyond ASCII", [], "^\\S\\D\\W$", "–é߀", true),
            ("end before a newline", [], "a$", "a\n", true),
            ("very end", .ecmaScript, "a$", "a\n", false),
            ("escapes of ECMA-262", .ecmaScript, "^\\u0041\\x42\\u{43}$", "ABC", true),
            ("empty class", .ecmaScript, "a[]", "a", false),
            ("empty text", [], "^$", "", true),
        ] as [(String, Pattern.Options, String, String, Bool)])
    func heedsItsOptions(_ name: String, _ options: Pattern.Options, _ source: String, _ text: String, _ matches: Bool)
        throws
    {
        #expect(try Pattern(source, options: options).matches(text) == matches)
    }

    @Test(arguments: [
        ("(a", 2, "missing closing parenthesis"), ("[b-a]", 3, "range out of order in character class"),
        ("a**", 2, "quantifier does not follow a repeatable item"),
    ])
    func explainsWhatIsWrong(_ source: String, _ offset: Int, _ message: String) {
        let error = #expect(throws: PatternError.self) { try Pattern(source) }
        #expect(error == PatternError(message: message, offset: offset))
    }

    /// Both could step out of the encoding that the text was checked for.
    @Test func refusesWhatWouldLeaveTheEncoding() {
        #expect(throws: PatternError.self) { try Pattern("\\C") }
        #expect(throws: PatternError.self) { try Pattern("(*UTF)x", options: .bytes) }
    }

    @Test func refusesPatternsThatAreTooLong() {
        let source = String(repeating: "a", count: Pattern.maximumLength + 1)
        #expect(throws: PatternError.self) { try Pattern(source) }
    }

    @Test func knowsItsGroups() throws {
        let pattern = try Pattern("(?<year>\\d+)-(\\d+)-(?<day>\\d+)")
        #expect(pattern.groupCount == 3)
        #expect(pattern.groupName(1) == "year")
        #expect(pattern.groupName(2) == nil)
        #expect(pattern.groupNames.map(\.name) == ["year", "day"])
        #expect(pattern.groupNames.map(\.number) == [1, 3])
        #expect(try Pattern("a").groupNames.isEmpty)
    }

    @Test func worksWithMoreGroupsThanTheRoomWasMadeFor() throws {
        let pattern = try Pattern(String(repeating: "(a)", count: 100))
        var spans = [Pattern.Span](repeating: .absent, count: 101)
        let outcome = [UInt8](repeating: UInt8(ascii: "a"), count: 100).withUnsafeBytes { text in
            spans.withUnsafeMutableBufferPointer { pattern.firstMatch(in: text, spans: $0) }
        }
        #expect(outcome == .match(spans: 101))
        #expect(spans[100].range == 99..<100)
    }

    @Test func goesThroughAllMatches() throws {
        #expect(ranges(try Pattern("an"), in: "banana") == [1..<3, 3..<5])
        #expect(ranges(try Pattern("x*"), in: "axé") == [0..<0, 1..<2, 2..<2, 4..<4])
        #expect(ranges(try Pattern("\\b"), in: "é a") == [3..<3, 4..<4])
    }

    @Test func stopsWhenAskedTo() throws {
        var count = 0
        let outcome = try Array("aaa".utf8).withUnsafeBytes { text in
            try Pattern("a").eachMatch(in: text) { _ in
                count += 1
                return count < 2
            }
        }
        #expect(count == 2)
        #expect(outcome == .match(spans: 1))
    }

    @Test func isSharedByThreads() async throws {
        let pattern = try Pattern("(\\w+)\\s(\\w+)")
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<16 {
                group.addTask {
                    (0..<200).allSatisfy {
                        pattern.matches("word\(index) number\($0)") && !pattern.matches("word\(index)")
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}

@Suite struct EncodingTests {
    @Test(
        arguments: [
            [0xFF], [0x61, 0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
            [UInt8](repeating: 0x61, count: 100) + [0x80],
        ] as [[UInt8]])
    func refusesTextThatIsNotUTF8(_ text: [UInt8]) throws {
        let pattern = try Pattern("b|\\xFF")
        var span = [Pattern.Span.absent]
        for from in [0, text.count] {
            let outcome = text.withUnsafeBytes { text in
                span.withUnsafeMutableBufferPointer { pattern.firstMatch(in: text, from: from, spans: $0) }
            }
            #expect(outcome == .invalidUTF8)
        }
    }

    @Test func takesAnythingAsBytes() throws {
        let pattern = try Pattern("\\xFF.", options: .bytes)
        #expect(([0x61, 0xFF, 0x80] as [UInt8]).withUnsafeBytes { pattern.firstRange(in: $0) } == 1..<3)
    }

    @Test func anOffsetWithinACharacterMeansTheNext() throws {
        let pattern = try Pattern(".")
        #expect(Array("éa".utf8).withUnsafeBytes { pattern.firstRange(in: $0, from: 1) } == 2..<3)
    }
}
