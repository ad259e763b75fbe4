// judge.score: another model grades what was written.

public import CGatehouse
import PluginSDK

struct Grade: Guardrail {
    static let id = "score"

    private let target: String
    private let model: String?
    private let rubric: String
    private let topics: [String]
    private let threshold: Double
    private let timeoutMilliseconds: Int
    private let maximumBytes: Int

    init(config: JSON, host: Host) throws(ConfigError) {
        switch config["target"] {
        case .string(let name)? where !name.isEmpty: target = name
        case .object(let inline)?: target = JSON.object(inline).description
        default:
            throw ConfigError("Must be a config's name, \"@\" and a provider's name, or a config", at: "/target")
        }
        model = config["model"]?.string
        topics = config["topics"]?.array?.compactMap(\.string) ?? []
        if let own = config["rubric"]?.string {
            rubric = own
        } else {
            let name = config["preset"]?.string ?? Rubric.toxicity.rawValue
            guard let preset = Rubric(rawValue: name) else {
                let known = Rubric.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigError("Must be one of \(known)", at: "/preset")
            }
            if preset == .onTopic, topics.isEmpty { throw ConfigError("on-topic needs topics", at: "/topics") }
            rubric = preset.text
        }
        threshold = config["threshold"]?.double ?? 0.5
        timeoutMilliseconds = config["timeout"]?.int ?? 15_000
        maximumBytes = config["max_bytes"]?.int ?? 65_536
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try grade(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try grade(exchange, .response) }

    private func grade(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let text = exchange.text(side, .readable)
        if text.allSatisfy(\.isWhitespace) {
            try exchange.report(passed: true, data: ["verdict": true, "explanation": "There is nothing to grade."])
            return .proceed
        }
        // Half a text is not graded: what was cut off could be what matters.
        guard text.utf8.count <= maximumBytes else {
            throw PluginFailure("The text has \(text.utf8.count) bytes; max_bytes is \(maximumBytes)")
        }
        let context = side == .response ? exchange.text(.request, .readable) : nil
        let question = Question(
            rubric: rubric, topics: topics, model: model, context: context.map { Self.tail($0, maximumBytes) },
            text: text, mark: Self.mark())
        return try exchange.pend(asking: target, question.body, timeoutMilliseconds: timeoutMilliseconds) {
            answer, exchange throws(PluginFailure) in
            guard (200...299).contains(answer.status) else {
                let reason = answer.transportError?.string ?? "status \(answer.status)"
                throw PluginFailure("The judge did not answer: \(reason)")
            }
            let score = try Score(reading: answer.body)
            let passed = score.value < threshold
            try exchange.report(
                passed: passed,
                data: [
                    "verdict": .bool(passed), "score": .double(score.value), "threshold": .double(threshold),
                    "explanation": .string(score.reason),
                ])
            return .proceed
        }
    }

    /// The newest part of a long conversation.
    private static func tail(_ text: String, _ limit: Int) -> String {
        text.utf8.count <= limit ? text : String(decoding: text.utf8.suffix(limit), as: UTF8.self)
    }

    private static func mark() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}

private let plugin = Plugin(id: "judge", version: "1.0.0", checks: [Grade.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
