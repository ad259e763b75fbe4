// PluginMetrics: counters and histograms that plugins define (gh.metrics/1, include/gatehouse/ext/metrics.h).
//
// A plugin gets a number for each metric when an instance is made, and records by that number from any thread: a look
// into a table that only grows, and an atomic add. Definitions stay until the process ends, as Prometheus expects of
// a counter; a new generation of the plugin that defines the same metric goes on with it.

import Synchronization

package final class PluginMetrics: Sendable {
    private let registry: Metrics
    private let limit: Int
    private let limitPerPlugin: Int
    private let table: Table
    private let definitions = Mutex<[Definition]>([])

    private struct Definition {
        let plugin: String
        let family: MetricFamily
    }

    /// A pointer to the series for each number from 1; the registry keeps them alive.
    private final class Table: @unchecked Sendable {
        let slots: UnsafeMutablePointer<Atomic<UInt>>
        let count: Int

        init(count: Int) {
            self.count = count
            slots = .allocate(capacity: count)
            for index in 0..<count { (slots + index).initialize(to: Atomic(0)) }
        }

        deinit { slots.deallocate() }

        func series(_ number: UInt32) -> MetricSeries? {
            guard number > 0, number < count else { return nil }
            let bits = slots[Int(number)].load(ordering: .acquiring)
            return UnsafeRawPointer(bitPattern: bits).map { Unmanaged.fromOpaque($0).takeUnretainedValue() }
        }
    }

    package init(registry: Metrics, limit: Int = 1024, limitPerPlugin: Int = 64) {
        self.registry = registry
        self.limit = limit
        self.limitPerPlugin = limitPerPlugin
        table = Table(count: limit + 1)
    }

    /// The number of a counter of this plugin's. `name` is [a-z][a-z0-9_]*; on /metrics it is
    /// gatehouse_plugin_<plugin id>_<name>.
    package func counter(plugin: String, name: String, help: String) throws(MetricRefusal) -> UInt32 {
        try define(plugin, name, help, .realCounter, [])
    }

    /// The number of a histogram of this plugin's. `bounds` are the buckets' ascending upper ends, at most 64.
    package func histogram(
        plugin: String, name: String, help: String, bounds: [Double]
    ) throws(MetricRefusal) -> UInt32 {
        guard bounds.count <= 64 else { throw MetricRefusal("a histogram has at most 64 bounds, not \(bounds.count)") }
        return try define(plugin, name, help, .histogram, bounds)
    }

    private func define(
        _ plugin: String, _ name: String, _ help: String, _ kind: MetricFamily.Kind, _ bounds: [Double]
    ) throws(MetricRefusal) -> UInt32 {
        guard let first = name.utf8.first, (0x61...0x7A).contains(first), name.utf8.count <= 100,
            name.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F })
        else { throw MetricRefusal("'\(name.prefix(100))' is no name for a metric: [a-z][a-z0-9_]*") }
        let id = String(plugin.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        let full = "gatehouse_plugin_\(id)_\(name)"
        let help = String(help.prefix(200))
        let outcome: Result<UInt32, MetricRefusal> = definitions.withLock {
            definitions -> Result<UInt32, MetricRefusal> in
            if let index = definitions.firstIndex(where: { $0.family.name == full }) {
                let known = definitions[index]
                guard known.plugin == plugin, known.family.kind == kind, known.family.bounds == bounds else {
                    return .failure(MetricRefusal("\(full) is defined already, as something else or with other bounds"))
                }
                return .success(UInt32(index + 1))
            }
            guard definitions.count < limit, definitions.count(where: { $0.plugin == plugin }) < limitPerPlugin else {
                return .failure(MetricRefusal("\(plugin) has defined as many metrics as it may"))
            }
            do throws(MetricRefusal) {
                let family = try registry.define(full, help, kind, bounds: bounds, limit: 1)
                definitions.append(Definition(plugin: plugin, family: family))
                let bits = UInt(bitPattern: Unmanaged.passUnretained(family.series([])).toOpaque())
                table.slots[definitions.count].store(bits, ordering: .releasing)
                return .success(UInt32(definitions.count))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Adds to a counter. Negative amounts, what is no number, and unknown numbers do nothing.
    package func add(_ number: UInt32, _ amount: Double) {
        guard amount >= 0, amount.isFinite, let series = table.series(number) else { return }
        if series.isCounter { series.addReal(amount) }
    }

    /// Records a value in a histogram.
    package func observe(_ number: UInt32, _ value: Double) {
        guard value.isFinite, let series = table.series(number) else { return }
        if !series.isCounter { series.observe(value) }
    }
}
