// Bytes: immutable, reference-counted memory at a stable address.
//
// Bodies, events and edited texts are Bytes. Slicing shares the storage, and the address never moves, so that a view can be
// handed to a plugin or to libcurl for as long as the storage is retained.

#if canImport(Glibc)
    import Glibc
#endif

/// Memory that `Bytes` values share, in one allocation with its reference count. It is filled once, before it is shared.
package final class ByteStorage: ManagedBuffer<ByteStorage.Header, UInt8> {
    package struct Header {
        fileprivate var base: UnsafeMutableRawPointer
        fileprivate var capacity: Int
        fileprivate var release: (@Sendable () -> Void)?
    }

    package static func make(capacity: Int) -> ByteStorage {
        let made = create(minimumCapacity: capacity) { buffer in
            Header(base: buffer.withUnsafeMutablePointerToElements { UnsafeMutableRawPointer($0) }, capacity: capacity)
        }
        return unsafeDowncast(made, to: ByteStorage.self)
    }

    /// Memory of somebody else's: `release` runs once, when the last `Bytes` is gone.
    package static func foreign(
        _ base: UnsafeRawPointer, count: Int, release: @escaping @Sendable () -> Void
    ) -> ByteStorage {
        let made = create(minimumCapacity: 0) { _ in
            Header(base: UnsafeMutableRawPointer(mutating: base), capacity: count, release: release)
        }
        return unsafeDowncast(made, to: ByteStorage.self)
    }

    package var base: UnsafeMutableRawPointer { header.base }
    /// The size in bytes that was asked for.
    package var size: Int { header.capacity }

    deinit { header.release?() }
}

/// Sendable because nobody writes to a storage that is shared.
package struct Bytes: @unchecked Sendable {
    package let storage: ByteStorage
    package let offset: Int
    package let count: Int

    @inlinable
    package init(storage: ByteStorage, offset: Int, count: Int) {
        self.storage = storage
        self.offset = offset
        self.count = count
    }

    package init(copying buffer: UnsafeRawBufferPointer) {
        let storage = ByteStorage.make(capacity: buffer.count)
        if let base = buffer.baseAddress, buffer.count > 0 {
            storage.base.copyMemory(from: base, byteCount: buffer.count)
        }
        self.init(storage: storage, offset: 0, count: buffer.count)
    }

    /// Memory for `capacity` bytes that `fill` writes to; it gives how many.
    package init(capacity: Int, fill: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        let storage = ByteStorage.make(capacity: capacity)
        let room = storage.base.bindMemory(to: UInt8.self, capacity: capacity)
        let count = fill(UnsafeMutableBufferPointer(start: room, count: capacity))
        self.init(storage: storage, offset: 0, count: count)
    }

    package init(_ array: [UInt8]) {
        self = array.withUnsafeBytes { Bytes(copying: $0) }
    }

    package init(_ string: String) {
        var string = string
        self = string.withUTF8 { Bytes(copying: UnsafeRawBufferPointer($0)) }
    }

    package static let empty = Bytes(storage: .make(capacity: 0), offset: 0, count: 0)

    package var isEmpty: Bool { count == 0 }

    /// The first byte's address. Valid while the storage is retained.
    package var pointer: UnsafeRawPointer { UnsafeRawPointer(storage.base + offset) }

    /// A view of the bytes. Valid while the storage is retained: keep the `Bytes` alive around its use.
    package var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage.base + offset, count: count) }

    package subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "byte \(index) of \(count)")
        return storage.base.load(fromByteOffset: offset + index, as: UInt8.self)
    }

    /// The bytes in `range`, sharing the storage.
    package subscript(range: Range<Int>) -> Bytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        return Bytes(storage: storage, offset: offset + range.lowerBound, count: range.count)
    }

    package var array: [UInt8] { withExtendedLifetime(storage) { [UInt8](buffer) } }
}

extension Bytes: Equatable {
    package static func == (left: Bytes, right: Bytes) -> Bool {
        left.count == right.count && memcmp(left.pointer, right.pointer, left.count) == 0
    }
}

extension Bytes: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}

extension String {
    /// The bytes as UTF-8; ill-formed sequences become U+FFFD.
    package init(_ bytes: Bytes) {
        self = withExtendedLifetime(bytes) { String(decoding: bytes.buffer, as: UTF8.self) }
    }
}

/// Collects bytes into one storage that grows by doubling; `finish` gives it away without a copy.
package struct BytesBuilder {
    /// Made with the first byte.
    private var storage: ByteStorage?
    /// The storage's, where a byte goes without asking it.
    private var base: UnsafeMutableRawPointer
    /// Of the storage; 0 before there is one.
    private var capacity = 0
    private let firstCapacity: Int
    package private(set) var count = 0

    package init(capacity: Int = 256) {
        firstCapacity = capacity
        // Never written to: there is no room.
        base = UnsafeMutableRawPointer(mutating: Bytes.empty.pointer)
    }

    package mutating func reserve(_ extra: Int) {
        if count + extra > capacity { grow(extra) }
    }

    /// Makes room for `extra` more bytes.
    @inline(never)
    private mutating func grow(_ extra: Int) {
        capacity = max(storage == nil ? firstCapacity : capacity * 2, count + extra)
        let larger = ByteStorage.make(capacity: capacity)
        larger.base.copyMemory(from: base, byteCount: count)
        base = larger.base
        storage = larger
    }

    package mutating func append(_ buffer: UnsafeRawBufferPointer) {
        guard let from = buffer.baseAddress, buffer.count > 0 else { return }
        if count + buffer.count > capacity { grow(buffer.count) }
        (base + count).copyMemory(from: from, byteCount: buffer.count)
        count += buffer.count
    }

    package mutating func append(_ byte: UInt8) {
        if count == capacity { grow(1) }
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    package mutating func append(_ bytes: Bytes) {
        withExtendedLifetime(bytes) { append(bytes.buffer) }
    }

    package mutating func append(_ string: StaticString) {
        append(UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
    }

    package mutating func append(_ string: String) {
        var string = string
        string.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// What was collected. The builder is empty afterwards.
    package mutating func finish() -> Bytes {
        guard let storage else { return .empty }
        let bytes = Bytes(storage: storage, offset: 0, count: count)
        self.storage = nil
        base = UnsafeMutableRawPointer(mutating: Bytes.empty.pointer)
        capacity = 0
        count = 0
        return bytes
    }
}
