// ConfigFields: reading the members of a Portkey-shaped object in either spelling, with the type errors that Portkey's
// clients know ("Expected string, received number").

import Core

/// One object and where it stands. Members that are null are left out.
struct Fields {
    struct Member {
        /// As written.
        var key: String
        /// In snake_case.
        var name: String
        var value: JSONValue
    }

    /// More are refused: no config has as many, and looking through them would be work that a client makes.
    static let maximumCount = 512

    let path: [String]
    let members: [Member]
    private let index: [String: Int]

    /// `members` have different names.
    init(path: [String], members: [Member]) {
        self.path = path
        self.members = members
        index = Dictionary(
            members.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> JSONValue? { index[name].map { members[$0].value } }

    /// The path of a member, as written.
    func path(of name: String) -> [String] { path + [index[name].map { members[$0].key } ?? name] }
}

extension RequestConfigParser {
    /// The members of `value`, which must be an object.
    mutating func fields(_ value: JSONValue, _ path: [String]) -> Fields? {
        guard case .object(let object) = value else {
            mismatch(value, "object", at: path)
            return nil
        }
        guard object.members.count <= Fields.maximumCount else {
            report(path, "More than \(Fields.maximumCount) members")
            return nil
        }
        var members: [Fields.Member] = []
        for member in object.members where !member.value.isNull {
            let name = SnakeCase.convert(member.key)
            if let other = members.first(where: { $0.name == name }) {
                report(path + [member.key], "'\(member.key)' and '\(other.key)' are the same")
            } else {
                members.append(Fields.Member(key: member.key, name: name, value: member.value))
            }
        }
        return Fields(path: path, members: members)
    }

    mutating func fields(_ parent: Fields, _ name: String) -> Fields? {
        parent[name].flatMap { fields($0, parent.path(of: name)) }
    }

    private mutating func mismatch(_ value: JSONValue, _ expected: String, at path: [String]) {
        let found =
            switch value {
            case .null: "null"
            case .bool: "boolean"
            case .number: "number"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        report(path, "Expected \(expected), received \(found)")
    }

    private mutating func read<Value>(
        _ fields: Fields, _ name: String, _ expected: String, _ get: (JSONValue) -> Value?
    ) -> Value? {
        guard let value = fields[name] else { return nil }
        if let result = get(value) { return result }
        mismatch(value, expected, at: fields.path(of: name))
        return nil
    }

    mutating func string(_ fields: Fields, _ name: String) -> String? { read(fields, name, "string", \.string) }
    mutating func boolean(_ fields: Fields, _ name: String) -> Bool? { read(fields, name, "boolean", \.bool) }
    mutating func number(_ fields: Fields, _ name: String) -> Double? { read(fields, name, "number", \.double) }
    mutating func object(_ fields: Fields, _ name: String) -> JSONObject? { read(fields, name, "object", \.object) }
    mutating func array(_ fields: Fields, _ name: String) -> [JSONValue]? { read(fields, name, "array", \.array) }

    /// A string, or in the file a reference to one.
    mutating func secret(_ fields: Fields, _ name: String) -> String? {
        if let resolve, let reference = fields[name].flatMap(SecretReference.init) {
            return resolve(reference, pointer(fields.path(of: name)))
        }
        return string(fields, name)
    }

    /// A whole number above 0; a fraction is cut off.
    mutating func positive(_ fields: Fields, _ name: String) -> Int? {
        guard let number = number(fields, name) else { return nil }
        if number >= 1 { return Int(min(number, 1e15)) }
        report(fields.path(of: name), "Number must be greater than 0")
        return nil
    }

    /// The same, with 0 for "none".
    mutating func milliseconds(_ fields: Fields, _ name: String) -> Int? {
        fields[name]?.double == 0 ? nil : positive(fields, name)
    }

    mutating func strings(_ fields: Fields, _ name: String) -> [String]? {
        elements(fields, name, "string", \.string)
    }

    mutating func integers(_ fields: Fields, _ name: String) -> [Int]? {
        elements(fields, name, "number", \.int)
    }

    private mutating func elements<Value>(
        _ fields: Fields, _ name: String, _ expected: String, _ get: (JSONValue) -> Value?
    ) -> [Value]? {
        guard let array = array(fields, name) else { return nil }
        var result: [Value] = []
        for (index, element) in array.enumerated() {
            if let value = get(element) {
                result.append(value)
            } else {
                mismatch(element, expected, at: fields.path(of: name) + [String(index)])
            }
        }
        return result
    }
}
