// RawObject: the members of one JSON object as ranges, for code that is off the fast path and still copies nothing.

import Core

struct RawObject {
    let buffer: UnsafeRawBufferPointer
    /// Names (between their quotes) and values. Empty for what is no object.
    let members: [(key: Range<Int>, value: Range<Int>)]

    /// `value`: the range of a JSON value that has been checked.
    init(_ buffer: UnsafeRawBufferPointer, _ value: Range<Int>) {
        self.buffer = buffer
        var members: [(key: Range<Int>, value: Range<Int>)] = []
        if buffer[value.lowerBound] == UInt8(ascii: "{") {
            var reader = JSONReader(buffer, at: value.lowerBound)
            try? reader.enterObject()
            while let key = try? reader.nextKey(first: members.isEmpty), let value = try? reader.skipValue() {
                members.append((key, value))
            }
        }
        self.members = members
    }

    func name(_ key: Range<Int>) -> String { buffer.decodedString(key) }
    func bytes(_ value: Range<Int>) -> [UInt8] { [UInt8](buffer[value]) }
    func isNull(_ value: Range<Int>) -> Bool { buffer[value.lowerBound] == UInt8(ascii: "n") }

    func value(_ name: StaticString) -> Range<Int>? {
        members.first { buffer.rawEquals($0.key, name) }?.value
    }

    func object(_ name: StaticString) -> RawObject? {
        guard let value = value(name), buffer[value.lowerBound] == UInt8(ascii: "{") else { return nil }
        return RawObject(buffer, value)
    }

    func string(_ name: StaticString) -> String? { rawString(name).map { buffer.decodedString($0) } }

    /// The raw text of a string, between its quotes.
    func rawString(_ name: StaticString) -> Range<Int>? {
        guard let value = value(name), buffer[value.lowerBound] == UInt8(ascii: "\"") else { return nil }
        return value.lowerBound + 1..<value.upperBound - 1
    }

    func integer(_ name: StaticString) -> Int? {
        value(name).flatMap { Int(String(decoding: buffer[$0], as: UTF8.self)) }
    }

    /// The elements of the array at `value`; none for what is no array.
    func elements(_ value: Range<Int>) -> [Range<Int>] {
        guard buffer[value.lowerBound] == UInt8(ascii: "[") else { return [] }
        var reader = JSONReader(buffer, at: value.lowerBound)
        try? reader.enterArray()
        var elements: [Range<Int>] = []
        while (try? reader.nextElement(first: elements.isEmpty)) == true, let element = try? reader.skipValue() {
            elements.append(element)
        }
        return elements
    }
}
