// PluginTrials: the tests of `gatehouse plugin check` that run a plugin's code: its life, what it does with views, an old host, odd
// texts, calls that end late, streams, and threads. Each is run in a process of its own (PluginCheckup).

import Core
import PluginHost
import Wire

struct PluginTrials {
    let directory: String
    let file: String?

    typealias Trial = @Sendable (PluginTrials) async throws -> String?

    /// In the order in which they run. Each gives what is wrong, or nil.
    static let all: [(name: String, trial: Trial)] = [
        (
            "it loads, and says the same as its manifest",
            {
                _ = try $0.load()
                return nil
            }
        ),
        ("the entry function can be called twice, and from two threads", { try await $0.entry() }),
        ("instances are created and destroyed a thousand times without growth", { try await $0.life() }),
        ("parameters of wrong types are refused, not a crash", { try await $0.wrongTypes() }),
        ("it lives in a host without extensions, whose tables end where they end", { try await $0.bareHost() }),
        ("it reads no view beyond its end", { try await $0.viewEnds() }),
        ("it keeps no view after the call", { try await $0.viewLifetimes() }),
        ("odd texts: none, zero bytes, not UTF-8, 16 MB", { try await $0.oddTexts() }),
        ("calls that end late, after cancellation or never", { try await $0.lateCalls() }),
        ("fixtures, as streams cut at every place", { try await $0.fixtures() }),
        ("eight threads find what one finds", { try await $0.threads() }),
        ("requests are built alike each time, and events stay JSON", { try await $0.provider() }),
    ]

    private func load(extensions: Bool = true, guardsTables: Bool = false) throws(WorkbenchError) -> PluginDirectory {
        try PluginDirectory(directory, library: file, offersExtensions: extensions, guardsTables: guardsTables)
    }

    // MARK: Life

