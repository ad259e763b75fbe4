// StreamText: a segment of a streamed answer, window by window. It keeps what a search needs of the text that has left, and
// decodes the arguments of tool calls, which stream as JSON text: their strings are searched as a whole answer shows them,
// and replacements are put in with their escapes.

import PluginSDK

/// What is to be put in place of a part of a text; nil: it stays.
struct TextEdit {
    var range: Range<Int>
    var replacement: [UInt8]?
}

/// Searches one text, or a part of one: from an offset on, up to what it returns as safe.
protocol TextSearch {
    mutating func edits(
        in text: Bytes, from start: Int, isLast: Bool, kind: Segment.Kind, carry: inout Carry
    ) throws(PluginFailure) -> (edits: [TextEdit], safe: Int)
}

/// What is remembered of one segment between its windows.
struct StreamText {
    /// The end of what has left, as it came (of the string that is open, in arguments).
    private var before: [UInt8] = []
    private var carry = Carry()
    private var form = Form.unknown
    private var json = JSONStrings()

    private enum Form { case unknown, plain, json }

    /// Searches a window, makes its edits and says what may leave.
    mutating func search(
        _ exchange: Exchange, _ window: inout Window, _ search: inout some TextSearch
    ) throws(PluginFailure) {
        let text = window.text.bytes
        if form == .unknown { form = Self.form(text, window.segment.kind) }
        let released: Int
        switch form {
        case .unknown: released = window.isLast ? text.count : 0
        case .plain: released = try searchPlain(text, from: 0, exchange, window, &search)
        case .json: released = try searchJSON(text, exchange, window, &search)
        }
        window.releasedTo = released
    }

    /// Arguments are JSON, but for those of custom tools.
    private static func form(_ text: Bytes, _ kind: Segment.Kind) -> Form {
        guard kind == .toolArguments else { return .plain }
        guard let first = text.first(where: { $0 > 0x20 }) else { return .unknown }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[") || first == UInt8(ascii: "\"") ? .json : .plain
    }

    /// Searches `text` behind what is remembered. Returns how much of it is decided.
    private mutating func decide(
        _ text: [UInt8], isLast: Bool, _ kind: Segment.Kind, _ search: inout some TextSearch
    ) throws(PluginFailure) -> (edits: [TextEdit], safe: Int) {
        let start = before.count
        before += text
        var result = try before.withUnsafeBufferPointer { bytes throws(PluginFailure) in
            try search.edits(in: bytes, from: start, isLast: isLast, kind: kind, carry: &carry)
        }
        before.removeLast(before.count - result.safe)
        if before.count > Scanner.contextBefore {
            var cut = before.count - Scanner.contextBefore
            while cut < before.count, before[cut].isContinuation { cut += 1 }
            before.removeFirst(cut)
        }
        result.safe -= start
        for index in result.edits.indices {
            let range = result.edits[index].range
            result.edits[index].range = (range.lowerBound - start)..<(range.upperBound - start)
        }
        return result
    }

    private mutating func searchPlain(
        _ text: Bytes, from start: Int, _ exchange: Exchange, _ window: Window, _ search: inout some TextSearch
    ) throws(PluginFailure) -> Int {
        let (edits, safe) = try decide(Array(text[start...]), isLast: window.isLast, window.segment.kind, &search)
        for edit in edits {
            guard let replacement = edit.replacement else { continue }
            try exchange.edit(
                window.segment, (start + edit.range.lowerBound)..<(start + edit.range.upperBound), with: replacement)
        }
        return start + safe
    }

    private mutating func searchJSON(
        _ text: Bytes, _ exchange: Exchange, _ window: Window, _ search: inout some TextSearch
    ) throws(PluginFailure) -> Int {
        var position = 0
        while true {
            let string = json.next(in: text, from: &position)
            guard let string else { break }
            let isComplete = string.isComplete || window.isLast
            let (edits, safe) = try decide(string.decoded, isLast: isComplete, window.segment.kind, &search)
            for edit in edits {
                guard let replacement = edit.replacement else { continue }
                var escaped: [UInt8] = []
                replacement.withUnsafeBufferPointer { escaped.append(escaping: $0) }
                try exchange.edit(
                    window.segment, string.places[edit.range.lowerBound]..<string.places[edit.range.upperBound],
                    with: escaped)
            }
            guard string.isComplete else { return window.isLast ? text.count : string.places[safe] }
            before = []
            carry = Carry()
        }
        if json.isBroken {
            // No JSON after all: what is left is looked at as it stands.
            form = .plain
            before = []
            return try searchPlain(text, from: position, exchange, window, &search)
        }
        return window.isLast ? text.count : position
    }
}

