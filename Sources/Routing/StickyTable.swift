// StickyTable: which target a caller has been given, for as long as the strategy's `ttl` says. One per process, shared
// by all event loops.
//
// It is a memory, not the source of the choice: LoadBalance computes a caller's target from the caller's own fields,
// so that a restarted process, or another one, comes to the same answer without it. What only the table knows is a
// choice that was made while a breaker was open, and it keeps that caller where it is after the breaker has closed.
// Hence losing an entry, whether by a restart or by the table being full, costs at most one move, and the table can be
// bounded.

import Synchronization

package final class StickyTable: Sendable {
    package static let defaultCapacity = 100_000

    private struct Entry: Sendable {
        var arm: Int
        var until: Int64
    }

    private let table: Mutex<LRUTable<UInt64, Entry>>

    package init(capacity: Int = StickyTable.defaultCapacity) {
        table = Mutex(LRUTable(capacity: capacity))
    }

    package var count: Int { table.withLock { $0.count } }

    /// What was remembered for `key`, and has not run out at `now`.
    func arm(_ key: UInt64, now: Int64) -> Int? {
        table.withLock { table in
            guard let entry = table.value(key), entry.until > now else { return nil }
            return entry.arm
        }
    }

    func remember(_ key: UInt64, arm: Int, until: Int64) {
        table.withLock { $0.set(key, Entry(arm: arm, until: until)) }
    }
}
