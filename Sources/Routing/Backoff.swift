// Backoff: how long to wait before a retry when the provider has not said so itself.
//
// The n-th retry (from 1) waits
//
//     base(n) × (1 + u / 4) seconds,   base = 1, 2, 4, 8, 16, 16, …,   u uniform in [0, 1)
//
// so 1–1.25 s, 2–2.5 s, 4–5 s, 8–10 s, and 16–20 s from the fifth on. The steps are Portkey's, which has no jitter:
// clients that one outage has lined up would all come back in the same instant, and line up again. The spread only
// ever lengthens a wait, so that nobody calls sooner than documented.

package import Core

package enum Backoff {
    /// Nanoseconds to wait before retry number `retry`, counted from 1.
    package static func delay(beforeRetry retry: Int, random: inout Xoshiro256) -> Int64 {
        let base = Int64(1_000_000_000) << Int64(min(max(retry, 1), 5) - 1)
        return base + Int64(Double(base) * random.unit() / 4)
    }
}

extension Xoshiro256 {
    /// Uniform in [0, 1), with the 53 bits that a Double can hold.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
