// LogReader: the request log as commands read it, while a gateway writes.

import Core

/// The filters of the command line.
package struct LogFilter: Sendable {
    /// Nanoseconds since 1970.
    package var since: Int64?
    package var statuses: ClosedRange<Int>?
    package var model: String?
    /// Of any attempt.
    package var provider: String?
    package var trace: String?
    package var workspace: String?
    /// All of them.
    package var metadata: [(key: String, value: String)] = []

    package init() {}
}

/// A row with its place in this file.
package struct StoredRequest: Sendable {
    package var sequence: Int64
    package var row: RequestRow
}

package final class LogReader {
    private let database: Database

    package init(_ path: String) throws(StoreError) { database = try StoreFile.openForQueries(path) }

    private static let columns = """
        sequence, id, started_at, workspace, trace, parent, key, asked_by, endpoint, method, path, model, stream, config,
        config_origin, config_hash, status, provider, response_model, target, route, cache, error, denied_by, aborted,
        receipts, duration, upstream_duration, client_wait, first_token, bytes_in, bytes_out, input_tokens, output_tokens,
        usage, cost_picodollars, price_version, virtual_key, span, span_name
        """

    /// The newest rows that pass, the newest first.
    package func list(_ filter: LogFilter, limit: Int) throws(StoreError) -> [StoredRequest] {
        try list(LogQuery(filter), limit: limit)
    }

    /// The newest rows that pass, the newest first; with `before`, of those that are older. The last row's id is the
    /// cursor for the next ones, whatever was written meanwhile.
    package func list(_ query: LogQuery, before: RowID? = nil, limit: Int) throws(StoreError) -> [StoredRequest] {
        var condition = query.condition(.id)
        if let before { condition.require("id < ?", .id(before)) }
        return try rows("WHERE \(condition.sql) ORDER BY id DESC LIMIT ?", condition.values + [.integer(Int64(limit))])
    }

    package func count(_ query: LogQuery) throws(StoreError) -> Int {
        let condition = query.condition(.any)
        return try database.once("SELECT count(*) FROM requests WHERE \(condition.sql)", condition.values) {
            (statement) throws(StoreError) in try statement.step() ? statement.int(0) : 0
        }
    }

    /// The rows that pass, in the order of ids, until there is none, `limit` are done or `body` gives false. Between
    /// batches nothing is read, so that the writer can put what is in the write-ahead log into the file. Gives the
    /// number of rows that `body` saw.
    @discardableResult
    package func forEach(
        _ query: LogQuery, limit: Int = .max, withBodies: Bool = true, batch: Int = 500,
        _ body: (StoredRequest, RequestRow.Bodies?) throws(StoreError) -> Bool
    ) throws(StoreError) -> Int {
        var done = 0
        var last: RowID?
        while done < limit {
            var condition = query.condition(.id)
            if let last { condition.require("id > ?", .id(last)) }
            let wanted = min(batch, limit - done)
            let found = try rows(
                "WHERE \(condition.sql) ORDER BY id LIMIT ?", condition.values + [.integer(Int64(wanted))])
            for request in found {
                let bodies = withBodies ? try self.bodies(of: request.row.id) : nil
                done += 1
                guard try body(request, bodies) else { return done }
            }
            guard found.count == wanted, let id = found.last?.row.id else { break }
            last = id
        }
        return done
    }

    /// Rows that were written after another one, in the order of writing.
    package func follow(after sequence: Int64, _ filter: LogFilter, limit: Int = 1_000) throws(StoreError)
        -> [StoredRequest]
    {
        let condition = LogQuery(filter).condition(.id)
        return try rows(
            // The rows after that one are few: no other index is of use.
            "NOT INDEXED WHERE sequence > ? AND \(condition.sql) ORDER BY sequence LIMIT ?",
            [.integer(sequence)] + condition.values + [.integer(Int64(limit))])
    }

    /// The last row's place; 0 for an empty log.
    package func lastSequence() throws(StoreError) -> Int64 {
        try database.integer("SELECT coalesce(max(sequence), 0) FROM requests")
    }

    /// What an id or a trace names: one exchange, or all of a trace in the order in which they began.
    package func find(_ name: String) throws(StoreError) -> [StoredRequest] {
        if let id = RowID(name) {
            let found = try rows("WHERE id = ?", [.id(id)])
            if !found.isEmpty { return found }
        }
        return try rows("WHERE trace = ? ORDER BY id LIMIT 1000", [.text(name)])
    }

    // MARK: SQL

    private func rows(_ rest: String, _ values: [SQLValue]) throws(StoreError) -> [StoredRequest] {
        var found = try database.once("SELECT \(Self.columns) FROM requests \(rest)", values) {
            (statement) throws(StoreError) in
            var found: [StoredRequest] = []
            while try statement.step() { found.append(Self.read(statement)) }
            return found
        }
        for index in found.indices {
            found[index].row.attempts = try attempts(of: found[index].row.id)
            found[index].row.metadata = try metadata(of: found[index].row.id)
        }
        return found
    }

    private static func read(_ statement: Statement) -> StoredRequest {
        var row = RequestRow(
            id: statement.rowID(1), startedAt: statement.int64(2), workspace: statement.text(3) ?? "",
            trace: statement.text(4) ?? "", endpoint: statement.text(8) ?? "", method: statement.text(9) ?? "",
            path: statement.text(10) ?? "", status: statement.int(16))
        row.parent = statement.text(5)
        row.key = statement.text(6)
        row.askedBy = statement.text(7)
        row.model = statement.text(11)
        row.isStream = statement.int(12) != 0
        row.config = statement.text(13)
        row.configOrigin = statement.text(14).flatMap(RequestRow.ConfigOrigin.init(rawValue:))
        row.configHash = statement.text(15)
        row.provider = statement.text(17)
        row.responseModel = statement.text(18)
        row.target = statement.text(19)
        row.route = statement.text(20)
        row.cache = statement.text(21)
        row.error = statement.text(22)
        row.deniedBy = statement.text(23)
        row.isAborted = statement.int(24) != 0
        row.receipts = statement.text(25)
        row.duration = statement.int64(26)
        row.upstreamDuration = statement.int64(27)
        row.clientWait = statement.int64(28)
        row.firstToken = statement.isNull(29) ? nil : statement.int64(29)
        row.bytesIn = statement.int(30)
        row.bytesOut = statement.int(31)
        row.inputTokens = statement.optionalInt(32)
        row.outputTokens = statement.optionalInt(33)
        row.usage = statement.text(34)
        row.cost = statement.isNull(35) ? nil : statement.int64(35)
        row.priceVersion = statement.text(36)
        row.virtualKey = statement.text(37)
        row.span = statement.text(38)
        row.spanName = statement.text(39)
        return StoredRequest(sequence: statement.int64(0), row: row)
    }

    private func attempts(of id: RowID) throws(StoreError) -> [RequestRow.Attempt] {
        let statement = try database.statement(
            """
            SELECT provider, model, target, retry, status, duration, error FROM attempts WHERE request = ? ORDER BY number
            """)
        defer { statement.reset() }
        statement.bind(id)
        var found: [RequestRow.Attempt] = []
        while try statement.step() {
            found.append(
                RequestRow.Attempt(
                    provider: statement.text(0) ?? "", model: statement.text(1), target: statement.text(2) ?? "",
                    retry: statement.int(3), status: statement.int(4), duration: statement.int64(5),
                    error: statement.text(6)))
        }
        return found
    }

    private func metadata(of id: RowID) throws(StoreError) -> [(key: String, value: String)] {
        let statement = try database.statement("SELECT key, value FROM metadata WHERE request = ? ORDER BY key")
        defer { statement.reset() }
        statement.bind(id)
        var found: [(key: String, value: String)] = []
        while try statement.step() { found.append((statement.text(0) ?? "", statement.text(1) ?? "")) }
        return found
    }

    /// What a stored gateway key is called; nil for one of the file, or one that is gone.
    package func nameOfKey(_ id: String) throws(StoreError) -> String? {
        let statement = try database.statement(
            "SELECT json_extract(document, '$.name') FROM objects WHERE kind = 'api-key' AND id = ?")
        defer { statement.reset() }
        statement.bind(id)
        return try statement.step() ? statement.text(0) : nil
    }

    /// What was thought of a trace, the oldest first, and all of it by its weights.
    package func feedback(of trace: String, in workspace: String) throws(StoreError) -> (
        list: [FeedbackTable.Feedback], mean: Double?
    ) {
        (
            try FeedbackTable.list(database, trace: trace, workspace: workspace),
            try FeedbackTable.weighted(database, trace: trace, workspace: workspace)
        )
    }

    /// The texts of an exchange, where they were kept.
    package func bodies(of id: RowID) throws(StoreError) -> RequestRow.Bodies? {
        let statement = try database.statement(
            "SELECT policy, request_body, request_size, answer_body, answer_size FROM bodies WHERE request = ?")
        defer { statement.reset() }
        statement.bind(id)
        guard try statement.step() else { return nil }
        func text(_ column: Int32) -> RequestRow.Bodies.Text? {
            statement.bytes(column).map { RequestRow.Bodies.Text(bytes: $0, size: statement.int(column + 1)) }
        }
        return RequestRow.Bodies(policy: statement.text(0) ?? "", request: text(1), answer: text(3))
    }
}
