// PluginSignature: who made a plugin. `plugin.sig` beside plugin.json lists the SHA-256 of every file that the plugin consists of, and an
// Ed25519 signature over that list:
//
//     gatehouse plugin signature 1
//     sha256 <64 hex digits> plugin.json
//     sha256 <64 hex digits> libpii.so
//     key <16 hex digits>
//     signature <128 hex digits>
//
// One line per file, by name: the manifest, each library that it names and that is there, each description of a provider. The key's id
// is the beginning of the SHA-256 of the public key's 32 bytes. Signed are the bytes before the line that says "signature".

package import Core
package import Digests

package struct PluginSignature: Sendable, Equatable {
    static let fileName = "plugin.sig"
    private static let title = "gatehouse plugin signature 1"

    /// By name, relative to the plugin's directory.
    package var digests: [(file: String, sha256: String)]
    package var keyID: String
    var signature: [UInt8]

    package static func == (left: Self, right: Self) -> Bool {
        left.keyID == right.keyID && left.signature == right.signature
            && left.digests.elementsEqual(right.digests) { $0 == $1 }
    }

    /// What is signed.
    private static func signedText(_ digests: [(file: String, sha256: String)], _ keyID: String) -> String {
        title + "\n" + digests.map { "sha256 \($0.sha256) \($0.file)\n" }.joined() + "key \(keyID)\n"
    }

    /// Signs files that have these digests.
    package init(signing digests: [(file: String, sha256: String)], with key: Ed25519.PrivateKey) {
        self.digests = digests.sorted { $0.file < $1.file }
        keyID = key.publicKey.id
        signature = key.sign(Array(Self.signedText(self.digests, keyID).utf8))
    }

    package var text: String {
        Self.signedText(digests, keyID) + "signature \(signature.withUnsafeBytes { Hexadecimal.text($0) })\n"
    }

    /// Reads a file's text.
    package init(parsing bytes: Bytes) throws(FileRefusal) {
        let lines = String(decoding: bytes.buffer, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: true)
        guard lines.first.map(String.init) == Self.title else {
            throw FileRefusal("expected \"\(Self.title)\" in its first line")
        }
        digests = []
        var key: String?
        var signed: [UInt8]?
        for (number, line) in lines.enumerated().dropFirst() {
            let words = line.split(separator: " ", maxSplits: 2)
            switch (words.first, words.count) {
            case ("sha256", 3) where Digest(hex: words[1]) != nil && key == nil:
                digests.append((String(words[2]), words[1].lowercased()))
            case ("key", 2) where key == nil: key = words[1].lowercased()
            case ("signature", 2) where signed == nil && key != nil:
                signed = Ed25519.bytes(hex: words[1], count: Ed25519.signatureSize)
                if signed == nil { throw FileRefusal("line \(number + 1): expected 128 hexadecimal digits") }
            default:
                throw FileRefusal(
                    "line \(number + 1): expected \"sha256 <hex> <file>\", \"key <id>\" or \"signature <hex>\", in this order"
                )
            }
        }
        guard let key, let signed else {
            throw FileRefusal("expected a line that says \"key\" and one that says \"signature\"")
        }
        keyID = key
        signature = signed
    }

    package func isValid(by key: Ed25519.PublicKey) -> Bool {
        key.verifies(signature, over: Array(Self.signedText(digests, keyID).utf8))
    }
}

/// What is known of a plugin's origin.
package enum PluginTrust: Sendable, Equatable {
    case unsigned
    /// By a key that the configuration does not know.
    case unknownKey(id: String)
    /// By a key of `plugins.trusted_keys`.
    case signed(by: String, id: String)

    package var text: String {
        switch self {
        case .unsigned: "unsigned"
        case .unknownKey(let id): "signed by the key \(id), which plugins.trusted_keys does not list"
        case .signed(let name, let id): "signed by \(name) (\(id))"
        }
    }
}

