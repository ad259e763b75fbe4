// request-rules.parameters: which members a request's body may and must have, and what they may be.

import PluginSDK

struct Parameters: Guardrail {
    static let id = "parameters"
    private let allowed: Set<String>?
    private let denied: Set<String>
    private let required: [String]
    private let rules: [(name: String, rule: ValueRule)]
    private let tools: ToolRule

    init(config: JSON, host: Host) throws(ConfigError) {
        allowed = config.texts("allow").map(Set.init)
        denied = Set(config.texts("deny") ?? [])
        required = config.texts("require") ?? []
        if let both = required.first(where: denied.contains) {
            throw ConfigError("\"\(both)\" is required and denied", at: "/require")
        }
        if let allowed, let both = required.first(where: { !allowed.contains($0) }) {
            throw ConfigError("\"\(both)\" is required and not allowed", at: "/require")
        }
        var rules: [(name: String, rule: ValueRule)] = []
        for member in config["values"]?.object ?? JSON.Object() {
            rules.append((member.key, try ValueRule(member.value, at: "/values/" + escaped(member.key))))
        }
        self.rules = rules
        tools = ToolRule(config["tools"])
        guard allowed != nil || !denied.isEmpty || !required.isEmpty || !rules.isEmpty || !tools.isEmpty else {
            throw ConfigError("Must have a rule: \"allow\", \"deny\", \"require\", \"values\" or \"tools\"")
        }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        guard let body = exchange.value("")?.object else { throw PluginFailure("The request has no JSON body") }
        var faults: [Fault] = []
        for member in body {
            if denied.contains(member.key) || allowed?.contains(member.key) == false {
                faults.append(Fault(place: "/" + escaped(member.key), message: "is not allowed"))
            }
        }
        for name in required where body[name]?.isNull ?? true {
            faults.append(Fault(place: "/" + escaped(name), message: "is required"))
        }
        for (name, rule) in rules {
            // What is left out is a matter of "require".
            guard let value = body[name], !value.isNull, let message = rule.fault(of: value) else { continue }
            faults.append(Fault(place: "/" + escaped(name), message: message))
        }
        faults += tools.faults(of: body["tools"], choice: body["tool_choice"])
        try exchange.report(faults)
        return .proceed
    }
}

/// What one member may be.
private struct ValueRule: Sendable {
    private let least: Double?
    private let most: Double?
    private let values: [JSON]?

    init(_ config: JSON, at pointer: String) throws(ConfigError) {
        least = config["min"]?.double
        most = config["max"]?.double
        values = config["values"]?.array
        guard least != nil || most != nil || values != nil else {
            throw ConfigError("Must have \"min\", \"max\" or \"values\"", at: pointer)
        }
        if let least, let most, least > most { throw ConfigError("Must be at least the \"min\"", at: pointer + "/max") }
    }

    func fault(of value: JSON) -> String? {
        if let values, !values.contains(value) {
            return "must be one of \(values.prefix(10).map(\.description).joined(separator: ", "))"
        }
        guard least != nil || most != nil else { return nil }
        // Not a number, or one that no Double holds: nothing says that it is within the range.
        guard let number = value.double, number.isFinite else { return "must be a number" }
        if let least, number < least { return "must be at least \(Self.text(least))" }
        if let most, number > most { return "must be at most \(Self.text(most))" }
        return nil
    }

    private static func text(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? "\(number)"
    }
}

/// Which tools a request may bring along.
private struct ToolRule: Sendable {
    private let most: Int?
    private let types: Set<String>?
    private let allowed: Set<String>?
    private let denied: Set<String>

    init(_ config: JSON?) {
        most = config?["max"]?.int
        types = config?.texts("types").map(Set.init)
        allowed = config?.texts("allow").map(Set.init)
        denied = Set(config?.texts("deny") ?? [])
    }

    var isEmpty: Bool { most == nil && types == nil && allowed == nil && denied.isEmpty }

    func faults(of tools: JSON?, choice: JSON?) -> [Fault] {
        guard !isEmpty, let tools, !tools.isNull else { return [] }
        guard let list = tools.array else { return [Fault(place: "/tools", message: "must be an array")] }
        var faults: [Fault] = []
        if let most, list.count > most {
            faults.append(Fault(place: "/tools", message: "at most \(most) tools are allowed"))
        }
        for (number, tool) in list.enumerated() {
            // Messages' own tools have no type; those that it runs itself have, and chat completions' always have.
            let type = tool["type"]?.string ?? "function"
            let name = tool["function"]?["name"]?.string ?? tool["custom"]?["name"]?.string ?? tool["name"]?.string
            if types?.contains(type) == false {
                faults.append(Fault(place: "/tools/\(number)", message: "tools of the type \(type) are not allowed"))
            }
            if let name {
                if denied.contains(name) || allowed?.contains(name) == false {
                    faults.append(Fault(place: "/tools/\(number)", message: "the tool \(name) is not allowed"))
                }
            } else if allowed != nil {
                faults.append(Fault(place: "/tools/\(number)", message: "a tool without a name is not allowed"))
            }
        }
        return faults
    }
}
