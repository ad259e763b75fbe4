// Meter: counts a text that comes in pieces, byte by byte, so that the pieces make no difference.

import PluginSDK

struct Measures {
    var words = 0
    var sentences = 0
    /// Unicode's scalar values.
    var characters = 0
    var bytes = 0
    /// An estimate.
    var tokens = 0

    static func + (a: Measures, b: Measures) -> Measures {
        Measures(
            words: a.words + b.words, sentences: a.sentences + b.sentences, characters: a.characters + b.characters,
            bytes: a.bytes + b.bytes, tokens: a.tokens + b.tokens)
    }
}

struct Meter {
    private var words = 0
    private var isInWord = false
    private var sentences = 0
    private var sentence = SentenceState.blank
    private var characters = 0
    private var bytes = 0
    private var tokens = TokenEstimate()
    /// The character that is being read, and how many of its bytes are to come.
    private var scalar: UInt32 = 0
    private var missing = 0

    private enum SentenceState { case blank, open, marked }

    mutating func add(_ text: Text) {
        bytes += text.count
        var position = 0
        while position < text.count {
            let byte = text.bytes[position]
            position += 1
            switch byte {
            case 0x00..<0x80:
                missing = 0
                add(UInt32(byte))
                if byte.isLetter { position += addLetters(text.bytes, from: position) }
            case 0x80..<0xC0:
                guard missing > 0 else { continue }
                scalar = scalar << 6 | UInt32(byte & 0x3F)
                missing -= 1
                if missing == 0 { add(scalar) }
            case 0xC0..<0xE0: (scalar, missing) = (UInt32(byte & 0x1F), 1)
            case 0xE0..<0xF0: (scalar, missing) = (UInt32(byte & 0x0F), 2)
            default: (scalar, missing) = (UInt32(byte & 0x07), 3)
            }
        }
    }

    /// Letters behind a letter, all at once: they only make the word longer. How many there are.
    private mutating func addLetters(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var end = start
        while end < text.count, text[end].isLetter { end += 1 }
        characters += end - start
        tokens.addLetters(end - start)
        return end - start
    }

    /// As if the text ended here.
    var measures: Measures {
        Measures(
            words: words, sentences: sentences + (sentence == .blank ? 0 : 1), characters: characters, bytes: bytes,
            tokens: tokens.count)
    }

    private mutating func add(_ scalar: UInt32) {
        characters += 1
        tokens.add(scalar)
        let isSpace = Self.isSpace(scalar)
        if !isSpace, !isInWord { words += 1 }
        isInWord = !isSpace
        addToSentence(scalar, isSpace)
    }

    /// A sentence ends with '.', '!', '?' or '…' and white space behind it, or with a mark of Chinese, Japanese or
    /// Hindi; brackets and quotation marks may stand between.
    private mutating func addToSentence(_ scalar: UInt32, _ isSpace: Bool) {
        switch scalar {
        case 0x3002, 0xFF01, 0xFF1F, 0x0964:
            if sentence != .blank { sentences += 1 }
            sentence = .blank
        case 0x21, 0x2E, 0x3F, 0x2026: if sentence == .open { sentence = .marked }
        case 0x22, 0x27, 0x29, 0x5D, 0x2019, 0x201C, 0x201D, 0xBB, 0x300D: break
        default:
            if !isSpace {
                sentence = .open
            } else if sentence == .marked {
                sentences += 1
                sentence = .blank
            }
        }
    }

    /// What Unicode calls White_Space, and U+FEFF.
    private static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
            true
        default: false
        }
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }
}
