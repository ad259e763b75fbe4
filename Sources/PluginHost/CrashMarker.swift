// CrashMarker: which plugin call runs on which thread, written into a file that outlives the process. A call costs two plain stores into
// mapped memory. When the process dies of a signal, its handler adds which of them it was; the next start reads that (CrashRecords.swift).
//
// The file, in this machine's byte order:
//     0      "GHCRASH1"
//     8      int32  signal that ended the process, 0 while it lives
//     12     uint32 what its thread was doing: the slot's value, 0 for nothing of a plugin's
//     16     int64  when, seconds since 1970
//     4096   256 slots of 64 bytes, one for each thread that calls plugins; the first four bytes are
//            (library number + 1) << 8 | call, or 0
//     20480  1024 names of 256 bytes, one for each library: "sha256 id version", ended by NUL
//
// A living process holds a lock (flock) on its file and removes it when it stops.

import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

package enum CrashMarker {
    /// What of a plugin is running.
    package enum Call: UInt8, Sendable, CaseIterable {
        case entry = 1
        case create, destroy, onRequest, onResponse, onStream, onError, onCancel, onDone, sign, build, mapResponse,
            mapError, streamOpen, mapEvent, streamClose, streamDrop

        /// As the headers spell it.
        package var name: String {
            switch self {
            case .entry: "gh_plugin_entry_v1"
            case .create: "create"
            case .destroy: "destroy"
            case .onRequest: "on_request"
            case .onResponse: "on_response"
            case .onStream: "on_stream"
            case .onError: "on_error"
            case .onCancel: "on_cancel"
            case .onDone: "on_done"
            case .sign: "sign"
            case .build: "build"
            case .mapResponse: "map_response"
            case .mapError: "map_error"
            case .streamOpen: "stream_open"
            case .mapEvent: "map_event"
            case .streamClose: "stream_close"
            case .streamDrop: "stream_drop"
            }
        }
    }

    /// A call in progress. What the thread did before is written back at its end: create() may run inside of nothing, but a release
    /// may run inside of a hook.
    struct Running {
        fileprivate let slot: UnsafeMutablePointer<UInt32>?
        fileprivate let before: UInt32

        @inline(__always)
        func end() { slot?.pointee = before }
    }

    static let magic: [UInt8] = Array("GHCRASH1".utf8)
    static let slotsOffset = 4096
    static let slotStride = 64
    static let slotCount = 256
    static let namesOffset = slotsOffset + slotCount * slotStride
    static let nameSize = 256
    static let nameCount = 1024
    static let fileSize = namesOffset + nameCount * nameSize

    /// For every call, and for the signal handler, which may take no lock. Written once, before any plugin is called; behind a pointer,
    /// since each access of a static variable would be checked for exclusivity.
    private struct Mapping {
        var memory: UnsafeMutableRawPointer?
        var slotKey: pthread_key_t = 0
        var previousActions: UnsafeMutablePointer<sigaction>?
    }
    nonisolated(unsafe) private static let mapping: UnsafeMutablePointer<Mapping> = {
        let mapping = UnsafeMutablePointer<Mapping>.allocate(capacity: 1)
        mapping.initialize(to: Mapping())
        return mapping
    }()

    private static let signals: [Int32] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP]

    private struct State {
        var path: String?
        var slots = 0
        var libraries = 0
    }
    private static let state = Mutex(State())

    // MARK: A call

    /// Says that `call` of a library begins on this thread. `library` is what `register` gave.
    @inline(__always)
    static func begin(_ call: Call, of library: UInt32) -> Running {
        let mapping = mapping
        guard mapping.pointee.memory != nil, library != 0 else { return Running(slot: nil, before: 0) }
        let mine = pthread_getspecific(mapping.pointee.slotKey)?.assumingMemoryBound(to: UInt32.self)
        guard let slot = mine ?? claim() else { return Running(slot: nil, before: 0) }
        let before = slot.pointee
        slot.pointee = library << 8 | UInt32(call.rawValue)
        return Running(slot: slot, before: before)
    }

    /// The thread's first call: it gets a slot for good, as threads that call plugins live as long as the process; and a stack for the
    /// handler, so that also an overflow of its own is told.
    private static func claim() -> UnsafeMutablePointer<UInt32>? {
        guard let memory = mapping.pointee.memory else { return nil }
        let number = state.withLock { state in
            state.slots += 1
            return state.slots - 1
        }
        guard number < slotCount else { return nil }
        let slot = memory + slotsOffset + number * slotStride
        guard pthread_setspecific(mapping.pointee.slotKey, slot) == 0 else { return nil }
        var stack = stack_t()
        if sigaltstack(nil, &stack) == 0, stack.ss_flags & Int32(SS_DISABLE) != 0 {
            let size = 64 << 10
            stack = stack_t()
            stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
            stack.ss_size = size
            sigaltstack(&stack, nil)
        }
        return slot.bindMemory(to: UInt32.self, capacity: 1)
    }

    /// A library's number in the file, from 1; 0 where there is no file or no room: its calls are not marked then.
    static func register(sha256: String, id: String, version: String) -> UInt32 {
        guard let memory = mapping.pointee.memory else { return 0 }
        let number = state.withLock { state in
            state.libraries += 1
            return state.libraries
        }
        guard number <= nameCount else { return 0 }
        let name = Array("\(sha256) \(id) \(version)".utf8.prefix(nameSize - 1))
        name.withUnsafeBytes {
            (memory + namesOffset + (number - 1) * nameSize).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
        return UInt32(number)
    }

    // MARK: The file

    /// Begins to mark, once per process. The directory is made where it is missing. Without a marker the gateway runs as well: the
    /// error is for the log.
    static func open(in directory: String) throws(FileRefusal) {
        guard mapping.pointee.memory == nil else { return }
        let folder = directory + "/running"
        try PluginFiles.makeDirectory(folder)
        let path = "\(folder)/\(getpid())"
        func failed(_ what: String) -> FileRefusal {
            FileRefusal("\(path) cannot be \(what): \(String(cString: strerror(errno)))")
        }
        unlink(path)
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failed("made") }
        // Held open, and so locked, until the process ends.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw failed("locked") }
        // All of it, now: a store into a page that the disk has no room for would be a SIGBUS.
        guard posix_fallocate(descriptor, 0, off_t(fileSize)) == 0 else {
            unlink(path)
            Glibc.close(descriptor)
            throw FileRefusal("\(path) cannot be given its \(fileSize) bytes")
        }
        guard let mapped = mmap(nil, fileSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED,
            pthread_key_create(&mapping.pointee.slotKey, nil) == 0
        else { throw failed("mapped") }
        magic.withUnsafeBytes { mapped.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        mapping.pointee.previousActions = .allocate(capacity: 65)
        mapping.pointee.memory = mapped
        state.withLock { $0.path = path }
        watchSignals()
    }

    /// An orderly end: nothing is to be told of it.
    package static func close() {
        let path = state.withLock { state in
            defer { state.path = nil }
            return state.path
        }
        if let path { unlink(path) }
    }

    // MARK: The end

    /// Notes which thread the signal came to, then lets happen what would have happened without.
    private static func watchSignals() {
        for number in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { CrashMarker.noteEnd($0) }
            action.sa_flags = SA_ONSTACK
            sigaction(number, &action, mapping.pointee.previousActions.map { $0 + Int(number) })
        }
    }

    /// In a signal handler: stores, and calls that are safe there.
    private static func noteEnd(_ number: Int32) {
        let mapping = mapping.pointee
        if let memory = mapping.memory, memory.load(fromByteOffset: 8, as: Int32.self) == 0 {
            let slot = pthread_getspecific(mapping.slotKey)
            memory.storeBytes(of: slot?.load(as: UInt32.self) ?? 0, toByteOffset: 12, as: UInt32.self)
            memory.storeBytes(of: Int64(time(nil)), toByteOffset: 16, as: Int64.self)
            memory.storeBytes(of: number, toByteOffset: 8, as: Int32.self)
        }
        if let previousActions = mapping.previousActions { sigaction(number, previousActions + Int(number), nil) }
        raise(number)
    }
}
