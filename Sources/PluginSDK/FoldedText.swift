// FoldedText: a text as a reader sees it, for guards that look for words. Case, accents, look-alike letters and invisible
// characters are gone; each symbol knows the bytes that it came from, so that an edit hits the right ones.
//
// In streams the arguments of a tool call are JSON text: there only the string values are read, with their escapes
// decoded, as the host does it for whole answers.

/// Folded symbols of a stretch of text: Unicode scalars, most of them letters without accents in lower case.
public struct FoldedText: Sendable {
    /// Stands where a text, or a string of a JSON text, begins or ends.
    public static let edge: UInt32 = 0x11_0000
    /// Stands for a malformed byte, and for more invisible characters in a row than anybody needs.
    public static let unknown: UInt32 = 0xFFFD
    /// So many invisible characters in a row vanish.
    static let mostInvisible = 8

    public private(set) var symbols: [UInt32] = []
    private var begins: [Int32] = []
    private var ends: [Int32] = []
    private var invisible = 0
    private var invisibleBegin = 0

    public init() {}

    public var count: Int { symbols.count }

    /// Where a symbol's bytes begin.
    public func begin(of index: Int) -> Int { Int(begins[index]) }

    /// The bytes that a range of symbols came from, with the accents that follow its last letter.
    public func source(_ range: Range<Int>) -> Range<Int> {
        Int(begins[range.lowerBound])..<Int(ends[range.upperBound - 1])
    }

    /// How many characters a range of symbols came from: some, as ß, fold to two.
    public func characterCount(of range: Range<Int>) -> Int {
        range.count { $0 == range.lowerBound || begins[$0] != begins[$0 - 1] }
    }

    /// Reads the bytes of a range, which begins between two symbols. Returns how far it came: an escape or a character
    /// that the range cuts is left for the next time, unless nothing follows.
    mutating func read(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, strings: JSONStrings?, isLast: Bool
    ) -> Int {
        symbols.removeAll(keepingCapacity: true)
        begins.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        invisible = 0
        let bytes = UnsafeBufferPointer(rebasing: text[..<range.upperBound])
        guard var strings else { return readPlain(bytes, from: range.lowerBound, isLast) }
        var position = range.lowerBound
        while position < bytes.count {
            let byte = bytes[position]
            if strings.place == .value, byte != UInt8(ascii: "\""), byte >= 0x80 || byte == UInt8(ascii: "\\") {
                guard
                    let (scalar, size) = byte < 0x80
                        ? JSONStrings.escape(in: bytes, at: position, isLast)
                        : bytes.scalar(at: position, isLast)
                else { return position }
                append(scalar, position, position + size)
                position += size
                continue
            }
            guard let size = strings.step(bytes, position, isLast) else { return position }
            if strings.place == .value, byte != UInt8(ascii: "\"") {
                append(UInt32(byte), position, position + 1)
            } else if byte == UInt8(ascii: "\""), symbols.last != Self.edge {
                invisible = 0
                put(Self.edge, position, position + 1)
            }
            position += size
        }
        return end(position, isLast)
    }

    /// Invisible characters at the end are left for the next time: how many they are decides what they mean.
    private func end(_ position: Int, _ isLast: Bool) -> Int {
        !isLast && 1...Self.mostInvisible ~= invisible ? invisibleBegin : position
    }

    private mutating func readPlain(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, _ isLast: Bool) -> Int {
        var position = start
        while position < bytes.count {
            let byte = bytes[position]
            if byte < 0x80 {
                append(UInt32(byte), position, position + 1)
                position += 1
            } else {
                guard let (scalar, size) = bytes.scalar(at: position, isLast) else { return position }
                append(scalar, position, position + size)
                position += size
            }
        }
        return end(position, isLast)
    }

    private mutating func append(_ scalar: UInt32, _ begin: Int, _ end: Int) {
        let (first, second) = Folding.fold(scalar)
        if first == Folding.nothing {
            if invisible == 0 { invisibleBegin = begin }
            invisible += 1
            if invisible > Self.mostInvisible { return put(Self.unknown, begin, end) }
            if !ends.isEmpty, symbols.last != Self.edge { ends[ends.count - 1] = Int32(truncatingIfNeeded: end) }
            return
        }
        invisible = 0
        put(first, begin, end)
        if second != Folding.nothing { put(second, begin, end) }
    }

