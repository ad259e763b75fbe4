// What the control plane keeps: objects and what belongs to them, keys, counters; all of a change or nothing of it.

import Core
import Digests
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

/// An object that differs from others by what a test is about.
private func object(
    _ id: String, kind: String = "config", slug: String? = nil, in workspace: String = "w1", at time: Int64 = 1
) -> StoredObject {
    StoredObject(
        kind: kind, id: id, workspace: workspace, slug: slug ?? "slug-\(id)", document: JSONObject([("name", "N")]),
        at: time, by: "key:1")
}

private func version(_ id: String, _ number: Int) -> StoredVersion {
    StoredVersion(
        id: id, version: number, document: JSONObject([("number", JSONValue(number))]), createdAt: Int64(number),
        createdBy: "key:1")
}

private func key(_ lookup: String, of key: String = "k1", expiresAt: Int64? = nil) -> StoredKey {
    StoredKey(lookup: lookup, key: key, workspace: "w1", code: SHA256.hash(lookup), expiresAt: expiresAt)
}

private func count(_ amount: Int64, _ counter: String = "c", window: Int64 = 0) -> StoredCount {
    StoredCount(counter: counter, window: window, workspace: "w1", amount: amount)
}

@Suite struct ControlStoreTests {
    private let place = Workplace()
    private let store: ControlStore

    init() throws { store = try ControlStore(place.path) }

    private func isRefused(_ body: () throws(StoreError) -> Void) -> Bool { failure(body)?.kind == .row }

    // MARK: Objects

    @Test func anObjectIsFoundAsItWasInserted() throws {
        var config = object("c1", slug: "main", at: 1_771_804_800_000_000_000)
        config.status = "archived"
        config.version = 7
        config.updatedAt += 5
        config.updatedBy = "key:2"
        config.document = try #require(
            try JSONValue(parsing: #"{"z": 1.50, "a": [1e3, null, {"ü": "\u0000\n\""}], "m": {}}"#).object)
        try store.insert(config)
        #expect(try store.object("config", id: "c1") == config)
        #expect(try store.object("config", slug: "main", in: "w1") == config)
        #expect(try store.objects("config") == [config])
        #expect(try ControlStore(place.path).object("config", id: "c1") == config)
    }

    @Test func isFoundUnderItsOwnNamesOnly() throws {
        try store.insert(object("c1", slug: "main"))
        #expect(try store.object("config", id: "c2") == nil)
        #expect(try store.object("guardrail", id: "c1") == nil)
        #expect(try store.object("config", slug: "main", in: "w2") == nil)
        #expect(try store.object("config", slug: "Main", in: "w1") == nil)
        #expect(try store.object("config", slug: "' OR 1=1 --", in: "w1") == nil)
        #expect(try store.objects("guardrail").isEmpty)
    }

    @Test func areListedTheOldestFirst() throws {
        for (id, workspace, time) in [("b", "w1", 2), ("c", "w2", 1), ("a", "w1", 2), ("d", "w1", 0), ("e", "", 9)] {
            try store.insert(object(id, in: workspace, at: Int64(time)))
        }
        try store.insert(object("x", kind: "guardrail", at: 0))
        #expect(try store.objects("config").map(\.id) == ["d", "c", "a", "b", "e"])
        #expect(try store.objects("config", in: "w1").map(\.id) == ["d", "a", "b"])
        #expect(try store.objects("config", in: "").map(\.id) == ["e"])
        #expect(try store.objects("config", in: "w3").isEmpty)
    }

    @Test func anUpdateLeavesWhereItIsAndWhoMadeIt() throws {
        let first = object("c1", slug: "main")
        try store.insert(first)
        try store.insert(object("c2"))
        var changed = first
        changed.status = "disabled"
        changed.version = 2
        changed.document = JSONObject([("name", "M")])
        changed.updatedAt = 50
        changed.updatedBy = "key:9"
        var written = changed
        written.slug = "other"
        written.workspace = "w2"
        written.createdAt = 40
        written.createdBy = "nobody"
        try store.update(written)
        #expect(try store.object("config", id: "c1") == changed)
        #expect(try store.object("config", id: "c2") == object("c2"))
        try store.update(object("c3"))
        #expect(try store.objects("config").count == 2)
    }

    @Test func aSlugIsUniqueInItsKindAndWorkspace() throws {
        try store.insert(object("c1", slug: "main"))
        #expect(isRefused { () throws(StoreError) in try store.insert(object("c2", slug: "main")) })
        #expect(isRefused { () throws(StoreError) in try store.insert(object("c1", slug: "other")) })
        try store.insert(object("c2", slug: "main", in: "w2"))
        try store.insert(object("c3", slug: "main", in: ""))
        try store.insert(object("c1", kind: "guardrail", slug: "main"))
        #expect(try store.objects("config").map(\.id) == ["c1", "c2", "c3"])
        // It is free again when its object has gone.
        try store.delete("config", id: "c1")
        try store.insert(object("c4", slug: "main"))
    }

    @Test func whatBelongsToAnObjectGoesWithIt() throws {
        let (first, second) = (object("c1"), object("c2"))
        for one in [first, second] {
            try store.insert(one)
            for number in 1...3 { try store.insert(version("\(one.id)-\(number)", number), of: one) }
            try store.put(
                StoredCredential(kind: "config", object: one.id, workspace: "w1", version: 1, sealed: [1, 2]))
        }
        try store.delete("config", id: "c1")
        try store.delete("guardrail", id: "c2")
        #expect(try store.objects("config") == [second])
        #expect(try store.versions(of: "config", "c1").isEmpty)
        #expect(try store.versions(of: "config", "c2").count == 3)
        #expect(try store.credentials().map(\.object) == ["c2"])
    }

    // MARK: Versions and credentials

    @Test func versionsAreListedTheNewestFirst() throws {
        let config = object("c1")
        try store.insert(config)
        for number in [2, 1, 10] { try store.insert(version("v\(number)", number), of: config) }
        #expect(
            try store.versions(of: "config", "c1") == [version("v10", 10), version("v2", 2), version("v1", 1)])
        #expect(isRefused { () throws(StoreError) in try store.insert(version("v11", 10), of: config) })
        #expect(isRefused { () throws(StoreError) in try store.insert(version("v1", 11), of: config) })
        #expect(isRefused { () throws(StoreError) in try store.insert(version("v12", 12), of: object("c9")) })
        #expect(try store.versions(of: "guardrail", "c1").isEmpty)
    }

