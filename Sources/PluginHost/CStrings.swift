// Between gh_str and Swift: views of stable memory, and copies of what came from a plugin.

import CGatehouse
import Core

extension gh_str {
    static var absent: gh_str { gh_str(ptr: nil, len: 0) }

    /// A view of `bytes`; valid while their storage is retained.
    init(viewing bytes: Bytes) {
        self.init(ptr: bytes.pointer.assumingMemoryBound(to: CChar.self), len: bytes.count)
    }

    /// A view of a literal.
    init(_ literal: StaticString) {
        self.init(
            ptr: UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self), len: literal.utf8CodeUnitCount
        )
    }

    var isAbsent: Bool { ptr == nil }

    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ptr, count: ptr == nil ? 0 : len) }

    /// A copy; ill-formed UTF-8 is repaired. nil when absent.
    var string: String? { isAbsent ? nil : String(decoding: buffer, as: UTF8.self) }

    var copied: Bytes { Bytes(copying: buffer) }
}

extension gh_bytes {
    /// Takes the bytes over: copies them, or adopts them when they carry a release. That is called before `instance` is
    /// destroyed.
    func adopt(from instance: PluginInstance? = nil) -> Bytes? {
        guard let ptr else {
            discard()
            return nil
        }
        guard let release else { return Bytes(copying: UnsafeRawBufferPointer(start: ptr, count: len)) }
        nonisolated(unsafe) let owner = owner
        let storage = ByteStorage.foreign(ptr, count: len) { withExtendedLifetime(instance) { release(owner) } }
        return Bytes(storage: storage, offset: 0, count: len)
    }

    /// Gives back bytes that nobody wants.
    func discard() { release?(owner) }
}

/// `MemoryLayout<T>.size` where a C struct's `struct_size` is wanted.
func structSize<T>(_ type: T.Type) -> UInt32 { UInt32(MemoryLayout<T>.size) }

/// True when a plugin's struct is longer than this host's and says something there. Sizes beyond all reason count as such.
func hasUnknownTail<Struct>(_ pointer: UnsafePointer<Struct>, size: UInt32) -> Bool {
    let known = MemoryLayout<Struct>.size
    guard size > known else { return false }
    guard size <= 4096 else { return true }
    return UnsafeRawBufferPointer(start: pointer, count: Int(size))[known...].contains { $0 != 0 }
}
