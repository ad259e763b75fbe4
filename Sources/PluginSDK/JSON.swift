// JSON values: what a plugin reads its parameters from and builds documents with. Works on UTF-8 bytes. Numbers keep
// the text they came with and members keep their order, so that what passes through is not harmed. Text that is only to
// be passed on need not be parsed at all: see Exchange.json(_:_:), which hands out raw JSON.

/// A JSON value.
public enum JSON: Sendable {
    case null
    case bool(Bool)
    /// The number's text as it was written: `1e400` and `10000000000000000000001` survive.
    case number(String)
    case string(String)
    case array([JSON])
    case object(Object)

    /// The members of an object in their order. A key occurs once: the later value wins and takes the earlier place.
    public struct Object: Sendable {
        private var members: [Member] = []
        /// Places by key, from the size on where looking through all members would be slow; empty below it.
        private var places: [ExactKey: Int] = [:]
        private static let smallSize = 16

        public struct Member: Sendable {
            public let key: String
            public var value: JSON
        }

        public init() {}

        public var count: Int { members.count }
        public var isEmpty: Bool { members.isEmpty }

        /// Setting nil removes the member.
        public subscript(key: String) -> JSON? {
            get { place(of: key).map { members[$0].value } }
            set {
                switch (place(of: key), newValue) {
                case (let place?, let value?): members[place].value = value
                case (let place?, nil): remove(at: place)
                case (nil, let value?): append(key, value)
                case (nil, nil): break
                }
            }
        }

        private func place(of key: String) -> Int? {
            guard places.isEmpty else { return places[ExactKey(key)] }
            return members.firstIndex { ExactKey.same($0.key, key) }
        }

        private mutating func append(_ key: String, _ value: JSON) {
            if members.isEmpty { members.reserveCapacity(4) }
            members.append(Member(key: key, value: value))
            if !places.isEmpty {
                places[ExactKey(key)] = members.count - 1
            } else if members.count > Self.smallSize {
                indexAll()
            }
        }

        private mutating func remove(at place: Int) {
            members.remove(at: place)
            if !places.isEmpty { indexAll() }
        }

        private mutating func indexAll() {
            places.removeAll(keepingCapacity: true)
            for (place, member) in members.enumerated() { places[ExactKey(member.key)] = place }
        }
    }
}

/// Two keys are the same when their bytes are; Swift's `==` also takes "é" in one and in two characters for the same.
private struct ExactKey: Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    static func same(_ a: String, _ b: String) -> Bool { a == b && a.utf8.elementsEqual(b.utf8) }
    static func == (a: ExactKey, b: ExactKey) -> Bool { same(a.text, b.text) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

// MARK: - Reading

extension JSON {
    public var isNull: Bool { if case .null = self { true } else { false } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var object: Object? { if case .object(let value) = self { value } else { nil } }

    /// The number when it is a whole one that fits, also when it is written `1.0` or `1e3`.
    public var int: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text) ?? Double(text).flatMap(Int.init(exactly:))
    }

    public var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }

    /// A member of an object. On an object or null, setting adds, replaces or (nil) removes one; on others it does
    /// nothing.
    public subscript(key: String) -> JSON? {
        get { object?[key] }
        set {
            switch self {
            case .object(var object):
                self = .null  // so that the members are changed in place
                object[key] = newValue
                self = .object(object)
            case .null:
                var object = Object()
                object[key] = newValue
                self = .object(object)
            default: break
            }
        }
    }

    /// An element of an array; nil out of range.
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}

extension JSON.Object: RandomAccessCollection {
    public var startIndex: Int { members.startIndex }
    public var endIndex: Int { members.endIndex }
    public subscript(position: Int) -> Member { members[position] }
}

extension JSON: Equatable {
    /// Objects are equal whatever the order of their members; numbers are when their text or their values are.
    public static func == (a: JSON, b: JSON) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b || Double(a) == Double(b)
        case (.string(let a), .string(let b)): ExactKey.same(a, b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a.count == b.count && a.allSatisfy { b[$0.key] == $0.value }
        default: false
        }
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }

    public init(dictionaryLiteral members: (String, JSON)...) {
        var object = Object()
        for (key, value) in members { object[key] = value }
        self = .object(object)
    }

    public static func int(_ value: Int) -> JSON { .number(String(value)) }

    /// JSON has no infinity and no NaN: null.
    public static func double(_ value: Double) -> JSON { value.isFinite ? .number("\(value)") : .null }
}

