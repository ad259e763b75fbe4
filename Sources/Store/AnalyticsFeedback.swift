// AnalyticsFeedback: what people thought of answers, over time, by score and by model.
//
// Feedback counts when it was given. Filters of requests select the feedback whose trace has such a request, whenever
// it was made.

import Core

extension Analytics {
    /// What passes: when it was given, its value and its weight.
    private func scanFeedback(
        _ columns: String, _ query: LogQuery, _ body: (Statement) throws(StoreError) -> Void
    ) throws(StoreError) {
        let condition = feedbackCondition(query)
        try database.once("SELECT \(columns) FROM feedback WHERE \(condition.sql)", condition.values) {
            (statement) throws(StoreError) in while try statement.step() { try body(statement) }
        }
    }

    private func feedbackCondition(_ query: LogQuery) -> SQLCondition {
        var condition = SQLCondition()
        query.addWorkspaces("workspace", to: &condition)
        condition.require("created_at", within: query.time)
        if query.weightedFeedback.least != nil || query.weightedFeedback.most != nil {
            let traces = query.weightedTraces()
            condition.require("(workspace, trace) IN (SELECT workspace, trace FROM (\(traces.sql)))", traces.values)
        }
        if query.selectsRequests {
            var requests = query
            requests.weightedFeedback = LogQuery.Bounds()
            let inner = requests.condition(.id, withTime: false)
            condition.require(
                """
                EXISTS (SELECT 1 FROM requests INDEXED BY requests_by_trace WHERE requests.trace = feedback.trace
                AND requests.workspace = feedback.workspace AND \(inner.sql))
                """, inner.values)
        }
        return condition
    }

    /// The buckets of a query. Where it names no beginning, the oldest feedback's.
    private func feedbackBuckets(_ query: LogQuery) throws(StoreError) -> TimeBuckets {
        var bounded = query
        if bounded.time.least == nil {
            var everything = LogQuery()
            everything.workspaces = query.workspaces
            try scanFeedback("min(created_at)", everything) { row in
                bounded.time.least = row.isNull(0) ? nil : row.int64(0)
            }
            guard bounded.time.least != nil else { return .none }
        }
        return try buckets(bounded)
    }

    func feedbacks(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try feedbackBuckets(query)
        var counts = Array(repeating: 0, count: buckets.count)
        try scanFeedback("created_at", query) { counts[buckets.index(of: $0.int64(0))] += 1 }
        return Graph([("total", JSONValue(counts.reduce(0, +)))], buckets) { [("total", JSONValue(counts[$0]))] }
    }

    /// A point for each value that was given, the least first.
    func scores(_ query: LogQuery) throws(StoreError) -> Graph {
        var counts: [Int: Int] = [:]
        try scanFeedback("value", query) { counts[$0.int(0), default: 0] += 1 }
        let points = counts.sorted { $0.key < $1.key }.map { value, count -> JSONValue in
            ["score": JSONValue(value), "total": JSONValue(count)]
        }
        return Graph([("total", JSONValue(counts.values.reduce(0, +)))], points)
    }

    /// Σ value · weight / Σ weight; 0 of nothing.
    struct Weighted {
        var sum = 0.0
        var weights = 0.0
        var count = 0

        mutating func add(value: Double, weight: Double) {
            sum += value * weight
            weights += weight
            count += 1
        }

        var mean: Double { weights > 0 ? sum / weights : 0 }
    }

    func weightedFeedback(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try feedbackBuckets(query)
        var all = Weighted()
        var each = Array(repeating: Weighted(), count: buckets.count)
        try scanFeedback("created_at, value, weight", query) { row in
            all.add(value: row.double(1), weight: row.double(2))
            each[buckets.index(of: row.int64(0))].add(value: row.double(1), weight: row.double(2))
        }
        return Graph([("avg", Figures.score(all.mean))], buckets) { [("avg", Figures.score(each[$0].mean))] }
    }

    /// A point for each model, the one with the most feedback first. A trace's feedback counts once for each model that
    /// its requests asked for.
    func feedbackOfModels(_ query: LogQuery) throws(StoreError) -> Graph {
        let condition = feedbackCondition(query)
        var requests = query
        requests.weightedFeedback = LogQuery.Bounds()
        let inner = requests.condition(.id, withTime: false)
        let sql = """
            SELECT DISTINCT f.id, \(Self.model), f.value, f.weight
            FROM (SELECT id, workspace, trace, value, weight FROM feedback WHERE \(condition.sql)) AS f
            CROSS JOIN (
                SELECT workspace, trace, model, response_model FROM requests INDEXED BY requests_by_trace
                WHERE \(inner.sql)
            ) AS r ON r.trace = f.trace AND r.workspace = f.workspace WHERE \(Self.model) IS NOT NULL
            """
        var models: [String: Weighted] = [:]
        try database.once(sql, condition.values + inner.values) { (row) throws(StoreError) in
            while try row.step() {
                models[row.text(1) ?? "", default: Weighted()].add(value: row.double(2), weight: row.double(3))
            }
        }
        let points = models.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { model, feedback in
            [
                "ai_model": .string(model), "total": JSONValue(feedback.count),
                "avg_weighted_feedback": Figures.score(feedback.mean),
            ] as JSONValue
        }
        return Graph([], points)
    }

    /// Requests whose trace has feedback that counts, by their place in the file: the weighted mean of it.
    func feedbackOfRequests(_ query: LogQuery) throws(StoreError) -> [Int64: Double] {
        let traces = query.weightedTraces()
        let sql = """
            SELECT r.sequence, f.weighted / f.weights FROM (\(traces.sql)) AS f
            CROSS JOIN requests AS r INDEXED BY requests_by_trace ON r.trace = f.trace AND r.workspace = f.workspace
            WHERE f.weights > 0
            """
        return try database.once(sql, traces.values) { (row) throws(StoreError) in
            var found: [Int64: Double] = [:]
            while try row.step() { found[row.int64(0)] = row.double(1) }
            return found
        }
    }
}
