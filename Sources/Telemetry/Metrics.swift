// Metrics: counters, gauges and histograms that event loops record into without meeting each other.
//
// A metric family has series, one for each combination of label values. A series has one row of integers for each
// event loop, a cache line or more apart, which only that loop's thread writes: recording is a load, an add and a
// store. A further row is for everybody else, who add atomically. Rows are summed when somebody scrapes
// (MetricsExposition.swift).
//
// The number of combinations is bounded. What does not fit is recorded under "other", so that nobody can fill the
// memory, here or in Prometheus, by inventing model names. Families and series live as long as the registry: cells
// are plain pointers.

import Core
import Synchronization

/// Why a metric was not defined.
package struct MetricRefusal: Error, Sendable, Equatable {
    package let message: String

    init(_ message: String) { self.message = message }
}

package final class Metrics: Sendable {
    /// The value that stands for all that did not fit.
    package static let other = "other"

    let loops: Int
    private let families = Mutex<[MetricFamily]>([])

    /// - Parameter loops: how many event loops will record, each under its own number from 0.
    package init(loops: Int) { self.loops = max(loops, 0) }

    package func counter(_ name: String, _ help: String, labels: [MetricLabel] = [], limit: Int = 200) -> Counter {
        Counter(family: own(name, help, .counter, labels, limit: limit))
    }

    /// A counter of amounts: it is added to in billionths, and shown as a decimal number.
    package func amounts(_ name: String, _ help: String, labels: [MetricLabel] = [], limit: Int = 200) -> Counter {
        Counter(family: own(name, help, .amounts, labels, limit: limit))
    }

    package func gauge(_ name: String, _ help: String, labels: [MetricLabel] = [], limit: Int = 200) -> Gauge {
        Gauge(family: own(name, help, .gauge, labels, limit: limit))
    }

    package func histogram(
        _ name: String, _ help: String, bounds: [Double], labels: [MetricLabel] = [], limit: Int = 200
    ) -> Histogram {
        Histogram(family: own(name, help, .histogram, labels, bounds: bounds, limit: limit))
    }

    /// A gauge whose value is asked for when somebody scrapes. `read` may be called on any thread.
    package func gauge(_ name: String, _ help: String, read: @escaping @Sendable () -> Double) {
        _ = own(name, help, .gauge, [], limit: 1, read: read)
    }

    /// A counter whose value is asked for when somebody scrapes. It must never fall.
    package func counter(_ name: String, _ help: String, read: @escaping @Sendable () -> Double) {
        _ = own(name, help, .counter, [], limit: 1, read: read)
    }

    private func own(
        _ name: String, _ help: String, _ kind: MetricFamily.Kind, _ labels: [MetricLabel], bounds: [Double] = [],
        limit: Int, read: (@Sendable () -> Double)? = nil
    ) -> MetricFamily {
        do {
            return try define(name, help, kind, labels, bounds: bounds, limit: limit, read: read)
        } catch {
            preconditionFailure("metric \(name): \(error.message)")
        }
    }

    /// A new family, or the one that was defined with the same words before.
    func define(
        _ name: String, _ help: String, _ kind: MetricFamily.Kind, _ labels: [MetricLabel] = [], bounds: [Double] = [],
        limit: Int, read: (@Sendable () -> Double)? = nil
    ) throws(MetricRefusal) -> MetricFamily {
        guard Self.isName(name), labels.allSatisfy({ Self.isName($0.name) && $0.name != "le" }) else {
            throw MetricRefusal("'\(name)' is no name for a metric, or one of its labels has none")
        }
        guard zip(bounds, bounds.dropFirst()).allSatisfy({ $0 < $1 }), bounds.allSatisfy(\.isFinite) else {
            throw MetricRefusal("the bounds must be finite and ascending")
        }
        let fresh = MetricFamily(
            name: name, help: help, kind: kind, labels: labels, bounds: bounds, limit: limit, rows: loops + 1,
            read: read)
        // Result: Mutex's typed throws and closures with two exits do not go together yet.
        let outcome: Result<MetricFamily, MetricRefusal> = families.withLock { families in
            guard let known = families.first(where: { $0.name == name }) else {
                families.append(fresh)
                return .success(fresh)
            }
            guard known.kind == kind, known.labels == labels, known.read == nil, read == nil else {
                return .failure(MetricRefusal("\(name) is defined already, as something else"))
            }
            guard known.bounds == bounds else {
                return .failure(MetricRefusal("\(name) is defined already, with other bounds"))
            }
            return .success(known)
        }
        return try outcome.get()
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5F
        }
    }

    var allFamilies: [MetricFamily] { families.withLock { $0 } }
}

