// Edits of JSON text: what is not named stays as it was, to the last space.

import Testing

@testable import Core

private func merge(_ text: String, _ members: (String, String)...) -> String? {
    (try? JSONEditor.merge(Bytes(text), members.map { (key: $0.0, value: Array($0.1.utf8)) })).map { String($0) }
}

private func put(_ value: String, at pointer: String, in text: String, _ placement: JSONEditor.Placement = .replace)
    -> String?
{
    guard let pointer = JSONPointer(parsing: pointer) else { return nil }
    return JSONEditor.put(Array(value.utf8), at: pointer, in: Bytes(text), placement).map { String($0) }
}

private func remove(_ pointer: String, from text: String) -> String {
    String(JSONEditor.remove(JSONPointer(parsing: pointer) ?? JSONPointer(), from: Bytes(text)))
}

@Suite struct JSONEditorTests {
    @Test func mergingReplacesAndAppends() {
        #expect(merge(#"{ "a" : 1 , "b":2 }"#, ("a", "10"), ("c", "[3]")) == #"{ "a" : 10 , "b":2 ,"c":[3]}"#)
        #expect(merge("{}", ("a", "1"), ("b", "2")) == #"{"a":1,"b":2}"#)
        #expect(merge("{ }", ("a", "1")) == #"{ "a":1}"#)
        #expect(merge(#"{"a":1}"#) == #"{"a":1}"#)
        #expect(merge(#"{"\u0061":1}"#, ("a", "2")) == #"{"\u0061":2}"#)
        #expect(merge(#"{"a":1,"a":2}"#, ("a", "3")) == #"{"a":3,"a":3}"#)
        #expect(merge("{}", ("é\"", "1")) == #"{"é\"":1}"#)
        #expect(merge(" {\"a\":{\"a\":1}}\n", ("a", "2")) == " {\"a\":2}\n")
    }

    @Test func mergingNeedsAnObject() {
        #expect(merge("[]", ("a", "1")) == nil)
        #expect(merge("{", ("a", "1")) == nil)
        #expect(merge("", ("a", "1")) == nil)
    }

    private static let text = #"{"a": {"b": [1, {"c": 2}, []]}, "d/e~": "x"}"#

    @Test func puttingReplacesWhatIsThere() {
        #expect(put("9", at: "/a/b/0", in: Self.text) == Self.text.replacing("[1,", with: "[9,"))
        #expect(put("9", at: "/a/b/1/c", in: Self.text) == Self.text.replacing("2", with: "9"))
        #expect(put("9", at: "/d~1e~0", in: Self.text) == Self.text.replacing("\"x\"", with: "9"))
        #expect(put("9", at: "", in: Self.text) == "9")
        #expect(put("9", at: "/a", in: Self.text, .insert) == #"{"a": 9, "d/e~": "x"}"#)
    }

    @Test func puttingAddsMembersAndElements() {
        #expect(put("9", at: "/f", in: Self.text) == Self.text.dropLast() + #","f":9}"#)
        #expect(put("9", at: "/a/b/-", in: Self.text) == Self.text.replacing("[]]", with: "[],9]"))
        #expect(put("9", at: "/a/b/2/-", in: Self.text) == Self.text.replacing("[]]", with: "[9]]"))
        #expect(put("9", at: "/a/b/2/0", in: Self.text) == Self.text.replacing("[]]", with: "[9]]"))
        #expect(put("9", at: "/a/b/1", in: Self.text, .insert) == Self.text.replacing("{\"c\"", with: "9,{\"c\""))
        #expect(put("9", at: "/a/b/0", in: Self.text, .insert) == Self.text.replacing("[1,", with: "[9,1,"))
        #expect(put("9", at: "/a", in: "{ }") == #"{ "a":9}"#)
        #expect(put("9", at: "/-", in: "[ ]") == "[ 9]")
        #expect(put("9", at: "/\u{e9}\"", in: "{}") == #"{"é\"":9}"#)
    }

    @Test func puttingNeedsAParent() {
        #expect(put("9", at: "/x/y", in: Self.text) == nil)
        #expect(put("9", at: "/a/b/7", in: Self.text) == nil)
        #expect(put("9", at: "/a/b/x", in: Self.text) == nil)
        #expect(put("9", at: "/d~1e~0/y", in: Self.text) == nil)
        #expect(put("9", at: "/a/b/01", in: Self.text) == nil)
        #expect(put("9", at: "/a", in: "7") == nil)
    }

