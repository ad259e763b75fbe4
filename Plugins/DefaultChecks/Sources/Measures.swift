// Counting in UTF-8 what JavaScript counts in UTF-16: words, characters, ends of sentences.

extension UnsafeBufferPointer<UInt8> {
    /// The length in UTF-16 units.
    var utf16Count: Int {
        var units = 0
        for byte in self { units &+= (byte & 0xC0 != 0x80 ? 1 : 0) &+ (byte >= 0xF0 ? 1 : 0) }
        return units
    }

    /// How often a sentence ends: the number of '.', '!' and '?'.
    var sentenceEndCount: Int {
        var ends = 0
        for byte in self {
            ends &+= byte == UInt8(ascii: ".") || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?") ? 1 : 0
        }
        return ends
    }

    /// How many runs of characters there are between white space.
    var wordCount: Int {
        var words = 0
        var inWord = false
        var position = 0
        while position < count {
            let byte = self[position]
            if byte < 0x80 {
                let isSpace = byte == 0x20 || (0x09...0x0D).contains(byte)
                words &+= inWord || isSpace ? 0 : 1
                inWord = !isSpace
                position += 1
            } else {
                let space = wideSpaceLength(at: position)
                if space == 0 {
                    words &+= inWord ? 0 : 1
                    inWord = true
                } else {
                    inWord = false
                }
                position += Swift.max(space, 1)
            }
        }
        return words
    }

    /// Nothing but white space, or nothing at all.
    var isBlank: Bool {
        var position = 0
        while position < count {
            let byte = self[position]
            let space = byte == 0x20 || (0x09...0x0D).contains(byte) ? 1 : wideSpaceLength(at: position)
            guard space > 0 else { return false }
            position += space
        }
        return true
    }

    /// The length of the white space of JavaScript beyond ASCII that begins here: U+00A0, U+1680, U+2000–200A, U+2028,
    /// U+2029, U+202F, U+205F, U+3000, U+FEFF. 0: there is none.
    private func wideSpaceLength(at position: Int) -> Int {
        switch self[position] {
        case 0xC2:
            return position + 1 < count && self[position + 1] == 0xA0 ? 2 : 0
        case 0xE1, 0xE2, 0xE3, 0xEF:
            guard position + 2 < count else { return 0 }
            switch (self[position], self[position + 1], self[position + 2]) {
            case (0xE1, 0x9A, 0x80), (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8), (0xE2, 0x80, 0xA9),
                (0xE2, 0x80, 0xAF), (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80), (0xEF, 0xBB, 0xBF):
                return 3
            default: return 0
            }
        default: return 0
        }
    }

    func contains(oneOf range: ClosedRange<UInt8>) -> Bool {
        let width = range.upperBound - range.lowerBound
        for byte in self where byte &- range.lowerBound <= width { return true }
        return false
    }
}
