// schema.json: some JSON in the text fits a schema (or, with `not`, none does).

import PluginSDK

struct SchemaCheck: Guardrail {
    static let id = "json"
    private let schema: JSON
    private let validator: SchemaValidator
    private let not: Bool
    private let source: Source
    private let onViolation: Action
    private let maximumRetries: Int

    private enum Action: String { case report, deny, retry }

    init(config: JSON, host: Host) throws(ConfigError) {
        guard let schema = config["schema"] else { throw ConfigError("Must be a JSON Schema", at: "/schema") }
        self.schema = schema
        var options: SchemaValidator.Options = []
        if config["formats"]?.bool == true { options.insert(.formats) }
        if config["draft"]?.string == "draft-07" { options.insert(.draft7) }
        validator = try SchemaValidator(schema, options, at: "/schema", host: host)
        not = config["not"]?.bool ?? false
        source = try Source(config)
        onViolation = config["on_violation"]?.string.flatMap(Action.init(rawValue:)) ?? .report
        maximumRetries = config["max_retries"]?.int ?? 1
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let finding = try judge(Subject.request(exchange))
        if !finding.passed, onViolation == .deny { return .deny(denial(finding, "request")) }
        try finding.report(to: exchange)
        return .proceed
    }

    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        // Of several choices the first that does not pass is told of.
        var finding: Finding?
        var answer: String?
        try Subject.forEachChoice(exchange) { subject throws(PluginFailure) in
            guard finding?.passed != false else { return }
            let found = try judge(subject)
            finding = found
            if !found.passed, onViolation == .retry { answer = subject.texts[0].string }
        }
        // Without any text: calls of tools, a refusal.
        guard let finding else {
            try Finding.nothing(not).report(to: exchange)
            return .proceed
        }
        if !finding.passed {
            if onViolation == .deny { return .deny(denial(finding, "answer")) }
            if onViolation == .retry, let answer, try askAgain(exchange, finding, answer) { return .retry() }
        }
        try finding.report(to: exchange)
        return .proceed
    }

    private func judge(_ subject: Subject) throws(PluginFailure) -> Finding {
        guard !subject.isBlank else { throw PluginFailure("There is no text to check") }
        var first: Finding?
        var match: Finding?
        for text in subject.texts where match == nil {
            try source.search(text) { piece throws(PluginFailure) in
                guard let violations = validator.violations(in: piece) else { return nil }
                let finding = Finding(piece, violations, not: not)
                first = first ?? finding
                if violations.isEmpty { match = finding }
                return violations.isEmpty
            }
        }
        return match ?? first ?? .nothing(not)
    }

    private func denial(_ finding: Finding, _ side: String) -> Denial {
        let reasons = finding.reasons.isEmpty ? "" : ": " + finding.reasons.prefix(3).joined(separator: "; ")
        return Denial(
            code: "schema_violation", message: "The \(side) does not pass the check of its JSON\(reasons).")
    }

    // MARK: Asking again

    private final class Attempts {
        var count = 0
    }

    /// Stages a next attempt in which the model is told what was wrong. False when there must not be one.
    private func askAgain(_ exchange: Exchange, _ finding: Finding, _ answer: String) throws(PluginFailure) -> Bool {
        // What a client has begun to get cannot be asked for anew.
        guard !exchange.isStream else { return false }
        let attempts = try exchange.state { Attempts() }
        guard attempts.count < maximumRetries else { return false }
        guard try Feedback(finding, schema).stage(exchange, after: answer) else { return false }
        attempts.count += 1
        return true
    }
}
