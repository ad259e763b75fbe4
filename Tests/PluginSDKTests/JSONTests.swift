import PluginSDK
import Testing

@Suite struct JSONParsing {
    @Test(
        arguments: [
            ("null", JSON.null), ("true", .bool(true)),
            (" [1, -2.50e+3 ,\"a\"] ", [.number("1"), .number("-2.50e+3"), "a"]),
            ("{}", .object(.init())), ("{\"a\":{\"b\":[]}}", ["a": ["b": []]]), ("\"\"", ""), ("0", .number("0")),
        ] as [(String, JSON)])
    func reads(text: String, expected: JSON) throws {
        #expect(try JSON(parsing: text) == expected)
    }

    @Test(arguments: [
        "", " ", "nul", "tru", "[", "[1", "[1,", "[1,]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
        "{1:2}", "01", "1.", ".5", "-", "1e", "+1", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\n\"",
        "1 2", "[1 2]", "NaN", "'a'", "[1}", "\u{FEFF}1",
    ])
    func refuses(text: String) {
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: text) }
    }

    @Test func refusesBytesThatAreNotUTF8() {
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: [0x22, 0x5C, 0x6E, 0xC3, 0x22]) }
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: [0x31, 0x00]) }
    }

    @Test(arguments: [
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""a\u00e9\u20AC""#, "aé€"), (#""\ud83d\ude00!""#, "😀!"),
        (#""\ud83d""#, "\u{FFFD}"), (#""\ude00x""#, "\u{FFFD}x"), (#""\ud83d\u0041""#, "\u{FFFD}A"), (#""é😀""#, "é😀"),
    ])
    func readsEscapes(text: String, expected: String) throws {
        #expect(try JSON(parsing: text).string == expected)
    }

    @Test func saysWhereTheErrorIs() {
        let error = #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: #"{"a": tru}"#) }
        #expect(error?.offset == 9)
    }

    @Test func limitsDepth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSON(parsing: nested(JSON.maximumDepth))
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: nested(JSON.maximumDepth + 1)) }
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: String(repeating: "[", count: 1_000_000)) }
    }
}

@Suite struct JSONValues {
    @Test(
        arguments: [
            ("1", 1, 1.0), ("-7", -7, -7.0), ("1.0", 1, 1.0), ("1e3", 1000, 1000.0), ("1.5", nil, 1.5),
            ("1e30", nil, 1e30),
            ("9223372036854775807", .max, 9223372036854775807.0),
        ] as [(String, Int?, Double)])
    func convertsNumbers(text: String, int: Int?, double: Double) throws {
        let number = try JSON(parsing: text)
        #expect(number.int == int)
        #expect(number.double == double)
    }

    @Test func looksUpByKeyAndIndex() throws {
        let json = try JSON(parsing: #"{"a":[{"b":true}],"c":null}"#)
        #expect(json["a"]?[0]?["b"]?.bool == true)
        #expect(json["c"]?.isNull == true)
        #expect(json["d"] == nil)
        #expect(json["a"]?[1] == nil)
        #expect(json["a"]?[-1] == nil)
        #expect(json[0] == nil)
    }

    @Test func keepsOrderAndTheLastOfEqualKeys() throws {
        let json = try JSON(parsing: #"{"b":1,"a":2,"b":3}"#)
        #expect(json.description == #"{"b":3,"a":2}"#)
    }

    @Test func keepsKeysApartThatOnlyLookTheSame() throws {
        let json = try JSON(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(json.object?.count == 2)
        #expect(json["e\u{301}"]?.int == 2)
    }

    @Test func changesMembers() {
        var json: JSON = ["a": 1]
        json["b"] = 2
        json["a"] = "x"
        #expect(json.description == #"{"a":"x","b":2}"#)
        json["a"] = nil
        #expect(json.description == #"{"b":2}"#)
        var none = JSON.null
        none["a"] = true
        #expect(none == ["a": true])
    }

    @Test func managesManyMembers() {
        var object = JSON.Object()
        for number in 0..<1000 { object["k\(number)"] = .int(number) }
        for number in stride(from: 0, to: 1000, by: 2) { object["k\(number)"] = nil }
        object["k1"] = "one"
        #expect(object.count == 500)
        #expect(object["k999"]?.int == 999)
        #expect(object["k998"] == nil)
        #expect(object.first?.value == "one")
    }

    @Test func comparesValues() {
        #expect(JSON.number("1.0") == .number("1"))
        #expect((["a": 1, "b": 2] as JSON) == ["b": 2, "a": 1])
        #expect((["a": 1] as JSON) != ["a": 2])
        #expect(JSON.null != false)
    }
}

@Suite struct JSONWriting {
    @Test(arguments: [
        "null", "[true,false]", #"{"a":[1,2.50,{"b":""}],"c":"é😀/"}"#, "1e400", "-0", "10000000000000000000001",
        #""\"\\\n\r\t\u0000\u001f""#,
    ])
    func writesWhatItRead(text: String) throws {
        #expect(try JSON(parsing: text).description == text)
    }

    @Test func writesLiterals() {
        let json: JSON = ["n": nil, "i": 3, "d": 0.5, "s": "x", "a": [1, "y"], "inf": .double(.infinity)]
        #expect(json.description == #"{"n":null,"i":3,"d":0.5,"s":"x","a":[1,"y"],"inf":null}"#)
    }

    @Test func appendsToBytes() {
        var bytes: [UInt8] = []
        bytes.append(literal: "{\"a\":")
        bytes.append(quoted: "x\"y")
        bytes.append(literal: ",\"b\":")
        bytes.append(number: -5)
        bytes.append(literal: "}")
        #expect(String(decoding: bytes, as: UTF8.self) == #"{"a":"x\"y","b":-5}"#)
    }
}
