// CurlPoller: lets libcurl's sockets live on a SwiftNIO event loop's own thread.
//
// NIO has no public way to watch a file descriptor. So curl's sockets are in an epoll set of their own; a Linux AIO poll on that
// set signals an eventfd, and the eventfd is a NIO pipe channel: when it becomes readable, the poller asks the epoll set what is
// ready, tells curl, and arms the poll again. Three system calls per batch of upstream events, and no thread hop. Where
// io_submit is refused (some sandboxes), a companion thread waits on the epoll set in its stead.

import CCurl
import CLinux
import Core
package import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Confined to its event loop's thread: every method must be called there.
package final class CurlPoller: @unchecked Sendable {
    private let loop: any EventLoop
    private let epoll: Int32
    private let signal: Int32
    private var waiter: Waiter
    private var isArmed = false
    private var isStopped = false
    private var sockets: [Socket] = []
    private var multis: [CurlMulti] = []
    private var timer: Scheduled<Void>?
    private var timerDeadline: NIODeadline = .distantFuture
    private var timerFires: NIODeadline = .distantFuture
    private var channel: (any Channel)?
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: 256)

    /// Called with each batch of curl's callbacks, which it must run: what they resume can run after the last of them.
    package var inTurn: (_ callbacks: () -> Void) -> Void = { $0() }

    package var isBatching: () -> Bool = { false }
    private var hasBatch = false

    /// curl has been given work: a new transfer, or one that goes on.
    func workAdded() {
        if isBatching() { hasBatch = true } else { runDueTimers() }
    }

    package func startBatch() {
        // What fails at once may be started anew from in here.
        while hasBatch {
            hasBatch = false
            runDueTimers()
        }
    }

    /// How the epoll set is waited for.
    private enum Waiter {
        case aio(aio_context_t)
        case thread(CompanionThread)
    }

    /// What is known of a descriptor. The generation tells a stale event of a closed socket from one of its successor.
    private struct Socket {
        var registered: UInt32 = 0
        var wanted: UInt32 = 0
        var generation: UInt32 = 0
        /// One of the resolver's socket pairs, which curl closes without a word.
        var isLocal = false
        var owner: CurlMulti?
    }

    /// True when the companion thread is in use: worth a line in the log.
    package var usesCompanionThread: Bool { if case .thread = waiter { true } else { false } }

    package init(loop: any EventLoop, allowsAIO: Bool = true) throws {
        self.loop = loop
        epoll = linux_epoll_create()
        signal = linux_eventfd()
        guard epoll >= 0, signal >= 0 else { throw IOError(errnoCode: errno, reason: "epoll_create1 or eventfd") }
        var context: aio_context_t = 0
        if allowsAIO, linux_aio_setup(64, &context) == 0 {
            if linux_aio_poll(context, epoll, UInt32(EPOLLIN.rawValue), signal) == 1 {
                waiter = .aio(context)
                isArmed = true
                return
            }
            _ = linux_aio_destroy(context)
        }
        waiter = .thread(CompanionThread(epoll: epoll, signal: signal))
    }

    deinit { events.deallocate() }

    /// Begins to watch. The future completes when the poller is part of its loop.
    package func start() -> EventLoopFuture<Void> {
        NIOPipeBootstrap(group: loop)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Signal(self)) }
            }
            .takingOwnershipOfDescriptor(input: signal)
            .map { [self] channel in
                self.channel = channel
                arm()
            }
    }

    /// Cancels all transfers and stops watching, for good.
    package func stop() {
        guard !isStopped else { return }
        for multi in multis { multi.stop() }
        isStopped = true
        timer?.cancel()
        timer = nil
        timerDeadline = .distantFuture
        sockets.removeAll()
        if case .thread(let thread) = waiter { thread.stop() }
        if case .aio(let context) = waiter { _ = linux_aio_destroy(context) }
        channel?.close(promise: nil)
        multis.removeAll()
        close(epoll)
    }

    func add(_ multi: CurlMulti) { multis.append(multi) }

    private final class Signal: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private unowned let poller: CurlPoller
        init(_ poller: CurlPoller) { self.poller = poller }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { poller.turn() }
    }

    private func arm() {
        guard !isArmed, !isStopped else { return }
        isArmed = true
        switch waiter {
        case .aio(let context):
            linux_aio_drain(context)
            if linux_aio_poll(context, epoll, UInt32(EPOLLIN.rawValue), signal) != 1 {
                waiter = .thread(CompanionThread(epoll: epoll, signal: signal))
                isArmed = false
                arm()
            }
        case .thread(let thread): thread.arm()
        }
    }

    private func turn() {
        guard !isStopped else { return }
        isArmed = false
        inTurn { serveSockets() }
        arm()
    }

    private func serveSockets() {
        let count = epoll_wait(epoll, events, 256, 0)
        for index in 0..<Int(max(count, 0)) {
            let tag = events[index].data.u64
            let descriptor = Int(UInt32(truncatingIfNeeded: tag))
            let happened = events[index].events
            guard sockets.indices.contains(descriptor),
                sockets[descriptor].generation == UInt32(truncatingIfNeeded: tag >> 32)
            else { continue }
            guard sockets[descriptor].wanted != 0, let owner = sockets[descriptor].owner else {
                // An idle connection stirs (the peer closed it): curl finds out when it next looks, we stop listening.
                unregister(descriptor)
                continue
            }
            owner.socketReady(Int32(descriptor), happened)
        }
        runDueTimers()
    }

    // MARK: What curl asks for

    func watch(_ descriptor: Int32, _ what: Int32, for owner: CurlMulti) {
        let index = Int(descriptor)
        while sockets.count <= index { sockets.append(Socket()) }
        let wanted: UInt32 =
            switch what {
            case CURL_POLL_IN: UInt32(EPOLLIN.rawValue)
            case CURL_POLL_OUT: UInt32(EPOLLOUT.rawValue)
            case CURL_POLL_INOUT: UInt32(EPOLLIN.rawValue | EPOLLOUT.rawValue)
            default: 0
            }
        sockets[index].wanted = wanted
        sockets[index].owner = owner
        let registered = sockets[index].registered
        // A connection that goes idle stays registered for reading: the next request then needs no system call here.
        if registered == 0 { sockets[index].isLocal = linux_socket_is_local(descriptor) != 0 }
        if wanted == registered || (wanted == 0 && registered == UInt32(EPOLLIN.rawValue) && !sockets[index].isLocal) {
            return
        }
        if wanted == 0 {
            unregister(index)
            return
        }
        let tag = UInt64(sockets[index].generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        if linux_epoll_ctl(epoll, registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, wanted, tag) != 0 {
            _ = linux_epoll_ctl(epoll, registered == 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, wanted, tag)
        }
        sockets[index].registered = wanted
    }

    private func unregister(_ index: Int) {
        guard sockets[index].registered != 0 else { return }
        _ = linux_epoll_ctl(epoll, EPOLL_CTL_DEL, Int32(index), 0, 0)
        sockets[index].registered = 0
    }

    /// curl is about to close a socket: the kernel drops it from the epoll set.
    func forget(_ descriptor: Int32) {
        let index = Int(descriptor)
        guard sockets.indices.contains(index) else { return }
        sockets[index] = Socket(generation: sockets[index].generation &+ 1)
    }

    /// A multi handle's timer changed: see to it that a loop timer fires in time.
    func timersChanged() {
        guard !isStopped else { return }
        var next = NIODeadline.distantFuture
        for multi in multis { next = min(next, multi.timerDeadline) }
        timerDeadline = next
        guard next != .distantFuture else { return }
        if timer == nil {
            scheduleTimer()
        } else if next < timerFires {
            timer?.cancel()
            scheduleTimer()
        }
    }

    /// One lazy timer that arms itself again when it fires early: no heap traffic per request.
    private func scheduleTimer() {
        timerFires = timerDeadline
        timer = loop.scheduleTask(deadline: timerDeadline) { [self] in
            timer = nil
            if NIODeadline.now() >= timerDeadline { inTurn { runDueTimers() } }
            if timer == nil, timerDeadline != .distantFuture { scheduleTimer() }
        }
    }

    /// curl asks for immediate timers often: they run here, after every entry into curl, or transfers would stall.
    func runDueTimers() {
        for multi in multis { multi.runDueTimer() }
        timersChanged()
    }
}

