// A JSON Web Token in its compact form (RFC 7515, 7519): taken apart, not yet believed.

import PluginSDK

/// Why a token is not accepted. For the report; never holds the token.
struct TokenRefusal: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

struct Token {
    static let maximumSize = 64 << 10

    let algorithm: Algorithm
    let keyID: String?
    let claims: JSON.Object
    /// What the signature is over: header, dot, payload, as they came.
    let signed: [UInt8]
    let signature: [UInt8]

    init(_ text: String, allowed: Set<Algorithm>) throws(TokenRefusal) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maximumSize else { throw TokenRefusal("the token is larger than 64 KiB") }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw TokenRefusal("the token has not three parts") }
        let header = try Self.object(parts[0], "header")
        guard let name = header["alg"]?.string, let algorithm = Algorithm(rawValue: name), allowed.contains(algorithm)
        else { throw TokenRefusal("the token's algorithm is not allowed") }
        // Extensions that must be understood: we know none.
        guard header["crit"] == nil else { throw TokenRefusal("the token asks for extensions that are not known here") }
        claims = try Self.object(parts[1], "payload")
        guard let signature = Base64URL.decode(parts[2]), !signature.isEmpty else {
            throw TokenRefusal("the token's signature is not base64url")
        }
        self.algorithm = algorithm
        keyID = header["kid"]?.string
        signed = Array(bytes[..<(parts[2].startIndex - 1)])
        self.signature = signature
    }

    private static func object(_ part: ArraySlice<UInt8>, _ name: String) throws(TokenRefusal) -> JSON.Object {
        guard let bytes = Base64URL.decode(part), let object = try? JSON(parsing: bytes).object else {
            throw TokenRefusal("the token's \(name) is not JSON")
        }
        return object
    }
}

/// Signature algorithms (RFC 7518, 3.1; RFC 8037). All need a public key only: "none" and the HMAC family, for which a
/// published key would be the secret, are no members.
enum Algorithm: String, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"
}

/// RFC 4648, 5, without padding.
enum Base64URL {
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for character in text {
            guard let value = value(character) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        // One character alone is no byte, and the bits that are left over must be zero.
        guard count < 6, bits & (1 << UInt32(count) - 1) == 0 else { return nil }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
