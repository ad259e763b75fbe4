// HMACKey: HMAC-SHA256 (RFC 2104) under one key, and keys derived from a key (HKDF, RFC 5869).

internal import CCrypto
internal import Glibc

/// A key for authentication codes. Its two padded blocks are hashed once; a code costs two copies of a context.
package final class HMACKey: @unchecked Sendable {
    // Never changed after init: copies are made of them, from any thread.
    private let inner: OpaquePointer
    private let outer: OpaquePointer

    package init(_ key: [UInt8]) {
        var block = [UInt8](repeating: 0, count: 64)
        if key.count <= 64 {
            for (place, byte) in key.enumerated() { block[place] = byte }
        } else {
            for (place, byte) in SHA256.hash(key).bytes.enumerated() { block[place] = byte }
        }
        inner = Self.context(block, 0x36)
        outer = Self.context(block, 0x5C)
        block.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }

    // Both contexts are wiped when they are freed.
    deinit {
        EVP_MD_CTX_free(inner)
        EVP_MD_CTX_free(outer)
    }

    private static func context(_ block: [UInt8], _ pad: UInt8) -> OpaquePointer {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto has no SHA-256")
        }
        var padded = block.map { $0 ^ pad }
        padded.withUnsafeMutableBytes { bytes in
            let status = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(status == 1, "libcrypto could not compute a SHA-256")
            OPENSSL_cleanse(bytes.baseAddress, bytes.count)
        }
        return context
    }

    package func authenticate(_ text: UnsafeRawBufferPointer) -> Digest {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("there is no memory for a digest") }
        defer { EVP_MD_CTX_free(context) }
        func finish(_ start: OpaquePointer, _ bytes: UnsafeRawBufferPointer) -> Digest {
            Digest { output in
                var isDone = EVP_MD_CTX_copy_ex(context, start) == 1
                isDone = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 && isDone
                isDone = EVP_DigestFinal_ex(context, output, nil) == 1 && isDone
                precondition(isDone, "libcrypto could not compute an HMAC")
            }
        }
        return finish(inner, text).withUnsafeBytes { finish(outer, $0) }
    }

    package func authenticate(_ text: String) -> Digest {
        var text = text
        return text.withUTF8 { authenticate(UnsafeRawBufferPointer($0)) }
    }

    package func authenticate(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { authenticate($0) } }
}

package enum HKDF {
    /// `count` bytes, at most 255 times 32, that tell nothing of `key` nor of what other labels give.
    package static func derive(from key: [UInt8], salt: [UInt8] = [], label: String, count: Int = 32) -> [UInt8] {
        derive(from: key, salt: salt, info: Array(label.utf8), count: count)
    }

    static func derive(from key: [UInt8], salt: [UInt8], info: [UInt8], count: Int) -> [UInt8] {
        precondition(count <= 255 * Digest.byteCount, "HKDF gives no more than 8,160 bytes")
        let extracted = HMACKey(salt.isEmpty ? [UInt8](repeating: 0, count: Digest.byteCount) : salt).authenticate(key)
        let expander = HMACKey(extracted.bytes)
        var output: [UInt8] = []
        var block: [UInt8] = []
        var number: UInt8 = 1
        while output.count < count {
            block = expander.authenticate(block + info + [number]).bytes
            output += block
            number &+= 1
        }
        return Array(output.prefix(count))
    }
}
