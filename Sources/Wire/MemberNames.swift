// MemberNames: the names of one object's members, to find a duplicate without paying for one that is not there.

import Core

struct MemberNames {
    /// Names are compared by these first: length, first, middle and last byte.
    private var marks = InlineArray<32, UInt32>(repeating: 0)
    private var starts = InlineArray<32, UInt32>(repeating: 0)
    private var count = 0
    /// Beyond what the arrays hold: hashed, so that a body of many names costs no square.
    private var overflow: Set<String>?

    /// False when the object has this name already, however it is spelled.
    @inline(__always)
    mutating func insert(_ key: Range<Int>, in buffer: UnsafeRawBufferPointer) -> Bool {
        if count == 32 || Self.hasEscape(buffer, key) || (overflow != nil) { return insertSlowly(key, in: buffer) }
        let length = key.count
        var mark = UInt32(truncatingIfNeeded: length) << 24
        if length > 0 {
            mark |= UInt32(buffer[key.lowerBound]) << 16 | UInt32(buffer[key.lowerBound + length / 2]) << 8
            mark |= UInt32(buffer[key.upperBound - 1])
        }
        for index in 0..<count where marks[index] == mark {
            let start = Int(starts[index])
            // The length's low byte is equal, so a quote after as many bytes means the same length.
            if start + length < buffer.count, buffer[start + length] == UInt8(ascii: "\""),
                buffer[key].elementsEqual(buffer[start..<start + length])
            {
                return false
            }
        }
        marks[count] = mark
        starts[count] = UInt32(truncatingIfNeeded: key.lowerBound)
        count += 1
        return true
    }

    @inline(never)
    private mutating func insertSlowly(_ key: Range<Int>, in buffer: UnsafeRawBufferPointer) -> Bool {
        var names = overflow ?? []
        overflow = nil
        for index in 0..<count {
            var reader = JSONReader(buffer, at: Int(starts[index]) - 1)
            if let range = try? reader.skipString() { names.insert(buffer.decodedString(range)) }
        }
        count = 0
        let isNew = names.insert(buffer.decodedString(key)).inserted
        overflow = names
        return isNew
    }

    @inline(__always)
    private static func hasEscape(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for index in key where buffer[index] == UInt8(ascii: "\\") { return true }
        return false
    }

    /// True when a name has anything but small letters, digits and the like: only then can it be another name in
    /// disguise.
    static func isUnusual(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        for index in key
        where buffer[index] >= 0x80 || buffer[index] == UInt8(ascii: "\\") || (0x41...0x5A).contains(buffer[index]) {
            return true
        }
        return false
    }

    /// A name as a parser reads it that ignores case: Go's folds "ſ" and "K" (the Kelvin sign), too.
    static func folded(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> String {
        var output: [UInt8] = []
        for scalar in buffer.decodedString(key).unicodeScalars {
            switch scalar {
            case "A"..."Z": output.append(UInt8(truncatingIfNeeded: scalar.value) | 0x20)
            case "\u{17F}": output.append(UInt8(ascii: "s"))
            case "\u{212A}": output.append(UInt8(ascii: "k"))
            default: output.append(contentsOf: String(scalar).utf8)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