package struct MetricLabel: Sendable, Equatable, ExpressibleByStringLiteral {
    let name: String
    /// Values come from outside (model names), so that this label gives way first when there is no room.
    let isOpen: Bool

    package init(stringLiteral name: String) { self.init(name) }
    package init(_ name: String, isOpen: Bool = false) {
        self.name = name
        self.isOpen = isOpen
    }

    package static func open(_ name: String) -> MetricLabel { MetricLabel(name, isOpen: true) }
}

// MARK: Handles

package struct Counter: Sendable {
    let family: MetricFamily

    /// For any thread. Looks the series up: where it matters, keep a cell.
    package func add(_ amount: UInt64 = 1, _ values: String...) {
        family.series(values).row(0)[0].wrappingAdd(amount, ordering: .relaxed)
    }

    /// For the thread of event loop `loop` alone.
    package func cell(loop: Int, _ values: [String] = []) -> CounterCell {
        CounterCell(word: family.series(values).row(loop + 1))
    }
}

package struct Gauge: Sendable {
    let family: MetricFamily

    /// For any thread. Not for a gauge that loops add to.
    package func set(_ value: Int64, _ values: String...) {
        family.series(values).row(0)[0].store(UInt64(bitPattern: value), ordering: .relaxed)
    }

    /// For any thread.
    package func add(_ amount: Int64, _ values: String...) {
        family.series(values).row(0)[0].wrappingAdd(UInt64(bitPattern: amount), ordering: .relaxed)
    }

    /// For the thread of event loop `loop` alone.
    package func cell(loop: Int, _ values: [String] = []) -> GaugeCell {
        GaugeCell(word: family.series(values).row(loop + 1))
    }
}

package struct Histogram: Sendable {
    let family: MetricFamily

    /// For any thread. Looks the series up: where it matters, keep a cell.
    package func observe(_ value: Double, _ values: String...) {
        family.series(values).observe(value)
    }

    /// For the thread of event loop `loop` alone.
    package func cell(loop: Int, _ values: [String] = []) -> HistogramCell {
        HistogramCell(words: family.series(values).row(loop + 1), bounds: family.boundPointer)
    }
}

/// One loop's part of one counter. Only that loop's thread may use it, and only while the registry lives.
package struct CounterCell: @unchecked Sendable {
    let word: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    package func add(_ amount: UInt64 = 1) { word[0].addAlone(amount) }
}

/// One loop's part of one gauge; the parts are summed.
package struct GaugeCell: @unchecked Sendable {
    let word: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    package func add(_ amount: Int64) { word[0].addAlone(UInt64(bitPattern: amount)) }
}

/// One loop's part of one histogram.
package struct HistogramCell: @unchecked Sendable {
    let words: UnsafeMutablePointer<Atomic<UInt64>>
    let bounds: UnsafeBufferPointer<Double>

    package func observe(_ value: Double) {
        words[MetricFamily.bucket(of: value, bounds)].addAlone(1)
        let sum = bounds.count + 1
        let total = Double(bitPattern: words[sum].load(ordering: .relaxed)) + value
        words[sum].store(total.bitPattern, ordering: .relaxed)
    }

    /// In seconds, as Prometheus wants them.
    package func observe(nanoseconds: Int64) { observe(Double(nanoseconds) * 1e-9) }
}

extension Atomic where Value == UInt64 {
    /// Adds where nobody else writes: readers see the old or the new value, and no bus is locked.
    @inline(__always)
    borrowing func addAlone(_ amount: UInt64) {
        store(load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }
}

// MARK: Families and series

final class MetricFamily: Sendable {
    enum Kind: Sendable {
        case counter
        /// A counter of fractions: its words are bit patterns of Double.
        case realCounter
        /// Billionths.
        case amounts
        case gauge
        case histogram
    }

    let name: String
    let help: String
    let kind: Kind
    let labels: [MetricLabel]
    let bounds: [Double]
    let read: (@Sendable () -> Double)?
    private let limit: Int
    private let rows: Int
    private let boundStorage: BoundStorage
    private let table = Mutex<Table>(Table())

    private struct Table {
        var byValues: [[String]: MetricSeries] = [:]
        var inOrder: [MetricSeries] = []
    }

