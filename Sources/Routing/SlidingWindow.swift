// SlidingWindow: about how much came in the last second, minute, hour, day or week, told from two numbers.
//
// This is the sliding window counter that Cloudflare described in 2017 ("How we built rate limiting capable of scaling
// to millions of domains"). Two windows aligned to the clock are counted, the current one and the one before. What the
// sliding window holds is reckoned as all of the current one and the part of the previous one that it still covers:
//
//     held = previous * (length - elapsed) / length + current
//
// as if the previous window's requests had come evenly. The quotient is rounded down: rounded otherwise, a limit of one
// a minute would let one through in two minutes. What is held never grows as time passes, nor jumps where windows meet,
// so that the moment at which something fits can be computed.
//
// All arithmetic is in integers; products have 128 bits.

struct SlidingWindow: Sendable {
    private struct Count: Sendable {
        var amount: Int64 = 0
        /// Of the amount, what no store has been told.
        var unsaved: Int64 = 0
    }

    private let unit: RateLimit.Unit
    /// When the current window began.
    private(set) var start: Int64
    private var current = Count()
    private var previous = Count()
    /// The last time that it was told.
    private var latest: Int64

    /// Times are nanoseconds since 1970, and not negative.
    init(_ unit: RateLimit.Unit, now: Int64) {
        self.unit = unit
        start = unit.windowStart(at: now)
        latest = now
    }

    private var length: Int64 { unit.nanoseconds }

    /// Neither window is of consequence any more.
    func isIdle(at now: Int64) -> Bool { now - start >= 2 * length }

    /// When the current window ends.
    var end: Int64 { start + length }

    /// A clock that was set back to an earlier window takes along what was held: it counts as if it had come in the
    /// window that the clock shows now, so that it is not forgotten and bars nobody until the clock is where it was.
    mutating func advance(to now: Int64) {
        let window = unit.windowStart(at: now)
        if window > start {
            previous = window - start == length ? current : Count()
            current = Count()
        } else if window < start {
            current.amount = held(at: latest)
            current.unsaved = current.unsaved.addingSaturating(previous.unsaved)
            previous = Count()
        }
        start = window
        latest = now
    }

    /// `now` lies in the current window.
    func held(at now: Int64) -> Int64 {
        let share = Int128(max(0, previous.amount)) * Int128(end - now) / Int128(length)
        return Int64(share).addingSaturating(max(0, current.amount))
    }

    /// Nanoseconds until `need` fits below `limit` if nothing else comes; zero when it does now, nil when it never will.
    func wait(for need: Int64, of limit: Int64, now: Int64) -> Int64? {
        guard need <= limit else { return nil }
        let room = limit - need
        let amount = max(0, current.amount)
        if amount <= room { return max(0, start + shrinks(previous.amount, to: room - amount) - now) }
        return end + shrinks(amount, to: room) - now
    }

    /// How far into the window after it what a window counted is reckoned as no more than `room`.
    private func shrinks(_ amount: Int64, to room: Int64) -> Int64 {
        guard amount > room else { return 0 }
        // The smallest e with amount * (length - e) < (room + 1) * length.
        return length - Int64(((Int128(room) + 1) * Int128(length) - 1) / Int128(amount))
    }

    mutating func charge(_ amount: Int64) { Self.add(amount, to: &current) }

    /// Changes what was charged at `time`, unless that is so long ago that it does not count.
    mutating func correct(by amount: Int64, at time: Int64) {
        let window = unit.windowStart(at: time)
        if window >= start {
            Self.add(amount, to: &current)
        } else if start - window == length {
            Self.add(amount, to: &previous)
        }
    }

    /// What was counted in the window that began at `window` before this process did.
    mutating func load(_ amount: Int64, window: Int64) {
        if window == start {
            current.amount = current.amount.addingSaturating(amount)
        } else if window == start - length {
            previous.amount = previous.amount.addingSaturating(amount)
        }
    }

    /// Gives what no store has been told, with its window's start.
    mutating func drain(_ body: (Int64, Int64) -> Void) {
        if previous.unsaved != 0 { body(start - length, previous.unsaved) }
        if current.unsaved != 0 { body(start, current.unsaved) }
        previous.unsaved = 0
        current.unsaved = 0
    }

    /// The store is told what really changed, else its sum would drift from the count's.
    private static func add(_ amount: Int64, to count: inout Count) {
        let old = max(0, count.amount)
        count.amount = max(0, old.addingSaturating(amount))
        count.unsaved = count.unsaved.addingSaturating(count.amount - old)
    }
}

extension Int64 {
    fileprivate func addingSaturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
