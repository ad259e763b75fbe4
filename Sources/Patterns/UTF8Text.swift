// UTF8Text: the little that a search has to know of the text's encoding.

enum UTF8Text {
    static func isValid(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let base = text.baseAddress else { return true }
        let count = text.count
        var index = 0
        while true {
            index = skipASCII(base, index, count)
            guard index < count else { return true }
            let length = sequenceLength(base.advanced(by: index).assumingMemoryBound(to: UInt8.self), count &- index)
            if length == 0 { return false }
            index &+= length
        }
    }

    /// The index of the first byte from `start` on that is none of ASCII, or `count`.
    @inline(__always)
    private static func skipASCII(_ base: UnsafeRawPointer, _ start: Int, _ count: Int) -> Int {
        var index = start
        while index &+ 16 <= count {
            let low = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let high = base.loadUnaligned(fromByteOffset: index &+ 8, as: UInt64.self)
            if (low | high) & 0x8080_8080_8080_8080 != 0 { break }
            index &+= 16
        }
        while index < count, base.load(fromByteOffset: index, as: UInt8.self) < 0x80 { index &+= 1 }
        return index
    }

    /// The length of the well-formed sequence of two to four bytes (Unicode 15, table 3-7) that begins here, or 0. `limit`: the
    /// bytes that there are, at least one.
    private static func sequenceLength(_ bytes: UnsafePointer<UInt8>, _ limit: Int) -> Int {
        func isTail(_ index: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
            index < limit && bytes[index] >= low && bytes[index] <= high
        }
        return switch bytes[0] {
        case 0xC2...0xDF: isTail(1) ? 2 : 0
        case 0xE0: isTail(1, 0xA0) && isTail(2) ? 3 : 0
        case 0xED: isTail(1, 0x80, 0x9F) && isTail(2) ? 3 : 0
        case 0xE1...0xEF: isTail(1) && isTail(2) ? 3 : 0
        case 0xF0: isTail(1, 0x90) && isTail(2) && isTail(3) ? 4 : 0
        case 0xF1...0xF3: isTail(1) && isTail(2) && isTail(3) ? 4 : 0
        case 0xF4: isTail(1, 0x80, 0x8F) && isTail(2) && isTail(3) ? 4 : 0
        default: 0
        }
    }

    /// The first index from `index` on that does not cut a character.
    static func boundary(_ text: UnsafeRawBufferPointer, from index: Int) -> Int {
        var index = index
        while index < text.count, text[index] & 0xC0 == 0x80 { index += 1 }
        return index
    }
}
