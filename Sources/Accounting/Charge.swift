// Charge: tokens times price. All in integers; what does not fit is no amount.

package import Wire

extension Price {
    /// What `usage` costs, in picodollars. nil when the price list lacks what it would take, or the amount does not fit.
    ///
    /// Each token is charged once: cached, written, audio and image tokens are taken out of the input, audio, image and
    /// reasoning tokens out of the output. A kind of token without a price of its own is charged as its direction's
    /// text: that is what lists mean that name one price. A batch's discount on text holds for all of its direction.
    package func picodollars(for usage: TokenUsage) -> Int64? {
        var sum = Sum(isBatch: usage.parts.isBatch, price: self)
        let cachedAudio = min(usage.parts.cachedPromptAudio, usage.cachedPrompt)
        let audio = max(0, usage.parts.promptAudio - cachedAudio)
        let longWrites = min(usage.parts.cacheCreationHour, usage.cacheCreation)
        let text = usage.prompt - usage.cachedPrompt - usage.cacheCreation - audio - usage.parts.promptImage
        sum.addInput(max(0, text), .input)
        sum.addInput(usage.cachedPrompt - cachedAudio, .cacheRead, .input)
        sum.addInput(cachedAudio, .cacheReadAudio, .cacheRead, .inputAudio, .input)
        sum.addInput(usage.cacheCreation - longWrites, .cacheWrite, .input)
        sum.addInput(longWrites, .cacheWriteHour, .cacheWrite, .input)
        sum.addInput(audio, .inputAudio, .input)
        sum.addInput(usage.parts.promptImage, .inputImage, .input)
        let said = usage.completion - usage.reasoning - usage.parts.completionAudio - usage.parts.completionImage
        sum.addOutput(max(0, said), .output)
        sum.addOutput(usage.reasoning, .reasoning, .output)
        sum.addOutput(usage.parts.completionAudio, .outputAudio, .output)
        sum.addOutput(usage.parts.completionImage, .outputImage, .output)
        sum.add(usage.parts.webSearches, self[.webSearch])
        return sum.total
    }

    /// Adds until something has no price.
    private struct Sum {
        let price: Price
        /// Numerator and denominator of a batch's discount on each direction.
        private var input: (Int64, Int64) = (1, 1)
        private var output: (Int64, Int64) = (1, 1)
        private var amount: Int128 = 0
        private var isKnown = true

        init(isBatch: Bool, price: Price) {
            self.price = price
            guard isBatch else { return }
            if let batch = price[.batchInput], let full = price[.input], full > 0 { input = (batch, full) }
            if let batch = price[.batchOutput], let full = price[.output], full > 0 { output = (batch, full) }
        }

        mutating func addInput(_ count: Int, _ rates: Rate...) { add(count, first(rates), input) }

        mutating func addOutput(_ count: Int, _ rates: Rate...) { add(count, first(rates), output) }

        private func first(_ rates: [Rate]) -> Int64? {
            for rate in rates { if let amount = price[rate] { return amount } }
            return nil
        }

        /// Counts have at most 15 digits and rates fit in 64 bits: a term times a discount stays below 2^127 only if the
        /// division comes between, so it is checked.
        mutating func add(_ count: Int, _ rate: Int64?, _ discount: (Int64, Int64) = (1, 1)) {
            guard count > 0, isKnown else { return }
            guard let rate else { return isKnown = false }
            let (scaled, overflow) = (Int128(count) * Int128(rate)).multipliedReportingOverflow(by: Int128(discount.0))
            guard !overflow else { return isKnown = false }
            // Half up: everything here is positive.
            amount += (scaled + Int128(discount.1) / 2) / Int128(discount.1)
        }

        var total: Int64? { isKnown ? Int64(exactly: amount) : nil }
    }
}
