// The gateway's part in tests: services that remember, a loop with a clock that tests move, and exchanges to look at.

import Core
import Synchronization
import Testing
import Wire

@testable import PluginHost

/// What plugins said and defined.
final class Recorder: PluginMetrics, Sendable {
    struct Line: Sendable, Equatable {
        var level: PluginLogLevel
        var plugin: String
        var message: String
        var fields: [String]
    }

    private struct State {
        var lines: [Line] = []
        var metrics: [String] = []
        var recorded: [String] = []
    }

    private let state = Mutex(State())
    let fetcher = FakeFetcher()

    var services: HostServices {
        HostServices(
            version: "0",
            log: { level, plugin, message, fields in
                self.state.withLock { state in
                    state.lines.append(
                        Line(level: level, plugin: plugin, message: message, fields: fields.map { "\($0.0)=\($0.1)" }))
                }
            },
            metrics: self, fetcher: fetcher)
    }

    var lines: [Line] { state.withLock { $0.lines } }
    var metrics: [String] { state.withLock { $0.metrics } }
    var recorded: [String] { state.withLock { $0.recorded } }

    /// What was reported of misbehaving plugins.
    var misbehaviour: [String] {
        lines.filter { $0.level == .error && $0.message.hasPrefix("PLUGIN_MISBEHAVING: ") }.map {
            String($0.message.dropFirst(20))
        }
    }

    private func define(_ text: String) -> UInt32 {
        state.withLock { state in
            if let index = state.metrics.firstIndex(of: text) { return UInt32(index + 1) }
            state.metrics.append(text)
            return UInt32(state.metrics.count)
        }
    }

    func defineCounter(plugin: String, name: String, help: String) -> UInt32 {
        define("counter \(plugin) \(name): \(help)")
    }
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32 {
        define("histogram \(plugin) \(name): \(help) \(bounds)")
    }
    func add(_ metric: UInt32, _ amount: Double) { state.withLock { $0.recorded.append("add \(metric) \(amount)") } }
    func observe(_ metric: UInt32, _ value: Double) {
        state.withLock { $0.recorded.append("observe \(metric) \(value)") }
    }
}

/// Fetches that end when a test says so, or when they are cancelled; always on a thread of its own.
final class FakeFetcher: PluginFetcher, Sendable {
    private struct Running {
        var request: PluginFetch
        var done: (@Sendable (PluginFetchAnswer) -> Void)?
    }

    private let running = Mutex<[Running]>([])
    private let thread = BlockingPool(threads: 1)

    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        let index = running.withLock { running in
            running.append(Running(request: request, done: done))
            return running.count - 1
        }
        return { self.answer(index, PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "cancelled")) }
    }

    var requests: [PluginFetch] { running.withLock { $0.map(\.request) } }
    /// Those that nobody has ended.
    var openCount: Int { running.withLock { $0.count { $0.done != nil } } }

    func answer(_ index: Int, _ answer: PluginFetchAnswer) {
        let done = running.withLock { running in
            defer { running[index].done = nil }
            return running[index].done
        }
        if let done { _ = thread.submit { done(answer) } }
    }
}

