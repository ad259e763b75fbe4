import Testing

@testable import Digests

private func bytes(_ hex: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = hex[...]
    while let byte = UInt8(rest.prefix(2), radix: 16) {
        bytes.append(byte)
        rest = rest.dropFirst(2)
    }
    return bytes
}

private func hex(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { Hexadecimal.text($0) } }

@Suite struct HMACTests {
    /// RFC 4231, §4.
    @Test(arguments: [
        (
            String(repeating: "0b", count: 20), "4869205468657265",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            String(repeating: "aa", count: 20), String(repeating: "dd", count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819", String(repeating: "cd", count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            String(repeating: "aa", count: 131),
            "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func codesOfTheRFC(_ key: String, _ text: String, _ code: String) {
        let key = HMACKey(bytes(key))
        #expect(key.authenticate(bytes(text)).hex == code)
        // A key is used many times.
        #expect(key.authenticate(bytes(text)).hex == code)
    }

    @Test func oneKeyServesManyThreads() async {
        let key = HMACKey(Array("Jefe".utf8))
        let expected = key.authenticate("what do ya want for nothing?")
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<500).allSatisfy { _ in key.authenticate("what do ya want for nothing?") == expected }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    /// RFC 5869, A.1 to A.3.
    @Test func keysOfTheRFC() {
        let first = HKDF.derive(
            from: bytes(String(repeating: "0b", count: 22)), salt: bytes("000102030405060708090a0b0c"),
            info: bytes("f0f1f2f3f4f5f6f7f8f9"), count: 42)
        #expect(
            hex(first) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        let third = HKDF.derive(from: bytes(String(repeating: "0b", count: 22)), salt: [], info: [], count: 42)
        #expect(
            hex(third) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }

    @Test func labelsGiveKeysOfTheirOwn() {
        let key = Secrets.randomBytes(count: 32)
        #expect(HKDF.derive(from: key, label: "a") != HKDF.derive(from: key, label: "b"))
        #expect(HKDF.derive(from: key, label: "a") == HKDF.derive(from: key, label: "a"))
        #expect(HKDF.derive(from: key, label: "a", count: 100).count == 100)
    }
}