    init(
        name: String, help: String, kind: Kind, labels: [MetricLabel], bounds: [Double], limit: Int, rows: Int,
        read: (@Sendable () -> Double)?
    ) {
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
        self.bounds = bounds
        self.limit = max(limit, 1)
        self.rows = rows
        self.read = read
        boundStorage = BoundStorage(bounds)
        // A metric without labels shows its zero from the start.
        if labels.isEmpty, read == nil { _ = series([]) }
    }

    var boundPointer: UnsafeBufferPointer<Double> { boundStorage.pointer }
    var allSeries: [MetricSeries] { table.withLock { $0.inOrder } }

    /// The series of these label values, or the one that stands for it when there is no room.
    func series(_ given: [String]) -> MetricSeries {
        precondition(given.count == labels.count, "\(name) has \(labels.count) labels and got \(given.count) values")
        return table.withLock { table in
            let values = given.contains { $0.utf8.count > Self.longestValue } ? given.map(Self.bounded) : given
            if let known = table.byValues[values] { return known }
            if table.inOrder.count < limit { return add(values, to: &table) }
            let narrowed = zip(labels, values).map { $0.isOpen ? Metrics.other : $1 }
            if let known = table.byValues[narrowed] { return known }
            // Half as much again for the combinations of the closed labels, which are few; then everything is
            // "other".
            if narrowed != values, table.inOrder.count < limit + limit / 2 + 8 { return add(narrowed, to: &table) }
            return add(values.map { _ in Metrics.other }, to: &table)
        }
    }

    private func add(_ values: [String], to table: inout Table) -> MetricSeries {
        if let known = table.byValues[values] { return known }
        let series = MetricSeries(
            labels: MetricsExposition.labels(zip(labels, values).map { ($0.name, $1) }),
            width: kind == .histogram ? bounds.count + 2 : 1, rows: rows, family: boundStorage)
        table.byValues[values] = series
        table.inOrder.append(series)
        return series
    }

    private static let longestValue = 128

    private static func bounded(_ value: String) -> String {
        value.utf8.count <= longestValue
            ? value : String(decoding: value.utf8.prefix(longestValue - 3), as: UTF8.self) + "..."
    }

    /// Which bucket counts `value`: the first whose bound it does not pass.
    @inline(__always)
    static func bucket(of value: Double, _ bounds: UnsafeBufferPointer<Double>) -> Int {
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        return index
    }
}

/// Bounds at an address that stays.
final class BoundStorage: @unchecked Sendable {
    let pointer: UnsafeBufferPointer<Double>

    init(_ bounds: [Double]) {
        let memory = UnsafeMutableBufferPointer<Double>.allocate(capacity: bounds.count)
        _ = memory.initialize(from: bounds)
        pointer = UnsafeBufferPointer(memory)
    }

    deinit { pointer.deallocate() }
}

/// One combination of label values. A row is a counter's word; or a histogram's buckets, each counted for itself, and
/// the sum.
final class MetricSeries: @unchecked Sendable {
    /// `a="1",b="2"`, escaped.
    let labels: [UInt8]
    /// A single word, and no histogram.
    let isCounter: Bool
    private let memory: UnsafeMutableRawPointer
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let stride: Int
    private let rows: Int
    private let bounds: BoundStorage

    init(labels: [UInt8], width: Int, rows: Int, family bounds: BoundStorage) {
        self.labels = labels
        self.rows = rows
        self.bounds = bounds
        isCounter = width == 1
        stride = (width + 7) / 8 * 8
        memory = .allocate(byteCount: stride * rows * 8, alignment: 64)
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: stride * rows)
        for index in 0..<stride * rows { (words + index).initialize(to: Atomic(0)) }
    }

    deinit { memory.deallocate() }

    func row(_ number: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        precondition(number >= 0 && number < rows, "row \(number) of \(rows): is there such an event loop?")
        return words + number * stride
    }

    func total(_ word: Int) -> UInt64 {
        (0..<rows).reduce(0) { $0 &+ words[$1 * stride + word].load(ordering: .relaxed) }
    }

    func realTotal(_ word: Int) -> Double {
        (0..<rows).reduce(0) { $0 + Double(bitPattern: words[$1 * stride + word].load(ordering: .relaxed)) }
    }

    /// For any thread.
    func observe(_ value: Double) {
        words[MetricFamily.bucket(of: value, bounds.pointer)].wrappingAdd(1, ordering: .relaxed)
        addReal(value, to: bounds.pointer.count + 1)
    }

    /// For any thread.
    func addReal(_ amount: Double, to word: Int = 0) {
        var old = words[word].load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, seen) = words[word].weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = seen
        }
    }
}
