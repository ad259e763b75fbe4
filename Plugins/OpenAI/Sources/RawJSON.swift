// A JSON document that is walked, not decoded: where its members stand. Edits splice the bytes between them, so that
// what no rule names stays as it was written: numbers, escapes, order, spaces. A document that is not JSON yields
// members up to the place where it breaks; judging it is the receiver's business.

import Glibc
import PluginSDK

/// A lent document.
struct RawJSON {
    let bytes: UnsafeBufferPointer<UInt8>

    init(_ text: Text) {
        bytes = text.bytes
    }

    /// A member of an object: its key without the quotes, its value.
    struct Member {
        let key: Range<Int>
        let value: Range<Int>

        /// From the key's opening quote on.
        var start: Int { key.lowerBound - 1 }
        var end: Int { value.upperBound }
    }

    /// The document's own value; nil when there is none.
    var root: Range<Int>? {
        let start = skipSpace(0)
        return start < bytes.count ? start..<end(of: start) : nil
    }

    func isObject(_ value: Range<Int>) -> Bool { first(of: value) == UInt8(ascii: "{") }
    func isArray(_ value: Range<Int>) -> Bool { first(of: value) == UInt8(ascii: "[") }
    func isString(_ value: Range<Int>) -> Bool { first(of: value) == UInt8(ascii: "\"") }
    func isNull(_ value: Range<Int>) -> Bool { first(of: value) == UInt8(ascii: "n") }

    private func first(of value: Range<Int>) -> UInt8 {
        value.lowerBound < bytes.count ? bytes[value.lowerBound] : 0
    }

    /// Byte by byte: a key or string that is written with escapes equals nothing.
    func equals(_ range: Range<Int>, _ text: [UInt8]) -> Bool {
        range.count == text.count && bytes[range].elementsEqual(text)
    }

    /// What stands between the quotes of a string without escapes.
    func inside(_ string: Range<Int>) -> Range<Int> {
        string.count >= 2 ? string.lowerBound + 1..<string.upperBound - 1 : string
    }

    func text(_ range: Range<Int>) -> Text {
        Text(UnsafeBufferPointer(rebasing: bytes[range]))
    }

    func members(of object: Range<Int>) -> Members { Members(self, object) }
    func elements(of array: Range<Int>) -> Elements { Elements(self, array) }

    func member(_ key: [UInt8], of object: Range<Int>) -> Range<Int>? {
        members(of: object).first { equals($0.key, key) }?.value
    }

    /// The value that is reached by keys and, in arrays, indices.
    func value(at path: [[UInt8]]) -> Range<Int>? {
        guard var here = root else { return nil }
        for step in path {
            if isArray(here) {
                guard let index = Int(String(decoding: step, as: UTF8.self)), index >= 0,
                    let element = elements(of: here).dropFirst(index).first(where: { _ in true })
                else { return nil }
                here = element
            } else {
                guard let value = member(step, of: here) else { return nil }
                here = value
            }
        }
        return here
    }

    // MARK: The scanner

    fileprivate func skipSpace(_ start: Int) -> Int {
        var position = start
        while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
        return position
    }

