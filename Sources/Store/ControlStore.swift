// ControlStore: what the control plane keeps, in the file of the request log. Few rows, rarely changed, and read whole at the start:
// requests are served from memory.
//
// Everything that changes something runs in one transaction together with its row in the audit log (AuditLog.swift). One thread at a
// time may use a store.

package import Core
package import Digests

/// A managed object: a workspace, a config, a virtual key, …
package struct StoredObject: Sendable, Equatable {
    package var kind: String
    package var id: String
    /// "" belongs to the organisation.
    package var workspace: String
    /// Unique in its kind and workspace.
    package var slug: String
    package var status: String
    package var version: Int
    package var document: JSONObject
    /// Nanoseconds since 1970.
    package var createdAt: Int64
    package var updatedAt: Int64
    package var createdBy: String
    package var updatedBy: String

    package init(
        kind: String, id: String, workspace: String, slug: String, status: String = "active", document: JSONObject,
        at time: Int64, by actor: String
    ) {
        self.kind = kind
        self.id = id
        self.workspace = workspace
        self.slug = slug
        self.status = status
        version = 1
        self.document = document
        createdAt = time
        updatedAt = time
        createdBy = actor
        updatedBy = actor
    }
}

package struct StoredVersion: Sendable, Equatable {
    package var id: String
    package var version: Int
    package var document: JSONObject
    package var createdAt: Int64
    package var createdBy: String

    package init(id: String, version: Int, document: JSONObject, createdAt: Int64, createdBy: String) {
        self.id = id
        self.version = version
        self.document = document
        self.createdAt = createdAt
        self.createdBy = createdBy
    }
}

package struct StoredCredential: Sendable {
    package var kind: String
    package var object: String
    package var workspace: String
    package var version: Int
    package var sealed: [UInt8]

    package init(kind: String, object: String, workspace: String, version: Int, sealed: [UInt8]) {
        self.kind = kind
        self.object = object
        self.workspace = workspace
        self.version = version
        self.sealed = sealed
    }
}

package struct StoredKey: Sendable {
    package var lookup: String
    /// The id of its object.
    package var key: String
    package var workspace: String
    package var code: Digest
    /// Nanoseconds since 1970; set on a key that was replaced.
    package var expiresAt: Int64?

    package init(lookup: String, key: String, workspace: String, code: Digest, expiresAt: Int64? = nil) {
        self.lookup = lookup
        self.key = key
        self.workspace = workspace
        self.code = code
        self.expiresAt = expiresAt
    }
}

/// An increment of a counter in one of its windows.
package struct StoredCount: Sendable, Equatable {
    package var counter: String
    package var window: Int64
    package var workspace: String
    package var amount: Int64

    package init(counter: String, window: Int64, workspace: String, amount: Int64) {
        self.counter = counter
        self.window = window
        self.workspace = workspace
        self.amount = amount
    }
}

