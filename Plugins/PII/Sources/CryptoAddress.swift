// Addresses of Bitcoin (base58check, bech32 and bech32m) and Ethereum.

enum CryptoAddress {
    /// The longest that is looked at.
    static let maximumLength = 64

    static func isAddress(_ word: Bytes) -> Bool {
        switch word.count {
        case 42 where word[0] == UInt8(ascii: "0") && word[1] | 0x20 == UInt8(ascii: "x"):
            word[2...].allSatisfy(\.isHexadecimal)
        case 26...35 where word[0] == UInt8(ascii: "1") || word[0] == UInt8(ascii: "3"): isBase58(word)
        case 42...64 where word.hasPrefix("bc1", at: 0) || word.hasPrefix("tb1", at: 0): isBech32(word)
        default: false
        }
    }

    private static let base58 = places("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    private static let base32 = places("qpzry9x8gf2tvdw0s3jn54khce6mua7l")

    /// Of each byte its place in an alphabet, or 255.
    private static func places(_ alphabet: String) -> [UInt8] {
        var table = [UInt8](repeating: 255, count: 256)
        for (place, byte) in alphabet.utf8.enumerated() { table[Int(byte)] = UInt8(place) }
        return table
    }

    /// 25 bytes: a version (0 or 5), a hash of 20 bytes, and the first 4 of its double SHA-256.
    private static func isBase58(_ word: Bytes) -> Bool {
        var number = [UInt8](repeating: 0, count: 25)
        for byte in word {
            var carry = Int(base58[Int(byte)])
            guard carry != 255 else { return false }
            for place in number.indices.reversed() {
                carry += 58 * Int(number[place])
                number[place] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
            guard carry == 0 else { return false }
        }
        guard number[0] == 0 || number[0] == 5 else { return false }
        return SHA256.digest(SHA256.digest(number[..<21])).prefix(4).elementsEqual(number[21...])
    }

    /// BIP 173 and BIP 350: the checksum's polynomial gives 1, or the constant of bech32m.
    private static func isBech32(_ word: Bytes) -> Bool {
        let isMixed = word.contains { $0 &- 0x41 < 26 } && word.contains { $0 &- 0x61 < 26 }
        guard !isMixed else { return false }
        var check: UInt32 = 1
        func add(_ value: UInt8) {
            let top = check >> 25
            check = (check & 0x1FF_FFFF) << 5 ^ UInt32(value)
            let generators: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
            for (bit, generator) in generators.enumerated() where top >> bit & 1 == 1 { check ^= generator }
        }
        for byte in word[..<2] { add(byte.lowercased >> 5) }
        add(0)
        for byte in word[..<2] { add(byte.lowercased & 31) }
        for byte in word[3...] {
            let value = base32[Int(byte.lowercased)]
            guard value != 255 else { return false }
            add(value)
        }
        return check == 1 || check == 0x2bc8_30a3
    }
}
