// AnswerSource: where an answer comes from: an upstream, or an adapter that answers by itself. Both are read the same way.

import Core
import PluginHost
import Upstream

/// Confined to its loop.
final class AnswerSource {
    private enum Origin {
        case transfer(Transfer)
        case canned(OutgoingRequest.CannedAnswer, LoopTimers, Exchange)
    }

    private let origin: Origin
    private var offset = 0
    private var isCancelled = false

    init(sent transfer: Transfer) { origin = .transfer(transfer) }

    init(canned: OutgoingRequest.CannedAnswer, timers: LoopTimers, exchange: Exchange) {
        origin = .canned(canned, timers, exchange)
    }

    func head(by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> UpstreamHead {
        switch origin {
        case .transfer(let transfer): return try await transfer.head(by: deadline, timeoutMessage: timeoutMessage)
        case .canned(let canned, _, _):
            if canned.chunkBytes == 0 { try await pause(by: deadline, timeoutMessage: timeoutMessage) }
            return UpstreamHead(status: canned.status, headers: [("content-type", canned.contentType)])
        }
    }

    /// Why there will be no bytes at all, where that is known already.
    var earlyFailure: UpstreamFailure? {
        if case .transfer(let transfer) = origin { transfer.earlyFailure } else { nil }
    }

    /// True when `next` will not have to wait.
    var hasBytes: Bool {
        if case .transfer(let transfer) = origin { transfer.hasBytes } else { true }
    }

    /// The next bytes; nil at the end.
    func next(by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> Bytes? {
        switch origin {
        case .transfer(let transfer): return try await transfer.next(by: deadline, timeoutMessage: timeoutMessage)
        case .canned(let canned, _, _):
            if isCancelled { throw UpstreamFailure(.cancelled, "the request was cancelled") }
            guard offset < canned.body.count else { return nil }
            if canned.chunkBytes > 0 { try await pause(by: deadline, timeoutMessage: timeoutMessage) }
            let end = canned.chunkBytes == 0 ? canned.body.count : min(canned.body.count, offset + canned.chunkBytes)
            defer { offset = end }
            return canned.body[offset..<end]
        }
    }

    private func pause(by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) {
        guard case .canned(let canned, let timers, let exchange) = origin, canned.delayMilliseconds > 0 else { return }
        let wanted = Int64(canned.delayMilliseconds) * 1_000_000
        await timers.sleep(nanoseconds: min(wanted, deadline.remaining()), exchange)
        if exchange.isClientGone || isCancelled { throw UpstreamFailure(.cancelled, "the request was cancelled") }
        if deadline.hasPassed() { throw UpstreamFailure(.timeout, timeoutMessage) }
    }

    func body(limit: Int, by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> Bytes {
        switch origin {
        case .transfer(let transfer):
            return try await transfer.body(limit: limit, by: deadline, timeoutMessage: timeoutMessage)
        case .canned:
            var whole = BytesBuilder()
            while let piece = try await next(by: deadline, timeoutMessage: timeoutMessage) { whole.append(piece) }
            return whole.finish()
        }
    }

    func cancel() {
        isCancelled = true
        if case .transfer(let transfer) = origin { transfer.cancel() }
    }
}
