// TimerWheel: many deadlines, few timers. Everything that waits on an event loop (a connection's idle time, an answer's first
// byte) puts itself here; moving a deadline later costs nothing, since entries are looked at again only when their slot comes.

/// Something with a deadline. The wheel calls `deadlinePassed` once the deadline lies in the past.
package protocol Timed: AnyObject {
    /// When to call; `.never` while nothing is waited for. May change at any time.
    var deadline: Deadline { get }
    /// Managed by the wheel alone.
    var wheelPlace: WheelPlace { get set }
    func deadlinePassed()
}

/// Where in the wheel an entry is queued.
package struct WheelPlace: Sendable {
    fileprivate var slot: Int32
    fileprivate var index: Int32
    package static let none = WheelPlace(slot: -1, index: 0)
    package var isQueued: Bool { slot >= 0 }
}

package struct TimerWheel {
    /// The wheel's resolution.
    package static let tick: Int64 = 10_000_000
    private static let slotCount = 512

    private var slots: [[any Timed]] = Array(repeating: [], count: slotCount)
    private var position: Int64
    package private(set) var count = 0

    package init(now: Int64 = MonotonicClock.now()) {
        position = now / Self.tick
    }

    package var isEmpty: Bool { count == 0 }

    /// Queues `entry` unless it is queued already. Call it after setting a deadline; a deadline that only moves later needs no
    /// further call. One that moves earlier is noticed when the old slot comes, at most 5.12 s later: set those through
    /// `reschedule`.
    package mutating func schedule(_ entry: any Timed, now: Int64) {
        guard !entry.wheelPlace.isQueued, entry.deadline != .never else { return }
        if isEmpty { position = now / Self.tick }
        insert(entry, now: now)
        count += 1
    }

    /// Queues `entry` at its present deadline even when it is queued for a later one.
    package mutating func reschedule(_ entry: any Timed, now: Int64) {
        remove(entry)
        schedule(entry, now: now)
    }

    /// Takes `entry` out, so that the wheel does not keep it alive until its slot comes.
    package mutating func remove(_ entry: any Timed) {
        let place = entry.wheelPlace
        guard place.isQueued else { return }
        let slot = Int(place.slot)
        let last = slots[slot].removeLast()
        if last !== entry {
            last.wheelPlace = place
            slots[slot][Int(place.index)] = last
        }
        entry.wheelPlace = .none
        count -= 1
    }

    /// When the slot of a queued entry comes next, in nanoseconds.
    func time(of place: WheelPlace) -> Int64 {
        let count = Int64(Self.slotCount)
        let ahead = (Int64(place.slot) - position % count + count) % count
        return (position + (ahead == 0 ? count : ahead)) * Self.tick
    }

    private mutating func insert(_ entry: any Timed, now: Int64) {
        let due = entry.deadline.nanoseconds / Self.tick + 1
        let ticks = min(max(due, position + 1), position + Int64(Self.slotCount) - 1)
        let slot = Int(ticks % Int64(Self.slotCount))
        entry.wheelPlace = WheelPlace(slot: Int32(slot), index: Int32(slots[slot].count))
        slots[slot].append(entry)
    }

    private mutating func take(_ slot: Int) -> [any Timed] {
        let entries = slots[slot]
        slots[slot] = []
        return entries
    }

    /// Takes out all whose deadline has passed. The caller calls their `deadlinePassed`.
    package mutating func advance(to now: Int64) -> [any Timed] {
        var passed: [any Timed] = []
        let target = now / Self.tick
        // After a long pause each slot is looked at once.
        if target - position > Int64(Self.slotCount) { position = target - Int64(Self.slotCount) }
        while position < target {
            position += 1
            let slot = Int(position % Int64(Self.slotCount))
            guard !slots[slot].isEmpty else { continue }
            for entry in take(slot) {
                entry.wheelPlace = .none
                if entry.deadline.hasPassed(at: now) {
                    count -= 1
                    passed.append(entry)
                } else if entry.deadline == .never {
                    count -= 1
                } else {
                    insert(entry, now: now)
                }
            }
        }
        return passed
    }
}

/// The wheel of one event loop, with whoever drives it. Confined to that loop's thread.
package final class LoopTimers {
    private var wheel: TimerWheel
    private var isArmed = false
    private let now: () -> Int64
    /// Asks the driver to call `fire` after so many nanoseconds.
    private let arm: (Int64) -> Void

    package init(now: @escaping () -> Int64 = MonotonicClock.now, arm: @escaping (Int64) -> Void) {
        wheel = TimerWheel(now: now())
        self.now = now
        self.arm = arm
    }

    /// Queues `entry` at its deadline, see `TimerWheel.schedule`.
    package func schedule(_ entry: any Timed) {
        guard !entry.wheelPlace.isQueued else { return }
        wheel.schedule(entry, now: now())
        armIfNeeded()
    }

    /// The same for a deadline that may be earlier than the one queued. Moves the entry only when its slot would come too late.
    package func reschedule(_ entry: any Timed) {
        guard
            !entry.wheelPlace.isQueued
                || wheel.time(of: entry.wheelPlace) > entry.deadline.nanoseconds + TimerWheel.tick
        else { return }
        wheel.reschedule(entry, now: now())
        armIfNeeded()
    }

    /// Takes `entry` out, for those that are over long before their deadline.
    package func cancel(_ entry: any Timed) { wheel.remove(entry) }

    private func armIfNeeded() {
        guard !isArmed, !wheel.isEmpty else { return }
        isArmed = true
        arm(TimerWheel.tick)
    }

    /// Called by the driver.
    package func fire() {
        isArmed = false
        let now = now()
        for entry in wheel.advance(to: now) {
            // One that came before it may have moved its deadline.
            if entry.deadline.hasPassed(at: now) { entry.deadlinePassed() } else { wheel.schedule(entry, now: now) }
        }
        armIfNeeded()
    }
}
