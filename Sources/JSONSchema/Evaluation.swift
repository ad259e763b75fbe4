// Evaluation: one walk of one document along a schema's nodes.
//
// It runs in two ways. To tell only whether a document is valid (`limit` 0) it stops at the first violation and keeps
// no paths. To say what is wrong it goes on, up to the limit; but schemas that may fail, such as the branches of
// "anyOf", are tried the first way.
//
// Schemas can ask for more work than anyone has (alternatives in alternatives, twenty deep, are a million). So steps
// are counted, depth is bounded, and an evaluation that is given up makes the document invalid, wherever that happened.

internal import Core
internal import Patterns

struct Evaluation {
    /// Schemas within schemas. Each takes a kilobyte or two of the stack.
    static let maximumDepth = 500

    let program: Program
    var limit: Int
    /// The branch at hand is done: a violation was found that nobody wants to know more about, or as many as are
    /// wanted.
    var isStopped = false
    var violations: [Violation] = []
    /// Where in the document; kept only while violations are collected.
    var path: [PathToken] = []

    private let document: JSONValue
    private var steps = 500_000
    private var hasFullSteps = false
    private var depth = 0
    private var matchBudget = MatchBudget(units: 100_000_000)
    private var abandonment: Violation?
    /// The resources that have been entered, outermost first.
    private var scope: [Int] = []

    enum PathToken {
        case key(String)
        case index(Int)

        var text: String {
            switch self {
            case .key(let key): key
            case .index(let index): String(index)
            }
        }
    }

    init(_ program: Program, _ document: JSONValue, limit: Int) {
        self.program = program
        self.document = document
        self.limit = limit
    }

    mutating func accepts() -> Bool {
        var marks = Marks.off
        return check(0, document, &marks) && abandonment == nil
    }

    mutating func collect() -> [Violation] {
        var marks = Marks.off
        _ = check(0, document, &marks)
        guard let abandonment else { return violations }
        return violations.prefix(max(0, limit - 1)) + [abandonment]
    }

    // MARK: Bounds

    /// Takes `count` steps; false when there are no more.
    mutating func spend(_ count: Int, _ node: Node) -> Bool {
        steps -= count
        if steps < 0, !hasFullSteps {
            // A large document may take more, but counting it is not for the others.
            hasFullSteps = true
            steps += 20 * document.nodeCount
        }
        if steps < 0 { abandon(node, "the document is too much work to check with this schema") }
        return abandonment == nil
    }

    mutating func abandon(_ node: Node, _ message: String) {
        if abandonment == nil {
            abandonment = Violation(
                instance: place, schema: JSONPointer(parsing: node.pointer) ?? JSONPointer(), message: message)
        }
        isStopped = true
    }

    // MARK: Violations

    private var place: JSONPointer { JSONPointer(path.map(\.text)) }

    /// Notes a violation of `keyword`. Always false, for the caller to return.
    mutating func fail(
        _ node: Node, _ keyword: String?, at token: PathToken? = nil, _ message: @autoclosure () -> String
    ) -> Bool {
        guard limit > 0 else {
            isStopped = true
            return false
        }
        var schema = JSONPointer(parsing: node.pointer) ?? JSONPointer()
        if let keyword { schema.tokens.append(keyword) }
        var instance = place
        if let token { instance.tokens.append(token.text) }
        violations.append(Violation(instance: instance, schema: schema, message: message()))
        if violations.count >= limit { isStopped = true }
        return false
    }

    /// Whether a schema accepts a value, without a word about why not.
    mutating func quietly(_ index: NodeIndex, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        let outer = (limit, isStopped)
        (limit, isStopped) = (0, false)
        let isValid = check(index, value, &marks)
        (limit, isStopped) = (outer.0, outer.1 || abandonment != nil)
        return isValid
    }

    /// What a schema says first against a value it does not accept.
    mutating func firstViolation(_ index: NodeIndex, _ value: JSONValue) -> Violation? {
        let outer = (limit, isStopped, violations)
        (limit, isStopped, violations) = (1, false, [])
        var marks = Marks.off
        _ = check(index, value, &marks)
        let found = violations.first
        (limit, isStopped, violations) = (outer.0, outer.1 || abandonment != nil, outer.2)
        return found
    }

    // MARK: The walk

