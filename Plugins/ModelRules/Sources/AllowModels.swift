// model-rules.allow: the model is in the lists that the metadata chooses, or else in the default list.

import PluginSDK

struct AllowModels: Guardrail {
    static let id = "allow"
    private let defaults: [Name]
    /// Lists by a metadata key's value.
    private let choices: [(key: String, lists: [String: [Name]])]
    private let not: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        defaults = try Self.names(config["rules"]?["defaults"], at: "/rules/defaults")
        var choices: [(key: String, lists: [String: [Name]])] = []
        for member in config["rules"]?["metadata"]?.object ?? JSON.Object() {
            var lists: [String: [Name]] = [:]
            let place = "/rules/metadata/" + Self.escaped(member.key)
            for list in member.value.object ?? JSON.Object() {
                lists[list.key] = try Self.names(list.value, at: place + "/" + Self.escaped(list.key))
            }
            choices.append((member.key, lists))
        }
        self.choices = choices
        guard !defaults.isEmpty || !choices.isEmpty else {
            throw ConfigError("Must have \"defaults\", \"metadata\" or both", at: "/rules")
        }
        not = config["not"]?.bool ?? false
    }

    private static func names(_ list: JSON?, at pointer: String) throws(ConfigError) -> [Name] {
        var names: [Name] = []
        for (number, element) in (list?.array ?? []).enumerated() {
            guard let text = element.string, !text.isEmpty else {
                throw ConfigError("Must be a model's name", at: "\(pointer)/\(number)")
            }
            names.append(Name(text))
        }
        return names
    }

    /// RFC 6901.
    private static func escaped(_ token: String) -> String {
        token.replacing("~", with: "~0").replacing("/", with: "~1")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        guard let model = Self.model(of: exchange) else { throw PluginFailure("The request names no model") }
        var allowed: [Name] = []
        var chosenBy: [JSON] = []
        for (key, lists) in choices {
            guard let value = exchange.metadata(key)?.string, let list = lists[value] else { continue }
            allowed += list
            chosenBy.append(.string(key))
        }
        if chosenBy.isEmpty { allowed = defaults }
        guard !allowed.isEmpty else { throw PluginFailure("No list of models is for this request") }
        let isListed = allowed.contains { $0.matches(model) }
        try exchange.report(
            passed: isListed != not,
            data: [
                "explanation": isListed
                    ? "The model is allowed by the rules." : "The model is not allowed by the rules.",
                "verdict": .bool(isListed != not), "not": .bool(not), "requestedModel": .string(model),
                "allowedModels": .array(allowed.prefix(100).map { .string($0.text) }), "metadataKeys": .array(chosenBy),
            ])
        return .proceed
    }

    /// The body's model; where the body cannot say, the attempt's.
    private static func model(of exchange: Exchange) -> String? {
        guard let raw = exchange.json("/model", .request) else { return exchange.model }
        return (try? JSON(parsing: raw))?.string ?? exchange.model
    }
}

/// A model's name, in which `*` stands for any text.
struct Name: Sendable {
    let text: String
    private let parts: [[UInt8]]

    init(_ text: String) {
        self.text = text
        parts = Array(text.utf8).split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
    }

    func matches(_ name: String) -> Bool {
        var rest = Array(name.utf8)[...]
        guard parts.count > 1, let last = parts.last else { return rest.elementsEqual(parts[0]) }
        guard rest.starts(with: parts[0]) else { return false }
        rest = rest.dropFirst(parts[0].count)
        guard rest.count >= last.count, rest.suffix(last.count).elementsEqual(last) else { return false }
        rest = rest.dropLast(last.count)
        // The first place of each part between the stars will do.
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let end = Self.end(of: part, in: rest) else { return false }
            rest = rest[end...]
        }
        return true
    }

    private static func end(of part: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        guard text.count >= part.count else { return nil }
        let last = text.endIndex - part.count
        return (text.startIndex...last).first { text[$0..<$0 + part.count].elementsEqual(part) }.map { $0 + part.count }
    }
}
