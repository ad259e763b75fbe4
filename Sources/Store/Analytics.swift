// Analytics: sums over the request log: graphs over time, groups, and what the cache was good for.
//
// Each is one pass over an index that holds all it needs (requests_for_analytics); rows are summed up here and not by
// SQL, which would sort them first. Shapes and names are those of Portkey's API; costs are there in US cents, and
// beside them in US dollars.

package import Core

package final class Analytics {
    let database: Database
    /// The end of a span that has none; for tests.
    var now: () -> Int64 = { WallClock.now() }

    /// Over a connection of its own. It belongs to one thread at a time.
    package init(_ path: String) throws(StoreError) {
        database = try StoreFile.openForQueries(path)
        // 32 MiB: joins go through two trees at once.
        try database.run("PRAGMA cache_size = -32768")
    }

    /// The names that `graph` knows.
    package static let graphs = [
        "requests", "errors", "users", "feedbacks", "cost", "tokens", "latency", "users/requests", "errors/rate",
        "errors/stacks", "errors/status-codes", "requests/rescued", "cache/hit-rate", "cache/latency",
        "feedbacks/scores", "feedbacks/weighted", "feedbacks/ai-models",
    ]

    /// {summary, data_points, object}. There is a point for every bucket of the query's span, also where nothing
    /// happened. nil: there is no such graph.
    package func graph(_ name: String, _ query: LogQuery) throws(StoreError) -> JSONValue? {
        let graph: Graph
        switch name {
        case "requests": graph = try requests(query)
        case "errors": graph = try errors(query)
        case "errors/rate": graph = try errorRate(query)
        case "errors/stacks": graph = try errorStacks(query)
        case "errors/status-codes": graph = try statusCodes(query)
        case "cost": graph = try cost(query)
        case "tokens": graph = try tokens(query)
        case "latency": graph = try latency(query)
        case "users": graph = try users(query)
        case "users/requests": graph = try requestsOfUsers(query)
        case "requests/rescued": graph = try rescued(query)
        case "cache/hit-rate": graph = try hitRate(query)
        case "cache/latency": graph = try cacheLatency(query)
        case "feedbacks": graph = try feedbacks(query)
        case "feedbacks/scores": graph = try scores(query)
        case "feedbacks/weighted": graph = try weightedFeedback(query)
        case "feedbacks/ai-models": graph = try feedbackOfModels(query)
        default: return nil
        }
        return [
            "summary": .object(JSONObject(graph.summary)), "data_points": .array(graph.points),
            "object": "analytics-graph",
        ]
    }

    struct Graph {
        var summary: [(String, JSONValue)]
        var points: [JSONValue]

        init(_ summary: [(String, JSONValue)], _ points: [JSONValue]) {
            self.summary = summary
            self.points = points
        }

        /// A point for each bucket.
        init(
            _ summary: [(String, JSONValue)], _ buckets: TimeBuckets, _ members: (Int) -> [(String, JSONValue)]
        ) {
            self.summary = summary
            points = (0..<buckets.count).map { index in
                .object(JSONObject([("timestamp", buckets.timestamp(index))] + members(index)))
            }
        }
    }

    /// An answer that is no success. Guardrails answer with 246 when they only remark upon something.
    static func isError(_ status: Int) -> Bool { !(200...399).contains(status) }

    /// Which model: the one that was asked for, or, where a config chose it, the one that answered.
    static let model = "coalesce(model, response_model)"

    // MARK: Reading

    /// Calls `body` for every row that passes.
    func scan(
        _ columns: String, _ query: LogQuery, where extra: String? = nil,
        _ body: (Statement) throws(StoreError) -> Void
    ) throws(StoreError) {
        let condition = query.condition(.any)
        let further = extra.map { " AND \($0)" } ?? ""
        let sql = "SELECT \(columns) FROM requests WHERE \(condition.sql)\(further)"
        try database.once(sql, condition.values) { (statement) throws(StoreError) in
            while try statement.step() { try body(statement) }
        }
    }

    /// The buckets of a query. Where it names no beginning, the oldest row's; where it names no end, now.
    func buckets(_ query: LogQuery) throws(StoreError) -> TimeBuckets {
        let last = query.time.most ?? now()
        var first = query.time.least
        if first == nil { first = try oldest(query) }
        guard let first, first <= last else { return .none }
        return TimeBuckets(from: min(first, last), through: max(first, last))
    }

    private func oldest(_ query: LogQuery) throws(StoreError) -> Int64? {
        var everything = LogQuery()
        everything.workspaces = query.workspaces
        let condition = everything.condition(.id)
        let sql = "SELECT started_at FROM requests WHERE \(condition.sql) ORDER BY id LIMIT 1"
        return try database.once(sql, condition.values) { (row) throws(StoreError) -> Int64? in
            try row.step() ? row.int64(0) : nil
        }
    }
}