    private func entry() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        let library = plugin.library
        var ids = [library.enterAgain() ?? "NULL", library.enterAgain() ?? "NULL"]
        ids += await withTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { library.enterAgain() ?? "NULL" } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let wrong = ids.first { $0 != library.manifest.id }
        return wrong.map { "a further call gave the id \"\($0)\", expected \"\(plugin.library.manifest.id)\"" }
    }

    /// Instances that can be made: with the configurations of the fixtures, else with `{}`.
    private func samples(_ plugin: PluginDirectory) throws(WorkbenchError) -> [Sample] {
        let fixtures = try Fixture.all(in: directory)
        var samples: [Sample] = []
        for check in plugin.library.manifest.checks {
            let own = fixtures.filter {
                ($0.check == check.id || check.aliases.contains($0.check)) && $0.configError == nil
            }
            for fixture in own { samples.append(Sample(check: check, config: fixture.config, fixture: fixture)) }
            if own.isEmpty, check.validate([:]) == nil {
                samples.append(Sample(check: check, config: [:], fixture: nil))
            }
        }
        return samples
    }

    private func life() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        for sample in try samples(plugin) {
            let made = await plugin.create(sample.check, sample.config)
            guard case .success = made else {
                guard sample.fixture != nil else { continue }
                return "\(sample.check.id) cannot be created with the configuration of its fixture"
            }
            for _ in 0..<200 { _ = await plugin.create(sample.check, sample.config) }
            await ControlThread.call {}
            let before = Memory.resident()
            for _ in 0..<1_000 { _ = await plugin.create(sample.check, sample.config) }
            await ControlThread.call {}
            let grown = Memory.resident() - before
            if grown > 8 << 20 { return "\(sample.check.id): a thousand instances left \(grown >> 10) KB behind" }
        }
        return nil
    }

    private func wrongTypes() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        let wrong: [JSONValue] = [nil, true, -1, 1.5, "", "\u{0}x", [], [nil], [:], ["a": ["b": []]]]
        for check in plugin.library.manifest.checks {
            for member in check.schemaDocument?["properties"]?.object?.members ?? [] {
                for value in wrong {
                    // The schema would refuse most; the plugin may not count on that.
                    _ = await plugin.createUnchecked(check, .object(JSONObject([(member.key, value)])))
                }
            }
            _ = await plugin.createUnchecked(check, [])
        }
        return nil
    }

    private func bareHost() async throws(WorkbenchError) -> String? {
        let plugin = try load(extensions: false, guardsTables: true)
        for sample in try samples(plugin) {
            // To refuse is fine.
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            _ = try await call(instance, plugin, body: sample.requestBody, answer: sample.answerBody)
        }
        return nil
    }

    // MARK: Views

    private func viewEnds() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        for sample in try samples(plugin) {
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            // The text is the body's last member, so that it ends close to the page.
            for text in ["a", "word", "x@y.example", String(repeating: "0123456789 ", count: 300)] {
                let body = try GuardedMemory(
                    Array(#"{"model":"m","messages":[{"role":"user","content":"\#(text)"}]}"#.utf8))
                _ = try await call(instance, plugin, body: body.bytes, answer: nil)
            }
            for window in try Self.windows("A text that ends at a page: word@example.org 0123") {
                _ = await streamCall(instance, plugin, window.bytes)
            }
        }
        return nil
    }

    /// The same text, as memory that ends where it ends.
    private static func windows(_ text: String) throws(WorkbenchError) -> [GuardedMemory] {
        var all: [GuardedMemory] = []
        for length in 1...text.utf8.count { all.append(try GuardedMemory(Array(text.utf8.prefix(length)))) }
        return all
    }

    private func viewLifetimes() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        for sample in try samples(plugin) {
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            for _ in 0..<3 {
                let body = try GuardedMemory(sample.requestBody.array)
                let answer = try GuardedMemory(sample.answerBody.array)
                _ = try await call(instance, plugin, body: body.bytes, answer: answer.bytes)
                // Whoever has kept a view crashes when it is used, at the next call or at the instance's end.
                body.takeAway()
                answer.takeAway()
                plugin.keep(body, answer)
            }
        }
        return nil
    }

    // MARK: Texts and time

    private func oddTexts() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        let quoted: [[UInt8]] = [
            [], Array("\\u0000\\u0000".utf8), Array(#"\ud800"#.utf8), [0xC3, 0x28, 0xFF, 0x80],
            Array(repeating: UInt8(ascii: "a"), count: 16 << 20),
            Array(String(repeating: "12@x.", count: 400_000).utf8),
            Array(String(repeating: "\\n ", count: 1_000_000).utf8),
        ]
        for sample in try samples(plugin) {
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            for (index, text) in quoted.enumerated() {
                let body =
                    Array(#"{"model":"m","messages":[{"role":"user","content":""#.utf8) + text + Array(#""}]}"#.utf8)
                let answer =
                    Array(#"{"choices":[{"index":0,"message":{"role":"assistant","content":""#.utf8) + text
                    + Array(#""}}]}"#.utf8)
                let started = MonotonicClock.now()
                _ = try await call(instance, plugin, body: Bytes(body), answer: Bytes(answer), milliseconds: 30_000)
                let seconds = Double(MonotonicClock.now() - started) / 1e9
                if seconds > 20 { return "\(sample.check.id): text \(index) took \(Int(seconds)) s" }
            }
            for body in ["", "null", "[]", "{}", #"{"messages":3}"#] {
                _ = try await call(instance, plugin, body: Bytes(body), answer: Bytes(body))
            }
        }
        return BenchLog.misbehaviour(in: plugin.log.take())
    }

    private func lateCalls() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        for sample in try samples(plugin) {
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            for mode in [BenchFetcher.Mode.failing, .slow, .afterCancellation] {
                plugin.fetcher.set(mode)
                for _ in 0..<10 {
                    _ = try await call(
                        instance, plugin, body: sample.requestBody, answer: sample.answerBody,
                        milliseconds: mode == .failing ? 500 : 20)
                }
            }
            plugin.fetcher.set(.fixture)
        }
        // Every call that was begun is completed in the end.
        let deadline = Deadline.after(milliseconds: 5_000)
        while OpenHookCalls.count > 0 {
            if deadline.hasPassed() {
                return "\(OpenHookCalls.count) calls that were begun with pend() were never completed"
            }
            try? await Task.sleep(nanoseconds: 10_000_000)
        }
        return BenchLog.misbehaviour(in: plugin.log.take())
    }

    private func fixtures() async throws(WorkbenchError) -> String? {
        var problem: String?
        try await PluginTest(directory, library: file).run(filter: nil) { result in
            if problem == nil, let found = result.problem { problem = "\(result.name): \(found)" }
        }
        return problem
    }

    private func threads() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        for sample in try samples(plugin) {
            guard case .success(let instance) = await plugin.create(sample.check, sample.config) else { continue }
            if let fixture = sample.fixture { plugin.fetcher.answer(with: fixture.fetches) }
            let first = try await call(instance, plugin, body: sample.requestBody, answer: sample.answerBody)
            let differing = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var count = 0
                        for _ in 0..<50
                        where
                            (try? await call(instance, plugin, body: sample.requestBody, answer: sample.answerBody))
                            != first
                        {
                            count += 1
                        }
                        return count
                    }
                }
                return await group.reduce(0, +)
            }
            if differing > 0 {
                return "\(sample.check.id): \(differing) of 400 calls at the same time judged otherwise than one alone"
            }
        }
        return nil
    }

    // MARK: Providers

    private func provider() async throws(WorkbenchError) -> String? {
        let plugin = try load()
        guard plugin.library.speaksForProviders else { return nil }
        for manifest in plugin.library.manifest.providers {
            guard let instance = await plugin.provider(manifest) else { continue }
            let facts = ExchangeFacts.sample(Self.chatBody, nil)
            var first: [String]?
            for _ in 0..<2 {
                let exchange = HookExchange(instance: instance.instance, facts: facts)
                exchange.prepare(facts, deadline: .never)
                let out = OutgoingRequest(method: "POST") { _ in "key" }
                let verdict = instance.build(exchange, out)
                let told =
                    ["\(verdict)", out.method, out.url, out.body?.string ?? ""]
                    + out.headers.map { "\($0.name): \($0.value)" }
                if let first, first != told { return "\(manifest.id): build() made another request the second time" }
                first = told
            }
            for text in Self.oddEvents {
                let exchange = HookExchange(instance: instance.instance, facts: facts)
                exchange.prepare(facts, deadline: .never)
                let stream = instance.openStream(exchange)
                for event in (stream.map(SSEEvent(name: "", data: Bytes(text))) ?? []) + (stream.close() ?? [])
                where !event.isDone && (try? JSONValue(parsing: event.data)) == nil {
                    return "\(manifest.id): \(text) became an event that is not JSON: \(event.data.string)"
                }
            }
        }
        return nil
    }

    private static let oddEvents = [
        "{}", "[]", "null",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\\"b\\u0000\"}}",
        "{\"type\":\"content_block_start\",\"index\":9,\"content_block\":{\"type\":\"tool_use\",\"id\":\"\\\"\",\"name\":\"\\n\",\"input\":{}}}",
        "{\"choices\":[{\"delta\":{\"content\":\"\\ud83d\\ude00\"}}]}", "{\"choices\":3}", "{\"type\":7}",
    ]

    private static let chatBody = Bytes(
        #"{"model":"m","messages":[{"role":"user","content":"Hello \"you\" 😀"}],"max_tokens":9,"temperature":0.5}"#)
}