package struct TrustSettings: Sendable, Equatable {
    /// Plugins without a signature by a trusted key are loaded, too.
    package var allowsUnsigned = true
    package var keys: [(name: String, key: Ed25519.PublicKey)] = []

    package init() {}

    package static func == (left: Self, right: Self) -> Bool {
        left.allowsUnsigned == right.allowsUnsigned && left.keys.elementsEqual(right.keys) { $0 == $1 }
    }

    /// Whose plugin it is, or why it may not be loaded. `digests` are those of its files as they were read.
    func judge(_ directory: String, _ digests: [(file: String, sha256: String)]) throws(PluginRefusal) -> PluginTrust {
        let file = directory + "/" + PluginSignature.fileName
        guard PluginFiles.exists(file) else {
            guard allowsUnsigned else {
                throw PluginRefusal(
                    file: file, reason: "is missing: the plugin is not signed, and plugins.allow_unsigned is false")
            }
            return .unsigned
        }
        let signature: PluginSignature
        do throws(FileRefusal) {
            signature = try PluginSignature(parsing: try PluginFiles.read(file, limit: 1 << 20))
        } catch {
            throw PluginRefusal(file: file, reason: error.message)
        }
        let known = keys.first { $0.key.id == signature.keyID }
        let who = "the signature by the key \(signature.keyID)" + (known.map { " (\($0.name))" } ?? "")
        for (name, digest) in digests {
            guard let signed = signature.digests.first(where: { $0.file == name }) else {
                throw PluginRefusal(
                    file: directory + "/" + name, reason: "is not covered by \(who) in \(PluginSignature.fileName)")
            }
            guard signed.sha256 == digest else {
                throw PluginRefusal(
                    file: directory + "/" + name, reason: "its SHA-256 is \(digest); \(who) is over \(signed.sha256)")
            }
        }
        guard let known else {
            guard allowsUnsigned else {
                throw PluginRefusal(
                    file: file,
                    reason:
                        "is signed by the key \(signature.keyID), which plugins.trusted_keys does not list, and plugins.allow_unsigned is false"
                )
            }
            return .unknownKey(id: signature.keyID)
        }
        guard signature.isValid(by: known.key) else {
            throw PluginRefusal(file: file, reason: "\(who) is not valid: the key did not sign this list of files")
        }
        return .signed(by: known.name, id: signature.keyID)
    }
}

/// `gatehouse plugin sign`.
package enum PluginSigning {
    /// Signs one plugin directory with a private key's PEM file, and gives the key's id.
    package static func sign(_ directory: String, keyFile: String) throws(FileRefusal) -> String {
        let key = try privateKey(keyFile)
        var digests: [(file: String, sha256: String)] = []
        do throws(PluginRefusal) {
            digests = try PluginLoader.digests(of: directory)
        } catch {
            throw FileRefusal("\(error.file): \(error.reason)")
        }
        let signature = PluginSignature(signing: digests, with: key)
        try PluginFiles.writeOnce(
            Bytes(signature.text), to: directory + "/" + PluginSignature.fileName, mode: 0o644)
        return signature.keyID
    }

    /// Makes a key, writes it as PEM (PKCS #8) to a new file that only its owner can read, and gives the public key
    /// in hex, and its id.
    package static func makeKey(_ file: String) throws(FileRefusal) -> (publicKey: String, id: String) {
        guard !PluginFiles.exists(file) else { throw FileRefusal("\(file) exists already; keys are not overwritten") }
        let key = Ed25519.PrivateKey()
        try PluginFiles.writeOnce(Bytes(key.pem), to: file, mode: 0o600)
        return (key.publicKey.hex, key.publicKey.id)
    }

    private static func privateKey(_ file: String) throws(FileRefusal) -> Ed25519.PrivateKey {
        let bytes: Bytes
        do throws(FileRefusal) { bytes = try PluginFiles.read(file, limit: 1 << 16) } catch {
            throw FileRefusal("\(file) \(error.message)")
        }
        guard let key = Ed25519.PrivateKey(pem: String(decoding: bytes.buffer, as: UTF8.self)) else {
            throw FileRefusal(
                "\(file) is no Ed25519 private key in PEM, as `gatehouse plugin keygen` and `openssl genpkey -algorithm ed25519` write it"
            )
        }
        return key
    }
}
