// Feedback: what people or programs thought of an answer, by its trace.

package import Core

package struct Feedback: Sendable, Equatable {
    package var id: String
    package var workspace: String
    package var trace: String
    package var value: Int
    package var weight: Double
    package var metadata: JSONObject
    /// Nanoseconds since 1970.
    package var at: Int64
    package var by: String

    package init(
        id: String, workspace: String, trace: String, value: Int, weight: Double, metadata: JSONObject, at: Int64,
        by: String
    ) {
        self.id = id
        self.workspace = workspace
        self.trace = trace
        self.value = value
        self.weight = weight
        self.metadata = metadata
        self.at = at
        self.by = by
    }
}

extension ControlStore {
    package func insert(_ feedback: Feedback) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO feedback (id, workspace, trace, value, weight, metadata, created_at, updated_at, created_by)
            VALUES (?,?,?,?,?,?,?,?,?)
            """)
        statement.bind(feedback.id)
        statement.bind(feedback.workspace)
        statement.bind(feedback.trace)
        statement.bind(feedback.value)
        statement.bind(feedback.weight)
        statement.bind(JSONValue.object(feedback.metadata).text)
        statement.bind(feedback.at)
        statement.bind(feedback.at)
        statement.bind(feedback.by)
        try statement.run()
    }

    /// In one workspace, or in any.
    package func feedback(_ id: String, in workspace: String?) throws(StoreError) -> Feedback? {
        let statement = try database.statement(
            """
            SELECT id, workspace, trace, value, weight, metadata, created_at, created_by FROM feedback
            WHERE id = ?1 AND (?2 IS NULL OR workspace = ?2)
            """)
        defer { statement.reset() }
        statement.bind(id)
        statement.bind(workspace)
        guard try statement.step() else { return nil }
        return Feedback(
            id: statement.text(0) ?? "", workspace: statement.text(1) ?? "", trace: statement.text(2) ?? "",
            value: statement.int(3), weight: statement.double(4),
            metadata: (try? JSONValue(parsing: statement.text(5) ?? "{}"))?.object ?? JSONObject(),
            at: statement.int64(6), by: statement.text(7) ?? "")
    }

    package func update(_ feedback: Feedback, at time: Int64) throws(StoreError) {
        let statement = try database.statement(
            "UPDATE feedback SET value = ?, weight = ?, metadata = ?, updated_at = ? WHERE id = ?")
        statement.bind(feedback.value)
        statement.bind(feedback.weight)
        statement.bind(JSONValue.object(feedback.metadata).text)
        statement.bind(time)
        statement.bind(feedback.id)
        try statement.run()
    }
}
