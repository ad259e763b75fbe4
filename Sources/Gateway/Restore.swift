// Restore: the last thing done to an answer. Checks that replaced parts of the request put them back, in the reverse order, after all
// other guards have judged and the cache has kept what they left.

import Core
import PluginHost
import Wire

extension Worker {
    /// What the request's hooks have to undo: the target's, which came last, first.
    func restorers(_ target: Target, _ plan: Plan?) -> [Restorer] {
        target.guards.restorers + (plan?.mandatory.restorers ?? [])
    }

    /// The answer in the place of this one when a check that restores could not and its policy does not let that pass.
    func restore(_ answer: Answer, _ exchange: Exchange, _ target: Target, _ facts: ExchangeFacts) async -> Answer? {
        guard exchange.endpoint.answersText else { return nil }
        for restorer in restorers(target, exchange.plan) where handles(restorer.use, .after) {
            let view = BodyView(body: answer.body, endpoint: exchange.endpoint, isRequest: false)
            let step = await runCheck(
                restorer.use, .after, exchange,
                ExchangeFacts(
                    identity: facts.identity, model: facts.model, request: facts.request, provider: facts.provider,
                    target: facts.target, attempt: facts.attempt, attemptCount: facts.attemptCount, response: view,
                    responseHeaders: answer.headers, status: answer.status))
            switch step.next {
            case .proceed(let changed): answer.body = changed ?? answer.body
            case .stop(.denied(let refusal)), .stop(.answered(let refusal)): return refusal
            case .stop, .retry:
                return self.answer(
                    for: GatewayError(
                        .pluginFailed, status: 502, "A guardrail could not restore this answer.", type: "plugin_error"),
                    exchange)
            }
        }
        return nil
    }
}
