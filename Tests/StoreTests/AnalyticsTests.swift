import Core
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct AnalyticsTests {
    private let place = Workplace()

    init() throws { try SmallLog.write(to: place.path) }

    /// Workspace a, from minute 0 to minute 4.
    private func query(_ change: (inout LogQuery) -> Void = { _ in }) -> LogQuery {
        var query = LogQuery()
        query.workspaces = ["a"]
        query.time = .init(least: SmallLog.time(0), most: SmallLog.time(4))
        change(&query)
        return query
    }

    private func graph(_ name: String, _ change: (inout LogQuery) -> Void = { _ in }) throws -> JSONValue {
        let graph = try #require(try Analytics(place.path).graph(name, query(change)))
        #expect(graph["object"]?.string == "analytics-graph")
        return graph
    }

    private func members(_ graph: JSONValue, _ name: String) -> String {
        (graph["data_points"]?.array ?? []).map { $0[name]?.text ?? "?" }.joined(separator: " ")
    }

    @Test(
        arguments: [
            ("requests", #"{"total":6}"#, "total", "1 1 2 2 0"),
            ("errors", #"{"total":2}"#, "total", "0 0 1 1 0"),
            ("errors/rate", #"{"rate":33.33}"#, "rate", "0 0 50 50 0"),
            (
                "errors/stacks", #"{"total":2}"#, "stats",
                #"[] [] [{"response_status_code":429,"count":1}] [{"response_status_code":500,"count":1}] []"#
            ),
            ("errors/status-codes", #"{"total_errors":2,"unique_error_codes":2}"#, "status_code", "429 500"),
            ("errors/status-codes", #"{"total_errors":2,"unique_error_codes":2}"#, "count", "1 1"),
            (
                "cost", #"{"total":0.9,"avg":0.15,"total_usd":0.009,"avg_usd":0.0015}"#, "total",
                "0.1 0.3 0.5 0 0"
            ),
            (
                "cost", #"{"total":0.9,"avg":0.15,"total_usd":0.009,"avg_usd":0.0015}"#, "avg_usd",
                "0.001 0.003 0.0025 0 0"
            ),
            ("tokens", #"{"total":919,"avg":153.17}"#, "total", "120 500 199 100 0"),
            ("tokens", #"{"total":919,"avg":153.17}"#, "avg", "120 500 99.5 50 0"),
            ("latency", #"{"avg":233.333,"p50":50,"p90":900,"p99":900}"#, "avg", "100 300 475 25 0"),
            ("latency", #"{"avg":233.333,"p50":50,"p90":900,"p99":900}"#, "p50", "100 300 50 10 0"),
            ("latency", #"{"avg":233.333,"p50":50,"p90":900,"p99":900}"#, "p90", "100 300 900 40 0"),
            ("users", #"{"total":2}"#, "total", "1 1 1 0 0"),
            ("users/requests", #"{"total":3,"unique":2,"avg":1.5}"#, "avg", "1 1 1 0 0"),
            ("requests/rescued", #"{"retry":2,"fallback":1}"#, "fallback", "0 0 1 0 0"),
            (
                "requests/rescued", #"{"retry":2,"fallback":1}"#, "retry",
                #"[] [{"retry_success_count":2,"count":1}] [{"retry_success_count":1,"count":1}] [] []"#
            ),
            ("cache/hit-rate", #"{"total":1,"rate":16.67}"#, "simple_hits", "0 0 0 1 0"),
            ("cache/hit-rate", #"{"total":1,"rate":16.67}"#, "semantic_hits", "0 0 0 0 0"),
            ("cache/hit-rate", #"{"total":1,"rate":16.67}"#, "rate", "0 0 0 50 0"),
            // The mean of what two misses of gpt had cost.
            ("cache/hit-rate", #"{"total":1,"rate":16.67}"#, "cumulative_simple_cache_savings", "0 0 0 0.2 0.2"),
            (
                "cache/hit-rate", #"{"total":1,"rate":16.67}"#, "cumulative_simple_cache_savings_usd",
                "0 0 0 0.002 0.002"
            ),
            ("cache/hit-rate", #"{"total":1,"rate":16.67}"#, "cumulative_semantic_cache_savings", "0 0 0 0 0"),
            ("cache/latency", "{}", "avg", "0 0 0 10 0"),
            ("feedbacks", #"{"total":3}"#, "total", "0 1 2 0 0"),
            ("feedbacks/scores", #"{"total":3}"#, "score", "-5 4 10"),
            ("feedbacks/scores", #"{"total":3}"#, "total", "1 1 1"),
            ("feedbacks/weighted", #"{"avg":2.8}"#, "avg", "0 10 -2 0 0"),
            ("feedbacks/ai-models", "{}", "ai_model", #""gpt""#),
            ("feedbacks/ai-models", "{}", "avg_weighted_feedback", "2.8"),
        ])
    func graphs(_ name: String, _ summary: String, _ member: String, _ points: String) throws {
        let graph = try graph(name)
        #expect(graph["summary"]?.text == summary)
        #expect(members(graph, member) == points)
    }

    @Test func everyGraphHasItsPointsAndNoOtherIsKnown() throws {
        let analytics = try Analytics(place.path)
        for name in Analytics.graphs {
            let graph = try #require(try analytics.graph(name, query()), "\(name)")
            guard let first = graph["data_points"]?[0], let time = first["timestamp"]?.string else { continue }
            #expect(time == "2026-01-05T10:00:00.000Z" && graph["data_points"]?.array?.count == 5)
        }
        #expect(try analytics.graph("cost'", query()) == nil)
        #expect(try analytics.groups("users'", metadataKey: nil, query(), page: 0, size: 9) == nil)
        #expect(try analytics.groups("metadata", metadataKey: nil, query(), page: 0, size: 9) == nil)
    }

    private func groups(_ name: String, key: String? = nil, page: Int = 0, size: Int = 10) throws -> String {
        let reply = try #require(
            try Analytics(place.path).groups(name, metadataKey: key, query(), page: page, size: size))
        #expect(reply["object"]?.string == "list")
        return "\(reply["total"]?.text ?? "?") \(reply["data"]?.text ?? "?")"
    }

    @Test func groups() throws {
        #expect(
            try groups("users")
                == #"2 [{"user":"ann","requests":2,"cost":0.4,"cost_usd":0.004,"object":"analytics-group"},"#
                + #"{"user":"bob","requests":1,"cost":0.5,"cost_usd":0.005,"object":"analytics-group"}]"#)
        #expect(
            try groups("users", page: 1, size: 1)
                == #"2 [{"user":"bob","requests":1,"cost":0.5,"cost_usd":0.005,"object":"analytics-group"}]"#)
        #expect(try groups("users", page: 2, size: 1) == "2 []")
        #expect(try groups("users", page: .max, size: .max) == "2 []")
        #expect(
            try groups("ai-models")
                == #"2 [{"ai_model":"gpt","requests":4,"cost":0.4,"cost_usd":0.004,"object":"analytics-group"},"#
                + #"{"ai_model":"claude-1","requests":1,"cost":0.5,"cost_usd":0.005,"object":"analytics-group"}]"#)
        #expect(
            try groups("workspaces")
                == #"1 [{"workspace":"a","requests":6,"cost":0.9,"cost_usd":0.009,"object":"analytics-group"}]"#)
        #expect(
            try groups("metadata", key: "env")
                == #"2 [{"metadata_value":"prod","requests":2,"cost":0.6,"cost_usd":0.006,"avg_tokens":159.5,"#
                + #""avg_weighted_feedback":8,"requests_with_feedback":1,"last_seen":"2026-01-05T10:02:00.000Z","#
                + #""object":"analytics-group"},{"metadata_value":"dev","requests":1,"cost":0.3,"cost_usd":0.003,"#
                + #""avg_tokens":500,"avg_weighted_feedback":-5,"requests_with_feedback":1,"#
                + #""last_seen":"2026-01-05T10:01:00.000Z","object":"analytics-group"}]"#)
    }

    @Test func cacheSummary() throws {
        // Others took 278 ms in the mean.
        #expect(
            try Analytics(place.path).cacheSummary(query()).text
                == #"{"summary":{"hits":1,"avg_latency":10,"total_requests":6,"cache_speedup":96.4},"#
                + #""object":"analytics-summary"}"#)
    }

    /// What a workspace's query gives is the same when the other workspace has rows, and more of them, or none.
    @Test func aWorkspaceNeverSeesAnothersRows() throws {
        let other = Workplace()
        try SmallLog.write(to: other.path)
        let database = try StoreFile.open(other.path)
        try database.run(
            """
            DELETE FROM requests WHERE workspace <> 'a'; DELETE FROM feedback WHERE workspace <> 'a';
            """)
        let (full, alone) = (try Analytics(place.path), try Analytics(other.path))
        let changes: [(inout LogQuery) -> Void] = [
            { _ in }, { $0.metadata = [("_user", "ann")] }, { $0.keys = ["k1"] }, { $0.weightedFeedback.least = -10 },
            { $0.traces = ["t1", "t7"] }, { $0.models = [.init(provider: nil, model: "gpt")] },
            { $0.time = .init(most: SmallLog.time(9)) },
        ]
        for change in changes {
            let query = query(change)
            for name in Analytics.graphs {
                let (mixed, own) = (try full.graph(name, query), try alone.graph(name, query))
                #expect(mixed == own && mixed != nil, "\(name)")
            }
            for name in ["users", "ai-models", "workspaces", "metadata"] {
                let mixed = try full.groups(name, metadataKey: "env", query, page: 0, size: 10)
                #expect(try mixed == alone.groups(name, metadataKey: "env", query, page: 0, size: 10))
                #expect(mixed != nil, "\(name)")
            }
            #expect(try full.cacheSummary(query) == alone.cacheSummary(query))
            let rows = try LogReader(place.path).list(query, limit: 100)
            #expect(rows.allSatisfy { $0.row.workspace == "a" } && !rows.isEmpty)
        }
        // And all workspaces are all.
        #expect(try graph("requests") { $0.workspaces = nil }["summary"]?["total"]?.int == 7)
        #expect(try graph("requests") { $0.workspaces = [] }["summary"]?["total"]?.int == 0)
        #expect(try graph("feedbacks") { $0.workspaces = ["a", "b"] }["summary"]?["total"]?.int == 5)
    }

    @Test func filtersOfRequestsSelectFeedbackByItsTrace() throws {
        #expect(try graph("feedbacks") { $0.keys = ["k1"] }["summary"]?["total"]?.int == 3)
        #expect(try graph("feedbacks") { $0.configs = ["c1"] }["summary"]?["total"]?.int == 1)
        #expect(try graph("feedbacks") { $0.weightedFeedback.least = 1 }["summary"]?["total"]?.int == 2)
        #expect(try graph("feedbacks/ai-models") { $0.configs = ["c2"] }["data_points"]?.array?.isEmpty == true)
    }

    @Test func plansUseTheIndexesThatTheyAreMeantTo() throws {
        let database = try StoreFile.open(place.path)
        func plan(_ sql: String, _ condition: SQLCondition, _ rest: String = "") throws -> String {
            let text = "EXPLAIN QUERY PLAN SELECT \(sql) FROM requests WHERE \(condition.sql) \(rest)"
            return try database.once(text, condition.values) { (row) throws(StoreError) in
                var lines: [String] = []
                while try row.step() { lines.append(row.text(3) ?? "") }
                return lines.joined(separator: "; ")
            }
        }
        let summed = "started_at, status, duration, cost_picodollars, input_tokens, cache, model, user, sequence"
        let byTime = "SEARCH requests USING COVERING INDEX requests_for_analytics (workspace=? AND id>? AND id<?)"
        for workspaces in [["a"], ["a", "b"], nil] as [Set<String>?] {
            let query = query {
                $0.workspaces = workspaces
                $0.keys = ["k"]
                $0.virtualKeys = ["v"]
                $0.configs = ["c"]
                $0.models = [.init(provider: "p", model: "m")]
            }
            #expect(try plan(summed, query.condition(.any)).contains(byTime))
            let list = try plan("*", query.condition(.id), "ORDER BY id DESC LIMIT 50")
            #expect(!list.contains("TEMP B-TREE"), "\(list)")
        }
        #expect(try plan("*", query { $0.traces = ["t"] }.condition(.id), "ORDER BY id").contains("requests_by_trace"))
        #expect(try plan("*", query { $0.spans = ["s"] }.condition(.any)).contains("requests_by_span"))
        let metadata = try plan("*", query { $0.metadata = [("k", "v")] }.condition(.any))
        #expect(metadata.contains("metadata USING PRIMARY KEY (key=? AND value=? AND workspace=? AND request>?"))
        let feedback = try plan("*", query { $0.weightedFeedback.least = 1 }.condition(.any))
        #expect(feedback.contains("requests_by_trace (trace=?)"))
    }

    @Test func usersOfRowsThatAreOlderThanTheColumnCount() throws {
        let old = Workplace()
        do {
            _ = Glibc.close(Glibc.open(old.path, O_CREAT | O_RDWR, 0o600))
            let database = try Database(old.path, .readWrite)
            try Schema.migrate(database, to: 4)
            try database.run(
                """
                INSERT INTO requests (id, started_at, workspace, trace, endpoint, method, path, stream, status, aborted,
                    duration, upstream_duration, client_wait, bytes_in, bytes_out)
                VALUES (zeroblob(16), 1, 'a', 'old', 'e', 'POST', '/', 0, 200, 0, 1, 1, 0, 1, 1);
                INSERT INTO metadata VALUES ('_user', 'ann', 'a', zeroblob(16)), ('env', 'prod', 'a', zeroblob(16));
                """)
        }
        _ = try StoreFile.open(old.path)
        let users = try Analytics(old.path).groups("users", metadataKey: nil, LogQuery(), page: 0, size: 9)
        #expect(users?["data"]?[0]?["user"] == "ann" && users?["total"]?.int == 1)
    }

    @Test func aSpanWithoutEndsIsThatOfTheRows() throws {
        let analytics = try Analytics(place.path)
        analytics.now = { SmallLog.time(6) }
        var query = LogQuery()
        query.workspaces = ["a"]
        #expect(try analytics.graph("requests", query)?["data_points"]?.array?.count == 7)
        #expect(try analytics.graph("feedbacks", query)?["data_points"]?[0]?["timestamp"] == "2026-01-05T10:01:00.000Z")
        query.workspaces = ["nobody"]
        #expect(try analytics.graph("requests", query)?["data_points"]?.array?.isEmpty == true)
        #expect(try analytics.graph("feedbacks", query)?["data_points"]?.array?.isEmpty == true)
    }

    @Test func percentilesAreThoseOfAPlainComputation() throws {
        let other = Workplace()
        var random = Xoshiro256(seed: 3)
        var durations: [Int: [Int64]] = [:]
        let rows = (0..<1_000).map { _ -> RequestRow in
            let minute = Int.random(in: 0..<10, using: &random)
            let offset = Int64.random(in: 0..<60_000_000_000, using: &random)
            var row = Entry(startedAt: SmallLog.time(Int64(minute)) + offset).row { RowID(at: $0, using: &random) }
            row.duration = Int64.random(in: 0..<5_000, using: &random) * 1_000_000
            durations[minute, default: []].append(row.duration / 1_000_000)
            return row
        }
        #expect(try RowWriter(database: try StoreFile.open(other.path)).write(rows[...]) == 0)
        func percentile(_ values: [Int64], _ percent: Double) -> Int {
            let sorted = values.sorted()
            return Int(sorted[Int((Double(sorted.count) * percent / 100).rounded(.up)) - 1])
        }
        let range = LogQuery.Bounds(least: SmallLog.time(0), most: SmallLog.time(10) - 1)
        let graph = try #require(
            try Analytics(other.path).graph(
                "latency",
                query {
                    $0.workspaces = nil
                    $0.time = range
                }))
        let all = durations.values.flatMap { $0 }
        for percent in [50, 90, 99] {
            #expect(graph["summary"]?["p\(percent)"]?.int == percentile(all, Double(percent)))
            for minute in 0..<10 {
                let wanted = percentile(durations[minute] ?? [], Double(percent))
                #expect(graph["data_points"]?[minute]?["p\(percent)"]?.int == wanted)
            }
        }
    }
}

@Suite struct TimeBucketsTests {
    private let second: Int64 = 1_000_000_000

    @Test(
        arguments: [
            (0, 0, 60, 0, 1), (59, 60, 60, 0, 2), (60, 119, 60, 60, 1), (0, 199 * 60 + 59, 60, 0, 200),
            (0, 200 * 60, 3_600, 0, 4), (3_599, 86_400 * 8, 3_600, 0, 193), (0, 720_000, 86_400, 0, 9),
            (86_399, 86_400 * 30, 86_400, 0, 31), (86_400 * 3, 86_400 * 300, 604_800, -3 * 86_400, 44),
            (86_400 * 4, 86_400 * 4 + 604_800 * 200 - 1, 604_800, 4 * 86_400, 200),
        ] as [(Int64, Int64, Int64, Int64, Int)])
    func widths(_ first: Int64, _ last: Int64, _ width: Int64, _ start: Int64, _ count: Int) {
        let buckets = TimeBuckets(from: first * second, through: last * second)
        #expect(buckets.width == width * second && buckets.start == start * second && buckets.count == count)
    }

    @Test func thereAreNeverTooMany() {
        let buckets = TimeBuckets(from: 7 * 86_400 * second, through: .max - 1)
        #expect((1...200).contains(buckets.count))
        #expect(buckets.index(of: 0) == 0 && buckets.index(of: .max - 1) == buckets.count - 1)
    }

    @Test func aBorderBelongsToTheLaterBucket() {
        let buckets = TimeBuckets(from: 61 * second, through: 299 * second)
        #expect(buckets.count == 4 && buckets.start == 60 * second)
        #expect(buckets.index(of: 120 * second - 1) == 0 && buckets.index(of: 120 * second) == 1)
        #expect(buckets.index(of: 0) == 0 && buckets.index(of: 900 * second) == 3)
        #expect(buckets.timestamp(1) == "1970-01-01T00:02:00.000Z")
    }

    @Test func sumsAreExactAndLargeOnesKeepWhatFits() {
        #expect(Figures.cents(1).text == "0.0000000001")
        #expect(Figures.dollars(-15).text == "-0.000000000015")
        #expect(Figures.cents(Int128(Int64.max) * 1_000).text == "922337203685.4775807")
        #expect(Figures.percent(2, of: 3).text == "66.67" && Figures.percent(1, of: 0).text == "0")
        #expect(Figures.quotient(-5, 2) == -3 && Figures.quotient(5, 2) == 3 && Figures.quotient(1, 0) == 0)
        #expect(Sample().percentile(50) == 0 && Sample().mean == 0)
    }
}
