// RunBeside: guards of the request with `run: beside`. They judge while the upstream works; the answer's first byte waits for their
// verdict, and a refusal ends the upstream call.

import Core
import PluginHost
import Upstream
import Wire

/// Confined to its loop.
final class BesideRun {
    private var refusal: Answer?
    private var isDone = false
    private var waiter: UnsafeContinuation<Void, Never>?

    func finish(_ refusal: Answer?) {
        self.refusal = refusal
        isDone = true
        waiter?.resume()
        waiter = nil
    }

    /// It has refused already: nothing needs to be sent.
    var refusesAlready: Bool { refusal != nil }

    /// The answer in the place of the upstream's, or nil.
    func verdict() async -> Answer? {
        if !isDone { await withUnsafeContinuation { waiter = $0 } }
        return refusal
    }
}

extension Worker {
    /// Nil when there are no such guards.
    func beginBeside(_ exchange: Exchange, _ target: Target, body: Bytes, _ facts: ExchangeFacts) -> BesideRun? {
        let stages = ((exchange.plan?.mandatory.before ?? []) + target.guards.before).filter(\.runsBeside)
        guard !stages.isEmpty, exchange.endpoint.hasSegmentTable else { return nil }
        let run = BesideRun()
        // Everything stays on the loop's thread.
        nonisolated(unsafe) let exchange = exchange
        nonisolated(unsafe) let result = run
        Task.immediate(executorPreference: executor) {
            await self.judge(stages, beside: result, exchange, body: body, facts)
        }
        return run
    }

    private func judge(
        _ stages: [GuardStage], beside run: BesideRun, _ exchange: Exchange, body: Bytes, _ facts: ExchangeFacts
    ) async {
        let outcome = await runGuards(stages, .before, exchange, body: body) { _ in facts }
        switch outcome {
        case .proceed: run.finish(nil)
        case .denied(let answer), .answered(let answer):
            run.finish(answer)
            // Nobody will want what the upstream is about to say.
            exchange.transfer?.cancel()
        case .retry:
            run.finish(
                answer(
                    for: GatewayError(
                        .pluginFailed, status: 502, "A guardrail could not judge this request.", type: "plugin_error"),
                    exchange))
        }
    }
}
