import Digests
import Testing
import Vault

#if canImport(Glibc)
    import Glibc
#endif

/// Bytes from hexadecimal digits.
func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
}

func hex(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { Hexadecimal.text($0) } }

extension KeyMaterial {
    var hex: String { withBytes { Hexadecimal.text($0) } }

    /// A key that is not random.
    static func counting(from first: UInt8 = 0) throws -> KeyMaterial {
        try #require(KeyMaterial((0..<32).map { first + $0 }))
    }
}

func failure<Value>(_ body: () throws(VaultError) -> Value) -> VaultError? {
    do throws(VaultError) {
        _ = try body()
        return nil
    } catch { return error }
}

/// A directory of its own for each test, removed afterwards.
final class Workplace {
    let directory: String

    init() {
        var template = Array("/tmp/gatehouse-vault-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
    }

    deinit {
        for name in ["master.key", "other.key", "process"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    func path(_ name: String = "master.key") -> String { directory + "/" + name }

    func write(_ text: String, mode: mode_t = 0o600) {
        let file = open(path(), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = text.withCString { Glibc.write(file, $0, strlen($0)) }
        fchmod(file, mode)
        close(file)
    }

    func mode() -> mode_t {
        var info = stat()
        return stat(path(), &info) == 0 ? info.st_mode & 0o7777 : 0
    }

    func text(_ name: String = "master.key") -> String {
        let file = open(path(name), O_RDONLY)
        defer { close(file) }
        var room = [UInt8](repeating: 0, count: 4_096)
        let count = read(file, &room, room.count)
        return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
    }
}
