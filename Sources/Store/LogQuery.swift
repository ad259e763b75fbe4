// LogQuery: which rows of the request log are meant, and the SQL condition that says so. Lists, exports and analytics
// share it.
//
// Values are bound. Names of columns come from this file, never from a request.

import Core

package struct LogQuery: Sendable {
    /// Of how many values one filter may consist.
    static let maximumValues = 200
    /// Each is a table to look into.
    static let maximumPairs = 16

    /// An inclusive range; nil is no bound.
    package struct Bounds<Value: Comparable & Sendable>: Sendable {
        package var least: Value?
        package var most: Value?

        package init(least: Value? = nil, most: Value? = nil) {
            self.least = least
            self.most = most
        }
    }

    package struct AIModel: Sendable, Equatable {
        /// nil is any.
        package var provider: String?
        /// As it was asked for, or as it answered.
        package var model: String

        package init(provider: String?, model: String) {
            self.provider = provider
            self.model = model
        }
    }

    /// When exchanges began, in nanoseconds since 1970.
    package var time = Bounds<Int64>()
    package var totalTokens = Bounds<Int64>()
    package var inputTokens = Bounds<Int64>()
    package var outputTokens = Bounds<Int64>()
    /// In 10⁻¹² US dollars.
    package var cost = Bounds<Int64>()
    /// Of the exchange's trace: Σ value · weight / Σ weight.
    package var weightedFeedback = Bounds<Double>()
    package var statusRange: ClosedRange<Int>?

    // Of each list, any one; an empty list asks for nothing.
    package var statuses: [Int] = []
    package var virtualKeys: [String] = []
    package var configs: [String] = []
    package var keys: [String] = []
    package var models: [AIModel] = []
    package var traces: [String] = []
    package var spans: [String] = []
    /// Values of the metadata `_prompt`.
    package var prompts: [String] = []
    /// Of any attempt.
    package var triedProvider: String?
    /// All of them.
    package var metadata: [(key: String, value: String)] = []
    /// nil is all. Whoever asks decides it, not the request's text.
    package var workspaces: Set<String>?

    /// What a request's text asked for beside filters.
    package var workspaceSlug: String?
    /// From 0.
    package var page: Int?
    package var pageSize: Int?
    /// Names in the request's text that mean nothing here.
    package var unknownNames: [String] = []

    package init() {}

    /// The filters of the command line.
    package init(_ filter: LogFilter) {
        time.least = filter.since
        statusRange = filter.statuses
        models = filter.model.map { [AIModel(provider: nil, model: $0)] } ?? []
        triedProvider = filter.provider
        traces = filter.trace.map { [$0] } ?? []
        workspaces = filter.workspace.map { [$0] }
        metadata = filter.metadata
    }

    /// Something beside time and workspace is asked for.
    var selectsRequests: Bool {
        func isBound<Value>(_ bounds: Bounds<Value>) -> Bool { bounds.least != nil || bounds.most != nil }
        return isBound(totalTokens) || isBound(inputTokens) || isBound(outputTokens) || isBound(cost)
            || statusRange != nil || !statuses.isEmpty || !virtualKeys.isEmpty || !configs.isEmpty || !keys.isEmpty
            || !models.isEmpty || !traces.isEmpty || !spans.isEmpty || !prompts.isEmpty || triedProvider != nil
            || !metadata.isEmpty
    }
}

/// A value to be bound.
enum SQLValue {
    case integer(Int64)
    case real(Double)
    case text(String)
    case id(RowID)
}

/// An SQL condition with its values, from left to right.
struct SQLCondition {
    private(set) var sql = "1"
    private(set) var values: [SQLValue] = []

    mutating func require(_ part: String, _ bound: SQLValue...) { require(part, bound) }

    mutating func require(_ part: String, _ bound: [SQLValue]) {
        sql += " AND " + part
        values += bound
    }

    mutating func require(_ column: String, anyOf texts: [String]) {
        require("\(column) IN (\(Self.places(texts.count)))", texts.map(SQLValue.text))
    }

    mutating func require(_ expression: String, within bounds: LogQuery.Bounds<Int64>) {
        if let least = bounds.least { require("\(expression) >= ?", .integer(least)) }
        if let most = bounds.most { require("\(expression) <= ?", .integer(most)) }
    }

    static func places(_ count: Int) -> String { Array(repeating: "?", count: count).joined(separator: ",") }
}

extension LogQuery {
    enum Order {
        /// Whatever is fastest for all rows: by workspace, from the index that holds what is summed up.
        case any
        /// By id, for the first rows of many.
        case id
    }