    private mutating func put(_ symbol: UInt32, _ begin: Int, _ end: Int) {
        symbols.append(symbol)
        begins.append(Int32(truncatingIfNeeded: begin))
        ends.append(Int32(truncatingIfNeeded: end))
    }
}

/// How single characters fold.
public enum Folding {
    static let nothing: UInt32 = 0

    /// A string's symbols, as a text's are folded.
    public static func symbols(of text: String) -> [UInt32] {
        var symbols: [UInt32] = []
        for scalar in text.unicodeScalars {
            let (first, second) = fold(scalar.value)
            if first != nothing { symbols.append(first) }
            if second != nothing { symbols.append(second) }
        }
        return symbols
    }

    /// One or two symbols; `nothing` for what cannot be seen.
    static func fold(_ scalar: UInt32) -> (UInt32, UInt32) {
        if scalar < 0x80 {
            if scalar &- 0x41 < 26 { return (scalar | 0x20, nothing) }
            // Zero is a byte like others, and no letter.
            return (scalar == 0 ? FoldedText.unknown : scalar, nothing)
        }
        if scalar < UInt32(table.count) {
            let folded = table[Int(scalar)]
            switch folded {
            case UInt16(ascii: "ß"): return (0x73, 0x73)
            case UInt16(ascii: "æ"): return (0x61, 0x65)
            case UInt16(ascii: "œ"): return (0x6F, 0x65)
            default: return (UInt32(folded), nothing)
            }
        }
        return (beyondTable(scalar), nothing)
    }

    /// Whether a symbol belongs to a word. Scripts that put no spaces between words (Han, kana, Thai, Lao, Burmese,
    /// Khmer) do not bind.
    public static func binds(_ symbol: UInt32) -> Bool {
        if symbol < 0x80 { return symbol &- 0x61 < 26 || symbol &- 0x30 < 10 }
        if symbol < UInt32(binding.count) { return binding[Int(symbol)] }
        switch symbol {
        case 0xAC00...0xD7A3, 0xA640...0xA7FF, 0xAB30...0xABBF, 0x10400...0x1E95F: return true
        default: return false
        }
    }

    public static func isLetter(_ symbol: UInt32) -> Bool {
        symbol < 0x80 ? symbol &- 0x61 < 26 : binds(symbol)
    }

    // MARK: Tables

    /// The Latin letters from U+00C0 to U+024F without their accents, after Unicode's decompositions; "-" stays as it is.
    private static let latin: StaticString = """
        aaaaaaaceeeeiiiidnooooo-ouuuuytsaaaaaaaceeeeiiiidnooooo-ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiii\
        iiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzsbb------------e--ff----ikkl-----\
        oo-------------uu--yyzz-------------dddlllnnnaaiioouuuuuuuuuueaaaa----ggkkoooo--jdddgg--nnaa----aaaaeeeeiiiioooo\
        rrrruuuusstt--hh----zzaaeeooooooooyy---j--accl-----b--eejj--rryy
        """
    /// The same from U+1E00 to U+1EFF.
    private static let latinAdditional: StaticString = """
        aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttt\
        tuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwyas--s-aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooo\
        oouuuuuuuuuuuuuuyyyyyyyy------
        """
    /// Greek and Cyrillic letters, and others, that look like Latin ones.
    private static let lookAlikes: KeyValuePairs<Unicode.Scalar, Unicode.Scalar> = [
        "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "х": "x", "у": "y", "і": "i", "ѕ": "s", "ј": "j", "ԁ": "d",
        "һ": "h", "ԛ": "q", "ԝ": "w", "ё": "e", "ї": "i", "ο": "o", "α": "a", "ι": "i", "υ": "u", "ν": "v", "ρ": "p",
        "κ": "k", "τ": "t", "ε": "e", "χ": "x", "ά": "a", "έ": "e", "ί": "i", "ό": "o", "ύ": "u", "ϊ": "i", "ϋ": "u",
        "ΐ": "i", "ΰ": "u", "ɑ": "a", "ɡ": "g", "ɩ": "i",
    ]

