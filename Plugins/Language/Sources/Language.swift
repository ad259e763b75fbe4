// language: which language the messages are in, and whether it is an allowed one.

public import CGatehouse
import PluginSDK

struct Detect: Guardrail {
    static let id = "detect"
    private let allowed: [Int]?
    private let denied: [Int]
    private let passesUnknown: Bool
    private let leastLetters: Int
    private let judgesEach: Bool
    private let lexicon = Lexicon.shared

    init(config: JSON, host: Host) throws(ConfigError) {
        let list = try Self.profiles(config, "language")
        let others = try Self.profiles(config, "denied")
        guard list != nil || others != nil else {
            throw ConfigError("Must have \"language\" or \"denied\", a list of language codes")
        }
        let isInverted = config["not"]?.bool ?? false
        allowed = isInverted ? nil : list
        denied = (others ?? []) + (isInverted ? list ?? [] : [])
        passesUnknown = config["unknown"]?.string != "fail"
        leastLetters = config["min_letters"]?.int ?? 12
        judgesEach = config["per_message"]?.bool ?? true
    }

    private static func profiles(_ config: JSON, _ key: String) throws(ConfigError) -> [Int]? {
        guard let value = config[key] else { return nil }
        var profiles: [Int] = []
        for (index, code) in (value.array ?? []).enumerated() {
            guard let profile = Profile.index(of: code.string ?? "") else {
                let known = Profile.all.map(\.code).sorted().joined(separator: ", ")
                throw ConfigError("Is no language that is known here; known are \(known)", at: "/\(key)/\(index)")
            }
            profiles.append(profile)
        }
        return profiles
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        var findings: [Evidence.Finding?] = []
        var all = Evidence()
        for segment in exchange.texts(side, .text) {
            if judgesEach {
                var evidence = Evidence()
                evidence.add(segment.text, lexicon)
                // Text without letters is in no language, and in none that is not allowed.
                if evidence.letters > 0 { findings.append(evidence.language(leastLetters: leastLetters)) }
            } else {
                all.add(segment.text, lexicon)
            }
        }
        if all.letters > 0 { findings.append(all.language(leastLetters: leastLetters)) }
        let passed = findings.allSatisfy(passes)
        try exchange.report(passed: passed, data: report(findings, passed))
        return .proceed
    }

    private func passes(_ finding: Evidence.Finding?) -> Bool {
        guard let finding else { return passesUnknown }
        return !denied.contains(finding.profile) && allowed?.contains(finding.profile) ?? true
    }

    private func report(_ findings: [Evidence.Finding?], _ passed: Bool) -> JSON {
        var languages: [JSON] = []
        for finding in findings.prefix(32) {
            guard let finding else {
                languages.append(["language": "unknown"])
                continue
            }
            languages.append([
                "language": .string(Profile.all[finding.profile].code),
                "confidence": .double((finding.confidence * 100).rounded() / 100),
            ])
        }
        return [
            "explanation": .string(
                passed ? "The languages are allowed." : "There is text in a language that is not allowed."),
            "verdict": .bool(passed), "detected": .array(languages),
        ]
    }
}

private let plugin = Plugin(id: "language", version: "1.0.0", checks: [Detect.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
