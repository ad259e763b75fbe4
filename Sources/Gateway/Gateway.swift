// Gateway: the whole of it, put together. Start reading at Pipeline.swift for what happens to a request; here is what happens once.

package import Accounting
import Cache
package import Config
package import Core
import Digests
import HTTPServer
package import Logging
import NIOCore
import NIOPosix
import NIOSSL
package import PluginHost
package import Routing
package import Store
import Synchronization
package import Telemetry
import Upstream
import Wire

/// What all loops share.
final class GatewayServices: Sendable {
    let logger: Logger
    let metrics: GatewayMetrics
    let cache: MemoryCache
    let breakers = BreakerBoard()
    let sticky = StickyTable()
    let blockingPool: BlockingPool
    /// nil: nothing is stored.
    let requestLog: (any RequestLog)?
    let rates = RateBoard()
    let ledger = Ledger()
    let ownership = Ownership()
    /// Set before anybody asks; nil without a control plane.
    let control = Mutex<(any ControlPlane)?>(nil)
    /// Budgets that have reached what somebody wants to be told of.
    let alerts = Mutex<[BudgetAlert]>([])
    private let draining = Atomic<Bool>(false)

    init(
        logger: Logger, metrics: GatewayMetrics, cache: MemoryCache, blockingPool: BlockingPool,
        requestLog: (any RequestLog)?
    ) {
        self.requestLog = requestLog
        self.logger = logger
        self.metrics = metrics
        self.cache = cache
        self.blockingPool = blockingPool
    }

    var isDraining: Bool { draining.load(ordering: .relaxed) }
    func drain() { draining.store(true, ordering: .relaxed) }
    private let hurried = Atomic<Bool>(false)
    var isHurried: Bool { hurried.load(ordering: .relaxed) }
    func hurry() { hurried.store(true, ordering: .relaxed) }
}

