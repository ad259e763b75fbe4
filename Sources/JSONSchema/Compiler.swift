// Compiler: turns the places of a schema that can be reached from its root into Nodes.
//
// A place is compiled when something leads to it: it gets its index at once and waits in a queue for its rules. So
// chains of references, however long, need no stack, and circles need no care until the end, when those that would
// never let an evaluation finish are refused.

internal import Core
internal import Patterns

struct Compiler {
    private var survey: Survey
    private let assertsFormats: Bool
    private var indices: [String: NodeIndex] = [:]
    private var queue: [Location] = []
    private var nodes: [Node] = []
    private var problems: [SchemaError.Problem] = []
    private var hasDynamicReferences = false

    init(_ survey: Survey, assertsFormats: Bool) {
        self.survey = survey
        self.assertsFormats = assertsFormats
    }

    mutating func compile() throws(SchemaError) -> Program {
        guard let root = survey.locations[""] else { throw SchemaError([Survey.problem("", "there is no schema")]) }
        _ = node(root)
        while nodes.count < queue.count, problems.count < SchemaError.maximumCount {
            let location = queue[nodes.count]
            nodes.append(Node(pointer: location.pointer, resource: location.resource, rules: rules(location)))
        }
        if problems.isEmpty { refuseCircles() }
        if !problems.isEmpty { throw SchemaError(problems) }
        return Program(nodes: nodes, hasDynamicReferences: hasDynamicReferences)
    }

    private mutating func node(_ location: Location) -> NodeIndex {
        if let index = indices[location.pointer] { return index }
        let index = queue.count
        indices[location.pointer] = index
        queue.append(location)
        return index
    }

    // MARK: Rules

    private mutating func rules(_ location: Location) -> Rules {
        var rules = Rules()
        switch location.value {
        case .bool(let verdict): rules.verdict = verdict
        case .object(let schema):
            var reader = KeywordReader(schema, at: location.pointer)
            if location.draft == .draft7, schema["$ref"] != nil {
                rules.combinations = reference(location, &reader)
            } else {
                addRules(location, &reader, &rules)
            }
            take(reader.problems)
        default: report(location.pointer, "a schema must be an object or a boolean, found \(location.value.kindName)")
        }
        return rules
    }

    private mutating func addRules(_ location: Location, _ reader: inout KeywordReader, _ rules: inout Rules) {
        rules.types = reader.types()
        rules.constant = reader.schema["const"].map { ExactValue($0) }
        rules.enumeration = reader.list("enum").map { Enumeration($0) }
        rules.number = reader.numberRules()
        rules.string = reader.stringRules(assertsFormats: assertsFormats)
        rules.array = arrayRules(location, &reader)
        rules.object = objectRules(location, &reader)
        rules.combinations = combinations(location, &reader)
        if location.draft == .draft2020 {
            rules.unevaluatedItems = child("unevaluatedItems", location)
            rules.unevaluatedProperties = child("unevaluatedProperties", location)
        }
    }

    private mutating func arrayRules(_ location: Location, _ reader: inout KeywordReader) -> ArrayRules? {
        var prefix: [NodeIndex] = []
        var rest: NodeIndex?
        if location.draft == .draft2020 {
            prefix = children("prefixItems", location, &reader) ?? []
            if reader.schema["items"]?.array != nil {
                reader.report(
                    "items", "\"items\" must be a schema; for a list of schemas draft 2020-12 has \"prefixItems\"")
            } else {
                rest = child("items", location)
            }
        } else if reader.schema["items"]?.array != nil {
            prefix = children("items", location, &reader, mayBeEmpty: true) ?? []
            rest = child("additionalItems", location)
        } else {
            rest = child("items", location)
        }
        let hasCounts = location.draft == .draft2020
        let rules = ArrayRules(
            prefix: prefix, rest: rest, contains: child("contains", location),
            minContains: hasCounts ? reader.count("minContains") ?? 1 : 1,
            maxContains: hasCounts ? reader.count("maxContains") : nil, minItems: reader.count("minItems"),
            maxItems: reader.count("maxItems"),
            isUnique: reader.flag("uniqueItems"))
        let isEmpty =
            prefix.isEmpty && rest == nil && rules.contains == nil && rules.minItems == nil && rules.maxItems == nil
            && !rules.isUnique
        return isEmpty ? nil : rules
    }

    private mutating func objectRules(_ location: Location, _ reader: inout KeywordReader) -> ObjectRules? {
        let patterns = members("patternProperties", location, &reader).compactMap { name, schema in
            reader.pattern(name, "patternProperties", name).map { (pattern: $0, schema: schema) }
        }
        let rules = ObjectRules(
            properties: members("properties", location, &reader), required: reader.names("required"),
            patterns: patterns,
            additional: child("additionalProperties", location), names: child("propertyNames", location),
            minProperties: reader.count("minProperties"), maxProperties: reader.count("maxProperties"),
            dependencies: dependencies(location, &reader))
        let isEmpty =
            !rules.looksAtMembers && rules.minProperties == nil && rules.maxProperties == nil
            && rules.dependencies.isEmpty
        return isEmpty ? nil : rules
    }

