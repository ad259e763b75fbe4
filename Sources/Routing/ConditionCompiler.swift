// ConditionCompiler: from a query document of conditional routing to a Condition's query.
//
//     query     = { member, … }                     all members must hold
//     member    = "$and": [query, …] | "$or": [query, …] | "<field>": value | "<field>": { operator: operand, … }
//
// Three things are Portkey's ways, kept since configs were tested against them: an invalid pattern never matches,
// `$in` with something that is no array never holds, and `$regex` decides alone, so that operators after it in the
// same object are ignored. All three come back as notices. What Portkey gets wrong is not kept: `$and` and `$or` count
// together with the members after them, and a missing field does not read "undefined".

internal import Core
internal import Patterns

struct ConditionCompiler {
    private(set) var notices: [Condition.Notice] = []

    mutating func query(_ document: JSONValue, at pointer: JSONPointer) throws(RoutingError) -> Condition.Query {
        guard case .object(let object) = document else {
            throw RoutingError("A query must be an object, not \(document.kindName)", at: pointer)
        }
        var parts: [Condition.Query] = []
        for member in object.members {
            let place = pointer / member.key
            switch member.key {
            case "$and": parts.append(.all(try queries(member.value, named: member.key, at: place)))
            case "$or": parts.append(.any(try queries(member.value, named: member.key, at: place)))
            case let key where key.utf8.first == UInt8(ascii: "$"):
                throw RoutingError.unsupportedOperator(key, at: place)
            default: parts.append(try field(member.key, member.value, at: place))
            }
        }
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private mutating func queries(
        _ value: JSONValue, named name: String, at pointer: JSONPointer
    ) throws(RoutingError) -> [Condition.Query] {
        guard let elements = value.array else {
            throw RoutingError("'\(name)' needs an array of queries, not \(value.kindName)", at: pointer)
        }
        var result: [Condition.Query] = []
        for (index, element) in elements.enumerated() { result.append(try query(element, at: pointer / index)) }
        return result
    }

    private mutating func field(
        _ name: String, _ value: JSONValue, at pointer: JSONPointer
    ) throws(RoutingError) -> Condition.Query {
        let field = ContextField(name)
        if !field.isKnown {
            notices.append(
                .init(
                    pointer: pointer,
                    message: "only metadata.*, params.* and url.pathname exist: this is always missing"))
        }
        switch value {
        case .object(let operators): return .field(field, try tests(operators, at: pointer))
        case .array: throw RoutingError("A field is compared with a value or operators, not with an array", at: pointer)
        case .null, .bool, .number, .string: return .field(field, [.equal(value)])
        }
    }

    private mutating func tests(
        _ operators: JSONObject, at pointer: JSONPointer
    ) throws(RoutingError) -> [Condition.Test] {
        var tests: [Condition.Test] = []
        var isDecided = false
        for member in operators.members {
            let place = pointer / member.key
            let test = try test(member.key, member.value, at: place)
            if isDecided {
                notices.append(.init(pointer: place, message: "ignored: '$regex' before it decides alone"))
                continue
            }
            tests.append(test)
            isDecided = member.key == "$regex"
        }
        return tests
    }

    private mutating func test(
        _ name: String, _ operand: JSONValue, at pointer: JSONPointer
    ) throws(RoutingError) -> Condition.Test {
        switch name {
        case "$eq": return .equal(operand)
        case "$ne": return .notEqual(operand)
        case "$gt": return .order(.greater, leadingNumber(operand))
        case "$gte": return .order(.greaterOrEqual, leadingNumber(operand))
        case "$lt": return .order(.less, leadingNumber(operand))
        case "$lte": return .order(.lessOrEqual, leadingNumber(operand))
        case "$in", "$nin":
            guard let elements = operand.array else {
                return never("'\(name)' needs an array, not \(operand.kindName): it never holds", at: pointer)
            }
            return name == "$in" ? .among(elements) : .notAmong(elements)
        case "$regex":
            guard let text = operand.string else {
                return never("'$regex' needs a text, not \(operand.kindName): it never matches", at: pointer)
            }
            do {
                return .pattern(try Pattern(text, options: .ecmaScript))
            } catch {
                return never("not a regular expression, so it never matches: \(error)", at: pointer)
            }
        default: throw RoutingError.unsupportedOperator(name, at: pointer)
        }
    }

    private mutating func never(_ message: String, at pointer: JSONPointer) -> Condition.Test {
        notices.append(.init(pointer: pointer, message: message))
        return .never
    }
}
