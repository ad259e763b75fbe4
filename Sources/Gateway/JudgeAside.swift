// JudgeAside: guards with `async: true` or `shadow: true`. They judge what their place in the row would have shown them, but only when the answer
// has gone out: nobody waits for them, nothing of theirs reaches the client, and the log and the metrics hear what they found.

import Config
import Core
import Logging
import PluginHost
import Telemetry
import Wire

/// What one such guard has to judge.
struct AsideJob {
    var stage: GuardStage
    var side: Worker.GuardSide
    /// The exchange when the guard's turn came.
    var facts: ExchangeFacts
}

extension Worker {
    /// Puts a guard's work by. One that has seen the same bytes in an earlier attempt has nothing new to judge.
    func setAside(_ stage: GuardStage, _ side: GuardSide, _ facts: ExchangeFacts, _ exchange: Exchange) {
        func judged(_ facts: ExchangeFacts) -> Bytes? { side == .before ? facts.request.body : facts.response?.body }
        let isKnown = exchange.aside.contains { job in
            job.stage === stage && job.side == side && judged(job.facts) == judged(facts)
        }
        if !isKnown { exchange.aside.append(AsideJob(stage: stage, side: side, facts: facts)) }
    }

    /// Runs what was put by, before the exchange's record is written: its receipts belong there.
    func judgeAside(_ exchange: Exchange) async {
        // The exchange's own time may be over; each check has its timeout.
        exchange.deadline = .never
        for job in exchange.aside {
            for use in job.stage.uses where handles(use, job.side) {
                let step = await runCheck(use, job.side, exchange, job.facts)
                logger.info(
                    "a guardrail judged off the path",
                    metadata: [
                        "check": "\(use.id)", "guardrail": "\(job.stage.id)", "mode": "\(use.mode.rawValue)",
                        "side": job.side == .before ? "request" : "answer",
                        "verdict": "\(step.result.passed)",
                        "outcome": "\(exchange.record.receipts.last?.verdict.rawValue ?? "")",
                        "trace_id": "\(exchange.traceID)",
                    ])
            }
        }
        exchange.aside = []
    }
}
