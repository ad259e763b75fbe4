import Digests
import Testing

@testable import Vault

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct MasterKeyTests {
    private static let bytes = [UInt8](0..<32)
    private static let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

    private func read(_ key: KeyMaterial) -> [UInt8] { key.withBytes { Array($0) } }

    @Test(arguments: [
        hex, hex.uppercased(), hex + "\n", hex + "\r\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ])
    func readsTexts(_ text: String) throws {
        #expect(read(try MasterKey.read(text: text)) == Self.bytes)
    }

    @Test func readsBothAlphabetsOfBase64() throws {
        let plus = try MasterKey.read(text: "+/" + String(repeating: "A", count: 41))
        #expect(read(try MasterKey.read(text: "-_" + String(repeating: "A", count: 41))) == read(plus))
    }

    @Test(arguments: ["", "short", hex + "0", String(hex.dropLast()), hex.replacing("0", with: "g"), " " + hex])
    func refusesOtherTexts(_ text: String) throws {
        let error = try #require(throws: VaultError.self) { try MasterKey.read(text: text) }
        #expect(text.count < 6 || !error.message.contains(text))
    }

    @Test func makesAFileThatOnlyItsOwnerReads() throws {
        var template = Array("/tmp/gatehouse-vault-XXXXXX".utf8CString)
        let directory = String(cString: mkdtemp(&template))
        let file = directory + "/key"
        defer {
            unlink(file)
            rmdir(directory)
        }
        let key = try MasterKey.make(file: file)
        var info = stat()
        #expect(stat(file, &info) == 0 && info.st_mode & 0o777 == 0o600)
        #expect(read(try MasterKey.read(file: file)) == read(key))
        // There is one already, and it stays.
        #expect(throws: VaultError.self) { try MasterKey.make(file: file) }
        #expect(read(try MasterKey.read(file: file)) == read(key))
        chmod(file, 0o640)
        let error = #expect(throws: VaultError.self) { try MasterKey.read(file: file) }
        #expect(error?.message.contains("chmod 600") == true)
        #expect(throws: VaultError.self) { try MasterKey.read(file: directory) }
        #expect(throws: VaultError.self) { try MasterKey.read(file: directory + "/none") }
    }

    @Test func asksACommand() throws {
        #expect(read(try MasterKey.run(command: "echo \(Self.hex)")) == Self.bytes)
    }

    @Test(arguments: [
        ("exit 3", "failed with status 3"), ("kill -9 $$", "failed with status 137"),
        ("sleep 30", "did not end within 1 s"), ("head -c 9000 /dev/zero", "more than a key"), ("true", "found 0"),
        ("echo secret-but-no-key", "expected 32 bytes"),
    ])
    func saysWhatIsWrongWithACommand(_ command: String, _ says: String) throws {
        let error = try #require(throws: VaultError.self) { try MasterKey.run(command: command, seconds: 1) }
        #expect(error.message.contains(says))
        #expect(!error.message.contains("secret-but-no-key"))
    }
}