    private static let table: [UInt16] = {
        var table = (0..<0x2500).map { UInt16($0) }
        for value in table.indices {
            guard let scalar = Unicode.Scalar(UInt32(value)) else { continue }
            let lower = scalar.properties.lowercaseMapping.unicodeScalars
            if let first = lower.first, lower.count == 1, first.value <= 0xFFFF { table[value] = UInt16(first.value) }
            switch scalar.properties.generalCategory {
            // Accents, and what shows nothing: soft hyphens, joiners, directions.
            case .nonspacingMark where value < 0x0600 || value >= 0x1AB0, .enclosingMark: table[value] = 0
            case .format: table[value] = 0
            case .spaceSeparator: table[value] = 0x20
            default: break
            }
        }
        fill(&table, 0xC0, latin)
        fill(&table, 0x1E00, latinAdditional)
        for value in [0xDF, 0x1E9E] { table[value] = UInt16(ascii: "ß") }
        for value in [0xC6, 0xE6] { table[value] = UInt16(ascii: "æ") }
        for value in [0x152, 0x153] { table[value] = UInt16(ascii: "œ") }
        // Letters in circles.
        for value in 0x24B6..<0x24EA { table[value] = UInt16(0x61 + (value - 0x24B6) % 26) }
        let alike = Dictionary(lookAlikes.map { ($0.key.value, $0.value.value) }) { first, _ in first }
        for value in 0x180..<0x600 {
            if let latin = alike[UInt32(table[value])] { table[value] = UInt16(latin) }
        }
        return table
    }()

    private static func fill(_ table: inout [UInt16], _ first: Int, _ letters: StaticString) {
        for offset in 0..<letters.utf8CodeUnitCount {
            let letter = letters.utf8Start[offset]
            if letter != UInt8(ascii: "-") { table[first + offset] = UInt16(letter) }
        }
    }

    private static let binding: [Bool] = (0..<0x2500).map { value in
        guard let scalar = Unicode.Scalar(UInt32(value)) else { return false }
        switch value {
        case 0xAA, 0xBA, 0x0E00..<0x0F00, 0x1000..<0x10A0, 0x1780..<0x1800, 0x2070...: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .nonspacingMark, .spacingMark:
            return true
        default:
            return false
        }
    }

    private static func beyondTable(_ scalar: UInt32) -> UInt32 {
        switch scalar {
        case 0x3000: return 0x20
        case 0xFF01...0xFF5E: return fold(scalar - 0xFEE0).0
        // Variation selectors, the byte order mark, tags.
        case 0xFE00...0xFE0F, 0xFEFF, 0xE0000...0xE01EF: return nothing
        // Mathematical letters come in alphabets of 26 capital and 26 small ones, then digits.
        case 0x1D400...0x1D6A3: return 0x61 + (scalar - 0x1D400) % 26
        case 0x1D7CE...0x1D7FF: return 0x30 + (scalar - 0x1D7CE) % 10
        case 0x1F130...0x1F149, 0x1F150...0x1F169, 0x1F170...0x1F189: return 0x61 + (scalar - 0x1F130) % 32
        case 0x2C00...0x2DFF, 0xA640...0xABBF, 0x10400...0x1E943:
            let lower = Unicode.Scalar(scalar)?.properties.lowercaseMapping.unicodeScalars
            return lower?.first?.value ?? scalar
        default: return scalar
        }
    }
}

extension UInt16 {
    fileprivate init(ascii scalar: Unicode.Scalar) { self.init(scalar.value) }
}

extension UnsafeBufferPointer<UInt8> {
    /// The character at an offset and its size. A malformed byte is `FoldedText.unknown`. nil: the bytes end within it.
    func scalar(at offset: Int, _ isLast: Bool) -> (UInt32, Int)? {
        let first = self[offset]
        let size: Int
        switch first {
        case ..<0x80: return (UInt32(first), 1)
        case 0xC2..<0xE0: size = 2
        case 0xE0..<0xF0: size = 3
        case 0xF0..<0xF5: size = 4
        default: return (FoldedText.unknown, 1)
        }
        var value = UInt32(first & (0x7F >> UInt8(size)))
        for place in 1..<size {
            guard offset + place < count else { return isLast ? (FoldedText.unknown, 1) : nil }
            let byte = self[offset + place]
            guard byte & 0xC0 == 0x80 else { return (FoldedText.unknown, 1) }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        return (value, size)
    }
}

/// Where a JSON text stands: in a value's string, in a key, or outside of both. Goes from window to window of a stream.
public struct JSONStrings: Sendable {
    enum Place: Sendable { case outside, key, value }

