// RetryAfter: what a provider's 429 says about when to come back.
//
// Three headers, in this order, and the first that is present decides: `retry-after-ms` (OpenAI),
// `x-ms-retry-after-ms` (Azure), and `retry-after` (RFC 9110, 10.2.3: seconds, or a date). When it cannot be read the
// answer counts as silent, and the ordinary backoff applies.

package struct RetryAfter: Sendable, Equatable {
    /// `retry-after-ms`
    package var milliseconds: String?
    /// `x-ms-retry-after-ms`
    package var microsoftMilliseconds: String?
    /// `retry-after`
    package var secondsOrDate: String?
    /// When the headers came: nanoseconds since 1970, on the wall clock. Only a date needs it.
    package var receivedAt: Int64

    package init(
        milliseconds: String? = nil, microsoftMilliseconds: String? = nil, secondsOrDate: String? = nil,
        receivedAt: Int64
    ) {
        self.milliseconds = milliseconds
        self.microsoftMilliseconds = microsoftMilliseconds
        self.secondsOrDate = secondsOrDate
        self.receivedAt = receivedAt
    }

    /// Nanoseconds to wait; nil when nothing was said, or nothing that can be read. A date in the past is a wait of
    /// zero.
    package var wait: Int64? {
        if let text = milliseconds ?? microsoftMilliseconds { return Self.duration(text, unit: 1_000_000) }
        guard let secondsOrDate else { return nil }
        if let seconds = Self.duration(secondsOrDate, unit: 1_000_000_000) { return seconds }
        guard let date = HTTPDate.seconds(secondsOrDate, now: receivedAt / 1_000_000_000) else { return nil }
        return max(0, date.multipliedSaturating(by: 1_000_000_000) - max(0, receivedAt))
    }

    /// The RFC has whole seconds only. Providers also send fractions.
    private static func duration(_ text: String, unit: Int64) -> Int64? {
        let digits = text.trimmingSpaces
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let number = Double(digits)
        else { return nil }
        return Int64(min(number * Double(unit), 0x1p62))
    }
}

extension Int64 {
    func multipliedSaturating(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? ((self < 0) == (factor < 0) ? .max : .min) : product
    }
}

extension String {
    /// Without the white space that HTTP allows around a field's value.
    var trimmingSpaces: Substring {
        var rest = self[...]
        while let first = rest.utf8.first, first == 0x20 || first == 0x09 { rest.removeFirst() }
        while let last = rest.utf8.last, last == 0x20 || last == 0x09 { rest.removeLast() }
        return rest
    }
}
