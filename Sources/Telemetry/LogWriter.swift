// LogWriter: one destination for log lines, and the thread that writes to it.
//
// Whoever logs has a channel and appends whole lines to its buffer, under a lock that hardly anybody else ever wants.
// The writer's thread takes all buffers at most every 200 ms (at once when the destination is a terminal, or much has
// gathered) and writes them out, so that no event loop waits for a disk or a pipe. A buffer is bounded: when the
// destination does not keep up, lines are dropped, counted, and the number is written as soon as there is room.

package import Core
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line.
    case json
    /// For people.
    case text
}

package struct LogWriterError: Error, Sendable, Equatable {
    package let message: String
}

package final class LogWriter: Sendable {
    package enum Destination: Sendable, Equatable {
        case standardOutput
        case standardError
        /// Appended to; made when it is not there, readable for the group.
        case file(String)
        /// Somebody else's, who closes it after `shutDown`.
        case descriptor(Int32)
    }

    package struct Statistics: Sendable, Equatable {
        package var writtenBytes: UInt64 = 0
        /// Lines that were given up: their channel was full, or the reader was gone.
        package var droppedLines: UInt64 = 0
        /// Failed attempts to write or to open the file again.
        package var failures: UInt64 = 0
    }

    package let isTerminal: Bool
    /// Text on a terminal, JSON elsewhere, unless it was given.
    package let format: LogFormat
    private let pump: LogPump

    /// - Parameters:
    ///   - channelLimit: how many bytes may wait in each channel.
    ///   - interval: how long lines may wait, in milliseconds.
    package init(
        _ destination: Destination, format: LogFormat? = nil, channelLimit: Int = 4 << 20, interval: Int = 200
    ) throws(LogWriterError) {
        let descriptor = try LogPump.open(destination)
        isTerminal = isatty(descriptor) == 1
        self.format = format ?? (isTerminal ? .text : .json)
        pump = LogPump(
            destination, descriptor: descriptor, format: self.format, channelLimit: channelLimit,
            interval: isTerminal ? 0 : interval)
        guard pump.start() else {
            pump.closeOwnDescriptor()
            throw LogWriterError(message: "the log writer's thread could not be started")
        }
    }

    deinit { pump.stop(by: .after(milliseconds: 1000)) }

    /// A new channel. One for each event loop and log; lines of one channel keep their order.
    package func channel() -> LogChannel { LogChannel(pump: pump, source: pump.addSource()) }

    /// Opens the file again, after what is waiting has gone to the old one. For log rotation: call it on SIGHUP.
    package func requestReopen() { pump.signal { $0.wantsReopen = true } }

    /// Waits until everything that was appended before is written, or until `deadline`. False when time was over.
    @discardableResult
    package func flush(by deadline: Deadline = .after(milliseconds: 2000)) -> Bool { pump.flush(by: deadline) }

    /// Writes what is waiting and ends the thread. Lines that come later are dropped. False when time was over.
    @discardableResult
    package func shutDown(by deadline: Deadline = .after(milliseconds: 2000)) -> Bool {
        pump.stop(by: deadline)
        return pump.waitForEnd(by: deadline)
    }

    package var statistics: Statistics { pump.statistics }
}

/// Where one event loop, or one logger, puts its lines. Any thread may, but those who share a channel share a lock.
package struct LogChannel: Sendable {
    fileprivate let pump: LogPump
    fileprivate let source: LogSource

    /// Lets `body` append one line, its newline included. Nothing is called, and the line is counted as dropped, when
    /// the channel is full. `isUrgent`: do not let it wait.
    @inline(__always)
    func line(isUrgent: Bool = false, _ body: (inout LogBuffer) -> Void) {
        let waiting = source.state.withLock { state -> Int in
            guard state.buffer.count < source.limit, !state.isClosed else {
                state.dropped += 1
                return -1
            }
            body(&state.buffer)
            return state.buffer.count
        }
        if waiting < 0 { pump.count(dropped: 1) } else { pump.wake(isUrgent: isUrgent || waiting > source.limit / 8) }
    }
}

/// A channel's buffer.
private final class LogSource: Sendable {
    struct State: ~Copyable {
        var buffer = LogBuffer()
        /// Lines lost since the last report.
        var dropped = 0
        var isClosed = false
    }

    let limit: Int
    let state = Mutex(State())

