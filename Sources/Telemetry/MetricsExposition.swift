// MetricsExposition: the text that Prometheus reads, in its exposition format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

package import Core

package enum MetricsExposition {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// `a="1",b="2"`. An empty value means that there is no such label, and is left out.
    static func labels(_ pairs: [(name: String, value: String)]) -> [UInt8] {
        var output: [UInt8] = []
        for pair in pairs where !pair.value.isEmpty {
            if !output.isEmpty { output.append(UInt8(ascii: ",")) }
            output.append(contentsOf: pair.name.utf8)
            output.append(contentsOf: "=\"".utf8)
            escape(pair.value, quotes: true, into: &output)
            output.append(UInt8(ascii: "\""))
        }
        return output
    }

    static func escape(_ text: String, quotes: Bool, into output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\n"): output.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\"") where quotes: output.append(contentsOf: "\\\"".utf8)
            default: output.append(byte)
            }
        }
    }

    /// 0.005, 10, 1e+16, +Inf.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

extension Metrics {
    /// Everything, as Prometheus reads it. Loops go on recording meanwhile: each number is some recent one.
    package func exposition() -> Bytes {
        var output: [UInt8] = []
        output.reserveCapacity(64 << 10)
        for family in allFamilies { family.write(into: &output) }
        return Bytes(output)
    }
}

extension MetricFamily {
    fileprivate func write(into output: inout [UInt8]) {
        let series = allSeries
        guard read != nil || !series.isEmpty else { return }
        let type =
            switch kind {
            case .counter, .realCounter, .amounts: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        output.append(contentsOf: "# HELP \(name) ".utf8)
        MetricsExposition.escape(help, quotes: false, into: &output)
        output.append(contentsOf: "\n# TYPE \(name) \(type)\n".utf8)
        if let read { line("", [], MetricsExposition.number(read()), into: &output) }
        for series in series {
            switch kind {
            case .counter: line("", series.labels, String(series.total(0)), into: &output)
            case .amounts:
                let amount = Int64(clamping: series.total(0))
                line("", series.labels, FixedPoint.text(amount, places: 9), into: &output)
            case .gauge: line("", series.labels, String(Int64(bitPattern: series.total(0))), into: &output)
            case .realCounter: line("", series.labels, MetricsExposition.number(series.realTotal(0)), into: &output)
            case .histogram: write(histogram: series, into: &output)
            }
        }
    }

    private func write(histogram series: MetricSeries, into output: inout [UInt8]) {
        var count: UInt64 = 0
        for index in 0...bounds.count {
            count &+= series.total(index)
            let bound = index < bounds.count ? MetricsExposition.number(bounds[index]) : "+Inf"
            let comma = series.labels.isEmpty ? "" : ","
            line("_bucket", series.labels + Array("\(comma)le=\"\(bound)\"".utf8), String(count), into: &output)
        }
        line("_sum", series.labels, MetricsExposition.number(series.realTotal(bounds.count + 1)), into: &output)
        // Not counted for itself, so that it always equals the last bucket.
        line("_count", series.labels, String(count), into: &output)
    }

    private func line(_ suffix: String, _ labels: [UInt8], _ value: String, into output: inout [UInt8]) {
        output.append(contentsOf: name.utf8)
        output.append(contentsOf: suffix.utf8)
        if !labels.isEmpty {
            output.append(UInt8(ascii: "{"))
            output.append(contentsOf: labels)
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: " "))
        output.append(contentsOf: value.utf8)
        output.append(UInt8(ascii: "\n"))
    }
}
