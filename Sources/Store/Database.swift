// Database: one connection to an SQLite file, with its prepared statements. Values are bound, never written into SQL.
//
// A connection belongs to one thread at a time.

import CSQLite
import Core

#if canImport(Glibc)
    import Glibc
#endif

final class Database {
    enum Access {
        case readWrite
        /// Nothing can be changed by statements. WAL's side files still may be: readers announce themselves there.
        case queries
    }

    let path: String
    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]

    /// Once in a process; nothing fails when somebody was faster.
    private static let isConfigured: Bool = csqlite_count_no_memory() == SQLITE_OK

    /// Opens a file that is there.
    init(_ path: String, _ access: Access) throws(StoreError) {
        self.path = path
        _ = Self.isConfigured
        var opened: OpaquePointer?
        // No mutex: a connection is never used by two threads at once.
        let status = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard let opened else { throw StoreError(.other, "\(path): there is no memory to open it") }
        handle = opened
        guard status == SQLITE_OK else {
            let error = StoreError(code: status, message: Self.message(opened), path: path)
            sqlite3_close_v2(opened)
            throw error
        }
        sqlite3_extended_result_codes(opened, 1)
        sqlite3_busy_timeout(opened, 250)
        _ = csqlite_defend(opened)
        guard access == .queries else { return }
        do { try run("PRAGMA query_only = ON") } catch {
            sqlite3_close_v2(opened)
            throw error
        }
    }

    deinit {
        for statement in statements.values { statement.finalize() }
        sqlite3_close_v2(handle)
    }

    private static func message(_ handle: OpaquePointer) -> String { String(cString: sqlite3_errmsg(handle)) }

    func failure(_ code: Int32) -> StoreError { StoreError(code: code, message: Self.message(handle), path: path) }

    /// The file, or where it lies, does not let anybody write.
    var isReadOnly: Bool { sqlite3_db_readonly(handle, "main") == 1 }

    /// Rows that the last statement changed.
    var changes: Int { Int(sqlite3_changes64(handle)) }

    // MARK: Statements

    /// The statement for a text, prepared once and ready to be bound.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let known = statements[sql] {
            known.reset()
            return known
        }
        var made: OpaquePointer?
        let status = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
        guard status == SQLITE_OK, let made else { throw failure(status) }
        let statement = Statement(made, self)
        statements[sql] = statement
        return statement
    }

    /// Prepares a text that is not worth keeping: one of very many forms. `body` gets it with its values.
    func once<Value>(
        _ sql: String, _ values: [SQLValue], _ body: (Statement) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        var made: OpaquePointer?
        let status = sqlite3_prepare_v3(handle, sql, -1, 0, &made, nil)
        guard status == SQLITE_OK, let made else { throw failure(status) }
        let statement = Statement(made, self)
        defer { statement.finalize() }
        for value in values { statement.bind(value) }
        return try body(statement)
    }

    /// Runs statements without results, separated by semicolons.
    func run(_ sql: String) throws(StoreError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        guard status == SQLITE_OK else { throw failure(status) }
    }

    /// The first column of the first row.
    func integer(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try statement(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.int64(0) : 0
    }

    func text(_ sql: String) throws(StoreError) -> String? {
        let statement = try statement(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.text(0) : nil
    }

    /// The first column of all rows.
    func texts(_ sql: String) throws(StoreError) -> [String] {
        let statement = try statement(sql)
        defer { statement.reset() }
        var found: [String] = []
        while try statement.step() { found.append(statement.text(0) ?? "") }
        return found
    }

    /// All of `body`, or nothing of it.
    func transaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        // At once a writer's: a transaction that begins as a reader's may find that it cannot become one.
        try run("BEGIN IMMEDIATE")
        do {
            let value = try body()
            try run("COMMIT")
            return value
        } catch {
            rollBack()
            throw error
        }
    }

    func rollBack() {
        for statement in statements.values { statement.reset() }
        if sqlite3_get_autocommit(handle) == 0 { try? run("ROLLBACK") }
    }

    // MARK: Backup

    /// Copies the file as it is now into `target`, a connection to an empty one. Writers go on meanwhile.
    func copy(to target: Database) throws(StoreError) {
        // A reader's transaction: the copy is of one moment, and writers do not make it begin again.
        try run("BEGIN")
        defer { rollBack() }
        _ = try integer("SELECT count(*) FROM sqlite_schema")
        guard let backup = sqlite3_backup_init(target.handle, "main", handle, "main") else {
            throw target.failure(sqlite3_errcode(target.handle))
        }
        let status = sqlite3_backup_step(backup, -1)
        let finished = sqlite3_backup_finish(backup)
        guard status == SQLITE_DONE else { throw target.failure(status) }
        guard finished == SQLITE_OK else { throw target.failure(finished) }
    }
}

