// JSONString: between the raw text of a JSON string and what it says.

#if canImport(Glibc)
    import Glibc
#endif

package enum JSONString {
    package static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        case 0x61...0x66: UInt32(byte - 0x57)
        default: nil
        }
    }

    /// True when `raw`, the text between the quotes, says something other than itself.
    package static func hasEscapes(_ raw: UnsafeRawBufferPointer) -> Bool {
        guard let base = raw.baseAddress else { return false }
        return memchr(base, 0x5C, raw.count) != nil
    }

    /// What `raw` says. `raw` must have passed a JSONReader. A lone surrogate becomes U+FFFD.
    package static func decode(_ raw: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: raw.count) { output, count in
            count = decode(raw, into: output)
        }
    }

    /// Writes what `raw` says to `output`, which must have room for `raw.count` bytes, and gives the length.
    package static func decode(_ raw: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var read = 0
        var write = 0
        guard let text = raw.baseAddress, let room = output.baseAddress else { return 0 }
        while read < raw.count {
            // All up to the next backslash at once.
            let left = raw.count - read
            let backslash = memchr(text + read, 0x5C, left)
            let run = backslash.map { UnsafeRawPointer($0) - (text + read) } ?? left
            memcpy(room + write, text + read, run)
            read += run
            write += run
            guard read + 1 < raw.count else {
                // A backslash at the end of what is no JSON.
                if read < raw.count { output[write] = raw[read] }
                return write + raw.count - read
            }
            let escape = raw[read + 1]
            guard escape == UInt8(ascii: "u") else {
                output[write] =
                    switch escape {
                    case UInt8(ascii: "b"): 8
                    case UInt8(ascii: "f"): 12
                    case UInt8(ascii: "n"): 10
                    case UInt8(ascii: "r"): 13
                    case UInt8(ascii: "t"): 9
                    default: escape
                    }
                write += 1
                read += 2
                continue
            }
            var scalar = hex4(raw, read + 2)
            read += 6
            if (0xD800..<0xDC00).contains(scalar), read + 6 <= raw.count, raw[read] == UInt8(ascii: "\\"),
                raw[read + 1] == UInt8(ascii: "u")
            {
                let low = hex4(raw, read + 2)
                if (0xDC00..<0xE000).contains(low) {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                    read += 6
                }
            }
            let unicode = Unicode.Scalar(scalar) ?? "\u{FFFD}"
            for unit in UTF8.encode(unicode).unsafelyUnwrapped {
                output[write] = unit
                write += 1
            }
        }
        return write
    }

    private static func hex4(_ raw: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        guard at + 4 <= raw.count else { return 0xFFFD }
        var value: UInt32 = 0
        for index in at..<at + 4 { value = value << 4 | (hexValue(raw[index]) ?? 0) }
        return value
    }

    /// Appends `text` with the escapes that JSON requires, without quotes. Ill-formed UTF-8 becomes U+FFFD.
    package static func escape(_ text: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        guard UTF8Check.isValid(text) else {
            var repaired = String(decoding: text, as: UTF8.self)
            repaired.withUTF8 { escape(UnsafeRawBufferPointer($0), into: &output) }
            return
        }
        var plain = 0
        for index in 0..<text.count {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            output.append(contentsOf: text[plain..<index])
            plain = index + 1
            output.append(UInt8(ascii: "\\"))
            switch byte {
            case 8: output.append(UInt8(ascii: "b"))
            case 9: output.append(UInt8(ascii: "t"))
            case 10: output.append(UInt8(ascii: "n"))
            case 12: output.append(UInt8(ascii: "f"))
            case 13: output.append(UInt8(ascii: "r"))
            case 0..<0x20:
                let digits: StaticString = "0123456789abcdef"
                output.append(contentsOf: [UInt8(ascii: "u"), 0x30, 0x30])
                output.append(digits.utf8Start[Int(byte >> 4)])
                output.append(digits.utf8Start[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(contentsOf: text[plain...])
    }

    /// `text` as a JSON string with its quotes.
    package static func quoted(_ text: String) -> [UInt8] {
        var output: [UInt8] = [UInt8(ascii: "\"")]
        var text = text
        text.withUTF8 { escape(UnsafeRawBufferPointer($0), into: &output) }
        output.append(UInt8(ascii: "\""))
        return output
    }
}