    /// What a row of `requests` must fulfil. Columns carry no table's name: the condition also stands in subqueries.
    func condition(_ order: Order, withTime: Bool = true) -> SQLCondition {
        var condition = SQLCondition()
        addWorkspaces(to: &condition, order)
        if withTime { addTime(to: &condition) }
        condition.require("coalesce(input_tokens, 0)", within: inputTokens)
        condition.require("coalesce(output_tokens, 0)", within: outputTokens)
        condition.require("coalesce(input_tokens, 0) + coalesce(output_tokens, 0)", within: totalTokens)
        condition.require("coalesce(cost_picodollars, 0)", within: cost)
        if let statusRange {
            condition.require(
                "status BETWEEN ? AND ?", .integer(Int64(statusRange.lowerBound)),
                .integer(Int64(statusRange.upperBound)))
        }
        if !statuses.isEmpty {
            condition.require(
                "status IN (\(SQLCondition.places(statuses.count)))", statuses.map { .integer(Int64($0)) })
        }
        let lists = [
            ("virtual_key", virtualKeys), ("config", configs), ("key", keys), ("trace", traces), ("span", spans),
        ]
        for (column, texts) in lists where !texts.isEmpty { condition.require(column, anyOf: texts) }
        addModels(to: &condition)
        if let triedProvider {
            condition.require(
                "EXISTS (SELECT 1 FROM attempts WHERE request = requests.id AND provider = ?)", .text(triedProvider))
        }
        for (key, value) in metadata { addMetadata(key, [value], to: &condition) }
        if !prompts.isEmpty { addMetadata("_prompt", prompts, to: &condition) }
        addFeedback(to: &condition)
        return condition
    }

    /// Every workspace that has rows, by one step into the index for each of them.
    private static let allWorkspaces = """
        WITH RECURSIVE found (name) AS (
            SELECT min(workspace) FROM requests
            UNION ALL
            SELECT (SELECT min(workspace) FROM requests WHERE workspace > name) FROM found WHERE name IS NOT NULL
        ) SELECT name FROM found WHERE name IS NOT NULL
        """

    private func addWorkspaces(to condition: inout SQLCondition, _ order: Order) {
        guard let workspaces else {
            // Named, so that a part of each workspace's rows can be found by time.
            if order == .any, traces.isEmpty, spans.isEmpty {
                condition.require("workspace IN (\(Self.allWorkspaces))")
            }
            return
        }
        // "+" keeps away from the index that begins with the workspace: with more than one of them, all rows would have
        // to be sorted to find the first, and traces and spans have indexes of their own.
        let isElsewhere = order == .id && workspaces.count > 1 || !traces.isEmpty || !spans.isEmpty
        addWorkspaces(isElsewhere ? "+workspace" : "workspace", to: &condition)
    }

    func addWorkspaces(_ column: String, to condition: inout SQLCondition) {
        guard let workspaces else { return }
        switch workspaces.count {
        case 0: condition.require("0")
        case 1: condition.require("\(column) = ?", workspaces.map(SQLValue.text))
        default: condition.require(column, anyOf: workspaces.sorted())
        }
    }

    /// Ids tell the millisecond, and indexes have them in order; the column tells the rest.
    private func addTime(to condition: inout SQLCondition) {
        addTime("id", to: &condition)
        condition.require("started_at", within: time)
    }

    private func addTime(_ id: String, to condition: inout SQLCondition) {
        if let least = time.least { condition.require("\(id) >= ?", .id(RowID.first(at: least))) }
        if let most = time.most, most < .max - 1_000_000 {
            condition.require("\(id) < ?", .id(RowID.first(at: most + 1_000_000)))
        }
    }

    private func addModels(to condition: inout SQLCondition) {
        guard !models.isEmpty else { return }
        var parts: [String] = []
        var values: [SQLValue] = []
        for model in models {
            var part = "(model = ? OR response_model = ?)"
            values += [.text(model.model), .text(model.model)]
            if let provider = model.provider {
                part += " AND provider = ?"
                values.append(.text(provider))
            }
            parts.append("(\(part))")
        }
        condition.require("(\(parts.joined(separator: " OR ")))", values)
    }

    private func addMetadata(_ key: String, _ texts: [String], to condition: inout SQLCondition) {
        var inner = SQLCondition()
        inner.require("key = ?", .text(key))
        inner.require("value", anyOf: texts)
        addWorkspaces("workspace", to: &inner)
        // Only with one workspace does the index go on with the time.
        if workspaces?.count == 1 { addTime("request", to: &inner) }
        condition.require("id IN (SELECT request FROM metadata WHERE \(inner.sql))", inner.values)
    }

    private func addFeedback(to condition: inout SQLCondition) {
        guard weightedFeedback.least != nil || weightedFeedback.most != nil else { return }
        let traces = weightedTraces()
        condition.require(
            """
            sequence IN (SELECT r.sequence FROM (\(traces.sql)) AS f
            CROSS JOIN requests AS r INDEXED BY requests_by_trace ON r.trace = f.trace AND r.workspace = f.workspace)
            """, traces.values)
    }

    /// Traces with feedback: workspace, trace, Σ value · weight, Σ weight, count. Those within the bounds, where there
    /// are bounds.
    func weightedTraces() -> (sql: String, values: [SQLValue]) {
        var inner = SQLCondition()
        addWorkspaces("workspace", to: &inner)
        var outer = SQLCondition()
        let score = "CASE WHEN sum(weight) > 0 THEN sum(value * weight) / sum(weight) END"
        if let least = weightedFeedback.least { outer.require("\(score) >= ?", .real(least)) }
        if let most = weightedFeedback.most { outer.require("\(score) <= ?", .real(most)) }
        let sql = """
            SELECT workspace, trace, sum(value * weight) AS weighted, sum(weight) AS weights, count(*) AS count
            FROM feedback WHERE \(inner.sql) GROUP BY workspace, trace HAVING \(outer.sql)
            """
        return (sql, inner.values + outer.values)
    }
}