package final class Gateway: Sendable {
    package struct StartError: Error, Sendable {
        package var message: String
    }

    let services: GatewayServices
    private let hostServices: HostServices
    let fetching: PluginFetching
    private let group: MultiThreadedEventLoopGroup
    private let writer: LogWriter
    private let state = Mutex<State>(State())

    private struct State {
        var workers: [Worker] = []
        var server: HTTPServer?
        var snapshot: GatewaySnapshot?
        var directory: Directory?
        /// The loops have ended, or will at once.
        var isOver = false
        var retired: [RetiredGeneration] = []
    }

    /// Makes the gateway's parts, and opens its store; `start` listens.
    package init(config: ConfigSnapshot, logger: Logger, writer: LogWriter) throws(StartError) {
        let loops = config.listen.loops > 0 ? config.listen.loops : System.coreCount
        let metrics = GatewayMetrics(loops: loops, version: HostVersion.text)
        metrics.watch(writer)
        let requestLog = try Self.openRequestLog(config.store, logger)
        if let requestLog { metrics.watch(requestLog) }
        let services = GatewayServices(
            logger: logger, metrics: metrics,
            cache: MemoryCache(
                maximumBytes: config.cache.maximumBytes, maximumEntryBytes: config.cache.maximumEntryBytes),
            blockingPool: BlockingPool(threads: config.plugins.blockingThreads), requestLog: requestLog)
        self.services = services
        self.writer = writer
        fetching = PluginFetching()
        hostServices = HostServices(
            version: HostVersion.text,
            log: { level, plugin, message, fields in
                let metadata = Logger.Metadata(
                    fields.map { ($0.0, .string($0.1)) }, uniquingKeysWith: { first, _ in first }
                )
                .merging(["plugin": .string(plugin)]) { own, _ in own }
                logger.log(level: level.logLevel, "\(message)", metadata: metadata)
            }, metrics: PluginMetering(registry: metrics.plugins, logger: logger), fetcher: fetching,
            asker: fetching)
        group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
    }

    package var port: Int { state.withLock { $0.server?.port ?? 0 } }
    package var address: String { state.withLock { $0.server?.address ?? "" } }

    // MARK: Start

    /// Loads the plugins, makes the loops and listens.
    package func start(config: ConfigSnapshot) async throws {
        await readCrashes(config)
        let snapshot = try await makeSnapshot(
            config, generation: 1, previous: nil, ports: [UInt16(clamping: config.listen.port)])
        report(snapshot.plugins)
        var workers: [Worker] = []
        var servers: [LoopServer] = []
        let connections = ConnectionCount()
        for (index, loop) in group.makeIterator().enumerated() {
            let (worker, server) = try await makeLoop(loop, index, snapshot, connections)
            workers.append(worker)
            servers.append(server)
        }
        fetching.use(workers)
        let tls = try tlsContext(config)
        let server: HTTPServer
        do {
            server = try await HTTPServer.listen(
                host: config.listen.address, port: config.listen.port, group: group, servers: servers, tls: tls,
                connections: connections)
        } catch {
            throw StartError(message: "cannot listen on \(config.listen.address):\(config.listen.port): \(error)")
        }
        state.withLock { state in
            state.workers = workers
            state.server = server
            state.snapshot = snapshot
        }
        if config.listen.port == 0 { try await adopt(config, ports: [UInt16(clamping: server.port)]) }
    }

    private func makeLoop(
        _ loop: any EventLoop, _ index: Int, _ snapshot: GatewaySnapshot, _ connections: ConnectionCount
    ) async throws -> (Worker, LoopServer) {
        let services = services
        let directory = state.withLock { $0.directory }
        let recorder = services.metrics.recorder(loop: index)
        let accessLog = AccessLog(writer: writer)
        let config = snapshot.config
        let made = try await loop.submit { () throws -> LoopParts in
            // The timers' driver: one NIO task, re-armed while somebody waits.
            let box = TimerBox()
            let timers = LoopTimers { nanoseconds in
                loop.scheduleTask(in: .nanoseconds(nanoseconds)) { box.timers?.fire() }
            }
            box.timers = timers
            let upstream = try UpstreamClient(
                loop: loop, timers: timers, limits: UpstreamLimits(config.network, config.limits))
            let executor = LoopExecutor(loop: loop)
            upstream.inTurn = { executor.turn($0) }
            upstream.isBatching = { [unowned executor] in executor.isRunning }
            executor.afterJobs = { [unowned upstream] in upstream.startBatch() }
            // Confined to this loop, on which the worker runs, too.
            nonisolated(unsafe) let parts = WorkerParts(
                timers: timers, upstream: upstream, telemetry: LoopTelemetry(metrics: recorder, accessLog: accessLog))
            let worker = Worker(
                loop: loop, executor: executor, services: services, snapshot: snapshot, directory: directory,
                parts: parts)
            let front = FrontDesk(worker)
            let server = LoopServer(
                loop: loop, handler: front, timers: timers, limits: ServerLimits(config.limits),
                connections: connections)
            return LoopParts(worker: worker, server: server, upstream: upstream)
        }.get()
        try await loop.submit { made.upstream.start() }.get().get()
        if made.usesCompanionThread {
            services.logger.notice("io_submit is refused here: upstream sockets are waited for on a companion thread")
        }
        return (made.worker, made.server)
    }

    private func tlsContext(_ config: ConfigSnapshot) throws -> NIOSSLContext? {
        guard let files = config.tls else { return nil }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificateFile).map {
                NIOSSLCertificateSource.certificate($0)
            }
            let key = try NIOSSLPrivateKey(file: files.keyFile, format: .pem)
            var settings = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            settings.minimumTLSVersion = .tlsv12
            settings.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: settings)
        } catch {
            throw StartError(
                message:
                    "the TLS certificate or key cannot be used (\(files.certificateFile), \(files.keyFile)): \(error)")
        }
    }

    private func report(_ plugins: PluginCatalogue, previous: PluginCatalogue? = nil) {
        let known = Set((previous?.libraries ?? []).map(\.sha256))
        for library in plugins.libraries where !known.contains(library.sha256) {
            services.logger.info(
                "plugin loaded",
                metadata: [
                    "id": "\(library.manifest.id)", "version": "\(library.manifest.version)",
                    "sha256": "\(library.sha256.prefix(16))", "trust": "\(library.trust.text)",
                    "checks": "\(library.manifest.checks.count)", "providers": "\(library.manifest.providers.count)",
                ])
        }
        let said = Set((previous?.refusals ?? []).map(\.text))
        for refusal in plugins.refusals where !said.contains(refusal.text) {
            services.logger.error(
                "plugin refused", metadata: ["file": "\(refusal.file)", "reason": "\(refusal.reason)"])
        }
    }

    // MARK: Snapshots

    private func makeSnapshot(
        _ config: ConfigSnapshot, generation: Int, previous: GatewaySnapshot?, ports: [UInt16],
        unlessUnchanged: Bool = false
    ) async throws -> GatewaySnapshot {
        let hostServices = hostServices
        let plugins = await ControlThread.call {
            PluginCatalogue.load(PluginLoader.Settings(config), services: hostServices, previous: previous?.plugins)
        }
        services.metrics.pluginGenerationsResident(plugins.resident.count)
        if let previous {
            if unlessUnchanged, plugins.fingerprint == previous.plugins.fingerprint { return previous }
            // At the start a plugin that cannot be loaded is missing, and said so. Later there is something better to go on with.
            let known = Set(previous.plugins.refusals.map(\.text))
            let fresh = plugins.refusals.map(\.text).filter { !known.contains($0) }
            guard fresh.isEmpty else { throw StartError(message: fresh.joined(separator: "\n")) }
        }
        let snapshot = GatewaySnapshot(
            config: config, plugins: plugins, services: hostServices, generation: generation, ports: ports)
        let problems = await ControlThread.call { snapshot.problems() }
        guard problems.isEmpty else {
            // Most likely to blame: plugins that are missing, or that came with this reload.
            let suspects = previous.map {
                plugins.changed(since: $0.plugins).map { "with \($0), which is new or changed:" }
            }
            throw StartError(
                message: ((suspects ?? plugins.refusals.map(\.text)) + problems).joined(separator: "\n"))
        }
        return snapshot
    }

    /// Loads plugins, makes every plan of the file, and swaps all of it in; or throws and changes nothing.
    package func reload(_ config: ConfigSnapshot) async throws {
        _ = try await counted { try await adopt(config, ports: [UInt16(clamping: port)]) }
    }

    /// The same for the plugins only. False when their files are what they were.
    package func reloadPlugins() async throws -> Bool {
        guard let config = state.withLock({ $0.snapshot?.config }) else { return false }
        return try await counted {
            try await adopt(config, ports: [UInt16(clamping: port)], unlessUnchanged: true)
        }
    }

    private func counted(_ reload: () async throws -> Bool) async throws -> Bool {
        do {
            let isNew = try await reload()
            if isNew { services.metrics.configReloaded(succeeded: true) }
            return isNew
        } catch {
            services.metrics.configReloaded(succeeded: false)
            throw error
        }
    }

    @discardableResult
    private func adopt(
        _ config: ConfigSnapshot, ports: [UInt16], unlessUnchanged: Bool = false
    ) async throws -> Bool {
        let previous = state.withLock { $0.snapshot }
        let snapshot = try await makeSnapshot(
            config, generation: (previous?.generation ?? 0) + 1, previous: previous, ports: ports,
            unlessUnchanged: unlessUnchanged)
        if snapshot === previous { return false }
        if let previous {
            report(snapshot.plugins, previous: previous.plugins)
            adoptStore(config.store, previous: previous.config.store)
        }
        let workers = state.withLock { state in
            state.snapshot = snapshot
            if let previous {
                state.retired.append(
                    RetiredGeneration(
                        number: previous.generation, ledger: previous.services.ledger,
                        limit: .after(milliseconds: config.plugins.retireGraceMilliseconds)))
            }
            return state.workers
        }
        for worker in workers { await worker.adopt(snapshot) }
        return true
    }

    // MARK: The control plane

    package var rates: RateBoard { services.rates }
    package var ledger: Ledger { services.ledger }
    package var ownership: Ownership { services.ownership }
    package var requestLog: (any RequestLog)? { services.requestLog }

    /// Who answers on the reserved paths.
    package func use(_ control: any ControlPlane) { services.control.withLock { $0 = control } }

    /// What is stored, now. All loops have it when this returns.
    package func adopt(_ directory: Directory) async {
        let workers = state.withLock { state in
            state.directory = directory
            return state.isOver ? [] : state.workers
        }
        for worker in workers { await worker.adopt(directory) }
    }

    /// The configuration in force; nil before the start.
    package var config: ConfigSnapshot? { state.withLock { $0.snapshot?.config } }

    /// The slugs for which there is an adapter.
    package var providerSlugs: [String] { state.withLock { $0.snapshot?.plugins.providerSlugs ?? [] } }

    /// Throws what is wrong with a config that is to be stored. Its plan is made and thrown away.
    package func check(config document: JSONValue, tenant: Tenant?) async throws(GatewayError) {
        guard let snapshot = state.withLock({ $0.snapshot }) else { return }
        let name = "new"
        let trial = Tenant(
            slug: tenant?.slug ?? "", revision: -1, providers: tenant?.providers ?? [:],
            virtualKeys: tenant?.virtualKeys ?? [:], guardrails: tenant?.guardrails ?? [:],
            configs: [name: StoredConfig(version: 1, document: document)])
        let found = await ControlThread.call { () -> GatewayError? in
            do throws(GatewayError) {
                var inputs = PlanInputs()
                inputs.config = name
                _ = try PlanBuilder(snapshot, tenant: trial, allowInline: AllowInline(), keyConfig: nil).plan(
                    for: inputs)
                return nil
            } catch {
                // Features only: the request names the provider.
                return error.kind == .invalidRequest ? nil : error
            }
        }
        if let found { throw found }
    }

    /// The same for a guardrail.
    package func check(guardrail document: JSONValue) async throws(GatewayError) {
        guard let snapshot = state.withLock({ $0.snapshot }),
            let group = RequestConfigParser.stored(guardrail: "new", document).group
        else { return }
        let found = await ControlThread.call { () -> GatewayError? in
            let builder = GuardBuilder(snapshot: snapshot, file: snapshot.config, allowInline: AllowInline())
            do throws(GatewayError) { try builder.check(group) } catch { return error }
            return nil
        }
        if let found { throw found }
    }

    package func takeAlerts() -> [BudgetAlert] {
        services.alerts.withLock { alerts in
            defer { alerts = [] }
            return alerts
        }
    }

    // MARK: Old generations

    /// A generation that exchanges may still be on. Only its ledger is kept.
    private struct RetiredGeneration {
        var number: Int
        var ledger: InstanceLedger
        /// When it is said that it is still there.
        var limit: Deadline
        var isSaid = false
    }

    /// Looks after replaced generations; to be called now and then. Those that are still held after the grace time are as good as leaked:
    /// a call into them has not ended. They are destroyed if it ever does.
    package func watchRetired() {
        let (late, held) = state.withLock { state -> ([RetiredGeneration], Int) in
            state.retired.removeAll { $0.ledger.count == 0 }
            var late: [RetiredGeneration] = []
            for index in state.retired.indices
            where !state.retired[index].isSaid && state.retired[index].limit.hasPassed() {
                state.retired[index].isSaid = true
                late.append(state.retired[index])
            }
            return (late, state.retired.reduce(0) { $0 + $1.ledger.count })
        }
        services.metrics.pluginInstancesRetired(held)
        for generation in late {
            services.logger.warning(
                "instances of a replaced generation are still in use",
                metadata: [
                    "generation": "\(generation.number)",
                    "instances": "\(generation.ledger.names.joined(separator: ", "))",
                ])
        }
    }

    // MARK: Crashes

    /// Says how the last process ended, where that was not in order, and marks the calls of this one.
    private func readCrashes(_ config: ConfigSnapshot) async {
        let directory = config.plugins.stateDirectory ?? PluginLoader.Settings.defaultStateDirectory
        let logger = services.logger
        for end in await ControlThread.call({ CrashRecords.collect(in: directory) }) {
            switch end {
            case .inPlugin(let record):
                logger.error(
                    "the gateway died inside of a plugin",
                    metadata: [
                        "plugin": "\(record.plugin)", "version": "\(record.version)", "hook": "\(record.call)",
                        "signal": "\(record.signal)", "sha256": "\(record.sha256.prefix(16))", "time": "\(record.time)",
                        "after_crash": "\(config.plugins.afterCrash.rawValue)",
                    ])
            case .elsewhere(let signal):
                logger.error("the gateway died outside of its plugins", metadata: ["signal": "\(signal)"])
            case .silent(let running):
                logger.warning(
                    "the gateway was ended without a word while plugins ran",
                    metadata: ["running": "\(running.map { "\($0.call) of \($0.plugin)" }.joined(separator: ", "))"])
            }
        }
        let refusal = await ControlThread.call { () -> FileRefusal? in
            do throws(FileRefusal) { try CrashRecords.begin(in: directory) } catch { return error }
            return nil
        }
        if let refusal {
            logger.warning("calls of plugins are not marked", metadata: ["reason": "\(refusal.message)"])
        }
    }

    // MARK: Stop

    /// Ends the grace of a stop.
    package func hurry() { services.hurry() }

    /// Stops accepting, lets what runs finish within `grace`, then closes the rest.
    package func stop(graceMilliseconds: Int) async {
        services.drain()
        let (server, workers) = state.withLock { ($0.server, $0.workers) }
        await server?.drain()
        let deadline = Deadline.after(milliseconds: graceMilliseconds)
        while !deadline.hasPassed(), !services.isHurried {
            var isIdle = true
            for worker in workers where !(await worker.isIdle) { isIdle = false }
            if isIdle && (server?.openConnections ?? 0) == 0 { break }
            try? await Task.sleep(for: .milliseconds(20))
        }
        server?.closeAll()
        state.withLock { $0.isOver = true }
        for worker in workers { await worker.stop() }
        try? await group.shutdownGracefully()
        await closeRequestLog()
        CrashMarker.close()
    }
}

