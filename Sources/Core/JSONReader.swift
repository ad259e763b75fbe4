// JSONReader: a validating cursor over JSON text (RFC 8259). Values are byte ranges; nothing is copied.
//
// One pass over a body finds its members and proves that all of it is JSON and UTF-8, so that what the gateway and its guards
// see is what the provider will parse. Edits are splices of the same ranges (JSONEditor).

/// Where a text stops being JSON, and what was expected there.
package struct JSONError: Error, Equatable {
    package var offset: Int
    package var reason: String

    package init(_ reason: String, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// Line and column (in bytes) of the error, both from 1.
    package func position(in text: UnsafeRawBufferPointer) -> (line: Int, column: Int) {
        var line = 1
        var start = 0
        for index in 0..<min(offset, text.count) where text[index] == 0x0A {
            line += 1
            start = index + 1
        }
        return (line, min(offset, text.count) - start + 1)
    }
}

package struct JSONReader {
    /// Deeper nesting is refused: far beyond any real request, far below any stack's end.
    package static let maximumDepth = 256

    private let base: UnsafePointer<UInt8>
    private let end: Int
    package private(set) var at: Int

    /// `text` must outlive the reader.
    package init(_ text: UnsafeRawBufferPointer, at: Int = 0) {
        // An empty buffer has no address; with `end` 0 none is ever read.
        base = (text.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped).assumingMemoryBound(
            to: UInt8.self)
        end = text.count
        self.at = at
    }

    package var isAtEnd: Bool { at >= end }

    /// The byte at the cursor, or 0 at the end.
    package var current: UInt8 { at < end ? base[at] : 0 }

    package mutating func skipSpace() {
        while at < end {
            let byte = base[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at += 1
        }
    }

    /// After the last value: nothing but white space may follow.
    package mutating func finish() throws(JSONError) {
        skipSpace()
        if at < end { throw JSONError("expected the end of the text after the JSON value", at: at) }
    }

    // MARK: Objects and arrays

    /// Enters an object: the cursor is on its brace.
    package mutating func enterObject() throws(JSONError) {
        skipSpace()
        guard current == UInt8(ascii: "{") else { throw JSONError("expected an object", at: at) }
        at += 1
    }

    package mutating func enterArray() throws(JSONError) {
        skipSpace()
        guard current == UInt8(ascii: "[") else { throw JSONError("expected an array", at: at) }
        at += 1
    }

    /// The next key of an object (the range between its quotes), with the cursor on the value; nil at the closing brace.
    /// `first` must be true for the first call after `enterObject`.
    package mutating func nextKey(first: Bool) throws(JSONError) -> Range<Int>? {
        skipSpace()
        if current == UInt8(ascii: "}"), at < end {
            at += 1
            return nil
        }
        if !first {
            guard current == UInt8(ascii: ",") else { throw JSONError("expected ',' or '}' in an object", at: at) }
            at += 1
            skipSpace()
        }
        guard current == UInt8(ascii: "\"") else { throw JSONError("expected a member name in quotes", at: at) }
        let key = try skipString()
        skipSpace()
        guard current == UInt8(ascii: ":") else { throw JSONError("expected ':' after a member name", at: at) }
        at += 1
        skipSpace()
        return key
    }

    /// True with the cursor on the next element; false past the closing bracket.
    package mutating func nextElement(first: Bool) throws(JSONError) -> Bool {
        skipSpace()
        if current == UInt8(ascii: "]"), at < end {
            at += 1
            return false
        }
        if !first {
            guard current == UInt8(ascii: ",") else { throw JSONError("expected ',' or ']' in an array", at: at) }
            at += 1
            skipSpace()
        }
        return true
    }

    // MARK: Values

    /// Skips a whole value, checking all of it, and gives its range.
    @discardableResult
    package mutating func skipValue(depth: Int = 0) throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = at
        if depth <= Self.maximumDepth - JSONScan.maximumDepth {
            let next = JSONScan.skip(base, from: at, end: end)
            if next >= 0 {
                at = next
                return start..<next
            }
        }
        return try skipCarefully(depth: depth)
    }

    /// The same, with the place and the reason when something is wrong.
    private mutating func skipCarefully(depth: Int) throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = at
        guard at < end else { throw JSONError("expected a value, found the end of the text", at: at) }
        switch base[at] {
        case UInt8(ascii: "\""):
            _ = try skipString()
        case UInt8(ascii: "{"):
            guard depth < Self.maximumDepth else { throw tooDeep() }
            at += 1
            var first = true
            while try nextKey(first: first) != nil {
                first = false
                _ = try skipCarefully(depth: depth + 1)
            }
        case UInt8(ascii: "["):
            guard depth < Self.maximumDepth else { throw tooDeep() }
            at += 1
            var first = true
            while try nextElement(first: first) {
                first = false
                _ = try skipCarefully(depth: depth + 1)
            }
        case UInt8(ascii: "t"): try skipWord("true")
        case UInt8(ascii: "f"): try skipWord("false")
        case UInt8(ascii: "n"): try skipWord("null")
        default: try skipNumber()
        }
        return start..<at
    }

    private func tooDeep() -> JSONError {
        JSONError("nested deeper than \(Self.maximumDepth) levels", at: at)
    }

    private mutating func skipWord(_ word: StaticString) throws(JSONError) {
        let count = word.utf8CodeUnitCount
        guard at + count <= end else { throw JSONError("expected a value", at: at) }
        for index in 0..<count where base[at + index] != word.utf8Start[index] {
            throw JSONError("expected a value", at: at)
        }
        at += count
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = at
        while at < end, base[at] &- 0x30 < 10 { at += 1 }
        if at == start { throw JSONError("expected a digit", at: at) }
    }

    private mutating func skipNumber() throws(JSONError) {
        let start = at
        if current == UInt8(ascii: "-") { at += 1 }
        guard at < end, base[at] &- 0x30 < 10 else { throw JSONError("expected a value", at: start) }
        if base[at] == UInt8(ascii: "0") { at += 1 } else { try skipDigits() }
        if current == UInt8(ascii: ".") {
            at += 1
            try skipDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            at += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at += 1 }
            try skipDigits()
        }
    }

    /// Skips a string whose opening quote is at the cursor and gives the range between its quotes.
    package mutating func skipString() throws(JSONError) -> Range<Int> {
        guard current == UInt8(ascii: "\"") else { throw JSONError("expected a string", at: at) }
        let raw = UnsafeRawPointer(base)
        let start = at + 1
        var index = start
        while true {
            index = JSONScan.skipPlain(raw, index, end)
            guard index < end else { throw JSONError("a string has no closing quote", at: start - 1) }
            let byte = base[index]
            if byte == UInt8(ascii: "\"") {
                at = index + 1
                return start..<index
            } else if byte == UInt8(ascii: "\\") {
                index = try skipEscape(index)
            } else if byte < 0x20 {
                throw JSONError("a control character in a string must be escaped", at: index)
            } else if byte < 0x80 {
                index += 1
            } else {
                let length = UTF8Check.sequenceLength(base + index, limit: end - index)
                guard length > 0 else { throw JSONError("a string is not valid UTF-8", at: index) }
                index += length
            }
        }
    }

    private func skipEscape(_ index: Int) throws(JSONError) -> Int {
        guard index + 1 < end else { throw JSONError("a string has no closing quote", at: index) }
        switch base[index + 1] {
        case UInt8(ascii: "u"):
            guard index + 6 <= end else { throw JSONError("\\u needs four hexadecimal digits", at: index) }
            for digit in 2..<6 where JSONString.hexValue(base[index + digit]) == nil {
                throw JSONError("\\u needs four hexadecimal digits", at: index)
            }
            return index + 6
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index + 2
        default:
            throw JSONError("unknown escape in a string", at: index)
        }
    }
}

