// Transcript: the texts of one exchange that the request log is to keep, gathered as they pass. They are references to bytes that are
// there anyway; only streams are put together for it.
//
// "full" keeps what the client sent and got. "redacted" keeps the request once all of its guards have let it pass, as they left it, and
// the answer when its guards have, before anything is put back into it; so what a guard replaced is in neither. What is refused before
// that is not kept: nobody has taken out of it what the guards behind would have.

import Config
import Core
import Telemetry
import Wire

/// Confined to its loop, until the exchange is over.
final class Transcript {
    let policy: StoreSettings.Bodies
    private(set) var request: Bytes?
    private(set) var answer: Bytes?
    /// Of a stream whose last guards put things back.
    private var assembler: StreamAssembler?

    /// `client`: the client's request, nil where it is no text.
    init(_ policy: StoreSettings.Bodies, client: Bytes?) {
        self.policy = policy
        if policy == .full { request = client }
    }

    private var isRedacted: Bool { policy == .redacted }

    /// A new attempt: what the last one left is not what goes out.
    func begin() {
        if isRedacted { request = nil }
        answer = nil
    }

    func passed(request: Bytes) { if isRedacted { self.request = request } }

    func passed(answer: Bytes) { if isRedacted { self.answer = answer } }

    /// What the client gets as a whole.
    func sent(_ answer: Answer) {
        if !isRedacted {
            self.answer = answer.body
        } else if let error = answer.error {
            // An upstream's own refusal knows only what was sent there. The gateway's may quote what a guard has found.
            self.answer = error.kind == .upstreamError ? answer.body : nil
        }
    }

    // MARK: Streams

    func readsRestored(_ endpoint: Endpoint, limit: Int) {
        if !isRedacted { assembler = StreamAssembler(endpoint: endpoint, limit: limit) }
    }

    func restored(_ events: [SSEEvent]) {
        guard assembler != nil else { return }
        for event in events { assembler?.take(event) }
    }

    /// The stream is over; `assembled` is the answer before anything was put back.
    func streamed(_ assembled: Bytes?) {
        if assembler != nil {
            answer = assembler?.finish()
            assembler = nil
        } else {
            answer = assembled
        }
    }
}

extension Worker {
    /// For requests whose texts the log keeps.
    func beginTranscript(_ exchange: Exchange) {
        let policy = exchange.snapshot.config.store.bodies
        guard policy != .none, services.requestLog != nil else { return }
        // What nobody here reads, no guard has judged. A check that asks shows what it was shown, before others have judged it.
        guard policy == .full || (exchange.endpoint.hasSegmentTable && exchange.asked == nil) else { return }
        exchange.transcript = Transcript(policy, client: exchange.upload == nil ? exchange.body : nil)
    }
}