/// Hands values that are confined to a loop from the closure that made them to the one that uses them, both on that loop.
private struct LoopParts: @unchecked Sendable {
    let worker: Worker
    let server: LoopServer
    let upstream: UpstreamClient
    var usesCompanionThread: Bool { upstream.usesCompanionThread }
}

private final class TimerBox: @unchecked Sendable {
    var timers: LoopTimers?
}

extension Worker {
    func stop() {
        dismissTasks()
        upstream.stop()
    }
}

/// Between the server and the worker: reads the head, decides how the body is taken in, and begins the exchange. Confined to its loop.
final class FrontDesk: ExchangeHandler {
    private unowned let worker: Worker

    init(_ worker: Worker) { self.worker = worker }

    private var snapshot: GatewaySnapshot { worker.snapshot }

    func bodyMode(for client: ServerExchange) -> BodyMode {
        let exchange = makeExchange(client)
        client.context = exchange
        let limits = snapshot.config.limits
        guard case .success(let recognised) = exchange.recognised else { return .ignored }
        switch recognised {
        case .endpoint, .proxy, .reserved: if !worker.admits(exchange) { return .ignored }
        default: break
        }
        switch recognised {
        case .endpoint(.models), .endpoint(.proxy), .proxy:
            let type = exchange.headers.contentType
            // Neither length nor coding: there is no body (RFC 9112, 6.3).
            if client.head.value("content-length") == nil, client.head.value("transfer-encoding") == nil {
                return .buffered(limit: limits.bodyBytes)
            }
            if type == nil || type?.hasPrefixIgnoringCase("application/json") == true {
                return .buffered(limit: limits.bodyBytes)
            }
            return .streamed(limit: limits.uploadBytes)
        case .endpoint, .reserved: return .buffered(limit: limits.bodyBytes)
        default: return .ignored
        }
    }

