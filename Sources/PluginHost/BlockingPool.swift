// BlockingPool: a bounded number of threads for hooks that may block, so that neither an event loop nor Swift's own pool waits.

import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Threads start when there is work for them and live as long as the process.
package final class BlockingPool: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var first = 0
        var threads = 0
        var idle = 0

        var waiting: Int { jobs.count - first }

        mutating func take() -> (@Sendable () -> Void)? {
            guard first < jobs.count else { return nil }
            let job = jobs[first]
            // What the job holds must not live on in the queue.
            jobs[first] = {}
            first += 1
            if first == jobs.count || first == 1024 {
                jobs.removeFirst(first)
                first = 0
            }
            return job
        }
    }

    private let state = Mutex(State())
    private let threadLimit: Int
    private let queueLimit: Int
    private let gate = Gate()

    /// A counting semaphore of the C library: it can be waited on without holding a Swift lock.
    private final class Gate: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        init() { sem_init(semaphore, 0, 0) }
        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }
        func post() { sem_post(semaphore) }
        func wait() { while sem_wait(semaphore) != 0 {} }
    }

    package init(threads: Int, queue: Int = 4096) {
        threadLimit = max(1, threads)
        queueLimit = queue
    }

    /// Queues a job; false when the queue is full.
    package func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        let (isAccepted, needsThread) = state.withLock { state -> (Bool, Bool) in
            guard state.waiting < queueLimit else { return (false, false) }
            state.jobs.append(job)
            guard state.idle < state.waiting, state.threads < threadLimit else { return (true, false) }
            state.threads += 1
            return (true, true)
        }
        if needsThread { startThread() }
        if isAccepted { gate.post() }
        return isAccepted
    }

    private func startThread() {
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<BlockingPool>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        if result == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged.passUnretained(self).release()
            state.withLock { $0.threads -= 1 }
        }
    }

    private func run() {
        while true {
            state.withLock { $0.idle += 1 }
            gate.wait()
            let job = state.withLock { state in
                state.idle -= 1
                return state.take()
            }
            job?()
        }
    }
}