/// A prepared statement. Its values are bound from left to right.
final class Statement {
    private let handle: OpaquePointer
    private unowned let database: Database
    private var bound: Int32 = 0
    private var failed: Int32 = SQLITE_OK

    init(_ handle: OpaquePointer, _ database: Database) {
        self.handle = handle
        self.database = database
    }

    fileprivate func finalize() { sqlite3_finalize(handle) }

    func reset() {
        sqlite3_reset(handle)
        if bound > 0 { sqlite3_clear_bindings(handle) }
        bound = 0
        failed = SQLITE_OK
    }

    private func note(_ status: Int32) { if status != SQLITE_OK { failed = status } }

    func bind(_ value: Int64?) {
        bound += 1
        guard let value else { return }
        note(sqlite3_bind_int64(handle, bound, value))
    }

    func bind(_ value: Int?) { bind(value.map(Int64.init)) }

    func bind(_ value: Double?) {
        bound += 1
        guard let value else { return }
        note(sqlite3_bind_double(handle, bound, value))
    }

    func bind(_ value: SQLValue) {
        switch value {
        case .integer(let number): bind(number)
        case .real(let number): bind(number)
        case .text(let text): bind(text)
        case .id(let id): bind(id)
        }
    }

    func bind(_ value: Bool) { bind(value ? 1 as Int64 : 0) }

    func bind(_ value: String?) {
        bound += 1
        guard var value else { return }
        value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                // An empty text has no address, and must not become NULL.
                note(
                    $0.isEmpty
                        ? csqlite_bind_text(handle, bound, "", 0)
                        : csqlite_bind_text(handle, bound, $0.baseAddress, Int32(clamping: $0.count)))
            }
        }
    }

    func bind(_ value: Bytes?) {
        bound += 1
        guard let value else { return }
        withExtendedLifetime(value) {
            note(csqlite_bind_blob(handle, bound, value.pointer, Int32(clamping: value.count)))
        }
    }

    func bind(_ value: RowID) {
        bound += 1
        withUnsafeBytes(of: (value.high.bigEndian, value.low.bigEndian)) {
            note(csqlite_bind_blob(handle, bound, $0.baseAddress, 16))
        }
    }

    /// True when there is a row to read.
    func step() throws(StoreError) -> Bool {
        guard failed == SQLITE_OK else { throw database.failure(failed) }
        let status = sqlite3_step(handle)
        if status == SQLITE_ROW { return true }
        guard status == SQLITE_DONE else {
            let error = database.failure(status)
            reset()
            throw error
        }
        return false
    }

    /// Runs it to its end and makes it ready for the next values.
    func run() throws(StoreError) {
        while try step() {}
        reset()
    }

    // MARK: Columns, from 0

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func double(_ column: Int32) -> Double { sqlite3_column_double(handle, column) }

    func int(_ column: Int32) -> Int { Int(int64(column)) }

    func optionalInt(_ column: Int32) -> Int? { isNull(column) ? nil : int(column) }

    func text(_ column: Int32) -> String? {
        guard let start = sqlite3_column_text(handle, column) else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func bytes(_ column: Int32) -> Bytes? {
        guard !isNull(column) else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        guard count > 0, let start = sqlite3_column_blob(handle, column) else { return .empty }
        return Bytes(copying: UnsafeRawBufferPointer(start: start, count: count))
    }

    func rowID(_ column: Int32) -> RowID {
        guard let bytes = bytes(column), bytes.count == 16 else { return RowID(high: 0, low: 0) }
        return withExtendedLifetime(bytes) {
            RowID(
                high: UInt64(bigEndian: bytes.buffer.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }
}
