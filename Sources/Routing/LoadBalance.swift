// LoadBalance: one target out of several, by weight; by the caller's own fields where the strategy is sticky.
//
// A plain choice is a number drawn in proportion to the weights. A sticky one is weighted rendezvous hashing (Thaler
// and Ravishankar 1998; the weights after Schindler and Wang): for each target, the hash of the caller's fields
// together with the target gives a number u in (0, 1), and the target with the smallest -ln(u) / weight wins. Over
// many callers each target gets its share; one caller gets the same target from every event loop, process and machine,
// without a word between them; and when a target leaves or changes its weight, only the callers that it loses or wins
// move.

#if canImport(Glibc)
    import Glibc
#endif

/// `strategy.sticky` of a load-balancing strategy that has it enabled.
package struct StickyPolicy: Sendable, Equatable {
    package static let defaultTTL = 3600

    package let hashFields: [ContextField]
    /// Seconds that a choice is remembered, from when it was made.
    package let ttl: Int

    package init(hashFields: [String], ttl: Int = StickyPolicy.defaultTTL) {
        self.hashFields = hashFields.map(ContextField.init)
        self.ttl = max(0, ttl)
    }

    /// The hash of the caller's fields; nil when the request has none of them, and so nothing to stick to.
    func hash(_ lookup: RoutingLookup) -> UInt64? {
        var hash = StableHash()
        var isIdentified = false
        for field in hashFields {
            let value = field.value(lookup)
            isIdentified = isIdentified || value != nil
            hash.combine(value)
        }
        return isIdentified ? hash.value : nil
    }
}

struct LoadBalance: Sendable {
    struct Arm: Sendable {
        /// Index of the target's node in the route.
        var node: Int
        /// Greater than zero: a target of weight zero is not an arm.
        var weight: Double
        /// Stands for the target in rendezvous hashing.
        var seed: UInt64
    }

    let arms: [Arm]
    let sticky: StickyPolicy?
    /// Stands for this strategy in the sticky table.
    let seed: UInt64

    /// An arm by weight, of those in `candidates`, which is not empty. `unit` is uniform in [0, 1).
    func arm(of candidates: [Arm], unit: Double) -> Arm {
        var left = unit * candidates.reduce(0) { $0 + $1.weight }
        for arm in candidates {
            left -= arm.weight
            if left < 0 { return arm }
        }
        // Rounding may leave a crumb beyond the last one.
        return candidates[candidates.count - 1]
    }

    /// The arm for a caller, of those in `candidates`, which is not empty.
    func arm(of candidates: [Arm], caller: UInt64) -> Arm {
        var best = candidates[0]
        var lowest = Double.infinity
        for arm in candidates {
            let unit = (Double(StableHash.mix(caller ^ arm.seed) >> 11) + 0.5) * 0x1p-53
            let score = -log(unit) / arm.weight
            if score < lowest {
                lowest = score
                best = arm
            }
        }
        return best
    }

    /// The same, unless the table remembers another candidate; what is chosen is remembered.
    func arm(of candidates: [Arm], caller: UInt64, ttl: Int, table: StickyTable?, now: Int64) -> Arm {
        guard let table else { return arm(of: candidates, caller: caller) }
        let key = StableHash.mix(caller ^ seed)
        if let remembered = table.arm(key, now: now), let arm = candidates.first(where: { $0.node == remembered }) {
            return arm
        }
        let arm = arm(of: candidates, caller: caller)
        let (until, overflow) = now.addingReportingOverflow(Int64(ttl).multipliedSaturating(by: 1_000_000_000))
        table.remember(key, arm: arm.node, until: overflow ? .max : until)
        return arm
    }
}