    private func makeExchange(_ client: ServerExchange) -> Exchange {
        let headers = RequestHeaders(client.head.headers)
        do throws(GatewayError) {
            let path = try CanonicalPath(target: client.head.target)
            let recognised = RouteTable.recognise(method: client.head.method, path)
            return Exchange(
                client: client, snapshot: snapshot, directory: worker.directory, headers: headers,
                recognised: .success(recognised), path: path)
        } catch {
            return Exchange(
                client: client, snapshot: snapshot, directory: worker.directory, headers: headers,
                recognised: .failure(error), path: nil)
        }
    }

    func handle(_ client: ServerExchange) {
        guard let exchange = client.context as? Exchange else { return }
        client.context = nil
        client.onClose = { [unowned exchange] in exchange.clientLeft() }
        if client.isStreamed { stream(client, into: exchange) }
        worker.begin(exchange)
    }

    /// A body that is passed on while it arrives.
    private func stream(_ client: ServerExchange, into exchange: Exchange) {
        let length = client.head.value("content-length").flatMap { Int($0) }
        let upload = UploadBody(length: length)
        upload.onDrain = { [unowned client] in client.setReading(true) }
        exchange.upload = upload
        client.stream { [unowned client, unowned exchange] event in
            switch event {
            case .piece(let piece):
                exchange.record.bytesIn += piece.count
                upload.append(piece)
                if upload.isFull { client.setReading(false) }
            case .end: upload.end()
            case .aborted(let error):
                exchange.uploadError = error
                upload.abort()
            }
        }
    }

