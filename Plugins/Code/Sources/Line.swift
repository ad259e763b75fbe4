// Line: what one pass over a line of text learns of it, for the features to look at.

import PluginSDK

struct Line {
    /// Without the white space around it.
    let text: Text
    private(set) var words: [Text] = []
    private(set) var marks: Marks = []

    /// What stands in the line, besides words.
    struct Marks: OptionSet {
        let rawValue: UInt32
        static let parenthesis = Marks(rawValue: 1 << 0)
        static let assignment = Marks(rawValue: 1 << 1)
        static let arrow = Marks(rawValue: 1 << 2)  // ->
        static let fatArrow = Marks(rawValue: 1 << 3)  // =>
        static let colons = Marks(rawValue: 1 << 4)  // ::
        static let walrus = Marks(rawValue: 1 << 5)  // :=
        static let identity = Marks(rawValue: 1 << 6)  // === !==
        static let variable = Marks(rawValue: 1 << 7)  // $name
        static let pipe = Marks(rawValue: 1 << 8)
        static let closingTag = Marks(rawValue: 1 << 9)  // </ or />
        static let quote = Marks(rawValue: 1 << 10)
        static let colon = Marks(rawValue: 1 << 11)
        static let call = Marks(rawValue: 1 << 12)  // a word with ( right behind it
        static let member = Marks(rawValue: 1 << 13)  // a dot between words, without space
        static let macro = Marks(rawValue: 1 << 14)  // word!(
        static let reference = Marks(rawValue: 1 << 15)  // & before a word
        static let less = Marks(rawValue: 1 << 16)
    }

    /// Only so many words of a line are looked at: code has short lines.
    private static let maximumWords = 24
    /// Only so much of a line is looked at.
    private static let maximumLength = 400

    init(_ line: Text) {
        let bytes = line.bytes
        var start = 0
        var end = bytes.count
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        text = line[start..<end]
        // Lines of one character are frequent in texts made to be slow.
        guard end - start > 1 else {
            if end > start, !bytes[start].isOfWord { note(bytes, start, end) }
            return
        }
        var position = start
        let limit = min(end, start + Self.maximumLength)
        while position < limit {
            guard bytes[position].isOfWord else {
                note(bytes, position, end)
                position += 1
                continue
            }
            let first = position
            while position < limit, bytes[position].isOfWord { position += 1 }
            if words.count < Self.maximumWords { words.append(line[first..<position]) }
            if position < end { noteBehindWord(bytes, position, end) }
        }
    }

    private mutating func note(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ end: Int) {
        let next = position + 1 < end ? bytes[position + 1] : 0
        switch (bytes[position], next) {
        case (UInt8(ascii: "="), UInt8(ascii: ">")): marks.insert(.fatArrow)
        case (UInt8(ascii: "="), UInt8(ascii: "=")):
            if position + 2 < end, bytes[position + 2] == UInt8(ascii: "=") { marks.insert(.identity) }
        case (UInt8(ascii: "="), _): marks.insert(.assignment)
        case (UInt8(ascii: "-"), UInt8(ascii: ">")): marks.insert(.arrow)
        case (UInt8(ascii: ":"), UInt8(ascii: ":")): marks.insert(.colons)
        case (UInt8(ascii: ":"), UInt8(ascii: "=")): marks.insert(.walrus)
        case (UInt8(ascii: ":"), _): marks.insert(.colon)
        case (UInt8(ascii: "("), _): marks.insert(.parenthesis)
        case (UInt8(ascii: "$"), let next) where next.beginsName: marks.insert(.variable)
        case (UInt8(ascii: "|"), _): marks.insert(.pipe)
        case (UInt8(ascii: "<"), UInt8(ascii: "/")), (UInt8(ascii: "/"), UInt8(ascii: ">")): marks.insert(.closingTag)
        case (UInt8(ascii: "<"), _): marks.insert(.less)
        case (UInt8(ascii: "\""), _), (UInt8(ascii: "'"), _): marks.insert(.quote)
        case (UInt8(ascii: "&"), let next) where next.isOfWord: marks.insert(.reference)
        default: break
        }
    }

    private mutating func noteBehindWord(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ end: Int) {
        let next = position + 1 < end ? bytes[position + 1] : 0
        switch bytes[position] {
        case UInt8(ascii: "("): marks.insert(.call)
        case UInt8(ascii: "."): if next.isOfWord { marks.insert(.member) }
        case UInt8(ascii: "!"): if next == UInt8(ascii: "(") { marks.insert(.macro) }
        default: break
        }
    }

    var isBlank: Bool { text.isEmpty }
    func has(_ mark: Marks) -> Bool { marks.contains(mark) }
    var last: UInt8 { text.bytes.last ?? 0 }
    var ends: Character { Character(Unicode.Scalar(last)) }

    func word(_ number: Int) -> Text? { number < words.count ? words[number] : nil }
    func isWord(_ number: Int, _ word: StaticString) -> Bool { number < words.count && words[number] == word }
    func contains(_ word: StaticString) -> Bool { words.contains { $0 == word } }
    func begins(_ prefix: StaticString) -> Bool {
        text.count >= prefix.utf8CodeUnitCount && text[0..<prefix.utf8CodeUnitCount] == prefix
    }

    /// The words behind the first are in front of each other as written in prose: no mark but spaces, commas and stops.
    var isPlain: Bool { marks.isEmpty }
}

extension UInt8 {
    /// Of a variable behind a dollar sign: no price.
    fileprivate var beginsName: Bool {
        (self | 0x20) &- UInt8(ascii: "a") < 26 || self == UInt8(ascii: "_") || self == UInt8(ascii: "{")
    }

    var isOfWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }
}
