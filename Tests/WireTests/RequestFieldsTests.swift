import Core
import Testing

@testable import Wire

@Suite struct RequestFieldsTests {
    private func read(_ text: String) throws(GatewayError) -> RequestFields {
        try RequestFields(reading: Bytes(text), for: .chatCompletions)
    }

    @Test func findsTheMembers() throws {
        let fields = try read(
            """
            {"model": "gpt-4o", "messages": [{"role":"user"}], "stream" : true, "stream_options":{"include_usage":true},
             "metadata":{"a":"b"}, "user":"u\\u0031", "tools":[], "n":2, "max_tokens": 5, "prompt":"p", "input":[1], "system":"s", "x":{},
             "max_completion_tokens":77}
            """)
        #expect(fields.model == "gpt-4o")
        #expect(fields.isStream)
        #expect(fields.includesUsage)
        #expect(fields.user == "u1")
        let raw = RequestFields.Member.allCases.map { fields.raw($0).map { String($0) } }
        #expect(
            raw == [
                "\"gpt-4o\"", "true", "{\"a\":\"b\"}", "\"u\\u0031\"", "[{\"role\":\"user\"}]", "\"p\"", "[1]", "\"s\"",
                "[]", "2",
                "{\"include_usage\":true}", "5", "77",
            ])
        #expect(fields.count(.maxCompletionTokens) == 77 && fields.count(.n) == 2 && fields.count(.model) == nil)
        let odd = try read(#"{"n": 1.5, "max_tokens": -3, "max_completion_tokens": 123456789012}"#)
        #expect([.n, .maxTokens, .maxCompletionTokens].allSatisfy { odd.count($0) == nil })
    }

    @Test func toleratesWhatIsAbsentOrNull() throws {
        let empty = try read("{}")
        #expect(
            empty.model == nil && !empty.isStream && !empty.includesUsage && empty.user == nil
                && empty[.messages] == nil)
        let null = try read("{\"model\":null,\"stream\":null,\"stream_options\":null,\"user\":null}")
        #expect(null.model == nil && !null.isStream && !null.includesUsage && null.user == nil)
        #expect(try !read("{\"stream\":false,\"stream_options\":{\"include_usage\":false}}").includesUsage)
    }

    @Test(arguments: [
        ("", "empty"), ("   ", "expected an object"), ("[]", "expected an object"), ("\"x\"", "expected an object"),
        ("{\"a\":1", "line 1, column 7"), ("{\"a\":1}x", "line 1, column 8"),
        ("{\n  \"a\": tru\n}", "line 2, column 8"), ("{\"a\":1,}", "line 1, column 8"),
        ("{\"a\":\"\u{1}\"}", "control character"), ("{a:1}", "member name"), ("{}{}", "end of the text"),
        ("\u{FEFF}{}", "byte order mark"),
        ("\u{FEFF}\u{FEFF}{}", "byte order mark"), ("{\"a\":\"\\ud\"}", "hexadecimal"),
        ("{\"a\":01}", "line 1, column 7"),
    ])
    func refusesWhatIsNotJSON(_ text: String, _ says: String) {
        let error = failure { () throws(GatewayError) in _ = try read(text) }
        #expect(error?.status == 400)
        #expect(error?.kind == .invalidRequest)
        #expect(error?.code == "invalid_json")
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "no error")")
    }

    @Test func refusesIllFormedUTF8() {
        let body = Bytes(Array("{\"model\":\"".utf8) + [0xC0, 0xAF] + Array("\"}".utf8))
        let error = failure { () throws(GatewayError) in _ = try RequestFields(reading: body, for: .messages) }
        #expect(error?.message == "the request body is not valid JSON: a string is not valid UTF-8 (line 1, column 11)")
    }

    @Test(arguments: [
        ("{\"model\":\"a\",\"model\":\"b\"}", "model"), ("{\"stream\":true,\"x\":1,\"stream\":false}", "stream"),
        ("{\"messages\":[],\"messages\":[]}", "messages"), ("{\"temperature\":1,\"temperature\":2}", "temperature"),
        ("{\"x\\u0079\":1,\"xy\":2}", "xy"),
    ])
    func refusesDuplicates(_ text: String, _ param: String) {
        let error = failure { () throws(GatewayError) in _ = try read(text) }
        #expect(error?.status == 400)
        #expect(error?.code == "duplicate_member")
        #expect(error?.param == param)
    }

    @Test func findsADuplicateAmongManyNames() throws {
        let names = (0..<100).map { "\"member\($0)\":\($0)" }
        _ = try read("{\(names.joined(separator: ","))}")
        for duplicate in ["member0", "member31", "member32", "member99"] {
            let error = failure { () throws(GatewayError) in
                _ = try read("{\(names.joined(separator: ",")),\"\(duplicate)\":1}")
            }
            #expect(error?.param == duplicate)
        }
    }

    @Test func tellsNamesOfOneShapeApart() throws {
        _ = try read("{\"top_p\":1,\"top_k\":1,\"abxcd\":1,\"abycd\":2,\"\":1,\"a\":1,\"b\":2}")
    }

    @Test(arguments: [
        ("{\"mod\\u0065l\":\"a\"}", "model"), ("{\"Model\":\"a\"}", "model"), ("{\"MESSAGES\":[]}", "messages"),
        ("{\"me\u{17F}\u{17F}ages\":[]}", "messages"), ("{\"model\":\"a\",\"Model\":\"b\"}", "model"),
        ("{\"\\u0073tream\":true}", "stream"),
        ("{\"to\\u212als\":[]}", nil), ("{\"Temperature\":1}", nil),
    ])
    func refusesNamesInDisguise(_ text: String, _ param: String?) {
        let error = failure { () throws(GatewayError) in _ = try read(text) }
        #expect(error?.param == param)
        if param != nil { #expect(error?.code == "disguised_member") }
    }

    @Test(arguments: [
        ("{\"model\":1}", "model"), ("{\"model\":[\"a\"]}", "model"), ("{\"stream\":\"true\"}", "stream"),
        ("{\"stream\":1}", "stream"),
        ("{\"messages\":{}}", "messages"), ("{\"messages\":\"hi\"}", "messages"), ("{\"messages\":null}", "messages"),
        ("{\"stream_options\":[]}", "stream_options"),
    ])
    func checksTheTypesItReliesOn(_ text: String, _ param: String) {
        let error = failure { () throws(GatewayError) in _ = try read(text) }
        #expect(error?.status == 400)
        #expect(error?.code == "invalid_type")
        #expect(error?.param == param)
        #expect(error?.message.hasPrefix("\(param) must be ") == true)
    }

    @Test func decodesTheModel() throws {
        #expect(try read("{\"model\":\"a\\\"b\\u00e9\"}").model == "a\"bé")
    }

    @Test func refusesWhatIsNestedTooDeep() throws {
        func nested(_ depth: Int) -> String {
            "{\"x\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        _ = try read(nested(255))
        let error = failure { () throws(GatewayError) in _ = try read(nested(256)) }
        #expect(error?.message.contains("nested deeper than 256 levels") == true)
    }
}
