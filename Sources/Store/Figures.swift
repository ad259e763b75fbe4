// Figures: sums and shares as JSON numbers. Money, times and shares are computed with integers, and written as
// decimals.

import Core

enum Figures {
    /// 10⁻¹² US dollars as US cents and as US dollars.
    static func cents(_ picodollars: Int128) -> JSONValue { decimal(picodollars, places: 10) }
    static func dollars(_ picodollars: Int128) -> JSONValue { decimal(picodollars, places: 12) }

    /// Nanoseconds as milliseconds, to the microsecond.
    static func milliseconds(_ nanoseconds: Int64) -> JSONValue { decimal(Int128(nanoseconds / 1_000), places: 3) }

    /// A hundred times `part` / `whole`, with two decimals; 0 of nothing.
    static func percent(_ part: Int, of whole: Int) -> JSONValue {
        decimal(quotient(Int128(part) * 10_000, whole), places: 2)
    }

    /// A mean with two decimals.
    static func mean(_ sum: Int128, _ count: Int) -> JSONValue { decimal(quotient(sum * 100, count), places: 2) }

    /// Feedback has weights that are binary floats: four decimals say what there is to say.
    static func score(_ value: Double) -> JSONValue {
        .number(FixedPoint.text(Int64((value * 10_000).rounded()), places: 4))
    }

    /// Rounded to the nearest; 0 of nothing.
    static func quotient(_ sum: Int128, _ count: Int) -> Int128 {
        guard count > 0 else { return 0 }
        let half = Int128(count) / 2
        return (sum + (sum < 0 ? -half : half)) / Int128(count)
    }

    /// Where the number is too large for all of its decimals, it has fewer.
    private static func decimal(_ value: Int128, places: Int) -> JSONValue {
        var (value, places) = (value, places)
        while Int64(exactly: value) == nil, places > 0 { (value, places) = (value / 10, places - 1) }
        return .number(FixedPoint.text(Int64(clamping: value), places: places))
    }
}

/// Values of which percentiles are wanted.
struct Sample {
    private var values: [Int64] = []
    private(set) var sum: Int128 = 0

    @inline(__always)
    mutating func add(_ value: Int64) {
        values.append(value)
        sum += Int128(value)
    }

    var count: Int { values.count }
    var mean: Int64 { Int64(clamping: Figures.quotient(sum, values.count)) }

    mutating func sort() { values.sort() }

    /// Of a sorted sample, the nearest rank: the least value that is not below `percent` of all. 0 of nothing.
    func percentile(_ percent: Int) -> Int64 {
        guard !values.isEmpty else { return 0 }
        return values[max((values.count * percent + 99) / 100, 1) - 1]
    }
}
