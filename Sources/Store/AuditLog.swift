// AuditLog: what administrators did. Each row's seal is an HMAC over the seal before it and the row's own content, so that a row that
// was changed, removed, put elsewhere or made up breaks the chain for whoever has the key. The head, kept apart, tells that the last
// rows were not cut off; who can write the file could put an older head back with the rows it belongs to, which a copy of the head that
// is kept elsewhere finds out.

package import Core
package import Digests

package struct AuditEntry: Sendable {
    /// Nanoseconds since 1970.
    package var at: Int64
    package var workspace: String
    package var actor: String
    package var actorName: String
    /// "configs.update".
    package var action: String
    /// "config/pc-main".
    package var object: String
    /// What changed; no secret.
    package var detail: JSONObject

    package init(
        at: Int64, workspace: String, actor: String, actorName: String, action: String, object: String,
        detail: JSONObject
    ) {
        self.at = at
        self.workspace = workspace
        self.actor = actor
        self.actorName = actorName
        self.action = action
        self.object = object
        self.detail = detail
    }
}

/// Where the log stands: as many rows, and the last one's seal.
package struct AuditHead: Sendable, Equatable, CustomStringConvertible {
    package var sequence: Int64
    package var seal: Digest

    /// "17:9f3c…", 64 digits behind the colon.
    package init?(_ text: String) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let sequence = Int64(parts[0]), let seal = Digest(hex: parts[1]) else { return nil }
        self.sequence = sequence
        self.seal = seal
    }

    init(sequence: Int64, seal: Digest) {
        self.sequence = sequence
        self.seal = seal
    }

    package var description: String { "\(sequence):\(seal.hex)" }
}

extension ControlStore {
    /// Part of the transaction that makes the change.
    package func record(_ entry: AuditEntry) throws(StoreError) {
        guard let key = auditKey else { throw StoreError(.other, "the audit log has no key") }
        let last = try lastAuditRow(key)
        let head = AuditHead(
            sequence: last.sequence + 1,
            seal: Self.seal(entry, JSONValue.object(entry.detail).text, after: last, key))
        let statement = try database.statement(
            """
            INSERT INTO audit (sequence, at, workspace, actor, actor_name, action, object, detail, seal)
            VALUES (?,?,?,?,?,?,?,?,?)
            """)
        statement.bind(head.sequence)
        statement.bind(entry.at)
        statement.bind(entry.workspace)
        statement.bind(entry.actor)
        statement.bind(entry.actorName)
        statement.bind(entry.action)
        statement.bind(entry.object)
        statement.bind(JSONValue.object(entry.detail).text)
        statement.bind(Bytes(head.seal.bytes))
        try statement.run()
        let update = try database.statement(
            """
            INSERT INTO audit_head (id, sequence, seal) VALUES (1,?,?)
            ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, seal = excluded.seal
            """)
        update.bind(head.sequence)
        update.bind(Bytes(Self.headSeal(head, key).bytes))
        try update.run()
    }

    /// Of an empty log there is a head, too.
    private static func origin(_ key: HMACKey) -> AuditHead {
        AuditHead(sequence: 0, seal: key.authenticate("gatehouse audit log"))
    }

    private func lastAuditRow(_ key: HMACKey) throws(StoreError) -> AuditHead {
        let statement = try database.statement("SELECT sequence, seal FROM audit ORDER BY sequence DESC LIMIT 1")
        defer { statement.reset() }
        guard try statement.step(), let seal = Self.digest(statement.bytes(1)) else { return Self.origin(key) }
        return AuditHead(sequence: statement.int64(0), seal: seal)
    }

    private static func digest(_ bytes: Bytes?) -> Digest? {
        bytes.flatMap { bytes in withExtendedLifetime(bytes) { Digest(bytes: bytes.buffer) } }
    }

