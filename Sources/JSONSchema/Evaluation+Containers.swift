// Evaluation of arrays and objects: their counts, what is in them, and what nothing else has looked at.

internal import Core
internal import Patterns

extension Evaluation {
    /// Checks a value one step further down.
    private mutating func descend(_ token: PathToken, _ index: NodeIndex, _ value: JSONValue) -> Bool {
        var marks = Marks.off
        guard limit > 0 else { return check(index, value, &marks) }
        path.append(token)
        defer { path.removeLast() }
        return check(index, value, &marks)
    }

    // MARK: Arrays

    mutating func check(_ rules: ArrayRules, _ node: Node, _ elements: [JSONValue], _ marks: inout Marks) -> Bool {
        guard spend(elements.count, node) else { return false }
        var isValid = checkCount(rules, node, elements.count)
        if !isStopped { isValid = checkElements(rules, node, elements, &marks) && isValid }
        if let schema = rules.contains, !isStopped {
            isValid = checkContains(schema, rules, node, elements, &marks) && isValid
        }
        if rules.isUnique, !isStopped { isValid = checkUnique(node, elements) && isValid }
        return isValid
    }

    private mutating func checkCount(_ rules: ArrayRules, _ node: Node, _ count: Int) -> Bool {
        if let bound = rules.minItems, count < bound {
            return fail(node, "minItems", "expected at least \(counted(bound, "element", "elements")), found \(count)")
        }
        if let bound = rules.maxItems, count > bound {
            return fail(node, "maxItems", "expected at most \(counted(bound, "element", "elements")), found \(count)")
        }
        return true
    }

    private mutating func checkElements(
        _ rules: ArrayRules, _ node: Node, _ elements: [JSONValue], _ marks: inout Marks
    ) -> Bool {
        var isValid = true
        let prefix = min(rules.prefix.count, elements.count)
        for index in 0..<prefix where !isStopped {
            isValid = descend(.index(index), rules.prefix[index], elements[index]) && isValid
        }
        if marks.isOn { marks.markItems(0..<(rules.rest == nil ? prefix : elements.count), of: elements.count) }
        guard let rest = rules.rest, prefix < elements.count, !isStopped else { return isValid }
        if program.nodes[rest].rules.verdict == true { return isValid }
        if program.nodes[rest].rules.verdict == false {
            let most = counted(rules.prefix.count, "element", "elements")
            return fail(program.nodes[rest], nil, "expected at most \(most), found \(elements.count)")
        }
        for index in prefix..<elements.count where !isStopped {
            isValid = descend(.index(index), rest, elements[index]) && isValid
        }
        return isValid
    }

    private mutating func checkContains(
        _ schema: NodeIndex, _ rules: ArrayRules, _ node: Node, _ elements: [JSONValue], _ marks: inout Marks
    ) -> Bool {
        var count = 0
        for (index, element) in elements.enumerated() where !isStopped {
            var none = Marks.off
            guard quietly(schema, element, &none) else { continue }
            count += 1
            if marks.isOn { marks.markItems(index..<(index + 1), of: elements.count) }
            if !marks.isOn, rules.maxContains == nil, count >= rules.minContains { break }
        }
        if isStopped { return false }
        if count < rules.minContains {
            let wanted = "at least \(counted(rules.minContains, "element", "elements"))"
            let found = count == 0 ? "none" : String(count)
            let keyword = rules.minContains == 1 ? "contains" : "minContains"
            return fail(node, keyword, "expected \(wanted) that \"contains\" describes, found \(found)")
        }
        if let bound = rules.maxContains, count > bound {
            let wanted = "at most \(counted(bound, "element", "elements"))"
            return fail(node, "maxContains", "expected \(wanted) that \"contains\" describes, found \(count)")
        }
        return true
    }

