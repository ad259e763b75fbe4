// GuardLists: the long form, the short form and the names of guardrails (spec §5.1), all to GuardGroups.
//
// Whether a check exists and what its parameters may be is for the plugin host; each check keeps its pointer, so that
// the host's complaint can name its place.

import Core

extension RequestConfigParser {
    enum GuardForm {
        /// {type, id, checks: […], deny, …}
        case long
        /// {deny, …, and every other member a check}
        case short(GuardGroup.Kind)
    }

    /// The groups of one list; nil when the node has no such list.
    mutating func guardList(
        _ fields: Fields, _ name: String, _ stage: GuardGroup.Stage, _ form: GuardForm
    ) -> [GuardGroup]? {
        guard fields[name] != nil else { return nil }
        return guardList(array(fields, name) ?? [], fields.path(of: name), stage, form)
    }

    mutating func guardList(
        _ list: [JSONValue], _ path: [String], _ stage: GuardGroup.Stage, _ form: GuardForm
    ) -> [GuardGroup] {
        var groups: [GuardGroup] = []
        for (index, entry) in list.enumerated() {
            let place = path + [String(index)]
            if case .string(let name) = entry {
                if let group = named(name, at: place, stage, form) { groups.append(group) }
            } else if var group = guardGroup(entry, at: place, form) {
                group.stage = stage
                if group.id.isEmpty { group.id = Self.madeUpID(entry, place, stage, group.kind) }
                groups.append(group)
            }
        }
        return groups
    }

    /// An entry of the file's `guardrails`: with `checks` it is the long form, without them the short one.
    mutating func namedGuardrail(_ name: String, _ value: JSONValue) -> GuardGroup? {
        guard let fields = fields(value, []) else { return nil }
        let isLong = fields["checks"] != nil
        guard var group = guardGroup(value, at: [], isLong ? .long : .short(.guardrail), isNamed: true) else {
            return nil
        }
        if group.id.isEmpty { group.id = name }
        return group
    }

    private mutating func named(
        _ name: String, at path: [String], _ stage: GuardGroup.Stage, _ form: GuardForm
    ) -> GuardGroup? {
        guard var group = guardrails[name] else {
            var message = "There is no guardrail \"\(name)\""
            if origin.isFile, let near = Suggestion.nearest(to: name, in: guardrails.keys.sorted()) {
                message += "; did you mean \"\(near)\"?"
            }
            report(path, message)
            return nil
        }
        group.stage = stage
        if group.kind == nil {
            if case .short(let kind) = form { group.kind = kind } else { group.kind = .guardrail }
        }
        return group
    }

    private mutating func guardGroup(
        _ entry: JSONValue, at path: [String], _ form: GuardForm, isNamed: Bool = false
    ) -> GuardGroup? {
        guard let fields = fields(entry, path) else { return nil }
        var group = GuardGroup(
            id: string(fields, "id") ?? "", kind: kind(fields), stage: .before, origin: origin, checks: [],
            pointer: pointer(path))
        group.deny = boolean(fields, "deny") ?? false
        group.isAsync = boolean(fields, "async") ?? false
        group.isSequential = boolean(fields, "sequential") ?? false
        group.policy = guardPolicy(fields)
        group.onSuccess = object(fields, "on_success").map { .object($0) }
        group.onFail = object(fields, "on_fail").map { .object($0) }
        switch form {
        case .short(let kind):
            // A named one takes the kind of the list it is used in.
            if !isNamed { group.kind = group.kind ?? kind }
            group.checks = shortChecks(entry.object ?? JSONObject(), fields)
        case .long:
            if origin.isFile, !isNamed {
                // Portkey runs nothing then; whoever wrote checks into the file believes that they run.
                if fields["type"] == nil { report(path + ["type"], "Required: 'guardrail' or 'mutator'") }
                if fields["checks"] == nil { report(path + ["checks"], "Required") }
            }
            group.checks = longChecks(fields)
            if group.kind == nil, !isNamed { group.checks = [] }
        }
        return group
    }

    private mutating func kind(_ fields: Fields) -> GuardGroup.Kind? {
        guard let word = string(fields, "type") else { return nil }
        if let kind = GuardGroup.Kind(rawValue: word) { return kind }
        report(fields.path(of: "type"), "Invalid 'type' value. Must be one of: guardrail, mutator")
        return nil
    }

    // MARK: Checks

    private mutating func shortChecks(_ object: JSONObject, _ fields: Fields) -> [GuardCheck] {
        var checks: [GuardCheck] = []
        for member in object.members where !Self.groupOptions.contains(SnakeCase.convert(member.key)) {
            let path = fields.path + [member.key]
            // A check without parameters is null in YAML. It is a check all the same.
            let value = member.value.isNull ? .object(JSONObject()) : member.value
            guard let parameters = self.fields(value, path) else { continue }
            checks.append(
                GuardCheck(
                    id: Self.checkID(member.key), parameters: value,
                    isEnabled: boolean(parameters, "is_enabled") ?? true, pointer: pointer(path)))
        }
        return checks
    }

    private mutating func longChecks(_ fields: Fields) -> [GuardCheck] {
        var checks: [GuardCheck] = []
        for (index, value) in (array(fields, "checks") ?? []).enumerated() {
            let path = fields.path(of: "checks") + [String(index)]
            guard let check = self.fields(value, path) else { continue }
            guard check["id"] != nil else {
                report(path + ["id"], "Required")
                continue
            }
            guard let id = string(check, "id") else { continue }
            let parameters = object(check, "parameters") ?? JSONObject()
            checks.append(
                GuardCheck(
                    id: Self.checkID(id), parameters: .object(parameters),
                    isEnabled: boolean(check, "is_enabled") ?? true,
                    pointer: pointer(check["parameters"] == nil ? path : check.path(of: "parameters"))))
        }
        return checks
    }

    /// The members of a short form that are no checks.
    private static let groupOptions = Set(Catalogue.members(of: "#guardrail").keys)

    static func checkID(_ id: String) -> String { id.contains(".") ? id : "default." + id }

    /// "input_guardrail_x7f": the same for the same text at the same place, so that a config parsed again says the
    /// same.
    private static func madeUpID(
        _ entry: JSONValue, _ path: [String], _ stage: GuardGroup.Stage, _ kind: GuardGroup.Kind?
    ) -> String {
        // FNV-1a: three letters need no better one.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in entry.bytes + Array(path.joined(separator: ",").utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
        let suffix = String(46_656 + (hash ^ hash >> 32) % 46_656, radix: 36).suffix(3)
        return "\(stage == .before ? "input" : "output")_\(kind == .mutator ? "mutator" : "guardrail")_\(suffix)"
    }
}