/// Waits on an epoll set where Linux AIO is not to be had: polls it, signals the loop, and sleeps until armed again.
private final class CompanionThread: Sendable {
    private struct State {
        var isArmed = false
        var isStopped = false
    }

    private let state = Mutex(State())
    private let wake: Int32

    init(epoll: Int32, signal: Int32) {
        wake = linux_eventfd()
        var thread = pthread_t()
        let context = Context(owner: self, epoll: epoll, signal: signal)
        pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                let context = Unmanaged<Context>.fromOpaque(raw).takeRetainedValue()
                context.owner.run(epoll: context.epoll, signal: context.signal)
                return nil
            }, Unmanaged.passRetained(context).toOpaque())
        pthread_detach(thread)
    }

    private final class Context: Sendable {
        let owner: CompanionThread
        let epoll: Int32
        let signal: Int32
        init(owner: CompanionThread, epoll: Int32, signal: Int32) {
            self.owner = owner
            self.epoll = epoll
            self.signal = signal
        }
    }

    func arm() {
        state.withLock { $0.isArmed = true }
        notify()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        notify()
    }

    private func notify() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    private func run(epoll: Int32, signal: Int32) {
        linux_name_thread("gh-curl-wait")
        while true {
            let now = state.withLock { $0 }
            if now.isStopped { return }
            var descriptors = [
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
                pollfd(fd: epoll, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&descriptors, now.isArmed ? 2 : 1, -1)
            if descriptors[0].revents != 0 {
                var count: UInt64 = 0
                _ = read(wake, &count, 8)
            }
            if now.isArmed, descriptors[1].revents != 0 {
                state.withLock { $0.isArmed = false }
                var one: UInt64 = 1
                _ = write(signal, &one, 8)
            }
        }
    }
}
