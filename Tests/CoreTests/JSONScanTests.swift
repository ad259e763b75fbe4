// The fast way over JSON and the careful way accept the same texts. The careful way is reached by asking for a depth at
// which the fast way is not tried.

import Testing

@testable import Core

@Suite struct JSONScanTests {
    /// The end of the value, or nil.
    private func end(_ text: [UInt8], depth: Int) -> Int? {
        text.withUnsafeBytes { buffer in
            var reader = JSONReader(buffer)
            return (try? reader.skipValue(depth: depth))?.upperBound
        }
    }

    private func expectSame(_ text: [UInt8]) {
        let fast = end(text, depth: 0)
        let careful = end(text, depth: 200)
        #expect(fast == careful, "\(String(decoding: text, as: UTF8.self))")
    }

    @Test(arguments: [
        "{}", "[]", "\"\"", "0", "-1.5e+3", "true", "false", "null", "{\"a\":[1,{\"b\":null}]}",
        " { \"a\" : [ 1 , 2 ] } ", "01", "-", "1.",
        "1e", "tru", "nul", "falsy", "{", "[", "\"", "{\"a\"}", "{\"a\":}", "{a:1}", "[1,]", "[,1]", "{\"a\":1,}",
        "[1 2]", "\"\\x\"",
        "\"\\u12g4\"", "\"\\u1234\"", "\"\\ud83d\\ude00\"", "\"a\tb\"", "\"é漢😀\"", "{\"a\":1]", "[1}", "\"1234567\"",
        "\"12345678\"",
        "\"123456789\\n\"", "", " ", "}", "nulll", "[[[[[[]]]]]]", "{\"a\":{\"b\":{\"c\":{}}}}",
    ])
    func agreesOn(_ text: String) {
        expectSame(Array(text.utf8))
    }

    @Test func refusesIllFormedUTF8() {
        for bytes: [UInt8] in [[0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80], [0xE2, 0x82]] {
            let text = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
            #expect(end(text, depth: 0) == nil)
            expectSame(text)
        }
    }

    @Test func agreesOnMutatedTexts() {
        let seed = Array(
            "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"a \\\"b\\\" \\u00e9 漢 c\\n\"}],\"n\":-1.5e3,\"t\":true,\"x\":[null,{}]}"
                .utf8)
        let bytes = Array("\"\\{}[],:0-9eE.+ \n\ttfnu\u{1}".utf8) + [0x80, 0xC3, 0xE2, 0xF0, 0xFF]
        var random = SplitMix(state: 42)
        for _ in 0..<20_000 {
            var text = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text[place] = bytes.randomElement(using: &random) ?? 0
                case 1: text.remove(at: place)
                default: text.insert(bytes.randomElement(using: &random) ?? 0, at: place)
                }
            }
            expectSame(text)
        }
    }

    @Test(arguments: [62, 63, 64, 65, 200, 256, 257])
    func nestsAsDeepAsTheLimit(_ depth: Int) {
        let text = Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        #expect((end(text, depth: 0) != nil) == (depth <= JSONReader.maximumDepth))
    }

    private struct SplitMix: RandomNumberGenerator {
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