package enum UTF8Check {
    /// The length of the well-formed UTF-8 sequence (Unicode 15, table 3-7) at `bytes`, or 0.
    package static func sequenceLength(_ bytes: UnsafePointer<UInt8>, limit: Int) -> Int {
        let first = bytes[0]
        if first < 0x80 { return 1 }
        func tail(_ index: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
            bytes[index] >= low && bytes[index] <= high
        }
        switch first {
        case 0xC2...0xDF: return limit >= 2 && tail(1) ? 2 : 0
        case 0xE0: return limit >= 3 && tail(1, 0xA0) && tail(2) ? 3 : 0
        case 0xED: return limit >= 3 && tail(1, 0x80, 0x9F) && tail(2) ? 3 : 0
        case 0xE1...0xEF: return limit >= 3 && tail(1) && tail(2) ? 3 : 0
        case 0xF0: return limit >= 4 && tail(1, 0x90) && tail(2) && tail(3) ? 4 : 0
        case 0xF1...0xF3: return limit >= 4 && tail(1) && tail(2) && tail(3) ? 4 : 0
        case 0xF4: return limit >= 4 && tail(1, 0x80, 0x8F) && tail(2) && tail(3) ? 4 : 0
        default: return 0
        }
    }

    /// True when all of `text` is well-formed.
    package static func isValid(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let base = text.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return true }
        var index = 0
        while index < text.count {
            while index + 8 <= text.count {
                let word = UnsafeRawPointer(base).loadUnaligned(fromByteOffset: index, as: UInt64.self)
                if word & 0x8080_8080_8080_8080 != 0 { break }
                index += 8
            }
            guard index < text.count else { return true }
            let length = sequenceLength(base + index, limit: text.count - index)
            if length == 0 { return false }
            index += length
        }
        return true
    }

    /// The largest index not above `index` that does not cut a character of `text`.
    package static func boundary(_ text: UnsafeRawBufferPointer, at index: Int) -> Int {
        var index = min(index, text.count)
        while index > 0, index < text.count, text[index] & 0xC0 == 0x80 { index -= 1 }
        return index
    }
}
