// What is JSON and what is not, where an error lies, and what the cursor gives.

import Testing

@testable import Core

/// Reads a whole text; the error, or nil.
private func error(in bytes: [UInt8]) -> JSONError? {
    bytes.withUnsafeBytes { text in
        var reader = JSONReader(text)
        do throws(JSONError) {
            try reader.skipValue()
            try reader.finish()
            return nil
        } catch {
            return error
        }
    }
}

private func error(in text: String) -> JSONError? { error(in: Array(text.utf8)) }

@Suite struct JSONReaderTests {
    // MARK: Numbers

    @Test(arguments: [
        "0", "-0", "1", "-1", "10", "1234567890123456789012345678901234567890", "0.0", "0.5", "-0.5", "1.25", "1e1",
        "1E1", "1e+1", "1e-1",
        "0e0", "-1.5E-300", "1e999999",
    ])
    func numbersAreAccepted(_ text: String) {
        #expect(error(in: text) == nil)
        #expect(error(in: "[\(text)]") == nil)
        #expect(error(in: "{\"a\":\(text)}") == nil)
    }

    @Test(arguments: [
        "+1", "01", "-01", "00", "1.", ".5", "-.5", "-", "1e", "1e+", "1e-", "1.e1", "1.5.5", "0x10", "1_000", "1,000",
        "Infinity", "-Infinity",
        "NaN", "nan", "１", "1a", "--1", "1 2", "1e1.5",
    ])
    func whatIsNoNumberIsRefused(_ text: String) {
        #expect(error(in: text) != nil)
        #expect(error(in: "{\"a\":\(text)}") != nil)
    }

    // MARK: Words and structure

    @Test(arguments: [
        "true", "false", "null", "{}", "[]", "\"\"", "[[]]", "[{}]", "{\"\":0}", " \t\r\n1 \t\r\n", "[ ]", "{ }",
        "[1 , 2]", "{ \"a\" : 1 , \"b\" : 2 }",
        "{\"a\":1,\"a\":2}", "[null,true,false]",
    ])
    func structuresAreAccepted(_ text: String) {
        #expect(error(in: text) == nil)
    }

