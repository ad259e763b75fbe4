// What checks of a side's texts have in common: the same judgement for requests and answers, one report.

import PluginSDK

/// A check of what was written.
protocol TextCheck: Guardrail {
    /// What it looks at.
    static var kinds: Segment.Kinds { get }
    func judge(_ texts: Segments) throws(PluginFailure) -> Findings
}

extension TextCheck {
    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try report(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try report(exchange, .response) }

    private func report(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        try judge(exchange.texts(side, Self.kinds)).report(to: exchange)
        return .proceed
    }
}

extension Segments {
    /// For checks that cannot say anything about nothing.
    func requireText() throws(PluginFailure) {
        for segment in self where !segment.text.isEmpty { return }
        throw PluginFailure("There is no text to check")
    }
}
