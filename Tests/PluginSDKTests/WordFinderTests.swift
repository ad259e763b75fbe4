import Testing

@testable import PluginSDK

/// What a finder finds in a text that is cut as `cuts` says: byte ranges in the whole text.
private func scan(_ text: [UInt8], _ finder: WordFinder, isJSON: Bool = false, windows: [Int]) -> [[Int]] {
    text.withUnsafeBufferPointer { all in
        var scanner = TextScanner(isJSON: isJSON)
        var folded = FoldedText()
        var found: [[Int]] = []
        var base = 0
        for end in windows + [text.count] {
            let window = Text(UnsafeBufferPointer(rebasing: all[base..<end]))
            let done = scanner.scan(window, isLast: end == text.count, for: finder, &folded) { range, length, finding in
                found.append([base + range.lowerBound, base + range.upperBound, length, finding])
            }
            base += done
        }
        return found
    }
}

private func finder(_ words: [String], tricks: Bool = true) -> WordFinder {
    var finder = WordFinder(tricks: tricks)
    for (index, word) in words.enumerated() { finder.add(word, finding: index) }
    return finder
}

private func found(_ text: String, _ words: [String], tricks: Bool = true) -> [String] {
    let bytes = Array(text.utf8)
    return scan(bytes, finder(words, tricks: tricks), windows: []).map {
        String(decoding: bytes[$0[0]..<$0[1]], as: UTF8.self)
    }
}

@Suite struct WordFinderTests {
    @Test(arguments: [
        ("a Blorg.", ["Blorg"]), ("blorgs, xblorg", []), ("bl0rg b.l.o.r.g", ["bl0rg", "b.l.o.r.g"]),
        ("blooorg bloorg", ["blooorg"]), ("BLÖRG's", ["BLÖRG"]), ("b l o r g y", ["b l o r g"]),
        ("\u{200B}blo\u{200B}rg\u{300}!", ["blo\u{200B}rg\u{300}"]),
        ("zonk zonkk zonkers", ["zonk", "zonkk", "zonkers"]), ("big blorg deal", ["big blorg"]),
        ("big\n-blorg", ["big\n-blorg"]),
        ("strasse straße", ["strasse", "straße"]), ("11111 5.5.5.5.5", []), ("语言blorg语言", ["blorg"]),
    ])
    func findsWordsAsAReaderDoes(text: String, expected: [String]) {
        #expect(found(text, ["blorg", "zonk*", "big blorg", "Straße", "iiiii", "sssss"]) == expected)
    }

    @Test func findsDisguisesOnlyWhenAsked() {
        #expect(found("bl0rg b.l.o.r.g blorg", ["blorg"], tricks: false) == ["blorg"])
    }

    @Test func innocentPhrasesWin() {
        var finder = finder(["blorg"])
        finder.addInnocent("blorg willow")
        #expect(scan(Array("blorg willow blorg".utf8), finder, windows: []).map(\.[0]) == [13])
    }

    @Test func whereAWindowEndsDoesNotMatter() {
        let finder = finder(["blorg", "big blorg deal", "zonk*", "ouch"])
        let texts = [
            "so b.l.o.r.g is blooooorg, and big  bl\u{F6}rg deal or big blorg dea",
            "zonkkkerszonk zonk o-u-c-h ouch\u{200B}\u{200B}\u{200B}!",
            "ab\(String(repeating: "\u{200B}", count: 20))blorg \(String(repeating: "\u{200B}", count: 7))blorg b\(String(repeating: "\u{AD}", count: 12))lorg",
        ]
        for text in texts {
            let bytes = Array(text.utf8)
            let whole = scan(bytes, finder, windows: [])
            let places = (0...bytes.count).filter { $0 == bytes.count || bytes[$0] & 0xC0 != 0x80 }
            for place in places { #expect(scan(bytes, finder, windows: [place]) == whole, "cut at \(place)") }
            #expect(scan(bytes, finder, windows: places) == whole)
        }
    }

    @Test func readsTheStringsOfJSONTextOnly() {
        let finder = finder(["blorg"])
        let text =
            #"{"blorg":"a bl\u006frg\n","x":[1,"blorg",{"blorg":null}],"b":"lorg","y":"\ud83d\ude00blorg\"blorg"}"#
        let bytes = Array(text.utf8)
        let whole = scan(bytes, finder, isJSON: true, windows: [])
        #expect(
            whole.map { String(decoding: bytes[$0[0]..<$0[1]], as: UTF8.self) } == [
                #"bl\u006frg"#, "blorg", "blorg", "blorg",
            ])
        for place in 0...bytes.count {
            #expect(scan(bytes, finder, isJSON: true, windows: [place]) == whole, "cut at \(place)")
        }
        #expect(scan(bytes, finder, isJSON: true, windows: Array(0...bytes.count)) == whole)
    }

    @Test func survivesBytesThatAreNoText() {
        let bytes: [UInt8] =
            [0xFF, 0x00, 0xC3] + Array("blorg".utf8) + [0x80, 0xF0, 0x9F] + Array("blorg".utf8) + [0xE2]
        #expect(scan(bytes, finder(["blorg"]), windows: []).map(\.[0]) == [3, 11])
    }

    @Test func longTextsInBlocksAreTheSame() {
        let unit = "nothing here, nothing there; "
        let text = String(repeating: unit, count: 9000) + "b l o r g " + String(repeating: unit, count: 3000) + "blorg"
        let starts = scan(Array(text.utf8), finder(["blorg"]), windows: []).map(\.[0])
        #expect(starts == [unit.utf8.count * 9000, unit.utf8.count * 12000 + 10])
    }
}
