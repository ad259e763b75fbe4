// Reloader: when to read configuration and plugins again. One reload at a time; what is asked for meanwhile is done once, afterwards.

import Config
import Core
import Gateway
import Logging

actor Reloader {
    /// Why to reload; the greater does what the lesser would.
    enum Cause: Int, Comparable {
        case changedPlugins, changedConfig, operatorsWish

        static func < (left: Cause, right: Cause) -> Bool { left.rawValue < right.rawValue }
    }

    /// In seconds: then the log says that a reload hangs.
    private static let patienceLimit = 30

    private(set) var current: ConfigSnapshot
    private let gateway: Gateway
    private let loader: ConfigReader
    private let logger: Logger
    private var files: FileWatch
    private var plugins: DirectoryWatch?
    private var wanted: Cause?
    private var isRunning = false
    /// Looks that the running reload has lasted.
    private var patience = 0

    init(_ gateway: Gateway, _ loader: ConfigReader, _ logger: Logger, _ config: ConfigSnapshot) {
        self.gateway = gateway
        self.loader = loader
        self.logger = logger
        current = config
        files = FileWatch(config.files)
        plugins = Self.watch(config, logger)
    }

    /// To be called about once a second: reloads what has changed since.
    func look() async {
        if isRunning {
            patience += 1
            if patience == Self.patienceLimit {
                logger.warning(
                    "a reload does not come to its end; the old plugins and configuration stay",
                    metadata: ["reason": "create() of a plugin hangs, or there is too much to make"])
            }
        }
        if files.hasChanged() {
            await reload(.changedConfig)
        } else if plugins?.hasSettled() ?? false {
            await reload(.changedPlugins)
        }
    }

    func reload(_ cause: Cause) async {
        wanted = max(wanted ?? cause, cause)
        guard !isRunning else { return }
        isRunning = true
        patience = 0
        while let cause = wanted {
            wanted = nil
            if cause == .changedPlugins { await reloadPlugins() } else { await reloadAll(cause) }
        }
        isRunning = false
    }

    private func reloadAll(_ cause: Cause) async {
        do {
            let loaded = try loader.load()
            files = FileWatch(loaded.snapshot.files)
            guard cause == .operatorsWish || loaded.snapshot.contentHash != current.contentHash else { return }
            for warning in loaded.warnings { logger.warning("\(warning.description)") }
            // The old watch goes on where it can: a new one would miss what happens meanwhile.
            let isSame = Self.watched(loaded.snapshot) == Self.watched(current)
            let watch = isSame ? plugins : Self.watch(loaded.snapshot, logger)
            try await gateway.reload(loaded.snapshot)
            current = loaded.snapshot
            plugins = watch
            logger.notice("configuration reloaded")
        } catch let error as ConfigFailure {
            logger.error(
                "the new configuration is not valid; the old one stays", metadata: ["errors": "\(error.description)"])
        } catch let error as Gateway.StartError {
            logger.error(
                "the new configuration cannot be used; the old one stays", metadata: ["errors": "\(error.message)"])
        } catch {
            logger.error("the new configuration cannot be used; the old one stays", metadata: ["errors": "\(error)"])
        }
    }

    private func reloadPlugins() async {
        do {
            if try await gateway.reloadPlugins() { logger.notice("plugins reloaded") }
        } catch {
            let message = (error as? Gateway.StartError)?.message ?? "\(error)"
            logger.error("the changed plugins cannot be used; the old ones stay", metadata: ["errors": "\(message)"])
        }
    }

    private static func watched(_ config: ConfigSnapshot) -> [String]? {
        config.plugins.watch ? config.plugins.directories + config.plugins.providerDirectories : nil
    }

    /// nil when plugins are not to be watched, or cannot be.
    private static func watch(_ config: ConfigSnapshot, _ logger: Logger) -> DirectoryWatch? {
        guard let directories = watched(config) else { return nil }
        if let watch = DirectoryWatch(directories) { return watch }
        logger.warning("plugin directories cannot be watched; SIGHUP reads them again")
        return nil
    }
}
