// Ed25519: signatures (RFC 8032) by libcrypto, which is loaded for TLS and digests anyway. Keys are PEM, as openssl writes them, or the
// public key's 32 bytes in hex.

internal import CCrypto

package enum Ed25519 {
    package static let publicKeySize = 32
    package static let signatureSize = 64

    /// `count` bytes in hexadecimal digits; nil when it is anything else.
    package static func bytes(hex: some StringProtocol, count: Int) -> [UInt8]? {
        guard hex.utf8.count == 2 * count else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var high: UInt8?
        for digit in hex.utf8 {
            guard let value = UInt8(String(UnicodeScalar(digit)), radix: 16) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }

    package struct PublicKey: Sendable, Equatable {
        package let bytes: [UInt8]

        /// nil unless it is 64 hexadecimal digits.
        package init?(hex: some StringProtocol) {
            guard let bytes = Ed25519.bytes(hex: hex, count: publicKeySize) else { return nil }
            self.bytes = bytes
        }

        init(bytes: [UInt8]) { self.bytes = bytes }

        package var hex: String { bytes.withUnsafeBytes { Hexadecimal.text($0) } }

        /// A short name for people: the first 16 hexadecimal digits of its SHA-256.
        package var id: String { String(SHA256.hash(bytes).hex.prefix(16)) }

        package func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
            guard let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count) else { return false }
            defer { EVP_PKEY_free(key) }
            guard let context = EVP_MD_CTX_new() else { return false }
            defer { EVP_MD_CTX_free(context) }
            guard EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else { return false }
            return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        }
    }

    package struct PrivateKey: Sendable {
        /// PKCS #8.
        package let pem: String
        package let publicKey: PublicKey

        /// A new one.
        package init() {
            guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else {
                preconditionFailure("libcrypto has no Ed25519")
            }
            defer { EVP_PKEY_CTX_free(context) }
            var key: OpaquePointer?
            let isMade = EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key) == 1
            guard isMade, let key, let pem = Self.pem(of: key), let made = PrivateKey(pem: pem) else {
                preconditionFailure("libcrypto could not make an Ed25519 key")
            }
            EVP_PKEY_free(key)
            self = made
        }

        /// nil for anything but an Ed25519 key without a passphrase.
        package init?(pem: String) {
            guard let key = Self.parse(pem) else { return nil }
            defer { EVP_PKEY_free(key) }
            var bytes = [UInt8](repeating: 0, count: publicKeySize)
            var count = bytes.count
            guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, count == publicKeySize else { return nil }
            self.pem = pem
            publicKey = PublicKey(bytes: bytes)
        }

        package func sign(_ message: [UInt8]) -> [UInt8] {
            guard let key = Self.parse(pem), let context = EVP_MD_CTX_new() else {
                preconditionFailure("libcrypto cannot read the key that it made")
            }
            defer {
                EVP_PKEY_free(key)
                EVP_MD_CTX_free(context)
            }
            var signature = [UInt8](repeating: 0, count: signatureSize)
            var count = signature.count
            let isSigned =
                EVP_DigestSignInit(context, nil, nil, nil, key) == 1
                && EVP_DigestSign(context, &signature, &count, message, message.count) == 1
            precondition(isSigned && count == signatureSize, "libcrypto could not sign")
            return signature
        }

        private static func parse(_ pem: String) -> OpaquePointer? {
            Array(pem.utf8).withUnsafeBytes { text in
                guard let memory = BIO_new_mem_buf(text.baseAddress, Int32(clamping: text.count)) else { return nil }
                defer { BIO_free(memory) }
                return parse(memory)
            }
        }

        private static func parse(_ memory: OpaquePointer) -> OpaquePointer? {
            // No question for a passphrase on a terminal: an encrypted key is refused.
            let refuse: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 =
                {
                    _, _, _, _ in -1
                }
            guard let key = PEM_read_bio_PrivateKey(memory, nil, refuse, nil) else { return nil }
            guard EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 else {
                EVP_PKEY_free(key)
                return nil
            }
            return key
        }

        private static func pem(of key: OpaquePointer) -> String? {
            guard let memory = BIO_new(BIO_s_mem()) else { return nil }
            defer { BIO_free(memory) }
            guard PEM_write_bio_PrivateKey(memory, key, nil, nil, 0, nil, nil) == 1 else { return nil }
            var buffer = [UInt8](repeating: 0, count: 1024)
            let count = BIO_read(memory, &buffer, Int32(buffer.count))
            return count > 0 ? String(decoding: buffer.prefix(Int(count)), as: UTF8.self) : nil
        }
    }
}
