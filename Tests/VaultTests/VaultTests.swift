// Texts are sealed and opened; whatever was changed, or belongs elsewhere, is refused. What others have encrypted is opened.

import Digests
import Testing

@testable import Vault

@Suite struct VaultTests {
    private static let binding = ["virtual-key", "vk-1"]
    private let master: KeyMaterial
    private let vault: Vault
    private let wrapped: [UInt8]

    init() throws {
        master = try KeyMaterial.counting()
        (vault, wrapped) = try Vault.make(master: master)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 16_384])
    func whatIsSealedOpens(_ count: Int) throws {
        let plain = Secrets.randomBytes(count: count)
        let sealed = vault.seal(plain, binding: Self.binding)
        #expect(sealed.count == 1 + 12 + count + 16)
        #expect(sealed[0] == 1)
        #expect(try vault.open(sealed, binding: Self.binding) == plain)
    }

    @Test func theSameTextIsSealedDifferentlyEachTime() {
        let plain = Array("sk-secret".utf8)
        let seals = (0..<100).map { _ in vault.seal(plain, binding: Self.binding) }
        #expect(Set(seals).count == 100)
        #expect(Set(seals.map { Array($0[1..<13]) }).count == 100)
    }

    @Test(arguments: ["", "s", "sk-a-credential-of-some-length"])
    func everyFlippedBitIsFound(_ text: String) {
        let sealed = vault.seal(Array(text.utf8), binding: Self.binding)
        for place in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[place] ^= 1 << bit
                let error = failure { () throws(VaultError) in try vault.open(changed, binding: Self.binding) }
                let expected =
                    place == 0
                    ? "the sealed text has the form \(changed[0]), which is not known here"
                    : "the sealed text was changed, or belongs somewhere else"
                #expect(error?.message == expected, "bit \(bit) of byte \(place)")
            }
        }
    }

    @Test func everyCutIsFound() {
        let sealed = vault.seal(Array("sk-secret".utf8), binding: Self.binding)
        for count in sealed.indices {
            for cut in [Array(sealed.prefix(count)), Array(sealed.suffix(count))] {
                #expect(
                    failure { () throws(VaultError) in try vault.open(cut, binding: Self.binding) } != nil,
                    "\(count) bytes of \(sealed.count)")
            }
        }
        #expect(
            failure { () throws(VaultError) in try vault.open([], binding: Self.binding) }?.message
                == "there is no sealed text")
        #expect(
            failure { () throws(VaultError) in try vault.open(Array(sealed.prefix(28)), binding: Self.binding) }?
                .message == "the sealed text is cut off")
        #expect(failure { () throws(VaultError) in try vault.open(sealed + [0], binding: Self.binding) } != nil)
    }

    @Test(arguments: [
        (["a", "bc"], ["ab", "c"]), (["a", "b"], ["b", "a"]), (["a"], ["a", ""]), ([], [""]), (["a"], []),
        (["a", "b"], ["a1:b"]), (["1:a"], ["1", "a"]), (["é"], ["e\u{301}"]), (["A"], ["a"]),
        (["virtual-key", "vk-1"], ["virtual-key", "vk-2"]),
    ])
    func elsewhereItDoesNotOpen(_ place: [String], _ other: [String]) throws {
        let sealed = vault.seal([1, 2, 3], binding: place)
        #expect(try vault.open(sealed, binding: place) == [1, 2, 3])
        #expect(
            failure { () throws(VaultError) in try vault.open(sealed, binding: other) }?.message
                == "the sealed text was changed, or belongs somewhere else")
    }

    @Test func anotherVaultDoesNotOpenIt() throws {
        let other = try Vault.make(master: master).vault
        let sealed = vault.seal([1, 2, 3], binding: Self.binding)
        #expect(failure { () throws(VaultError) in try other.open(sealed, binding: Self.binding) } != nil)
    }

    // MARK: The master key

    @Test func isOpenedWithItsMasterKey() throws {
        let sealed = vault.seal([1, 2, 3], binding: Self.binding)
        let again = try Vault(wrapped: wrapped, master: try KeyMaterial.counting())
        #expect(try again.open(sealed, binding: Self.binding) == [1, 2, 3])
        #expect(again.key(for: "audit").authenticate("x") == vault.key(for: "audit").authenticate("x"))
    }

    @Test func takesAnotherMasterKey() throws {
        let sealed = vault.seal([1, 2, 3], binding: Self.binding)
        let next = try KeyMaterial.counting(from: 100)
        let rewrapped = try vault.wrap(with: next)
        #expect(try Vault(wrapped: rewrapped, master: next).open(sealed, binding: Self.binding) == [1, 2, 3])
        #expect(failure { () throws(VaultError) in try Vault(wrapped: rewrapped, master: master) } != nil)
        #expect(try vault.wrap(with: next) != rewrapped)
    }

    @Test func saysThatTheMasterKeyIsAnotherOne() throws {
        let other = try KeyMaterial.counting(from: 1)
        let message = "the master key is not the one that this store was made with"
        #expect(failure { () throws(VaultError) in try Vault(wrapped: wrapped, master: other) }?.message == message)
        #expect(failure { () throws(VaultError) in try Vault(wrapped: [], master: master) }?.message == message)
        for place in wrapped.indices {
            var changed = wrapped
            changed[place] ^= 0x80
            #expect(failure { () throws(VaultError) in try Vault(wrapped: changed, master: master) } != nil)
        }
        // A credential is no data key, even of the right length.
        let credential = vault.seal([UInt8](repeating: 1, count: 32), binding: ["gatehouse", "data key"])
        #expect(failure { () throws(VaultError) in try Vault(wrapped: credential, master: master) } != nil)
    }

    @Test func eachPurposeHasAKeyOfItsOwn() {
        let codes = ["", "audit", "Audit", "keys"].map { vault.key(for: $0).authenticate("x") }
        #expect(Set(codes).count == codes.count)
    }

    // MARK: What others have computed

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
    @Test func givesThePublishedCiphertext() throws {
        let key = try #require(
            KeyMaterial(bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")))
        let sealed = Vault.seal(
            bytes(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
            key: key, nonce: bytes("cafebabefacedbaddecaf888"),
            associated: bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
        #expect(
            hex(sealed) == "01cafebabefacedbaddecaf888"
                + "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")
    }

    // By the AESGCM of Python's cryptography, each with the form and the lengths in its associated data
    // (master key 00…1f, data key 80…9f; nonces a0…ab, c0…cb and d0…db).
    private static let wrappedElsewhere =
        "01a0a1a2a3a4a5a6a7a8a9aaab6699feaec14e8438eaec0d588bf74e51e03dcb830622d4fb0497bc1de336eb9e2dd13b328ca28349"
        + "2beae486fc846fc8"
    private static let sealedElsewhere =
        "01c0c1c2c3c4c5c6c7c8c9cacb1757ade5ce6e55009d4a4518128a28f42151ce45cd4f7f59c8eea1"
    private static let emptyElsewhere = "01d0d1d2d3d4d5d6d7d8d9dadb89acb2fead0599ee79b7653a39da8373"

    @Test func opensWhatWasSealedElsewhere() throws {
        let vault = try Vault(wrapped: bytes(Self.wrappedElsewhere), master: master)
        let plain = try vault.open(bytes(Self.sealedElsewhere), binding: ["virtual-key", "vk-1", "größe"])
        #expect(String(decoding: plain, as: UTF8.self) == "sk-größer")
        #expect(try vault.open(bytes(Self.emptyElsewhere), binding: []).isEmpty)
        // HKDF and HMAC by the same, with the label "gatehouse: audit".
        #expect(
            vault.key(for: "audit").authenticate("text").hex
                == "f8e2a6a79527b4998a631d291e1bfb46223feb7b4b6ad28ae8619c6a7c02e506")
    }

    @Test func sealsAsItIsSealedElsewhere() throws {
        let data = try KeyMaterial.counting(from: 0x80)
        func seal(_ plain: [UInt8], _ key: KeyMaterial, _ nonce: String, _ associated: String) -> String {
            hex(Vault.seal(plain, key: key, nonce: bytes(nonce), associated: [1] + Array(associated.utf8)))
        }
        #expect(
            seal(Array("sk-größer".utf8), data, "c0c1c2c3c4c5c6c7c8c9cacb", "11:virtual-key4:vk-17:größe")
                == Self.sealedElsewhere)
        #expect(seal([], data, "d0d1d2d3d4d5d6d7d8d9dadb", "") == Self.emptyElsewhere)
        #expect(
            seal((0..<32).map { 0x80 + $0 }, master, "a0a1a2a3a4a5a6a7a8a9aaab", "9:gatehouse8:data key")
                == Self.wrappedElsewhere)
    }

    // MARK: What is printed

    @Test func aKeyIsNeverPrinted() throws {
        let vault = try Vault(wrapped: bytes(Self.wrappedElsewhere), master: master)
        var dumped = ""
        dump(master, to: &dumped)
        dump(vault, to: &dumped)
        dump(vault.key(for: "audit"), to: &dumped)
        var reflected = ""
        dump(["vault": vault as Any, "master": master as Any], to: &reflected)
        let texts = [
            dumped, reflected, "\(master)", String(reflecting: master), String(describing: vault),
            String(reflecting: vault), "\([master])", "\(Optional(master) as Any)",
        ]
        for text in texts {
            for part in ["00010203", "0, 1, 2, 3", "AAECAw", "80818283", "128, 129", "gIGCgw"] {
                #expect(!text.contains(part), "\(text)")
            }
        }
        #expect("\(master)" == "‹key›")
        #expect(String(reflecting: master) == "‹key›")
        #expect(Mirror(reflecting: master).children.isEmpty)
    }

    @Test func errorsTellNothingOfWhatWasSealed() {
        let sealed = vault.seal(Array("sk-secret".utf8), binding: ["sk-binding"])
        var changed = sealed
        changed[20] ^= 1
        for text in [sealed, changed, Array(sealed.prefix(20)), [2] + sealed.dropFirst()] {
            let error = failure { () throws(VaultError) in try vault.open(text, binding: ["other"]) }
            let printed = error.map { "\($0) \(String(reflecting: $0))" } ?? ""
            #expect(!printed.isEmpty && !printed.contains("sk-"))
        }
    }
}

@Suite struct KeyMaterialTests {
    @Test(arguments: [0, 1, 16, 31, 33, 64])
    func anotherNumberOfBytesIsNoKey(_ count: Int) {
        #expect(KeyMaterial([UInt8](repeating: 1, count: count)) == nil)
    }

    @Test func givesItsBytes() throws {
        let key = try KeyMaterial.counting(from: 5)
        #expect(key.withBytes { Array($0) } == Array(5..<37))
    }
}
