// Limits: least and most of each measure.

import PluginSDK

struct Limits: Sendable {
    struct Limit: Sendable {
        let name: String
        let value: @Sendable (Measures) -> Int
        let least: Int
        let most: Int
    }

    let all: [Limit]

    init(_ config: JSON) throws(ConfigError) {
        let known: [(String, @Sendable (Measures) -> Int)] = [
            ("words", { $0.words }), ("sentences", { $0.sentences }), ("characters", { $0.characters }),
            ("bytes", { $0.bytes }), ("tokens", { $0.tokens }),
        ]
        var limits: [Limit] = []
        for (name, value) in known {
            guard let range = config[name] else { continue }
            let least = range["min"]?.int
            let most = range["max"]?.int
            guard least != nil || most != nil else {
                throw ConfigError("Must have \"min\", \"max\" or both", at: "/" + name)
            }
            guard least ?? 0 <= most ?? .max else {
                throw ConfigError("Must be at least \(least ?? 0), the \"min\"", at: "/\(name)/max")
            }
            limits.append(Limit(name: name, value: value, least: least ?? 0, most: most ?? .max))
        }
        guard !limits.isEmpty else {
            throw ConfigError("One of words, sentences, characters, bytes and tokens must be limited")
        }
        all = limits
    }

    /// A measure beyond its limit.
    struct Excess {
        let name: String
        let value: Int
        let limit: Int
        let isTooMuch: Bool
        /// The message (request) or choice (answer), where each is measured by itself.
        let place: Int?

        var json: JSON {
            var json: JSON = [
                "measure": .string(name), "value": .int(value), isTooMuch ? "max" : "min": .int(limit),
            ]
            if let place { json["index"] = .int(place) }
            return json
        }
    }

    func tooMuch(_ measures: Measures, at place: Int?) -> [Excess] {
        all.compactMap { limit in
            let value = limit.value(measures)
            guard value > limit.most else { return nil }
            return Excess(name: limit.name, value: value, limit: limit.most, isTooMuch: true, place: place)
        }
    }

    func tooLittle(_ measures: Measures, at place: Int?) -> [Excess] {
        all.compactMap { limit in
            let value = limit.value(measures)
            guard value < limit.least else { return nil }
            return Excess(name: limit.name, value: value, limit: limit.least, isTooMuch: false, place: place)
        }
    }
}