    func connectionOpened() { worker.assumeIsolated { $0.telemetry.connectionOpened() } }
    func connectionClosed() { worker.assumeIsolated { $0.telemetry.connectionClosed() } }

    func refusal(_ error: GatewayError, target: String) -> (headers: [(name: String, value: String)], body: Bytes) {
        let record = ExchangeRecord(method: "-", path: "-", status: error.status)
        record.errorKind = error.kind
        let traceID = worker.assumeIsolated { $0.random.uuid() }
        record.traceID = traceID
        worker.recordRefusal(record)
        let endpoint: Endpoint? = target.hasPrefix("/v1/messages") ? .messages : nil
        return (
            [("content-type", "application/json"), ("x-portkey-trace-id", traceID)],
            ErrorShape.body(error, for: endpoint, requestID: traceID)
        )
    }
}

extension UpstreamLimits {
    init(_ network: Network, _ limits: Limits) {
        self.init()
        connectTimeoutMilliseconds = network.connectTimeoutMilliseconds
        allowsHTTP2 = network.http2
        caFile = network.caFile
        caDirectory = network.caDirectory
        proxy = network.proxy
        noProxy = network.noProxy
        decompressionRatio = limits.decompressionRatio
        maximumIdleConnections = network.maximumIdleConnections
    }
}