    private static func seal(_ entry: AuditEntry, _ detail: String, after last: AuditHead, _ key: HMACKey) -> Digest {
        // Each part with its length, so that no two rows give the same text.
        var text = "\(last.seal.hex) \(last.sequence + 1) \(entry.at)"
        for part in [entry.workspace, entry.actor, entry.actorName, entry.action, entry.object, detail] {
            text += " \(part.utf8.count):\(part)"
        }
        return key.authenticate(text)
    }

    private static func headSeal(_ head: AuditHead, _ key: HMACKey) -> Digest {
        key.authenticate("head \(head.sequence) \(head.seal.hex)")
    }

    /// The newest first, from before `sequence` on.
    package func auditRows(in workspace: String?, before sequence: Int64 = .max, limit: Int) throws(StoreError) -> [(
        sequence: Int64, entry: AuditEntry
    )] {
        let scope = workspace == nil ? "" : "AND workspace = ?"
        let statement = try database.statement(
            """
            SELECT sequence, at, workspace, actor, actor_name, action, object, detail FROM audit
            WHERE sequence < ? \(scope) ORDER BY sequence DESC LIMIT ?
            """)
        defer { statement.reset() }
        statement.bind(sequence)
        if let workspace { statement.bind(workspace) }
        statement.bind(limit)
        var found: [(sequence: Int64, entry: AuditEntry)] = []
        while try statement.step() { found.append((statement.int64(0), Self.entry(statement, from: 1))) }
        return found
    }

    private static func entry(_ statement: Statement, from column: Int32) -> AuditEntry {
        AuditEntry(
            at: statement.int64(column), workspace: statement.text(column + 1) ?? "",
            actor: statement.text(column + 2) ?? "", actorName: statement.text(column + 3) ?? "",
            action: statement.text(column + 4) ?? "", object: statement.text(column + 5) ?? "",
            detail: (try? JSONValue(parsing: statement.text(column + 6) ?? ""))?.object ?? JSONObject())
    }

    package func auditHead() throws(StoreError) -> AuditHead {
        guard let key = auditKey else { throw StoreError(.other, "the audit log has no key") }
        return try lastAuditRow(key)
    }

    /// What is wrong with the log; nil for a sound one. `anchor` is a head that was written down earlier.
    package func verifyAudit(anchor: AuditHead? = nil) throws(StoreError) -> (rows: Int, fault: String?) {
        guard let key = auditKey else { throw StoreError(.other, "the audit log has no key") }
        var last = Self.origin(key)
        var isAnchored = anchor == nil || anchor == last
        let statement = try database.statement(
            "SELECT sequence, at, workspace, actor, actor_name, action, object, detail, seal FROM audit ORDER BY sequence"
        )
        defer { statement.reset() }
        while try statement.step() {
            let sequence = statement.int64(0)
            guard sequence == last.sequence + 1 else {
                return (
                    Int(last.sequence), "row \(last.sequence + 1) is missing: after \(last.sequence) comes \(sequence)"
                )
            }
            let detail = statement.text(7) ?? ""
            let expected = Self.seal(Self.entry(statement, from: 1), detail, after: last, key)
            guard let seal = Self.digest(statement.bytes(8)), seal.matches(expected) else {
                return (
                    Int(last.sequence),
                    "row \(sequence) is not as it was written, or what was before it was changed, removed or reordered"
                )
            }
            last = AuditHead(sequence: sequence, seal: seal)
            if anchor == last { isAnchored = true }
        }
        let head = try database.statement("SELECT sequence, seal FROM audit_head WHERE id = 1")
        defer { head.reset() }
        if try head.step() {
            guard head.int64(0) == last.sequence, let seal = Self.digest(head.bytes(1)),
                seal.matches(Self.headSeal(last, key))
            else {
                return (
                    Int(last.sequence), "the log ends with row \(last.sequence); its head says \(head.int64(0))"
                )
            }
        } else if last.sequence > 0 {
            return (Int(last.sequence), "the log's head is missing")
        }
        if !isAnchored, let anchor {
            return (Int(last.sequence), "the log does not have the head \(anchor): its rows are not those of that time")
        }
        return (Int(last.sequence), nil)
    }
}
