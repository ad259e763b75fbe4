// Node: a compiled schema. Nodes refer to each other by index, since schemas may be recursive.

internal import Core
internal import Patterns

/// A schema and all that it refers to, ready for evaluation. Node 0 is the root.
final class Program: Sendable {
    let nodes: [Node]
    /// Whether any "$dynamicRef" is there, so that evaluations have to keep the dynamic scope.
    let hasDynamicReferences: Bool

    init(nodes: [Node], hasDynamicReferences: Bool) {
        self.nodes = nodes
        self.hasDynamicReferences = hasDynamicReferences
    }
}

typealias NodeIndex = Int

/// Rules by the kind of value they are about, so that a value meets only those that concern it.
struct Rules: Sendable {
    /// For a boolean schema; nothing else is there then.
    var verdict: Bool?
    var types: TypeSet?
    var constant: ExactValue?
    var enumeration: Enumeration?
    var number: NumberRules?
    var string: StringRules?
    var array: ArrayRules?
    var object: ObjectRules?
    var combinations: Combinations?
    var unevaluatedItems: NodeIndex?
    var unevaluatedProperties: NodeIndex?

    var isOnlyReference: Bool {
        types == nil && constant == nil && enumeration == nil && number == nil && string == nil && array == nil
            && object == nil && unevaluatedItems == nil && unevaluatedProperties == nil
            && combinations?.isOnlyReference == true
    }
}

final class Node: Sendable {
    let pointer: String
    let resource: Int
    let rules: Rules

    init(pointer: String, resource: Int, rules: Rules) {
        self.pointer = pointer
        self.resource = resource
        self.rules = rules
        alias = rules.isOnlyReference ? rules.combinations?.reference : nil
    }

    var hasUnevaluated: Bool { rules.unevaluatedItems != nil || rules.unevaluatedProperties != nil }

    /// Where this node leads if a "$ref" is all it has.
    let alias: NodeIndex?
}

struct TypeSet: OptionSet, Sendable {
    let rawValue: UInt8

    static let null = TypeSet(rawValue: 1)
    static let boolean = TypeSet(rawValue: 2)
    static let integer = TypeSet(rawValue: 4)
    static let number = TypeSet(rawValue: 8)
    static let string = TypeSet(rawValue: 16)
    static let array = TypeSet(rawValue: 32)
    static let object = TypeSet(rawValue: 64)

    static let names: [(name: String, type: TypeSet)] = [
        ("null", .null), ("boolean", .boolean), ("integer", .integer), ("number", .number), ("string", .string),
        ("array", .array), ("object", .object),
    ]

    func accepts(_ value: JSONValue) -> Bool {
        switch value {
        case .null: contains(.null)
        case .bool: contains(.boolean)
        case .string: contains(.string)
        case .array: contains(.array)
        case .object: contains(.object)
        case .number(let text): contains(.number) || (contains(.integer) && ExactNumber(text)?.isWhole == true)
        }
    }
}

final class Enumeration: Sendable {
    let values: [JSONValue]
    private let index: Set<ExactValue>

    init(_ values: [JSONValue]) {
        self.values = values
        index = Set(values.map { ExactValue($0) })
    }

    func contains(_ value: JSONValue) -> Bool { index.contains(ExactValue(value)) }

    /// Why a value that is not contained is refused.
    func refusal(of value: JSONValue) -> String {
        let few = values.prefix(10).map { excerpt($0) }
        let list = alternatives(values.count > few.count ? few + ["one of \(values.count - few.count) more"] : few)
        let suggestion = value.string.flatMap { Spelling.suggestion(for: $0, among: values.lazy.compactMap(\.string)) }
        let hint = suggestion.map { "; did you mean \(quoted($0))?" } ?? ""
        return "expected \(list.isEmpty ? "nothing" : list), found \(excerpt(value))\(hint)"
    }
}

final class NumberRules: Sendable {
    struct Bound: Sendable {
        var number: ExactNumber
        /// As the schema has it.
        var text: String
    }

    let minimum: Bound?
    let maximum: Bound?
    let exclusiveMinimum: Bound?
    let exclusiveMaximum: Bound?
    let multipleOf: Bound?

    init(
        minimum: Bound?, maximum: Bound?, exclusiveMinimum: Bound?, exclusiveMaximum: Bound?, multipleOf: Bound?
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.exclusiveMinimum = exclusiveMinimum
        self.exclusiveMaximum = exclusiveMaximum
        self.multipleOf = multipleOf
    }
}

final class StringRules: Sendable {
    let minLength: Int?
    let maxLength: Int?
    let pattern: Pattern?
    let format: Format?

