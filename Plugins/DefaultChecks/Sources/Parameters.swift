// Reading parameters. The manifest's schema has checked them before; what the schema cannot say is said here.

import PluginSDK

extension JSON {
    /// A parameter that may be left out.
    func flag(_ key: String, default missing: Bool = false) throws(ConfigError) -> Bool {
        guard let value = self[key] else { return missing }
        guard let flag = value.bool else { throw ConfigError("Must be true or false", at: "/" + key) }
        return flag
    }

    func requiredText(_ key: String) throws(ConfigError) -> String {
        guard let text = self[key]?.string else { throw ConfigError("Must be a string", at: "/" + key) }
        return text
    }

    func requiredInt(_ key: String) throws(ConfigError) -> Int {
        guard let number = self[key]?.int else { throw ConfigError("Must be a whole number", at: "/" + key) }
        return number
    }

    func requiredTexts(_ key: String) throws(ConfigError) -> [String] {
        guard let elements = self[key]?.array else { throw ConfigError("Must be an array of strings", at: "/" + key) }
        return try JSON.texts(elements, at: "/" + key)
    }

    static func texts(_ elements: [JSON], at pointer: String) throws(ConfigError) -> [String] {
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = element.string else { throw ConfigError("Must be a string", at: "\(pointer)/\(index)") }
            texts.append(text)
        }
        return texts
    }
}

/// How many of a list must be there.
enum Quantifier: String {
    case any, all, none

    init(_ config: JSON, default missing: Quantifier) throws(ConfigError) {
        guard let value = config["operator"] else {
            self = missing
            return
        }
        guard let word = value.string, let quantifier = Quantifier(rawValue: word) else {
            throw ConfigError("Must be \"any\", \"all\" or \"none\"", at: "/operator")
        }
        self = quantifier
    }

    func holds(found: Int, of total: Int) -> Bool {
        switch self {
        case .any: found > 0
        case .all: found == total
        case .none: found == 0
        }
    }

    /// Whether finding more can only break the rule; else it can only fulfil it.
    func canOnlyBreak(not: Bool) -> Bool { (self == .none) != not }
}
