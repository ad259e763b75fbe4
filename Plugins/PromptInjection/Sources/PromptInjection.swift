// prompt-injection: scores what came in by rules: words that together mean an attempt to take the model over, marks of chat
// formats, encoded orders, invisible characters. It knows attempts that look like others before; the README has figures.

public import CGatehouse
import PluginSDK

struct ScoreCheck: Guardrail {
    static let id = "score"
    private let threshold: Int
    private let denies: Bool
    private let ignored: Set<Signal>
    private let judgesSystem: Bool
    private let rules = PhraseRules.shared

    init(config: JSON, host: Host) throws(ConfigError) {
        threshold = config["threshold"]?.int ?? 50
        guard threshold > 0 else { throw ConfigError("Must be at least 1", at: "/threshold") }
        denies = config["action"]?.string == "deny"
        judgesSystem = config["check_system"]?.bool ?? false
        var ignored: Set<Signal> = []
        for (index, word) in (config["ignore"]?.array ?? []).enumerated() {
            guard let signal = word.string.flatMap(Signal.init(rawValue:)) else {
                let known = Signal.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigError("Must be one of \(known)", at: "/ignore/\(index)")
            }
            ignored.insert(signal)
        }
        self.ignored = ignored
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        var folded = FoldedText()
        var worst = Score()
        var worstTotal = 0
        for segment in exchange.texts(.request) where judgesSystem || segment.role != .system {
            let score = score(segment.text, isTool: segment.kind == .toolResult, &folded)
            let total = total(score)
            if total > worstTotal { (worst, worstTotal) = (score, total) }
        }
        let passed = worstTotal < threshold
        if denies, !passed {
            return .deny(
                Denial(
                    code: "prompt_injection",
                    message: "The request looks like an attempt to override the model's instructions."))
        }
        try exchange.report(passed: passed, data: report(worst, worstTotal, passed))
        return .proceed
    }

    private func total(_ score: Score) -> Int {
        score.points.reduce(0) { ignored.contains($1.key) ? $0 : $0 + $1.value }
    }

    private func score(_ text: Text, isTool: Bool, _ folded: inout FoldedText) -> Score {
        var score = Score()
        rules.judge(text, isTool: isTool, &folded, &score)
        Payload.texts(in: text) { decoded in
            var hidden = Score()
            decoded.withUnsafeBufferPointer { rules.judge(Text($0), isTool: true, &folded, &hidden) }
            if hidden.total > 0 { score.add(20 + hidden.total, to: .payload) }
        }
        for (points, signal) in [(Markup.points(in: text), Signal.markup), (Invisible.points(in: text), .invisible)] {
            if points > 0 { score.add(points, to: signal) }
        }
        return score
    }

    /// The signals of the text that scored most, and never its words.
    private func report(_ score: Score, _ total: Int, _ passed: Bool) -> JSON {
        let signals = Signal.allCases.compactMap { signal -> JSON? in
            guard let points = score.points[signal], !ignored.contains(signal) else { return nil }
            return ["signal": .string(signal.rawValue), "points": .int(points)]
        }
        return [
            "explanation": .string(
                passed
                    ? "Nothing looks like an attempt to override the model's instructions."
                    : "A text looks like an attempt to override the model's instructions."),
            "score": .int(total), "threshold": .int(threshold), "signals": .array(signals),
        ]
    }
}

private let plugin = Plugin(id: "prompt-injection", version: "1.0.0", checks: [ScoreCheck.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
