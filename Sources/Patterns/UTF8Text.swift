// UTF8Text: the little that a search has to know of the text's encoding.

enum UTF8Text {
    static func isValid(_ text: UnsafeRawBufferPointer) -> Bool {
        guard !isASCII(text) else { return true }
        return (try? UTF8Span(validating: Span(_unsafeBytes: text))) != nil
    }

    private static func isASCII(_ text: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        var high: UInt64 = 0
        while index &+ 32 <= text.count {
            for word in 0..<4 { high |= text.loadUnaligned(fromByteOffset: index &+ word &* 8, as: UInt64.self) }
            index &+= 32
        }
        while index < text.count {
            high |= UInt64(text[index])
            index &+= 1
        }
        return high & 0x8080_8080_8080_8080 == 0
    }

    /// The first index from `index` on that does not cut a character.
    static func boundary(_ text: UnsafeRawBufferPointer, from index: Int) -> Int {
        var index = index
        while index < text.count, text[index] & 0xC0 == 0x80 { index += 1 }
        return index
    }
}
