// SerialThread: jobs that block, one after another on a thread of their own; an actor's executor, too.

#if canImport(Glibc)
    import Glibc
#endif

package final class SerialThread: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Guarded by `mutex`.
    private var jobs: [@Sendable () -> Void] = []
    private var isStopped = false

    /// The thread lives until `stop`.
    package init(_ name: StaticString) {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        let isStarted = DetachedThread.start(name) { self.run() }
        precondition(isStarted, "the system gave no thread")
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Jobs that are given after `stop` are forgotten.
    package func run(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        if !isStopped { jobs.append(job) }
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits for the job's result without holding a thread. Not to be called after `stop`.
    package func call<Value: Sendable>(_ job: @escaping @Sendable () -> Value) async -> Value {
        await withUnsafeContinuation { continuation in
            run { continuation.resume(returning: job()) }
        }
    }

    /// Ends the thread when it has done what it was given.
    package func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func run() {
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty, !isStopped { pthread_cond_wait(condition, mutex) }
            let batch = jobs
            jobs = []
            let isDone = batch.isEmpty
            pthread_mutex_unlock(mutex)
            if isDone { return }
            for job in batch { job() }
        }
    }
}

extension SerialThread: SerialExecutor {
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        run { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
