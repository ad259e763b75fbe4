// LoopExecutor: runs Swift concurrency's jobs on a NIO event loop. A job that is enqueued on the loop's own thread costs an array
// append; the array is emptied at the end of the turn. From other threads a job goes through a lock and wakes the loop.

import NIOCore
import Synchronization

final class LoopExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private let loop: any EventLoop
    // Confined to the loop.
    private var jobs: [UnownedJob] = []
    private(set) var isRunning = false
    private var isScheduled = false
    private var isInTurn = false
    private let remote = Mutex<[UnownedJob]>([])
    /// Called when the jobs of a turn have run; it may queue more.
    var afterJobs: () -> Void = {}

    init(loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if loop.inEventLoop {
            jobs.append(job)
            schedule()
        } else {
            let isFirst = remote.withLock { queue in
                queue.append(job)
                return queue.count == 1
            }
            if isFirst { loop.execute { self.takeRemote() } }
        }
    }

    private func schedule() {
        guard !isRunning, !isInTurn, !isScheduled else { return }
        isScheduled = true
        loop.execute {
            self.isScheduled = false
            self.run()
        }
    }

    private func takeRemote() {
        jobs.append(
            contentsOf: remote.withLock { queue in
                let taken = queue
                queue = []
                return taken
            })
        run()
    }

    /// Runs what `body` queues when it is over, instead of with a further event of the loop.
    func turn(_ body: () -> Void) {
        guard !isInTurn, !isRunning else { return body() }
        isInTurn = true
        body()
        isInTurn = false
        run()
    }

    /// Runs what is queued, and what that queues.
    private func run() {
        guard !isRunning else { return }
        isRunning = true
        while !jobs.isEmpty {
            var index = 0
            while index < jobs.count {
                jobs[index].runSynchronously(
                    isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
                index += 1
            }
            jobs.removeAll(keepingCapacity: true)
            afterJobs()
        }
        isRunning = false
    }

    func checkIsolated() { loop.preconditionInEventLoop() }
    func isIsolatingCurrentContext() -> Bool? { loop.inEventLoop }
    func isSameExclusiveExecutionContext(other: LoopExecutor) -> Bool { self === other }
}
