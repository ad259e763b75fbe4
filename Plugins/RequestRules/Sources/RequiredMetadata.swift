// request-rules.required_metadata: keys with certain values in the request's metadata.

import PluginSDK

struct RequiredMetadata: Guardrail {
    static let id = "required_metadata"
    private let pairs: [(key: String, values: [String]?)]
    private let needsAll: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        var pairs: [(key: String, values: [String]?)] = []
        for member in config["pairs"]?.object ?? JSON.Object() {
            switch member.value {
            case .string(let value): pairs.append((member.key, [value]))
            case .array(let values): pairs.append((member.key, values.compactMap(\.string)))
            default: pairs.append((member.key, nil))
            }
        }
        guard !pairs.isEmpty else { throw ConfigError("Must have at least one key", at: "/pairs") }
        self.pairs = pairs
        needsAll = config["operator"]?.string != "any"
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        var faults: [Fault] = []
        for (key, values) in pairs {
            guard let value = exchange.metadata(key) else {
                faults.append(Fault(place: key, message: "is missing"))
                continue
            }
            guard let values, !values.contains(where: { value == $0 }) else { continue }
            // The value that came is not repeated: it may be anything.
            faults.append(
                Fault(
                    place: key,
                    message: "must be \(values.prefix(10).map { "\"\($0)\"" }.joined(separator: " or "))"))
        }
        let passed = needsAll ? faults.isEmpty : faults.count < pairs.count
        try exchange.report(passed ? [] : faults, ["operator": needsAll ? "all" : "any"])
        return .proceed
    }
}
