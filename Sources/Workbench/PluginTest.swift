// PluginTest: `gatehouse plugin test`: a plugin's fixtures, and what its checks cost.

import Core
import PluginHost
import Wire

package struct PluginTest {
    package struct Result: Sendable {
        package var name: String
        /// nil: as expected.
        package var problem: String?
    }

    private let directory: String
    private let plugin: PluginDirectory
    private let loop: BenchLoop

    /// Loads the plugin. `library`: its file where it does not lie beside the manifest.
    package init(_ directory: String, library: String? = nil) throws(WorkbenchError) {
        self.directory = directory
        plugin = try PluginDirectory(directory, library: library)
        loop = BenchLoop(pool: plugin.pool)
    }

    /// Runs all fixtures whose name or place has `filter` in it.
    package func run(filter: String?, report: (Result) -> Void) async throws(WorkbenchError) {
        for fixture in try Fixture.all(in: directory) {
            if let filter, !fixture.name.contains(filter), !fixture.place.contains(filter) { continue }
            report(Result(name: "\(fixture.place): \(fixture.name)", problem: await problem(fixture)))
        }
    }

    private func problem(_ fixture: Fixture) async -> String? {
        guard
            let check = plugin.library.manifest.checks.first(where: {
                $0.id == fixture.check || $0.aliases.contains(fixture.check)
            })
        else {
            let known = plugin.library.manifest.checks.map(\.id).joined(separator: ", ")
            return "there is no check \"\(fixture.check)\"; known are \(known)"
        }
        plugin.fetcher.answer(with: fixture.fetches)
        _ = plugin.log.take()
        let instance: PluginInstance
        switch await plugin.create(check, fixture.config) {
        case .success(let made): instance = made
        case .failure(let error):
            guard let expected = fixture.configError else {
                return
                    "the configuration was refused: \(error.errors.map { "\($0.pointer): \($0.message)" }.joined(separator: "; "))"
            }
            return error.errors.contains { $0.pointer == expected }
                ? nil : "refused at \(error.errors.map(\.pointer).joined(separator: ", ")), expected at \(expected)"
        }
        if let expected = fixture.configError { return "the configuration was taken, expected an error at \(expected)" }
        let scope: PresentedScope = fixture.config["scope"]?.string == "last" ? .last : .all
        let run = FixtureRun(plugin: plugin, fixture: fixture, loop: loop, instance: instance, scope: scope)
        let problem = await run.problem()
        return problem ?? BenchLog.misbehaviour(in: plugin.log.take())
    }

    // MARK: What it costs

    package struct Cost: Sendable {
        package var check: String
        /// Microseconds for a request with 1 KB of text in which nothing is found.
        package var microsecondsPerKilobyte: Double
        /// Megabytes a second on 32 KB.
        package var megabytesPerSecond: Double
    }

    /// Each check with `{}` or the first configuration of its fixtures; those that ask others are left out.
    package func costs() async throws(WorkbenchError) -> [Cost] {
        let fixtures = try Fixture.all(in: directory)
        var costs: [Cost] = []
        for check in plugin.library.manifest.checks where check.hooks.contains(.request) {
            let configs: [JSONValue] =
                [[:]] + fixtures.filter { $0.check == check.id && $0.configError == nil }.map(\.config)
            for config in configs {
                guard case .success(let instance) = await plugin.create(check, config) else { continue }
                if let small = await time(instance, bytes: 1 << 10), let large = await time(instance, bytes: 32 << 10) {
                    costs.append(
                        Cost(
                            check: plugin.library.manifest.id + "." + check.id, microsecondsPerKilobyte: small / 1_000,
                            megabytesPerSecond: 32_768 / large * 1_000))
                    break
                }
            }
        }
        return costs
    }

    private static let prose =
        "The gateway forwards the request to the provider and waits. When the answer comes, every guard looks at it in turn. "

    /// Nanoseconds for one call, the best of some rounds.
    private func time(_ instance: PluginInstance, bytes: Int) async -> Double? {
        var text = ""
        while text.utf8.count < bytes { text += Self.prose }
        let body: JSONValue = [
            "model": "m", "messages": [["role": "user", "content": .string(String(text.prefix(bytes)))]],
        ]
        let view = BodyView(body: Bytes(body.bytes), endpoint: .chatCompletions, isRequest: true)
        _ = view.segments
        let facts = ExchangeFacts(
            identity: ExchangeIdentity(
                endpoint: .chatCompletions, method: "POST", path: "/v1/chat/completions", traceID: "bench",
                workspace: nil,
                principal: nil, isStream: false, metadata: [], requestHeaders: []), model: "m", request: view)
        let exchange = HookExchange(instance: instance, facts: facts)
        guard let first = await loop.time(.request, on: exchange, facts, count: 1) else { return nil }
        let count = max(1, min(2_000, Int(20_000_000 / max(first, 1_000))))
        var best = Double.infinity
        for _ in 0..<5 {
            guard let time = await loop.time(.request, on: exchange, facts, count: count) else { return nil }
            best = min(best, Double(time) / Double(count))
        }
        return best
    }
}
