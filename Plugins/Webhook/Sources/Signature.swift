// The proof that a call comes from this gateway: HMAC-SHA256 (RFC 2104) of the body.

import CCrypto

enum Signature {
    /// 64 hexadecimal digits, in lower case.
    static func hex(of body: [UInt8], _ secret: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        _ = HMAC(EVP_sha256(), secret, Int32(secret.count), body, body.count, &digest, &count)
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