// MARK: Calls

extension PluginTrials {
    /// Milliseconds for a call, but for those that are to be late.
    private static let patience = 5_000

    /// The hooks of one exchange, as the gateway would call them.
    private func call(
        _ instance: PluginInstance, _ plugin: PluginDirectory, body: Bytes, answer: Bytes?,
        milliseconds: Int = Self.patience
    ) async throws(WorkbenchError) -> [String] {
        let loop = BenchLoop(pool: plugin.pool)
        let facts = ExchangeFacts.sample(body, answer)
        let exchange = HookExchange(instance: instance, facts: facts)
        func judge(_ hook: Hook, _ exchange: HookExchange) async throws(WorkbenchError) -> String {
            let decision = await loop.run(hook, on: exchange, facts, .all, milliseconds: milliseconds)
            if decision.verdict == .timeout, milliseconds >= Self.patience {
                throw WorkbenchError(message: "a call was not completed within \(milliseconds) ms")
            }
            return decision.description(exchange)
        }
        var told: [String] = []
        if instance.check?.hooks.contains(.request) ?? false { told.append(try await judge(.request, exchange)) }
        if answer != nil, instance.check?.hooks.contains(.response) ?? false {
            told.append(try await judge(.response, HookExchange(instance: instance, facts: facts)))
        }
        return told
    }

    private func streamCall(_ instance: PluginInstance, _ plugin: PluginDirectory, _ text: Bytes) async -> Bool {
        guard instance.check?.hooks.contains(.stream) ?? false else { return true }
        let facts = ExchangeFacts.sample(Self.chatBody, nil)
        let exchange = HookExchange(instance: instance, facts: facts)
        let body = Bytes(#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}"#)
        guard let segment = BodyView(body: body, endpoint: .chatCompletions, isRequest: false).segments.first else {
            return false
        }
        let window = StreamWindow(segment: segment, text: text, freshFrom: 0, isLast: true, releasedTo: text.count)
        _ = await BenchLoop(pool: plugin.pool).run(.stream(window), on: exchange, facts, .all)
        return true
    }
}

extension Decision {
    fileprivate func description(_ exchange: HookExchange) -> String {
        let edits = verdict == .timeout ? [] : exchange.edits.map { "\($0.segment) \($0.range) \($0.text.string)" }
        let reports = verdict == .timeout ? [] : exchange.reports.map { "\($0.passed)" }
        return "\(verdict) \(edits) \(reports)"
    }
}

/// An instance that can be made, and something to show it.
struct Sample: Sendable {
    var check: CheckManifest
    var config: JSONValue
    var fixture: Fixture?

    var requestBody: Bytes {
        Bytes((fixture?.request ?? ["model": "m", "messages": [["role": "user", "content": "Hello, you."]]]).bytes)
    }
    var answerBody: Bytes {
        let answer: JSONValue = [
            "choices": [["index": 0, "message": ["role": "assistant", "content": "Hello to you, too."]]]
        ]
        return Bytes((fixture?.answer ?? answer).bytes)
    }
    var endpoint: Endpoint { fixture?.endpoint ?? .chatCompletions }
}
