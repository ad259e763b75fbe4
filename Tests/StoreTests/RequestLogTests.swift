import Core
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct RequestLogTests {
    private let place = Workplace()
    private let notices = Notices()

    private func open(_ change: (inout SQLiteRequestLog.Settings) -> Void = { _ in }) throws -> SQLiteRequestLog {
        let notices = notices
        return try SQLiteRequestLog(place.settings(change)) { notices.add($0) }
    }

    @Test func rowsComeBackAsTheyWere() throws {
        let log = try open()
        var entry = Entry(trace: "one", metadata: [("user", "eva"), ("tier", "pro")])
        entry.text = "Hello, \u{1F30D}"
        log.append(entry)
        #expect(log.flush(milliseconds: 30_000))
        let reader = try LogReader(place.path)
        let found = try #require(try reader.find("one").first).row
        #expect(
            found.startedAt == entry.startedAt && found.status == 200 && found.model == "m" && found.workspace == "w")
        #expect(found.attempts == entry.row { _ in RowID(high: 0, low: 0) }.attempts)
        #expect(found.metadata.map(\.key) == ["tier", "user"] && found.metadata.map(\.value) == ["pro", "eva"])
        #expect(found.inputTokens == nil && found.firstToken == nil && found.error == nil)
        #expect(try reader.bodies(of: found.id)?.request?.bytes == Bytes("Hello, \u{1F30D}"))
        #expect(try reader.find(found.id.description).first?.row.trace == "one")
        #expect(found.id.high >> 16 == UInt64(entry.startedAt / 1_000_000))
        #expect(log.statistics == RequestLogStatistics(written: 1, lost: 0, failures: 0, removed: 0, waiting: 0))
    }

    @Test func manyThreadsLoseNothing() throws {
        let log = try open { $0.queueRows = 100_000 }
        var threads: [pthread_t] = []
        for _ in 0..<4 {
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { raw in
                    guard let raw else { return nil }
                    let log = Unmanaged<SQLiteRequestLog>.fromOpaque(raw).takeUnretainedValue()
                    for _ in 0..<2_500 { log.append(Entry()) }
                    return nil
                }, Unmanaged.passUnretained(log).toOpaque())
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        #expect(log.flush(milliseconds: 60_000))
        #expect(log.statistics.written == 10_000 && log.statistics.lost == 0)
        #expect(try LogReader(place.path).list(LogFilter(), limit: 100_000).count == 10_000)
    }

    @Test func shutDownWritesWhatWaits() throws {
        let log = try open { $0.flushInterval = 60_000 }
        for _ in 0..<10 { log.append(Entry()) }
        log.shutDown(milliseconds: 30_000)
        log.append(Entry())
        #expect(log.statistics.written == 10 && log.statistics.lost == 1)
        // Nothing but the file is left: the last connection folded its log into it.
        #expect(access(place.path + "-wal", F_OK) != 0)
    }

    // MARK: Trouble

    /// Keeps the file for itself, as another process would, for the length of `body`.
    private func whileLocked(_ body: () throws -> Void) throws {
        let other = try Database(place.path, .readWrite)
        try other.run("BEGIN IMMEDIATE")
        try body()
        other.rollBack()
    }

    @Test func aLockedFileIsWaitedForAndItsQueueIsBounded() throws {
        let log = try open { $0.queueRows = 1_000 }
        try whileLocked {
            for _ in 0..<1_500 { log.append(Entry()) }
            try until { !notices.failures.isEmpty }
            #expect(!log.takesRows)
            #expect(log.statistics.lost >= 500)
            #expect(notices.failures[0] == "\(place.path): another process has locked the file")
        }
        #expect(log.flush(milliseconds: 30_000))
        #expect(log.takesRows && notices.hasRecovered)
        #expect(log.statistics.written == 1_000 && log.statistics.lost == 500 && log.statistics.waiting == 0)
        try until { notices.lost == 500 }
        #expect(try LogReader(place.path).list(LogFilter(), limit: 2_000).count == 1_000)
    }

    @Test func theQueueIsBoundedInBytesToo() throws {
        let log = try open { $0.queueBytes = 10_000 }
        try whileLocked {
            var entry = Entry()
            entry.size = 4_000
            for _ in 0..<5 { log.append(entry) }
            #expect(log.statistics.lost == 2)
        }
        #expect(log.flush(milliseconds: 30_000))
        #expect(log.statistics.written == 3)
    }

    @Test func aFileThatIsLockedAtTheStartIsOpenedLater() throws {
        _ = try StoreFile.open(place.path)
        var other: Database? = try Database(place.path, .readWrite)
        try other?.run("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        let log = try open()
        #expect(!log.takesRows && notices.failures.count == 1)
        log.append(Entry())
        try other?.run("COMMIT")
        other = nil
        #expect(log.flush(milliseconds: 30_000))
        #expect(log.statistics.written == 1 && log.takesRows)
    }

    @Test func aFullFileIsReportedAndNothingIsHalfWritten() throws {
        let log = try open {
            $0.maximumPages = 100
            $0.queueRows = 20_000
        }
        var entry = Entry()
        entry.text = String(repeating: "x", count: 2_000)
        for _ in 0..<1_000 { log.append(entry) }
        try until { !notices.failures.isEmpty }
        #expect(!log.takesRows)
        #expect(notices.failures[0].contains("is full"))
        let reader = try LogReader(place.path)
        let rows = try reader.list(LogFilter(), limit: 2_000)
        for row in rows { #expect(try reader.bodies(of: row.row.id) != nil) }
        #expect(try StoreFile.check(place.path).faults.isEmpty)
        log.shutDown(milliseconds: 200)
        let statistics = log.statistics
        #expect(statistics.written == UInt64(rows.count))
        #expect(statistics.written + statistics.lost == 1_000)
    }

    @Test func aFileThatWasRemovedIsMadeAnew() throws {
        let log = try open { $0.upkeepInterval = 10 }
        log.append(Entry(trace: "before"))
        #expect(log.flush(milliseconds: 30_000))
        for name in ["", "-wal", "-shm"] { unlink(place.path + name) }
        try until { place.mode() == 0o600 && log.takesRows }
        log.append(Entry(trace: "after"))
        #expect(log.flush(milliseconds: 30_000))
        #expect(try LogReader(place.path).find("after").count == 1)
        #expect(notices.failures == ["\(place.path): the file was moved or removed; another one is begun"])
    }

    @Test func aFileThatIsDamagedMeanwhileIsReportedAndRowsWait() throws {
        let log = try open()
        for number in 0..<500 { log.append(Entry(trace: "t\(number)", metadata: [("k", "\(number)")])) }
        #expect(log.flush(milliseconds: 30_000))
        let database = try Database(place.path, .readWrite)
        _ = try database.text("PRAGMA wal_checkpoint(TRUNCATE)")
        for page in 2..<20 { place.write(String(repeating: "x", count: 4_000), at: page * 4_096) }
        // The writer's cache knows the pages as they were, until somebody else writes.
        try? database.run("PRAGMA user_version = \(Schema.version)")
        for _ in 0..<500 { log.append(Entry(metadata: [("k", "v")])) }
        try until { !notices.failures.isEmpty }
        #expect(notices.failures[0].contains("the file is damaged"))
        #expect(!log.takesRows && log.statistics.waiting == 500)
        log.shutDown(milliseconds: 100)
        #expect(log.statistics.lost == 500)
    }

    @Test func aRowThatIsRefusedTakesNoOtherWithIt() throws {
        let database = try StoreFile.open(place.path)
        var twin = Entry(trace: "a").row { _ in RowID(high: 1, low: 1) }
        let first = twin
        twin.trace = "b"
        let other = Entry(trace: "c").row { _ in RowID(high: 2, low: 2) }
        // The id is taken: neither of the two stays, but the third does.
        #expect(try RowWriter(database: database).write([first, twin, other]) == 1)
        #expect(try database.texts("SELECT trace FROM requests") == ["c"])
        #expect(try database.integer("SELECT count(*) FROM attempts") == 1)
    }

    @Test func noticesAreRare() throws {
        let log = try open { $0.noticeInterval = 3_600_000 }
        for _ in 0..<3 {
            try whileLocked {
                log.append(Entry())
                let failures = log.statistics.failures
                try until { log.statistics.failures > failures + 1 }
            }
            #expect(log.flush(milliseconds: 30_000))
        }
        #expect(notices.failures.count == 1)
        #expect(log.statistics.failures > 5)
    }

    // MARK: Retention

    private func entry(daysOld days: Int64, _ trace: String) -> Entry {
        Entry(trace: trace, startedAt: WallClock.now() - days * 86_400_000_000_000, metadata: [("k", "v")])
    }

    @Test func oldRowsGoWithAllThatBelongsToThem() throws {
        do {
            let log = try open()
            for number in 0..<1_200 { log.append(entry(daysOld: 40, "old\(number)")) }
            log.append(entry(daysOld: 20, "young"))
            log.shutDown(milliseconds: 30_000)
        }
        let log = try open {
            $0.retention = Retention(maximumAge: 30 * 86_400)
            $0.upkeepInterval = 10
        }
        try until { log.statistics.removed == 1_200 }
        let database = try StoreFile.openForQueries(place.path)
        for table in ["requests", "attempts", "metadata"] {
            #expect(try database.integer("SELECT count(*) FROM \(table)") == 1)
        }
        // The pages go back to the file system.
        try until { try database.integer("PRAGMA freelist_count") == 0 && database.integer("PRAGMA page_count") < 60 }
        // And the bound can be taken away while it runs.
        log.keep(Retention())
        log.append(entry(daysOld: 40, "late"))
        #expect(log.flush(milliseconds: 30_000))
        usleep(50_000)
        #expect(try LogReader(place.path).find("late").count == 1)
    }

    @Test func aFileThatIsTooLargeLosesItsOldestRows() throws {
        let log = try open {
            $0.retention = Retention(maximumBytes: 1 << 20)
            $0.upkeepInterval = 10
        }
        for round in 0..<10 {
            for _ in 0..<500 {
                var entry = entry(daysOld: Int64(10 - round), "r\(round)")
                entry.text = String(repeating: "x", count: 1_000)
                log.append(entry)
            }
            #expect(log.flush(milliseconds: 30_000))
        }
        let database = try StoreFile.openForQueries(place.path)
        try until { try database.integer("PRAGMA page_count") * 4_096 <= 1 << 20 }
        let reader = try LogReader(place.path)
        #expect(try reader.find("r0").isEmpty)
        #expect(try !reader.find("r9").isEmpty)
    }
}