package final class ControlStore {
    let database: Database
    /// Set once the vault is open: it seals the audit log.
    package var auditKey: HMACKey?

    /// Opens the file, and makes it where there is none.
    package init(_ path: String) throws(StoreError) {
        database = try StoreFile.open(path)
        // The log's writer may be in the middle of a batch; and what was answered with success survives the machine.
        try database.run("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL")
    }

    /// Grows with every change of what is managed, whoever makes it: each has its row in the audit log. Rows of the request log, which
    /// are written all the time, do not count.
    package func changeCount() throws(StoreError) -> Int64 {
        try database.integer("SELECT coalesce(max(sequence), 0) FROM audit")
    }

    /// All of `body`, or nothing of it.
    package func transaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        try database.transaction(body)
    }

    // MARK: Objects

    private static let columns =
        "kind, id, workspace, slug, status, version, document, created_at, updated_at, created_by, updated_by"

    private func objects(_ rest: String, _ values: [String]) throws(StoreError) -> [StoredObject] {
        let statement = try database.statement("SELECT \(Self.columns) FROM objects \(rest)")
        defer { statement.reset() }
        for value in values { statement.bind(value) }
        var found: [StoredObject] = []
        while try statement.step() {
            var object = StoredObject(
                kind: statement.text(0) ?? "", id: statement.text(1) ?? "", workspace: statement.text(2) ?? "",
                slug: statement.text(3) ?? "", status: statement.text(4) ?? "",
                document: Self.document(statement.text(6)), at: statement.int64(7), by: statement.text(9) ?? "")
            object.version = statement.int(5)
            object.updatedAt = statement.int64(8)
            object.updatedBy = statement.text(10) ?? ""
            found.append(object)
        }
        return found
    }

    private static func document(_ text: String?) -> JSONObject {
        (try? JSONValue(parsing: text ?? "{}"))?.object ?? JSONObject()
    }

    /// All of a kind, the oldest first; of one workspace where one is given.
    package func objects(_ kind: String, in workspace: String? = nil) throws(StoreError) -> [StoredObject] {
        guard let workspace else { return try objects("WHERE kind = ? ORDER BY created_at, id", [kind]) }
        return try objects("WHERE kind = ? AND workspace = ? ORDER BY created_at, id", [kind, workspace])
    }

    package func object(_ kind: String, id: String) throws(StoreError) -> StoredObject? {
        try objects("WHERE kind = ? AND id = ?", [kind, id]).first
    }

    package func object(_ kind: String, slug: String, in workspace: String) throws(StoreError) -> StoredObject? {
        try objects("WHERE kind = ? AND workspace = ? AND slug = ?", [kind, workspace, slug]).first
    }

    package func insert(_ object: StoredObject) throws(StoreError) {
        let statement = try database.statement(
            "INSERT INTO objects (\(Self.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?)")
        statement.bind(object.kind)
        statement.bind(object.id)
        statement.bind(object.workspace)
        statement.bind(object.slug)
        statement.bind(object.status)
        statement.bind(object.version)
        statement.bind(JSONValue.object(object.document).text)
        statement.bind(object.createdAt)
        statement.bind(object.updatedAt)
        statement.bind(object.createdBy)
        statement.bind(object.updatedBy)
        try statement.run()
    }

    package func update(_ object: StoredObject) throws(StoreError) {
        let statement = try database.statement(
            """
            UPDATE objects SET status = ?, version = ?, document = ?, updated_at = ?, updated_by = ? WHERE kind = ? AND id = ?
            """)
        statement.bind(object.status)
        statement.bind(object.version)
        statement.bind(JSONValue.object(object.document).text)
        statement.bind(object.updatedAt)
        statement.bind(object.updatedBy)
        statement.bind(object.kind)
        statement.bind(object.id)
        try statement.run()
    }

    /// With its versions and its credential.
    package func delete(_ kind: String, id: String) throws(StoreError) {
        try run("DELETE FROM objects WHERE kind = ? AND id = ?", kind, id)
    }

    private func run(_ sql: String, _ values: String...) throws(StoreError) {
        let statement = try database.statement(sql)
        for value in values { statement.bind(value) }
        try statement.run()
    }

    // MARK: Versions

    package func insert(_ version: StoredVersion, of object: StoredObject) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO versions (kind, object, version, id, workspace, document, created_at, created_by)
            VALUES (?,?,?,?,?,?,?,?)
            """)
        statement.bind(object.kind)
        statement.bind(object.id)
        statement.bind(version.version)
        statement.bind(version.id)
        statement.bind(object.workspace)
        statement.bind(JSONValue.object(version.document).text)
        statement.bind(version.createdAt)
        statement.bind(version.createdBy)
        try statement.run()
    }

    /// The newest first.
    package func versions(of kind: String, _ id: String) throws(StoreError) -> [StoredVersion] {
        let statement = try database.statement(
            """
            SELECT id, version, document, created_at, created_by FROM versions WHERE kind = ? AND object = ?
            ORDER BY version DESC
            """)
        defer { statement.reset() }
        statement.bind(kind)
        statement.bind(id)
        var found: [StoredVersion] = []
        while try statement.step() {
            found.append(
                StoredVersion(
                    id: statement.text(0) ?? "", version: statement.int(1), document: Self.document(statement.text(2)),
                    createdAt: statement.int64(3), createdBy: statement.text(4) ?? ""))
        }
        return found
    }

    // MARK: Credentials and keys

    package func put(_ credential: StoredCredential) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO credentials (kind, object, workspace, version, sealed) VALUES (?,?,?,?,?)
            ON CONFLICT (kind, object) DO UPDATE SET version = excluded.version, sealed = excluded.sealed
            """)
        statement.bind(credential.kind)
        statement.bind(credential.object)
        statement.bind(credential.workspace)
        statement.bind(credential.version)
        statement.bind(Bytes(credential.sealed))
        try statement.run()
    }

    package func credentials() throws(StoreError) -> [StoredCredential] {
        let statement = try database.statement("SELECT kind, object, workspace, version, sealed FROM credentials")
        defer { statement.reset() }
        var found: [StoredCredential] = []
        while try statement.step() {
            found.append(
                StoredCredential(
                    kind: statement.text(0) ?? "", object: statement.text(1) ?? "", workspace: statement.text(2) ?? "",
                    version: statement.int(3), sealed: statement.bytes(4)?.array ?? []))
        }
        return found
    }

    package func insert(_ key: StoredKey) throws(StoreError) {
        let statement = try database.statement(
            "INSERT INTO keys (lookup, key, workspace, code, expires_at) VALUES (?,?,?,?,?)")
        statement.bind(key.lookup)
        statement.bind(key.key)
        statement.bind(key.workspace)
        statement.bind(Bytes(key.code.bytes))
        statement.bind(key.expiresAt)
        try statement.run()
    }

    package func keys() throws(StoreError) -> [StoredKey] {
        let statement = try database.statement("SELECT lookup, key, workspace, code, expires_at FROM keys")
        defer { statement.reset() }
        var found: [StoredKey] = []
        while try statement.step() {
            let code = statement.bytes(3)?.array ?? []
            guard let digest = code.withUnsafeBytes({ Digest(bytes: $0) }) else { continue }
            found.append(
                StoredKey(
                    lookup: statement.text(0) ?? "", key: statement.text(1) ?? "", workspace: statement.text(2) ?? "",
                    code: digest, expiresAt: statement.isNull(4) ? nil : statement.int64(4)))
        }
        return found
    }

    /// What the key was until now opens nothing after `time`.
    package func expireKeys(of key: String, at time: Int64) throws(StoreError) {
        let statement = try database.statement(
            "UPDATE keys SET expires_at = min(coalesce(expires_at, ?), ?) WHERE key = ?")
        statement.bind(time)
        statement.bind(time)
        statement.bind(key)
        try statement.run()
    }

    package func deleteKeys(of key: String) throws(StoreError) { try run("DELETE FROM keys WHERE key = ?", key) }

    package func deleteExpiredKeys(now: Int64) throws(StoreError) {
        let statement = try database.statement("DELETE FROM keys WHERE expires_at < ?")
        statement.bind(now)
        try statement.run()
    }

    package func keyUses() throws(StoreError) -> [String: Int64] {
        let statement = try database.statement("SELECT key, last_used_at FROM key_uses")
        defer { statement.reset() }
        var found: [String: Int64] = [:]
        while try statement.step() { found[statement.text(0) ?? ""] = statement.int64(1) }
        return found
    }

    package func use(_ key: String, workspace: String, at time: Int64) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO key_uses (key, workspace, last_used_at) VALUES (?,?,?)
            ON CONFLICT (key) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)
            """)
        statement.bind(key)
        statement.bind(workspace)
        statement.bind(time)
        try statement.run()
    }

    // MARK: The data key

    package func wrappedKey() throws(StoreError) -> [UInt8]? {
        let statement = try database.statement("SELECT wrapped FROM vault WHERE id = 1")
        defer { statement.reset() }
        return try statement.step() ? statement.bytes(0)?.array : nil
    }

    package func putWrappedKey(_ wrapped: [UInt8], at time: Int64) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO vault (id, wrapped, changed_at) VALUES (1,?,?)
            ON CONFLICT (id) DO UPDATE SET wrapped = excluded.wrapped, changed_at = excluded.changed_at
            """)
        statement.bind(Bytes(wrapped))
        statement.bind(time)
        try statement.run()
    }

    // MARK: Counters

    package func add(_ count: StoredCount) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO counters (counter, window, workspace, amount) VALUES (?,?,?,?)
            ON CONFLICT (counter, window) DO UPDATE SET amount = amount + excluded.amount
            """)
        statement.bind(count.counter)
        statement.bind(count.window)
        statement.bind(count.workspace)
        statement.bind(count.amount)
        try statement.run()
    }

    package func counts() throws(StoreError) -> [StoredCount] {
        let statement = try database.statement("SELECT counter, window, workspace, amount FROM counters")
        defer { statement.reset() }
        var found: [StoredCount] = []
        while try statement.step() {
            found.append(
                StoredCount(
                    counter: statement.text(0) ?? "", window: statement.int64(1), workspace: statement.text(2) ?? "",
                    amount: statement.int64(3)))
        }
        return found
    }

    /// Removes counters that nobody asks for any more: rates of a month ago, and budgets of deleted things. `isGone` says which.
    package func pruneCounts(now: Int64, _ isGone: (_ budget: String) -> Bool) throws(StoreError) {
        let rates = try database.statement("DELETE FROM counters WHERE counter LIKE 'rate:%' AND window < ?")
        rates.bind(now - 31 * 86_400 * 1_000_000_000)
        try rates.run()
        for counter in try database.texts("SELECT DISTINCT counter FROM counters WHERE counter NOT LIKE 'rate:%'")
        where isGone(counter) {
            try run("DELETE FROM counters WHERE counter = ?", counter)
        }
    }

    // MARK: What providers keep for a workspace

    package func own(_ object: String, at provider: String, workspace: String, time: Int64) throws(StoreError) {
        let statement = try database.statement(
            "INSERT OR IGNORE INTO owned (provider, object, workspace, created_at) VALUES (?,?,?,?)")
        statement.bind(provider)
        statement.bind(object)
        statement.bind(workspace)
        statement.bind(time)
        try statement.run()
    }

    package func owned() throws(StoreError) -> [(provider: String, object: String, workspace: String)] {
        let statement = try database.statement("SELECT provider, object, workspace FROM owned")
        defer { statement.reset() }
        var found: [(provider: String, object: String, workspace: String)] = []
        while try statement.step() {
            found.append((statement.text(0) ?? "", statement.text(1) ?? "", statement.text(2) ?? ""))
        }
        return found
    }
}

// MARK: Feedback

extension ControlStore {
    package func insertFeedback(
        id: String, workspace: String, trace: String, value: Int, weight: Double, metadata: String, at time: Int64,
        by actor: String
    ) throws(StoreError) {
        try FeedbackTable.insert(
            database, id: id, workspace: workspace, trace: trace, value: value, weight: weight, metadata: metadata,
            at: time, by: actor)
    }

    /// What is nil stays as it is. False: there is no such feedback in that workspace.
    package func updateFeedback(
        id: String, workspace: String, value: Int?, weight: Double?, metadata: String?, at time: Int64
    ) throws(StoreError) -> Bool {
        try FeedbackTable.update(
            database, id: id, workspace: workspace, value: value, weight: weight, metadata: metadata, at: time)
    }
}
