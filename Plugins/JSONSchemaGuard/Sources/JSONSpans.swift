// Where in a text there could be JSON: spans that begin with a bracket and go, by JSON's grammar, to the bracket that
// closes it. One pass over the text, whatever is in it.

import PluginSDK

/// The outermost objects and arrays of a text, in order. Numbers and escapes are looked at loosely: a parser has the
/// last word.
///
/// Where the grammar breaks, what was complete inside counts, and the search goes on behind the break: nothing that was
/// passed over there could begin a span that does not break as well. Brackets in the strings of something that began
/// like JSON and broke are not looked at.
struct JSONSpans: Sequence, IteratorProtocol {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var found: ArraySlice<Range<Int>> = []

    init(_ text: Text) { bytes = text.bytes }

    mutating func next() -> Range<Int>? {
        while found.isEmpty {
            while position < bytes.count, !Self.isOpening(bytes[position]) { position += 1 }
            guard position < bytes.count else { return nil }
            scan()
        }
        return found.popFirst()
    }

    private static func isOpening(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") }

    /// Deeper nesting ends the scan: no parser takes it.
    private static let maximumDepth = 1000

    private enum Expected { case value, valueOrEnd, key, keyOrEnd, colon, commaOrEnd }

    /// From an opening bracket to the one that closes it, or to where the grammar breaks.
    private mutating func scan() {
        var open: [Int] = []
        var complete: [Range<Int>] = []
        var expected = Expected.value
        scan: repeat {
            skipSpace()
            guard position < bytes.count else { break }
            let byte = bytes[position]
            switch (byte, expected) {
            case (UInt8(ascii: "{"), .value), (UInt8(ascii: "{"), .valueOrEnd), (UInt8(ascii: "["), .value),
                (UInt8(ascii: "["), .valueOrEnd):
                guard open.count < Self.maximumDepth else { break scan }
                open.append(position)
                expected = byte == UInt8(ascii: "{") ? .keyOrEnd : .valueOrEnd
                position += 1
            case (UInt8(ascii: "}"), .keyOrEnd), (UInt8(ascii: "}"), .commaOrEnd), (UInt8(ascii: "]"), .valueOrEnd),
                (UInt8(ascii: "]"), .commaOrEnd):
                // '{' and '}', '[' and ']' are two apart.
                guard let start = open.last, bytes[start] == byte - 2 else { break scan }
                open.removeLast()
                position += 1
                while let last = complete.last, last.lowerBound > start { complete.removeLast() }
                complete.append(start..<position)
                expected = .commaOrEnd
            case (UInt8(ascii: ","), .commaOrEnd):
                guard let start = open.last else { break scan }
                expected = bytes[start] == UInt8(ascii: "{") ? .key : .value
                position += 1
            case (UInt8(ascii: ":"), .colon):
                expected = .value
                position += 1
            case (UInt8(ascii: "\""), .key), (UInt8(ascii: "\""), .keyOrEnd):
                guard skipString() else { break scan }
                expected = .colon
            case (UInt8(ascii: "\""), .value), (UInt8(ascii: "\""), .valueOrEnd):
                guard skipString() else { break scan }
                expected = .commaOrEnd
            case (_, .value), (_, .valueOrEnd):
                guard skipWord() else { break scan }
                expected = .commaOrEnd
            default: break scan
            }
        } while !open.isEmpty
        found = complete[...]
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    /// False when it does not end.
    private mutating func skipString() -> Bool {
        position += 1
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return true
            case UInt8(ascii: "\\"): position = Swift.min(position + 2, bytes.count)
            case 0..<0x20: return false
            default: position += 1
            }
        }
        return false
    }

    /// A number, true, false or null. False when there is none of them.
    private mutating func skipWord() -> Bool {
        let start = position
        while position < bytes.count, Self.isOfWord(bytes[position]) { position += 1 }
        guard position > start else { return false }
        let word = Text(UnsafeBufferPointer(rebasing: bytes[start..<position]))
        let isNumber = bytes[start] == UInt8(ascii: "-") || bytes[start] &- UInt8(ascii: "0") < 10
        return isNumber || word == "true" || word == "false" || word == "null"
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"),
            UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
