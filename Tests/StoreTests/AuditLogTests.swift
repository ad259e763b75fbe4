// The audit log: whatever is done to a row of it, or to its end, is found.

import Core
import Digests
import Testing

@testable import Store

private func entry(_ number: Int, in workspace: String = "w1") -> AuditEntry {
    AuditEntry(
        at: Int64(number) * 1_000, workspace: workspace, actor: "key:\(number)", actorName: "Ann \(number)",
        action: "configs.update", object: "config/c\(number)",
        detail: JSONObject([("changed", .array(["name"])), ("number", JSONValue(number))]))
}

@Suite struct AuditLogTests {
    private static let rows = 6

    private let place = Workplace()
    private let store: ControlStore

    init() throws {
        store = try ControlStore(place.path)
        store.auditKey = HMACKey(Array("a key".utf8))
        for number in 1...Self.rows { try record(entry(number)) }
    }

    private func record(_ entry: AuditEntry) throws {
        try store.transaction { () throws(StoreError) in try store.record(entry) }
    }

    private func fault(anchor: AuditHead? = nil) throws -> String? { try store.verifyAudit(anchor: anchor).fault }

    private static func isChanged(_ row: Int) -> String {
        "row \(row) is not as it was written, or what was before it was changed, removed or reordered"
    }

    // MARK: A sound log

    @Test func nothingIsFoundInASoundLog() throws {
        #expect(try store.verifyAudit() == (Self.rows, nil))
        let reopened = try ControlStore(place.path)
        reopened.auditKey = HMACKey(Array("a key".utf8))
        #expect(try reopened.verifyAudit() == (Self.rows, nil))
        #expect(try reopened.auditHead() == store.auditHead())
        #expect(try store.auditHead().sequence == Int64(Self.rows))
    }

    @Test func nothingIsFoundInAnEmptyLog() throws {
        let other = Workplace()
        let empty = try ControlStore(other.path)
        empty.auditKey = HMACKey([1])
        #expect(try empty.verifyAudit() == (0, nil))
        let head = try empty.auditHead()
        #expect(head.sequence == 0)
        #expect(try empty.verifyAudit(anchor: head) == (0, nil))
    }

    @Test func twoWritersMakeOneChain() throws {
        let other = try ControlStore(place.path)
        other.auditKey = store.auditKey
        for number in 7...20 {
            let writer = number % 2 == 0 ? store : other
            try writer.transaction { () throws(StoreError) in try writer.record(entry(number)) }
        }
        #expect(try store.verifyAudit() == (20, nil))
        #expect(try other.verifyAudit() == (20, nil))
    }

    @Test func textsOfAnyKindAreSealed() throws {
        let odd = AuditEntry(
            at: .min, workspace: "", actor: "", actorName: "Zoë \u{0} \u{FFFD} 3:abc", action: "", object: "'\"\n",
            detail: JSONObject([("a\u{1F600}", .number("1.50e+3")), ("", .object(JSONObject()))]))
        try record(odd)
        #expect(try store.verifyAudit() == (7, nil))
        let row = try #require(try store.auditRows(in: nil, limit: 1).first)
        #expect(row.sequence == 7)
        #expect(row.entry.at == .min && row.entry.actorName == odd.actorName && row.entry.object == odd.object)
        #expect(row.entry.detail == odd.detail)
    }

    @Test func rowsAreReadTheNewestFirst() throws {
        try record(entry(7, in: "w2"))
        #expect(try store.auditRows(in: nil, limit: 3).map(\.sequence) == [7, 6, 5])
        #expect(try store.auditRows(in: nil, before: 5, limit: 2).map(\.sequence) == [4, 3])
        #expect(try store.auditRows(in: nil, before: 1, limit: 2).isEmpty)
        #expect(try store.auditRows(in: "w2", limit: 100).map(\.entry.actor) == ["key:7"])
        #expect(try store.auditRows(in: "w1", before: 7, limit: 100).map(\.sequence) == [6, 5, 4, 3, 2, 1])
        #expect(try store.auditRows(in: "w3", limit: 100).isEmpty)
        let found = try #require(try store.auditRows(in: nil, before: 4, limit: 1).first?.entry)
        let expected = entry(3)
        #expect(found.at == expected.at && found.workspace == expected.workspace && found.action == expected.action)
        #expect(found.actorName == expected.actorName && found.object == expected.object)
        #expect(found.detail == expected.detail)
    }

    @Test func withoutAKeyNothingIsDone() {
        store.auditKey = nil
        let expected = StoreError(.other, "the audit log has no key")
        #expect(failure { () throws(StoreError) in try store.record(entry(7)) } == expected)
        #expect(failure { () throws(StoreError) in _ = try store.verifyAudit() } == expected)
        #expect(failure { () throws(StoreError) in _ = try store.auditHead() } == expected)
    }

