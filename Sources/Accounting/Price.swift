// Price: what a model's provider asks for, in picodollars (trillionths of a dollar) per token. A dollar per million
// tokens is 1,000,000 of them, so that six decimals of a price list are exact.

import Core

package struct Price: Sendable, Equatable {
    /// The raw values are the names in the catalogue and in the configuration.
    package enum Rate: String, Sendable, CaseIterable {
        case input
        case output
        /// Input that the provider had in its cache.
        case cacheRead = "cache_read"
        /// Input that it put there, for five minutes or however long is usual.
        case cacheWrite = "cache_write"
        case cacheWriteHour = "cache_write_1h"
        case inputAudio = "input_audio"
        case outputAudio = "output_audio"
        case cacheReadAudio = "cache_read_audio"
        case inputImage = "input_image"
        case outputImage = "output_image"
        /// Output that is thought and not said, where it has a price of its own.
        case reasoning
        /// Input and output of batches.
        case batchInput = "batch_input"
        case batchOutput = "batch_output"
        /// Per call, not per token.
        case webSearch = "web_search_per_call"

        /// Decimals of a dollar between the price as written and a picodollar.
        package var places: Int { self == .webSearch ? 12 : 6 }
    }

    /// -1 where there is none.
    private var rates = InlineArray<14, Int64>(repeating: -1)
    /// Tokens that fit in a request with its answer.
    package var context: Int?
    /// Tokens that an answer may have.
    package var maximumOutput: Int?

    package init() {}

    package subscript(rate: Rate) -> Int64? {
        get {
            let amount = rates[rate.index]
            return amount < 0 ? nil : amount
        }
        set { rates[rate.index] = newValue ?? -1 }
    }

    package static func == (left: Price, right: Price) -> Bool {
        Rate.allCases.allSatisfy { left[$0] == right[$0] } && left.context == right.context
            && left.maximumOutput == right.maximumOutput
    }

    /// Takes `name=value` or a member of the configuration. False when there is no such name, or the value is none.
    package mutating func set(_ name: some StringProtocol, _ value: some StringProtocol) -> Bool {
        if let rate = Rate(rawValue: String(name)) {
            guard let amount = FixedPoint.parse(value, places: rate.places), amount >= 0 else { return false }
            self[rate] = amount
            return true
        }
        guard let tokens = Int(value), tokens >= 0 else { return false }
        switch String(name) {
        case "context": context = tokens
        case "max_output": maximumOutput = tokens
        default: return false
        }
        return true
    }

    /// As the catalogue writes them: names and decimal numbers.
    package var amounts: [(name: String, value: String)] {
        let rates = Rate.allCases.compactMap { rate in
            self[rate].map { (name: rate.rawValue, value: FixedPoint.text($0, places: rate.places)) }
        }
        let limits = [("context", context), ("max_output", maximumOutput)].compactMap { name, value in
            value.map { (name: name, value: String($0)) }
        }
        return rates + limits
    }

    /// What another price says, over this one.
    package func merged(under other: Price) -> Price {
        var price = self
        for rate in Rate.allCases { if let amount = other[rate] { price[rate] = amount } }
        price.context = other.context ?? context
        price.maximumOutput = other.maximumOutput ?? maximumOutput
        return price
    }
}

extension Price.Rate {
    fileprivate var index: Int {
        switch self {
        case .input: 0
        case .output: 1
        case .cacheRead: 2
        case .cacheWrite: 3
        case .cacheWriteHour: 4
        case .inputAudio: 5
        case .outputAudio: 6
        case .cacheReadAudio: 7
        case .inputImage: 8
        case .outputImage: 9
        case .reasoning: 10
        case .batchInput: 11
        case .batchOutput: 12
        case .webSearch: 13
        }
    }
}
