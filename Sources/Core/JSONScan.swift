// JSONScan: the fast way over a JSON value that is right, which nearly all are. It knows yes and no only; whoever gets
// a no asks JSONReader's careful way, which knows where and why. Both accept the same texts (JSONScanTests compares
// them).

enum JSONScan {
    /// Deeper values are left to the careful way: one bit per level has to fit in a register.
    static let maximumDepth = 63

    /// The index behind the value that starts at `start`, or -1.
    static func skip(_ base: UnsafePointer<UInt8>, from start: Int, end: Int) -> Int {
        var at = start
        var isInObject = false
        var depth = 0
        /// One bit for each open object (1) or array (0) around the current one.
        var parents: UInt64 = 0

        while true {
            // On the first byte of a value.
            guard at < end else { return -1 }
            switch base[at] {
            case UInt8(ascii: "\""):
                at = string(base, at + 1, end)
                if at < 0 { return -1 }
            case UInt8(ascii: "{"):
                guard depth < maximumDepth else { return -1 }
                at = space(base, at + 1, end)
                guard at < end else { return -1 }
                if base[at] == UInt8(ascii: "}") {
                    at += 1
                } else {
                    depth += 1
                    parents = parents << 1 | (isInObject ? 1 : 0)
                    isInObject = true
                    at = key(base, at, end)
                    if at < 0 { return -1 }
                    continue
                }
            case UInt8(ascii: "["):
                guard depth < maximumDepth else { return -1 }
                at = space(base, at + 1, end)
                guard at < end else { return -1 }
                if base[at] == UInt8(ascii: "]") {
                    at += 1
                } else {
                    depth += 1
                    parents = parents << 1 | (isInObject ? 1 : 0)
                    isInObject = false
                    continue
                }
            case UInt8(ascii: "t"):
                guard word(base, at, end, 0x6575_7274) else { return -1 }
                at += 4
            case UInt8(ascii: "f"):
                guard at + 5 <= end, word(base, at + 1, end, 0x6573_6C61) else { return -1 }
                at += 5
            case UInt8(ascii: "n"):
                guard word(base, at, end, 0x6C6C_756E) else { return -1 }
                at += 4
            default:
                at = number(base, at, end)
                if at < 0 { return -1 }
            }
            // Behind a value: close what ends here, and go to the next.
            while true {
                if depth == 0 { return at }
                at = space(base, at, end)
                guard at < end else { return -1 }
                let byte = base[at]
                if byte == UInt8(ascii: ",") {
                    at = space(base, at + 1, end)
                    if isInObject {
                        at = key(base, at, end)
                        if at < 0 { return -1 }
                    }
                    break
                }
                guard byte == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return -1 }
                at += 1
                depth -= 1
                isInObject = parents & 1 == 1
                parents >>= 1
            }
        }
    }

    @inline(__always)
    private static func space(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var at = start
        while at < end, base[at] <= 0x20 {
            let byte = base[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return at }
            at += 1
        }
        return at
    }

    @inline(__always)
    private static func word(_ base: UnsafePointer<UInt8>, _ at: Int, _ end: Int, _ letters: UInt32) -> Bool {
        at + 4 <= end
            && UInt32(littleEndian: UnsafeRawPointer(base).loadUnaligned(fromByteOffset: at, as: UInt32.self))
                == letters
    }

    /// Over a member's name and its colon, to the value.
    @inline(__always)
    private static func key(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard start < end, base[start] == UInt8(ascii: "\"") else { return -1 }
        var at = string(base, start + 1, end)
        if at < 0 { return -1 }
        at = space(base, at, end)
        guard at < end, base[at] == UInt8(ascii: ":") else { return -1 }
        return space(base, at + 1, end)
    }

    private static func number(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var at = start
        if base[at] == UInt8(ascii: "-") { at += 1 }
        guard at < end, base[at] &- 0x30 < 10 else { return -1 }
        if base[at] == UInt8(ascii: "0") { at += 1 } else { at = digits(base, at, end) }
        if at < end, base[at] == UInt8(ascii: ".") {
            let first = at + 1
            at = digits(base, first, end)
            if at == first { return -1 }
        }
        if at < end, base[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < end, base[at] == UInt8(ascii: "+") || base[at] == UInt8(ascii: "-") { at += 1 }
            let first = at
            at = digits(base, first, end)
            if at == first { return -1 }
        }
        return at
    }

    @inline(__always)
    private static func digits(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var at = start
        while at < end, base[at] &- 0x30 < 10 { at += 1 }
        return at
    }

    /// Over plain ASCII inside a string: no quote, backslash, control or high byte. May stop early in the last bytes of all.
    ///
    /// Eight bytes a step. A borrow of the subtractions may flag a byte too many, but only above a true one: the lowest flag says
    /// where to stop.
    @inline(__always)
    static func skipPlain(_ raw: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var at = start
        while at &+ 8 <= end {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let quote = word ^ 0x2222_2222_2222_2222
            let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let special =
                ((quote &- 0x0101_0101_0101_0101) | (slash &- 0x0101_0101_0101_0101)
                    | (word &- 0x2020_2020_2020_2020) | word) & 0x8080_8080_8080_8080
            if special != 0 { return at &+ (special.trailingZeroBitCount >> 3) }
            at &+= 8
        }
        return at
    }

    /// From the first byte of a string to the one behind its closing quote.
    @inline(__always)
    private static func string(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        let raw = UnsafeRawPointer(base)
        var at = start
        while true {
            at = skipPlain(raw, at, end)
            guard at < end else { return -1 }
            let byte = base[at]
            if byte == UInt8(ascii: "\"") { return at + 1 }
            if byte == UInt8(ascii: "\\") {
                at = escape(base, at, end)
                if at < 0 { return -1 }
            } else if byte >= 0x80 {
                // Where one such character is, the next is often another. Those of two bytes are the most frequent ones.
                repeat {
                    if base[at] &- 0xC2 < 0x1E, at &+ 1 < end, base[at &+ 1] & 0xC0 == 0x80 {
                        at &+= 2
                        continue
                    }
                    let length = UTF8Check.sequenceLength(base + at, limit: end - at)
                    if length == 0 { return -1 }
                    at += length
                } while at < end && base[at] >= 0x80
            } else if byte < 0x20 {
                return -1
            } else {
                at += 1
            }
        }
    }

    @inline(__always)
    private static func escape(_ base: UnsafePointer<UInt8>, _ at: Int, _ end: Int) -> Int {
        guard at + 1 < end else { return -1 }
        let letter = base[at + 1]
        if letter == UInt8(ascii: "n") || letter == UInt8(ascii: "\"") { return at + 2 }
        switch letter {
        case UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return at + 2
        case UInt8(ascii: "u"):
            guard at + 6 <= end else { return -1 }
            for digit in 2..<6 where JSONString.hexValue(base[at + digit]) == nil { return -1 }
            return at + 6
        default: return -1
        }
    }
}