    // MARK: A row

    @Test(
        arguments: [
            "at = at + 1", "workspace = 'w2'", "workspace = ''", "actor = 'key:9'", "actor_name = 'Bob'",
            "action = 'configs.read'", "object = 'config/c9'", "object = object || ' '",
            #"detail = '{"changed":["slug"],"number":3}'"#, "detail = detail || ' '", "detail = ''",
            "seal = zeroblob(32)", "seal = randomblob(32)", "seal = (SELECT seal FROM audit WHERE sequence = 2)",
            // The same letters, cut elsewhere.
            "actor = actor || substr(actor_name, 1, 1), actor_name = substr(actor_name, 2)",
            "action = action || object, object = ''", "workspace = '', actor = workspace || actor",
        ], [1, 3, rows])
    func aChangedColumnIsFound(_ change: String, _ row: Int) throws {
        try store.database.run("UPDATE audit SET \(change) WHERE sequence = \(row)")
        #expect(try fault() == Self.isChanged(row))
        #expect(try store.verifyAudit().rows == row - 1)
    }

    @Test func aRowOfAnotherNumberIsFound() throws {
        try store.database.run("UPDATE audit SET sequence = 99 WHERE sequence = 6")
        #expect(try fault() == "row 6 is missing: after 5 comes 99")
        try store.database.run("UPDATE audit SET sequence = -1 WHERE sequence = 1")
        #expect(try fault() == "row 1 is missing: after 0 comes -1")
    }

    @Test(arguments: 1..<rows) func aRemovedRowIsFound(_ row: Int) throws {
        try store.database.run("DELETE FROM audit WHERE sequence = \(row)")
        #expect(try fault() == "row \(row) is missing: after \(row - 1) comes \(row + 1)")
        // And so it is when the others move up.
        try store.database.run(
            """
            UPDATE audit SET sequence = -sequence WHERE sequence > \(row);
            UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0;
            """)
        #expect(try fault() == Self.isChanged(row))
    }

    @Test(arguments: 1..<rows) func twoRowsThatChangedPlacesAreFound(_ row: Int) throws {
        try store.database.run(
            """
            UPDATE audit SET sequence = -1 WHERE sequence = \(row);
            UPDATE audit SET sequence = \(row) WHERE sequence = \(row + 1);
            UPDATE audit SET sequence = \(row + 1) WHERE sequence = -1;
            """)
        #expect(try fault() == Self.isChanged(row))
    }

    @Test(arguments: ["zeroblob(32)", "randomblob(32)", "(SELECT seal FROM audit WHERE sequence = 6)"])
    func aMadeUpRowIsFound(_ seal: String) throws {
        func makeUp(_ sequence: Int) throws {
            try store.database.run(
                """
                INSERT INTO audit (sequence, at, workspace, actor, actor_name, action, object, detail, seal)
                VALUES (\(sequence), 1, 'w1', 'key:1', 'Ann', 'configs.delete', 'config/c1', '{}', \(seal))
                """)
        }
        try makeUp(7)
        #expect(try fault() == Self.isChanged(7))
        try store.database.run("UPDATE audit_head SET sequence = 7, seal = randomblob(32)")
        #expect(try fault() == Self.isChanged(7))
        try store.database.run("DELETE FROM audit WHERE sequence = 7")
        try makeUp(0)
        #expect(try fault() == "row 1 is missing: after 0 comes 0")
    }

    @Test func aRowOnceMoreIsFound() throws {
        try store.database.run(
            """
            INSERT INTO audit SELECT 7, at, workspace, actor, actor_name, action, object, detail, seal FROM audit
            WHERE sequence = 6
            """)
        #expect(try fault() == Self.isChanged(7))
    }

    // MARK: The end

    @Test(arguments: 1...rows) func aCutOffEndIsFound(_ count: Int) throws {
        let rest = Self.rows - count
        try store.database.run("DELETE FROM audit WHERE sequence > \(rest)")
        #expect(try fault() == "the log ends with row \(rest); its head says 6")
        try store.database.run("UPDATE audit_head SET sequence = \(rest)")
        #expect(try fault() == "the log ends with row \(rest); its head says \(rest)")
    }

    @Test(arguments: 1..<rows) func aCutOffEndWithoutItsHeadIsFound(_ count: Int) throws {
        try store.database.run("DELETE FROM audit WHERE sequence > \(Self.rows - count); DELETE FROM audit_head")
        #expect(try fault() == "the log's head is missing")
    }

