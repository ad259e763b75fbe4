// Extensions: the optional tables by their ids, and those that need no file of their own.

import CGatehouse
import Core
import Synchronization

enum Extensions {
    /// All that this host offers.
    static let ids: Set<String> = [
        GH_EXT_GATEWAY, GH_EXT_HTTP, GH_EXT_REGEX, GH_EXT_SCHEMA, GH_EXT_METRICS, GH_EXT_UPSTREAM,
    ]

    static func table(_ id: String) -> UnsafeRawPointer? {
        switch id {
        case GH_EXT_GATEWAY: UnsafeRawPointer(GatewayService.table)
        case GH_EXT_HTTP: UnsafeRawPointer(HTTPService.table)
        case GH_EXT_REGEX: UnsafeRawPointer(RegexService.table)
        case GH_EXT_SCHEMA: UnsafeRawPointer(SchemaService.table)
        case GH_EXT_METRICS: UnsafeRawPointer(MetricsService.table)
        case GH_EXT_UPSTREAM: UnsafeRawPointer(OutgoingRequest.table)
        default: nil
        }
    }

    /// A table that lives as long as the process.
    static func immortal<Table>(_ table: Table) -> UnsafePointer<Table> {
        let memory = UnsafeMutablePointer<Table>.allocate(capacity: 1)
        memory.initialize(to: table)
        return UnsafePointer(memory)
    }
}

/// "gh.metrics/1".
enum MetricsService {
    nonisolated(unsafe) static let table: UnsafePointer<gh_metrics> = {
        var table = gh_metrics()
        table.struct_size = structSize(gh_metrics.self)
        table.counter = { host, name, help in
            guard let context = definer(host) else { return 0 }
            return context.services.metrics.defineCounter(
                plugin: context.pluginID, name: name.string ?? "", help: help.string ?? "")
        }
        table.histogram = { host, name, help, bounds, count in
            guard let context = definer(host), count <= 64 else { return 0 }
            let bounds = Array(UnsafeBufferPointer(start: bounds, count: bounds == nil ? 0 : count))
            return context.services.metrics.defineHistogram(
                plugin: context.pluginID, name: name.string ?? "", help: help.string ?? "", bounds: bounds)
        }
        table.add = { host, metric, amount in HostCell.context(host)?.services.metrics.add(metric, amount) }
        table.observe = { host, metric, value in HostCell.context(host)?.services.metrics.observe(metric, value) }
        return Extensions.immortal(table)
    }()

    private static func definer(_ host: UnsafePointer<gh_host>?) -> HostContext? {
        guard let context = HostCell.context(host) else { return nil }
        guard context.isCreating.withLock({ $0 }) else {
            context.misbehaved("a metric was defined outside create()")
            return nil
        }
        return context
    }
}
