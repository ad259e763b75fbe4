// The registry: what is counted, how it is bounded, and what Prometheus reads.

import Core
import Testing

@testable import Telemetry

private func text(_ metrics: Metrics) -> String { String(metrics.exposition()) }
private func lines(_ metrics: Metrics, _ prefix: String) -> [String] {
    text(metrics).split(separator: "\n").filter { $0.hasPrefix(prefix) }.map(String.init)
}

@Suite struct MetricsTests {
    @Test func sumsWhatLoopsAndOthersCounted() {
        let metrics = Metrics(loops: 2)
        let counter = metrics.counter("requests_total", "Requests.", labels: ["endpoint", "status"])
        counter.cell(loop: 0, ["chat", "200"]).add(3)
        counter.cell(loop: 1, ["chat", "200"]).add(4)
        counter.add(5, "chat", "200")
        counter.add(1, "chat", "500")
        #expect(
            text(metrics) == """
                # HELP requests_total Requests.
                # TYPE requests_total counter
                requests_total{endpoint="chat",status="200"} 12
                requests_total{endpoint="chat",status="500"} 1

                """)
    }

    @Test func gaugesGoUpAndDown() {
        let metrics = Metrics(loops: 1)
        let gauge = metrics.gauge("open", "Open.")
        #expect(lines(metrics, "open") == ["open 0"])
        gauge.cell(loop: 0).add(2)
        gauge.cell(loop: 0).add(-3)
        #expect(lines(metrics, "open") == ["open -1"])
        gauge.add(5)
        #expect(lines(metrics, "open") == ["open 4"])
        let other = metrics.gauge("set", "Set.")
        other.set(7)
        other.set(2)
        #expect(lines(metrics, "set") == ["set 2"])
    }

    @Test func histogramsCumulateAndEndWithInfinity() {
        let metrics = Metrics(loops: 1)
        let histogram = metrics.histogram("seconds", "Time.", bounds: [0.005, 1, 10], labels: ["a"])
        let cell = histogram.cell(loop: 0, ["x"])
        for value in [0.001, 0.005, 0.5, 10, 11] { cell.observe(value) }
        cell.observe(nanoseconds: 2_000_000_000)
        histogram.observe(0.5, "x")
        #expect(
            text(metrics) == """
                # HELP seconds Time.
                # TYPE seconds histogram
                seconds_bucket{a="x",le="0.005"} 2
                seconds_bucket{a="x",le="1"} 4
                seconds_bucket{a="x",le="10"} 6
                seconds_bucket{a="x",le="+Inf"} 7
                seconds_sum{a="x"} 24.006
                seconds_count{a="x"} 7

                """)
    }

    @Test func escapesHelpAndLabelValues() {
        let metrics = Metrics(loops: 0)
        metrics.counter("x_total", "a \\ b\nc \"d\"", labels: ["v"]).add(1, "q\"\\\n{}é")
        #expect(text(metrics).contains("# HELP x_total a \\\\ b\\nc \"d\"\n"))
        #expect(text(metrics).contains("x_total{v=\"q\\\"\\\\\\n{}é\"} 1\n"))
    }

    @Test func leavesOutEmptyLabels() {
        let metrics = Metrics(loops: 0)
        let counter = metrics.counter("x_total", "X.", labels: ["a", "b"])
        counter.add(1, "", "1")
        counter.add(1, "", "")
        #expect(lines(metrics, "x_total") == ["x_total{b=\"1\"} 1", "x_total 1"])
    }

    @Test func whatDoesNotFitIsOther() {
        let metrics = Metrics(loops: 0)
        let counter = metrics.counter("x_total", "X.", labels: ["provider", .open("model")], limit: 3)
        for number in 0..<1000 { counter.add(1, "openai", "model-\(number)") }
        counter.add(1, "openai", "model-0")
        #expect(
            lines(metrics, "x_total") == [
                "x_total{provider=\"openai\",model=\"model-0\"} 2", "x_total{provider=\"openai\",model=\"model-1\"} 1",
                "x_total{provider=\"openai\",model=\"model-2\"} 1", "x_total{provider=\"openai\",model=\"other\"} 997",
            ])
        for number in 0..<1000 { counter.add(1, "provider-\(number)", "m") }
        let all = lines(metrics, "x_total")
        #expect(all.count == 13)  // half as much again and 8, and the one for everything
        #expect(all.last == "x_total{provider=\"other\",model=\"other\"} 992")
    }

    @Test func longValuesAreCut() {
        let metrics = Metrics(loops: 0)
        let counter = metrics.counter("x_total", "X.", labels: ["v"], limit: 2)
        for _ in 0..<3 { counter.add(1, String(repeating: "é", count: 100)) }
        #expect(lines(metrics, "x_total").count == 1)
        #expect(lines(metrics, "x_total")[0].hasSuffix("...\"} 3"))
        #expect(lines(metrics, "x_total")[0].utf8.count < 160)
    }

    @Test func valuesCanBeReadWhenTheyAreAskedFor() {
        let metrics = Metrics(loops: 0)
        metrics.gauge("now", "Now.") { 1.5 }
        metrics.counter("bytes_total", "Bytes.") { 12 }
        #expect(text(metrics).contains("# TYPE now gauge\nnow 1.5\n"))
        #expect(text(metrics).contains("# TYPE bytes_total counter\nbytes_total 12\n"))
    }

    @Test(arguments: [
        (0.0, "0"), (0.005, "0.005"), (10.0, "10"), (1e16, "1e+16"), (1e-5, "1e-05"), (-2.5, "-2.5"),
        (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
    ])
    func writesNumbersAsPrometheusReadsThem(number: Double, text: String) {
        #expect(MetricsExposition.number(number) == text)
    }

    @Test func countsNothingTwiceAndLosesNothingAcrossThreads() async {
        let metrics = Metrics(loops: 4)
        let counter = metrics.counter("x_total", "X.", labels: ["a"])
        let histogram = metrics.histogram("y", "Y.", bounds: [1])
        await withTaskGroup(of: Void.self) { group in
            for loop in 0..<4 {
                group.addTask {
                    let cell = counter.cell(loop: loop, ["1"])
                    for _ in 0..<10_000 {
                        cell.add()
                        counter.add(1, "1")
                        histogram.observe(0.5)
                    }
                }
            }
        }
        #expect(lines(metrics, "x_total") == ["x_total{a=\"1\"} 80000"])
        #expect(lines(metrics, "y_sum") == ["y_sum 20000"])
        #expect(lines(metrics, "y_count") == ["y_count 40000"])
    }
}