    private(set) var place = Place.outside
    /// The objects (true) and arrays that are open. Deeper ones are only counted.
    private var open: [Bool] = []
    private var deeper = 0
    private var expectsKey = false
    private static let mostDepth = 1024

    public init() {}

    /// Passes over the byte at a position, or the escape that begins there. Returns the size; nil when it is cut.
    mutating func step(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ isLast: Bool) -> Int? {
        let byte = bytes[position]
        guard place == .outside else {
            if byte == UInt8(ascii: "\"") {
                place = .outside
                expectsKey = false
            } else if byte == UInt8(ascii: "\\") {
                return Self.escape(in: bytes, at: position, isLast)?.1
            }
            return 1
        }
        switch byte {
        case UInt8(ascii: "\""): place = expectsKey ? .key : .value
        case UInt8(ascii: "{"), UInt8(ascii: "["): enter(byte == UInt8(ascii: "{"))
        case UInt8(ascii: "}"), UInt8(ascii: "]"): leave()
        case UInt8(ascii: ","): expectsKey = deeper == 0 && open.last ?? false
        case UInt8(ascii: ":"): expectsKey = false
        default: break
        }
        return 1
    }

    private mutating func enter(_ isObject: Bool) {
        if open.count < Self.mostDepth { open.append(isObject) } else { deeper += 1 }
        expectsKey = isObject
    }

    private mutating func leave() {
        if deeper > 0 { deeper -= 1 } else { _ = open.popLast() }
        expectsKey = false
    }

    /// Passes over a range that begins and ends between two symbols.
    mutating func pass(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        var position = range.lowerBound
        while position < range.upperBound { position += step(bytes, position, true) ?? 1 }
    }

    /// The character that an escape stands for, and how many bytes it takes. A pair of surrogates is one character.
    /// nil: the bytes end within it.
    static func escape(in bytes: UnsafeBufferPointer<UInt8>, at position: Int, _ isLast: Bool) -> (UInt32, Int)? {
        guard position + 1 < bytes.count else { return isLast ? (0x5C, 1) : nil }
        switch bytes[position + 1] {
        case UInt8(ascii: "n"): return (0x0A, 2)
        case UInt8(ascii: "r"): return (0x0D, 2)
        case UInt8(ascii: "t"): return (0x09, 2)
        case UInt8(ascii: "b"): return (0x08, 2)
        case UInt8(ascii: "f"): return (0x0C, 2)
        case UInt8(ascii: "u"): break
        case let other where other >= 0x80: return (0x5C, 1)
        case let other: return (UInt32(other), 2)
        }
        guard let high = unit(bytes, position + 2, isLast) else { return nil }
        guard high >= 0 else { return (FoldedText.unknown, 2) }
        guard high & 0xFC00 == 0xD800 else {
            return (high & 0xFC00 == 0xDC00 ? FoldedText.unknown : UInt32(high), 6)
        }
        for (offset, mark) in [(6, UInt8(ascii: "\\")), (7, UInt8(ascii: "u"))] {
            guard position + offset < bytes.count else { return isLast ? (FoldedText.unknown, 6) : nil }
            guard bytes[position + offset] == mark else { return (FoldedText.unknown, 6) }
        }
        guard let low = unit(bytes, position + 8, isLast) else { return nil }
        guard low >= 0, low & 0xFC00 == 0xDC00 else { return (FoldedText.unknown, 6) }
        return (0x10000 + UInt32(high & 0x3FF) << 10 + UInt32(low & 0x3FF), 12)
    }

    /// Four hexadecimal digits; -1 when they are none; nil when they are cut.
    private static func unit(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ isLast: Bool) -> Int? {
        var value = 0
        for place in start..<start + 4 {
            guard place < bytes.count else { return isLast ? -1 : nil }
            switch bytes[place] {
            case let digit where digit &- 0x30 < 10: value = value << 4 | Int(digit - 0x30)
            case let digit where (digit | 0x20) &- 0x61 < 6: value = value << 4 | Int((digit | 0x20) - 0x57)
            default: return -1
            }
        }
        return value
    }
}