/// An event loop whose clock stands still until a test moves it.
actor TestLoop {
    private final class Clock: Sendable {
        let time = Atomic<Int64>(1_000_000_000)
        var now: Int64 { time.load(ordering: .relaxed) }
    }

    private let clock: Clock
    private let timers: LoopTimers
    private let runner: HookRunner
    private let stallLog: StallLog

    private final class StallLog {
        var names: [String] = []
    }

    init(pool: BlockingPool = BlockingPool(threads: 4)) {
        let clock = Clock()
        let stalls = StallLog()
        self.clock = clock
        stallLog = stalls
        timers = LoopTimers(now: { clock.now }, arm: { _ in })
        runner = HookRunner(pool: pool, timers: timers) { name, _ in stalls.names.append(name) }
    }

    /// Runs a hook with so many milliseconds of the loop's time to live.
    func run(
        _ hook: Hook, on exchange: HookExchange, _ facts: ExchangeFacts? = nil, presentedBytes: Int = 100,
        within milliseconds: Int = 1000
    ) async -> Decision {
        let deadline = Deadline(nanoseconds: clock.now + Int64(milliseconds) * 1_000_000)
        exchange.prepare(facts ?? exchange.facts, deadline: deadline)
        return await runner.run(hook, on: exchange, presentedBytes: presentedBytes, by: deadline)
    }

    /// Lets time pass, a tick at a time.
    func pass(milliseconds: Int) {
        for _ in 0..<max(1, milliseconds / 10) {
            clock.time.add(10_000_000, ordering: .relaxed)
            timers.fire()
        }
    }

    /// The client leaves.
    func abandon(_ exchange: HookExchange) { exchange.abandon() }

    var stalls: [String] { stallLog.names }

    /// Does nothing; comes back only when the loop is not held up.
    func turn() {}
}

/// One instance of a test plugin with everything around it.
struct Bench {
    let instance: PluginInstance
    let probe: Probe
    let recorder: Recorder

    init(_ plugin: String = "behaviours", _ check: String = "hook", _ parameters: [(String, JSONValue)] = []) throws {
        let library = try Loaded.library(plugin)
        try self.init(library, check, parameters)
    }

    init(_ library: PluginLibrary, _ check: String, _ parameters: [(String, JSONValue)] = []) throws {
        probe = Probe()
        recorder = Recorder()
        instance = try PluginInstance.create(
            library: library, interface: .hooks, id: check, check: library.manifest.checks.first { $0.id == check },
            config: .object(JSONObject(parameters + [("probe", JSONValue(probe.address))])), services: recorder.services
        )
    }

    static func doing(
        _ what: String, _ check: String = "hook", plugin: String = "behaviours", with more: [(String, JSONValue)] = []
    ) throws -> Bench {
        try Bench(plugin, check, [("do", .string(what))] + more)
    }

    /// A script of behaviours.c, by its lines.
    static func script(_ lines: String..., check: String = "hook") throws -> Bench {
        try doing("script", check, with: [("text", .string(lines.joined(separator: "\n")))])
    }

    func exchange(_ facts: ExchangeFacts = .chat()) -> HookExchange { HookExchange(instance: instance, facts: facts) }
}

extension ExchangeFacts {
    static let chatBody =
        #"{"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Grüße, \"Ada\" 😀"}]}"#

    static func chat(_ body: String = chatBody, answer: String? = nil) -> ExchangeFacts {
        let identity = ExchangeIdentity(
            endpoint: .chatCompletions, method: "POST", path: "/v1/chat/completions", traceID: "t-1", workspace: "w",
            principal: "p",
            isStream: true, metadata: [("team", "red"), ("user", "u\"1")],
            requestHeaders: [("x-twice", "one"), ("Authorization", "Bearer s"), ("X-TWICE", "two")])
        return ExchangeFacts(
            identity: identity, model: "m",
            request: BodyView(body: Bytes(body), endpoint: .chatCompletions, isRequest: true), provider: "openai",
            target: "config.targets[1]", attempt: 2, attemptCount: 3,
            response: answer.map { BodyView(body: Bytes($0), endpoint: .chatCompletions, isRequest: false) },
            responseHeaders: answer == nil ? [] : [("X-Reply", "yes")], status: answer == nil ? nil : 200,
            usage: answer == nil ? nil : TokenUsage(prompt: 1, completion: 2, total: 3),
            finishReason: answer == nil ? nil : "stop")
    }
}

extension Decision {
    var denialStatus: Int? { if case .deny(let denial) = verdict { denial.status } else { nil } }
    var failure: String? { if case .fail(let reason) = verdict { reason } else { nil } }
}
