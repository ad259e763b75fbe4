#if canImport(Glibc)
    import Glibc
#endif

/// Signals as values: a handler writes each one's number into a pipe, a thread reads it.
final class SignalPipe: Sendable {
    /// For the handler, which may take no lock.
    nonisolated(unsafe) private static var writeEnd: Int32 = -1

    private let stream: AsyncStream<Int32>
    private let continuation: AsyncStream<Int32>.Continuation

    init(_ signals: [Int32]) {
        (stream, continuation) = AsyncStream<Int32>.makeStream()
        var pair: [Int32] = [-1, -1]
        _ = pipe(&pair)
        Self.writeEnd = pair[1]
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of write(2), as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        for number in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(SignalPipe.writeEnd, &byte, 1)
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        let reading = Reading(descriptor: pair[0], continuation: continuation)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Reading>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(reading).toOpaque())
        pthread_detach(thread)
    }

    private final class Reading: Sendable {
        let descriptor: Int32
        let continuation: AsyncStream<Int32>.Continuation

        init(descriptor: Int32, continuation: AsyncStream<Int32>.Continuation) {
            self.descriptor = descriptor
            self.continuation = continuation
        }

        /// Waits a second at most, so that whoever listens can look around; 0 stands for no signal.
        func run() {
            while true {
                var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                let ready = poll(&poller, 1, 1000)
                var byte: UInt8 = 0
                if ready > 0, read(descriptor, &byte, 1) == 1 {
                    continuation.yield(Int32(byte))
                } else {
                    continuation.yield(0)
                }
            }
        }
    }

    /// The next signal, or 0 after about a second without one.
    func next() async -> Int32 {
        var iterator = stream.makeAsyncIterator()
        return await iterator.next() ?? 0
    }
}
