// The operator's key, from a text, a file or a command. What is refused is never repeated.

import Digests
import Testing
import Vault

#if canImport(Glibc)
    import Glibc
#endif

private let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

@Suite struct MasterKeyTextTests {
    private static let keys: [(text: String, hex: String)] = [
        (digits, digits), (digits.uppercased(), digits), ("\(digits)\n", digits), ("\(digits)\r\n", digits),
        ("\(digits)\n\n", digits),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", digits),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", digits),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", digits),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\r\n", digits),
        // Where the two alphabets differ.
        (
            "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=",
            "fbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbff"
        ),
        (
            "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8",
            "fbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbffbff"
        ),
        ("//////////////////////////////////////////8=", String(repeating: "f", count: 64)),
        ("zczMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMw=", "cd" + String(repeating: "cc", count: 31)),
    ]

    @Test(arguments: keys)
    func readsAKey(_ text: String, _ expected: String) throws {
        #expect(try MasterKey.read(text: text).hex == expected)
    }

    private static let noKeys: [String] = [
        "", "\n", "secretsecret", String(digits.dropLast()), "\(digits)0", "\(digits)\(digits)", "0x\(digits)",
        "\(digits.dropLast())g", "\(digits.dropLast(2))é", " \(digits)", "\(digits) ",
        "\(digits.prefix(32))\n\(digits.suffix(32))",
        // 31 and 33 bytes, a sign too many, one of no alphabet, one in the middle.
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh.",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH==", "AAECAwQFBgcICQoLDA0O=xAREhMUFRYXGBkaGxwdHh8=",
        String(repeating: "secret", count: 1_000),
    ]

    @Test(arguments: noKeys)
    func refusesAnythingElse(_ text: String) throws {
        let error = try #require(failure { () throws(VaultError) in try MasterKey.read(text: text) })
        #expect(error.message.hasPrefix("expected 32 bytes as 64 hexadecimal digits or in base64, found "))
        let printed = "\(error) \(error.message)"
        for part in ["secret", "0001", "1e1f", "AAEC", "Hh"] { #expect(!printed.contains(part)) }
    }

    @Test func saysHowLongTheTextIs() {
        #expect(
            failure { () throws(VaultError) in try MasterKey.read(text: "secret\n") }?.message
                == "expected 32 bytes as 64 hexadecimal digits or in base64, found 6 characters")
    }
}

@Suite struct MasterKeyFileTests {
    private let place = Workplace()

    @Test(arguments: [0o600, 0o400] as [mode_t])
    func readsAFileOfItsOwner(_ mode: mode_t) throws {
        place.write(digits + "\n", mode: mode)
        #expect(try MasterKey.read(file: place.path()).hex == digits)
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o666] as [mode_t])
    func refusesAFileOfOthers(_ mode: mode_t) {
        place.write(digits, mode: mode)
        #expect(
            failure { () throws(VaultError) in try MasterKey.read(file: place.path()) }?.message
                == "\(place.path()): others than its owner may read it (chmod 600)")
    }

    @Test func saysWhatIsWrongWithAFile() throws {
        func message(_ path: String) -> String? {
            failure { () throws(VaultError) in try MasterKey.read(file: path) }?.message
        }
        #expect(message(place.path()) == "\(place.path()): No such file or directory")
        #expect(message(place.directory) == "\(place.directory): this is no file")
        #expect(message("/dev/null") == "/dev/null: this is no file")
        for text in ["", "secret", digits + digits, String(repeating: digits, count: 100)] {
            place.write(text)
            let found = try #require(message(place.path()))
            #expect(found.hasPrefix("\(place.path()): expected 32 bytes"))
            #expect(!found.contains("secret") && !found.contains("0001"))
        }
    }

    /// Opening one would wait for somebody to write.
    @Test(.timeLimit(.minutes(1))) func refusesAPipe() {
        mkfifo(place.path(), 0o600)
        #expect(
            failure { () throws(VaultError) in try MasterKey.read(file: place.path()) }?.message
                == "\(place.path()): this is no file")
    }

    @Test func makesAFileOfItsOwner() throws {
        let key = try MasterKey.make(file: place.path())
        #expect(place.mode() == 0o600)
        #expect(place.text() == key.hex + "\n")
        #expect(try MasterKey.read(file: place.path()).hex == key.hex)
        #expect(try MasterKey.make(file: place.path("other.key")).hex != key.hex)
    }

    @Test func leavesAFileThatIsThereAsItIs() {
        place.write("mine", mode: 0o644)
        #expect(
            failure { () throws(VaultError) in try MasterKey.make(file: place.path()) }?.message
                == "\(place.path()): cannot be made: File exists")
        #expect(place.text() == "mine")
        #expect(place.mode() == 0o644)
    }

    @Test func saysWhyAFileCannotBeMade() {
        #expect(
            failure { () throws(VaultError) in try MasterKey.make(file: "/nowhere/master.key") }?.message
                == "/nowhere/master.key: cannot be made: No such file or directory")
    }
}

