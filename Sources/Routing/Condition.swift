// Condition: one query of conditional routing, compiled, and the rules by which it is true or false.
//
// Values compare as in JavaScript, where these queries come from: equality is strict (5 is not "5", and no array or
// object equals another), order is between numbers, and a text that begins like a number is one. A missing value
// satisfies `$ne` and `$nin` and nothing else. ConditionCompiler.swift reads the documents.

package import Core
internal import Patterns

package struct Condition: Sendable {
    /// A place in the document that is legal and does not do what its author must have meant.
    package struct Notice: Sendable, Equatable {
        package var pointer: JSONPointer
        package var message: String
    }

    indirect enum Query: Sendable {
        case all([Query])
        case any([Query])
        case field(ContextField, [Test])
    }

    enum Test: Sendable {
        case equal(JSONValue)
        case notEqual(JSONValue)
        case order(Order, Double)
        case among([JSONValue])
        case notAmong([JSONValue])
        /// A search that is given up, because it would take too long, counts as no match.
        case pattern(Pattern)
        /// An operand that nothing satisfies, such as a pattern that is none.
        case never
    }

    enum Order: Sendable { case greater, greaterOrEqual, less, lessOrEqual }

    private let query: Query
    /// For whoever shows configurations to people; routing does not look at it.
    package let notices: [Notice]

    /// Compiles `document`, which is at `pointer` in the configuration.
    package init(_ document: JSONValue, at pointer: JSONPointer = JSONPointer()) throws(RoutingError) {
        var compiler = ConditionCompiler()
        query = try compiler.query(document, at: pointer)
        notices = compiler.notices
    }

    package func isTrue(_ lookup: RoutingLookup) -> Bool { Self.isTrue(query, lookup) }

    private static func isTrue(_ query: Query, _ lookup: RoutingLookup) -> Bool {
        switch query {
        case .all(let parts): return parts.allSatisfy { isTrue($0, lookup) }
        case .any(let parts): return parts.contains { isTrue($0, lookup) }
        case .field(let field, let tests):
            let value = field.value(lookup)
            return tests.allSatisfy { $0.accepts(value) }
        }
    }
}

extension Condition.Test {
    func accepts(_ value: JSONValue?) -> Bool {
        switch self {
        case .equal(let operand): value.map { strictlyEqual($0, operand) } ?? false
        case .notEqual(let operand): value.map { !strictlyEqual($0, operand) } ?? true
        case .order(let order, let operand): value.map { order.holds(leadingNumber($0), operand) } ?? false
        case .among(let operands): value.map { value in operands.contains { strictlyEqual(value, $0) } } ?? false
        case .notAmong(let operands): value.map { value in !operands.contains { strictlyEqual(value, $0) } } ?? true
        case .pattern(let pattern): value.flatMap(searchableText).map(pattern.matches) ?? false
        case .never: false
        }
    }
}

extension Condition.Order {
    /// A comparison with NaN is false, whichever it is.
    func holds(_ left: Double, _ right: Double) -> Bool {
        switch self {
        case .greater: left > right
        case .greaterOrEqual: left >= right
        case .less: left < right
        case .lessOrEqual: left <= right
        }
    }
}

/// JavaScript's `===` between values that came out of JSON. Texts compare by code points: Swift's own `==` would take
/// two spellings of an accented letter for one.
private func strictlyEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
    switch (left, right) {
    case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
    case (.number(let left), .number(let right)): left == right || Double(left) == Double(right)
    case (.bool(let left), .bool(let right)): left == right
    case (.null, .null): true
    default: false
    }
}

/// JavaScript's `parseFloat`: the number that a text begins with, after white space. NaN when there is none.
func leadingNumber(_ value: JSONValue) -> Double {
    switch value {
    case .number(let text): return Double(text) ?? .nan
    case .string(let text): return leadingNumber(Array(text.utf8.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }))
    case .null, .bool, .array, .object: return .nan
    }
}

private func leadingNumber(_ text: [UInt8]) -> Double {
    var at = 0
    func byte() -> UInt8 { at < text.count ? text[at] : 0 }
    func skipDigits() -> Bool {
        let start = at
        while (0x30...0x39).contains(byte()) { at += 1 }
        return at > start
    }
    if byte() == UInt8(ascii: "-") || byte() == UInt8(ascii: "+") { at += 1 }
    if text[at...].starts(with: "Infinity".utf8) { return text[0] == UInt8(ascii: "-") ? -.infinity : .infinity }
    var hasDigits = skipDigits()
    if byte() == UInt8(ascii: ".") {
        at += 1
        if skipDigits() { hasDigits = true } else { at -= 1 }
    }
    guard hasDigits else { return .nan }
    let mantissa = at
    if byte() | 0x20 == UInt8(ascii: "e") {
        at += 1
        if byte() == UInt8(ascii: "-") || byte() == UInt8(ascii: "+") { at += 1 }
        if !skipDigits() { at = mantissa }
    }
    return Double(String(decoding: text[..<at], as: UTF8.self)) ?? .nan
}

/// What `$regex` searches: texts, and numbers and booleans as they are written. There is no text in anything else.
private func searchableText(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text), .number(let text): text
    case .bool(let value): value ? "true" : "false"
    case .null, .array, .object: nil
    }
}
