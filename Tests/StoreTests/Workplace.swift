import Core
import Synchronization
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#endif

/// A directory of its own for each test, removed afterwards.
final class Workplace {
    let directory: String

    init() {
        var template = Array("/tmp/gatehouse-store-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
    }

    deinit {
        for name in ["store.db", "store.db-wal", "store.db-shm", "copy.db", "copy.db.partial", "other.db"] {
            unlink(directory + "/" + name)
        }
        rmdir(directory)
    }

    var path: String { directory + "/store.db" }

    func settings(_ change: (inout SQLiteRequestLog.Settings) -> Void = { _ in }) -> SQLiteRequestLog.Settings {
        var settings = SQLiteRequestLog.Settings(path: path)
        settings.flushInterval = 5
        settings.retryInterval = 20
        settings.noticeInterval = 0
        change(&settings)
        return settings
    }

    func mode(of name: String = "store.db") -> UInt32 {
        var info = stat()
        return stat(directory + "/" + name, &info) == 0 ? info.st_mode & 0o777 : 0
    }

    func write(_ text: String, at offset: Int) {
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        _ = text.withCString { pwrite(file, $0, strlen($0), off_t(offset)) }
        close(file)
    }
}

struct Entry: RequestLogEntry {
    var trace = "t"
    var startedAt = WallClock.now()
    var size = 100
    var metadata: [(key: String, value: String)] = []
    var status = 200
    var text: String?

    func row(id: (Int64) -> RowID) -> RequestRow {
        var row = RequestRow(
            id: id(startedAt), startedAt: startedAt, workspace: "w", trace: trace, endpoint: "chat_completions",
            method: "POST", path: "/v1/chat/completions", status: status)
        row.model = "m"
        row.provider = "p"
        row.target = "config"
        row.attempts = [
            RequestRow.Attempt(
                provider: "p", model: "m", target: "config", retry: 0, status: status, duration: 5_000_000, error: nil)
        ]
        row.metadata = metadata
        if let text {
            row.bodies = RequestRow.Bodies(
                policy: "full", request: .init(bytes: Bytes(text), size: text.utf8.count), answer: nil)
        }
        return row
    }
}

/// What a log has said.
final class Notices: Sendable {
    private let list = Mutex<[RequestLogNotice]>([])
    var all: [RequestLogNotice] { list.withLock { $0 } }
    func add(_ notice: RequestLogNotice) { list.withLock { $0.append(notice) } }

    var failures: [String] {
        all.compactMap { if case .failing(let message, _) = $0 { message } else { nil } }
    }
    var hasRecovered: Bool { all.contains { if case .recovered = $0 { true } else { false } } }
    var lost: UInt64 { all.reduce(0) { if case .lost(let rows) = $1 { $0 + rows } else { $0 } } }
}

/// Waits for what other threads do; generous, since machines may be busy.
func until(_ condition: () throws -> Bool) throws {
    let deadline = Deadline.after(milliseconds: 30_000)
    while try !condition() {
        guard !deadline.hasPassed() else {
            Issue.record("it did not happen within 30 s")
            return
        }
        usleep(2_000)
    }
}

func failure(_ body: () throws(StoreError) -> Void) -> StoreError? {
    do throws(StoreError) {
        try body()
        return nil
    } catch { return error }
}
