// size.limit: the check.

import PluginSDK

struct SizeLimit: Guardrail {
    static let id = "limit"
    private let limits: Limits
    private let isPerMessage: Bool
    private let kinds: Set<Segment.Kind>
    private let roles: Set<Segment.Role>?

    init(config: JSON, host: Host) throws(ConfigError) {
        limits = try Limits(config)
        isPerMessage = config["per"]?.string == "message"
        let names = config["segments"]?.array?.compactMap(\.string) ?? ["text"]
        kinds = Set(names.compactMap { Self.kindNames[$0] })
        roles = (config["roles"]?.array?.compactMap(\.string)).map { Set($0.compactMap { Self.roleNames[$0] }) }
    }

    private static let kindNames: [String: Segment.Kind] = [
        "text": .text, "reasoning": .reasoning, "tool_arguments": .toolArguments, "tool_result": .toolResult,
        "tool_schema": .toolSchema, "other": .other,
    ]
    private static let roleNames: [String: Segment.Role] = [
        "system": .system, "user": .user, "assistant": .assistant, "tool": .tool, "none": .none,
    ]

    private func counts(_ segment: Segment) -> Bool {
        kinds.contains(segment.kind) && roles?.contains(segment.role) ?? true
    }

    /// Texts with what has been counted of each. Texts are counted apart: a word does not go over two of them.
    private final class Tally {
        var meters: [UInt64: (place: Int, meter: Meter)] = [:]
        var hasFailed = false

        func add(_ text: Text, _ segment: Segment) {
            meters[segment.id, default: (segment.index, Meter())].meter.add(text)
        }

        /// By message, or of everything.
        func measures(_ isPerMessage: Bool) -> [(place: Int?, measures: Measures)] {
            guard isPerMessage else { return [(nil, meters.values.reduce(Measures()) { $0 + $1.meter.measures })] }
            var places: [Int: Measures] = [:]
            for (place, meter) in meters.values {
                places[place, default: Measures()] = places[place, default: Measures()] + meter.measures
            }
            return places.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        let tally = Tally()
        for segment in exchange.texts(side) where counts(segment) { tally.add(segment.text, segment) }
        try report(exchange, tally, isComplete: true)
        return .proceed
    }

    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict {
        let tally = try exchange.state { Tally() }
        if window.isEnd {
            if !tally.hasFailed { try report(exchange, tally, isComplete: true) }
            return .proceed
        }
        window.releasedTo = window.text.count
        guard counts(window.segment) else { return .proceed }
        tally.add(window.text[window.freshFrom..<window.text.count], window.segment)
        // What is too long is told of at once, while the text that made it so can be held back.
        guard !tally.hasFailed else { return .proceed }
        let isBroken = tally.measures(isPerMessage).contains { !limits.tooMuch($0.measures, at: nil).isEmpty }
        if isBroken {
            tally.hasFailed = true
            try report(exchange, tally, isComplete: false)
        }
        return .proceed
    }

    private func report(_ exchange: Exchange, _ tally: Tally, isComplete: Bool) throws(PluginFailure) {
        var excesses: [Limits.Excess] = []
        let all = tally.measures(isPerMessage)
        for (place, measures) in all {
            excesses += limits.tooMuch(measures, at: place)
            if isComplete { excesses += limits.tooLittle(measures, at: place) }
        }
        var data: JSON = [
            "explanation": excesses.isEmpty ? "The size is within the limits." : "The size is outside the limits.",
            "per": isPerMessage ? "message" : "total",
        ]
        if !isPerMessage, isComplete {
            for limit in limits.all { data[limit.name] = .int(limit.value(all[0].measures)) }
        }
        data["violations"] = .array(excesses.prefix(20).map(\.json))
        try exchange.report(passed: excesses.isEmpty, data: data)
    }
}
