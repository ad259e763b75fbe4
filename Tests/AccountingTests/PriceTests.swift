import Accounting
import Core
import Testing
import Wire

/// A price out of the catalogue's words.
func price(_ words: String) -> Price {
    var price = Price()
    for word in words.split(separator: " ") {
        let parts = word.split(separator: "=")
        precondition(price.set(parts[0], parts[1]), "\(word) is no price")
    }
    return price
}

@Suite struct FixedPointTests {
    @Test(
        arguments: [
            ("0.15", 150_000), ("2", 2_000_000), ("0", 0), ("0.000001", 1), ("1e-6", 1), ("1.5E+2", 150_000_000),
            ("15.000000000", 15_000_000), ("-0.5", -500_000), ("007", 7_000_000),
        ] as [(String, Int64)])
    func readsDecimals(_ text: String, _ value: Int64) { #expect(FixedPoint.parse(text, places: 6) == value) }

    @Test(arguments: [
        "", ".", "-", "1.", ".5", "0.0000001", "1e-7", "1e", "1e+", "e5", "1.2.3", "9e30", "1 ", "+1", "0x1", "∞",
    ])
    func refusesWhatIsNoAmount(_ text: String) { #expect(FixedPoint.parse(text, places: 6) == nil) }

    @Test(
        arguments: [
            (0, "0"), (1, "0.000000000001"), (360_000_000, "0.00036"), (2_000_000_000_000, "2"),
            (-5, "-0.000000000005"), (120_500_000_000_000, "120.5"), (.max, "9223372.036854775807"),
            (.min, "-9223372.036854775808"),
        ] as [(Int64, String)])
    func writesDecimals(_ value: Int64, _ text: String) { #expect(FixedPoint.text(value, places: 12) == text) }
}

@Suite struct PriceTests {
    @Test func tokensOfEachKindAreChargedOnce() {
        let price = price("input=2 output=10 cache_read=0.5 input_audio=40 output_audio=80 input_image=5 reasoning=20")
        var usage = TokenUsage(prompt: 1000, completion: 500, cachedPrompt: 200, reasoning: 100)
        usage.parts.promptAudio = 50
        usage.parts.promptImage = 150
        usage.parts.completionAudio = 30
        // In: 600 at 2, 200 at 0.5, 50 at 40, 150 at 5 = 1200 + 100 + 2000 + 750 = 4050 millionths.
        // Out: 370 at 10, 100 at 20, 30 at 80 = 3700 + 2000 + 2400 = 8100 millionths.
        #expect(price.picodollars(for: usage) == 12_150_000_000)
    }

    @Test func aKindWithoutItsOwnPriceCostsWhatTextDoes() {
        var usage = TokenUsage(prompt: 100, completion: 10, cachedPrompt: 40, cacheCreation: 20, reasoning: 5)
        usage.parts.promptAudio = 10
        usage.parts.cacheCreationHour = 5
        #expect(price("input=1 output=2").picodollars(for: usage) == 120_000_000)
    }

    @Test func withoutAPriceThereIsNoCost() {
        #expect(price("output=2").picodollars(for: TokenUsage(prompt: 1, completion: 1)) == nil)
        #expect(price("input=2").picodollars(for: TokenUsage(prompt: 1, completion: 1)) == nil)
        #expect(price("input=2").picodollars(for: TokenUsage(prompt: 1)) == 2_000_000)
        var searches = TokenUsage(prompt: 1)
        searches.parts.webSearches = 1
        #expect(price("input=2").picodollars(for: searches) == nil)
        #expect(price("input=0 output=0").picodollars(for: TokenUsage(prompt: 1, completion: 1)) == 0)
    }

    @Test func anAmountThatDoesNotFitIsNone() {
        let usage = TokenUsage(prompt: 999_999_999_999_999, completion: 0)
        #expect(price("input=1000000 output=1").picodollars(for: usage) == nil)
        #expect(price("input=0.001 output=1").picodollars(for: usage) == 999_999_999_999_999_000)
    }

    @Test func countsThatContradictEachOtherAreNeverCredited() {
        var usage = TokenUsage(prompt: 10, completion: 1, cachedPrompt: 50, reasoning: 9)
        usage.parts.cachedPromptAudio = 80
        usage.parts.cacheCreationHour = 7
        #expect((price("input=1 output=1").picodollars(for: usage) ?? -1) >= 50_000_000)
    }

    @Test func aBatchsDiscountHoldsForTheWholeDirection() {
        let price = price("input=3 output=15 cache_read=0.3 batch_input=1.5 batch_output=7.5")
        var usage = TokenUsage(prompt: 1000, completion: 100, cachedPrompt: 500)
        usage.parts.isBatch = true
        // 500 at 1.5, 500 at 0.15, 100 at 7.5 = 750 + 75 + 750.
        #expect(price.picodollars(for: usage) == 1_575_000_000)
    }

    @Test func theSumNamesBothLists() {
        let first = Cost(picodollars: 1, priceVersion: "a")
        let second = Cost(picodollars: 2, priceVersion: "b", isEstimated: true)
        let sum: Cost? = first + second
        #expect(sum == Cost(picodollars: 3, priceVersion: "a,b", isEstimated: true))
        let most = Cost(picodollars: .max, priceVersion: "a")
        let tooMuch: Cost? = most + first
        #expect(tooMuch == nil)
        #expect(Cost(picodollars: 1_499, priceVersion: "").nanodollars == 1)
        #expect(Cost(picodollars: 1_500, priceVersion: "").nanodollars == 2)
    }
}
