// Between the raw text of a JSON string and what it says.

import Testing

@testable import Core

private func decode(_ raw: String) -> [UInt8] { Array(raw.utf8).withUnsafeBytes { JSONString.decode($0) } }

@Suite struct JSONStringTests {
    @Test(arguments: [
        ("", ""), ("abc", "abc"), (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"), (#"\u0041"#, "A"),
        (#"\u00e9\u6F22"#, "é漢"), (#"a\u0000b"#, "a\u{0}b"),
        (#"\ud83d\ude00"#, "😀"), (#"\uD83D\uDE00!"#, "😀!"), (#"\udbff\udfff"#, "\u{10FFFF}"),
        (#"\ud800\udc00"#, "\u{10000}"), (#"\\u0041"#, #"\u0041"#),
        (#"é\né"#, "é\né"),
    ])
    func escapesSayWhatTheyMean(_ raw: String, _ text: String) {
        #expect(decode(raw) == Array(text.utf8))
    }

    @Test(arguments: [
        (#"\ud83d"#, "\u{FFFD}"), (#"\ude00"#, "\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"), (#"\ud83d\n"#, "\u{FFFD}\n"),
        (#"\ud83d\ud83d\ude00"#, "\u{FFFD}😀"),
        (#"\ude00\ud83d"#, "\u{FFFD}\u{FFFD}"), (#"\ud83d\u0041"#, "\u{FFFD}A"),
    ])
    func loneSurrogatesAreReplaced(_ raw: String, _ text: String) {
        #expect(decode(raw) == Array(text.utf8))
    }

    @Test func decodingNeverNeedsMoreRoom() {
        for raw in [#"\ud83d"#, #"\ud83d\ud83d"#, #"\u6F22"#, #"\ud83d\ude00"#, "é", #"\n"#] {
            #expect(decode(raw).count <= raw.utf8.count)
        }
    }

    @Test(arguments: [
        ("", "\"\""), ("abc", "\"abc\""), ("\"\\/", #""\"\\/""#), ("\u{8}\t\n\u{C}\r", #""\b\t\n\f\r""#),
        ("\u{0}\u{1}\u{1F}", #""\u0000\u0001\u001f""#),
        ("é漢😀\u{7F}\u{2028}", "\"é漢😀\u{7F}\u{2028}\""),
    ])
    func whatMustBeEscapedIs(_ text: String, _ quoted: String) {
        #expect(JSONString.quoted(text) == Array(quoted.utf8))
    }

    @Test func illFormedTextIsRepaired() {
        var output: [UInt8] = []
        ([0x61, 0xFF, 0x22] as [UInt8]).withUnsafeBytes { JSONString.escape($0, into: &output) }
        #expect(String(decoding: output, as: UTF8.self) == "a\u{FFFD}\\\"")
    }

    @Test func everyScalarGoesThereAndBack() {
        var text = ""
        for value in Array(0x0...0x800) + Array(stride(from: 0x801, through: 0x10FFFF, by: 97)) {
            if let scalar = Unicode.Scalar(UInt32(value)) { text.unicodeScalars.append(scalar) }
        }
        let quoted = JSONString.quoted(text)
        #expect(quoted.dropFirst().dropLast().withUnsafeBytes { JSONString.decode($0) } == Array(text.utf8))
        #expect((try? JSONValue(parsing: Bytes(quoted))) == .string(text))
    }

    @Test func hexadecimalDigitsHaveTheirValues() {
        for byte in UInt8.min...UInt8.max {
            let expected = Unicode.Scalar(byte).isASCII ? Character(Unicode.Scalar(byte)).hexDigitValue : nil
            #expect(JSONString.hexValue(byte) == expected.map { UInt32($0) })
        }
    }
}

@Suite struct JSONValueTests {
    @Test func textAndOrderAreKept() throws {
        let text = #"{"z":1.50,"a":[1e3,-0,true,null],"é":"\n😀","":{}}"#
        #expect(try JSONValue(parsing: text).text == text)
        #expect(try JSONValue(parsing: " {\"a\" : [ ] } ").text == "{\"a\":[]}")
    }

    @Test func duplicateMembersAreAnError() {
        #expect(throws: JSONError("duplicate member \"a\"", at: 8)) { try JSONValue(parsing: #"{"a":1,"a":2}"#) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: #"{"a":1,"\u0061":2}"#) }
        #expect((try? JSONValue(parsing: #"{"a":{"a":1},"b":{"a":1}}"#)) != nil)
    }

    @Test(arguments: [
        ("1", 1), ("-0", 0), ("1.0", 1), ("1e3", 1000), ("9223372036854775807", Int.max), ("1.5", nil), ("1e400", nil),
        ("9223372036854775808", nil),
    ])
    func wholeNumbersAreInts(_ text: String, _ value: Int?) throws {
        #expect(try JSONValue(parsing: text).int == value)
    }

    @Test func valuesAreFoundByName() throws {
        let value: JSONValue = ["a": ["b", 1, nil], "c": 1.5]
        #expect(value["a"]?[0]?.string == "b")
        #expect(value["a"]?[3] == nil)
        #expect(value["a"]?[-1] == nil)
        #expect(value["c"]?.double == 1.5)
        #expect(value["d"] == nil)
        #expect(value["a"]?[2]?.isNull == true)
        #expect(value.text == #"{"a":["b",1,null],"c":1.5}"#)
    }

    @Test func objectsKeepTheirOrderWhenTheyChange() {
        var object = JSONObject([("a", 1), ("b", 2)])
        object["c"] = 3
        object["a"] = 9
        object["b"] = nil
        #expect(object.keys == ["a", "c"])
        #expect(
            JSONValue.object(object.merged(under: JSONObject([("c", 4), ("d", 5)]))).text == #"{"a":9,"c":4,"d":5}"#)
    }

    @Test func textForPeopleIsTheSameValue() throws {
        let value = try JSONValue(parsing: #"{"a":[1,{"b":[]}],"c":{},"d":"\n"}"#)
        #expect(try JSONValue(parsing: value.prettyText) == value)
        #expect(value.prettyText.contains("  \"a\": [\n    1,\n"))
    }
}
