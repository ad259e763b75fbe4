// Worker: everything of one event loop. An actor whose executor is the loop, so that the data path is straight-line code which
// never leaves the loop's thread. The exchanges' tasks start here; Pipeline.swift says what they do.

import Cache
import Config
import Core
import HTTPServer
import Logging
import NIOCore
import PluginHost
import Routing
import Synchronization
import Telemetry
import Upstream
import Wire

actor Worker {
    nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated let loop: any EventLoop

    let services: GatewayServices
    let logger: Logger
    let timers: LoopTimers
    let upstream: UpstreamClient
    let runner: HookRunner
    let telemetry: LoopTelemetry
    var random = Xoshiro256()
    /// On the loop's thread only.
    nonisolated(unsafe) private(set) var snapshot: GatewaySnapshot
    /// nil without a control plane.
    nonisolated(unsafe) private(set) var directory: Directory?
    /// The Host header that was found to be this machine's last: most requests have the same.
    var knownLocalHost = ""
    /// Exchanges in progress, for the drain.
    private(set) var running = 0
    /// Tasks that wait for an exchange. A task, and the memory that its frames have grown to, serves many of them.
    private var parked: [UnsafeContinuation<Exchange?, Never>] = []
    private static let maximumParked = 256
    /// Those whose task has not begun yet.
    private var waiting: [Exchange] = []

    /// On the loop. Exchanges begin when the server hands them over.
    init(
        loop: any EventLoop, executor: LoopExecutor, services: GatewayServices, snapshot: GatewaySnapshot,
        directory: Directory?, parts: sending WorkerParts
    ) {
        self.loop = loop
        self.executor = executor
        self.services = services
        self.snapshot = snapshot
        self.directory = directory
        logger = services.logger
        timers = parts.timers
        upstream = parts.upstream
        telemetry = parts.telemetry
        runner = HookRunner(pool: services.blockingPool, timers: parts.timers) {
            [stalls = parts.telemetry, logger = services.logger] instance, nanoseconds in
            stalls.loopStalled()
            logger.warning(
                "a hook stalled its event loop",
                metadata: [
                    "check": "\(instance)", "ms": "\(nanoseconds / 1_000_000)", "clock": "\(HookRunner.stallClockName)",
                ])
        }
    }

    func adopt(_ snapshot: GatewaySnapshot) { self.snapshot = snapshot }
    func adopt(_ directory: Directory) {
        if directory.revision > self.directory?.revision ?? -1 { self.directory = directory }
    }

    /// On the loop's thread, outside of any task.
    nonisolated func begin(_ exchange: Exchange) {
        nonisolated(unsafe) let exchange = exchange
        nonisolated(unsafe) let next: Exchange? = exchange
        assumeIsolated { worker in
            worker.running += 1
            if exchange.snapshot.config.metrics.enabled { worker.telemetry.started() }
            // A task that is resumed runs when all sockets that are ready have been read: each step's code then serves many
            // requests before the next step's takes its place in the processor's caches.
            if let task = worker.parked.popLast() { return task.resume(returning: next) }
            worker.waiting.append(exchange)
            // Not a plain Task: that would start on the global pool and hop here.
            Task.immediate(executorPreference: worker.executor) { await worker.serve() }
        }
    }

    private func serve() async {
        while let exchange = await nextExchange() {
            await run(exchange)
            running -= 1
            if parked.count >= Self.maximumParked { return }
        }
    }

    private func nextExchange() async -> Exchange? {
        if let exchange = waiting.popLast() { return exchange }
        return await withUnsafeContinuation { parked.append($0) }
    }

    func dismissTasks() {
        for task in parked { task.resume(returning: nil) }
        parked = []
    }

    var isIdle: Bool { running == 0 }
}

extension LoopTimers {
    /// Waits without blocking; returns early when the client leaves.
    func sleep(nanoseconds: Int64, _ exchange: Exchange) async {
        guard nanoseconds > 0 else { return }
        let alarm = Alarm(deadline: Deadline(nanoseconds: MonotonicClock.now() + nanoseconds))
        schedule(alarm)
        exchange.whenGone { alarm.deadlinePassed() }
        await alarm.wait()
        cancel(alarm)
        exchange.whenGone(nil)
    }
}

/// A wait that ends at a deadline or earlier. Confined to its loop.
final class Alarm: Timed {
    private(set) var deadline: Deadline
    var wheelPlace = WheelPlace.none
    private var hasRung = false
    private var waiter: UnsafeContinuation<Void, Never>?

    init(deadline: Deadline) { self.deadline = deadline }

    func deadlinePassed() {
        hasRung = true
        deadline = .never
        waiter?.resume()
        waiter = nil
    }

    func wait() async {
        if !hasRung { await withUnsafeContinuation { waiter = $0 } }
    }
}

/// What a worker is made of that is confined to its loop.
struct WorkerParts {
    var timers: LoopTimers
    var upstream: UpstreamClient
    var telemetry: LoopTelemetry
}
