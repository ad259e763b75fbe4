// PendingCalls: hooks that finish later. A token is (slot, generation) in 64 bits, so that a stale one is recognised and never
// dereferenced, and a call that the host has given up on keeps its memory until the plugin completes it.

import CGatehouse
import Core
import Synchronization

/// One call that somebody will complete: a plugin through its token, or a pool thread.
final class PendingCall: Timed, @unchecked Sendable {
    private enum State {
        case open
        case waiting(UnsafeContinuation<Decision, Never>)
        case done(Decision)
        /// The host stopped waiting.
        case abandoned
    }

    /// Keeps the exchange's views alive for the plugin.
    let exchange: HookExchange
    private let state = Mutex(State.open)

    // Confined to the loop that waits.
    private(set) var deadline: Deadline = .never
    var wheelPlace = WheelPlace.none

    init(_ exchange: HookExchange) { self.exchange = exchange }

    /// Any thread. False when the host had stopped waiting or the call was completed before.
    func complete(_ decision: Decision) -> Bool {
        let (isFirst, continuation) = state.withLock { state -> (Bool, UnsafeContinuation<Decision, Never>?) in
            switch state {
            case .open:
                state = .done(decision)
                return (true, nil)
            case .waiting(let continuation):
                state = .done(decision)
                return (true, continuation)
            case .done, .abandoned: return (false, nil)
            }
        }
        continuation?.resume(returning: decision)
        return isFirst
    }

    /// On the loop: waits until the call is completed, `deadline` passes, or `abandon` is called.
    func wait(by deadline: Deadline, timers: LoopTimers) async -> Decision {
        self.deadline = deadline
        timers.schedule(self)
        let decision = await withUnsafeContinuation { (continuation: UnsafeContinuation<Decision, Never>) in
            let ready = state.withLock { state -> Decision? in
                switch state {
                case .done(let decision): return decision
                case .abandoned: return Decision(verdict: .timeout)
                case .open, .waiting:
                    state = .waiting(continuation)
                    return nil
                }
            }
            if let ready { continuation.resume(returning: ready) }
        }
        timers.cancel(self)
        return decision
    }

    func deadlinePassed() { abandon() }

    /// True when it was completed before anybody stopped waiting.
    var isDone: Bool {
        state.withLock { if case .done = $0 { true } else { false } }
    }

    /// Stops waiting. True when the call was still open: then its hook must be told.
    @discardableResult
    func abandon() -> Bool {
        let (wasOpen, continuation) = state.withLock { state -> (Bool, UnsafeContinuation<Decision, Never>?) in
            switch state {
            case .open:
                state = .abandoned
                return (true, nil)
            case .waiting(let continuation):
                state = .abandoned
                return (true, continuation)
            case .done, .abandoned: return (false, nil)
            }
        }
        continuation?.resume(returning: Decision(verdict: .timeout))
        return wasOpen
    }
}

/// Calls that were begun with pend() and have not been completed.
package enum OpenHookCalls {
    package static var count: Int { TokenTable.shared.count }
}

/// All open tokens of the process.
final class TokenTable: Sendable {
    static let shared = TokenTable()

    private struct Slot {
        var generation: UInt32 = 1
        var call: PendingCall?
        /// Whose token of the generation before was taken: who takes it again misbehaves.
        var last: HostContext?
    }

    enum Taken {
        case call(PendingCall)
        /// The token was used before, by this instance as far as is known.
        case stale(HostContext?)
    }

    private struct State {
        var slots: [Slot] = []
        var free: [Int] = []
    }

    private let state = Mutex(State())

    /// Open tokens, for the metrics.
    var count: Int { state.withLock { $0.slots.count - $0.free.count } }

    func open(_ call: PendingCall) -> gh_token {
        state.withLock { state in
            let index: Int
            if let free = state.free.popLast() {
                index = free
            } else {
                index = state.slots.count
                state.slots.append(Slot())
            }
            state.slots[index].call = call
            return UInt64(state.slots[index].generation) << 32 | UInt64(index + 1)
        }
    }

    /// True as long as complete() will find a call behind the token.
    func isOpen(_ token: gh_token) -> Bool {
        state.withLock { state in
            let index = Int(token & 0xFFFF_FFFF) - 1
            return state.slots.indices.contains(index) && state.slots[index].generation == UInt32(token >> 32)
                && state.slots[index].call != nil
        }
    }

    /// Takes the call of a token out of the table.
    func take(_ token: gh_token) -> Taken {
        state.withLock { state in
            let index = Int(token & 0xFFFF_FFFF) - 1
            let generation = UInt32(token >> 32)
            guard state.slots.indices.contains(index) else { return .stale(nil) }
            let slot = state.slots[index]
            guard slot.generation == generation, let call = slot.call else {
                return .stale(slot.generation == generation &+ 1 ? slot.last : nil)
            }
            state.slots[index] = Slot(generation: generation &+ 1, call: nil, last: call.exchange.instance.context)
            state.free.append(index)
            return .call(call)
        }
    }
}
