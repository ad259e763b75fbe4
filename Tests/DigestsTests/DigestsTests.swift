// Digests against published values, and the comparisons and random bytes beside them.

import Digests
import Glibc
import Testing

@Suite struct SHA256Tests {
    /// FIPS 180-2, appendix B, and the empty text.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func givesThePublishedDigests(_ text: String, _ digest: String) {
        #expect(SHA256.hash(text).hex == digest)
        #expect(SHA256.hash(Array(text.utf8)) == Digest(hex: digest))
    }

    @Test func takesATextInPieces() {
        var hasher = SHA256.Hasher()
        hasher.update("ab")
        hasher.update("")
        hasher.update("c")
        #expect(hasher.finish() == SHA256.hash("abc"))
        hasher.update("abc")
        #expect(hasher.finish() == SHA256.hash("abc"))
    }

    @Test func hashesOnManyThreads() async {
        let expected = SHA256.hash("abc")
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 { group.addTask { (0..<200).allSatisfy { _ in SHA256.hash("abc") == expected } } }
            for await isRight in group { #expect(isRight) }
        }
    }

    @Test func hashesAFileFromItsStart() throws {
        let file = try #require(tmpfile())
        defer { fclose(file) }
        let descriptor = fileno(file)
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 200_000)
        #expect(write(descriptor, text, text.count) == text.count)
        #expect(try SHA256.hash(fileDescriptor: descriptor) == SHA256.hash(text))
        #expect(lseek(descriptor, 0, SEEK_CUR) == off_t(text.count))
    }

    @Test func saysWhyAFileCannotBeRead() {
        let error = #expect(throws: DigestFileError.self) { try SHA256.hash(fileDescriptor: -1) }
        #expect(error?.errno == EBADF)
        #expect(error?.description == "Bad file descriptor")
    }
}

@Suite struct DigestTests {
    private static let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func goesToHexAndBack() {
        #expect(Digest(hex: Self.hex)?.hex == Self.hex)
        #expect(Digest(hex: Self.hex.uppercased())?.hex == Self.hex)
        #expect(Digest(hex: Self.hex[...])?.bytes.first == 0xBA)
    }

    @Test(arguments: ["", "ba", hex + "0", String(hex.dropLast()) + "g", "é" + hex.dropFirst(2)])
    func refusesWhatIsNotHex(_ text: String) {
        #expect(Digest(hex: text) == nil)
    }

    @Test func isAKeyOfDictionaries() throws {
        let digest = try #require(Digest(hex: Self.hex))
        #expect([digest: 1, SHA256.hash("x"): 2][SHA256.hash("abc")] == 1)
        #expect(digest != SHA256.hash("x"))
    }

    @Test func hasAsManyBytesAsItShould() {
        #expect(SHA256.hash("abc").bytes.withUnsafeBytes { Digest(bytes: $0) } == SHA256.hash("abc"))
        #expect([UInt8](repeating: 0, count: 31).withUnsafeBytes { Digest(bytes: $0) } == nil)
    }
}

@Suite struct SecretsTests {
    @Test func comparesByValue() {
        #expect(Secrets.areEqual("sk-1", "sk-1"))
        #expect(!Secrets.areEqual("sk-1", "sk-2"))
        #expect(!Secrets.areEqual("sk-1", "sk-11"))
        #expect(Secrets.areEqual("", ""))
        #expect(SHA256.hash("a").matches(SHA256.hash("a")))
        #expect(!SHA256.hash("a").matches(SHA256.hash("b")))
    }

    @Test func randomBytesDiffer() {
        #expect(Secrets.randomBytes(count: 0).isEmpty)
        let first = Secrets.randomBytes(count: 32)
        #expect(first.count == 32)
        #expect(first != Secrets.randomBytes(count: 32))
    }
}

@Suite struct Ed25519Tests {
    /// RFC 8032, 7.1, TEST 1: the empty message.
    @Test func verifiesThePublishedSignature() throws {
        let key = try #require(
            Ed25519.PublicKey(hex: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
        let signature = try #require(
            Ed25519.bytes(
                hex: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
                    + "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
                count: Ed25519.signatureSize))
        #expect(key.verifies(signature, over: []))
        #expect(!key.verifies(signature, over: [0]))
        var other = signature
        other[0] ^= 1
        #expect(!key.verifies(other, over: []))
        #expect(!key.verifies([], over: []))
    }

    @Test func aKeySurvivesItsPEM() throws {
        let key = Ed25519.PrivateKey()
        let read = try #require(Ed25519.PrivateKey(pem: key.pem))
        #expect(read.publicKey == key.publicKey)
        #expect(key.publicKey.verifies(read.sign([1, 2, 3]), over: [1, 2, 3]))
        #expect(Ed25519.PublicKey(hex: key.publicKey.hex) == key.publicKey)
        #expect(key.publicKey.id.utf8.count == 16)
    }

    @Test(arguments: ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "hello"])
    func whatIsNoKeyIsNil(_ pem: String) { #expect(Ed25519.PrivateKey(pem: pem) == nil) }
}
