// DetachedThread: a thread of the process's own, for work that blocks.

#if canImport(Glibc)
    import Glibc
#endif

package enum DetachedThread {
    private final class Body: Sendable {
        let name: StaticString
        let run: @Sendable () -> Void

        init(_ name: StaticString, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Runs `body` on a new thread; nobody waits for its end. `name`, at most 15 bytes, is what top and debuggers show.
    /// All signals are blocked there: they are for the threads that expect them, and SIGPIPE and SIGXFSZ then are errors
    /// of write(2) and nothing more. False: the system gave no thread.
    package static func start(_ name: StaticString, _ body: @escaping @Sendable () -> Void) -> Bool {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let retained = Unmanaged.passRetained(Body(name, body))
        let status = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let body = Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue()
                DetachedThread.setName(body.name)
                body.run()
                return nil
            }, retained.toOpaque())
        guard status == 0 else {
            retained.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// pthread_setname_np is not among what Glibc's overlay shows; the kernel has a file for it.
    private static func setName(_ name: StaticString) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, name.utf8Start, name.utf8CodeUnitCount)
        close(file)
    }
}
