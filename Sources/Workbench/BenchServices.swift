// BenchServices: the gateway's part while a plugin is tried out: what it logs is kept, what it fetches is answered by the fixture.

import Core
import PluginHost
import Synchronization
import Wire

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

/// Answers by method and URL, and a target that is asked as "ASK" and its name; there is no network.
final class BenchFetcher: PluginFetcher, PluginAsker, Sendable {
    enum Mode: Sendable {
        /// As the fixture says.
        case fixture
        /// No answer, at once.
        case failing
        /// The fixture's answer when the call's time is over.
        case slow
        /// Only when it is cancelled.
        case afterCancellation
    }

    private let answers = Mutex<[Fixture.Fetch]>([])
    private let mode = Mutex(Mode.fixture)
    private let pool = BlockingPool(threads: 2)

    func answer(with fetches: [Fixture.Fetch]) { answers.withLock { $0 = fetches } }
    func set(_ mode: Mode) { self.mode.withLock { $0 = mode } }

    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        answer(request.method, request.url, done)
    }

    func ask(_ request: PluginAsk, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        answer("ASK", request.target, done)
    }

    private func answer(_ method: String, _ url: String, _ done: @escaping @Sendable (PluginFetchAnswer) -> Void)
        -> @Sendable () -> Void
    {
        let found = answers.withLock { $0.first { $0.method == method && $0.url == url } }
        let answer =
            found.map { PluginFetchAnswer(status: $0.status, headers: $0.headers, body: Bytes($0.body)) }
            ?? PluginFetchAnswer(
                status: 0, headers: [], body: .empty,
                error: "the fixture has no answer to \(method) \(url)")
        let end = Once(done)
        let pool = pool
        let failure = PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "the fetch failed")
        switch mode.withLock({ $0 }) {
        case .fixture: _ = pool.submit { end.run(answer) }
        case .failing: _ = pool.submit { end.run(failure) }
        case .slow:
            Task {
                try? await Task.sleep(nanoseconds: 60_000_000)
                _ = pool.submit { end.run(answer) }
            }
        case .afterCancellation: break
        }
        return { _ = pool.submit { end.run(failure) } }
    }

    /// The fetch has an end, and one only.
    private final class Once: Sendable {
        private let done: Mutex<(@Sendable (PluginFetchAnswer) -> Void)?>
        init(_ done: @escaping @Sendable (PluginFetchAnswer) -> Void) { self.done = Mutex(done) }
        func run(_ answer: PluginFetchAnswer) {
            let done = done.withLock { done in
                defer { done = nil }
                return done
            }
            done?(answer)
        }
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

    func run(
        _ hook: Hook, on exchange: HookExchange, _ facts: ExchangeFacts, _ scope: PresentedScope,
        milliseconds: Int = 10_000
    ) async -> Decision {
        let deadline = Deadline.after(milliseconds: milliseconds)
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

extension ExchangeFacts {
    /// An exchange on chat completions.
    static func sample(_ request: Bytes, _ answer: Bytes?) -> ExchangeFacts {
        ExchangeFacts(
            identity: ExchangeIdentity(
                endpoint: .chatCompletions, method: "POST", path: "/v1/chat/completions", traceID: "trial",
                workspace: nil,
                principal: nil, isStream: false, metadata: [], requestHeaders: []), model: "m",
            request: BodyView(body: request, endpoint: .chatCompletions, isRequest: true), provider: "trial",
            target: "config", attempt: 1, attemptCount: 1,
            response: answer.map { BodyView(body: $0, endpoint: .chatCompletions, isRequest: false) },
            status: answer == nil ? nil : 200)
    }
}
