// TimeBuckets: a span of time cut into minutes, hours, days or weeks (UTC), for the points of a graph.

import Core

struct TimeBuckets {
    static let maximumCount: Int64 = 200

    /// Of the first bucket; nanoseconds since 1970.
    let start: Int64
    let width: Int64
    let count: Int

    static let none = TimeBuckets()

    private init() { (start, width, count) = (0, 1, 0) }

    /// From the bucket that holds `first` to the one that holds `last`. The narrowest kind that makes no more than
    /// `maximumCount`; of weeks, some together where there are too many.
    init(from first: Int64, through last: Int64) {
        let second: Int64 = 1_000_000_000
        let week = 7 * 86_400 * second
        for width in [60 * second, 3_600 * second, 86_400 * second, week] {
            // Weeks begin on Monday; the first Monday was 1970-01-05.
            let origin = width == week ? 4 * 86_400 * second : 0
            let (start, count) = Self.cut(first, last, width, origin)
            guard count > Self.maximumCount else {
                (self.start, self.width, self.count) = (start, width, Int(count))
                return
            }
        }
        let weeks = (last - first) / week / (Self.maximumCount - 1) + 1
        let (start, count) = Self.cut(first, last, weeks * week, 4 * 86_400 * second)
        (self.start, self.width, self.count) = (start, weeks * week, Int(count))
    }

    private static func cut(_ first: Int64, _ last: Int64, _ width: Int64, _ origin: Int64) -> (Int64, Int64) {
        func place(_ time: Int64) -> Int64 {
            let distance = time - origin
            return distance >= 0 ? distance / width : -((width - 1 - distance) / width)
        }
        let start = place(first)
        return (origin + start * width, max(place(last) - start + 1, 1))
    }

    /// Which bucket a moment lies in. What lies outside, as rows may that are written meanwhile, counts with the
    /// nearest.
    @inline(__always)
    func index(of time: Int64) -> Int { min(max(Int((time &- start) / width), 0), count - 1) }

    func timestamp(_ index: Int) -> JSONValue { .string(WallClock.timestamp(start + Int64(index) * width)) }
}
