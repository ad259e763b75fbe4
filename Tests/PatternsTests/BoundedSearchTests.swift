// Searches in long texts: that dividing them changes nothing, and that all of them end.

import Patterns
import Testing

@Suite struct DividedSearchTests {
    /// Characters of one to four bytes, so that portions end in the middle of some.
    private static let filler = Array("ab–cdé ß𝄞x".utf8)

    private static func text(_ count: Int) -> [UInt8] {
        var text: [UInt8] = []
        while text.count < count { text += filler }
        return text
    }

    @Test(arguments: [0, 500, 4_000, 5_000, 40_000, 300_000, 1_200_000])
    func findsAMatchWhereverItIs(_ place: Int) throws {
        let needle = Array("needle42".utf8)
        let before = Self.text(place)
        let text = before + needle + Self.text(1_000)
        let expected = before.count..<(before.count + needle.count)
        for source in [
            "needle\\d+", "[nm]eed[a-z]+\\w\\d", "(?<=.)needle42|^needle42", "n(?:e|x)+dle42", "(?i)NEEDLE42",
        ] {
            let (found, outcome) = ranges(try Pattern(source), in: text)
            #expect(found == [expected], "\(source)")
            #expect(outcome == .noMatch)
        }
    }

    @Test func findsAllMatchesOfALongText() throws {
        var text: [UInt8] = []
        var expected: [Range<Int>] = []
        for index in 0..<5_000 {
            text += Self.filler[..<2]
            expected.append(text.count..<(text.count + String(index).utf8.count))
            text += Array(String(index).utf8) + Array(" é".utf8)
        }
        #expect(ranges(try Pattern("\\d+"), in: text).found == expected)
        #expect(ranges(try Pattern("(?<!\\d)\\d+?(?=\\s)"), in: text).found == expected)
    }

    @Test func matchesTheEmptyEndOfALongText() throws {
        let text = Self.text(10_000)
        #expect(ranges(try Pattern("\\z"), in: text).found == [text.count..<text.count])
    }

    @Test func anchorsHoldForTheTextAndNotForItsPortions() throws {
        let text = Array(String(repeating: "abc ", count: 5_000).utf8) + Array("zzz".utf8)
        #expect(ranges(try Pattern("^z|\\Az"), in: text).found.isEmpty)
        #expect(ranges(try Pattern("^abc"), in: text).found == [0..<3])
        #expect(ranges(try Pattern("z+$"), in: text).found == [20_000..<20_003])
    }

    /// What depends on where a search began is not divided.
    @Test func verbsAndContinuationsMeanWhatTheyMeanInShortTexts() throws {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 6_000) + Array("bx".utf8)
        #expect(ranges(try Pattern("\\Gb|\\Gy"), in: text).found.isEmpty)
        #expect(ranges(try Pattern("a++(*COMMIT)c|b"), in: text).found.isEmpty)
        #expect(ranges(try Pattern("a+(*SKIP)(*FAIL)|[bx]"), in: text).found == [6_000..<6_001, 6_001..<6_002])
    }
}

@Suite struct HostileSearchTests {
    private static let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 16)

    /// Unbounded, each of these would take from seconds to for ever.
    @Test(arguments: [
        ("(a+)+b", 1 << 16), ("(a|a)*$c", 64), ("(?:[a-z]+\\s?)+\\d", 1 << 16), ("[a-z]+\\s*[a-z]*\\d", 1 << 16),
        ("x?.*?[a-z]++\\d", 1 << 15), ("(.*)\\1b", 1 << 16), ("\\X+\\d", 1 << 16),
        ("^(?:a?){40}a{40}c|(?:(?:a+)+)+c", 40),
        ("(*COMMIT)[a-z]+\\s*[a-z]*\\d", 1 << 16), ("(?R)?a(?R)?b", 1 << 14), ("^(a+)+$\\b.", 100),
    ])
    func givesUp(_ source: String, _ count: Int) throws {
        let pattern = try Pattern(source)
        let clock = ContinuousClock()
        let start = clock.now
        let (found, outcome) = ranges(pattern, in: Array(Self.letters[..<count]))
        #expect(found.isEmpty)
        #expect(outcome == .limit || outcome == .noMatch)
        // Under a tenth of a second, but the machine may have others to serve.
        #expect(clock.now - start < .seconds(5))
    }

    @Test func saysThatItGaveUp() throws {
        let text = String(repeating: "a", count: 5_000)
        #expect(try Pattern("(a+)+[bc]").search(text) == .limit)
        #expect(try !Pattern("(a+)+[bc]").matches(text))
    }

    @Test func searchesThatShareABudgetEndTogether() throws {
        let pattern = try Pattern("(a+)+[bc]")
        var budget = MatchBudget(units: 1_000_000)
        #expect(pattern.search(String(repeating: "a", count: 100), budget: &budget) == .limit)
        #expect(budget.units == 0)
        #expect(pattern.search("aaac", budget: &budget) == .match(spans: 2))
        #expect(pattern.search(String(repeating: "a", count: 30), budget: &budget) == .limit)
    }

    @Test func anOrdinarySearchCostsNoBudget() throws {
        var budget = MatchBudget(units: 1_000)
        let text = String(repeating: "The quick brown fox, 12 jumps. ", count: 10)
        #expect(try Pattern("\\bfix\\b").search(text, budget: &budget) == .noMatch)
        #expect(budget.units == 1_000)
    }

    /// The second gear finds what the first would have found.
    @Test func findsWhatIsHardToFind() throws {
        let text = Array(String(repeating: "aaaaaaaaaaaaaaaa ", count: 4).utf8) + Array("aaab".utf8)
        #expect(ranges(try Pattern("(?:a|aa)+[bc]"), in: text).found == [68..<72])
    }
}
