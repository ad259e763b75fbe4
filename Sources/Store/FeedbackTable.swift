// FeedbackTable: what people thought of answers. Feedback belongs to a trace, within a workspace.

import Core

package enum FeedbackTable {
    package struct Feedback: Sendable, Equatable {
        package var id: String
        package var workspace: String
        package var trace: String
        /// From -10 to 10.
        package var value: Int
        /// From 0 to 1.
        package var weight: Double
        /// A JSON object.
        package var metadata: String
        /// Nanoseconds since 1970.
        package var createdAt: Int64
        package var updatedAt: Int64
        package var createdBy: String
    }

    static func insert(
        _ database: Database, id: String, workspace: String, trace: String, value: Int, weight: Double,
        metadata: String, at time: Int64, by: String
    ) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO feedback (id, workspace, trace, value, weight, metadata, created_at, updated_at, created_by)
            VALUES (?,?,?,?,?,?,?,?,?)
            """)
        statement.bind(id)
        statement.bind(workspace)
        statement.bind(trace)
        statement.bind(value)
        statement.bind(weight)
        statement.bind(metadata)
        statement.bind(time)
        statement.bind(time)
        statement.bind(by)
        try statement.run()
    }

    /// What is nil stays as it is. False: there is no such feedback in that workspace.
    static func update(
        _ database: Database, id: String, workspace: String, value: Int?, weight: Double?, metadata: String?,
        at time: Int64
    ) throws(StoreError) -> Bool {
        let statement = try database.statement(
            """
            UPDATE feedback SET value = coalesce(?, value), weight = coalesce(?, weight),
            metadata = coalesce(?, metadata), updated_at = ? WHERE id = ? AND workspace = ?
            """)
        statement.bind(value)
        statement.bind(weight)
        statement.bind(metadata)
        statement.bind(time)
        statement.bind(id)
        statement.bind(workspace)
        try statement.run()
        return database.changes > 0
    }

    private static let columns = "id, workspace, trace, value, weight, metadata, created_at, updated_at, created_by"

    /// Of a trace, the oldest first.
    static func list(_ database: Database, trace: String, workspace: String) throws(StoreError) -> [Feedback] {
        let statement = try database.statement(
            "SELECT \(columns) FROM feedback WHERE trace = ? AND workspace = ? ORDER BY created_at, id LIMIT 1000")
        defer { statement.reset() }
        statement.bind(trace)
        statement.bind(workspace)
        var found: [Feedback] = []
        while try statement.step() { found.append(read(statement)) }
        return found
    }

    /// Σ value · weight / Σ weight; nil without feedback, or where all of it has no weight.
    static func weighted(_ database: Database, trace: String, workspace: String) throws(StoreError) -> Double? {
        let statement = try database.statement(
            """
            SELECT sum(value * weight) / sum(weight) FROM feedback WHERE trace = ? AND workspace = ?
            HAVING sum(weight) > 0
            """)
        defer { statement.reset() }
        statement.bind(trace)
        statement.bind(workspace)
        return try statement.step() ? statement.double(0) : nil
    }

    private static func read(_ statement: Statement) -> Feedback {
        Feedback(
            id: statement.text(0) ?? "", workspace: statement.text(1) ?? "", trace: statement.text(2) ?? "",
            value: statement.int(3), weight: statement.double(4), metadata: statement.text(5) ?? "{}",
            createdAt: statement.int64(6), updatedAt: statement.int64(7), createdBy: statement.text(8) ?? "")
    }
}