    private mutating func dependencies(
        _ location: Location, _ reader: inout KeywordReader
    ) -> [(trigger: String, required: [String], schema: NodeIndex?, keyword: String)] {
        var result: [(trigger: String, required: [String], schema: NodeIndex?, keyword: String)] = []
        let keywords =
            location.draft == .draft2020 ? ["dependencies", "dependentRequired", "dependentSchemas"] : ["dependencies"]
        for keyword in keywords {
            for (name, value) in reader.map(keyword) {
                if keyword != "dependentSchemas", value.array != nil || keyword == "dependentRequired" {
                    result.append((name, reader.names(value, [keyword, name]), nil, keyword))
                } else {
                    result.append((name, [], child(keyword, name, location), keyword))
                }
            }
        }
        return result
    }

    private mutating func combinations(_ location: Location, _ reader: inout KeywordReader) -> Combinations? {
        let reference = follow("$ref", location, &reader)
        let condition = child("if", location).map { test in
            Combinations.Condition(test: test, then: child("then", location), otherwise: child("else", location))
        }
        let combinations = Combinations(
            reference: reference.map { node($0) }, dynamicReference: dynamicReference(location, &reader),
            all: children("allOf", location, &reader) ?? [], any: children("anyOf", location, &reader),
            one: children("oneOf", location, &reader), not: child("not", location), condition: condition)
        return combinations.isEmpty ? nil : combinations
    }

    // MARK: Children

    private mutating func child(_ keyword: String, _ location: Location) -> NodeIndex? {
        survey.locations[location.pointer + "/" + keyword].map { node($0) }
    }

    private mutating func child(_ keyword: String, _ token: String, _ location: Location) -> NodeIndex? {
        survey.locations["\(location.pointer)/\(keyword)/\(JSONPointer.escape(token))"].map { node($0) }
    }

    private mutating func children(
        _ keyword: String, _ location: Location, _ reader: inout KeywordReader, mayBeEmpty: Bool = false
    ) -> [NodeIndex]? {
        guard let list = reader.list(keyword) else { return nil }
        if list.isEmpty, !mayBeEmpty { reader.report(keyword, "\"\(keyword)\" must not be empty") }
        return list.indices.compactMap { child(keyword, String($0), location) }
    }

    private mutating func members(
        _ keyword: String, _ location: Location, _ reader: inout KeywordReader
    ) -> [(name: String, schema: NodeIndex)] {
        reader.map(keyword).compactMap { member in
            child(keyword, member.key, location).map { (member.key, $0) }
        }
    }

    // MARK: References

    /// Draft 7: beside "$ref" nothing counts.
    private mutating func reference(_ location: Location, _ reader: inout KeywordReader) -> Combinations? {
        Combinations(reference: follow("$ref", location, &reader).map { node($0) })
    }

    private mutating func follow(_ keyword: String, _ location: Location, _ reader: inout KeywordReader) -> Location? {
        guard let value = reader.schema[keyword] else { return nil }
        guard let text = value.string else {
            reader.report(keyword, "\"\(keyword)\" must be a URI reference")
            return nil
        }
        switch survey.find(text, from: location) {
        case .success(let target): return target
        case .failure(let reason):
            reader.report(keyword, reason.message)
            return nil
        }
    }

    private mutating func dynamicReference(
        _ location: Location, _ reader: inout KeywordReader
    ) -> Combinations.DynamicReference? {
        guard location.draft == .draft2020, let target = follow("$dynamicRef", location, &reader) else { return nil }
        var reference = Combinations.DynamicReference(initial: node(target), byResource: [:])
        // It is dynamic only if what it leads to at first is a dynamic anchor; else it is a "$ref" by another name.
        let name = reader.schema["$dynamicRef"]?.string.flatMap { Reference($0).decodedFragment } ?? ""
        guard survey.resources[target.resource].dynamicAnchors[name] == target.pointer else { return reference }
        for anchor in survey.dynamicAnchors(name) { reference.byResource[anchor.resource] = node(anchor.location) }
        hasDynamicReferences = true
        return reference
    }

    // MARK: Circles

    /// A schema that asks of a value what it asks already, by whatever way, would be evaluated for ever.
    private mutating func refuseCircles() {
        enum State { case new, open, done }
        var states = [State](repeating: .new, count: nodes.count)
        for start in nodes.indices where states[start] == .new {
            var stack: [(node: NodeIndex, targets: ArraySlice<NodeIndex>)] = [(start, sameValueTargets(start)[...])]
            states[start] = .open
            while let top = stack.indices.last {
                guard let next = stack[top].targets.popFirst() else {
                    states[stack[top].node] = .done
                    stack.removeLast()
                    continue
                }
                switch states[next] {
                case .done: break
                case .open:
                    report(nodes[next].pointer, "the schema refers back to itself without going into the document")
                case .new:
                    states[next] = .open
                    stack.append((next, sameValueTargets(next)[...]))
                }
            }
        }
    }

    private func sameValueTargets(_ index: NodeIndex) -> [NodeIndex] {
        let rules = nodes[index].rules
        return (rules.combinations?.targets ?? []) + (rules.object?.dependencies.compactMap(\.schema) ?? [])
    }

    // MARK: Problems

    private mutating func report(_ pointer: String, _ message: String) {
        take([Survey.problem(pointer, message)])
    }

    private mutating func take(_ found: [SchemaError.Problem]) {
        problems += found.prefix(SchemaError.maximumCount - problems.count)
    }
}
