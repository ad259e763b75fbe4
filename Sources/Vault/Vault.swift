// Vault: stored credentials, encrypted with AES-256-GCM (NIST SP 800-38D) under a data key, which is itself stored encrypted under the
// master key. The operator keeps the master key; changing it re-encrypts the data key and nothing else.
//
// A sealed text is a byte that names the form, a nonce of 12 random bytes, the encrypted bytes, and a tag of 16. It is bound to the place
// it was sealed for: in another row it does not open. With random nonces one key is good for 2³² texts (SP 800-38D, §8.3); credentials
// are written by people.

internal import CCrypto
package import Digests

package final class Vault: Sendable {
    private static let form: UInt8 = 1
    private static let nonceBytes = 12
    private static let tagBytes = 16
    private static let wrapping = ["gatehouse", "data key"]

    private let dataKey: KeyMaterial

    private init(dataKey: KeyMaterial) { self.dataKey = dataKey }

    /// A vault with a new data key, and that key as it is stored.
    package static func make(master: KeyMaterial) throws(VaultError) -> (vault: Vault, wrapped: [UInt8]) {
        let vault = Vault(dataKey: KeyMaterial { Secrets.fill($0) })
        return (vault, try vault.wrap(with: master))
    }

    /// The vault whose data key was stored. Throws when the master key is not the one that wrapped it.
    package convenience init(wrapped: [UInt8], master: KeyMaterial) throws(VaultError) {
        let plain: [UInt8]
        do throws(VaultError) { plain = try Self.open(wrapped, key: master, binding: Self.wrapping) } catch {
            throw VaultError(message: "the master key is not the one that this store was made with")
        }
        guard let key = KeyMaterial(plain) else { throw VaultError(message: "the stored data key is none") }
        self.init(dataKey: key)
    }

    /// The data key under another master key.
    package func wrap(with master: KeyMaterial) throws(VaultError) -> [UInt8] {
        dataKey.withBytes { Self.seal(Array($0), key: master, binding: Self.wrapping) }
    }

    package func seal(_ plain: [UInt8], binding: [String]) -> [UInt8] {
        Self.seal(plain, key: dataKey, binding: binding)
    }

    package func open(_ sealed: [UInt8], binding: [String]) throws(VaultError) -> [UInt8] {
        try Self.open(sealed, key: dataKey, binding: binding)
    }

    /// A key of its own for each purpose, derived from the data key.
    package func key(for purpose: String) -> HMACKey {
        dataKey.withBytes { HMACKey(HKDF.derive(from: Array($0), label: "gatehouse: " + purpose)) }
    }

    // MARK: AES-256-GCM

    /// Each part with its length, so that no two bindings give the same bytes.
    private static func associated(_ binding: [String]) -> [UInt8] {
        var bytes: [UInt8] = [form]
        for part in binding { bytes += Array("\(part.utf8.count):\(part)".utf8) }
        return bytes
    }

    private static func seal(_ plain: [UInt8], key: KeyMaterial, binding: [String]) -> [UInt8] {
        seal(plain, key: key, nonce: Secrets.randomBytes(count: nonceBytes), associated: associated(binding))
    }

    static func seal(_ plain: [UInt8], key: KeyMaterial, nonce: [UInt8], associated: [UInt8]) -> [UInt8] {
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        var encrypted = [UInt8](repeating: 0, count: plain.count + tagBytes)
        var count: Int32 = 0
        var isDone = key.withBytes { key in
            EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key.baseAddress, nonce) == 1
        }
        isDone = EVP_EncryptUpdate(context, nil, &count, associated, Int32(associated.count)) == 1 && isDone
        isDone = EVP_EncryptUpdate(context, &encrypted, &count, plain, Int32(plain.count)) == 1 && isDone
        var tag = [UInt8](repeating: 0, count: tagBytes)
        var rest: Int32 = 0
        isDone = EVP_EncryptFinal_ex(context, &tag, &rest) == 1 && isDone
        isDone = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, Int32(tagBytes), &tag) == 1 && isDone
        // Keeping a credential unencrypted would be worse than stopping.
        precondition(isDone && Int(count) == plain.count && rest == 0, "libcrypto could not encrypt")
        encrypted.replaceSubrange(plain.count..., with: tag)
        return [form] + nonce + encrypted
    }

    private static func open(_ sealed: [UInt8], key: KeyMaterial, binding: [String]) throws(VaultError) -> [UInt8] {
        guard sealed.first == form else {
            throw VaultError(
                message: sealed.isEmpty
                    ? "there is no sealed text" : "the sealed text has the form \(sealed[0]), which is not known here")
        }
        guard sealed.count >= 1 + nonceBytes + tagBytes else { throw VaultError(message: "the sealed text is cut off") }
        let nonce = Array(sealed[1..<1 + nonceBytes])
        let encrypted = Array(sealed[(1 + nonceBytes)..<(sealed.count - tagBytes)])
        var tag = Array(sealed.suffix(tagBytes))
        let associated = associated(binding)
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        // The last call writes nothing, but wants an address.
        var plain = [UInt8](repeating: 0, count: encrypted.count + 1)
        var count: Int32 = 0
        var rest: Int32 = 0
        var isDone = key.withBytes { key in
            EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key.baseAddress, nonce) == 1
        }
        isDone = EVP_DecryptUpdate(context, nil, &count, associated, Int32(associated.count)) == 1 && isDone
        isDone = EVP_DecryptUpdate(context, &plain, &count, encrypted, Int32(encrypted.count)) == 1 && isDone
        isDone = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, Int32(tagBytes), &tag) == 1 && isDone
        var end = [UInt8](repeating: 0, count: tagBytes)
        guard isDone, EVP_DecryptFinal_ex(context, &end, &rest) == 1 else {
            throw VaultError(message: "the sealed text was changed, or belongs somewhere else")
        }
        plain.removeLast()
        return plain
    }
}