@Suite(.serialized, .timeLimit(.minutes(1))) struct MasterKeyCommandTests {
    private let place = Workplace()

    private func message(_ command: String, seconds: Int = 10) -> String? {
        failure { () throws(VaultError) in try MasterKey.run(command: command, seconds: seconds) }?.message
    }

    @Test(arguments: [
        "echo \(digits)", "printf %s \(digits)", "printf '%s\\r\\n' \(digits)",
        "echo AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= | cat",
        "printf 000102; sleep 0.1; echo \(digits.dropFirst(6))",
        "echo warning >&2; echo \(digits)",
    ])
    func takesWhatACommandPrints(_ command: String) throws {
        #expect(try MasterKey.run(command: command).hex == digits)
    }

    @Test(arguments: [
        ("exit 3", "the key command failed with status 3"),
        ("echo \(digits); exit 3", "the key command failed with status 3"),
        ("kill -9 $$", "the key command failed with status 137"),
        ("/nowhere/command 2>&-", "the key command failed with status 127"),
        (
            "true",
            "the key command: expected 32 bytes as 64 hexadecimal digits or in base64, found 0 characters"
        ),
        (
            "echo secret",
            "the key command: expected 32 bytes as 64 hexadecimal digits or in base64, found 6 characters"
        ),
        ("head -c 5000 /dev/zero", "the key command prints more than a key"),
        ("yes secret", "the key command prints more than a key"),
    ])
    func saysWhyThereIsNoKey(_ command: String, _ expected: String) { #expect(message(command) == expected) }

    /// The whole group: the shell and what it has started.
    @Test(arguments: [
        "sleep 30; echo \(digits)", "echo \(digits); sleep 30", "(sleep 30; true); true", "cat /dev/zero > /dev/null",
    ])
    func endsWhatHangs(_ command: String) throws {
        let started = time(nil)
        #expect(
            message("echo $$ > \(place.path("process")); " + command, seconds: 1)
                == "the key command did not end within 1 s")
        #expect(time(nil) - started < 10)
        let process = try #require(pid_t(place.text("process").dropLast()))
        #expect(kill(process, 0) == -1 && errno == ESRCH)
    }

    /// Its output has ended, and it has not.
    @Test func endsWhatHangsInSilence() throws {
        let started = time(nil)
        #expect(
            message("echo \(digits); exec >&-; exec sleep 30", seconds: 1) == "the key command did not end within 1 s")
        #expect(time(nil) - started < 10)
    }

    /// As long as it is allowed to, wherever in a second it was started.
    @Test func waitsForASecond() throws {
        for pause in [0, 200_000, 400_000] as [useconds_t] {
            usleep(pause)
            #expect(try MasterKey.run(command: "sleep 0.5; echo \(digits)", seconds: 1).hex == digits)
        }
    }

    @Test func readsNothingFromTheGatewaysInput() throws {
        #expect(try MasterKey.run(command: "cat; echo \(digits)").hex == digits)
    }
}
