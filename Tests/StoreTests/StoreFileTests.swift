import Core
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct StoreFileTests {
    private let place = Workplace()

    /// Everything that defines a schema.
    private func schema(_ database: Database) throws -> [String] {
        try database.texts("SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY name")
    }

    @Test func aNewFileIsItsOwnersAlone() throws {
        umask(0)
        let database = try StoreFile.open(place.path)
        try database.run(
            "INSERT INTO requests (id, started_at, workspace, trace, endpoint, method, path, stream, status, aborted, "
                + "duration, upstream_duration, client_wait, bytes_in, bytes_out) VALUES (zeroblob(16),0,'','','','','',0,0,0,0,0,0,0,0)"
        )
        #expect(place.mode() == 0o600)
        #expect(place.mode(of: "store.db-wal") == 0o600)
        #expect(place.mode(of: "store.db-shm") == 0o600)
        #expect(try database.integer("PRAGMA user_version") == Int64(Schema.version))
        #expect(try database.integer("PRAGMA foreign_keys") == 1)
        #expect(try database.text("PRAGMA journal_mode") == "wal")
        #expect(try database.integer("PRAGMA auto_vacuum") == 2)
    }

    @Test func aFileThatOthersMayReadIsClosedToThem() throws {
        _ = try StoreFile.open(place.path)
        chmod(place.path, 0o644)
        _ = try StoreFile.open(place.path)
        #expect(place.mode() == 0o600)
    }

    @Test(arguments: 0..<Schema.version)
    func aFileOfEachEarlierVersionIsBroughtUpToDateWithItsRows(_ version: Int) throws {
        let fresh = Workplace()
        let expected = try schema(try StoreFile.open(fresh.path))
        do {
            _ = Glibc.close(Glibc.open(place.path, O_CREAT | O_RDWR, 0o600))
            let old = try Database(place.path, .readWrite)
            try Schema.migrate(old, to: version)
            #expect(try old.integer("PRAGMA user_version") == Int64(version))
            if version > 0 {
                try old.run(
                    """
                    INSERT INTO requests (id, started_at, workspace, trace, endpoint, method, path, stream, status, aborted,
                        duration, upstream_duration, client_wait, bytes_in, bytes_out)
                    VALUES (zeroblob(16), 1, 'w', 'old', 'e', 'POST', '/', 0, 200, 0, 1, 1, 0, 1, 1)
                    """)
            }
        }
        for _ in 0..<2 {
            let database = try StoreFile.open(place.path)
            #expect(try schema(database) == expected)
        }
        #expect(try LogReader(place.path).find("old").count == (version > 0 ? 1 : 0))
    }

    @Test func aMigrationThatFailsLeavesNothing() throws {
        let database = try StoreFile.open(place.path)
        try database.run("DROP TABLE bodies; DROP TABLE metadata; PRAGMA user_version = 1")
        // In the way of the second migration's index, after its table.
        try database.run("CREATE TABLE metadata_by_request (x)")
        let before = try schema(database)
        let error = try #require(failure { () throws(StoreError) in try Schema.migrate(database) })
        #expect(error.kind == .other)
        #expect(try schema(database) == before)
        #expect(try database.integer("PRAGMA user_version") == 1)
    }

    @Test func aNewerFileIsRefused() throws {
        do {
            let database = try StoreFile.open(place.path)
            try database.run("PRAGMA user_version = \(Schema.version + 4)")
        }
        let error = try #require(failure { () throws(StoreError) in _ = try StoreFile.open(place.path) })
        #expect(error.kind == .newer)
        #expect(error.message.contains("newer version of Gatehouse (schema \(Schema.version + 4), this one knows"))
        #expect(failure { () throws(StoreError) in _ = try LogReader(place.path) }?.kind == .newer)
    }

    @Test func anOlderFileIsNotChangedByWhoOnlyReads() throws {
        do {
            let database = try StoreFile.open(place.path)
            try database.run("PRAGMA user_version = 1")
        }
        #expect(failure { () throws(StoreError) in _ = try LogReader(place.path) }?.kind == .older)
    }

    @Test func aDatabaseOfSomethingElseIsRefused() throws {
        _ = Glibc.close(Glibc.open(place.path, O_CREAT | O_RDWR, 0o600))
        try Database(place.path, .readWrite).run("CREATE TABLE mine (x)")
        #expect(failure { () throws(StoreError) in _ = try StoreFile.open(place.path) }?.kind == .foreign)
    }

    @Test func aFileThatIsNoDatabaseIsRefused() throws {
        place.write(String(repeating: "This is a text. ", count: 500), at: 0)
        let error = try #require(failure { () throws(StoreError) in _ = try StoreFile.open(place.path) })
        #expect(error.kind == .corrupted)
        #expect(error.message == "\(place.path): this is no SQLite file, or its beginning is damaged")
    }

    @Test func aDamagedPageIsFound() throws {
        do {
            let log = try SQLiteRequestLog(place.settings()) { _ in }
            for number in 0..<2_000 { log.append(Entry(trace: "t\(number)")) }
            #expect(log.flush(milliseconds: 30_000))
            log.shutDown(milliseconds: 30_000)
        }
        for page in 3..<20 { place.write(String(repeating: "x", count: 4_000), at: page * 4_096) }
        let error = try #require(failure { () throws(StoreError) in _ = try StoreFile.open(place.path) })
        #expect(error.kind == .corrupted)
        #expect(error.message.contains("restore a backup"))
        #expect(try !StoreFile.check(place.path).faults.isEmpty)
    }

    @Test(arguments: ["/nowhere/store.db", "/proc", "/dev/null"])
    func whatCannotBeAFileIsRefused(_ path: String) {
        #expect(failure { () throws(StoreError) in _ = try StoreFile.open(path) }?.kind == .unreachable)
    }

    @Test func aBackupIsOfOneMomentWhileRowsAreWritten() throws {
        let log = try SQLiteRequestLog(place.settings()) { _ in }
        for number in 0..<3_000 { log.append(Entry(trace: "t\(number)", metadata: [("n", "\(number)")])) }
        #expect(log.flush(milliseconds: 30_000))
        for number in 0..<3_000 { log.append(Entry(trace: "later\(number)")) }
        let copy = place.directory + "/copy.db"
        let report = try StoreFile.backUp(place.path, to: copy)
        #expect(report.faults.isEmpty)
        #expect((3_000...6_000).contains(report.requests))
        #expect(place.mode(of: "copy.db") == 0o600)
        #expect(try LogReader(copy).find("t2999").count == 1)
        // A gateway can begin with it.
        _ = try StoreFile.open(copy)
        #expect(
            failure { () throws(StoreError) in _ = try StoreFile.backUp(place.path, to: copy) }?.kind == .unreachable)
        #expect(access(copy + ".partial", F_OK) != 0)
    }
}
