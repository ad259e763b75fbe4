// GuardedMemory: bytes that end at a page which cannot be read, and that can be taken away. Whoever reads past their end, or after
// they are gone, crashes there and then.

import Core

#if canImport(Glibc)
    import Glibc
#endif

/// Confined to one thread at a time.
final class GuardedMemory: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    private let size: Int
    private let start: UnsafeMutableRawPointer
    let count: Int

    init(_ bytes: [UInt8]) throws(WorkbenchError) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let pages = (bytes.count + page - 1) / page
        size = (pages + 1) * page
        count = bytes.count
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            memory != MAP_FAILED
        else { throw WorkbenchError(message: "no memory: \(String(cString: strerror(errno)))") }
        base = memory
        start = memory + pages * page - bytes.count
        bytes.withUnsafeBytes { if let source = $0.baseAddress { start.copyMemory(from: source, byteCount: $0.count) } }
        mprotect(memory + pages * page, page, PROT_NONE)
    }

    deinit { munmap(base, size) }

    /// The bytes, as long as nobody takes them away.
    var bytes: Bytes {
        Bytes(
            storage: ByteStorage.foreign(start, count: count) { withExtendedLifetime(self) {} }, offset: 0, count: count
        )
    }

    /// From now on nobody reads them.
    func takeAway() { mprotect(base, size, PROT_NONE) }
}
