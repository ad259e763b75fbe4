// JSONValue: JSON as a tree, for configurations and everything else that is off the data path.
//
// Numbers keep their text and objects their order, so that what is read and written again stays the same. A duplicate member
// name is an error.

package indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The number's own text.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    package init(_ value: Int) { self = .number(String(value)) }
    package init(_ value: Double) { self = .number("\(value)") }
}

/// An ordered JSON object.
package struct JSONObject: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package var key: String
        package var value: JSONValue
    }

    package private(set) var members: [Member] = []

    package init() {}
    package init(_ members: [(String, JSONValue)]) {
        for (key, value) in members { self[key] = value }
    }

    package var keys: [String] { members.map(\.key) }
    package var isEmpty: Bool { members.isEmpty }

    /// The value of a member; setting nil removes it, setting a new one appends it.
    package subscript(key: String) -> JSONValue? {
        get { members.first { $0.key == key }?.value }
        set {
            let index = members.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    /// Appends a member that is known to be new.
    mutating func append(new key: String, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
    }

    /// The members of `other` over these, one level deep.
    package func merged(under other: JSONObject) -> JSONObject {
        var result = self
        for member in other.members { result[member.key] = member.value }
        return result
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .number(String(value)) }
    package init(floatLiteral value: Double) { self = .number("\(value)") }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}

extension JSONValue {
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    package var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
    package var isNull: Bool { if case .null = self { true } else { false } }

    /// The number when it is whole and fits (1.0 and 1e3 are whole).
    package var int: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
    }

    package subscript(key: String) -> JSONValue? { object?[key] }
    package subscript(index: Int) -> JSONValue? {
        guard let array, array.indices.contains(index) else { return nil }
        return array[index]
    }

    /// The word for this kind of value in an error text.
    package var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

// MARK: Text

extension JSONValue {
    /// Parses a whole text. Throws where it is not JSON, not UTF-8, nested deeper than 256, or repeats a member name.
    package init(parsing text: UnsafeRawBufferPointer) throws(JSONError) {
        var reader = JSONReader(text)
        self = try Self.read(&reader, text, depth: 0)
        try reader.finish()
    }

    package init(parsing text: Bytes) throws(JSONError) {
        self = try withExtendedLifetime(text) { () throws(JSONError) in try JSONValue(parsing: text.buffer) }
    }

    package init(parsing text: String) throws(JSONError) {
        self = try JSONValue(parsing: Bytes(text))
    }

    private static func read(_ reader: inout JSONReader, _ text: UnsafeRawBufferPointer, depth: Int) throws(JSONError)
        -> JSONValue
    {
        reader.skipSpace()
        let isContainer = reader.current == UInt8(ascii: "{") || reader.current == UInt8(ascii: "[")
        guard depth < JSONReader.maximumDepth || !isContainer else {
            throw JSONError("nested deeper than \(JSONReader.maximumDepth) levels", at: reader.at)
        }
        switch reader.current {
        case UInt8(ascii: "{"):
            try reader.enterObject()
            var object = JSONObject()
            var seen: Set<String> = []
            while let range = try reader.nextKey(first: object.isEmpty) {
                let key = text.decodedString(range)
                guard seen.insert(key).inserted else {
                    throw JSONError("duplicate member \"\(key)\"", at: range.lowerBound)
                }
                object.append(new: key, try read(&reader, text, depth: depth + 1))
            }
            return .object(object)
        case UInt8(ascii: "["):
            try reader.enterArray()
            var array: [JSONValue] = []
            while try reader.nextElement(first: array.isEmpty) {
                array.append(try read(&reader, text, depth: depth + 1))
            }
            return .array(array)
        case UInt8(ascii: "\""): return .string(text.decodedString(try reader.skipString()))
        default:
            let range = try reader.skipValue()
            let word = String(decoding: UnsafeRawBufferPointer(rebasing: text[range]), as: UTF8.self)
            switch word {
            case "true": return .bool(true)
            case "false": return .bool(false)
            case "null": return .null
            default: return .number(word)
            }
        }
    }

    /// Compact JSON text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package var bytes: [UInt8] {
        var output: [UInt8] = []
        write(into: &output)
        return output
    }

    package func write(into output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let text): output.append(contentsOf: text.utf8)
        case .string(let text): output.append(contentsOf: JSONString.quoted(text))
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                element.write(into: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let object):
            output.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                output.append(contentsOf: JSONString.quoted(member.key))
                output.append(UInt8(ascii: ":"))
                member.value.write(into: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The string whose raw text, without quotes, is at `range`.
    package func decodedString(_ range: Range<Int>) -> String {
        let raw = UnsafeRawBufferPointer(rebasing: self[range])
        guard JSONString.hasEscapes(raw) else { return String(decoding: raw, as: UTF8.self) }
        return String(decoding: JSONString.decode(raw), as: UTF8.self)
    }
}

extension JSONValue {
    /// Indented JSON text, for people.
    package var prettyText: String {
        var output = ""
        writePretty(indent: "", into: &output)
        return output
    }

    private func writePretty(indent: String, into output: inout String) {
        let deeper = indent + "  "
        switch self {
        case .array(let elements) where !elements.isEmpty:
            output += "[\n"
            for (index, element) in elements.enumerated() {
                output += deeper
                element.writePretty(indent: deeper, into: &output)
                output += index == elements.count - 1 ? "\n" : ",\n"
            }
            output += indent + "]"
        case .object(let object) where !object.isEmpty:
            output += "{\n"
            for (index, member) in object.members.enumerated() {
                output += deeper + JSONValue.string(member.key).text + ": "
                member.value.writePretty(indent: deeper, into: &output)
                output += index == object.members.count - 1 ? "\n" : ",\n"
            }
            output += indent + "}"
        default: output += text
        }
    }
}
