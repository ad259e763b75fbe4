// A public key of a key set (RFC 7517), and signatures checked with it by libcrypto.

import CCrypto
import PluginSDK

/// Immutable; libcrypto's keys may be used by several threads at a time.
final class Key: @unchecked Sendable {
    enum Kind: Equatable { case rsa, ec(Curve), ed25519 }

    enum Curve: String {
        case p256 = "P-256"
        case p384 = "P-384"
        case p521 = "P-521"

        /// Bytes of a coordinate.
        var size: Int {
            switch self {
            case .p256: 32
            case .p384: 48
            case .p521: 66
            }
        }

        /// The content of its object identifier (RFC 5480, 2.1.1.1).
        var identifier: [UInt8] {
            switch self {
            case .p256: [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
            case .p384: [0x2B, 0x81, 0x04, 0x00, 0x22]
            case .p521: [0x2B, 0x81, 0x04, 0x00, 0x23]
            }
        }
    }

    let id: String?
    private let kind: Kind
    /// The only algorithm that the set allows it for; nil: all of its kind.
    private let algorithm: Algorithm?
    private let key: OpaquePointer

    /// nil: a key for something else, of a kind that is not known here, or too weak.
    init?(_ jwk: JSON) {
        if let use = jwk["use"]?.string, use != "sig" { return nil }
        if let operations = jwk["key_ops"]?.array, !operations.contains("verify") { return nil }
        if let name = jwk["alg"]?.string {
            guard let algorithm = Algorithm(rawValue: name) else { return nil }
            self.algorithm = algorithm
        } else {
            algorithm = nil
        }
        id = jwk["kid"]?.string
        guard let (kind, document) = Key.document(jwk) else { return nil }
        self.kind = kind
        let made = document.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            var start = buffer.baseAddress
            return d2i_PUBKEY(nil, &start, buffer.count)
        }
        guard let made else { return nil }
        key = made
    }

    deinit { EVP_PKEY_free(key) }

    /// The key as a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), which is what libcrypto reads.
    private static func document(_ jwk: JSON) -> (Kind, [UInt8])? {
        func bytes(_ name: String) -> [UInt8]? { jwk[name]?.string.flatMap { Base64URL.decode($0.utf8) } }
        switch jwk["kty"]?.string {
        case "RSA":
            guard let modulus = bytes("n"), let exponent = bytes("e"), (256...2048).contains(modulus.count),
                modulus.first != 0, (1...8).contains(exponent.count)
            else { return nil }
            let algorithm = DER.sequence(
                DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]) + DER.null)
            let numbers = DER.sequence(DER.integer(modulus) + DER.integer(exponent))
            return (.rsa, DER.sequence(algorithm + DER.bits(numbers)))
        case "EC":
            guard let curve = jwk["crv"]?.string.flatMap(Curve.init(rawValue:)), let x = bytes("x"),
                let y = bytes("y"), x.count == curve.size, y.count == curve.size
            else { return nil }
            let algorithm = DER.sequence(
                DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]) + DER.identifier(curve.identifier))
            return (.ec(curve), DER.sequence(algorithm + DER.bits([4] + x + y)))
        case "OKP":
            guard jwk["crv"] == "Ed25519", let x = bytes("x"), x.count == 32 else { return nil }
            return (.ed25519, DER.sequence(DER.sequence(DER.identifier([0x2B, 0x65, 0x70])) + DER.bits(x)))
        default: return nil
        }
    }

    /// True when the key may be used for the algorithm.
    func fits(_ wanted: Algorithm) -> Bool {
        if let algorithm, algorithm != wanted { return false }
        switch wanted {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: return kind == .rsa
        case .es256: return kind == .ec(.p256)
        case .es384: return kind == .ec(.p384)
        case .es512: return kind == .ec(.p521)
        case .edDSA: return kind == .ed25519
        }
    }

    func hasSigned(_ token: Token) -> Bool {
        guard fits(token.algorithm), let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        var signature = token.signature
        if case .ec(let curve) = kind {
            // Two numbers side by side (RFC 7518, 3.4); libcrypto takes them as DER.
            guard signature.count == 2 * curve.size else { return false }
            signature = DER.sequence(
                DER.integer(Array(signature[..<curve.size])) + DER.integer(Array(signature[curve.size...])))
        }
        var settings: OpaquePointer?
        guard EVP_DigestVerifyInit(context, &settings, token.algorithm.digest, nil, key) == 1 else { return false }
        if token.algorithm.isPSS {
            guard EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1
            else { return false }
        }
        let isGood = EVP_DigestVerify(context, signature, signature.count, token.signed, token.signed.count) == 1
        if !isGood { ERR_clear_error() }
        return isGood
    }
}

extension Algorithm {
    fileprivate var isPSS: Bool { self == .ps256 || self == .ps384 || self == .ps512 }

    /// nil: EdDSA brings its own.
    fileprivate var digest: OpaquePointer? {
        switch self {
        case .rs256, .ps256, .es256: EVP_sha256()
        case .rs384, .ps384, .es384: EVP_sha384()
        case .rs512, .ps512, .es512: EVP_sha512()
        case .edDSA: nil
        }
    }
}

/// The little of DER (X.690) that public keys and signatures need.
enum DER {
    static let null: [UInt8] = [0x05, 0x00]
    static func sequence(_ content: [UInt8]) -> [UInt8] { value(0x30, content) }
    static func identifier(_ content: [UInt8]) -> [UInt8] { value(0x06, content) }
    static func bits(_ content: [UInt8]) -> [UInt8] { value(0x03, [0] + content) }

    /// A number that is not negative, from its big-endian bytes.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        let digits = bytes.drop { $0 == 0 }
        return value(0x02, digits.first.map { $0 < 0x80 } == true ? Array(digits) : [0] + digits)
    }

    private static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(rest & 0xFF), at: 0)
            rest >>= 8
        }
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}
