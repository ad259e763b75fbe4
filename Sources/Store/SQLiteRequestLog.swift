// SQLiteRequestLog: rows on their way to an SQLite file. Whoever appends puts an entry into a bounded queue and goes on; one thread
// makes rows of the entries and writes them, up to 1,000 in a transaction, at least every 100 ms.
//
// What cannot be written waits and is tried again; the queue's bounds decide what is lost. The thread owns the connection, opens it
// anew after a failure, and looks after retention between batches.

import Core
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

package final class SQLiteRequestLog: RequestLog {
    package struct Settings: Sendable {
        package var path: String
        /// Entries and rows that may wait.
        package var queueRows = 20_000
        /// What they may keep in memory.
        package var queueBytes = 64 << 20
        package var retention = Retention()
        /// Milliseconds: how long an entry may wait for others to share its transaction.
        package var flushInterval = 100
        /// Milliseconds between two looks at what retention has to do.
        package var upkeepInterval = 60_000
        /// Milliseconds between two attempts to write, and, for notices of the same kind, between two of those.
        package var retryInterval = 500
        package var noticeInterval = 10_000
        /// Pages that the file may take; for tests. nil is no bound.
        package var maximumPages: Int?

        package init(path: String) { self.path = path }
    }

    package static let batchRows = 1_000

    private let worker: LogThread

    /// Opens the file. What may pass by itself, as a full disk, does not keep the log from starting: it is reported, and tried
    /// again.
    package init(
        _ settings: Settings, notify: @escaping @Sendable (RequestLogNotice) -> Void
    ) throws(StoreError) {
        worker = LogThread(settings, notify: notify)
        try worker.openFirst()
        guard worker.start() else { throw StoreError(.other, "the store's thread could not be started") }
    }

    deinit { worker.stop(milliseconds: 0) }

    package func append(_ entry: some RequestLogEntry) { worker.append(entry) }
    package var takesRows: Bool { worker.takesRows }
    package var statistics: RequestLogStatistics { worker.statistics }
    package func flush(milliseconds: Int) -> Bool { worker.flush(milliseconds: milliseconds) }
    package func shutDown(milliseconds: Int) { worker.stop(milliseconds: milliseconds) }

    package func keep(_ retention: Retention) { worker.keep(retention) }
}

/// The thread and what it shares with those who append.
private final class LogThread: @unchecked Sendable {
    /// Guarded by `mutex`.
    private struct Shared {
        var incoming: [any RequestLogEntry] = []
        /// Entries and rows that are not written, those in the thread's hands included.
        var waiting = 0
        var waitingBytes = 0
        var flushesWanted = 0
        var flushesDone = 0
        var retention: Retention
        var stopsBy: Deadline?
        var hasEnded = false
        var isIdle = false
    }

    private let settings: SQLiteRequestLog.Settings
    private let notify: @Sendable (RequestLogNotice) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var shared: Shared

