// TimerWheel: many deadlines, few timers. Everything that waits on an event loop (a connection's idle time, an answer's first
// byte) puts itself here; moving a deadline later costs nothing, since entries are looked at again only when their slot comes.

/// Something with a deadline. The wheel calls `deadlinePassed` once the deadline lies in the past.
package protocol Timed: AnyObject {
    /// When to call; `.never` while nothing is waited for. May change at any time.
    var deadline: Deadline { get }
    /// Managed by the wheel alone: the slot this is queued in, or -1.
    var wheelSlot: Int { get set }
    func deadlinePassed()
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
        guard entry.wheelSlot < 0, entry.deadline != .never else { return }
        if isEmpty { position = now / Self.tick }
        insert(entry, now: now)
        count += 1
    }

    /// Queues `entry` at its present deadline even when it is queued for a later one.
    package mutating func reschedule(_ entry: any Timed, now: Int64) {
        if entry.wheelSlot >= 0 {
            slots[entry.wheelSlot].removeAll { $0 === entry }
            entry.wheelSlot = -1
            count -= 1
        }
        schedule(entry, now: now)
    }

    /// When a slot comes next, in nanoseconds.
    func slotTime(_ slot: Int) -> Int64 {
        let count = Int64(Self.slotCount)
        let ahead = (Int64(slot) - position % count + count) % count
        return (position + (ahead == 0 ? count : ahead)) * Self.tick
    }

    private mutating func insert(_ entry: any Timed, now: Int64) {
        let due = entry.deadline.nanoseconds / Self.tick + 1
        let ticks = min(max(due, position + 1), position + Int64(Self.slotCount) - 1)
        let slot = Int(ticks % Int64(Self.slotCount))
        entry.wheelSlot = slot
        slots[slot].append(entry)
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
            let entries = slots[slot]
            slots[slot].removeAll(keepingCapacity: true)
            for entry in entries {
                entry.wheelSlot = -1
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
        guard entry.wheelSlot < 0 else { return }
        wheel.schedule(entry, now: now())
        armIfNeeded()
    }

    /// The same for a deadline that may be earlier than the one queued. Moves the entry only when its slot would come too late.
    package func reschedule(_ entry: any Timed) {
        guard entry.wheelSlot < 0 || wheel.slotTime(entry.wheelSlot) > entry.deadline.nanoseconds + TimerWheel.tick else { return }
        wheel.reschedule(entry, now: now())
        armIfNeeded()
    }

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
