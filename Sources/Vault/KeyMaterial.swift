// KeyMaterial: 32 bytes of a key, wiped when nobody holds them any more, and never printed.

internal import CCrypto

package final class KeyMaterial: @unchecked Sendable {
    package static let byteCount = 32
    // Written in init and deinit only.
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: KeyMaterial.byteCount, alignment: 16)

    /// nil unless there are 32 of them.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        memory.copyBytes(from: bytes)
    }

    init(filledBy fill: (UnsafeMutableRawBufferPointer) -> Void) { fill(memory) }

    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        memory.deallocate()
    }

    package func withBytes<Value, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> Value) throws(E) -> Value {
        try body(UnsafeRawBufferPointer(memory))
    }
}

extension KeyMaterial: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "‹key›" }
    package var debugDescription: String { "‹key›" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// What went wrong, without any secret.
package struct VaultError: Error, Sendable, Equatable {
    package var message: String

    package init(message: String) { self.message = message }
}
