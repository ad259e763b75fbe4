// RowWriter: rows to tables. Four statements, each prepared once.

import Core

struct RowWriter {
    private static let request = """
        INSERT INTO requests (
            id, started_at, workspace, trace, parent, key, asked_by, endpoint, method, path, model, stream, config,
            config_origin, config_hash, status, provider, response_model, target, route, cache, error, denied_by, aborted,
            receipts, duration, upstream_duration, client_wait, first_token, bytes_in, bytes_out, input_tokens, output_tokens,
            usage, cost_picodollars, price_version, virtual_key, span, span_name, retries, fallbacks, user
        ) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
        """
    private static let attempt = """
        INSERT INTO attempts (request, number, workspace, provider, model, target, retry, status, duration, error)
        VALUES (?,?,?,?,?,?,?,?,?,?)
        """
    private static let metadata = "INSERT OR IGNORE INTO metadata (key, value, workspace, request) VALUES (?,?,?,?)"
    private static let bodies = """
        INSERT INTO bodies (request, workspace, policy, request_body, request_size, answer_body, answer_size)
        VALUES (?,?,?,?,?,?,?)
        """

    let database: Database

    /// Writes rows in one transaction. Rows that SQLite refuses for what is in them are left out; the number of them is given.
    func write(_ rows: ArraySlice<RequestRow>) throws(StoreError) -> Int {
        try database.transaction { () throws(StoreError) in
            var refused = 0
            for row in rows {
                do throws(StoreError) { try insert(row) } catch {
                    guard error.kind == .row else { throw error }
                    // Nothing of it stays, and the others are not its fault.
                    let removal = try database.statement("DELETE FROM requests WHERE id = ?")
                    removal.bind(row.id)
                    try removal.run()
                    refused += 1
                }
            }
            return refused
        }
    }

    private func insert(_ row: RequestRow) throws(StoreError) {
        let statement = try database.statement(Self.request)
        statement.bind(row.id)
        statement.bind(row.startedAt)
        statement.bind(row.workspace)
        statement.bind(row.trace)
        statement.bind(row.parent)
        statement.bind(row.key)
        statement.bind(row.askedBy)
        statement.bind(row.endpoint)
        statement.bind(row.method)
        statement.bind(row.path)
        statement.bind(row.model)
        statement.bind(row.isStream)
        statement.bind(row.config)
        statement.bind(row.configOrigin?.rawValue)
        statement.bind(row.configHash)
        statement.bind(row.status)
        statement.bind(row.provider)
        statement.bind(row.responseModel)
        statement.bind(row.target)
        statement.bind(row.route)
        statement.bind(row.cache)
        statement.bind(row.error)
        statement.bind(row.deniedBy)
        statement.bind(row.isAborted)
        statement.bind(row.receipts)
        statement.bind(row.duration)
        statement.bind(row.upstreamDuration)
        statement.bind(row.clientWait)
        statement.bind(row.firstToken)
        statement.bind(row.bytesIn)
        statement.bind(row.bytesOut)
        statement.bind(row.inputTokens)
        statement.bind(row.outputTokens)
        statement.bind(row.usage)
        statement.bind(row.cost)
        statement.bind(row.priceVersion)
        statement.bind(row.virtualKey)
        statement.bind(row.span)
        statement.bind(row.spanName)
        statement.bind(row.rescues.retries)
        statement.bind(row.rescues.fallbacks)
        statement.bind(row.user)
        try statement.run()
        for (index, attempt) in row.attempts.enumerated() { try insert(attempt, number: index + 1, of: row) }
        for (key, value) in row.metadata { try insert(key, value, of: row) }
        if let bodies = row.bodies { try insert(bodies, of: row) }
    }

    private func insert(_ attempt: RequestRow.Attempt, number: Int, of row: RequestRow) throws(StoreError) {
        let statement = try database.statement(Self.attempt)
        statement.bind(row.id)
        statement.bind(number)
        statement.bind(row.workspace)
        statement.bind(attempt.provider)
        statement.bind(attempt.model)
        statement.bind(attempt.target)
        statement.bind(attempt.retry)
        statement.bind(attempt.status)
        statement.bind(attempt.duration)
        statement.bind(attempt.error)
        try statement.run()
    }

    private func insert(_ key: String, _ value: String, of row: RequestRow) throws(StoreError) {
        let statement = try database.statement(Self.metadata)
        statement.bind(key)
        statement.bind(value)
        statement.bind(row.workspace)
        statement.bind(row.id)
        try statement.run()
    }

    private func insert(_ bodies: RequestRow.Bodies, of row: RequestRow) throws(StoreError) {
        let statement = try database.statement(Self.bodies)
        statement.bind(row.id)
        statement.bind(row.workspace)
        statement.bind(bodies.policy)
        statement.bind(bodies.request?.bytes)
        statement.bind(bodies.request?.size)
        statement.bind(bodies.answer?.bytes)
        statement.bind(bodies.answer?.size)
        try statement.run()
    }
}
