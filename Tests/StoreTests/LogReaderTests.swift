import Core
import Testing

@testable import Store

@Suite struct LogReaderTests {
    private let place = Workplace()

    private func traces(_ change: (inout LogFilter) -> Void, limit: Int = 100) throws -> [String] {
        var filter = LogFilter()
        change(&filter)
        return try LogReader(place.path).list(filter, limit: limit).map(\.row.trace)
    }

    private func fill() throws {
        let database = try StoreFile.open(place.path)
        var rows: [RequestRow] = []
        for number in 1...4 {
            let time = Int64(number) * 1_000_000_000
            var row = Entry(trace: "t\(number)", startedAt: time, status: [200, 404, 429, 503][number - 1]).row {
                time in
                RowID(high: UInt64(time / 1_000_000) << 16, low: UInt64(number))
            }
            row.model = number == 2 ? "gpt" : "claude"
            row.responseModel = number == 3 ? "gpt" : nil
            row.workspace = number == 4 ? "other" : "w"
            row.metadata = number == 1 ? [("user", "u-42"), ("tier", "pro")] : number == 2 ? [("user", "u-42")] : []
            if number == 3 { row.attempts[0].provider = "first" }
            rows.append(row)
        }
        #expect(try RowWriter(database: database).write(rows[...]) == 0)
    }

