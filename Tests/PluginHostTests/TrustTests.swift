// Signatures as texts, what an instance may see, and secrets in parameters. Tests/BlackBox/test_trust.py has the whole.

import Core
import Digests
import Testing

@testable import PluginHost

@Suite struct PluginSignatureTests {
    private let key = Ed25519.PrivateKey()
    private let digests = [
        ("plugin.json", String(repeating: "a", count: 64)), ("lib x.so", String(repeating: "b", count: 64)),
    ]

    @Test func whatIsWrittenIsRead() throws {
        let signature = PluginSignature(signing: digests, with: key)
        let read = try PluginSignature(parsing: Bytes(signature.text))
        #expect(read == signature)
        #expect(read.isValid(by: key.publicKey))
        #expect(read.digests.map(\.file) == ["lib x.so", "plugin.json"])
        #expect(!read.isValid(by: Ed25519.PrivateKey().publicKey))
    }

    @Test func everyLineCounts() throws {
        let lines = PluginSignature(signing: digests, with: key).text.split(separator: "\n").map(String.init)
        for index in lines.indices {
            var fewer = lines
            fewer.remove(at: index)
            let read = try? PluginSignature(parsing: Bytes(fewer.joined(separator: "\n")))
            #expect(read?.isValid(by: key.publicKey) != true, "without line \(index + 1)")
        }
    }

    @Test(arguments: [
        ("", "expected \"gatehouse plugin signature 1\" in its first line"),
        ("gatehouse plugin signature 2\n", "expected \"gatehouse plugin signature 1\" in its first line"),
        (
            "gatehouse plugin signature 1\nmd5 00 plugin.json\n",
            "line 2: expected \"sha256 <hex> <file>\", \"key <id>\" or \"signature <hex>\", in this order"
        ),
        (
            "gatehouse plugin signature 1\nkey 00\nsignature 0x\n", "line 3: expected 128 hexadecimal digits"
        ),
        (
            "gatehouse plugin signature 1\nkey 00\n",
            "expected a line that says \"key\" and one that says \"signature\""
        ),
    ])
    func otherTextsAreRefused(_ text: String, _ reason: String) {
        let error = #expect(throws: FileRefusal.self) { try PluginSignature(parsing: Bytes(text)) }
        #expect(error?.message == reason)
    }
}

@Suite struct SightTests {
    private func sight(asked: Set<String>?, granted: Set<String> = []) -> Sight {
        var sight = Sight()
        sight.askedHeaders = asked
        sight.grantedHeaders = granted
        return sight
    }

    @Test func credentialsAreSeenByNameOnly() {
        #expect(!sight(asked: nil).sees(header: "authorization"))
        #expect(!sight(asked: ["authorization"]).sees(header: "authorization"))
        #expect(sight(asked: [], granted: ["authorization"]).sees(header: "authorization"))
        #expect(!sight(asked: [], granted: ["authorization"]).sees(header: "cookie"))
    }

    @Test func aListOfTheManifestIsALimit() {
        #expect(sight(asked: nil).sees(header: "x-team"))
        #expect(sight(asked: ["x-team"]).sees(header: "x-team"))
        #expect(!sight(asked: ["x-team"]).sees(header: "x-other"))
        #expect(sight(asked: [], granted: ["x-other"]).sees(header: "x-other"))
    }
}

@Suite struct SecretReferencesTests {
    private func resolve(_ config: JSONValue) throws -> JSONValue {
        try SecretReferences.resolve(config) { name in
            name == "a"
                ? .success("${secret:b}") : .failure(PluginConfigError(pointer: "", message: "no \(name)"))
        }
    }

    @Test func referencesAreReplacedWhereverTheyStand() throws {
        let config: JSONValue = ["x": ["1${secret:a}2", ["y": "${secret:a}${secret:a}"]], "n": 1, "$": "${secretary}"]
        let resolved: JSONValue = [
            "x": ["1${secret:b}2", ["y": "${secret:b}${secret:b}"]], "n": 1, "$": "${secretary}",
        ]
        #expect(try resolve(config) == resolved, "and what a secret holds is not looked at again")
    }

    @Test func everyPlaceThatIsWrongIsNamed() {
        let error = #expect(throws: PluginCreationError.Errors.self) {
            try resolve(["x": ["${secret:q}"], "y": "${secret:a"])
        }
        #expect(
            error?.list == [
                PluginConfigError(pointer: "/x/0", message: "no q"),
                PluginConfigError(pointer: "/y", message: "'${secret:' has no '}'"),
            ])
    }
}

@Suite struct InstanceLedgerTests {
    @Test func countsWhoLives() {
        let ledger = InstanceLedger()
        for name in ["b", "a", "b"] { ledger.born(name) }
        #expect(ledger.count == 3)
        #expect(ledger.names == ["a", "b ×2"])
        for name in ["b", "b", "a", "a"] { ledger.died(name) }
        #expect(ledger.count == 0)
    }
}
