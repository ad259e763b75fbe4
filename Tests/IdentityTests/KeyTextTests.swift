// How keys are written, found and shown.

import Testing

@testable import Identity

private let written =
    "ghk-0123456789abcdef-00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

@Suite struct KeyTextTests {
    @Test func hasItsForm() throws {
        let form = try Regex("ghk-[0-9a-f]{16}-[0-9a-f]{64}")
        for _ in 0..<100 { #expect(KeyText.make().wholeMatch(of: form) != nil) }
    }

    @Test func noTwoAreAlike() {
        let keys = (0..<1_000).map { _ in KeyText.make() }
        #expect(Set(keys).count == keys.count)
        #expect(Set(keys.map(KeyText.lookup)).count == keys.count)
        #expect(Set(keys.map { $0.suffix(64) }).count == keys.count)
    }

    @Test func isFoundByWhatIsBetweenTheDashes() {
        #expect(KeyText.lookup(written) == "0123456789abcdef")
        let key = KeyText.make()
        #expect(KeyText.lookup(key) == key.dropFirst(4).prefix(16))
    }

    /// SHA-256 of "abc" begins with ba7816bf8f01cfea.
    @Test func anyOtherTextIsFoundByItsDigest() {
        #expect(KeyText.lookup("abc") == "dba7816bf8f01cfea")
    }

    private static let others: [String] = [
        "", "ghk-", "sk-123", String(written.dropLast()), "\(written)0", "GHK-\(written.dropFirst(4))",
        written.replacing("f-0", with: "ff0"), " \(written.dropLast())", "\(written)\n",
        // As long as one, with a dash in the right place.
        "ghk-\(String(repeating: "é", count: 8))-\(written.suffix(64))",
        "ghk-0123456789abcde\u{301}\(written.suffix(66))", "ghk-0123456-sec-cret-\(written.suffix(64))",
        "ghk-0123456789ABCDEF-\(written.suffix(64))",
    ]

    @Test(arguments: others) func textsOfAnotherFormHaveNoDigitsInCommon(_ text: String) throws {
        let lookup = KeyText.lookup(text)
        #expect(lookup.wholeMatch(of: try Regex("d[0-9a-f]{16}")) != nil)
        #expect(KeyText.masked(lookup: lookup) == "***")
        #expect(lookup != KeyText.lookup(written))
    }

    @Test func whatIsShownHasNothingOfTheSecret() {
        #expect(KeyText.masked(lookup: KeyText.lookup(written)) == "ghk-0123456789abcdef-***")
        for _ in 0..<100 {
            let key = KeyText.make()
            #expect(KeyText.masked(lookup: KeyText.lookup(key)) == "\(key.prefix(21))***")
        }
        // A lookup that begins with a d is none of a digest.
        #expect(KeyText.masked(lookup: "d123456789abcdef") == "ghk-d123456789abcdef-***")
    }
}