    @Test func aCredentialIsReplaced() throws {
        try store.insert(object("c1"))
        func put(_ sealed: [UInt8], _ version: Int, of object: String = "c1") throws(StoreError) {
            try store.put(
                StoredCredential(kind: "config", object: object, workspace: "w1", version: version, sealed: sealed))
        }
        try put([0, 255, 10], 1)
        #expect(try store.credentials().map(\.sealed) == [[0, 255, 10]])
        try put([7], 2)
        let found = try store.credentials()
        #expect(found.map(\.sealed) == [[7]])
        #expect(found.map(\.version) == [2])
        #expect(found.map(\.kind) == ["config"] && found.map(\.workspace) == ["w1"])
        #expect(isRefused { () throws(StoreError) in try put([1], 1, of: "c9") })
    }

    @Test func theWrappedKeyIsReplaced() throws {
        #expect(try store.wrappedKey() == nil)
        try store.putWrappedKey([1, 0, 2], at: 1)
        #expect(try store.wrappedKey() == [1, 0, 2])
        try store.putWrappedKey([3], at: 2)
        #expect(try store.wrappedKey() == [3])
        #expect(try store.database.integer("SELECT count(*) FROM vault") == 1)
    }

    // MARK: Keys

    @Test func aKeyIsFoundAsItWasInserted() throws {
        try store.insert(key("l1"))
        try store.insert(key("l2", expiresAt: 0))
        let found = try store.keys().sorted { $0.lookup < $1.lookup }
        #expect(found.map(\.lookup) == ["l1", "l2"])
        #expect(found.map(\.key) == ["k1", "k1"])
        #expect(found.map(\.workspace) == ["w1", "w1"])
        #expect(found.map(\.code) == [SHA256.hash("l1"), SHA256.hash("l2")])
        #expect(found.map(\.expiresAt) == [nil, 0])
        #expect(isRefused { () throws(StoreError) in try store.insert(key("l1", of: "k2")) })
    }

    @Test func keysExpireAtTheEarliestTime() throws {
        for one in [
            key("never"), key("sooner", expiresAt: 50), key("later", expiresAt: 500), key("other", of: "k2"),
        ] { try store.insert(one) }
        try store.expireKeys(of: "k1", at: 100)
        func times() throws -> [String: Int64?] {
            Dictionary(uniqueKeysWithValues: try store.keys().map { ($0.lookup, $0.expiresAt) })
        }
        #expect(try times() == ["never": 100, "sooner": 50, "later": 100, "other": nil])
        try store.deleteExpiredKeys(now: 50)
        #expect(try times().keys.sorted() == ["later", "never", "other", "sooner"])
        try store.deleteExpiredKeys(now: 51)
        #expect(try times().keys.sorted() == ["later", "never", "other"])
        try store.deleteExpiredKeys(now: .max)
        #expect(try times().keys.sorted() == ["other"])
    }

    @Test func keysAreDeletedWithWhatTheyAreOf() throws {
        for one in [key("l1"), key("l2"), key("l3", of: "k2")] { try store.insert(one) }
        try store.deleteKeys(of: "k1")
        #expect(try store.keys().map(\.lookup) == ["l3"])
    }

