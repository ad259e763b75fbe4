// HeaderText: names and values of HTTP headers, as bytes: what is compared and copied several times for each request.

package enum HeaderText {
    /// True when `text` has a control character other than the tab: nothing that a header may hold (RFC 9110, 5.5).
    package static func hasControl(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let base = text.baseAddress else { return false }
        let count = text.count
        var at = 0
        if count >= 8 {
            // Eight bytes a step; the last step may overlap the one before.
            var flags: UInt64 = 0
            while at &+ 8 < count {
                flags |= suspects(base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                at &+= 8
            }
            flags |= suspects(base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
            if flags == 0 { return false }
            at = 0
        }
        while at < count {
            if isControl(base.load(fromByteOffset: at, as: UInt8.self)) { return true }
            at &+= 1
        }
        return false
    }

    /// Not zero when a byte is below 0x20 or is DEL; may err on the side of yes. (Mycroft's trick, one lane for each byte.)
    @inline(__always)
    private static func suspects(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let delete = word ^ (ones &* 0x7F)
        return (((word &- ones &* 0x20) & ~word) | ((delete &- ones) & ~delete)) & (ones &* 0x80)
    }

    @inline(__always)
    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 || byte == 0x7F }

    /// Copies `text` to `place`, which has room for its UTF-8, and gives the count of bytes. A control character becomes a space:
    /// whatever let it come so far, it ends no line.
    package static func copy(_ text: String, to place: UnsafeMutableRawPointer) -> Int {
        let copied = text.utf8.withContiguousStorageIfAvailable { bytes in
            if let base = bytes.baseAddress { place.copyMemory(from: base, byteCount: bytes.count) }
            return bytes.count
        }
        guard let count = copied else { return copySlowly(text, to: place) }
        let written = UnsafeMutableRawBufferPointer(start: place, count: count)
        if hasControl(UnsafeRawBufferPointer(written)) {
            for index in 0..<count where isControl(written[index]) { written[index] = 0x20 }
        }
        return count
    }

    /// For strings that are not stored as UTF-8: Linux has none.
    private static func copySlowly(_ text: String, to place: UnsafeMutableRawPointer) -> Int {
        var count = 0
        for byte in text.utf8 {
            place.storeBytes(of: isControl(byte) ? 0x20 : byte, toByteOffset: count, as: UInt8.self)
            count += 1
        }
        return count
    }
}

extension String {
    /// True when this is `lowercase` but for the case of ASCII letters.
    package func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        utf8.count == lowercase.utf8CodeUnitCount && startsIgnoringCase(lowercase)
    }

    package func hasPrefixIgnoringCase(_ lowercase: StaticString) -> Bool {
        utf8.count >= lowercase.utf8CodeUnitCount && startsIgnoringCase(lowercase)
    }

    /// For strings that are long enough.
    private func startsIgnoringCase(_ lowercase: StaticString) -> Bool {
        let wanted = lowercase.utf8Start
        let count = lowercase.utf8CodeUnitCount
        let known = utf8.withContiguousStorageIfAvailable { bytes in
            var index = 0
            while index < count {
                let byte = bytes[index]
                guard (byte &- 0x41 < 26 ? byte | 0x20 : byte) == wanted[index] else { return false }
                index &+= 1
            }
            return true
        }
        return known
            ?? utf8.prefix(count).elementsEqual(UnsafeBufferPointer(start: wanted, count: count)) {
                ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == $1
            }
    }
}