    /// Whether node `index` accepts `value`. Marks what was evaluated, if `marks` is on; what it marked on failure is
    /// void.
    mutating func check(_ index: NodeIndex, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        var node = program.nodes[index]
        guard spend(1, node) else { return false }
        // References alone need no level of their own, unless the resources that are passed through count.
        while !program.hasDynamicReferences, let target = node.alias {
            node = program.nodes[target]
            guard spend(1, node) else { return false }
        }
        if let verdict = node.rules.verdict { return verdict || fail(node, nil, "nothing may be here") }
        guard depth < Self.maximumDepth else {
            abandon(node, "the document and the schema are nested too deeply to be checked")
            return false
        }
        depth += 1
        defer { depth -= 1 }
        guard program.hasDynamicReferences, scope.last != node.resource else { return checkRules(node, value, &marks) }
        scope.append(node.resource)
        defer { scope.removeLast() }
        return checkRules(node, value, &marks)
    }

    private mutating func checkRules(_ node: Node, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        guard node.hasUnevaluated else { return checkAll(node, value, &marks) }
        // "unevaluated…" sees what was evaluated here and below, not beside.
        var own = Marks.on
        guard checkAll(node, value, &own), checkUnevaluated(node, value, &own) else { return false }
        if marks.isOn { marks.merge(own) }
        return true
    }

    private mutating func checkAll(_ node: Node, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        var isValid = checkValue(node, value)
        if !isStopped { isValid = checkKind(node, value, &marks) && isValid }
        if !isStopped, let combinations = node.rules.combinations {
            isValid = check(combinations, node, value, &marks) && isValid
        }
        return isValid
    }

    /// "type", "const" and "enum".
    private mutating func checkValue(_ node: Node, _ value: JSONValue) -> Bool {
        if let types = node.rules.types, !types.accepts(value) {
            return fail(node, "type", "expected \(types.words), found \(types.found(value))")
        }
        if let constant = node.rules.constant, constant != ExactValue(value) {
            return fail(node, "const", "expected \(excerpt(constant.value)), found \(excerpt(value))")
        }
        if let enumeration = node.rules.enumeration, !enumeration.contains(value) {
            return fail(node, "enum", enumeration.refusal(of: value))
        }
        return true
    }

    private mutating func checkKind(_ node: Node, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        switch value {
        case .number(let text):
            if let rules = node.rules.number { return check(rules, node, text) }
        case .string(let text):
            if let rules = node.rules.string { return check(rules, node, text) }
        case .array(let elements):
            if let rules = node.rules.array { return check(rules, node, elements, &marks) }
        case .object(let object):
            if let rules = node.rules.object { return check(rules, node, value, object, &marks) }
        case .null, .bool: break
        }
        return true
    }

    // MARK: Numbers and strings

    private mutating func check(_ rules: NumberRules, _ node: Node, _ text: String) -> Bool {
        guard let number = ExactNumber(text) else { return fail(node, "type", "\(quoted(text)) is not a number") }
        var isValid = true
        func check(_ bound: NumberRules.Bound?, _ keyword: String, _ words: String, _ holds: (ExactNumber) -> Bool) {
            guard let bound, !isStopped, !holds(bound.number) else { return }
            isValid = fail(node, keyword, "expected \(words) \(bound.text), found \(shortened(text, 30))")
        }
        check(rules.minimum, "minimum", "at least") { number >= $0 }
        check(rules.maximum, "maximum", "at most") { number <= $0 }
        check(rules.exclusiveMinimum, "exclusiveMinimum", "more than") { number > $0 }
        check(rules.exclusiveMaximum, "exclusiveMaximum", "less than") { number < $0 }
        check(rules.multipleOf, "multipleOf", "a multiple of") { number.isMultiple(of: $0) }
        return isValid
    }

    private mutating func check(_ rules: StringRules, _ node: Node, _ text: String) -> Bool {
        var isValid = true
        if rules.minLength != nil || rules.maxLength != nil { isValid = checkLength(rules, node, text) }
        if let pattern = rules.pattern, !isStopped {
            switch search(pattern, text, node) {
            case true?: break
            case false?: isValid = fail(node, "pattern", "\(quoted(text)) does not match \(quoted(pattern.source))")
            case nil: return false
            }
        }
        if let format = rules.format, !isStopped, !format.accepts(text) {
            isValid = fail(node, "format", "\(quoted(text)) is not \(format.words)")
        }
        return isValid
    }

    private mutating func checkLength(_ rules: StringRules, _ node: Node, _ text: String) -> Bool {
        let count = text.codePointCount
        if let bound = rules.minLength, count < bound {
            let wanted = counted(bound, "character", "characters")
            return fail(node, "minLength", "expected at least \(wanted), found \(count == 0 ? "none" : String(count))")
        }
        if let bound = rules.maxLength, count > bound {
            return fail(
                node, "maxLength", "expected at most \(counted(bound, "character", "characters")), found \(count)")
        }
        return true
    }

