// schema.keys: the objects in a text have certain keys at their top.

import PluginSDK

struct KeysCheck: Guardrail {
    static let id = "keys"
    private let keys: [String]
    private let quantifier: Quantifier
    private let source: Source

    private enum Quantifier: String { case any, all, none }

    init(config: JSON, host: Host) throws(ConfigError) {
        keys = (config["keys"]?.array ?? []).compactMap(\.string)
        guard !keys.isEmpty else { throw ConfigError("Must be an array of at least one string", at: "/keys") }
        quantifier = config["operator"]?.string.flatMap(Quantifier.init(rawValue:)) ?? .any
        source = try Source(config)
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        try report(try judge(Subject.request(exchange)), to: exchange)
    }

    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        var result: Result?
        try Subject.forEachChoice(exchange) { subject throws(PluginFailure) in
            if result?.passed != false { result = try judge(subject) }
        }
        return try report(result ?? Result(excerpt: ""), to: exchange)
    }

    private struct Result {
        var passed = false
        /// What was looked at last; nil: no object was found.
        var json: JSON?
        var present: [String] = []
        var missing: [String] = []
        var excerpt: String
    }

    private func judge(_ subject: Subject) throws(PluginFailure) -> Result {
        guard !subject.isBlank else { throw PluginFailure("There is no text to check") }
        var result = Result(excerpt: subject.texts[0].excerpt)
        var isDone = false
        for text in subject.texts where !isDone {
            try source.search(text) { piece throws(PluginFailure) in
                guard let json = try? JSON(parsing: piece) else { return nil }
                guard let object = json.object else { return false }
                let passed = holds(object)
                // "any" and "all" want one object that passes; "none" wants that all do.
                isDone = (quantifier == .none) != passed
                if isDone || result.json == nil {
                    result.passed = passed
                    result.json = piece.count <= 64 << 10 ? json : .null
                    result.present = keys.filter { object[$0] != nil }
                    result.missing = keys.filter { object[$0] == nil }
                }
                return isDone
            }
        }
        return result
    }

    private func holds(_ object: JSON.Object) -> Bool {
        switch quantifier {
        case .any: keys.contains { object[$0] != nil }
        case .all: keys.allSatisfy { object[$0] != nil }
        case .none: keys.allSatisfy { object[$0] == nil }
        }
    }

    private func report(_ result: Result, to exchange: Exchange) throws(PluginFailure) -> Verdict {
        func list(_ keys: [String]) -> JSON { .array(keys.map(JSON.string)) }
        var data: JSON = ["verdict": .bool(result.passed), "operator": .string(quantifier.rawValue)]
        if let json = result.json {
            data["explanation"] = .string(
                result.passed ? "The keys are as required." : "The keys are not as required.")
            data["matchedJson"] = json
            data["presentKeys"] = list(result.present)
            data["missingKeys"] = list(result.missing)
        } else {
            data["explanation"] = "No JSON object was found."
            data["requiredKeys"] = list(keys)
        }
        data["textExcerpt"] = .string(result.excerpt)
        try exchange.report(passed: result.passed, data: data)
        return .proceed
    }
}