    init(limit: Int) { self.limit = limit }
}

/// The thread and what it shares with the channels.
private final class LogPump: @unchecked Sendable {
    /// What the thread is asked to do; guarded by `mutex`.
    struct Wishes {
        var hasLines = false
        var isUrgent = false
        var wantsReopen = false
        var flushesWanted = 0
        var flushesDone = 0
        var stopsBy: Deadline?
        var hasEnded = false

        /// Something that does not wait for the interval's end.
        var isPressing: Bool { isUrgent || wantsReopen || flushesWanted > flushesDone || stopsBy != nil }
    }

    private let destination: LogWriter.Destination
    private let format: LogFormat
    private let channelLimit: Int
    private let interval: Int
    private let sources = Mutex<[LogSource]>([])
    private let isAwake = Atomic(false)
    private let isHurried = Atomic(false)
    private let written = Atomic<UInt64>(0)
    private let dropped = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var wishes = Wishes()

    // The thread's own.
    private var descriptor: Int32
    private var block = LogBuffer()
    private var hasComplained = false

    init(
        _ destination: LogWriter.Destination, descriptor: Int32, format: LogFormat, channelLimit: Int, interval: Int
    ) {
        self.destination = destination
        self.descriptor = descriptor
        self.format = format
        self.channelLimit = channelLimit
        self.interval = interval
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

    var statistics: LogWriter.Statistics {
        LogWriter.Statistics(
            writtenBytes: written.load(ordering: .relaxed), droppedLines: dropped.load(ordering: .relaxed),
            failures: failures.load(ordering: .relaxed))
    }

    func addSource() -> LogSource {
        let source = LogSource(limit: channelLimit)
        sources.withLock { $0.append(source) }
        return source
    }

    // MARK: Any thread

    @inline(__always)
    func wake(isUrgent: Bool) {
        if !isAwake.load(ordering: .relaxed), !isAwake.exchange(true, ordering: .acquiringAndReleasing) {
            signal { $0.hasLines = true }
        }
        if isUrgent, !isHurried.load(ordering: .relaxed), !isHurried.exchange(true, ordering: .acquiringAndReleasing) {
            signal { $0.isUrgent = true }
        }
    }

    func count(dropped lines: Int) { dropped.wrappingAdd(UInt64(lines), ordering: .relaxed) }

    func signal(_ change: (inout Wishes) -> Void) {
        pthread_mutex_lock(mutex)
        change(&wishes)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    func flush(by deadline: Deadline) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !wishes.hasEnded else { return true }
        wishes.flushesWanted += 1
        let mine = wishes.flushesWanted
        pthread_cond_broadcast(condition)
        return wait(until: deadline) { $0.flushesDone >= mine || $0.hasEnded }
    }

    func stop(by deadline: Deadline) { signal { if $0.stopsBy == nil { $0.stopsBy = deadline } } }

    func waitForEnd(by deadline: Deadline) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return wait(until: deadline) { $0.hasEnded }
    }

    /// With the mutex held: waits until `isDone`, or until `deadline`, which gives false.
    private func wait(until deadline: Deadline, _ isDone: (Wishes) -> Bool) -> Bool {
        var time = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        while !isDone(wishes) {
            if deadline == .never {
                pthread_cond_wait(condition, mutex)
            } else if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT {
                return isDone(wishes)
            }
        }
        return true
    }

    // MARK: The thread

    func start() -> Bool { DetachedThread.start("gh-log") { self.run() } }

    private func run() {
        while true {
            let wishes = nextWishes()
            // Before the buffers are looked at: a line that comes after that wakes the thread again.
            isAwake.store(false, ordering: .releasing)
            isHurried.store(false, ordering: .releasing)
            if wishes.stopsBy != nil { closeSources() }
            drain(wishes.stopsBy)
            if wishes.wantsReopen { reopen() }
            signal { $0.flushesDone = max($0.flushesDone, wishes.flushesWanted) }
            if wishes.stopsBy != nil { break }
        }
        closeOwnDescriptor()
        signal { $0.hasEnded = true }
    }

    /// Waits for something to do; lines alone may gather for a while.
    private func nextWishes() -> Wishes {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        _ = wait(until: .never) { $0.hasLines || $0.isPressing }
        if interval > 0 { _ = wait(until: .after(milliseconds: interval)) { $0.isPressing } }
        let present = wishes
        wishes.hasLines = false
        wishes.isUrgent = false
        wishes.wantsReopen = false
        return present
    }

