// MasterKey: the key that the operator keeps, from a text, a file or a command.

internal import Digests
internal import Glibc

package enum MasterKey {
    /// 32 bytes as 64 hexadecimal digits or in base64, with or without a line break behind them.
    package static func read(text: String) throws(VaultError) -> KeyMaterial {
        var letters = Array(text.utf8)
        while let last = letters.last, last == 0x0A || last == 0x0D { letters.removeLast() }
        if letters.count == 64, let digest = Digest(hex: String(decoding: letters, as: UTF8.self)),
            let key = KeyMaterial(digest.bytes)
        {
            return key
        }
        if let bytes = base64(letters), let key = KeyMaterial(bytes) { return key }
        throw VaultError(
            message: "expected 32 bytes as 64 hexadecimal digits or in base64, found \(letters.count) characters")
    }

    private static func base64(_ letters: [UInt8]) -> [UInt8]? {
        guard letters.count == 43 || letters.count == 44 && letters[43] == UInt8(ascii: "=") else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for letter in letters.prefix(43) {
            let value: UInt8
            switch letter {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = letter - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = letter - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = letter - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }

    /// A file that nobody else may read.
    package static func read(file: String) throws(VaultError) -> KeyMaterial {
        // Without waiting: a pipe, which is refused, would let nobody on before somebody writes.
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw VaultError(message: "\(file): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(message: "\(file): this is no file")
        }
        guard info.st_mode & 0o077 == 0 else {
            throw VaultError(message: "\(file): others than its owner may read it (chmod 600)")
        }
        var text = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(descriptor, &text, text.count)
        guard count >= 0 else { throw VaultError(message: "\(file): \(String(cString: strerror(errno)))") }
        do throws(VaultError) { return try read(text: String(decoding: text.prefix(count), as: UTF8.self)) } catch {
            throw VaultError(message: "\(file): \(error.message)")
        }
    }

    /// A new key in a new file, which is on the disk when this returns.
    package static func make(file: String) throws(VaultError) -> KeyMaterial {
        let bytes = Secrets.randomBytes(count: KeyMaterial.byteCount)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw VaultError(message: "\(file): cannot be made: \(String(cString: strerror(errno)))")
        }
        let text = Array((bytes.withUnsafeBytes { Hexadecimal.text($0) } + "\n").utf8)
        let isWritten = write(descriptor, text, text.count) == text.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, let key = KeyMaterial(bytes) else {
            unlink(file)
            throw VaultError(message: "\(file): cannot be written: \(String(cString: strerror(errno)))")
        }
        let end = file.lastIndex(of: "/").map { $0 == file.startIndex ? "/" : String(file[..<$0]) } ?? "."
        let directory = open(end, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return key
    }

    /// What a shell command prints, within `seconds`.
    package static func run(command: String, seconds: Int = 10) throws(VaultError) -> KeyMaterial {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw VaultError(message: "the key command: there is no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that all of it can be ended; with no signal blocked.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var process = pid_t()
        let words: [String] = ["/bin/sh", "-c", command]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        let status = posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments + [nil], environ)
        close(ends[1])
        guard status == 0 else {
            throw VaultError(message: "the key command cannot be run: \(String(cString: strerror(status)))")
        }
        let deadline = milliseconds() + Int64(seconds) * 1_000
        let late = "did not end within \(seconds) s"
        let (text, failure) = output(ends[0], until: deadline, late)
        var problem = failure
        // Its output may have ended before it has.
        if problem == nil, !hasEnded(process, by: deadline) { problem = late }
        if problem != nil { kill(-process, SIGKILL) }
        var end: Int32 = 0
        while waitpid(process, &end, 0) < 0, errno == EINTR {}
        if let problem { throw VaultError(message: "the key command \(problem)") }
        guard end & 0x7F == 0, end >> 8 & 0xFF == 0 else {
            throw VaultError(
                message: "the key command failed with status \(end & 0x7F == 0 ? end >> 8 & 0xFF : 128 + end & 0x7F)")
        }
        do throws(VaultError) { return try read(text: String(decoding: text, as: UTF8.self)) } catch {
            throw VaultError(message: "the key command: \(error.message)")
        }
    }

    private static func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// Leaves it to be waited for.
    private static func hasEnded(_ process: pid_t, by deadline: Int64) -> Bool {
        while true {
            var info = siginfo_t()
            // si_signo stays 0 while it runs. Where nobody is to be waited for, there is no process any more.
            let status = waitid(P_PID, id_t(process), &info, WEXITED | WNOHANG | WNOWAIT)
            if status == 0, info.si_signo != 0 { return true }
            if status < 0, errno != EINTR { return true }
            guard milliseconds() < deadline else { return false }
            usleep(5_000)
        }
    }

    private static func output(
        _ descriptor: Int32, until deadline: Int64, _ late: String
    ) -> (text: [UInt8], problem: String?) {
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1_024)
        while true {
            let rest = deadline - milliseconds()
            guard rest > 0 else { return (text, late) }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wait, 1, Int32(clamping: rest))
            if ready <= 0 { continue }
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return (text, nil) }
            if count < 0 {
                if errno == EINTR { continue }
                return (text, "cannot be read")
            }
            text += piece.prefix(count)
            if text.count > 4_096 { return (text, "prints more than a key") }
        }
    }
}
