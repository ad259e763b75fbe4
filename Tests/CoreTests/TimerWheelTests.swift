// Many deadlines on one clock, which stands still until a test moves it.

import Testing

@testable import Core

private final class Timer: Timed {
    var deadline: Deadline
    var wheelPlace = WheelPlace.none
    var passed: [Int64] = []
    var onPass: ((Timer) -> Void)?
    let now: () -> Int64

    init(_ nanoseconds: Int64, now: @escaping () -> Int64 = { 0 }) {
        deadline = Deadline(nanoseconds: nanoseconds)
        self.now = now
    }

    func deadlinePassed() {
        passed.append(now())
        onPass?(self)
    }
}

private let tick = TimerWheel.tick
private let second: Int64 = 1_000_000_000

@Suite struct TimerWheelTests {
    private func passed(_ wheel: inout TimerWheel, to now: Int64) -> [Timer] {
        wheel.advance(to: now).compactMap { $0 as? Timer }
    }

    @Test func aDeadlinePassesNotBeforeItsTime() {
        for start in [0, 5, tick - 1, tick, 1234 * second + 7] {
            for delay in [
                0, 1, tick - 1, tick, tick + 1, 3 * tick + 5, 511 * tick, 512 * tick, 513 * tick, 20 * second,
            ] {
                var wheel = TimerWheel(now: start)
                let timer = Timer(start + delay)
                wheel.schedule(timer, now: start)
                var now = start
                while wheel.count > 0 {
                    now += tick / 3
                    let late = passed(&wheel, to: now)
                    if now < start + delay { #expect(late.isEmpty) } else { break }
                }
                now += 2 * tick
                _ = wheel.advance(to: now)
                #expect(wheel.isEmpty, "start \(start), delay \(delay)")
                #expect(now <= start + delay + 4 * tick)
            }
        }
    }

    @Test func aDeadlineThatMovesLaterWaits() {
        var wheel = TimerWheel(now: 0)
        let timer = Timer(5 * tick)
        wheel.schedule(timer, now: 0)
        timer.deadline = Deadline(nanoseconds: 20 * tick)
        #expect(passed(&wheel, to: 10 * tick).isEmpty)
        #expect(wheel.count == 1)
        #expect(passed(&wheel, to: 22 * tick).first === timer)
        #expect(wheel.isEmpty)
        #expect(!timer.wheelPlace.isQueued)
    }

    @Test func aDeadlineThatIsNoMoreIsForgotten() {
        var wheel = TimerWheel(now: 0)
        let timer = Timer(5 * tick)
        wheel.schedule(timer, now: 0)
        timer.deadline = .never
        #expect(passed(&wheel, to: 10 * tick).isEmpty)
        #expect(wheel.isEmpty)
        #expect(!timer.wheelPlace.isQueued)
        wheel.schedule(timer, now: 10 * tick)
        #expect(wheel.isEmpty, "what never passes is not queued")
    }

    @Test func aDeadlineThatMovesEarlierIsRescheduled() {
        var wheel = TimerWheel(now: 0)
        let timer = Timer(400 * tick)
        wheel.schedule(timer, now: 0)
        timer.deadline = Deadline(nanoseconds: 5 * tick)
        wheel.schedule(timer, now: 0)
        #expect(passed(&wheel, to: 7 * tick).isEmpty, "it is still where it was")
        wheel.reschedule(timer, now: 7 * tick)
        #expect(wheel.count == 1)
        #expect(passed(&wheel, to: 9 * tick).count == 1)
        #expect(wheel.isEmpty)
    }

    @Test func eachIsQueuedOnce() {
        var wheel = TimerWheel(now: 0)
        let timer = Timer(5 * tick)
        for _ in 0..<3 { wheel.schedule(timer, now: 0) }
        #expect(wheel.count == 1)
        #expect(passed(&wheel, to: 10 * tick).count == 1)
        #expect(passed(&wheel, to: 1000 * tick).isEmpty)
    }

    @Test func nothingIsForgottenInALongPause() {
        // However far the clock jumps, all that is due comes at once.
        for jump in [510, 511, 512, 513, 1023, 1024, 100_000] as [Int64] {
            var wheel = TimerWheel(now: 0)
            let timers = (1...511).map { Timer(Int64($0) * tick) }
            for timer in timers { wheel.schedule(timer, now: 0) }
            #expect(passed(&wheel, to: (jump + 1) * tick).count == min(511, Int(jump + 1)), "a jump of \(jump) ticks")
        }
    }

    @Test func anEmptyWheelCatchesUpWithTheClock() {
        var wheel = TimerWheel(now: 0)
        let timer = Timer(100 * second + 5 * tick)
        wheel.schedule(timer, now: 100 * second)
        #expect(passed(&wheel, to: 100 * second + 4 * tick).isEmpty)
        #expect(passed(&wheel, to: 100 * second + 7 * tick).count == 1)
    }

    @Test func randomDeadlinesPassInTime() {
        var random = Xoshiro256(seed: 11)
        var wheel = TimerWheel(now: 0)
        var waiting: [ObjectIdentifier: Timer] = [:]
        var now: Int64 = 0
        for _ in 0..<5000 {
            if Bool.random(using: &random) {
                let timer = Timer(now + Int64.random(in: 0...(8 * second), using: &random))
                waiting[ObjectIdentifier(timer)] = timer
                wheel.schedule(timer, now: now)
            } else if let timer = waiting.values.randomElement(using: &random), Bool.random(using: &random) {
                timer.deadline.nanoseconds = now + Int64.random(in: 0...(8 * second), using: &random)
                wheel.reschedule(timer, now: now)
            }
            now += Int64.random(in: 0...(5 * tick), using: &random)
            for timer in passed(&wheel, to: now) {
                #expect(timer.deadline.hasPassed(at: now))
                #expect(waiting.removeValue(forKey: ObjectIdentifier(timer)) != nil)
            }
            #expect(wheel.count == waiting.count)
            for timer in waiting.values { #expect(timer.deadline.nanoseconds > now - 2 * tick) }
        }
    }
}

@Suite struct LoopTimersTests {
    /// A driver as an event loop is one: it calls `fire` when it was asked to.
    private final class Driver {
        var now: Int64 = 0
        var armedFor: [Int64] = []
        private(set) lazy var timers = LoopTimers(
            now: { [unowned self] in now }, arm: { [unowned self] in armedFor.append(now + $0) })

        func pass(_ nanoseconds: Int64) {
            let end = now + nanoseconds
            while let next = armedFor.min(), next <= end {
                now = max(now, next)
                armedFor.removeAll { $0 == next }
                timers.fire()
            }
            now = end
        }
    }

    @Test func deadlinesPassWhenTheDriverFires() {
        let driver = Driver()
        let timer = Timer(25 * tick, now: { driver.now })
        driver.timers.schedule(timer)
        driver.pass(24 * tick)
        #expect(timer.passed == [])
        driver.pass(10 * tick)
        #expect(timer.passed.count == 1)
        #expect(timer.passed.allSatisfy { (25 * tick...27 * tick).contains($0) })
    }

    @Test func theDriverIsArmedOnceAndOnlyWhileSomethingWaits() {
        let driver = Driver()
        #expect(driver.armedFor == [])
        for _ in 0..<10 { driver.timers.schedule(Timer(5 * tick)) }
        #expect(driver.armedFor == [tick])
        driver.pass(10 * tick)
        #expect(driver.armedFor == [], "nothing is left to wait for")
        driver.timers.schedule(Timer(100 * tick))
        #expect(driver.armedFor.count == 1)
    }

    @Test func aTimerMaySetItselfAnew() {
        let driver = Driver()
        let timer = Timer(5 * tick, now: { driver.now })
        timer.onPass = { timer in
            guard timer.passed.count < 3 else { return }
            timer.deadline = Deadline(nanoseconds: driver.now + 5 * tick)
            driver.timers.schedule(timer)
        }
        driver.timers.schedule(timer)
        driver.pass(60 * tick)
        #expect(timer.passed.count == 3)
        timer.onPass = nil
    }

    @Test func aTimerMayMoveAnotherThatIsDue() {
        let driver = Driver()
        let first = Timer(5 * tick, now: { driver.now })
        let second = Timer(5 * tick, now: { driver.now })
        first.onPass = { _ in second.deadline = Deadline(nanoseconds: 20 * tick) }
        driver.timers.schedule(first)
        driver.timers.schedule(second)
        driver.pass(10 * tick)
        #expect(first.passed.count == 1)
        #expect(second.passed == [], "it has time again")
        driver.pass(20 * tick)
        #expect(second.passed.count == 1, "and is not forgotten")
        first.onPass = nil
    }

    @Test func aTimerMayCallAnotherOff() {
        let driver = Driver()
        let first = Timer(5 * tick, now: { driver.now })
        let second = Timer(5 * tick, now: { driver.now })
        first.onPass = { _ in second.deadline = .never }
        driver.timers.schedule(first)
        driver.timers.schedule(second)
        driver.pass(100 * tick)
        #expect(second.passed == [])
        #expect(!second.wheelPlace.isQueued)
        first.onPass = nil
    }

    @Test func reschedulingBringsADeadlineForward() {
        let driver = Driver()
        let timer = Timer(400 * tick, now: { driver.now })
        driver.timers.schedule(timer)
        timer.deadline = Deadline(nanoseconds: 5 * tick)
        driver.timers.reschedule(timer)
        driver.pass(10 * tick)
        #expect(timer.passed.count == 1)
    }
}
