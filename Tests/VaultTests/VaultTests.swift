import Digests
import Testing

@testable import Vault

private func material() -> KeyMaterial { KeyMaterial { Secrets.fill($0) } }

@Suite struct VaultTests {
    private let binding = ["virtual-key", "id", "workspace", "slug", "1"]

    @Test(arguments: [0, 1, 15, 16, 17, 16_384])
    func opensWhatItSealed(_ count: Int) throws {
        let (vault, _) = try Vault.make(master: material())
        let plain = Secrets.randomBytes(count: count)
        let sealed = vault.seal(plain, binding: binding)
        #expect(sealed.count == count + 29)
        #expect(try vault.open(sealed, binding: binding) == plain)
        // A nonce of its own each time.
        #expect(vault.seal(plain, binding: binding) != sealed)
    }

    @Test func opensNothingThatWasChanged() throws {
        let (vault, _) = try Vault.make(master: material())
        let sealed = vault.seal(Array("sk-secret".utf8), binding: binding)
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: VaultError.self) { try vault.open(changed, binding: binding) }
        }
        for count in 0..<sealed.count {
            #expect(throws: VaultError.self) { try vault.open(Array(sealed.prefix(count)), binding: binding) }
        }
    }

    @Test func opensNothingInAnotherPlace() throws {
        let (vault, _) = try Vault.make(master: material())
        let sealed = vault.seal([1, 2, 3], binding: ["a", "bc"])
        for other in [["ab", "c"], ["a", "bc", ""], ["abc"], ["bc", "a"], []] {
            #expect(throws: VaultError.self) { try vault.open(sealed, binding: other) }
        }
    }

    /// By the AESGCM of Python's cryptography.
    @Test func agreesWithAnotherImplementation() throws {
        let key = try #require(KeyMaterial(Array(0..<32)))
        let sealed = Vault.seal(
            Array("a provider's credential".utf8), key: key, nonce: Array(100..<112),
            associated: Array("associated data".utf8))
        let expected = "293bae14169f3ffa5b10789bfa06189826a7687ee20d9fe08e09be86b7578405e1d7e311d814bc"
        #expect(sealed.dropFirst(13).withUnsafeBytes { Hexadecimal.text($0) } == expected)
    }

    @Test func anotherMasterKeyTakesOver() throws {
        let (first, second) = (material(), material())
        let (vault, wrapped) = try Vault.make(master: first)
        let sealed = vault.seal([7], binding: binding)
        let again = try vault.wrap(with: second)
        #expect(try Vault(wrapped: again, master: second).open(sealed, binding: binding) == [7])
        #expect(try Vault(wrapped: wrapped, master: first).open(sealed, binding: binding) == [7])
        let error = #expect(throws: VaultError.self) { try Vault(wrapped: again, master: first) }
        #expect(error?.message == "the master key is not the one that this store was made with")
    }

    @Test func purposesHaveKeysOfTheirOwn() throws {
        let master = material()
        let (vault, wrapped) = try Vault.make(master: master)
        let code = vault.key(for: "a").authenticate("text")
        #expect(vault.key(for: "b").authenticate("text") != code)
        #expect(try Vault(wrapped: wrapped, master: master).key(for: "a").authenticate("text") == code)
    }

    @Test func saysNothingOfItsKeys() throws {
        let key = try #require(KeyMaterial(Array(repeating: 0x41, count: 32)))
        var text = ""
        dump(key, to: &text)
        #expect(text.contains("‹key›") && !text.contains("65"))
        #expect("\(key)" == "‹key›" && String(reflecting: key) == "‹key›")
    }
}
