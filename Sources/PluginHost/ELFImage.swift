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
    package private(set) var hasExecutableStack = false
    private let bytes: Bytes
    private var segments: [Segment] = []

    /// A part of the file that is mapped.
    private struct Segment: Sendable {
        var type: UInt32
        var offset: Int
        var address: UInt64
        var size: Int
    }

    package struct Dynamic: Sendable {
        package var needed: [String] = []
        /// RPATH and RUNPATH.
        package var runPaths: [String] = []
        package var hasTextRelocations = false
        fileprivate var symbols: UInt64 = 0
        fileprivate var strings: UInt64 = 0
        fileprivate var hash: UInt64 = 0
        fileprivate var gnuHash: UInt64 = 0
    }

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
        guard bytes.count >= 4, bytes[0] == 0x7F, bytes[1] == UInt8(ascii: "E"), bytes[2] == UInt8(ascii: "L"),
            bytes[3] == UInt8(ascii: "F")
        else {
            throw ELFError("is not an ELF file")
        }
        guard bytes.count >= 64 else {
            throw ELFError("is a truncated ELF file: it ends at byte \(bytes.count), within its header")
        }
        guard bytes[4] == 2, bytes[5] == 1 else { throw ELFError("is not a 64-bit little-endian ELF file") }
        machine = Self.load(bytes, 18)
        let type: UInt16 = Self.load(bytes, 16)
        isSharedObject = type == 3
        let programs: UInt64 = Self.load(bytes, 32)
        let count: UInt16 = Self.load(bytes, 56)
        let entrySize: UInt16 = Self.load(bytes, 54)
        guard entrySize >= 56 || count == 0, programs <= UInt64(bytes.count),
            UInt64(count) * UInt64(entrySize) <= UInt64(bytes.count) - programs
        else {
            throw ELFError("is a truncated ELF file: its program headers lie beyond its end")
        }
        for index in 0..<Int(count) {
            let at = Int(programs) + index * Int(entrySize)
            let offset: UInt64 = Self.load(bytes, at + 8)
            let size: UInt64 = Self.load(bytes, at + 32)
            guard size <= UInt64(bytes.count), offset <= UInt64(bytes.count) - size else {
                throw ELFError(
                    "is a truncated ELF file: it ends at byte \(bytes.count), a segment at byte \(offset &+ size)")
            }
            let type: UInt32 = Self.load(bytes, at)
            let flags: UInt32 = Self.load(bytes, at + 4)
            if type == Self.stackSegment, flags & 1 != 0 { hasExecutableStack = true }
            segments.append(
                Segment(type: type, offset: Int(offset), address: Self.load(bytes, at + 16), size: Int(size)))
        }
    }

    private static let stackSegment: UInt32 = 0x6474_E551

    // MARK: The dynamic section

    package func dynamicSection() throws(ELFError) -> Dynamic {
        guard let section = segments.first(where: { $0.type == 2 }), section.size >= 16 else {
            throw ELFError("has no dynamic section")
        }
        var dynamic = Dynamic()
        var names: [(tag: Int64, offset: UInt64)] = []
        for at in stride(from: section.offset, to: section.offset + section.size - 15, by: 16) {
            let tag: Int64 = Self.load(bytes, at)
            let value: UInt64 = Self.load(bytes, at + 8)
            switch tag {
            case 0: break
            case 1, 15, 29: names.append((tag, value))
            case 4: dynamic.hash = value
            case 5: dynamic.strings = value
            case 6: dynamic.symbols = value
            case 22: dynamic.hasTextRelocations = true
            case 30: if value & 4 != 0 { dynamic.hasTextRelocations = true }
            case 0x6FFF_FEF5: dynamic.gnuHash = value
            default: break
            }
            if tag == 0 { break }
        }
        for (tag, offset) in names {
            let text = try string(dynamic.strings &+ offset)
            if tag == 1 { dynamic.needed.append(text) } else { dynamic.runPaths.append(text) }
        }
        return dynamic
    }

    /// Names of the symbols that the library defines for others, sorted.
    package func exportedSymbols() throws(ELFError) -> [String] {
        let dynamic = try dynamicSection()
        let table = try offset(of: dynamic.symbols)
        var names: [String] = []
        for index in 1..<max(1, try symbolCount(dynamic)) {
            let at = table + index * 24
            guard at + 24 <= bytes.count else { throw ELFError("has a symbol table that lies beyond its end") }
            let name: UInt32 = Self.load(bytes, at)
            let info = bytes[at + 4]
            let visibility = bytes[at + 5] & 3
            let section: UInt16 = Self.load(bytes, at + 6)
            guard section != 0, info >> 4 == 1 || info >> 4 == 2, visibility == 0 || visibility == 3 else { continue }
            names.append(try string(dynamic.strings &+ UInt64(name)))
        }
        return names.sorted()
    }

    /// The dynamic section does not say how many symbols there are: the hash tables do.
    private func symbolCount(_ dynamic: Dynamic) throws(ELFError) -> Int {
        if dynamic.hash != 0 { return Int(try word(try offset(of: dynamic.hash) + 4)) }
        guard dynamic.gnuHash != 0 else { return 0 }
        let at = try offset(of: dynamic.gnuHash)
        let buckets = Int(try word(at))
        let first = Int(try word(at + 4))
        let bloom = Int(try word(at + 8))
        let bucketTable = at + 16 + bloom * 8
        var last = 0
        for index in 0..<min(buckets, bytes.count / 4) { last = max(last, Int(try word(bucketTable + index * 4))) }
        guard last >= first, last > 0 else { return first }
        let chains = bucketTable + buckets * 4
        while try word(chains + (last - first) * 4) & 1 == 0 { last += 1 }
        return last + 1
    }

    private func word(_ at: Int) throws(ELFError) -> UInt32 {
        guard at >= 0, at + 4 <= bytes.count else { throw ELFError("has a hash table that lies beyond its end") }
        return Self.load(bytes, at)
    }

    private func offset(of address: UInt64) throws(ELFError) -> Int {
        for segment in segments
        where segment.type == 1 && address >= segment.address && address - segment.address < UInt64(segment.size) {
            return segment.offset + Int(address - segment.address)
        }
        throw ELFError("has a dynamic section that points outside of it")
    }

    private func string(_ address: UInt64) throws(ELFError) -> String {
        let start = try offset(of: address)
        var end = start
        while end < bytes.count, bytes[end] != 0 { end += 1 }
        return String(bytes[start..<end])
    }

    private static func load<Value: FixedWidthInteger>(_ bytes: Bytes, _ offset: Int) -> Value {
        withExtendedLifetime(bytes) { bytes.buffer.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }
}
