// InstanceLedger: the instances of one generation that live. A generation that was replaced is gone when its ledger is empty; who is still
// in it after the grace time is held by a call that never ended.

import Synchronization

package final class InstanceLedger: Sendable {
    private let living = Mutex<[String: Int]>([:])

    package init() {}

    func born(_ name: String) { living.withLock { $0[name, default: 0] += 1 } }

    /// After destroy() has returned.
    func died(_ name: String) {
        living.withLock { living in
            guard let count = living[name] else { return }
            living[name] = count > 1 ? count - 1 : nil
        }
    }

    package var count: Int { living.withLock { $0.values.reduce(0, +) } }

    /// "default.contains ×2", sorted.
    package var names: [String] {
        living.withLock { $0.sorted { $0.key < $1.key } }.map { $0.value > 1 ? "\($0.key) ×\($0.value)" : $0.key }
    }
}
