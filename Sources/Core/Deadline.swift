// Deadline: a point on the monotonic clock by which something must have happened.

#if canImport(Glibc)
    import Glibc
#endif

package enum MonotonicClock {
    /// Nanoseconds since some fixed point (CLOCK_MONOTONIC).
    @inline(__always)
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}

package struct Deadline: Sendable, Comparable {
    /// Nanoseconds on the monotonic clock.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let never = Deadline(nanoseconds: .max)
    package static func after(milliseconds: Int, from now: Int64 = MonotonicClock.now()) -> Deadline {
        let (product, overflow) = Int64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
        return overflow || product > .max - now ? .never : Deadline(nanoseconds: now + product)
    }

    package static func < (left: Deadline, right: Deadline) -> Bool { left.nanoseconds < right.nanoseconds }

    package func remaining(at now: Int64 = MonotonicClock.now()) -> Int64 {
        self == .never ? .max : max(0, nanoseconds - now)
    }

    package func hasPassed(at now: Int64 = MonotonicClock.now()) -> Bool { nanoseconds <= now }
}

package enum WallClock {
    /// Nanoseconds since 1970 (CLOCK_REALTIME).
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// RFC 3339 with milliseconds, UTC: "2026-01-31T09:05:00.250Z".
    package static func timestamp(_ nanoseconds: Int64 = now()) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let fields: [(Int, Int, Unicode.Scalar)] = [
            (Int(parts.tm_year) + 1900, 4, "-"), (Int(parts.tm_mon) + 1, 2, "-"), (Int(parts.tm_mday), 2, "T"),
            (Int(parts.tm_hour), 2, ":"), (Int(parts.tm_min), 2, ":"), (Int(parts.tm_sec), 2, "."),
            (Int(nanoseconds % 1_000_000_000) / 1_000_000, 3, "Z"),
        ]
        return String(unsafeUninitializedCapacity: 24) { room in
            var place = 0
            for (value, width, separator) in fields {
                var rest = value
                for digit in stride(from: place + width - 1, through: place, by: -1) {
                    room[digit] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
                    rest /= 10
                }
                place += width
                room[place] = UInt8(truncatingIfNeeded: separator.value)
                place += 1
            }
            return place
        }
    }
}
