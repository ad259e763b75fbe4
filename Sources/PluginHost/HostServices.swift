// HostServices: what plugins may ask of the gateway beyond the exchange itself. The gateway implements these.

package import Core

package enum PluginLogLevel: Int32, Sendable {
    case debug, info, warning, error
}

/// Counters and histograms that plugins define (`gh.metrics/1`). Called from any thread.
package protocol PluginMetrics: Sendable {
    /// 0 when the definition is refused.
    func defineCounter(plugin: String, name: String, help: String) -> UInt32
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32
    func add(_ metric: UInt32, _ amount: Double)
    func observe(_ metric: UInt32, _ value: Double)
}

/// One fetch of a plugin (`gh.http/1`).
package struct PluginFetch: Sendable {
    /// "judge.toxicity", who asks.
    package var plugin: String
    /// "judge", whose grants count.
    package var pluginID: String
    package var method: String
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: Bytes
    package var deadline: Deadline
    /// Hosts beyond public addresses that the plugin's manifest asks for. Only the operator grants them.
    package var askedEgress: [String]
}

package struct PluginFetchAnswer: Sendable {
    /// 0: there was no answer, and `error` says why.
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: Bytes
    package var error: String?

    package init(status: Int, headers: [(name: String, value: String)], body: Bytes, error: String? = nil) {
        self.status = status
        self.headers = headers
        self.body = body
        self.error = error
    }
}

package protocol PluginFetcher: Sendable {
    /// Starts a fetch on one of the gateway's loops. `done` runs exactly once, never inside this call. The closure that comes
    /// back cancels: `done` then gets an answer with status 0 soon.
    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void
}

/// One question of a plugin to a target (`gh.gateway/1`).
package struct PluginAsk: Sendable {
    /// "judge.score", who asks.
    package var plugin: String
    /// What it asks may be a client's words, which the mandatory guards have not seen: a client's config has made it.
    package var isClients: Bool
    /// The exchange that it asks for; nil: none.
    package var identity: ExchangeIdentity?
    /// A saved config's name, "@provider", or a config as JSON.
    package var target: String
    package var body: Bytes
    package var deadline: Deadline
}

package protocol PluginAsker: Sendable {
    /// As PluginFetcher.fetch.
    func ask(_ request: PluginAsk, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void
}

/// Where there is no gateway to ask.
package struct NoAsker: PluginAsker {
    private static let pool = BlockingPool(threads: 1)

    package init() {}

    package func ask(_ request: PluginAsk, done: @escaping @Sendable (PluginFetchAnswer) -> Void)
        -> @Sendable () -> Void
    {
        let answer = PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "the gateway is not running")
        _ = Self.pool.submit { done(answer) }
        return {}
    }
}

package struct HostServices: Sendable {
    package var version: String
    package var log:
        @Sendable (_ level: PluginLogLevel, _ plugin: String, _ message: String, _ fields: [(String, String)]) -> Void
    package var metrics: any PluginMetrics
    package var fetcher: any PluginFetcher
    package var asker: any PluginAsker
    // For trials of plugins: a host without any extension, whose tables end at a page that cannot be read.
    package var offersExtensions = true
    package var guardsTables = false
    /// What the operator granted, by plugin id.
    package var grants: [String: PluginGrants] = [:]
    /// A secret of the configuration by its name.
    package var secret: @Sendable (String) -> String? = { _ in nil }
    /// Of the generation that these are for.
    package var ledger = InstanceLedger()

    package init(
        version: String,
        log:
            @escaping @Sendable (
                _ level: PluginLogLevel, _ plugin: String, _ message: String, _ fields: [(String, String)]
            ) -> Void,
        metrics: any PluginMetrics, fetcher: any PluginFetcher, asker: any PluginAsker = NoAsker()
    ) {
        self.version = version
        self.log = log
        self.metrics = metrics
        self.fetcher = fetcher
        self.asker = asker
    }
}