    private func closeSources() {
        for source in sources.withLock({ $0 }) { source.state.withLock { $0.isClosed = true } }
    }

    private func drain(_ stopsBy: Deadline?) {
        var dropped = 0
        for source in sources.withLock({ $0 }) {
            dropped += source.state.withLock { state in
                swap(&state.buffer, &block)
                defer { state.dropped = 0 }
                return state.dropped
            }
            write(block, stopsBy)
            block.removeAll()
        }
        guard dropped > 0 else { return }
        reportDropped(dropped)
        write(block, stopsBy)
        block.removeAll()
    }

    private func reportDropped(_ lines: Int) {
        switch format {
        case .json:
            block.append("{\"time\":\"")
            block.append(timestamp: WallClock.now())
            block.append("\",\"level\":\"warning\",\"message\":\"log lines were dropped\",\"dropped\":")
            block.append(decimal: lines)
            block.append("}\n")
        case .text:
            block.append(timestamp: WallClock.now())
            block.append(" WARNING log lines were dropped dropped=")
            block.append(decimal: lines)
            block.append("\n")
        }
    }

    /// Writes all of `block`. A full disk is waited for, and so is a slow reader: meanwhile the channels gather what
    /// they can. What is left when the writer stops, or when there is no reader any more, is dropped.
    private func write(_ block: borrowing LogBuffer, _ stopsBy: Deadline?) {
        block.withBytes { bytes in
            var rest = bytes[...]
            while let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
                let done = Glibc.write(descriptor, base, rest.count)
                if done > 0 {
                    written.wrappingAdd(UInt64(done), ordering: .relaxed)
                    rest = rest.dropFirst(done)
                    hasComplained = false
                    continue
                }
                let code = errno
                guard code != EINTR else { continue }
                guard code != EPIPE, wait(after: code, stopsBy) else {
                    count(dropped: rest.reduce(0) { $0 + ($1 == 0x0A ? 1 : 0) })
                    return
                }
            }
        }
    }

    /// Waits until writing may work again. False when there is no time for that.
    private func wait(after code: Int32, _ stopsBy: Deadline?) -> Bool {
        let limit = stopsBy ?? currentStop
        if let limit, limit.hasPassed() { return false }
        if code == EAGAIN {
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&request, 1, 100)
            return true
        }
        failures.wrappingAdd(1, ordering: .relaxed)
        complain("cannot write the log: \(String(cString: strerror(code)))")
        // A reopened file may be on another disk; it is opened now, since the one at hand takes nothing.
        if waitForReopen(milliseconds: limit == nil ? 1000 : 50) { reopen() }
        return true
    }

    private func waitForReopen(milliseconds: Int) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let isStopping = wishes.stopsBy != nil
        _ = wait(until: .after(milliseconds: milliseconds)) { $0.wantsReopen || ($0.stopsBy != nil) != isStopping }
        defer { wishes.wantsReopen = false }
        return wishes.wantsReopen
    }

    private var currentStop: Deadline? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return wishes.stopsBy
    }

    private func reopen() {
        guard case .file = destination else { return }
        do throws(LogWriterError) {
            let fresh = try Self.open(destination)
            close(descriptor)
            descriptor = fresh
            hasComplained = false
        } catch {
            failures.wrappingAdd(1, ordering: .relaxed)
            complain(error.message)
        }
    }

    /// One line on standard error for each spell of trouble.
    private func complain(_ what: String) {
        guard !hasComplained, descriptor != STDERR_FILENO else { return }
        hasComplained = true
        var text = "gatehouse: \(what)\n"
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    func closeOwnDescriptor() {
        if case .file = destination { close(descriptor) }
    }

    static func open(_ destination: LogWriter.Destination) throws(LogWriterError) -> Int32 {
        switch destination {
        case .standardOutput: return STDOUT_FILENO
        case .standardError: return STDERR_FILENO
        case .descriptor(let descriptor): return descriptor
        case .file(let path):
            let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
            guard descriptor >= 0 else {
                throw LogWriterError(message: "cannot open the log file \(path): \(String(cString: strerror(errno)))")
            }
            return descriptor
        }
    }
}