// MARK: - Parsing

extension JSON {
    /// Not a JSON document, and from which byte on.
    public struct SyntaxError: Error, CustomStringConvertible {
        public let offset: Int
        public let message: String
        public var description: String { "\(message) at byte \(offset)" }
    }

    /// Deeper documents are refused, for the stack's sake.
    public static let maximumDepth = 256

    /// Reads one document (RFC 8259). A lone surrogate escape becomes U+FFFD, since no String can hold it.
    public init(parsing bytes: UnsafeBufferPointer<UInt8>) throws(SyntaxError) {
        var reader = JSONReader(bytes)
        self = try reader.document()
    }

    public init(parsing text: Text) throws(SyntaxError) {
        try self.init(parsing: text.bytes)
    }

    public init(parsing bytes: [UInt8]) throws(SyntaxError) {
        self = try bytes.withUnsafeBufferPointer { buffer throws(SyntaxError) in try JSON(parsing: buffer) }
    }

    public init(parsing text: String) throws(SyntaxError) {
        try self.init(parsing: Array(text.utf8))
    }
}

/// Reads a document by recursive descent. Reading past the end gives 0, which no rule accepts.
private struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private func failure(_ message: String) -> JSON.SyntaxError {
        JSON.SyntaxError(offset: position, message: position < bytes.count ? message : "The document ends too early")
    }

    mutating func document() throws(JSON.SyntaxError) -> JSON {
        let value = try value()
        skipSpace()
        guard position == bytes.count else { throw failure("Something follows the document") }
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func value() throws(JSON.SyntaxError) -> JSON {
        skipSpace()
        switch current {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw failure("A value is missing")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSON.SyntaxError) -> JSON {
        for offset in 0..<word.utf8CodeUnitCount {
            guard current == word.utf8Start[offset] else { throw failure("A value is missing") }
            position += 1
        }
        return value
    }

    private mutating func enter() throws(JSON.SyntaxError) {
        depth += 1
        guard depth <= JSON.maximumDepth else { throw failure("The document is nested too deeply") }
        position += 1
        skipSpace()
    }

    private mutating func array() throws(JSON.SyntaxError) -> JSON {
        try enter()
        var elements: [JSON] = []
        if current != UInt8(ascii: "]") {
            while true {
                elements.append(try value())
                skipSpace()
                guard current == UInt8(ascii: ",") else { break }
                position += 1
            }
        }
        guard current == UInt8(ascii: "]") else { throw failure("A comma or a bracket is missing") }
        position += 1
        depth -= 1
        return .array(elements)
    }

    private mutating func object() throws(JSON.SyntaxError) -> JSON {
        try enter()
        var members = JSON.Object()
        if current != UInt8(ascii: "}") {
            while true {
                skipSpace()
                guard current == UInt8(ascii: "\"") else { throw failure("A key is missing") }
                let key = try string()
                skipSpace()
                guard current == UInt8(ascii: ":") else { throw failure("A colon is missing") }
                position += 1
                members[key] = try value()
                skipSpace()
                guard current == UInt8(ascii: ",") else { break }
                position += 1
            }
        }
        guard current == UInt8(ascii: "}") else { throw failure("A comma or a brace is missing") }
        position += 1
        depth -= 1
        return .object(members)
    }

    private mutating func number() throws(JSON.SyntaxError) -> JSON {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if current == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        return .number(String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self))
    }

    private mutating func digits() throws(JSON.SyntaxError) {
        let start = position
        while current &- UInt8(ascii: "0") < 10 { position += 1 }
        guard position > start else { throw failure("A digit is missing") }
    }

    private mutating func string() throws(JSON.SyntaxError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = try text(UnsafeBufferPointer(rebasing: bytes[start..<position]), from: start)
                position += 1
                return text
            case UInt8(ascii: "\\"): return try escapedString(from: start)
            case 0..<0x20: throw failure("A control character must be escaped")
            default: position += 1
            }
        }
        throw failure("")
    }

    /// `String(validating:)` takes ten times as long as `String(decoding:)`, which would repair what is malformed.
    private func text(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int
    ) throws(JSON.SyntaxError) -> String {
        if bytes.isASCII { return String(decoding: bytes, as: UTF8.self) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSON.SyntaxError(offset: start, message: "The string is not UTF-8")
        }
        return text
    }

    /// The rest of a string whose first escape is at `position`.
    private mutating func escapedString(from start: Int) throws(JSON.SyntaxError) -> String {
        var decoded = Array(UnsafeBufferPointer(rebasing: bytes[start..<position]))
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                return try decoded.withUnsafeBufferPointer { bytes throws(JSON.SyntaxError) in
                    try text(bytes, from: start)
                }
            case UInt8(ascii: "\\"): try escape(into: &decoded)
            case 0..<0x20:
                position -= 1
                throw failure("A control character must be escaped")
            default: decoded.append(byte)
            }
        }
        throw failure("")
    }

    private mutating func escape(into decoded: inout [UInt8]) throws(JSON.SyntaxError) {
        let byte = current
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(byte)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            return decoded.append(contentsOf: String(try unicodeEscape()).utf8)
        default: throw failure("An unknown escape")
        }
        position += 1
    }

    /// After `\u`: one code unit, or two that are a pair.
    private mutating func unicodeEscape() throws(JSON.SyntaxError) -> Unicode.Scalar {
        let replacement = Unicode.Scalar(0xFFFD as UInt16) ?? " "
        let high = try codeUnit()
        guard high & 0xF800 == 0xD800 else { return Unicode.Scalar(high) ?? replacement }
        guard high < 0xDC00, current == UInt8(ascii: "\\"), position + 1 < bytes.count,
            bytes[position + 1] == UInt8(ascii: "u")
        else { return replacement }
        let afterHigh = position
        position += 2
        let low = try codeUnit()
        guard low & 0xFC00 == 0xDC00 else {
            position = afterHigh
            return replacement
        }
        return Unicode.Scalar(0x10000 + (UInt32(high & 0x3FF) << 10 | UInt32(low & 0x3FF))) ?? replacement
    }

    private mutating func codeUnit() throws(JSON.SyntaxError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch current {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = current - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = current - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = current - UInt8(ascii: "A") + 10
            default: throw failure("Four hexadecimal digits are missing")
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }
}

