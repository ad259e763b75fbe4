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
            ptr: UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self), len: literal.utf8CodeUnitCount)
    }

    var isAbsent: Bool { ptr == nil }

    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ptr, count: ptr == nil ? 0 : len) }

    /// A copy; ill-formed UTF-8 is repaired. nil when absent.
    var string: String? { isAbsent ? nil : String(decoding: buffer, as: UTF8.self) }

    var copied: Bytes { Bytes(copying: buffer) }
}

extension gh_bytes {
    /// Takes the bytes over: copies them, or adopts them when they carry a release.
    func adopt() -> Bytes? {
        guard let ptr else { return nil }
        guard let release else { return Bytes(copying: UnsafeRawBufferPointer(start: ptr, count: len)) }
        nonisolated(unsafe) let owner = owner
        return Bytes(storage: ByteStorage(foreign: ptr, count: len) { release(owner) }, offset: 0, count: len)
    }
}

/// `MemoryLayout<T>.size` where a C struct's `struct_size` is wanted.
func structSize<T>(_ type: T.Type) -> UInt32 { UInt32(MemoryLayout<T>.size) }

/// Calls a function of a plugin's table only when the table is new enough to have it.
extension UnsafePointer {
    func has<Member>(_ path: KeyPath<Pointee, Member>, size: UInt32) -> Bool {
        guard let offset = MemoryLayout<Pointee>.offset(of: path) else { return false }
        return Int(size) >= offset + MemoryLayout<Member>.size
    }
}