    @Test func theLastUseOfAKeyIsTheLatest() throws {
        try store.use("k1", workspace: "w1", at: 10)
        try store.use("k1", workspace: "w1", at: 5)
        try store.use("k2", workspace: "w1", at: 1)
        try store.use("k2", workspace: "w1", at: 2)
        #expect(try store.keyUses() == ["k1": 10, "k2": 2])
    }

    // MARK: Counters

    @Test func countsAddUp() throws {
        let other = try ControlStore(place.path)
        for _ in 0..<10 {
            try store.add(count(1))
            try other.add(count(100))
        }
        try store.add(count(-5))
        try store.add(count(3, window: 1))
        try store.add(count(4, "d"))
        let expected = [count(1_005), count(3, window: 1), count(4, "d")]
        #expect(try store.counts() == expected)
        #expect(try other.counts() == expected)
        try store.add(count(7, "rate:old", window: 5))
        // Rates of a month ago, and budgets of what is gone.
        try store.pruneCounts(now: 90 * 86_400 * 1_000_000_000) { $0 == "c" }
        #expect(try other.counts() == [count(4, "d")])
    }

    /// Integers stay integers: SQLite would go on with a real number.
    @Test func aCountThatDoesNotFitIsRefused() throws {
        try store.add(count(.max))
        #expect(failure { () throws(StoreError) in try store.add(count(1)) } != nil)
        #expect(try store.counts() == [count(.max)])
    }

    @Test func whatProvidersKeepBelongsToTheFirst() throws {
        try store.own("file-1", at: "openai", workspace: "w1", time: 1)
        try store.own("file-1", at: "openai", workspace: "w2", time: 2)
        try store.own("file-1", at: "anthropic", workspace: "w2", time: 2)
        let owned = try store.owned()
        #expect(
            owned.map { "\($0.provider) \($0.object) \($0.workspace)" }.sorted() == [
                "anthropic file-1 w2", "openai file-1 w1",
            ])
    }

    // MARK: Transactions

    private func change() throws(StoreError) {
        let config = object("c2")
        try store.insert(config)
        try store.insert(version("v2", 1), of: config)
        try store.put(StoredCredential(kind: "config", object: "c2", workspace: "w1", version: 1, sealed: [1]))
        try store.insert(key("l2"))
        try store.use("k1", workspace: "w1", at: 9)
        try store.putWrappedKey([9], at: 9)
        try store.add(count(9))
        try store.own("file-9", at: "openai", workspace: "w1", time: 9)
        try store.delete("config", id: "c1")
        try store.record(
            AuditEntry(
                at: 1, workspace: "w1", actor: "a", actorName: "A", action: "configs.create", object: "config/c2",
                detail: JSONObject()))
    }

    /// Everything that is there, of every table of the control plane.
    private func contents() throws -> [String] {
        let other = try ControlStore(place.path)
        let tables = ["objects", "versions", "credentials", "keys", "key_uses", "vault", "counters", "owned", "audit"]
        return try tables.map { "\($0) \(try other.database.integer("SELECT count(*) FROM \($0)"))" }
            + [
                "\(try other.objects("config").map(\.id)) \(try other.counts().map(\.amount))",
                "\(try other.wrappedKey() ?? []) \(try other.keyUses())",
            ]
    }

    @Test func aTransactionIsAllOfItsBody() throws {
        store.auditKey = HMACKey([1])
        try store.insert(object("c1"))
        let answer = try store.transaction { () throws(StoreError) in
            try change()
            return 42
        }
        #expect(answer == 42)
        #expect(
            try contents() == [
                "objects 1", "versions 1", "credentials 1", "keys 1", "key_uses 1", "vault 1", "counters 1", "owned 1",
                "audit 1", "[\"c2\"] [9]", "[9] [\"k1\": 9]",
            ])
    }

    @Test func aTransactionThatThrowsIsNothing() throws {
        store.auditKey = HMACKey([1])
        try store.insert(object("c1"))
        try store.add(count(1))
        try store.putWrappedKey([1], at: 1)
        try store.use("k1", workspace: "w1", at: 1)
        let before = try contents()
        let thrown = failure { () throws(StoreError) in
            try store.transaction { () throws(StoreError) in
                try change()
                throw StoreError(.other, "stop")
            }
        }
        #expect(thrown == StoreError(.other, "stop"))
        #expect(try contents() == before)
        // Neither is it when a row of it is refused.
        #expect(
            isRefused { () throws(StoreError) in
                try store.transaction { () throws(StoreError) in
                    try change()
                    try store.insert(object("c2"))
                }
            })
        #expect(try contents() == before)
        #expect(try store.verifyAudit() == (0, nil))
        // And the store goes on.
        try store.transaction { () throws(StoreError) in try change() }
        #expect(try contents() != before)
        #expect(try store.verifyAudit() == (1, nil))
    }

    @Test func aChangeWithoutItsAuditRowIsNone() throws {
        let error = failure { () throws(StoreError) in
            try store.transaction { () throws(StoreError) in try change() }
        }
        #expect(error == StoreError(.other, "the audit log has no key"))
        #expect(try store.objects("config").isEmpty)
    }

    @Test func tellsThatSomethingWasChanged() throws {
        let other = try ControlStore(place.path)
        other.auditKey = HMACKey([1])
        let entry = AuditEntry(
            at: 1, workspace: "w", actor: "a", actorName: "a", action: "configs.create", object: "config/x",
            detail: JSONObject())
        let first = try store.changeCount()
        // What is no change of what is managed does not count.
        try other.add(count(1))
        #expect(try store.changeCount() == first)
        try other.record(entry)
        let second = try store.changeCount()
        #expect(second != first)
        // What is rolled back was never written.
        _ = failure { () throws(StoreError) in
            try other.transaction { () throws(StoreError) in
                try other.record(entry)
                throw StoreError(.other, "stop")
            }
        }
        #expect(try store.changeCount() == second)
    }

    /// A success survives the machine, not the process only.
    @Test func waitsForTheDisk() throws {
        #expect(try store.database.integer("PRAGMA synchronous") == 2)
        #expect(try store.database.integer("PRAGMA foreign_keys") == 1)
        #expect(try store.database.integer("PRAGMA busy_timeout") == 5_000)
        #expect(place.mode() == 0o600)
    }
}