    private mutating func checkUnique(_ node: Node, _ elements: [JSONValue]) -> Bool {
        guard elements.count > 1 else { return true }
        guard spend(elements.reduce(0) { $0 + $1.nodeCount }, node) else { return false }
        var seen: [ExactValue: Int] = [:]
        seen.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard let other = seen.updateValue(index, forKey: ExactValue(element)) else { continue }
            return fail(node, "uniqueItems", "elements \(other) and \(index) are equal, all must differ")
        }
        return true
    }

    // MARK: Objects

    mutating func check(
        _ rules: ObjectRules, _ node: Node, _ value: JSONValue, _ object: JSONObject, _ marks: inout Marks
    ) -> Bool {
        guard spend(object.members.count + rules.required.count + rules.dependencies.count, node) else { return false }
        var isValid = checkCount(rules, node, object.members.count)
        if rules.looksAtMembers, !isStopped { isValid = checkMembers(rules, node, object, &marks) && isValid }
        if !rules.dependencies.isEmpty, !isStopped {
            isValid = checkDependencies(rules, node, value, object, &marks) && isValid
        }
        return isValid
    }

    private mutating func checkCount(_ rules: ObjectRules, _ node: Node, _ count: Int) -> Bool {
        if let bound = rules.minProperties, count < bound {
            return fail(
                node, "minProperties", "expected at least \(counted(bound, "member", "members")), found \(count)")
        }
        if let bound = rules.maxProperties, count > bound {
            return fail(
                node, "maxProperties", "expected at most \(counted(bound, "member", "members")), found \(count)")
        }
        return true
    }

    private mutating func checkMembers(
        _ rules: ObjectRules, _ node: Node, _ object: JSONObject, _ marks: inout Marks
    ) -> Bool {
        var isValid = true
        var isPresent = [Bool](repeating: false, count: rules.required.count)
        for (index, member) in object.members.enumerated() where !isStopped {
            let known = rules.known[ExactKey(member.key)]
            if let place = known?.requirement { isPresent[place] = true }
            if let names = rules.names, !checkName(member.key, names, node) { isValid = false }
            if isStopped { return false }
            let evaluated = checkMember(member, known?.schema, rules, node, object, &isValid)
            if evaluated, marks.isOn { marks.markMember(index, of: object.members.count) }
        }
        for (place, name) in rules.required.enumerated() where !isPresent[place] && !isStopped {
            isValid = fail(node, "required", "missing member \(quoted(name))")
        }
        return isValid
    }

    /// Checks one member by its name. Whether any schema was there for it.
    private mutating func checkMember(
        _ member: JSONObject.Member, _ schema: NodeIndex?, _ rules: ObjectRules, _ node: Node, _ object: JSONObject,
        _ isValid: inout Bool
    ) -> Bool {
        var evaluated = false
        if let schema {
            evaluated = true
            isValid = checkMember(member, "properties", schema) && isValid
        }
        for rule in rules.patterns where !isStopped {
            guard spend(1, node), let matches = search(rule.pattern, member.key, node) else { return false }
            guard matches else { continue }
            evaluated = true
            isValid = checkMember(member, "patternProperties", rule.schema) && isValid
        }
        guard !evaluated, !isStopped, let additional = rules.additional else { return evaluated }
        if program.nodes[additional].rules.verdict == false {
            isValid = failUnknown(member.key, node, "additionalProperties", rules, object)
        } else {
            isValid = checkMember(member, "additionalProperties", additional) && isValid
        }
        return true
    }

    private mutating func checkMember(_ member: JSONObject.Member, _ keyword: String, _ schema: NodeIndex) -> Bool {
        if program.nodes[schema].rules.verdict == false {
            return fail(
                program.nodes[schema], nil, at: .key(member.key), "member \(quoted(member.key)) is not allowed here")
        }
        return descend(.key(member.key), schema, member.value)
    }

    private mutating func failUnknown(
        _ name: String, _ node: Node, _ keyword: String, _ rules: ObjectRules?, _ object: JSONObject
    ) -> Bool {
        guard limit > 0 else { return fail(node, keyword, "") }
        // A name that is there already was not what was meant.
        let candidates = (rules?.propertyNames ?? []).lazy.filter { object.exactly($0) == nil }
        let suggestion = Spelling.suggestion(for: name, among: candidates)
        let hint = suggestion.map { "; did you mean \(quoted($0))?" } ?? ""
        return fail(node, keyword, at: .key(name), "unknown member \(quoted(name))\(hint)")
    }

    private mutating func checkName(_ name: String, _ schema: NodeIndex, _ node: Node) -> Bool {
        var none = Marks.off
        if quietly(schema, .string(name), &none) { return true }
        if isStopped { return false }
        guard limit > 0 else { return fail(node, "propertyNames", "") }
        let reason = firstViolation(schema, .string(name))?.message ?? "it may not be"
        if isStopped { return false }
        return fail(node, "propertyNames", at: .key(name), "the member name \(quoted(name)) is wrong: \(reason)")
    }

    private mutating func checkDependencies(
        _ rules: ObjectRules, _ node: Node, _ value: JSONValue, _ object: JSONObject, _ marks: inout Marks
    ) -> Bool {
        var isValid = true
        // For many questions an index of names is worth its making.
        let questions = rules.dependencies.reduce(0) { $0 + 1 + $1.required.count }
        let names = questions > 8 ? Set(object.members.map { ExactKey($0.key) }) : nil
        func has(_ name: String) -> Bool { names?.contains(ExactKey(name)) ?? (object.exactly(name) != nil) }
        for dependency in rules.dependencies where !isStopped && has(dependency.trigger) {
            for name in dependency.required where !isStopped && !has(name) {
                isValid = fail(
                    node, dependency.keyword,
                    "member \(quoted(dependency.trigger)) needs member \(quoted(name)), which is missing")
            }
            if let schema = dependency.schema, !isStopped { isValid = check(schema, value, &marks) && isValid }
        }
        return isValid
    }

    // MARK: What is left

    mutating func checkUnevaluated(_ node: Node, _ value: JSONValue, _ marks: inout Marks) -> Bool {
        var isValid = true
        if case .array(let elements) = value, let schema = node.rules.unevaluatedItems {
            for (index, element) in elements.enumerated() where !isStopped && !marks.hasItem(index) {
                if program.nodes[schema].rules.verdict == false {
                    isValid = fail(node, "unevaluatedItems", at: .index(index), "there may be no element here")
                } else {
                    isValid = descend(.index(index), schema, element) && isValid
                }
            }
            marks.markItems(0..<elements.count, of: elements.count)
        }
        if case .object(let object) = value, let schema = node.rules.unevaluatedProperties {
            for (index, member) in object.members.enumerated() where !isStopped && !marks.hasMember(index) {
                if program.nodes[schema].rules.verdict == false {
                    isValid = failUnknown(member.key, node, "unevaluatedProperties", node.rules.object, object)
                } else {
                    isValid = descend(.key(member.key), schema, member.value) && isValid
                }
            }
            for index in object.members.indices { marks.markMember(index, of: object.members.count) }
        }
        return isValid
    }
}