    /// The place behind the value that starts here.
    fileprivate func end(of start: Int) -> Int {
        var position = start
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position = endOfString(position)
                if depth == 0 { return position }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return position }
                depth -= 1
                if depth == 0 { return position + 1 }
            case UInt8(ascii: ","), 0...0x20:
                if depth == 0 { return position }
            default: break
            }
            position += 1
        }
        return position
    }

    /// Strings are most of a body: memchr jumps over them.
    fileprivate func endOfString(_ start: Int) -> Int {
        guard let base = bytes.baseAddress else { return bytes.count }
        var position = start + 1
        while position < bytes.count, let found = memchr(base + position, 0x22, bytes.count - position) {
            let quote = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            var slashes = 0
            while quote - 1 - slashes > start, bytes[quote - 1 - slashes] == UInt8(ascii: "\\") { slashes += 1 }
            if slashes % 2 == 0 { return quote + 1 }
            position = quote + 1
        }
        return bytes.count
    }

    /// The members of an object, in order.
    struct Members: Sequence, IteratorProtocol {
        private let document: RawJSON
        private let limit: Int
        private var position: Int

        fileprivate init(_ document: RawJSON, _ object: Range<Int>) {
            self.document = document
            limit = document.isObject(object) ? object.upperBound - 1 : 0
            position = object.lowerBound + 1
        }

        mutating func next() -> Member? {
            position = document.skipSpace(position)
            guard position < limit, document.bytes[position] == UInt8(ascii: "\"") else { return nil }
            let keyEnd = document.endOfString(position)
            let colon = document.skipSpace(keyEnd)
            guard keyEnd - position >= 2, colon < limit, document.bytes[colon] == UInt8(ascii: ":") else { return nil }
            let start = document.skipSpace(colon + 1)
            let end = document.end(of: start)
            guard start < end, end <= limit else { return nil }
            defer { position = document.afterComma(end) }
            return Member(key: position + 1..<keyEnd - 1, value: start..<end)
        }
    }

    /// The elements of an array, in order.
    struct Elements: Sequence, IteratorProtocol {
        private let document: RawJSON
        private let limit: Int
        private var position: Int

        fileprivate init(_ document: RawJSON, _ array: Range<Int>) {
            self.document = document
            limit = document.isArray(array) ? array.upperBound - 1 : 0
            position = array.lowerBound + 1
        }

        mutating func next() -> Range<Int>? {
            let start = document.skipSpace(position)
            guard start < limit else { return nil }
            let end = document.end(of: start)
            guard start < end, end <= limit else { return nil }
            position = document.afterComma(end)
            return start..<end
        }
    }

    fileprivate func afterComma(_ end: Int) -> Int {
        let comma = skipSpace(end)
        return comma < bytes.count && bytes[comma] == UInt8(ascii: ",") ? comma + 1 : bytes.count
    }
}

/// Replacements of byte ranges, applied together.
struct Splices {
    private var list: [(range: Range<Int>, replacement: [UInt8])] = []

    var isEmpty: Bool { list.isEmpty }

    mutating func replace(_ range: Range<Int>, with replacement: [UInt8]) {
        list.append((range, replacement))
    }

    mutating func insert(_ text: [UInt8], at place: Int) {
        list.append((place..<place, text))
    }

    /// Takes members out of an object, with the commas that would be left over.
    mutating func remove(_ unwanted: Set<Int>, of members: [RawJSON.Member]) {
        var keptOne = false
        for (index, member) in members.enumerated() {
            guard unwanted.contains(index) else {
                keptOne = true
                continue
            }
            let isLast = index == members.count - 1
            let range =
                keptOne
                ? members[index - 1].end..<member.end : member.start..<(isLast ? member.end : members[index + 1].start)
            list.append((range, []))
        }
    }

    /// Adds members behind the last one.
    mutating func append(
        _ additions: [(key: [UInt8], value: [UInt8])], to members: [RawJSON.Member], of object: Range<Int>,
        keeping count: Int
    ) {
        guard !additions.isEmpty else { return }
        var text: [UInt8] = []
        for (index, addition) in additions.enumerated() {
            if index > 0 || count > 0 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "\""))
            text.append(contentsOf: addition.key)
            text.append(literal: "\":")
            text.append(contentsOf: addition.value)
        }
        insert(text, at: members.last?.end ?? object.lowerBound + 1)
    }

    func applied(to bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + list.reduce(0) { $0 + $1.replacement.count })
        var position = 0
        // A stable sort by place: what is inserted behind a removed member stays behind it.
        let ordered = list.enumerated().sorted {
            ($0.element.range.lowerBound, $0.element.range.upperBound, $0.offset)
                < ($1.element.range.lowerBound, $1.element.range.upperBound, $1.offset)
        }
        for (_, splice) in ordered where splice.range.lowerBound >= position || splice.range.isEmpty {
            let start = max(splice.range.lowerBound, position)
            result.append(contentsOf: bytes[position..<start])
            result.append(contentsOf: splice.replacement)
            position = max(position, splice.range.upperBound)
        }
        result.append(contentsOf: bytes[position...])
        return result
    }
}
