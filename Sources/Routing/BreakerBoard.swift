// BreakerBoard: the circuit breakers of the process. Requests come and go, and a router with them; a target's record
// stays.
//
// A breaker belongs to a place in a config: the same provider in another config, or for another tenant, has one of its
// own, so that nobody's failures close another one's door. The board is bounded, since configs may come with requests;
// what falls off is what has not been asked about for longest, and is as good as closed.

import Synchronization

package final class BreakerBoard: Sendable {
    package static let defaultCapacity = 10_000

    /// A target's place.
    package struct Key: Hashable, Sendable {
        /// The route's identity.
        package var config: String
        /// The target's path in it.
        package var path: String

        package init(config: String, path: String) {
            self.config = config
            self.path = path
        }
    }

    private let breakers: Mutex<LRUTable<Key, CircuitBreaker>>

    package init(capacity: Int = BreakerBoard.defaultCapacity) {
        breakers = Mutex(LRUTable(capacity: capacity))
    }

    package var count: Int { breakers.withLock { $0.count } }

    package func isOpen(_ key: Key, now: Int64) -> Bool {
        breakers.withLock { $0.value(key)?.isOpen(at: now) ?? false }
    }

    package func record(_ key: Key, _ policy: BreakerPolicy, isFailure: Bool, now: Int64) {
        breakers.withLock { breakers in
            breakers.update(key, initial: CircuitBreaker(policy, now: now)) {
                $0.record(isFailure: isFailure, now: now)
            }
        }
    }

    /// The targets that are out at `now`, for metrics and the status page.
    package func openTargets(now: Int64) -> [Key] {
        breakers.withLock { breakers in breakers.entries.filter { $0.value.isOpen(at: now) }.map(\.key) }
    }
}
