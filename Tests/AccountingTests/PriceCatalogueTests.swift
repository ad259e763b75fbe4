import Accounting
import Core
import Testing

@Suite struct PriceCatalogueTests {
    private static let text = """
        gatehouse-prices 1
        version 2026-01-31-abc
        # a comment
        provider acme
        swift-1 input=0.15 output=0.6 cache_read=0.075 context=128000 max_output=16384
        swift-1-2026-01-15 input=9 output=9
        meta/llama:free input=0 output=0

        provider other
        swift-1 input=1 output=1

        """

    private func catalogue(_ text: String = text) throws -> PriceCatalogue {
        try PriceCatalogue(parsing: Bytes(Array(text.utf8)))
    }

    @Test func readsPrices() throws {
        let catalogue = try catalogue()
        #expect(catalogue.version == "2026-01-31-abc")
        let model = try #require(catalogue.find("acme", answered: nil, asked: "swift-1"))
        #expect(model.price == price("input=0.15 output=0.6 cache_read=0.075 context=128000 max_output=16384"))
        #expect(model.version == "2026-01-31-abc")
        #expect(
            catalogue.models.map { "\($0.provider) \($0.name)" } == [
                "acme meta/llama:free", "acme swift-1", "acme swift-1-2026-01-15", "other swift-1",
            ])
    }

    @Test func whatAnsweredGoesBeforeWhatWasAskedFor() throws {
        let catalogue = try catalogue()
        func input(_ answered: String?, _ asked: String?) -> Int64? {
            catalogue.find("acme", answered: answered, asked: asked)?.price[.input]
        }
        #expect(input("swift-1-2026-01-15", "swift-1") == 9_000_000)
        #expect(input("swift-1", "my-deployment") == 150_000)
        #expect(input("who knows", "swift-1") == 150_000)
        #expect(input("swift-1-2030-12-31", nil) == 150_000)
        #expect(input("swift-1-20301231", nil) == 150_000)
        #expect(input("swift-1-2030-12-3x", nil) == nil)
        #expect(input("meta/llama:free", nil) == 0)
        #expect(input("Swift-1", nil) == nil)
        #expect(input(nil, nil) == nil)
        #expect(catalogue.find("nobody", answered: "swift-1", asked: "swift-1") == nil)
    }

    @Test func theConfigurationGoesFirst() throws {
        var catalogue = try catalogue()
        catalogue.override("acme", "swift-1", price("output=7"), version: "config-1")
        catalogue.override("new", "model", price("input=1"), version: "config-1")
        let model = try #require(catalogue.find("acme", answered: "swift-1-2026-01-15", asked: "swift-1"))
        #expect(model.version == "config-1")
        #expect(model.price[.output] == 7_000_000 && model.price[.input] == 150_000)
        #expect(catalogue.find("new", answered: nil, asked: "model")?.price[.input] == 1_000_000)
        #expect(catalogue.models.count == 5)
    }

    @Test(arguments: [
        ("", 1), ("gatehouse-prices 2\n", 1), ("gatehouse-prices 1\nversion 1\nmodel input=1", 3),
        ("gatehouse-prices 1\nprovider p\nmodel input=1", 3),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm input=-1", 4),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm input", 4),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm inptu=1", 4),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm input=0.0000001", 4),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm input=1\nm input=1", 5),
        ("gatehouse-prices 1\nversion 1\nprovider p\nm input=1\nprovider q\nm input=1\nprovider p", 7),
    ])
    func namesTheLineOfAFault(_ text: String, _ line: Int) {
        let error = #expect(throws: PriceCatalogue.Malformed.self) { try catalogue(text) }
        #expect(error?.line == line)
    }
}

@Suite struct UsageEstimateTests {
    @Test func anEventIsATokenAtLeast() {
        var estimate = UsageEstimate()
        #expect(estimate.completion == 0)
        for size in [120, 100, 101, 104, 140] { estimate.take(eventOf: size) }
        // After the opening one: an empty one counts one, 1 and 4 bytes one each, 40 bytes ten.
        #expect(estimate.completion == 13)
    }

    @Test(arguments: [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
    func fourBytesAreAToken(_ bytes: Int, _ tokens: Int) { #expect(UsageEstimate.tokens(ofBytes: bytes) == tokens) }
}
