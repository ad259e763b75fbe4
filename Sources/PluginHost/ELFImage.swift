// ELFImage: as much of an ELF file as is needed to judge a shared library without loading it. Format: the System V ABI, chapters 4 and
// 5, and the GNU extensions for symbol versions (LSB Core, 10.7).

package import Core

package struct ELFError: Error, Sendable {
    package var message: String
    package init(_ message: String) { self.message = message }
}

package struct ELFImage: Sendable {
    package let machine: UInt16
    package let isSharedObject: Bool
    private let bytes: Bytes

    package static var hostMachine: UInt16 {
        #if arch(arm64)
            183
        #else
            62
        #endif
    }

    package static func name(_ machine: UInt16) -> String {
        switch machine {
        case 3: "x86 (32 bit)"
        case 40: "arm (32 bit)"
        case 62: "x86-64"
        case 183: "aarch64"
        case 243: "riscv"
        default: "machine \(machine)"
        }
    }

    package init(_ bytes: Bytes) throws(ELFError) {
        self.bytes = bytes
        guard bytes.count >= 64, bytes[0] == 0x7F, bytes[1] == UInt8(ascii: "E"), bytes[2] == UInt8(ascii: "L"), bytes[3] == UInt8(ascii: "F") else {
            throw ELFError("is not an ELF file")
        }
        guard bytes[4] == 2, bytes[5] == 1 else { throw ELFError("is not a 64-bit little-endian ELF file") }
        machine = Self.load(bytes, 18)
        let type: UInt16 = Self.load(bytes, 16)
        isSharedObject = type == 3
        let programs: UInt64 = Self.load(bytes, 32)
        let count: UInt16 = Self.load(bytes, 56)
        let entrySize: UInt16 = Self.load(bytes, 54)
        guard entrySize >= 56 || count == 0, programs <= UInt64(bytes.count), UInt64(count) * UInt64(entrySize) <= UInt64(bytes.count) - programs else {
            throw ELFError("is a truncated ELF file: its program headers lie beyond its end")
        }
        for index in 0..<Int(count) {
            let at = Int(programs) + index * Int(entrySize)
            let offset: UInt64 = Self.load(bytes, at + 8)
            let size: UInt64 = Self.load(bytes, at + 32)
            guard size <= UInt64(bytes.count), offset <= UInt64(bytes.count) - size else {
                throw ELFError("is a truncated ELF file: it ends at byte \(bytes.count), a segment at byte \(offset &+ size)")
            }
        }
    }

    private static func load<Value: FixedWidthInteger>(_ bytes: Bytes, _ offset: Int) -> Value {
        withExtendedLifetime(bytes) { bytes.buffer.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }
}