    @Test func filtersAreAllOfThem() throws {
        try fill()
        #expect(try traces { _ in } == ["t4", "t3", "t2", "t1"])
        #expect(try traces({ _ in }, limit: 2) == ["t4", "t3"])
        #expect(try traces { $0.since = 3_000_000_000 } == ["t4", "t3"])
        #expect(try traces { $0.statuses = 400...499 } == ["t3", "t2"])
        #expect(try traces { $0.model = "gpt" } == ["t3", "t2"])
        #expect(try traces { $0.provider = "first" } == ["t3"])
        #expect(try traces { $0.trace = "t2" } == ["t2"])
        #expect(try traces { $0.workspace = "other" } == ["t4"])
        #expect(try traces { $0.metadata = [("user", "u-42")] } == ["t2", "t1"])
        #expect(try traces { $0.metadata = [("user", "u-42"), ("tier", "pro")] } == ["t1"])
        #expect(try traces { $0.metadata = [("user", "u-42' OR 1=1 --")] }.isEmpty)
        #expect(
            try traces {
                $0.model = "gpt"; $0.statuses = 404...404
            } == ["t2"])
    }

    @Test func followingSeesWhatIsWrittenLaterWheneverItBegan() throws {
        try fill()
        let reader = try LogReader(place.path)
        let last = try reader.lastSequence()
        #expect(try reader.follow(after: last, LogFilter()).isEmpty)
        let early = Entry(trace: "early", startedAt: 5).row { _ in RowID(high: 7, low: 7) }
        _ = try RowWriter(database: try StoreFile.open(place.path)).write([early])
        #expect(try reader.follow(after: last, LogFilter()).map(\.row.trace) == ["early"])
    }

    @Test func metadataIsFoundByItsIndexAndTracesByTheirs() throws {
        let database = try StoreFile.open(place.path)
        func plan(_ sql: String) throws -> String {
            let statement = try database.statement("EXPLAIN QUERY PLAN " + sql)
            var lines: [String] = []
            while try statement.step() { lines.append(statement.text(3) ?? "") }
            return lines.joined(separator: "; ")
        }
        let metadata = try plan(
            "SELECT * FROM requests WHERE id IN (SELECT request FROM metadata WHERE key = 'k' AND value = 'v') ORDER BY id DESC LIMIT 9"
        )
        #expect(metadata.contains("SEARCH metadata USING PRIMARY KEY (key=? AND value=?)"))
        #expect(try plan("SELECT * FROM requests WHERE trace = 't'").contains("requests_by_trace"))
        let newest = try plan("SELECT * FROM requests WHERE 1 ORDER BY id DESC LIMIT 50")
        #expect(newest.contains("INDEX") && !newest.contains("TEMP B-TREE"))
    }

    @Test(
        arguments: [
            ("90s", 999_910), ("15m", 999_100), ("2h", 992_800), ("7d", 395_200),
            ("1970-01-02", 86_400), ("1970-01-02T00:01Z", 86_460), ("1970-01-02T01:00:05Z", 90_005), ("9999999d", 0),
            ("99999999999999d", 0),
        ] as [(String, Int64)])
    func moments(_ text: String, _ seconds: Int64) {
        #expect(LogFilter.moment(text, now: 1_000_000_000_000_000) == seconds * 1_000_000_000)
    }

    @Test(arguments: ["", "m", "-5m", "5", "5w", "1970-13-01", "1970-01-02T25:00Z", "1970-01-02T10:00", "yesterday"])
    func whatIsNoMoment(_ text: String) { #expect(LogFilter.moment(text, now: 1) == nil) }

    @Test func statuses() {
        #expect(LogFilter.statuses("404") == 404...404)
        #expect(LogFilter.statuses("5xx") == 500...599)
        #expect(LogFilter.statuses("400-429") == 400...429)
        for text in ["", "6xx", "99", "500-400", "4x", "a-b", "400-"] { #expect(LogFilter.statuses(text) == nil) }
    }

    @Test func idsAreUUIDsInTheOrderOfTime() throws {
        var random = Xoshiro256(seed: 1)
        let early = RowID(at: 1_700_000_000_123_000_000, using: &random)
        let late = RowID(at: 1_700_000_000_124_000_000, using: &random)
        #expect(early < late && early.description < late.description)
        #expect(early.description.hasPrefix("018bcfe5-687b-7"))
        #expect(RowID(early.description) == early)
        #expect(Array(early.description.utf8)[19] >= UInt8(ascii: "8"))
        #expect(RowID.first(at: 1_700_000_000_123_000_000) <= early)
        for text in ["", "x", "018bcfe5-687b-7000-8000-00000000000g", String(repeating: "-", count: 36)] {
            #expect(RowID(text) == nil)
        }
    }

    @Test func costsAreExact() throws {
        var row = Entry(trace: "paid").row { _ in RowID(high: 0, low: 0) }
        row.inputTokens = 83
        row.outputTokens = 0
        row.usage = #"{"cached_input_tokens":3}"#
        row.cost = 12_500_000
        row.priceVersion = "2026-11"
        _ = try RowWriter(database: try StoreFile.open(place.path)).write([row])
        let stored = try #require(try LogReader(place.path).find("paid").first)
        #expect(stored.row.cost == 12_500_000 && stored.row.usage == row.usage && stored.row.priceVersion == "2026-11")
        #expect(LogText.json(stored).contains(#""cost_usd":0.0000125,"price_version":"2026-11""#))
        #expect(LogText.page(stored, nil).contains("$0.0000125 (prices of 2026-11)"))
        for (amount, text) in [
            (0, "0"), (1, "0.000000000001"), (3_000_000_000_000, "3"), (-1_500_000_000_000, "-1.5"),
            (Int64.max, "9223372.036854775807"),
        ] as [(Int64, String)] { #expect(LogText.dollars(amount) == text) }
    }

    @Test func namesCannotSteerATerminal() throws {
        var row = Entry(trace: "t").row { _ in RowID(high: 0, low: 0) }
        row.model = "gpt\u{1B}[2J\u{202E}"
        row.metadata = [("a\nb", "c\rd")]
        let stored = StoredRequest(sequence: 1, row: row)
        for text in [LogText.line(stored), LogText.page(stored, nil), Explanation.text(of: row)] {
            let isClean = text.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && $0.value != 0x202E) }
            #expect(isClean && !text.contains("a\nb"))
        }
    }

    @Test func anExplanationTellsTheWay() {
        var row = Entry(trace: "t").row { _ in RowID(high: 0, low: 0) }
        row.key = "team-a"
        row.config = "reliable"
        row.configOrigin = .header
        row.target = "config.targets[1]"
        row.route = "fallback 2/2"
        row.cache = "MISS"
        row.attempts = [
            .init(
                provider: "openai", model: "gpt", target: "config.targets[0]", retry: 0, status: 503,
                duration: 1_500_000, error: "upstream_error"),
            .init(
                provider: "anthropic", model: "claude", target: "config.targets[1]", retry: 0, status: 200,
                duration: 2_000_000, error: nil),
        ]
        row.provider = "anthropic"
        row.receipts =
            #"[{"guardrail":"g","check":"pii.redact","side":"request","mode":"enforced","attempt":1,"verdict":"edited","edits":2}]"#
        let text = Explanation.text(of: row)
        for sentence in [
            "The key team-a of the workspace w was used.", "It named the config reliable.",
            "Attempt 1, target config.targets[0]: openai with gpt came to 503 after 1.5 ms (upstream_error), so config.targets[1] came next.",
            "The target is config.targets[1] (anthropic): the fallback came to it (number 2 of 2).",
            "The cache had no answer to such a request.",
            "The guardrail pii.redact (g) changed the request (2 edits).",
        ] { #expect(text.contains(sentence), "\(sentence) in:\n\(text)") }
    }
}
