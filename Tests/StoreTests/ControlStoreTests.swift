import Core
import Digests
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ControlStoreTests {
    private let place = Workplace()

    private func opened() throws -> ControlStore {
        let store = try ControlStore(place.path)
        store.auditKey = HMACKey([1, 2, 3])
        return store
    }

    private func object(_ slug: String, in workspace: String = "w", kind: String = "config") -> StoredObject {
        StoredObject(
            kind: kind, id: "\(kind)-\(workspace)-\(slug)", workspace: workspace, slug: slug,
            document: JSONObject([("name", .string(slug))]), at: 1, by: "tester")
    }

    @Test func keepsObjects() throws {
        let store = try opened()
        var made = object("a")
        try store.insert(made)
        try store.insert(object("a", in: "other"))
        try store.insert(object("a", kind: "guardrail"))
        #expect(try store.object("config", slug: "a", in: "w") == made)
        #expect(try store.object("config", id: made.id) == made)
        #expect(try store.objects("config").count == 2 && store.objects("config", in: "w") == [made])
        made.document["name"] = "b"
        made.version = 2
        made.updatedAt = 5
        try store.update(made)
        #expect(try store.object("config", id: made.id) == made)
        let error = #expect(throws: StoreError.self) { try store.insert(object("a")) }
        #expect(error?.kind == .row)
        try store.delete("config", id: made.id)
        #expect(try store.object("config", id: made.id) == nil)
        #expect(try store.objects("config").count == 1)
    }

    @Test func versionsAndCredentialsGoWithTheirObject() throws {
        let store = try opened()
        let made = object("a", kind: "virtual-key")
        try store.insert(made)
        for number in 1...2 {
            try store.insert(
                StoredVersion(
                    id: "v\(number)", version: number, document: JSONObject(), createdAt: 1, createdBy: "t"), of: made)
        }
        let credential = StoredCredential(kind: made.kind, object: made.id, workspace: "w", version: 1, sealed: [1])
        try store.put(credential)
        try store.put(StoredCredential(kind: made.kind, object: made.id, workspace: "w", version: 2, sealed: [2]))
        #expect(try store.versions(of: made.kind, made.id).map(\.version) == [2, 1])
        #expect(try store.credentials().map(\.sealed) == [[2]])
        try store.delete(made.kind, id: made.id)
        #expect(try store.versions(of: made.kind, made.id).isEmpty && store.credentials().isEmpty)
        // Without its object there is no place for one.
        #expect(throws: StoreError.self) { try store.put(credential) }
    }

    @Test func keysExpire() throws {
        let store = try opened()
        try store.insert(StoredKey(lookup: "l", key: "k", workspace: "w", code: SHA256.hash("k")))
        try store.expireKeys(of: "k", at: 50)
        // Never later than was said before.
        try store.expireKeys(of: "k", at: 90)
        #expect(try store.keys().map(\.expiresAt) == [50])
        try store.insert(StoredKey(lookup: "m", key: "k", workspace: "w", code: SHA256.hash("m")))
        try store.deleteExpiredKeys(now: 60)
        #expect(try store.keys().map(\.lookup) == ["m"])
        try store.deleteKeys(of: "k")
        #expect(try store.keys().isEmpty)
    }

    @Test func countersAreAddedTo() throws {
        let (one, two) = (try opened(), try opened())
        for store in [one, two, one] {
            try store.add(StoredCount(counter: "c", window: 7, workspace: "", amount: 5))
        }
        try one.add(StoredCount(counter: "c", window: 8, workspace: "", amount: -2))
        #expect(try two.counts().map(\.amount).sorted() == [-2, 15])
    }

    @Test func keepsTheLastUse() throws {
        let store = try opened()
        for time in [5, 9, 7] as [Int64] { try store.use("k", workspace: "w", at: time) }
        #expect(try store.keyUses() == ["k": 9])
    }

    @Test func aTransactionIsAllOrNothing() throws {
        let store = try opened()
        #expect(throws: StoreError.self) {
            try store.transaction { () throws(StoreError) in
                try store.insert(object("a"))
                throw StoreError(.other, "no")
            }
        }
        #expect(try store.objects("config").isEmpty)
    }

    @Test func noticesOtherWriters() throws {
        let (one, two) = (try opened(), try opened())
        let before = try one.changeCount()
        // What is no change of what is managed does not count.
        try two.add(StoredCount(counter: "c", window: 1, workspace: "", amount: 1))
        #expect(try one.changeCount() == before)
        try two.record(
            AuditEntry(
                at: 1, workspace: "w", actor: "a", actorName: "a", action: "configs.create", object: "config/x",
                detail: JSONObject()))
        #expect(try one.changeCount() != before)
    }

    @Test func anOlderFileIsBroughtUpToDate() throws {
        // As version 4 made them, with a row.
        let made = place.directory + "/copy.db"
        close(open(made, O_CREAT | O_WRONLY, 0o600))
        do {
            let database = try Database(made, .readWrite)
            try Schema.migrate(database, to: 4)
            try database.run(
                """
                INSERT INTO requests (id, started_at, workspace, trace, endpoint, method, path, stream, status, aborted,
                    duration, upstream_duration, client_wait, bytes_in, bytes_out)
                VALUES (zeroblob(16), 1, 'w', 't', 'e', 'POST', '/', 0, 200, 0, 1, 1, 1, 1, 1)
                """)
            try database.run(
                "INSERT INTO metadata (key, value, workspace, request) VALUES ('_user', 'ann', 'w', zeroblob(16))")
        }
        let store = try ControlStore(made)
        #expect(try store.objects("config").isEmpty)
        let row = try #require(try LogReader(made).list(LogQuery(), limit: 9).first?.row)
        #expect(row.trace == "t" && row.metadata.first?.value == "ann")
    }
}
