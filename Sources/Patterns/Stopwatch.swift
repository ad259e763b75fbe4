// Stopwatch: notices a portion of a search that took long, and is not deceived when the thread was only kept from
// running.
//
// The thread's processor time is what counts, but asking for it is a system call. So the cheap clock says when to ask.

internal import Glibc

/// Times the portions of a search, in nanoseconds.
struct Stopwatch {
    private static let lateness = 500_000
    /// What is believed of the cheap clock, which also runs while the thread does not.
    private static let credit = 5_000_000

    /// When the time was last given.
    private var clockMark: Int
    private var processorMark: Int?
    private var lapStart: Int

    init() {
        clockMark = Self.time(CLOCK_MONOTONIC)
        lapStart = clockMark
    }

    /// Ends a lap and begins the next. Gives the processor time since it was last given, once it is worth asking for,
    /// and whether this lap alone took long.
    mutating func lap() -> (time: Int, isLate: Bool) {
        let now = Self.time(CLOCK_MONOTONIC)
        let lap = now - lapStart
        lapStart = now
        guard now - clockMark > Self.lateness else { return (0, false) }
        let processor = Self.processorTime()
        let time = processorMark.map { processor - $0 } ?? min(now - clockMark, Self.credit)
        clockMark = now
        processorMark = processor
        return (time, lap > Self.lateness && time > Self.lateness)
    }

    /// Begins a lap; what was before is not timed.
    mutating func restart() { self = Stopwatch() }

    static func processorTime() -> Int { time(CLOCK_THREAD_CPUTIME_ID) }

    private static func time(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
