// request-rules.types: which endpoints may be asked, and whether with streams.

import PluginSDK

struct RequestTypes: Guardrail {
    static let id = "types"
    private let allowed: Set<String>?
    private let blocked: Set<String>
    private let stream: Bool?

    init(config: JSON, host: Host) throws(ConfigError) {
        allowed = config.texts("allow").map(Set.init)
        blocked = Set(config.texts("block") ?? [])
        stream = config["stream"]?.bool
        if let both = allowed?.intersection(blocked).min() {
            throw ConfigError("\"\(both)\" is allowed and blocked", at: "/block")
        }
        guard allowed != nil || !blocked.isEmpty || stream != nil else {
            throw ConfigError("Must have \"allow\", \"block\" or \"stream\"")
        }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let type = exchange.endpoint
        let isStream = exchange.isStream || exchange.value("/stream")?.bool == true
        var faults: [Fault] = []
        if blocked.contains(type) || allowed?.contains(type) == false {
            faults.append(Fault(place: "", message: "requests of the type \(type) are not allowed"))
        }
        if let stream, stream != isStream {
            faults.append(Fault(place: "/stream", message: stream ? "must be true" : "streams are not allowed"))
        }
        try exchange.report(faults, ["type": .string(type), "stream": .bool(isStream)])
        return .proceed
    }
}
