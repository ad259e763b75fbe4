// BenchServices: the gateway's part while a plugin is tried out: what it logs is kept, what it fetches is answered by the fixture.

import Core
import PluginHost
import Synchronization

/// What plugins said.
final class BenchLog: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { if $0.count < 100 { $0.append(line) } } }
    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    /// What was done against the rules.
    static func misbehaviour(in lines: [String]) -> String? { lines.first { $0.contains("PLUGIN_MISBEHAVING") } }
}

struct BenchMetrics: PluginMetrics {
    func defineCounter(plugin: String, name: String, help: String) -> UInt32 { 1 }
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32 { 1 }
    func add(_ metric: UInt32, _ amount: Double) {}
    func observe(_ metric: UInt32, _ value: Double) {}
}

/// Answers by method and URL; there is no network.
final class BenchFetcher: PluginFetcher, Sendable {
    private let answers = Mutex<[Fixture.Fetch]>([])
    private let pool = BlockingPool(threads: 2)

    func answer(with fetches: [Fixture.Fetch]) { answers.withLock { $0 = fetches } }

    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        let found = answers.withLock { $0.first { $0.method == request.method && $0.url == request.url } }
        let answer =
            found.map { PluginFetchAnswer(status: $0.status, headers: $0.headers, body: Bytes($0.body)) }
            ?? PluginFetchAnswer(
                status: 0, headers: [], body: .empty,
                error: "the fixture has no answer to \(request.method) \(request.url)")
        _ = pool.submit { done(answer) }
        return {}
    }
}

/// Runs hooks as an event loop of the gateway does. Time passes by itself.
actor BenchLoop {
    private let timers: LoopTimers
    private let runner: HookRunner

    init(pool: BlockingPool) {
        let timers = LoopTimers(arm: { _ in })
        self.timers = timers
        runner = HookRunner(pool: pool, timers: timers) { _, _ in }
    }

    func run(_ hook: Hook, on exchange: HookExchange, _ facts: ExchangeFacts, _ scope: PresentedScope) async -> Decision
    {
        let deadline = Deadline.after(milliseconds: 10_000)
        let clock = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(nanoseconds: 20_000_000)
                await self?.tick()
            }
        }
        defer { clock.cancel() }
        exchange.prepare(facts, deadline: deadline)
        exchange.present(scope)
        return await runner.run(hook, on: exchange, presentedBytes: 0, by: deadline)
    }

    private func tick() { timers.fire() }

    /// Nanoseconds for so many calls; nil when the hook does not decide at once.
    func time(_ hook: Hook, on exchange: HookExchange, _ facts: ExchangeFacts, count: Int) -> Int64? {
        let start = MonotonicClock.now()
        for _ in 0..<count {
            exchange.prepare(facts, deadline: .never)
            guard case .decided(let decision) = runner.start(hook, on: exchange, presentedBytes: 0) else { return nil }
            if case .fail = decision.verdict { return nil }
        }
        return MonotonicClock.now() - start
    }
}