    init(minLength: Int?, maxLength: Int?, pattern: Pattern?, format: Format?) {
        self.minLength = minLength
        self.maxLength = maxLength
        self.pattern = pattern
        self.format = format
    }
}

final class ArrayRules: Sendable {
    /// The schemas of the first elements, one each.
    let prefix: [NodeIndex]
    /// The schema of those after `prefix`.
    let rest: NodeIndex?
    let contains: NodeIndex?
    let minContains: Int
    let maxContains: Int?
    let minItems: Int?
    let maxItems: Int?
    let isUnique: Bool

    init(
        prefix: [NodeIndex], rest: NodeIndex?, contains: NodeIndex?, minContains: Int, maxContains: Int?,
        minItems: Int?,
        maxItems: Int?, isUnique: Bool
    ) {
        self.prefix = prefix
        self.rest = rest
        self.contains = contains
        self.minContains = minContains
        self.maxContains = maxContains
        self.minItems = minItems
        self.maxItems = maxItems
        self.isUnique = isUnique
    }
}

final class ObjectRules: Sendable {
    /// What is known of a member by its name.
    struct Known: Sendable {
        var schema: NodeIndex?
        /// Its place among the required.
        var requirement: Int?
    }

    let known: [ExactKey: Known]
    /// The names in "properties", as written.
    let propertyNames: [String]
    let required: [String]
    let patterns: [(pattern: Pattern, schema: NodeIndex)]
    let additional: NodeIndex?
    let names: NodeIndex?
    let minProperties: Int?
    let maxProperties: Int?
    /// Members that ask for others, and the schema they ask the whole object to fit.
    let dependencies: [(trigger: String, required: [String], schema: NodeIndex?, keyword: String)]

    init(
        properties: [(name: String, schema: NodeIndex)], required: [String],
        patterns: [(pattern: Pattern, schema: NodeIndex)], additional: NodeIndex?, names: NodeIndex?,
        minProperties: Int?,
        maxProperties: Int?, dependencies: [(trigger: String, required: [String], schema: NodeIndex?, keyword: String)]
    ) {
        var known: [ExactKey: Known] = [:]
        for (name, schema) in properties { known[ExactKey(name)] = Known(schema: schema) }
        for (place, name) in required.enumerated() { known[ExactKey(name), default: Known()].requirement = place }
        self.known = known
        propertyNames = properties.map(\.name)
        self.required = required
        self.patterns = patterns
        self.additional = additional
        self.names = names
        self.minProperties = minProperties
        self.maxProperties = maxProperties
        self.dependencies = dependencies
    }

    /// Whether members have to be looked at one by one.
    var looksAtMembers: Bool {
        !known.isEmpty || !patterns.isEmpty || additional != nil || names != nil
    }
}

/// Schemas for the same value.
final class Combinations: Sendable {
    let reference: NodeIndex?
    let dynamicReference: DynamicReference?
    let all: [NodeIndex]
    /// nil when the keyword is not there; an empty list is refused.
    let any: [NodeIndex]?
    let one: [NodeIndex]?
    let not: NodeIndex?
    let condition: Condition?

    struct Condition: Sendable {
        var test: NodeIndex
        var then: NodeIndex?
        var otherwise: NodeIndex?
    }

    /// Leads to the outermost resource of the dynamic scope that has the anchor, else to `initial`.
    struct DynamicReference: Sendable {
        var initial: NodeIndex
        var byResource: [Int: NodeIndex]
    }

    init(
        reference: NodeIndex?, dynamicReference: DynamicReference? = nil, all: [NodeIndex] = [],
        any: [NodeIndex]? = nil,
        one: [NodeIndex]? = nil, not: NodeIndex? = nil, condition: Condition? = nil
    ) {
        self.reference = reference
        self.dynamicReference = dynamicReference
        self.all = all
        self.any = any
        self.one = one
        self.not = not
        self.condition = condition
    }

    var isEmpty: Bool { reference == nil && hasNoOther }
    var isOnlyReference: Bool { reference != nil && hasNoOther }

    private var hasNoOther: Bool {
        dynamicReference == nil && all.isEmpty && any == nil && one == nil && not == nil && condition == nil
    }

    /// Those that are evaluated wherever this is, for the search for circles.
    var targets: [NodeIndex] {
        let single = [
            reference, dynamicReference?.initial, not, condition?.test, condition?.then, condition?.otherwise,
        ]
        return single.compactMap { $0 } + all + (any ?? []) + (one ?? [])
    }
}