@Suite struct PluginMetricsTests {
    let registry = Metrics(loops: 1)

    @Test func pluginsDefineAndRecord() throws {
        let plugins = PluginMetrics(registry: registry)
        let hits = try plugins.counter(plugin: "dev.example.pii-1", name: "hits", help: "Hits.")
        let time = try plugins.histogram(plugin: "dev.example.pii-1", name: "seconds", help: "Time.", bounds: [1, 2])
        plugins.add(hits, 1.5)
        plugins.add(hits, 1)
        plugins.observe(time, 1.5)
        #expect(lines(registry, "gatehouse_plugin").contains("gatehouse_plugin_dev_example_pii_1_hits 2.5"))
        #expect(
            lines(registry, "gatehouse_plugin").contains(
                "gatehouse_plugin_dev_example_pii_1_seconds_bucket{le=\"2\"} 1"))
    }

    @Test func theSameNameIsTheSameMetric() throws {
        let plugins = PluginMetrics(registry: registry)
        let first = try plugins.counter(plugin: "a.b", name: "n", help: "")
        #expect(try plugins.counter(plugin: "a.b", name: "n", help: "again") == first)
        #expect(throws: MetricRefusal.self) { try plugins.histogram(plugin: "a.b", name: "n", help: "", bounds: []) }
        #expect(throws: MetricRefusal.self) { try plugins.counter(plugin: "a_b", name: "n", help: "") }
        _ = try plugins.histogram(plugin: "a.b", name: "h", help: "", bounds: [1])
        #expect(throws: MetricRefusal.self) { try plugins.histogram(plugin: "a.b", name: "h", help: "", bounds: [2]) }
    }

    @Test func nonsenseDoesNothing() throws {
        let plugins = PluginMetrics(registry: registry)
        let hits = try plugins.counter(plugin: "a.b", name: "hits", help: "")
        let time = try plugins.histogram(plugin: "a.b", name: "time", help: "", bounds: [1])
        for amount in [-1, .nan, .infinity] { plugins.add(hits, amount) }
        for value in [Double.nan, .infinity] { plugins.observe(time, value) }
        plugins.observe(hits, 5)
        plugins.add(time, 5)
        for number in [0, 3, 4000, UInt32.max] {
            plugins.add(number, 1)
            plugins.observe(number, 1)
        }
        #expect(lines(registry, "gatehouse_plugin_a_b_hits") == ["gatehouse_plugin_a_b_hits 0"])
        #expect(lines(registry, "gatehouse_plugin_a_b_time_count") == ["gatehouse_plugin_a_b_time_count 0"])
    }

    @Test(arguments: ["", "A", "1a", "a-b", "a b", "_a", "é"]) func refusesOddNames(name: String) {
        let plugins = PluginMetrics(registry: registry)
        #expect(throws: MetricRefusal.self) { try plugins.counter(plugin: "a.b", name: name, help: "") }
    }

    @Test(arguments: [[2, 1], [1, 1], [.nan], [.infinity], (0..<65).map(Double.init)] as [[Double]])
    func refusesOddBounds(bounds: [Double]) {
        let plugins = PluginMetrics(registry: registry)
        #expect(throws: MetricRefusal.self) {
            try plugins.histogram(plugin: "a.b", name: "h", help: "", bounds: bounds)
        }
    }

    @Test func onePluginCannotTakeAllTheRoom() throws {
        let plugins = PluginMetrics(registry: registry, limit: 10, limitPerPlugin: 4)
        for number in 0..<4 { _ = try plugins.counter(plugin: "a", name: "n\(number)", help: "") }
        #expect(throws: MetricRefusal.self) { try plugins.counter(plugin: "a", name: "n4", help: "") }
        _ = try plugins.counter(plugin: "b", name: "n", help: "")
    }
}
