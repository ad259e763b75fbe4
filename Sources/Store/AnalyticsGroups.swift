// AnalyticsGroups: requests by user, model, workspace, or the value of some metadata.

package import Core

extension Analytics {
    /// What is summed up for a group.
    private struct Group {
        var requests = 0
        var cost: Int128 = 0
        var tokens: Int128 = 0
        var lastSeen: Int64 = 0
        var scores = 0.0
        var withFeedback = 0

        mutating func add(_ row: Statement, _ score: Double?) {
            requests += 1
            cost += Int128(row.int64(1))
            tokens += Int128(row.int64(2))
            lastSeen = max(lastSeen, row.int64(3))
            guard let score else { return }
            scores += score
            withFeedback += 1
        }
    }

    /// {object, total, data}: one row for each group of the page, those with the most requests first. `name` is
    /// "users", "ai-models", "workspaces" or "metadata", which wants a key. Pages count from 0; `total` is that of all
    /// pages. Requests that belong to no group, as those without a user, are left out. nil: there is no such group.
    package func groups(
        _ name: String, metadataKey: String?, _ query: LogQuery, page: Int, size: Int
    ) throws(StoreError) -> JSONValue? {
        switch name {
        case "users": return Self.list("user", try group(by: "user", query), page, size) { Self.sums($0) }
        case "ai-models": return Self.list("ai_model", try group(by: Self.model, query), page, size) { Self.sums($0) }
        case "workspaces":
            return Self.list("workspace", try group(by: "workspace", query), page, size) { Self.sums($0) }
        case "metadata":
            guard let metadataKey else { return nil }
            let groups = try group(byMetadata: metadataKey, query, try feedbackOfRequests(query))
            return Self.list("metadata_value", groups, page, size) { group in
                let score = group.withFeedback > 0 ? group.scores / Double(group.withFeedback) : 0
                return Self.sums(group) + [
                    ("avg_tokens", Figures.mean(group.tokens, group.requests)),
                    ("avg_weighted_feedback", Figures.score(score)),
                    ("requests_with_feedback", JSONValue(group.withFeedback)),
                    ("last_seen", .string(WallClock.timestamp(group.lastSeen))),
                ]
            }
        default: return nil
        }
    }

    private static func sums(_ group: Group) -> [(String, JSONValue)] {
        [
            ("requests", JSONValue(group.requests)), ("cost", Figures.cents(group.cost)),
            ("cost_usd", Figures.dollars(group.cost)),
        ]
    }

    private static let columns = """
        coalesce(cost_picodollars, 0), coalesce(input_tokens, 0) + coalesce(output_tokens, 0), started_at, sequence
        """

    private func group(by expression: String, _ query: LogQuery) throws(StoreError) -> [String: Group] {
        var groups: [String: Group] = [:]
        try scan("\(expression), \(Self.columns)", query) { row in
            guard let name = row.text(0) else { return }
            groups[name, default: Group()].add(row, nil)
        }
        return groups
    }

    private func group(byMetadata key: String, _ query: LogQuery, _ feedback: [Int64: Double]) throws(StoreError)
        -> [String: Group]
    {
        // None of the joined columns is called as one of the requests', which the condition names.
        let condition = query.condition(.any)
        let sql = """
            SELECT m.value, \(Self.columns)
            FROM requests CROSS JOIN (SELECT request, key AS name, value FROM metadata) AS m
            ON m.request = requests.id AND m.name = ? WHERE \(condition.sql)
            """
        var groups: [String: Group] = [:]
        try database.once(sql, [.text(key)] + condition.values) { (row) throws(StoreError) in
            while try row.step() {
                groups[row.text(0) ?? "", default: Group()].add(row, feedback.isEmpty ? nil : feedback[row.int64(4)])
            }
        }
        return groups
    }

    private static func list(
        _ member: String, _ groups: [String: Group], _ page: Int, _ size: Int,
        _ members: (Group) -> [(String, JSONValue)]
    ) -> JSONValue {
        let sorted = groups.sorted { ($1.value.requests, $0.key) < ($0.value.requests, $1.key) }
        let (start, overflow) = max(page, 0).multipliedReportingOverflow(by: max(size, 0))
        let shown = overflow ? [] : sorted.dropFirst(start).prefix(max(size, 0))
        let rows = shown.map { name, group -> JSONValue in
            .object(JSONObject([(member, .string(name))] + members(group) + [("object", "analytics-group")]))
        }
        return ["object": "list", "total": JSONValue(sorted.count), "data": .array(rows)]
    }
}
