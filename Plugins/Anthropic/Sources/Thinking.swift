// reasoning_effort in a model's own terms. Models up to 4.5 take a budget of tokens; those from 4.6 on decide for
// themselves ("adaptive") and take an effort, and from Opus 4.7 on they answer a budget with 400
// (platform.claude.com/docs, "Adaptive thinking" and "Effort"). Older ones than 3.7 do not think.

enum Thinking {
    case budget(Int)
    case adaptive(String)
    /// No thinking; a model that would think by itself needs the word.
    case off(needsWord: Bool)
    /// No such effort, or not with this model and limit.
    case unknown

    /// `limit`: the client's max_tokens, which the thinking counts towards; nil when it named none.
    init(effort: String, model: String, limit: Int?) {
        guard let level = Self.levels[effort] else {
            self = .unknown
            return
        }
        switch Self.generation(of: model) {
        case .silent: self = level.budget == 0 ? .off(needsWord: false) : .unknown
        case .budget where level.budget == 0: self = .off(needsWord: false)
        case .budget: self = Self.fitting(level.budget, limit).map(Thinking.budget) ?? .unknown
        case .adaptive where level.budget == 0: self = .off(needsWord: true)
        case .adaptive: self = .adaptive(level.effort)
        }
    }

    private static let smallestBudget = 1024

    /// The budgets are those of Portkey's adapter.
    private static let levels: [String: (budget: Int, effort: String)] = [
        "none": (0, ""), "minimal": (1024, "low"), "low": (1024, "low"), "medium": (8192, "medium"),
        "high": (16384, "high"), "xhigh": (32768, "xhigh"), "max": (32768, "max"),
    ]

    private enum Generation {
        case silent, budget, adaptive
    }

    /// What is new is taken for adaptive.
    private static func generation(of model: String) -> Generation {
        let silent = ["claude-3-5", "claude-3-opus", "claude-3-sonnet", "claude-3-haiku", "claude-2", "claude-instant"]
        let budget = [
            "claude-3-7", "opus-4-0", "opus-4-1", "opus-4-2025", "opus-4-5", "sonnet-4-0", "sonnet-4-2025",
            "sonnet-4-5", "haiku-4-5",
        ]
        if silent.contains(where: { has(model, $0) }) { return .silent }
        return budget.contains { has(model, $0) } ? .budget : .adaptive
    }

    /// The name as a part that no digit follows: `opus-4-1` is not in `opus-4-10`.
    private static func has(_ model: String, _ name: String) -> Bool {
        let model = Array(model.utf8)
        let name = Array(name.utf8)
        guard model.count >= name.count else { return false }
        return (0...model.count - name.count).contains { start in
            let end = start + name.count
            guard model[start..<end].elementsEqual(name) else { return false }
            let isYear = name.suffix(4).elementsEqual("2025".utf8)
            return end == model.count || isYear || !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(model[end])
        }
    }

    /// A budget must be below the limit, and leaves room for an answer where it can.
    private static func fitting(_ budget: Int, _ limit: Int?) -> Int? {
        guard let limit else { return budget }
        guard limit > smallestBudget else { return nil }
        return min(budget, max(smallestBudget, limit - smallestBudget))
    }
}
