// KeywordReader: reads the keywords of one schema and says what is wrong with their values.

internal import Core
internal import Patterns

struct KeywordReader {
    let schema: JSONObject
    private let pointer: String
    private(set) var problems: [SchemaError.Problem] = []

    init(_ schema: JSONObject, at pointer: String) {
        self.schema = schema
        self.pointer = pointer
    }

    mutating func report(_ keyword: String, _ message: String) { report([keyword], message) }

    private mutating func report(_ tokens: [String], _ message: String) {
        let place = tokens.map { "/" + JSONPointer.escape($0) }.joined()
        problems.append(Survey.problem(pointer + place, message))
    }

    // MARK: Plain values

    mutating func list(_ keyword: String) -> [JSONValue]? {
        guard let value = schema[keyword] else { return nil }
        if let list = value.array { return list }
        report(keyword, "\"\(keyword)\" must be an array, found \(value.kindName)")
        return nil
    }

    mutating func map(_ keyword: String) -> [(key: String, value: JSONValue)] {
        guard let value = schema[keyword] else { return [] }
        if let object = value.object { return object.members.map { ($0.key, $0.value) } }
        report(keyword, "\"\(keyword)\" must be an object, found \(value.kindName)")
        return []
    }

    mutating func flag(_ keyword: String) -> Bool {
        guard let value = schema[keyword] else { return false }
        if value.bool == nil { report(keyword, "\"\(keyword)\" must be true or false, found \(value.kindName)") }
        return value.bool ?? false
    }

    private mutating func bound(_ keyword: String) -> NumberRules.Bound? {
        guard let value = schema[keyword] else { return nil }
        if case .number(let text) = value, let number = ExactNumber(text) {
            return NumberRules.Bound(number: number, text: shortened(text, 30))
        }
        let isOld = value.bool != nil && keyword.hasPrefix("exclusive")
        report(keyword, "\"\(keyword)\" must be a number, found \(value.kindName)\(isOld ? " (as in draft 4)" : "")")
        return nil
    }

    /// A number of things: whole and not negative.
    mutating func count(_ keyword: String) -> Int? {
        guard let value = schema[keyword] else { return nil }
        if case .number(let text) = value, let count = ExactNumber(text)?.clamped, count >= 0 { return count }
        report(keyword, "\"\(keyword)\" must be a whole number, at least 0")
        return nil
    }

    mutating func names(_ keyword: String) -> [String] {
        schema[keyword].map { names($0, [keyword]) } ?? []
    }

    mutating func names(_ value: JSONValue, _ tokens: [String]) -> [String] {
        let names = value.array?.compactMap(\.string)
        guard let names, names.count == value.array?.count else {
            report(tokens, "\"\(tokens[0])\" must list names of members, found \(excerpt(value))")
            return []
        }
        var seen: Set<ExactKey> = []
        return names.filter { seen.insert(ExactKey($0)).inserted }
    }

    // MARK: Rules

    mutating func types() -> TypeSet? {
        guard let value = schema["type"] else { return nil }
        if value.array?.isEmpty == true { report("type", "\"type\" must not be empty") }
        var types: TypeSet = []
        for element in value.array ?? [value] {
            guard let type = TypeSet.names.first(where: { $0.name == element.string })?.type else {
                let names = TypeSet.names.map(\.name)
                let hint = element.string.flatMap { Spelling.suggestion(for: $0, among: names) }
                report(
                    "type", "\(excerpt(element)) is not a type" + (hint.map { "; did you mean \(quoted($0))?" } ?? ""))
                continue
            }
            types.insert(type)
        }
        return types
    }

    mutating func numberRules() -> NumberRules? {
        let rules = NumberRules(
            minimum: bound("minimum"), maximum: bound("maximum"), exclusiveMinimum: bound("exclusiveMinimum"),
            exclusiveMaximum: bound("exclusiveMaximum"), multipleOf: divisor())
        let isEmpty =
            rules.minimum == nil && rules.maximum == nil && rules.exclusiveMinimum == nil
            && rules.exclusiveMaximum == nil
            && rules.multipleOf == nil
        return isEmpty ? nil : rules
    }

    private mutating func divisor() -> NumberRules.Bound? {
        guard let bound = bound("multipleOf") else { return nil }
        let number = bound.number
        if number.isPositive, number.significantDigits <= ExactNumber.maximumDivisorDigits { return bound }
        report(
            "multipleOf",
            number.isPositive
                ? "\"multipleOf\" has more than \(ExactNumber.maximumDivisorDigits) significant digits"
                : "\"multipleOf\" must be greater than 0")
        return nil
    }

    mutating func stringRules(assertsFormats: Bool) -> StringRules? {
        var format: Format?
        if let value = schema["format"] {
            if value.string == nil { report("format", "\"format\" must be a string, found \(value.kindName)") }
            format = assertsFormats ? value.string.flatMap { Format(rawValue: $0) } : nil
        }
        var compiled: Pattern?
        if let value = schema["pattern"] {
            if let text = value.string {
                compiled = pattern(text, "pattern")
            } else {
                report("pattern", "\"pattern\" must be a string, found \(value.kindName)")
            }
        }
        let rules = StringRules(
            minLength: count("minLength"), maxLength: count("maxLength"), pattern: compiled, format: format)
        let isEmpty = rules.minLength == nil && rules.maxLength == nil && compiled == nil && format == nil
        return isEmpty ? nil : rules
    }

    mutating func pattern(_ text: String, _ tokens: String...) -> Pattern? {
        do {
            return try ECMAPattern.compile(text)
        } catch {
            report(tokens, "\(quoted(text)) is not a regular expression: \(error)")
            return nil
        }
    }
}