    private let canWrite = Atomic(true)
    private let hasRoom = Atomic(true)
    private let written = Atomic<UInt64>(0)
    private let lost = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)
    private let removed = Atomic<UInt64>(0)

    // The thread's own.
    private var database: Database?
    /// Of the file that is open.
    private var identity: StoreFile.Identity?
    /// Milliseconds to the next attempt, after one that failed.
    private var pause = 0
    /// Made, and not written.
    private var rows: [(row: RequestRow, size: Int)] = []
    private var random = Xoshiro256()
    private var nextUpkeep = MonotonicClock.now()
    private var lostBefore: UInt64 = 0
    private var failureSaid = Int64.min
    private var lossSaid = Int64.min
    private var isFailureSaid = false

    init(_ settings: SQLiteRequestLog.Settings, notify: @escaping @Sendable (RequestLogNotice) -> Void) {
        self.settings = settings
        self.notify = notify
        shared = Shared(retention: settings.retention)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    // MARK: Any thread

    private func locked<Value>(_ body: (inout Shared) -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&shared)
    }

    func append(_ entry: any RequestLogEntry) {
        let size = entry.size
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard shared.waiting < settings.queueRows, shared.waitingBytes < settings.queueBytes, shared.stopsBy == nil
        else {
            lost.wrappingAdd(1, ordering: .relaxed)
            return
        }
        shared.incoming.append(entry)
        shared.waiting += 1
        shared.waitingBytes += size
        if isCrowded(shared) { hasRoom.store(false, ordering: .relaxed) }
        // The first one begins a batch, the thousandth ends it.
        if shared.isIdle || shared.incoming.count == SQLiteRequestLog.batchRows { pthread_cond_broadcast(condition) }
    }

    /// With a quarter of the queue left: what has been admitted by now still finds room.
    private func isCrowded(_ shared: Shared) -> Bool {
        shared.waiting >= settings.queueRows / 4 * 3 || shared.waitingBytes >= settings.queueBytes / 4 * 3
    }

    var takesRows: Bool { canWrite.load(ordering: .relaxed) && hasRoom.load(ordering: .relaxed) }

    var statistics: RequestLogStatistics {
        RequestLogStatistics(
            written: written.load(ordering: .relaxed), lost: lost.load(ordering: .relaxed),
            failures: failures.load(ordering: .relaxed), removed: removed.load(ordering: .relaxed),
            waiting: locked { $0.waiting })
    }

    func keep(_ retention: Retention) { locked { $0.retention = retention } }

    func flush(milliseconds: Int) -> Bool {
        let deadline = Deadline.after(milliseconds: milliseconds)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        shared.flushesWanted += 1
        let mine = shared.flushesWanted
        pthread_cond_broadcast(condition)
        return wait(until: deadline) { $0.flushesDone >= mine || $0.hasEnded } && shared.flushesDone >= mine
    }

    func stop(milliseconds: Int) {
        let deadline = Deadline.after(milliseconds: milliseconds)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if shared.stopsBy == nil { shared.stopsBy = deadline }
        pthread_cond_broadcast(condition)
        // SQLite may take its busy time beyond the deadline.
        guard milliseconds > 0 else { return }
        _ = wait(until: .after(milliseconds: milliseconds + 1_000)) { $0.hasEnded }
    }

    /// With the mutex held: waits until `isDone`, or until `deadline`, which gives false.
    private func wait(until deadline: Deadline, _ isDone: (Shared) -> Bool) -> Bool {
        var time = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        while !isDone(shared) {
            if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return isDone(shared) }
        }
        return true
    }

    // MARK: The thread

    /// Before the thread runs.
    func openFirst() throws(StoreError) {
        do throws(StoreError) { database = try open() } catch {
            guard error.mayPass else { throw error }
            note(error)
        }
    }

    private func open() throws(StoreError) -> Database {
        let database = try StoreFile.open(settings.path)
        identity = StoreFile.identity(settings.path)
        if let pages = settings.maximumPages { _ = try database.integer("PRAGMA max_page_count = \(pages)") }
        return database
    }

    func start() -> Bool { DetachedThread.start("gh-store") { self.run() } }

    private func run() {
        while true {
            let turn = nextTurn()
            makeRows(turn.entries)
            let isDone = writeRows(turn.stopsBy)
            if isDone { locked { $0.flushesDone = max($0.flushesDone, turn.flushesWanted) } }
            wake()
            if turn.stopsBy != nil { break }
            if isDone { lookAfter(turn.retention) }
            reportLosses()
        }
        let left = rows.count
        if left > 0 { lost.wrappingAdd(UInt64(left), ordering: .relaxed) }
        rows = []
        reportLosses(isLast: true)
        // The last connection to leave folds the log into the file.
        database = nil
        locked { $0.hasEnded = true }
        wake()
    }

    private func wake() {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    private struct Turn {
        var entries: [any RequestLogEntry]
        var flushesWanted: Int
        var retention: Retention
        var stopsBy: Deadline?
    }

    /// Waits for entries, and then for those that come with them; or for something else to do.
    private func nextTurn() -> Turn {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        func isPressing(_ shared: Shared) -> Bool {
            shared.flushesWanted > shared.flushesDone || shared.stopsBy != nil
        }
        if canWrite.load(ordering: .relaxed) {
            shared.isIdle = true
            _ = wait(until: Deadline(nanoseconds: nextUpkeep)) { !$0.incoming.isEmpty || isPressing($0) }
            shared.isIdle = false
            if !shared.incoming.isEmpty {
                _ = wait(until: .after(milliseconds: settings.flushInterval)) {
                    $0.incoming.count >= SQLiteRequestLog.batchRows || isPressing($0)
                }
            }
        } else {
            // A flush does not make a disk any larger: it waits for the next attempt.
            _ = wait(until: .after(milliseconds: pause)) { $0.stopsBy != nil }
        }
        defer { shared.incoming = [] }
        return Turn(
            entries: shared.incoming, flushesWanted: shared.flushesWanted, retention: shared.retention,
            stopsBy: shared.stopsBy)
    }

    private func makeRows(_ entries: [any RequestLogEntry]) {
        rows.reserveCapacity(rows.count + entries.count)
        for entry in entries {
            let size = entry.size
            rows.append((entry.row { RowID(at: $0, using: &random) }, size))
        }
    }

    /// Writes all rows that are made. False when that failed: they stay.
    private func writeRows(_ stopsBy: Deadline?) -> Bool {
        while true {
            do throws(StoreError) {
                try writeBatches()
                recovered()
                return true
            } catch {
                failed(error)
                guard let stopsBy, !stopsBy.hasPassed() else { return false }
                usleep(20_000)
            }
        }
    }

    private func writeBatches() throws(StoreError) {
        if database == nil { database = try open() }
        guard let database else { return }
        let writer = RowWriter(database: database)
        var done = 0
        defer { forget(done) }
        while done < rows.count {
            let batch = rows[done..<min(done + SQLiteRequestLog.batchRows, rows.count)]
            let refused = try writer.write(batch.map(\.row)[...])
            written.wrappingAdd(UInt64(batch.count - refused), ordering: .relaxed)
            lost.wrappingAdd(UInt64(refused), ordering: .relaxed)
            done += batch.count
        }
    }

    /// The first rows are written.
    private func forget(_ count: Int) {
        guard count > 0 else { return }
        let bytes = rows[..<count].reduce(0) { $0 + $1.size }
        rows.removeFirst(count)
        locked { shared in
            shared.waiting -= count
            shared.waitingBytes -= bytes
            if shared.waiting <= settings.queueRows / 2, shared.waitingBytes <= settings.queueBytes / 2 {
                hasRoom.store(true, ordering: .relaxed)
            }
        }
    }

    private func lookAfter(_ retention: Retention) {
        let now = MonotonicClock.now()
        guard now >= nextUpkeep, let database else { return }
        if StoreFile.identity(settings.path) != identity {
            // Rows would go to a file that nobody can open any more.
            say(StoreError(.input, "\(settings.path): the file was moved or removed; another one is begun"))
            self.database = nil
            return
        }
        do throws(StoreError) {
            let step = try retention.step(database, now: WallClock.now())
            removed.wrappingAdd(UInt64(step.removed), ordering: .relaxed)
            // What is left is done between the next batches.
            nextUpkeep = now + (step.isUnfinished ? 20 : Int64(settings.upkeepInterval)) * 1_000_000
        } catch {
            // Rows may be written all the same.
            nextUpkeep = now + Int64(settings.upkeepInterval) * 1_000_000
            failures.wrappingAdd(1, ordering: .relaxed)
            database.rollBack()
            say(error)
        }
    }

    // MARK: Trouble

    private func failed(_ error: StoreError) {
        failures.wrappingAdd(1, ordering: .relaxed)
        database?.rollBack()
        // A file that only seems to be the one that is meant, or that came back to life, is noticed by opening it again.
        if error.kind != .locked, error.kind != .full { database = nil }
        note(error)
    }

    private func note(_ error: StoreError) {
        canWrite.store(false, ordering: .relaxed)
        // A damaged file does not heal, and is long to look through.
        pause = error.mayPass ? settings.retryInterval : settings.retryInterval * 20
        say(error)
    }

    private func say(_ error: StoreError) {
        guard isTime(since: failureSaid) else { return }
        failureSaid = MonotonicClock.now()
        isFailureSaid = true
        notify(.failing(error.message, waiting: locked { $0.waiting }))
    }

    private func recovered() {
        guard !canWrite.load(ordering: .relaxed) else { return }
        canWrite.store(true, ordering: .relaxed)
        if isFailureSaid { notify(.recovered(waiting: locked { $0.waiting })) }
        isFailureSaid = false
    }

    private func reportLosses(isLast: Bool = false) {
        let all = lost.load(ordering: .relaxed)
        guard all > lostBefore, isLast || isTime(since: lossSaid) else { return }
        lossSaid = MonotonicClock.now()
        notify(.lost(all - lostBefore))
        lostBefore = all
    }

    private func isTime(since last: Int64) -> Bool {
        last == .min || MonotonicClock.now() - last >= Int64(settings.noticeInterval) * 1_000_000
    }
}
