// Jobs one after another on a thread of their own, and actors there.

import Synchronization
import Testing

@testable import Core

#if canImport(Glibc)
    import Glibc
#endif

/// What jobs have left, in their order.
private final class Trace: Sendable {
    private let list = Mutex<[Int]>([])
    var all: [Int] { list.withLock { $0 } }
    func add(_ number: Int) { list.withLock { $0.append(number) } }
}

/// Held by a job, to see when it is forgotten.
private final class Token: Sendable {
    let flag: Trace
    init(_ flag: Trace) { self.flag = flag }
    deinit { flag.add(0) }
}

private actor Counter {
    private let thread: SerialThread
    private(set) var count = 0
    private var threads: Set<UInt> = []
    private var isInside = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(_ thread: SerialThread) { self.thread = thread }

    func increment() async -> UInt {
        #expect(!isInside)
        isInside = true
        count += 1
        threads.insert(pthread_self())
        isInside = false
        await Task.yield()
        threads.insert(pthread_self())
        return pthread_self()
    }

    var seen: Set<UInt> { threads }
}

@Suite(.timeLimit(.minutes(1))) struct SerialThreadTests {
    /// One that ends with the test.
    private func withThread(_ body: (SerialThread) async throws -> Void) async rethrows {
        let thread = SerialThread("test")
        defer { thread.stop() }
        try await body(thread)
    }

    @Test func jobsRunInTheirOrder() async {
        await withThread { thread in
            let trace = Trace()
            for number in 0..<10_000 { thread.run { trace.add(number) } }
            await thread.call {}
            #expect(trace.all == Array(0..<10_000))
        }
    }

    @Test func aJobThatGivesAJobDoesNotWaitForIt() async {
        await withThread { thread in
            let trace = Trace()
            await thread.call {
                thread.run { trace.add(2) }
                trace.add(1)
            }
            await thread.call { trace.add(3) }
            #expect(trace.all == [1, 2, 3])
        }
    }

    @Test func callsGiveResults() async {
        await withThread { thread in
            #expect(await thread.call { 6 * 7 } == 42)
            #expect(await thread.call { () -> String? in nil } == nil)
            let sum = await withTaskGroup(of: Int.self) { group in
                for number in 0..<1_000 { group.addTask { await thread.call { number } } }
                return await group.reduce(0, +)
            }
            #expect(sum == 499_500)
        }
    }

    @Test func allJobsRunOnOneThread() async {
        await withThread { thread in
            let first = await thread.call { pthread_self() }
            for _ in 0..<100 {
                #expect(await thread.call { pthread_self() } == first)
                await Task.yield()
            }
            await withThread { other in #expect(await other.call { pthread_self() } != first) }
        }
    }

    @Test func jobsOfManyTasksNeverMeet() async {
        await withThread { thread in
            let meeting = Meeting()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<200 { group.addTask { await thread.call { meeting.attend() } } }
            }
            #expect(meeting.most == 1)
        }
    }

    @Test func anActorRunsThereOnly() async {
        await withThread { thread in
            let own = await thread.call { pthread_self() }
            let counter = Counter(thread)
            await withTaskGroup(of: UInt.self) { group in
                for _ in 0..<200 { group.addTask { await counter.increment() } }
                for await place in group { #expect(place == own) }
            }
            #expect(await counter.count == 200)
            #expect(await counter.seen == [own])
        }
    }

    // MARK: The end

    @Test func whatWasGivenBeforeTheEndIsDone() async {
        let thread = SerialThread("test")
        let trace = Trace()
        for number in 0..<1_000 { thread.run { trace.add(number) } }
        await withUnsafeContinuation { continuation in
            thread.run { continuation.resume() }
            thread.stop()
        }
        #expect(trace.all == Array(0..<1_000))
    }

    @Test func jobsAfterTheEndAreForgotten() async throws {
        let thread = SerialThread("test")
        let trace = Trace()
        await thread.call { trace.add(1) }
        thread.stop()
        let forgotten = Trace()
        do {
            let token = Token(forgotten)
            thread.run { withExtendedLifetime(token) { trace.add(2) } }
        }
        // Nobody keeps the job, so nobody can run it.
        #expect(forgotten.all == [0])
        thread.stop()
        #expect(trace.all == [1])
    }

    @Test func aJobMayEndTheThread() async throws {
        let trace = Trace()
        let thread = SerialThread("test")
        await withUnsafeContinuation { continuation in
            thread.run {
                thread.stop()
                thread.run { trace.add(2) }
                trace.add(1)
                continuation.resume()
            }
        }
        #expect(trace.all == [1])
    }

    @Test func theThreadGoesWithItsEnd() async throws {
        weak var weakThread: SerialThread?
        do {
            let thread = SerialThread("test")
            weakThread = thread
            await thread.call {}
            thread.stop()
        }
        let deadline = Deadline.after(milliseconds: 30_000)
        while weakThread != nil, !deadline.hasPassed() { usleep(1_000) }
        #expect(weakThread == nil)
    }
}

/// How many are in it at once.
private final class Meeting: Sendable {
    private let inside = Atomic<Int>(0)
    private let peak = Atomic<Int>(0)

    func attend() {
        let count = inside.add(1, ordering: .sequentiallyConsistent).newValue
        peak.max(count, ordering: .sequentiallyConsistent)
        usleep(50)
        inside.subtract(1, ordering: .sequentiallyConsistent)
    }

    var most: Int { peak.load(ordering: .sequentiallyConsistent) }
}