@Suite struct ControlMigrationTests {
    private let place = Workplace()

    /// The last version without a control plane.
    @Test func aFileWithoutAControlPlaneGetsOne() throws {
        _ = Glibc.close(Glibc.open(place.path, O_CREAT | O_RDWR, 0o600))
        do {
            let old = try Database(place.path, .readWrite)
            try Schema.migrate(old, to: 4)
            for number in 1...3 {
                try old.run(
                    """
                    INSERT INTO requests (id, started_at, workspace, trace, endpoint, method, path, stream, status, aborted,
                        duration, upstream_duration, client_wait, bytes_in, bytes_out, cost_picodollars)
                    VALUES (CAST(printf('%016d', \(number)) AS BLOB), \(number), 'w', 't\(number)', 'e', 'POST', '/', 0, 200,
                        0, 1, 1, 0, 1, 1, \(number * 1_000));
                    INSERT INTO metadata VALUES ('_user', 'u\(number)', 'w', CAST(printf('%016d', \(number)) AS BLOB));
                    INSERT INTO bodies (request, workspace, policy, request_body)
                    VALUES (CAST(printf('%016d', \(number)) AS BLOB), 'w', 'full', CAST('body\(number)' AS BLOB));
                    """)
            }
            #expect(try old.texts("SELECT name FROM sqlite_schema WHERE name IN ('objects', 'audit')").isEmpty)
        }
        do {
            let store = try ControlStore(place.path)
            let database = store.database
            #expect(try database.integer("PRAGMA user_version") == Int64(Schema.version))
            #expect(
                try database.texts(
                    """
                    SELECT trace || ' ' || started_at || ' ' || cost_picodollars || ' ' || user || ' ' || retries || ' '
                        || coalesce(virtual_key, 'none') FROM requests ORDER BY id
                    """)
                    == ["t1 1 1000 u1 0 none", "t2 2 2000 u2 0 none", "t3 3 3000 u3 0 none"])
            #expect(try database.texts("SELECT value FROM metadata ORDER BY value") == ["u1", "u2", "u3"])
            #expect(
                try database.texts("SELECT CAST(request_body AS TEXT) FROM bodies ORDER BY request")
                    == ["body1", "body2", "body3"])
            store.auditKey = HMACKey([1])
            #expect(try store.verifyAudit() == (0, nil))
            #expect(try store.keys().isEmpty && store.counts().isEmpty && store.wrappedKey() == nil)
            try store.insert(object("c1"))
        }
        #expect(try ControlStore(place.path).object("config", id: "c1") == object("c1"))
        #expect(try StoreFile.check(place.path).faults.isEmpty)
        #expect(try LogReader(place.path).find("t2").count == 1)
    }

    @Test func twoMayBringAFileUpToDateAtOnce() async throws {
        let path = place.path
        _ = Glibc.close(Glibc.open(path, O_CREAT | O_RDWR, 0o600))
        try Schema.migrate(try Database(path, .readWrite), to: 4)
        try await withThrowingTaskGroup(of: Int64.self) { group in
            for _ in 0..<4 {
                group.addTask { try ControlStore(path).database.integer("PRAGMA user_version") }
            }
            for try await version in group { #expect(version == Int64(Schema.version)) }
        }
    }
}