    @Test(arguments: [
        ("/a", #"{"a":1,"b":2,"c":3}"#, #"{"b":2,"c":3}"#), ("/b", #"{"a":1,"b":2,"c":3}"#, #"{"a":1,"c":3}"#),
        ("/c", #"{"a":1,"b":2,"c":3}"#, #"{"a":1,"b":2}"#),
        ("/a", #"{ "a" : 1 }"#, "{  }"), ("/a", #"{ "a" : 1 , "b" : 2 }"#, #"{ "b" : 2 }"#),
        ("/b", #"{ "a" : 1 , "b" : 2 }"#, #"{ "a" : 1 }"#), ("/0", "[1]", "[]"),
        ("/0", "[1,2]", "[2]"), ("/1", "[1,2]", "[1]"), ("/1", "[1, 2 , 3]", "[1 , 3]"),
        ("/a/b", #"{"a":{"b":1}}"#, #"{"a":{}}"#),
        ("/x", #"{"a":1}"#, #"{"a":1}"#), ("/9", "[1]", "[1]"), ("/a", "1", "1"), ("", "{}", "{}"),
    ])
    func removingTakesOneCommaAlong(_ pointer: String, _ text: String, _ expected: String) throws {
        #expect(remove(pointer, from: text) == expected)
        _ = try JSONValue(parsing: expected)
    }

    // MARK: Splices

    private func splice(_ text: String, _ replacements: (Range<Int>, String)...) -> String {
        var splices = Splices()
        for (range, replacement) in replacements { splices.replace(range, with: Array(replacement.utf8)) }
        return String(splices.apply(to: Bytes(text)))
    }

    @Test func splicesApplyInTheOrderOfTheText() {
        #expect(splice("abcdef", (4..<6, "Y"), (0..<2, "XXX")) == "XXXcdY")
        #expect(splice("abc", (3..<3, "!"), (0..<0, "?")) == "?abc!")
        #expect(splice("abc", (1..<1, "1"), (1..<1, "2")) == "a12bc")
        #expect(splice("abc", (1..<2, "B"), (1..<1, "-"), (2..<2, "+")) == "a-B+c")
        #expect(splice("abc", (0..<3, "")) == "")
        #expect(splice("abc") == "abc")
        #expect(splice("", (0..<0, "x")) == "x")
    }
}

@Suite struct JSONPointerTests {
    @Test(
        arguments: [
            ("", []), ("/", [""]), ("/a", ["a"]), ("/a/0/b", ["a", "0", "b"]), ("/a~1b", ["a/b"]), ("/m~0n", ["m~n"]),
            ("/~01", ["~1"]), ("//", ["", ""]),
            ("/é/ ", ["é", " "]), ("/a%20b", ["a%20b"]),
        ] as [(String, [String])])
    func pointersAreReadAndWritten(_ text: String, _ tokens: [String]) throws {
        let pointer = try #require(JSONPointer(parsing: text))
        #expect(pointer.tokens == tokens)
        #expect(pointer.description == text)
    }

    @Test(arguments: ["a", "a/b", "/~", "/~2", "/a~", "/~/b", "#/a", " /a"])
    func whatIsNoPointerIsRefused(_ text: String) {
        #expect(JSONPointer(parsing: text) == nil)
    }

    /// The examples of RFC 6901, section 5.
    private static let document =
        #"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#

    @Test(arguments: [
        ("/foo", #"["bar","baz"]"#), ("/foo/0", "\"bar\""), ("/", "0"), ("/a~1b", "1"), ("/c%d", "2"), ("/e^f", "3"),
        ("/g|h", "4"), ("/i\\j", "5"),
        ("/k\"l", "6"), ("/ ", "7"), ("/m~0n", "8"),
    ])
    func theExamplesOfTheStandardHold(_ text: String, _ value: String) throws {
        let bytes = Bytes(Self.document)
        let pointer = try #require(JSONPointer(parsing: text))
        let range = try #require(pointer.find(in: bytes.buffer))
        #expect(String(bytes[range]) == value)
        #expect(try JSONValue(parsing: bytes).value(at: pointer)?.text == value)
    }

    @Test(arguments: [
        "/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/-1", "/foo/0/x", "/none", "/foo/0x0", "/foo/ 0",
        "/foo/99999999999999999999",
    ])
    func whatIsNotThereIsNotFound(_ text: String) throws {
        let bytes = Bytes(Self.document)
        let pointer = try #require(JSONPointer(parsing: text))
        #expect(pointer.find(in: bytes.buffer) == nil)
        #expect(try JSONValue(parsing: bytes).value(at: pointer) == nil)
    }

    @Test func namesAreComparedByWhatTheySay() throws {
        let bytes = Bytes(#" { "\u0061\/b" : [ 1 , 2 ] } "#)
        let range = try #require(JSONPointer(["a/b", "1"]).find(in: bytes.buffer))
        #expect(String(bytes[range]) == "2")
        #expect(JSONPointer().find(in: bytes.buffer).map { String(bytes[$0]) } == #"{ "\u0061\/b" : [ 1 , 2 ] }"#)
        #expect(JSONPointer(["a"]).find(in: Bytes("{\"a\"").buffer) == nil)
    }

    @Test(arguments: [
        (" { \"a b\" :\n[ 1 ,\t2 ]\r\n} ", #"{"a b":[1,2]}"#), (#""x \" y""#, #""x \" y""#), ("[]", "[]"),
        (#"{"a\\": " b ", "c" : null}"#, #"{"a\\":" b ","c":null}"#),
    ])
    func compactJSONHasNoSpaceBetweenTokens(_ text: String, _ compact: String) {
        #expect(String(JSONEditor.compact(Bytes(text).buffer)) == compact)
    }

    @Test func pointersGrow() {
        #expect((JSONPointer() / "a/b" / 3).description == "/a~1b/3")
    }
}
