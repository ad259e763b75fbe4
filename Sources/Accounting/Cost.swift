// Cost: an amount of money with the price list that it was reckoned by.

import Core

package struct Cost: Sendable, Equatable {
    /// Trillionths of a US dollar.
    package var picodollars: Int64
    /// Of the catalogue, or of the configuration that overrides it.
    package var priceVersion: String
    /// The tokens were not told by the provider.
    package var isEstimated: Bool

    package init(picodollars: Int64, priceVersion: String, isEstimated: Bool = false) {
        self.picodollars = picodollars
        self.priceVersion = priceVersion
        self.isEstimated = isEstimated
    }

    /// USD with as many decimals as it takes, twelve at most: "0.00036".
    package var usd: String { FixedPoint.text(picodollars, places: 12) }

    /// Billionths of a dollar, rounded, for counters: 64 bits of them are eighteen billion dollars.
    package var nanodollars: UInt64 { UInt64(max(0, picodollars / 1000 + (picodollars % 1000 >= 500 ? 1 : 0))) }

    /// Both together. nil when the sum does not fit.
    package static func + (left: Cost, right: Cost) -> Cost? {
        let (sum, overflow) = left.picodollars.addingReportingOverflow(right.picodollars)
        guard !overflow else { return nil }
        let versions = left.priceVersion == right.priceVersion || right.priceVersion.isEmpty
        return Cost(
            picodollars: sum, priceVersion: versions ? left.priceVersion : left.priceVersion + "," + right.priceVersion,
            isEstimated: left.isEstimated || right.isEstimated)
    }
}
