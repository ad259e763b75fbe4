// HMAC-SHA256 and HKDF against the published values.

import Testing

@testable import Digests

/// Bytes from hexadecimal digits.
private func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
}

private func hex(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { Hexadecimal.text($0) } }

@Suite struct HMACTests {
    /// RFC 4231, 4.2 to 4.8. The fifth is published cut off after 128 bits.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xAA, count: 20), [UInt8](repeating: 0xDD, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            Array(0x01...0x19), [UInt8](repeating: 0xCD, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            [UInt8](repeating: 0x0C, count: 20), Array("Test With Truncation".utf8),
            "a3b6167473100ee06e0c796c2955552b"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131),
            Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131),
            Array(
                """
                This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
                hashed before being used by the HMAC algorithm.
                """.utf8),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ])
    func givesThePublishedCodes(_ key: [UInt8], _ text: [UInt8], _ code: String) {
        #expect(HMACKey(key).authenticate(text).hex.hasPrefix(code))
    }

    @Test func takesStringsAndBytesAlike() {
        let key = HMACKey(Array("Jefe".utf8))
        #expect(key.authenticate("größer") == key.authenticate(Array("größer".utf8)))
        #expect(key.authenticate("") == key.authenticate([] as [UInt8]))
    }

    /// A code leaves nothing behind in its key.
    @Test func givesTheSameCodeAgain() {
        let key = HMACKey([1, 2, 3])
        let first = key.authenticate("a")
        #expect(key.authenticate("b") != first)
        #expect(key.authenticate("a") == first)
    }

    /// A key of a block is used as it is, a longer one is hashed, a shorter one is padded with zeros.
    @Test func keysAroundABlockDiffer() {
        let block = [UInt8](repeating: 7, count: 64)
        #expect(HMACKey(block).authenticate("x") != HMACKey(block + [7]).authenticate("x"))
        #expect(HMACKey(block + [7]).authenticate("x") == HMACKey(SHA256.hash(block + [7]).bytes).authenticate("x"))
        #expect(HMACKey([7]).authenticate("x") == HMACKey([7, 0]).authenticate("x"))
        #expect(HMACKey([]).authenticate("x") == HMACKey([0]).authenticate("x"))
    }

    @Test func isUsedByManyThreads() async {
        let key = HMACKey(Array("Jefe".utf8))
        let expected = key.authenticate("abc")
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 { group.addTask { (0..<200).allSatisfy { _ in key.authenticate("abc") == expected } } }
            for await isRight in group { #expect(isRight) }
        }
    }
}

@Suite struct HKDFTests {
    /// RFC 5869, A.1 to A.3.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 22), Array(0x00...0x0C), Array(0xF0...0xF9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        ),
        (
            Array(0x00...0x4F), Array(0x60...0xAF), Array(0xB0...0xFF),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
        (
            [UInt8](repeating: 0x0B, count: 22), [], [],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        ),
    ])
    func givesThePublishedKeys(_ key: [UInt8], _ salt: [UInt8], _ info: [UInt8], _ output: String) {
        let count = output.utf8.count / 2
        #expect(hex(HKDF.derive(from: key, salt: salt, info: info, count: count)) == output)
        #expect(HKDF.derive(from: key, salt: salt, info: info, count: count) == bytes(output))
    }

    @Test func givesAsManyBytesAsAreAskedFor() {
        let most = HKDF.derive(from: [1], salt: [], info: [2], count: 255 * 32)
        #expect(most.count == 255 * 32)
        for count in [0, 1, 31, 32, 33, 64] {
            #expect(HKDF.derive(from: [1], salt: [], info: [2], count: count) == Array(most.prefix(count)))
        }
    }

    @Test func labelsGiveKeysOfTheirOwn() {
        let key = [UInt8](repeating: 1, count: 32)
        #expect(HKDF.derive(from: key, label: "a").count == 32)
        #expect(HKDF.derive(from: key, label: "a") != HKDF.derive(from: key, label: "b"))
        #expect(HKDF.derive(from: key, label: "a") != HKDF.derive(from: key, salt: [1], label: "a"))
        #expect(
            HKDF.derive(from: key, label: "a") == HKDF.derive(from: key, salt: [], info: Array("a".utf8), count: 32))
    }
}