extension ServerLimits {
    init(_ limits: Limits) {
        self.init()
        headerBytes = limits.headerBytes
        headerCount = limits.headerCount
        headerTimeoutMilliseconds = limits.headerTimeoutMilliseconds
        bodyTimeoutMilliseconds = limits.bodyTimeoutMilliseconds
        idleTimeoutMilliseconds = limits.idleTimeoutMilliseconds
        connections = limits.connections
        pipelined = limits.pipelined
    }
}

extension PluginLoader.Settings {
    package init(_ config: ConfigSnapshot) {
        self.init(stateDirectory: config.plugins.stateDirectory ?? Self.defaultStateDirectory)
        directories = config.plugins.directories
        providerDirectories = config.plugins.providerDirectories
        pins = config.plugins.pins
        disabled = Set(config.plugins.disabled)
        trust.allowsUnsigned = config.plugins.allowUnsigned
        trust.keys = config.plugins.trustedKeys.sorted { $0.key < $1.key }.compactMap { name, hex in
            Ed25519.PublicKey(hex: hex).map { (name, $0) }
        }
        guard config.plugins.afterCrash == .disable else { return }
        crashed = Dictionary(
            CrashRecords.read(stateDirectory).map { ($0.sha256, $0) }, uniquingKeysWith: { _, last in last })
    }
}

