// AskAgain: GH_RETRY with edits of the request: what a hook wants the next attempt to ask. They are edits of what this attempt has
// asked, hold for the next one only, and what they make is judged like anything that a client sends.

import Core
import PluginHost

extension Exchange {
    /// `takeRequest` has something to do.
    var hasOtherBody: Bool { nextBody != nil || clientBody != nil }
}

extension Worker {
    /// Takes what the hook that asks for another attempt has staged on the request's side.
    func keepRequest(of hookExchange: HookExchange, _ exchange: Exchange) throws(GatewayError) {
        let view = BodyView(body: exchange.body, endpoint: exchange.endpoint, isRequest: true)
        exchange.nextBody = try hookExchange.changedRequest(view)
    }

    /// Before an attempt: its body is the client's again, or once what a hook made of it. The answer when a mandatory guard refuses that.
    func takeRequest(_ exchange: Exchange, _ plan: Plan) async throws(GatewayError) -> Answer? {
        guard let body = exchange.nextBody ?? exchange.clientBody else { return nil }
        let isEdited = exchange.nextBody != nil
        exchange.clientBody = isEdited ? exchange.clientBody ?? exchange.body : nil
        exchange.nextBody = nil
        try replaceBody(body, exchange)
        guard isEdited else { return nil }
        // Of this judgement only a refusal is told.
        let before = exchange.guardResults.before
        if let refusal = try await guardRequest(exchange, plan) { return refusal }
        exchange.guardResults.before = before
        return nil
    }
}
