import Core
import Testing

@testable import Store

@Suite struct LogQueryTests {
    private let place = Workplace()

    // MARK: Text

    @Test(
        arguments: [
            ("1970-01-01", 0), ("1970-01-02T00:01Z", 86_460_000), ("1970-01-01T00:00:05Z", 5_000),
            ("1970-01-01T00:00:05.250Z", 5_250), ("1970-01-01t00:00:05,5z", 5_500),
            ("1970-01-01T00:00:05", 5_000), ("1970-01-01 05:30:00+05:30", 0), ("1970-01-01T05:30:01 05:30", 1_000),
            ("1969-12-31", nil), ("1970-01-01T00:00:00-08:00", 28_800_000), ("1970-01-01T00:00:00-0100", 3_600_000),
            ("2026-02-23T14:20:31+05:30", 1_771_836_631_000), ("2024-02-29", 1_709_164_800_000),
            ("2000-02-29T23:59:60Z", 951_868_800_000), ("2024-12-31T23:59:59.999999999Z", 1_735_689_599_999),
            ("", nil), ("2023-02-29", nil), ("2100-02-29", nil), ("2024-13-01", nil), ("2024-00-01", nil),
            ("2024-04-31", nil), ("2024-1-01", nil), ("2024-01-01T", nil), ("2024-01-01T24:00Z", nil),
            ("2024-01-01T10:60Z", nil), ("2024-01-01T10:00:61Z", nil), ("2024-01-01T10:00:00.Z", nil),
            ("2024-01-01T10:00:00+5", nil), ("2024-01-01T10:00:00+25:00", nil), ("2024-01-01T10:00:00Zx", nil),
            ("2024-01-01T10:00:00+05:30x", nil), ("1735689599", nil), ("yesterday", nil), ("2262-01-01", nil),
            ("1970-01-01T00:00:00+00:01", nil), ("２０24-01-01", nil), ("2024-01-01T10", nil),
        ] as [(String, Int64?)])
    func times(_ text: String, _ milliseconds: Int64?) {
        #expect(ISOTime.parse(text).map { $0 / 1_000_000 } == milliseconds)
    }

