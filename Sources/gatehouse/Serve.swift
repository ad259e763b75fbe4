import Admin
import ArgumentParser
import Config
import Core
import Gateway
import Logging
import PluginHost
import Telemetry

#if canImport(Glibc)
    import Glibc
#endif

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway until SIGTERM or SIGINT; SIGHUP reads the configuration and the plugins again.")

    @Option(name: .shortAndLong, help: "The configuration file (YAML or JSON).")
    var config: String?

    @Option(name: .shortAndLong, help: "Listen on this address, host:port or port, whatever the configuration says.")
    var listen: String?

    @Flag(help: "Allow listening beyond this machine although no keys are configured.")
    var allowPublicWithoutKeys = false

    func run() async throws {
        let loader = ConfigReader(path: config, listen: listen, allowPublicWithoutKeys: allowPublicWithoutKeys)
        let loaded: LoadedConfig
        do throws(ConfigFailure) { loaded = try loader.load() } catch {
            for line in error.warnings + error.errors { Output.error(line.description) }
            throw ExitCode(2)
        }
        let settings = loaded.snapshot.log
        let writer: LogWriter
        do throws(LogWriterError) {
            writer = try LogWriter(
                settings.file.map { .file($0) } ?? .standardError, format: LogFormat(rawValue: settings.format.rawValue)
            )
        } catch {
            Output.error("/log/file: \(error.message)")
            throw ExitCode(2)
        }
        defer { writer.shutDown() }
        let level = Logger.Level(rawValue: settings.level.rawValue) ?? .info
        let channel = writer.channel()
        var logger = Logger(
            label: "gatehouse",
            factory: { GatehouseLogHandler(label: $0, writer: writer, channel: channel, level: level) })
        logger.logLevel = level
        for warning in loaded.warnings { logger.warning("\(warning.description)") }
        Memory.tune(loops: loaded.snapshot.listen.loops)
        // Signals wait in a pipe from here on, so that one that comes during the start is not lost.
        let signals = SignalPipe([SIGTERM, SIGINT, SIGHUP])
        let gateway: Gateway
        let desk: ControlDesk?
        do {
            gateway = try Gateway(config: loaded.snapshot, logger: logger, writer: writer)
            desk = try await openDesk(gateway, loaded.snapshot, logger)
            try await gateway.start(config: loaded.snapshot)
        } catch let error as ControlError {
            writer.flush()
            Output.error(error.message)
            throw ExitCode(1)
        } catch let error as Gateway.StartError {
            writer.flush()
            Output.error(error.message)
            throw ExitCode(1)
        }
        announce(gateway, loaded.snapshot, logger)
        let upkeep = Task { await desk?.run() }
        await serve(gateway, loader, signals, logger, writer, loaded.snapshot) {
            upkeep.cancel()
            await upkeep.value
        }
        // What the last exchanges spent.
        await desk?.stop()
    }

    /// The control plane, where the configuration has one.
    private func openDesk(_ gateway: Gateway, _ config: ConfigSnapshot, _ logger: Logger) async throws(ControlError)
        -> ControlDesk?
    {
        guard config.control.enabled, let path = config.store.path else { return nil }
        let surroundings = ControlDesk.Surroundings(
            config: { gateway.config ?? config }, gateway: gateway, logger: logger)
        let desk = try ControlDesk(path: path, surroundings: surroundings)
        do throws(GatewayError) {
            if let key = try await desk.begin() { OwnerKey.tell(key) }
        } catch {
            throw ControlError(error.detail.map { "\(error.message): \($0)" } ?? error.message)
        }
        gateway.use(desk)
        return desk
    }

    private func announce(_ gateway: Gateway, _ config: ConfigSnapshot, _ logger: Logger) {
        let scheme = config.tls == nil ? "http" : "https"
        logger.notice(
            "listening", metadata: ["address": "\(scheme)://\(gateway.address)", "version": "\(HostVersion.text)"])
        if config.keys.isEmpty, !(config.control.enabled && config.control.access == .keys) {
            logger.notice("no keys are configured: anybody on this machine may use the gateway, nobody else")
        }
    }

    /// Waits for signals and for changes of the configuration and the plugins, until it is told to stop.
    private func serve(
        _ gateway: Gateway, _ loader: ConfigReader, _ signals: SignalPipe, _ logger: Logger, _ writer: LogWriter,
        _ first: ConfigSnapshot, beforeStop: () async -> Void
    ) async {
        let reloader = Reloader(gateway, loader, logger, first)
        while true {
            switch await signals.next() {
            case SIGTERM, SIGINT:
                let grace = await reloader.current.limits.shutdownGraceMilliseconds
                logger.notice("stopping", metadata: ["grace_ms": "\(grace)"])
                await beforeStop()
                let impatience = Task { await hurry(gateway, signals, logger) }
                await gateway.stop(graceMilliseconds: grace)
                impatience.cancel()
                logger.notice("stopped")
                return
            case SIGHUP:
                writer.requestReopen()
                // Not waited for: a create() that hangs must not keep the gateway from stopping.
                Task { await reloader.reload(.operatorsWish) }
            default:
                gateway.watchRetired()
                Task { await reloader.look() }
            }
        }
    }

    /// Whoever asks a second time does not want to wait.
    private func hurry(_ gateway: Gateway, _ signals: SignalPipe, _ logger: Logger) async {
        while !Task.isCancelled {
            let signal = await signals.next()
            guard signal == SIGTERM || signal == SIGINT else { continue }
            logger.notice("stopping at once")
            return gateway.hurry()
        }
    }
}
