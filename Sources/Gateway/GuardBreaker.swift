// GuardBreaker: stops asking a check that keeps failing. While it is open nothing is judged: the check's failure policy holds, so
// that around a closed guard it refuses, and never lets anything pass that the guard would not.

import Config
import Core
import Synchronization

final class GuardBreaker: Sendable {
    private struct State {
        var failures = 0
        var openUntil: Int64 = 0
    }

    private let limit: Int
    private let openNanoseconds: Int64
    private let state = Mutex(State())

    init(_ config: GuardPolicy.Breaker) {
        limit = config.failures
        openNanoseconds = Int64(config.openMilliseconds) * 1_000_000
    }

    /// True while the check is not to be asked. When the time is over one call after the other tries it again.
    var isOpen: Bool { state.withLock { $0.openUntil > MonotonicClock.now() } }

    func note(failed: Bool) {
        state.withLock { state in
            guard failed else { return state.failures = 0 }
            state.failures += 1
            if state.failures >= limit { state.openUntil = MonotonicClock.now() + openNanoseconds }
        }
    }
}
