// Secrets: bytes that nobody can guess, and a comparison that does not tell how far it came.

internal import CCrypto

package enum Secrets {
    /// Whether two byte strings are equal, in a time that depends on their lengths only.
    package static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return true }
        return CRYPTO_memcmp(leftBase, rightBase, left.count) == 0
    }

    package static func areEqual(_ left: String, _ right: String) -> Bool {
        var left = left
        var right = right
        return left.withUTF8 { left in
            right.withUTF8 { right in areEqual(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer(right)) }
        }
    }

    /// Fills memory from libcrypto's generator, which is fit for keys.
    package static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        var offset = 0
        while offset < bytes.count {
            let count = min(bytes.count - offset, Int(Int32.max))
            // Going on with bytes that are not random would be worse than stopping.
            precondition(RAND_bytes(base + offset, Int32(count)) == 1, "the system gives no random bytes")
            offset += count
        }
    }

    package static func randomBytes(count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }
}

extension Digest {
    /// Equality in constant time, for digests of secrets.
    package func matches(_ other: Digest) -> Bool {
        withUnsafeBytes { left in other.withUnsafeBytes { right in Secrets.areEqual(left, right) } }
    }
}