extension PluginLoader.Settings {
    /// XDG's state directory, or one in /var/lib for root.
    package static var defaultStateDirectory: String {
        if let state = Environment.value(of: "XDG_STATE_HOME"), !state.isEmpty { return state + "/gatehouse" }
        if let home = Environment.value(of: "HOME"), !home.isEmpty { return home + "/.local/state/gatehouse" }
        return "/var/lib/gatehouse"
    }
}

extension Gateway {
    /// What `gatehouse check` finds beyond the configuration file itself.
    package struct CheckReport: Sendable {
        package var plugins: Int
        package var refusals: [PluginRefusal]
        package var problems: [String]
    }

    /// Loads the plugins and makes every plan, without listening.
    package static func check(_ config: ConfigSnapshot) async -> CheckReport {
        let services = idleServices
        return await ControlThread.call {
            let plugins = PluginCatalogue.load(PluginLoader.Settings(config), services: services)
            let snapshot = GatewaySnapshot(
                config: config, plugins: plugins, services: services, generation: 1, ports: [])
            return CheckReport(
                plugins: plugins.libraries.count, refusals: plugins.refusals, problems: snapshot.problems())
        }
    }

    package static func catalogue(_ config: ConfigSnapshot) async -> PluginCatalogue {
        let services = idleServices
        return await ControlThread.call { PluginCatalogue.load(PluginLoader.Settings(config), services: services) }
    }

    /// For plugins that are looked at and not used.
    private static var idleServices: HostServices {
        HostServices(version: HostVersion.text, log: { _, _, _, _ in }, metrics: IdleMetrics(), fetcher: IdleFetcher())
    }
}

private struct IdleMetrics: PluginHost.PluginMetrics {
    func defineCounter(plugin: String, name: String, help: String) -> UInt32 { 1 }
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32 { 1 }
    func add(_ metric: UInt32, _ amount: Double) {}
    func observe(_ metric: UInt32, _ value: Double) {}
}

private struct IdleFetcher: PluginFetcher {
    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        ControlThread.run {
            done(PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "the gateway is not running"))
        }
        return {}
    }
}

extension PluginRefusal {
    fileprivate var text: String { "\(file): \(reason)" }
}

extension PluginLogLevel {
    fileprivate var logLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

/// gh.metrics/1 on the gateway's registry.
private struct PluginMetering: PluginHost.PluginMetrics {
    let registry: Telemetry.PluginMetrics
    let logger: Logger

    func defineCounter(plugin: String, name: String, help: String) -> UInt32 {
        number(plugin) { () throws(MetricRefusal) in try registry.counter(plugin: plugin, name: name, help: help) }
    }
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32 {
        number(plugin) { () throws(MetricRefusal) in
            try registry.histogram(plugin: plugin, name: name, help: help, bounds: bounds)
        }
    }
    private func number(_ plugin: String, _ define: () throws(MetricRefusal) -> UInt32) -> UInt32 {
        do throws(MetricRefusal) { return try define() } catch {
            logger.error(
                "a plugin's metric was refused", metadata: ["plugin": "\(plugin)", "reason": "\(error.message)"])
            return 0
        }
    }
    func add(_ metric: UInt32, _ amount: Double) { registry.add(metric, amount) }
    func observe(_ metric: UInt32, _ value: Double) { registry.observe(metric, value) }
}