/// Finds the strings in JSON text that comes in parts: values, not keys.
struct JSONStrings {
    struct Part {
        var decoded: [UInt8] = []
        /// Of each decoded byte, and of the end: where it begins in the JSON text.
        var places: [Int] = []
        var isComplete = false
    }

    /// The text is not JSON from some place on.
    private(set) var isBroken = false
    /// Of each container that is open: it is an object.
    private var objects: [Bool] = []
    private var expectsKey = false
    private var isInString = false
    private var isKey = false

    /// The next string value in `text` from `position` on, or as much of it as there is. nil: no more; then `position` is
    /// where the rest begins, which is nothing, half an escape, or no JSON.
    mutating func next(in text: Bytes, from position: inout Int) -> Part? {
        while position < text.count {
            if isInString {
                let part = string(in: text, from: &position)
                if !isKey { return part }
                guard part.isComplete else { return nil }
                continue
            }
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\""):
                isInString = true
                isKey = expectsKey
            case UInt8(ascii: "{"):
                objects.append(true)
                expectsKey = true
            case UInt8(ascii: "["):
                objects.append(false)
                expectsKey = false
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                _ = objects.popLast()
                expectsKey = false
            case UInt8(ascii: ","): expectsKey = objects.last ?? false
            case UInt8(ascii: ":"): expectsKey = false
            case 0x20, 0x0A, 0x0D, 0x09, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."): break
            case _ where byte.isDigit || "truefalsnE".utf8.contains(byte): break
            default:
                isBroken = true
                return nil
            }
            position += 1
        }
        return nil
    }

    /// Decodes up to the closing quotation mark, or up to the end of what there is.
    private mutating func string(in text: Bytes, from position: inout Int) -> Part {
        var part = Part()
        func add(_ bytes: some Sequence<UInt8>, at place: Int) {
            for byte in bytes {
                part.decoded.append(byte)
                part.places.append(place)
            }
        }
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                part.places.append(position)
                part.isComplete = true
                isInString = false
                position += 1
                return part
            }
            guard byte == UInt8(ascii: "\\") else {
                part.decoded.append(byte)
                part.places.append(position)
                position += 1
                continue
            }
            guard let (scalar, length) = escape(in: text, at: position) else { break }
            add(String(Character(scalar)).utf8, at: position)
            position += length
        }
        part.places.append(position)
        return part
    }

    /// nil: it is not all there yet.
    private func escape(in text: Bytes, at position: Int) -> (Unicode.Scalar, length: Int)? {
        guard position + 1 < text.count else { return nil }
        switch text[position + 1] {
        case UInt8(ascii: "n"): return ("\n", 2)
        case UInt8(ascii: "t"): return ("\t", 2)
        case UInt8(ascii: "r"): return ("\r", 2)
        case UInt8(ascii: "b"): return ("\u{8}", 2)
        case UInt8(ascii: "f"): return ("\u{C}", 2)
        case UInt8(ascii: "u"): break
        case let byte: return (Unicode.Scalar(byte), 2)
        }
        guard position + 6 <= text.count else { return nil }
        let high = unit(in: text, at: position + 2)
        guard high & 0xFC00 == 0xD800 else { return (Unicode.Scalar(high) ?? "\u{FFFD}", 6) }
        // A pair is one character. Half of one is U+FFFD, as it is in whole answers.
        if position + 6 < text.count, text[position + 6] != UInt8(ascii: "\\") { return ("\u{FFFD}", 6) }
        if position + 7 < text.count, text[position + 7] != UInt8(ascii: "u") { return ("\u{FFFD}", 6) }
        guard position + 12 <= text.count else { return nil }
        let low = unit(in: text, at: position + 8)
        guard low & 0xFC00 == 0xDC00 else { return ("\u{FFFD}", 6) }
        return (Unicode.Scalar(0x10000 + (high & 0x3FF) << 10 | low & 0x3FF) ?? "\u{FFFD}", 12)
    }

    private func unit(in text: Bytes, at position: Int) -> UInt32 {
        text[position..<position + 4].reduce(0) { $0 << 4 | UInt32($1.isHexadecimal ? $1.base36 : 0) }
    }
}
