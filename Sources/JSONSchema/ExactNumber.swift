// ExactNumber: a JSON number as it is written, without the rounding of binary floating point.
//
// 0.3 is a multiple of 0.1 here, 1.0 and 1 are equal, and 9007199254740993 is not 9007199254740992.

/// A decimal number: whole ones of up to 18 digits as an integer, all others as digits and an exponent.
enum ExactNumber: Sendable, Hashable {
    case whole(Int64)
    /// Neither leading nor trailing zeros, so that equal numbers have equal parts. Never what `whole` can hold.
    case decimal(Parts)

    struct Parts: Sendable, Hashable {
        var isNegative: Bool
        var digits: [UInt8]
        var exponent: Int
    }

    private static let wholeDigits = 18
    /// Exponents are cut here: beyond, numbers are told apart by their digits only.
    private static let maximumExponent = 1 << 40

    /// nil when `text` is not a JSON number.
    init?(_ text: String) {
        var text = text
        guard let number = text.withUTF8({ Self.parse($0) }) else { return nil }
        self = number
    }

    private static func parse(_ text: UnsafeBufferPointer<UInt8>) -> ExactNumber? {
        if let whole = parseWhole(text) { return .whole(whole) }
        var at = 0
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative { at += 1 }
        var digits = takeDigits(text, &at)
        guard !digits.isEmpty else { return nil }
        var exponent = 0
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            let fraction = takeDigits(text, &at)
            guard !fraction.isEmpty else { return nil }
            digits += fraction
            exponent = -fraction.count
        }
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            guard let given = takeExponent(text, &at) else { return nil }
            exponent += given
        }
        guard at == text.count else { return nil }
        return make(isNegative, digits, exponent)
    }

    private static func parseWhole(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
        let isNegative = text.first == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        guard text.count > start, text.count - start <= wholeDigits else { return nil }
        var value: Int64 = 0
        for index in start..<text.count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return isNegative ? -value : value
    }

    private static func takeDigits(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> [UInt8] {
        let start = at
        while at < text.count, text[at] &- 0x30 < 10 { at += 1 }
        return text[start..<at].map { $0 - 0x30 }
    }

    private static func takeExponent(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> Int? {
        var sign = 1
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
            if text[at] == UInt8(ascii: "-") { sign = -1 }
            at += 1
        }
        let digits = takeDigits(text, &at)
        guard !digits.isEmpty else { return nil }
        return sign * digits.reduce(0) { min($0 * 10 + Int($1), maximumExponent) }
    }

    private static func make(_ isNegative: Bool, _ digits: [UInt8], _ exponent: Int) -> ExactNumber {
        var digits = digits[...]
        var exponent = exponent
        digits = digits.drop { $0 == 0 }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty { return .whole(0) }
        if exponent >= 0, digits.count + exponent <= wholeDigits {
            var value = digits.reduce(Int64(0)) { $0 * 10 + Int64($1) }
            for _ in 0..<exponent { value *= 10 }
            return .whole(isNegative ? -value : value)
        }
        return .decimal(Parts(isNegative: isNegative, digits: Array(digits), exponent: exponent))
    }
}

extension ExactNumber {
    var isWhole: Bool {
        switch self {
        case .whole: true
        case .decimal(let parts): parts.exponent >= 0
        }
    }

    /// The number as an Int if it is whole; one that does not fit becomes the nearest that does.
    var clamped: Int? {
        switch self {
        case .whole(let value): Int(value)
        case .decimal(let parts): parts.exponent < 0 ? nil : parts.isNegative ? .min : .max
        }
    }

    /// How many digits stand between the first and the last that is not zero.
    var significantDigits: Int { parts.digits.count }

    var isPositive: Bool { self > .whole(0) }

    private var parts: Parts {
        switch self {
        case .decimal(let parts): return parts
        case .whole(let value):
            var digits: [UInt8] = []
            var rest = value.magnitude
            var exponent = 0
            while rest > 0 {
                let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
                if digits.isEmpty, digit == 0 { exponent += 1 } else { digits.append(UInt8(digit)) }
                rest = quotient
            }
            return Parts(isNegative: value < 0, digits: digits.reversed(), exponent: exponent)
        }
    }
}

extension ExactNumber: Comparable {
    static func < (left: ExactNumber, right: ExactNumber) -> Bool {
        if case .whole(let left) = left, case .whole(let right) = right { return left < right }
        let (left, right) = (left.parts, right.parts)
        if left.isNegative != right.isNegative { return left.isNegative }
        return left.isNegative ? isSmaller(right, left) : isSmaller(left, right)
    }

    /// Compares magnitudes: by the place of the first digit, then digit by digit.
    private static func isSmaller(_ left: Parts, _ right: Parts) -> Bool {
        if left.digits.isEmpty || right.digits.isEmpty { return left.digits.isEmpty && !right.digits.isEmpty }
        let places = (left.digits.count + left.exponent, right.digits.count + right.exponent)
        if places.0 != places.1 { return places.0 < places.1 }
        return left.digits.lexicographicallyPrecedes(right.digits)
    }
}

extension ExactNumber {
    /// A divisor may have this many significant digits, so that remainders fit a machine word.
    static let maximumDivisorDigits = 18

    /// True when this number divided by `divisor` is whole. `divisor` must be positive and of at most 18 digits.
    ///
    /// With a and b the digits, a × 10^m is a multiple of b × 10^n when b divides a × 10^(m−n). If m < n, then 10 would
    /// have to divide a, which has no trailing zero.
    func isMultiple(of divisor: ExactNumber) -> Bool {
        if case .whole(let left) = self, case .whole(let right) = divisor { return left % right == 0 }
        let (value, divisor) = (parts, divisor.parts)
        if value.digits.isEmpty { return true }
        if value.exponent < divisor.exponent { return false }
        let modulus = divisor.digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1) }
        // A remainder is below 10^18, so that ten of it and a digit fit.
        let remainder = value.digits.reduce(UInt64(0)) { ($0 * 10 + UInt64($1)) % modulus }
        return Self.multiply(remainder, Self.power(10, value.exponent - divisor.exponent, modulus), modulus) == 0
    }

    private static func power(_ base: UInt64, _ exponent: Int, _ modulus: UInt64) -> UInt64 {
        var result = 1 % modulus
        var square = base % modulus
        var exponent = exponent
        while exponent > 0 {
            if exponent & 1 == 1 { result = multiply(result, square, modulus) }
            square = multiply(square, square, modulus)
            exponent >>= 1
        }
        return result
    }

    private static func multiply(_ left: UInt64, _ right: UInt64, _ modulus: UInt64) -> UInt64 {
        modulus.dividingFullWidth(left.multipliedFullWidth(by: right)).remainder
    }
}
