// SHA256: digests by libcrypto, which libcurl has loaded already and which uses the processor's own instructions.
//
// OpenSSL 3 looks an algorithm up by name on every SHA256() call, which costs more than hashing a cache key does. So
// the algorithm is fetched once, and each thread keeps one context for whole hashes.

internal import CCrypto
internal import Glibc

package enum SHA256 {
    /// The digest of `bytes`.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
        let context = HashContext.ofThread()
        return Digest { output in
            // Without an algorithm the context begins anew with the one it had.
            var isDone = EVP_DigestInit_ex(context, nil, nil) == 1
            isDone = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 && isDone
            isDone = EVP_DigestFinal_ex(context, output, nil) == 1 && isDone
            precondition(isDone, "libcrypto could not compute a SHA-256")
        }
    }

    package static func hash(_ text: String) -> Digest {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0)) }
    }

    package static func hash(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// Takes a text piece by piece.
    package struct Hasher: ~Copyable {
        private let context: OpaquePointer

        package init() { context = HashContext.make() }
        deinit { EVP_MD_CTX_free(context) }

        package mutating func update(_ bytes: UnsafeRawBufferPointer) {
            let status = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(status == 1, "libcrypto could not compute a SHA-256")
        }

        package mutating func update(_ text: String) {
            var text = text
            text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
        }

        /// The digest of all pieces. The hasher is fresh afterwards.
        package mutating func finish() -> Digest {
            let digest = Digest { output in
                let isDone = EVP_DigestFinal_ex(context, output, nil) == 1 && EVP_DigestInit_ex(context, nil, nil) == 1
                precondition(isDone, "libcrypto could not compute a SHA-256")
            }
            return digest
        }
    }
}

// MARK: Files

/// A file that could not be read: the system's error number.
package struct DigestFileError: Error, Sendable, Equatable, CustomStringConvertible {
    package var errno: Int32

    package var description: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress, strerror_r(errno, base, buffer.count) == 0 else {
                return "error \(errno)"
            }
            return String(cString: base)
        }
    }
}

extension SHA256 {
    /// The digest of a whole file, whatever the descriptor's position, which stays where it is. The file must be one
    /// that can be read at a position: not a pipe. Blocks.
    package static func hash(fileDescriptor: Int32) throws(DigestFileError) -> Digest {
        var hasher = Hasher()
        let capacity = 1 << 16
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        var offset = 0
        while true {
            let count = pread(fileDescriptor, buffer.baseAddress, capacity, off_t(offset))
            if count < 0 {
                if errno == EINTR { continue }
                throw DigestFileError(errno: errno)
            }
            if count == 0 { return hasher.finish() }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
    }
}

// MARK: Contexts

private enum HashContext {
    /// A context that has begun a SHA-256.
    static func make() -> OpaquePointer {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, OpaquePointer(bitPattern: algorithm), nil) == 1
        else { preconditionFailure("libcrypto has no SHA-256") }
        return context
    }

    static func ofThread() -> OpaquePointer {
        if let context = pthread_getspecific(key) { return OpaquePointer(context) }
        let context = make()
        pthread_setspecific(key, UnsafeRawPointer(context))
        return context
    }

    /// The EVP_MD's address; it is never freed.
    private static let algorithm: UInt = UInt(bitPattern: EVP_MD_fetch(nil, "SHA256", nil))

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { EVP_MD_CTX_free(OpaquePointer($0)) }
        precondition(status == 0, "no thread-specific key is left for digests: \(status)")
        return key
    }()
}
