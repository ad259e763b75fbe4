// What the scanner asks about single bytes: one table, looked up once for each byte of the text.

typealias Bytes = UnsafeBufferPointer<UInt8>

enum ByteClass {
    static let digit: UInt8 = 1
    /// A-Z and a-z.
    static let letter: UInt8 = 2
    static let hexadecimal: UInt8 = 4
    /// May stand in front of the @ of an address; letters like é are asked for separately.
    static let local: UInt8 = 8
    /// What an entity may begin at: the scanner passes over all others.
    static let trigger: UInt8 = 16
    /// Printable ASCII but the space.
    static let graphic: UInt8 = 32
    /// May stand in a URL.
    static let url: UInt8 = 64

    /// Lives as long as the process.
    nonisolated(unsafe) static let table: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        table.initialize(repeating: 0, count: 256)
        func mark(_ bytes: String, _ bit: UInt8) { for byte in bytes.utf8 { table[Int(byte)] |= bit } }
        for byte in 0x21...0x7E { table[byte] |= graphic | url }
        mark("0123456789", digit | hexadecimal | local | trigger)
        mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", letter | local)
        mark("abcdefABCDEF", hexadecimal)
        mark("._%+'-&", local)
        mark("@:.-", trigger)
        for byte in "<>\"{}|\\^`".utf8 { table[Int(byte)] &= ~url }
        return UnsafePointer(table)
    }()
}

extension UInt8 {
    @inline(__always) var isDigit: Bool { self &- 0x30 < 10 }
    @inline(__always) var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    @inline(__always) var isAlphanumeric: Bool { isDigit || isLetter }
    @inline(__always) var isHexadecimal: Bool { isDigit || (self | 0x20) &- 0x61 < 6 }
    /// The second and later bytes of a character.
    @inline(__always) var isContinuation: Bool { self & 0xC0 == 0x80 }
    /// The first byte of a letter of the Latin script beyond ASCII: U+00C0 to U+027F.
    @inline(__always) var leadsLatinLetter: Bool { (0xC3...0xC9).contains(self) }
    @inline(__always) var uppercased: UInt8 { self &- 0x61 < 26 ? self & 0xDF : self }
    @inline(__always) var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
    /// 0 to 9, or 10 to 35 for A to Z.
    @inline(__always) var base36: Int { isDigit ? Int(self & 15) : Int(uppercased) - 55 }
}

extension Bytes {
    /// The byte at an offset; 0 outside of the text.
    @inline(__always) func at(_ offset: Int) -> UInt8 { offset >= 0 && offset < count ? self[offset] : 0 }

    /// The beginning of the character that the byte at an offset belongs to.
    func characterStart(_ offset: Int) -> Int {
        var offset = offset
        while offset > 0, offset < count, self[offset].isContinuation { offset -= 1 }
        return offset
    }

    /// Whether a letter or digit, of any script's first byte or ASCII, ends or begins at this byte.
    @inline(__always) func isWordByte(_ offset: Int) -> Bool { at(offset).isAlphanumeric }

    /// The bytes in a StaticString's or String's spelling, without a copy.
    func hasPrefix(_ word: StaticString, at offset: Int) -> Bool {
        let length = word.utf8CodeUnitCount
        guard offset >= 0, offset + length <= count else { return false }
        for index in 0..<length where self[offset + index].lowercased != word.utf8Start[index] { return false }
        return true
    }
}
