// pii.redact, pii.detect and pii.portkey.

import PluginSDK

/// Replaces personal data.
struct Redact: Guardrail {
    static let id = "redact"
    private let rule: Rule

    init(config: JSON, host: Host) throws(ConfigError) {
        let detector = try Detector(config, host: host)
        rule = Rule(
            detector: detector, methods: try Methods(config, detector),
            failsWhenFound: try config.flag("fail_on_detection"))
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .response) }
    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        try rule.judge(exchange, &window)
    }
}

/// Fails when there is personal data.
struct Detect: Guardrail {
    static let id = "detect"
    private let rule: Rule

    init(config: JSON, host: Host) throws(ConfigError) {
        rule = Rule(detector: try Detector(config, host: host), methods: nil, failsWhenFound: true)
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .response) }
    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        try rule.judge(exchange, &window)
    }
}

/// `portkey.pii`: with `redact` it replaces, without it fails. Its categories are Portkey's words.
struct PortkeyPII: Guardrail {
    static let id = "portkey"
    private let rule: Rule

    init(config: JSON, host: Host) throws(ConfigError) {
        var entities: [Entity] = []
        for (index, category) in (config["categories"]?.array ?? []).enumerated() {
            guard let known = category.string.flatMap(Self.entities) else {
                throw ConfigError("This category cannot be found by patterns", at: "/categories/\(index)")
            }
            entities += known
        }
        let names = entities.map { JSON.string($0.rawValue) }
        let detector = try Detector(names.isEmpty ? [:] : ["entities": .array(names)], host: host)
        let redacts = try config.flag("redact")
        rule = Rule(detector: detector, methods: redacts ? try Methods([:], detector) : nil, failsWhenFound: !redacts)
    }

    private static func entities(_ category: String) -> [Entity]? {
        switch category {
        case "EMAIL_ADDRESS": [.email]
        case "PHONE_NUMBER": [.phone]
        case "CREDIT_CARD": [.creditCard]
        case "SSN": [.usSSN, .usITIN]
        case "IP_ADDRESS": [.ipAddress]
        default: Entity.named(category)
        }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try rule.judge(exchange, .response) }
    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        try rule.judge(exchange, &window)
    }
}