    @Test func aMissingHeadIsFound() throws {
        try store.database.run("DELETE FROM audit_head")
        #expect(try fault() == "the log's head is missing")
    }

    @Test(arguments: [
        "seal = randomblob(32)", "seal = (SELECT seal FROM audit WHERE sequence = 6)", "sequence = 7", "sequence = 5",
    ])
    func aReplacedHeadIsFound(_ change: String) throws {
        try store.database.run("UPDATE audit_head SET \(change)")
        #expect(try fault()?.hasPrefix("the log ends with row 6; its head says ") == true)
    }

    @Test func theHeadOfAnotherTimeIsFound() throws {
        try store.database.run("CREATE TEMP TABLE old AS SELECT * FROM audit_head")
        try record(entry(7))
        try store.database.run("UPDATE audit_head SET (sequence, seal) = (SELECT sequence, seal FROM old)")
        #expect(try fault() == "the log ends with row 7; its head says 6")
    }

    // MARK: Anchors

    @Test func anAnchorFromBeforeIsFound() throws {
        let anchor = try store.auditHead()
        #expect(try fault(anchor: anchor) == nil)
        for number in 7...9 { try record(entry(number)) }
        #expect(try fault(anchor: anchor) == nil)
        #expect(try fault(anchor: store.auditHead()) == nil)
        // As it was written down.
        let written = AuditHead(anchor.description)
        #expect(written == anchor)
        #expect(try fault(anchor: written) == nil)
    }

    @Test func anAnchorThatIsNotInTheLogIsReported() throws {
        let head = try store.auditHead()
        let early = AuditHead(sequence: 2, seal: head.seal)
        let late = AuditHead(sequence: 7, seal: head.seal)
        let other = AuditHead(sequence: 6, seal: SHA256.hash("x"))
        for anchor in [early, late, other] {
            #expect(
                try fault(anchor: anchor)
                    == "the log does not have the head \(anchor): its rows are not those of that time")
        }
    }

    /// What nobody sees who has the file only: older rows with the head that belonged to them.
    @Test func anOlderLogIsSoundButForItsAnchor() throws {
        try store.database.run("CREATE TEMP TABLE old AS SELECT * FROM audit_head")
        for number in 7...9 { try record(entry(number)) }
        let anchor = try store.auditHead()
        try store.database.run(
            """
            DELETE FROM audit WHERE sequence > 6;
            UPDATE audit_head SET (sequence, seal) = (SELECT sequence, seal FROM old);
            """)
        #expect(try store.verifyAudit() == (6, nil))
        #expect(
            try fault(anchor: anchor)
                == "the log does not have the head \(anchor): its rows are not those of that time")
        // Nor does going on from there bring it back.
        for number in 7...9 { try record(entry(number + 1)) }
        #expect(try store.verifyAudit() == (9, nil))
        #expect(try fault(anchor: anchor) != nil)
    }

    @Test func anEmptiedLogIsSoundButForItsAnchor() throws {
        let anchor = try store.auditHead()
        try store.database.run("DELETE FROM audit; DELETE FROM audit_head")
        #expect(try store.verifyAudit() == (0, nil))
        #expect(try fault(anchor: anchor) != nil)
    }

    @Test(arguments: [
        "", ":", "6", "6:", ":ab", "6:ab", "x:\(String(repeating: "0", count: 64))",
        "6:\(String(repeating: "0", count: 63))", "6:\(String(repeating: "g", count: 64))",
        "9223372036854775808:\(String(repeating: "0", count: 64))", "6:\(String(repeating: "0", count: 64)) ",
        "6:6:\(String(repeating: "0", count: 64))",
    ])
    func whatIsNoHeadIsNil(_ text: String) { #expect(AuditHead(text) == nil) }

    @Test func aHeadIsWrittenAndRead() throws {
        let text = "17:\(SHA256.hash("x").hex)"
        #expect(AuditHead(text)?.description == text)
        #expect(AuditHead(text) == AuditHead(sequence: 17, seal: SHA256.hash("x")))
    }

    // MARK: Keys

    @Test func anotherKeyFindsAFault() throws {
        store.auditKey = HMACKey(Array("another key".utf8))
        #expect(try fault() == Self.isChanged(1))
        #expect(try store.verifyAudit().rows == 0)
    }

    /// Who has the file and another key cannot go on with the log.
    @Test func aRowUnderAnotherKeyIsFound() throws {
        let other = try ControlStore(place.path)
        other.auditKey = HMACKey(Array("another key".utf8))
        try other.transaction { () throws(StoreError) in try other.record(entry(7)) }
        #expect(try fault() == Self.isChanged(7))
    }
}
