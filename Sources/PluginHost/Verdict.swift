// What a hook said, copied out of the plugin's memory.

import CGatehouse
package import Core

package struct Denial: Sendable, Equatable {
    /// 0: the host's default.
    package var status: Int
    package var code: String?
    package var message: String?
    package var retryAfterMilliseconds: Int
}

package struct PluginAnswer: Sendable, Equatable {
    package var status: Int
    package var body: Bytes
    package var contentType: String
}

package enum Verdict: Sendable, Equatable {
    case proceed
    case deny(Denial)
    case answer(PluginAnswer)
    /// The target's name, or nil for the router's next.
    case retry(target: String?)
    /// The plugin could not judge; the reason is for the log.
    case fail(String)
    /// The host stopped waiting.
    case timeout
}

/// A verdict with what only some stages use.
package struct Decision: Sendable, Equatable {
    package var verdict: Verdict
    /// on_stream: offset up to which the window's text may leave.
    package var releasedTo: Int = 0

    package init(verdict: Verdict, releasedTo: Int = 0) {
        self.verdict = verdict
        self.releasedTo = releasedTo
    }
}

extension Decision {
    /// Reads what a hook returned. `GH_PENDING` has been dealt with before.
    init(
        _ verdict: gh_verdict, _ decision: gh_decision, from instance: PluginInstance? = nil, presetRelease: Int = 0
    ) {
        let flags = decision.flags
        releasedTo =
            flags & UInt32(GH_DECISION_RELEASE_PRESET) != 0 ? presetRelease : Int(clamping: decision.released_to)
        guard flags & ~UInt32(GH_DECISION_RELEASE_PRESET) == 0 else {
            decision.body.discard()
            self.verdict = .fail("the decision has flags that this host does not know")
            return
        }
        if Int(verdict) != GH_ANSWER { decision.body.discard() }
        switch Int(verdict) {
        case GH_CONTINUE: self.verdict = .proceed
        case GH_DENY:
            self.verdict = .deny(
                Denial(
                    status: (400...599).contains(decision.http_status) ? Int(decision.http_status) : 0,
                    code: decision.code.string,
                    message: decision.message.string, retryAfterMilliseconds: Int(decision.retry_after_ms)))
        case GH_ANSWER:
            self.verdict = .answer(
                PluginAnswer(
                    status: (200...599).contains(decision.http_status) ? Int(decision.http_status) : 200,
                    body: decision.body.adopt(from: instance) ?? .empty,
                    contentType: decision.content_type.string ?? "application/json"))
        case GH_RETRY: self.verdict = .retry(target: decision.target.string)
        case GH_FAIL: self.verdict = .fail(decision.message.string ?? "the plugin gave no reason")
        default: self.verdict = .fail("the hook returned \(verdict), which is no verdict")
        }
    }
}
