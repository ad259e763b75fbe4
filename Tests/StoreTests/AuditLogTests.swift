import Core
import Digests
import Testing

@testable import Store

@Suite struct AuditLogTests {
    private let place = Workplace()

    private func log(_ rows: Int, key: [UInt8] = [1]) throws -> ControlStore {
        let store = try ControlStore(place.path)
        store.auditKey = HMACKey(key)
        for number in 0..<rows {
            try store.record(
                AuditEntry(
                    at: Int64(number), workspace: "w", actor: "a\(number)", actorName: "name", action: "configs.update",
                    object: "config/\(number)", detail: JSONObject([("version", JSONValue(number))])))
        }
        return store
    }

    @Test func aSoundLogHasNoFault() throws {
        #expect(try log(0).verifyAudit() == (0, nil))
        let store = try log(5)
        #expect(try store.verifyAudit() == (5, nil))
        #expect(try store.auditRows(in: nil, limit: 2).map(\.sequence) == [5, 4])
        #expect(try store.auditRows(in: nil, before: 4, limit: 9).map(\.sequence) == [3, 2, 1])
        #expect(try store.auditRows(in: "other", limit: 9).isEmpty)
    }

    @Test(arguments: [
        "UPDATE audit SET at = 99 WHERE sequence = 3", "UPDATE audit SET workspace = 'x' WHERE sequence = 3",
        "UPDATE audit SET actor = 'x' WHERE sequence = 3", "UPDATE audit SET actor_name = 'x' WHERE sequence = 3",
        "UPDATE audit SET action = 'x' WHERE sequence = 3", "UPDATE audit SET object = 'x' WHERE sequence = 3",
        "UPDATE audit SET detail = '{}' WHERE sequence = 3", "UPDATE audit SET seal = zeroblob(32) WHERE sequence = 5",
        "DELETE FROM audit WHERE sequence = 1", "DELETE FROM audit WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 5", "DELETE FROM audit",
        "DELETE FROM audit_head", "UPDATE audit_head SET seal = zeroblob(32)", "UPDATE audit_head SET sequence = 4",
        """
        UPDATE audit SET sequence = 9 WHERE sequence = 2; UPDATE audit SET sequence = 2 WHERE sequence = 3;
        UPDATE audit SET sequence = 3 WHERE sequence = 9
        """,
        """
        INSERT INTO audit SELECT 6, at, workspace, actor, actor_name, action, object, detail, seal FROM audit
        WHERE sequence = 5
        """,
    ])
    func findsWhatWasDoneToIt(_ sql: String) throws {
        let store = try log(5)
        try store.database.run(sql)
        #expect(try store.verifyAudit().fault != nil)
    }

    @Test func anotherKeyFindsItUnsound() throws {
        _ = try log(2)
        let store = try log(0, key: [2])
        #expect(try store.verifyAudit().fault != nil)
    }

    @Test func aHeadFromElsewhereIsFound() throws {
        let store = try log(2)
        let head = try store.auditHead()
        #expect(AuditHead(head.description) == head)
        _ = try log(2)
        #expect(try store.verifyAudit(anchor: head) == (4, nil))
        // The whole log as it was before: the chain holds, and only the newer head tells.
        let newer = try store.auditHead()
        let older = Workplace()
        let copy = try ControlStore(older.path)
        copy.auditKey = HMACKey([1])
        #expect(try copy.verifyAudit().fault == nil)
        #expect(try copy.verifyAudit(anchor: newer).fault?.contains("does not have the head") == true)
    }

    @Test(arguments: ["", "5", "5:zz", "x:" + String(repeating: "0", count: 64)])
    func headsThatAreNone(_ text: String) { #expect(AuditHead(text) == nil) }
}