// MARK: - Writing

extension JSON: CustomStringConvertible {
    /// The compact document.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The compact document as UTF-8.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(256)
        write(to: &out)
        return out
    }

    /// Appends the compact document.
    public func write(to out: inout [UInt8]) {
        switch self {
        case .null: out.append(literal: "null")
        case .bool(let value): out.append(literal: value ? "true" : "false")
        case .number(let text): out.append(contentsOf: text.utf8)
        case .string(let text): out.append(quoted: text)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                element.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                out.append(quoted: member.key)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }
}

/// For documents built byte by byte, where a JSON value would be too slow.
extension [UInt8] {
    /// Appends text as it is: punctuation and keys that need no escapes.
    public mutating func append(literal: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Appends a JSON string.
    public mutating func append(quoted text: String) {
        var text = text
        text.withUTF8 { append(quoted: $0) }
    }

    /// Appends a JSON string of UTF-8 bytes.
    public mutating func append(quoted text: UnsafeBufferPointer<UInt8>) {
        append(UInt8(ascii: "\""))
        append(escaping: text)
        append(UInt8(ascii: "\""))
    }

    /// Appends a part of a JSON string, without quotation marks.
    public mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for position in text.indices where text[position].needsEscape {
            append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<position]))
            appendEscape(text[position])
            start = position + 1
        }
        append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
    }

    private mutating func appendEscape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append(literal: "\\\"")
        case UInt8(ascii: "\\"): append(literal: "\\\\")
        case 0x0A: append(literal: "\\n")
        case 0x0D: append(literal: "\\r")
        case 0x09: append(literal: "\\t")
        default:
            let digit = byte & 0x0F
            append(literal: byte < 0x10 ? "\\u000" : "\\u001")
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// Appends a whole number.
    public mutating func append(number: Int) {
        append(contentsOf: String(number).utf8)
    }

    /// Appends `true` or `false`.
    public mutating func append(bool: Bool) {
        append(literal: bool ? "true" : "false")
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate var isASCII: Bool {
        var all: UInt8 = 0
        for byte in self { all |= byte }
        return all < 0x80
    }
}

extension UInt8 {
    fileprivate var needsEscape: Bool { self < 0x20 || self == UInt8(ascii: "\"") || self == UInt8(ascii: "\\") }
}