    @Test(arguments: [
        "", " ", "\n", "tru", "True", "TRUE", "nul", "nulll", "fals", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]",
        "[,]", "[1 2]", "[1;2]",
        "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{\"a\"}", "{\"a\" 1}", "{a:1}", "{'a':1}",
        "{1:1}", "{\"a\":1 \"b\":2}",
        "[1}", "{\"a\":1]", "1 1", "{} {}", "[]]", "/* a */ 1", "// a\n1", "1 // a", "\u{FEFF}1", "\u{A0}1", "[1]\u{0}",
        "undefined", "'a'", "`a`",
    ])
    func whatIsNoJSONIsRefused(_ text: String) {
        #expect(error(in: text) != nil)
    }

    // MARK: Strings

    @Test(arguments: [
        #""a""#, #""\"\\\/\b\f\n\r\t""#, #""\u0000""#, #""\uD83D\uDE00""#, #""\ud83d""#, #""\ude00\ud83d""#,
        #""\uAbCd""#, "\"\u{7F}\"", "\"é漢😀\"",
        "\"\u{2028}\u{2029}\"", "\"\u{FEFF}\"", "\"\u{10FFFF}\"",
    ])
    func stringsAreAccepted(_ text: String) {
        #expect(error(in: text) == nil)
    }

    @Test(arguments: [
        #"""#, #""a"#, #""\""#, #""\"#, #""\x41""#, #""\a""#, #""\'""#, #""\u""#, #""\u12""#, #""\u123""#, #""\u123g""#,
        #""\U0041""#, "\"\n\"", "\"\t\"",
        "\"\u{0}\"", "\"\u{1F}\"", #""\u{41}""#,
    ])
    func whatIsNoStringIsRefused(_ text: String) {
        #expect(error(in: text) != nil)
    }

    /// Unicode 15, table 3-7: what lies beside its rows is ill-formed.
    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x7F], [0xC2, 0xC0], [0xE0, 0x80, 0x80],
            [0xE0, 0x9F, 0xBF], [0xE0, 0xA0],
            [0xE0, 0xA0, 0x7F], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xEF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF0, 0x90, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
            [0xFE], [0xFF],
            [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28], [0xF0, 0x28, 0x8C, 0xBC], [0xF0, 0x90, 0x28, 0xBC],
            [0xF0, 0x90, 0x8C, 0x28],
        ] as [[UInt8]])
    func illFormedUTF8IsRefusedWhereItBegins(_ bytes: [UInt8]) {
        for padding in 0..<9 {
            let before = [UInt8](repeating: 0x61, count: padding)
            let found = error(in: [0x22] + before + bytes + [0x22])
            #expect(found == JSONError("a string is not valid UTF-8", at: 1 + padding))
            #expect(!(before + bytes).withUnsafeBytes { UTF8Check.isValid($0) })
        }
    }

    @Test(
        arguments: [
            [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xEC, 0xBF, 0xBF], [0xED, 0x9F, 0xBF],
            [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF],
            [0xF0, 0x90, 0x80, 0x80], [0xF3, 0xBF, 0xBF, 0xBF], [0xF4, 0x8F, 0xBF, 0xBF],
        ] as [[UInt8]])
    func theBordersOfUTF8AreAccepted(_ bytes: [UInt8]) {
        #expect(error(in: [0x22] + bytes + [0x22]) == nil)
        #expect(bytes.withUnsafeBytes { UTF8Check.isValid($0) })
    }

    @Test func everyByteInAStringIsJudgedWhateverItsPlace() {
        // Eight bytes are looked at at once: each value in each place of a word.
        for place in 0..<17 {
            for byte in UInt8.min...0x7F {
                var text = [UInt8](repeating: 0x61, count: 17)
                text[place] = byte
                let found = error(in: [0x22] + text + [0x22])
                #expect((found == nil) == (byte >= 0x20 && byte != 0x22 && byte != 0x5C), "byte \(byte) at \(place)")
            }
        }
    }

    @Test func charactersAreNotCut() {
        let text = Array("aé漢😀".utf8)
        text.withUnsafeBytes { buffer in
            let boundaries = (0...text.count + 3).map { UTF8Check.boundary(buffer, at: $0) }
            #expect(boundaries == [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10, 10, 10])
        }
    }

    // MARK: Depth

    private func nested(_ depth: Int, _ open: String = "[", _ close: String = "]", inside: String = "") -> String {
        String(repeating: open, count: depth) + inside + String(repeating: close, count: depth)
    }

    @Test func nestingHasALimit() {
        for inside in ["", "1", "\"a\""] {
            #expect(error(in: nested(256, inside: inside)) == nil)
            #expect(error(in: nested(257, inside: inside)) == JSONError("nested deeper than 256 levels", at: 256))
        }
        #expect(error(in: nested(256, "{\"a\":", "}", inside: "1")) == nil)
        #expect(error(in: nested(257, "{\"a\":", "}", inside: "1"))?.reason == "nested deeper than 256 levels")
        // Far beyond the limit there is no stack to run out of.
        #expect(error(in: nested(1_000_000)) == JSONError("nested deeper than 256 levels", at: 256))
    }

    @Test func theTreeHasTheSameLimit() {
        for inside in ["", "1"] {
            #expect((try? JSONValue(parsing: nested(256, inside: inside))) != nil)
            #expect((try? JSONValue(parsing: nested(257, inside: inside))) == nil)
        }
    }

    // MARK: Places

    @Test(arguments: [
        ("", "expected a value, found the end of the text", 0), ("[1,]", "expected a value", 3),
        ("[1 2]", "expected ',' or ']' in an array", 3),
        ("{1:2}", "expected a member name in quotes", 1), ("{\"a\":1,}", "expected a member name in quotes", 7),
        ("{\"a\" 1}", "expected ':' after a member name", 5),
        ("{\"a\":1 2}", "expected ',' or '}' in an object", 7), ("[\"a", "a string has no closing quote", 1),
        ("[\"\\q\"]", "unknown escape in a string", 2),
        ("[\"\\u12\"]", "\\u needs four hexadecimal digits", 2), ("[1.]", "expected a digit", 3),
        ("[1e]", "expected a digit", 3),
        ("nul", "expected a value", 0), ("1 x", "expected the end of the text after the JSON value", 2),
        ("[\"a\nb\"]", "a control character in a string must be escaped", 3), ("[-]", "expected a value", 1),
    ])
    func anErrorNamesItsPlace(_ text: String, _ reason: String, _ offset: Int) {
        #expect(error(in: text) == JSONError(reason, at: offset))
    }

    @Test func aPlaceIsALineAndAColumn() {
        let text = Array("{\n  \"a\": 1,\n  é\n}".utf8)
        text.withUnsafeBytes { buffer in
            #expect(JSONError("", at: 0).position(in: buffer) == (1, 1))
            #expect(JSONError("", at: 1).position(in: buffer) == (1, 2))
            #expect(JSONError("", at: 2).position(in: buffer) == (2, 1))
            #expect(JSONError("", at: 14).position(in: buffer) == (3, 3))
            #expect(JSONError("", at: 999).position(in: buffer) == (4, 2))
        }
    }

    // MARK: The cursor

    @Test func membersAndElementsAreGivenInOrder() throws {
        let text = Array(#" { "a" : [ 1 , {"b":2} ] , "c\n" : "d" } "#.utf8)
        try text.withUnsafeBytes { buffer in
            func string(_ range: Range<Int>) -> String { String(decoding: buffer[range], as: UTF8.self) }
            var reader = JSONReader(buffer)
            try reader.enterObject()
            #expect(string(try #require(try reader.nextKey(first: true))) == "a")
            try reader.enterArray()
            #expect(try reader.nextElement(first: true))
            #expect(string(try reader.skipValue()) == "1")
            #expect(try reader.nextElement(first: false))
            #expect(string(try reader.skipValue()) == "{\"b\":2}")
            #expect(try !reader.nextElement(first: false))
            #expect(string(try #require(try reader.nextKey(first: false))) == "c\\n")
            #expect(string(try reader.skipString()) == "d")
            #expect(try reader.nextKey(first: false) == nil)
            try reader.finish()
            #expect(reader.isAtEnd)
            #expect(reader.current == 0)
        }
    }

    @Test func enteringTheWrongThingIsAnError() {
        let text = Array("[1]".utf8)
        text.withUnsafeBytes { buffer in
            var reader = JSONReader(buffer)
            #expect(throws: JSONError("expected an object", at: 0)) { try reader.enterObject() }
            #expect(throws: JSONError("expected a string", at: 0)) { try reader.skipString() }
            reader = JSONReader(buffer, at: 1)
            #expect(throws: JSONError("expected an array", at: 1)) { try reader.enterArray() }
        }
    }
}
