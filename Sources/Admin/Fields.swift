// Fields: the members of a request's body, each read once and checked. What is wrong is collected, so that a caller learns everything at
// once; what nobody has read at the end is unknown, and said so.

import Core
import Identity

struct Fields {
    private let object: JSONObject
    private var read: Set<String> = []
    private var problems: [String] = []

    init(_ value: JSONValue) throws(GatewayError) {
        guard let object = value.object else {
            throw GatewayError(
                .invalidRequest, status: 400, "the body must be a JSON object, and it is \(value.kindName)",
                code: "invalid_body")
        }
        self.object = object
    }

    var isEmpty: Bool { object.isEmpty }

    /// In the body, null included.
    func has(_ name: String) -> Bool { object[name] != nil }

    mutating func value(_ name: String) -> JSONValue? {
        read.insert(name)
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    /// Read for nothing: clients send them, and they change nothing here.
    mutating func ignore(_ names: String...) { read.formUnion(names) }

    mutating func problem(_ name: String, _ message: String) { problems.append("\(name): \(message)") }

    mutating func text(_ name: String, limit: Int = 255) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else {
            problem(name, "expected a string, found \(value.kindName)")
            return nil
        }
        guard text.utf8.count <= limit else {
            problem(name, "expected at most \(limit) bytes, found \(text.utf8.count)")
            return nil
        }
        guard !text.utf8.contains(where: { $0 < 0x20 && $0 != 0x0A && $0 != 0x09 || $0 == 0x7F }) else {
            problem(name, "it holds a control character")
            return nil
        }
        return text
    }

    mutating func requiredText(_ name: String, limit: Int = 255) -> String {
        guard let text = text(name, limit: limit) else {
            if value(name) == nil { problem(name, "it is required") }
            return ""
        }
        if text.allSatisfy(\.isWhitespace) { problem(name, "it is empty") }
        return text
    }

    mutating func object(_ name: String) -> JSONObject? {
        guard let value = value(name) else { return nil }
        guard let object = value.object else {
            problem(name, "expected an object, found \(value.kindName)")
            return nil
        }
        return object
    }

    mutating func array(_ name: String) -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard let array = value.array else {
            problem(name, "expected an array, found \(value.kindName)")
            return nil
        }
        return array
    }

    mutating func texts(_ name: String) -> [String]? {
        guard let array = array(name) else { return nil }
        let texts = array.compactMap(\.string)
        if texts.count != array.count { problem(name, "expected an array of strings") }
        return texts
    }

    /// 0, 1, false or true.
    mutating func flag(_ name: String) -> Bool? {
        guard let value = value(name) else { return nil }
        if let flag = value.bool { return flag }
        if let number = value.int, number == 0 || number == 1 { return number == 1 }
        problem(name, "expected true or false")
        return nil
    }

    mutating func integer(_ name: String, _ range: ClosedRange<Int>) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.int, range.contains(number) else {
            problem(name, "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    mutating func choice<Value: RawRepresentable<String> & CaseIterable>(_ name: String, _ type: Value.Type) -> Value? {
        guard let text = text(name) else { return nil }
        if let value = Value(rawValue: text) { return value }
        problem(name, "expected \(Value.allCases.map(\.rawValue).joined(separator: ", ")), found \(text)")
        return nil
    }

    /// A time as nanoseconds since 1970.
    mutating func time(_ name: String) -> Int64? {
        guard let text = text(name) else { return nil }
        guard let time = Moment.parse(text) else {
            problem(name, "expected a time like 2026-12-31T23:59:59Z, found \(text)")
            return nil
        }
        return time
    }

    /// A slug that a caller chose.
    mutating func slug(_ name: String = "slug") -> String? {
        guard let text = text(name, limit: 64) else { return nil }
        let isGood = text.utf8.enumerated().allSatisfy { place, byte in
            byte &- 0x30 < 10 || byte &- 0x61 < 26 || byte &- 0x41 < 26
                || place > 0 && (byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "."))
        }
        if text.isEmpty || !isGood {
            problem(name, "expected letters, digits, \"-\", \"_\" and \".\", beginning with a letter or digit")
            return nil
        }
        return text
    }

    /// `usage_limits`: one object, or several. As it is stored: a list.
    mutating func usageLimits() -> JSONValue? { limits("usage_limits") { UsageLimit($0, problem: &$1)?.json } }

    /// `rate_limits`, in the same way.
    mutating func rateLimits() -> JSONValue? { limits("rate_limits") { RateRule($0, problem: &$1)?.json } }

    private mutating func limits(_ name: String, _ parse: (JSONValue, inout String) -> JSONValue?) -> JSONValue? {
        guard let value = value(name) else { return nil }
        var list: [JSONValue] = []
        // An empty object is what some clients send for none.
        if value.object?.isEmpty == true { return .array([]) }
        for (index, item) in (value.array ?? [value]).enumerated() {
            var message = ""
            if let limit = parse(item, &message) {
                list.append(limit)
            } else {
                problem(value.array == nil ? name : "\(name)[\(index)]", message)
            }
        }
        if list.count > 16 { problem(name, "expected at most 16 of them") }
        return .array(list)
    }

    /// Metadata that requests inherit: a flat object of texts.
    mutating func metadata(_ name: String, in object: JSONObject) -> JSONObject? {
        guard let value = object[name], !value.isNull else { return nil }
        guard let members = value.object else {
            problem(name, "expected an object, found \(value.kindName)")
            return nil
        }
        if members.members.count > 64 { problem(name, "expected at most 64 members") }
        for member in members.members {
            guard let text = member.value.string else {
                problem("\(name).\(member.key)", "expected a string, found \(member.value.kindName)")
                continue
            }
            if text.utf8.count > 128 { problem("\(name).\(member.key)", "expected at most 128 bytes") }
        }
        return members
    }

    /// Throws when anything was wrong, or was not read.
    func finish() throws(GatewayError) {
        var all = problems
        for name in object.keys where !read.contains(name) { all.append("\(name.prefix(64)): there is no such field") }
        guard !all.isEmpty else { return }
        if all.count > 32 { all = Array(all.prefix(32)) + ["and \(all.count - 32) more"] }
        throw GatewayError(
            .invalidRequest, status: 400, "invalid request: " + all.joined(separator: "; "), code: "invalid_fields",
            param: all.first.map { String($0.prefix { $0 != ":" && $0 != "[" && $0 != "." }) }, errors: all)
    }
}

/// Times as the control API writes them.
enum Moment {
    static func text(_ nanoseconds: Int64) -> JSONValue { .string(WallClock.timestamp(nanoseconds)) }

    /// ISO 8601: a day, or a moment with "Z" or an offset. Nanoseconds since 1970.
    static func parse(_ text: String) -> Int64? { ISOTime.parse(text) }
}