    /// nil when that cannot be told within the limits; the evaluation is given up then.
    mutating func search(_ pattern: Pattern, _ text: String, _ node: Node) -> Bool? {
        switch pattern.search(text, budget: &matchBudget) {
        case .match: return true
        case .noMatch: return false
        case .limit, .invalidUTF8:
            abandon(node, "matching the pattern \(quoted(pattern.source)) takes too long")
            return nil
        }
    }

    // MARK: Combinations

    private mutating func check(
        _ rules: Combinations, _ node: Node, _ value: JSONValue, _ marks: inout Marks
    ) -> Bool {
        var isValid = true
        if let target = rules.reference { isValid = check(target, value, &marks) }
        if let reference = rules.dynamicReference, !isStopped {
            isValid = check(target(of: reference), value, &marks) && isValid
        }
        for schema in rules.all where !isStopped { isValid = check(schema, value, &marks) && isValid }
        if let schemas = rules.any, !isStopped { isValid = checkAny(schemas, node, value, &marks) && isValid }
        if let schemas = rules.one, !isStopped { isValid = checkOne(schemas, node, value, &marks) && isValid }
        if let schema = rules.not, !isStopped {
            var none = Marks.off
            if quietly(schema, value, &none) {
                isValid = fail(node, "not", "\(excerpt(value)) is what must not be here")
            }
        }
        if let condition = rules.condition, !isStopped { isValid = check(condition, value, &marks) && isValid }
        return isValid
    }

    private func target(of reference: Combinations.DynamicReference) -> NodeIndex {
        for resource in scope {
            if let node = reference.byResource[resource] { return node }
        }
        return reference.initial
    }

    private mutating func checkAny(
        _ schemas: [NodeIndex], _ node: Node, _ value: JSONValue, _ marks: inout Marks
    ) -> Bool {
        var isValid = false
        for schema in schemas where !isStopped {
            var own = marks.fresh
            guard quietly(schema, value, &own) else { continue }
            isValid = true
            // More of them may hold, but only their marks would be news.
            guard marks.isOn else { break }
            marks.merge(own)
        }
        return isValid || failAll(schemas, node, "anyOf", value)
    }

    private mutating func checkOne(
        _ schemas: [NodeIndex], _ node: Node, _ value: JSONValue, _ marks: inout Marks
    ) -> Bool {
        var first: Int?
        for (place, schema) in schemas.enumerated() where !isStopped {
            var own = marks.fresh
            guard quietly(schema, value, &own) else { continue }
            if let first {
                let places = "\(first + 1) and \(place + 1) of \(schemas.count)"
                return fail(node, "oneOf", "fits alternatives \(places), only one is allowed")
            }
            first = place
            if marks.isOn { marks.merge(own) }
        }
        return first != nil || failAll(schemas, node, "oneOf", value)
    }

    /// The violation when none of several alternatives holds, with what each has to say.
    private mutating func failAll(_ schemas: [NodeIndex], _ node: Node, _ keyword: String, _ value: JSONValue) -> Bool {
        if abandonment != nil { return false }
        guard limit > 0 else { return fail(node, keyword, "") }
        var reasons: [String] = []
        for schema in schemas.prefix(8) where reasons.count < 4 && abandonment == nil {
            guard let violation = firstViolation(schema, value) else { continue }
            let below = JSONPointer(Array(violation.instance.tokens.dropFirst(path.count)))
            let reason = shortened(below.tokens.isEmpty ? violation.message : "at \(below) \(violation.message)", 160)
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        if isStopped { return false }
        if schemas.count == 1, let reason = reasons.first { return fail(node, keyword, reason) }
        let more = schemas.count > 8 || reasons.count == 4 ? "; …" : ""
        return fail(
            node, keyword, "fits none of \(schemas.count) alternatives: \(reasons.joined(separator: "; "))\(more)")
    }

    private mutating func check(
        _ condition: Combinations.Condition, _ value: JSONValue, _ marks: inout Marks
    ) -> Bool {
        var own = marks.fresh
        let holds = quietly(condition.test, value, &own)
        if holds, marks.isOn { marks.merge(own) }
        guard !isStopped, let next = holds ? condition.then : condition.otherwise else { return !isStopped }
        return check(next, value, &marks)
    }
}
