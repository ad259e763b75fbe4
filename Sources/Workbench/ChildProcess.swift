// ChildProcess: runs this executable again with other arguments, so that what crashes or hangs is somebody else.

import Core

#if canImport(Glibc)
    import Glibc
#endif

enum ChildProcess {
    enum End: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
        case tookTooLong
    }

    /// What the child printed and how it ended. It is killed after `seconds`.
    static func run(_ arguments: [String], seconds: Int) throws(WorkbenchError) -> (output: String, end: End) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw WorkbenchError(message: "no pipe: \(String(cString: strerror(errno)))") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_addclose(&actions, ends[1])
        var words: [UnsafeMutablePointer<CChar>?] = (["gatehouse"] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var child = pid_t()
        let result = posix_spawn(&child, "/proc/self/exe", &actions, nil, words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard result == 0 else {
            throw WorkbenchError(message: "no child process: \(String(cString: strerror(result)))")
        }
        let (output, isLate) = read(ends[0], until: MonotonicClock.now() + Int64(seconds) * 1_000_000_000)
        if isLate { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return (output, isLate ? .tookTooLong : signal != 0 ? .killed(signal: signal) : .exited(status >> 8 & 0xFF))
    }

    /// Until the child has closed its output, or it is too late.
    private static func read(_ descriptor: Int32, until deadline: Int64) -> (String, isLate: Bool) {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = (deadline - MonotonicClock.now()) / 1_000_000
            guard left > 0 else { return (String(decoding: bytes, as: UTF8.self), true) }
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = Glibc.poll(&poll, 1, Int32(min(left, 60_000)))
            guard ready > 0 else { continue }
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count <= 0 { return (String(decoding: bytes, as: UTF8.self), false) }
            if bytes.count < 1 << 16 { bytes.append(contentsOf: chunk.prefix(count)) }
        }
    }

    static func name(of signal: Int32) -> String {
        strsignal(signal).map { String(cString: $0) } ?? "signal \(signal)"
    }
}