    @Test func everyFilterIsRead() {
        var problems: [String] = []
        let query = LogQuery(
            [
                ("time_of_generation_min", "1970-01-01T00:00:01Z"), ("time_of_generation_max", "1970-01-01T00:00:02Z"),
                ("total_units_min", "1"), ("total_units_max", "2"), ("prompt_token_min", "3"),
                ("prompt_token_max", "4"), ("completion_token_min", "5"), ("completion_token_max", "6"),
                ("cost_min", "0.25"), ("cost_max", "1e2"), ("weighted_feedback_min", "-1.5"),
                ("weighted_feedback_max", "9"), ("status_code", "401, 403"), ("virtual_keys", "a,b"),
                ("configs", "c"), ("api_key_ids", "k1,,k2,"), ("metadata", #"{"_user":"u","n":1,"b":true}"#),
                ("ai_org_model", "openai__gpt-4o,azure-openai__my__model"), ("trace_id", "t1,t2"), ("span_id", "s"),
                ("prompt_slug", "p"), ("workspace_slug", "ws"), ("current_page", "2"), ("page_size", "25"),
                ("columns", "cost"), ("include_total", "True"), ("colour", "red"), ("cost_avg", "1"),
            ], problems: &problems)
        #expect(problems.isEmpty)
        #expect(query.time.least == 1_000_000_000 && query.time.most == 2_000_000_000)
        #expect(query.totalTokens.least == 1 && query.totalTokens.most == 2)
        #expect(query.inputTokens.least == 3 && query.inputTokens.most == 4)
        #expect(query.outputTokens.least == 5 && query.outputTokens.most == 6)
        #expect(query.cost.least == 2_500_000_000 && query.cost.most == 1_000_000_000_000)
        #expect(query.weightedFeedback.least == -1.5 && query.weightedFeedback.most == 9)
        #expect(query.statuses == [401, 403] && query.virtualKeys == ["a", "b"] && query.configs == ["c"])
        #expect(query.keys == ["k1", "k2"] && query.traces == ["t1", "t2"] && query.spans == ["s"])
        #expect(query.metadata.map { "\($0.key)=\($0.value)" } == ["_user=u", "n=1", "b=true"])
        #expect(query.models.map(\.provider) == ["openai", "azure-openai"])
        #expect(query.models.map(\.model) == ["gpt-4o", "my__model"] && query.prompts == ["p"])
        #expect(query.workspaceSlug == "ws" && query.page == 2 && query.pageSize == 25)
        #expect(query.unknownNames == ["colour", "cost_avg"] && query.workspaces == nil)
    }

    @Test(
        arguments: [
            ("time_of_generation_min", "1735689599"), ("time_of_generation_max", "soon"), ("total_units_min", "-1"),
            ("total_units_max", "1.5"), ("prompt_token_min", "x"), ("prompt_token_max", "99999999999999999999"),
            ("completion_token_min", "0x1"), ("completion_token_max", "+1"), ("cost_min", "-0.1"),
            ("cost_max", "1e99"), ("weighted_feedback_min", "-11"), ("weighted_feedback_max", "nan"),
            ("status_code", "4xx"), ("status_code", "99"), ("metadata", "[]"), ("metadata", #"{"a":{}}"#),
            ("metadata", #"{"a":null}"#), ("metadata", "{"), ("ai_org_model", "gpt-4o"), ("ai_org_model", "__m"),
            ("virtual_keys", ","), ("trace_id", String(repeating: "t,", count: 201)), ("current_page", "-1"),
            ("page_size", "50001"),
        ])
    func wrongValuesAreNamed(_ name: String, _ value: String) {
        var problems: [String] = []
        _ = LogQuery([(name, value)], problems: &problems)
        #expect(problems.count == 1 && problems.first?.hasPrefix("\(name): expected ") == true, "\(problems)")
    }

    @Test func boundsThatNothingCanBeWithinAreAProblem() {
        var problems: [String] = []
        _ = LogQuery([("cost_min", "2"), ("cost_max", "1")], problems: &problems)
        #expect(problems == ["cost_min: expected no more than cost_max"])
    }

    @Test func anExportsFiltersAreTheSame() throws {
        var problems: [String] = []
        let text = #"{"cost_min":0.5,"metadata":{"a":"b"},"status_code":[401,403],"ai_model":"m","trace_id":null}"#
        let object = try #require(try JSONValue(parsing: text).object)
        let query = LogQuery(filters: object, problems: &problems)
        #expect(problems.isEmpty && query.cost.least == 5_000_000_000 && query.statuses == [401, 403])
        #expect(query.metadata.map(\.value) == ["b"] && query.traces.isEmpty)
        #expect(query.models == [LogQuery.AIModel(provider: nil, model: "m")])
    }

    // MARK: Rows

    private func traces(_ change: (inout LogQuery) -> Void) throws -> String {
        var query = LogQuery()
        change(&query)
        let reader = try LogReader(place.path)
        let found = try reader.list(query, limit: 100).map(\.row.trace)
        // The other orders give the same rows.
        #expect(try reader.count(query) == found.count)
        var inOrder: [String] = []
        try reader.forEach(query, batch: 2) { (stored, _) throws(StoreError) in
            inOrder.append(stored.row.trace)
            return true
        }
        #expect(inOrder == found.reversed())
        return found.reversed().joined(separator: " ")
    }

    @Test func filtersOneByOne() throws {
        try SmallLog.write(to: place.path)
        #expect(try traces { _ in } == "t1 t2 t3 t4 t5 t6 t7")
        #expect(try traces { $0.time.least = SmallLog.time(2) } == "t3 t4 t5 t6 t7")
        #expect(try traces { $0.time.least = SmallLog.time(2) + 1 } == "t5 t6 t7")
        #expect(try traces { $0.time.most = SmallLog.time(1) } == "t1 t2")
        #expect(try traces { $0.time.most = SmallLog.time(1) - 1 } == "t1")
        #expect(try traces { $0.totalTokens.least = 150 } == "t2 t4 t7")
        #expect(try traces { $0.totalTokens.most = 0 } == "t3 t6")
        #expect(try traces { $0.inputTokens = .init(least: 100, most: 100) } == "t1 t4 t5")
        #expect(try traces { $0.outputTokens.least = 100 } == "t2 t7")
        #expect(try traces { $0.cost.least = 3_000_000_000 } == "t2 t4 t7")
        #expect(try traces { $0.cost = .init(least: 1, most: 1_000_000_000) } == "t1")
        #expect(try traces { $0.statuses = [429, 500] } == "t3 t6")
        #expect(try traces { $0.virtualKeys = ["vk-1"] } == "t1 t7")
        #expect(try traces { $0.configs = ["c1", "c2"] } == "t2 t4")
        #expect(try traces { $0.keys = ["k1"] } == "t1 t2 t7")
        #expect(try traces { $0.traces = ["t2", "t4", "none"] } == "t2 t4")
        #expect(try traces { $0.spans = ["s1"] } == "t1")
        #expect(try traces { $0.models = [.init(provider: "openai", model: "gpt")] } == "t1 t2 t3 t5 t7")
        #expect(try traces { $0.models = [.init(provider: nil, model: "claude-1")] } == "t4")
        #expect(try traces { $0.prompts = ["greeting"] } == "t2")
        #expect(try traces { $0.metadata = [("_user", "ann")] } == "t1 t2 t7")
        #expect(try traces { $0.metadata = [("_user", "ann"), ("env", "prod")] } == "t1 t7")
        #expect(try traces { $0.weightedFeedback.least = 5 } == "t1 t7")
        #expect(try traces { $0.weightedFeedback.most = 0 } == "t2")
        #expect(try traces { $0.triedProvider = "openai" } == "t1 t2 t3 t5 t7")
        #expect(try traces { $0.workspaces = ["b"] } == "t7")
        #expect(try traces { $0.workspaces = ["a", "b"] } == "t1 t2 t3 t4 t5 t6 t7")
        #expect(try traces { $0.workspaces = [] } == "")
        #expect(
            try traces {
                $0.keys = ["k1"]; $0.workspaces = ["b"]; $0.traces = ["t1", "t7"]; $0.time.least = 0
            } == "t7")
    }

    @Test func hostileTextsAreOnlyTexts() throws {
        try SmallLog.write(to: place.path)
        let hostile = "'; DROP TABLE requests; --"
        var problems: [String] = []
        for name in ["virtual_keys", "configs", "api_key_ids", "trace_id", "span_id", "prompt_slug", "ai_model"] {
            let query = LogQuery([(name, hostile)], problems: &problems)
            #expect(try LogReader(place.path).count(query) == 0)
        }
        for key in ["_user", hostile] {
            let text = JSONValue.object(JSONObject([(key, .string(hostile))])).text
            #expect(try LogReader(place.path).count(LogQuery([("metadata", text)], problems: &problems)) == 0)
        }
        #expect(problems.isEmpty)
        let groups = try Analytics(place.path).groups("metadata", metadataKey: hostile, LogQuery(), page: 0, size: 9)
        #expect(groups?["total"]?.int == 0)
        var query = LogQuery()
        query.workspaces = [hostile]
        #expect(try LogReader(place.path).count(query) == 0)
        #expect(try LogReader(place.path).count(LogQuery()) == 7)
    }

    @Test func aCursorShowsEachRowOnceWhileRowsAreAdded() throws {
        let database = try StoreFile.open(place.path)
        var random = Xoshiro256(seed: 5)
        func add(_ numbers: Range<Int>) throws {
            let rows = numbers.map { number in
                Entry(trace: "t\(number)", startedAt: Int64(number) * 1_000_000).row { RowID(at: $0, using: &random) }
            }
            #expect(try RowWriter(database: database).write(rows[...]) == 0)
        }
        try add(0..<95)
        let reader = try LogReader(place.path)
        var seen: [String] = []
        var cursor: RowID?
        while true {
            let page = try reader.list(LogQuery(), before: cursor, limit: 10)
            guard let last = page.last else { break }
            seen += page.map(\.row.trace)
            cursor = last.row.id
            try add(95 + seen.count..<100 + seen.count)
        }
        #expect(seen == (0..<95).reversed().map { "t\($0)" })
    }

    @Test func anExportStopsWhereItIsTold() throws {
        try SmallLog.write(to: place.path)
        let reader = try LogReader(place.path)
        var seen: [String] = []
        let done = try reader.forEach(LogQuery(), limit: 5, batch: 2) { (stored, bodies) throws(StoreError) in
            seen.append(stored.row.trace)
            #expect((bodies != nil) == (stored.row.trace == "t1"))
            return true
        }
        #expect(done == 5)
        #expect(seen == ["t1", "t2", "t3", "t4", "t5"])
        #expect(try reader.forEach(LogQuery()) { (_, _) throws(StoreError) in false } == 1)
        #expect(
            try reader.forEach(LogQuery(), withBodies: false) { (_, bodies) throws(StoreError) in bodies == nil } == 7)
    }
}
