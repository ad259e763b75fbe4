// FixedPoint: decimal numbers as scaled integers, for amounts of money. No binary float ever holds one.

package enum FixedPoint {
    /// `text` times ten to the `places`: "0.15" with six places is 150000. Takes what JSON calls a number, exponents
    /// included. nil for anything else, for a number with more decimals than `places`, and for one that does not fit.
    package static func parse(_ text: some StringProtocol, places: Int) -> Int64? {
        var rest = String(text).utf8[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest = rest.dropFirst() }
        var digits: [UInt8] = []
        var exponent = 0
        var sawPoint = false
        var count = 0
        while let byte = rest.first, byte &- 0x30 < 10 || byte == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: ".") {
                guard !sawPoint, count > 0, let next = rest.first, next &- 0x30 < 10 else { return nil }
                sawPoint = true
                continue
            }
            count += 1
            if sawPoint { exponent -= 1 }
            if !digits.isEmpty || byte != 0x30 { digits.append(byte - 0x30) }
        }
        guard count > 0 else { return nil }
        if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+"), rest.count > 1 { rest = rest.dropFirst() }
            guard rest.count < 6, let power = Int(Substring(rest)) else { return nil }
            exponent += power
            rest = rest[rest.endIndex...]
        }
        guard rest.isEmpty else { return nil }
        if digits.isEmpty { return 0 }
        exponent += places
        while exponent < 0, digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        guard exponent >= 0, digits.count + exponent < 19 else { return nil }
        var value: Int64 = 0
        for digit in digits { value = value * 10 + Int64(digit) }
        for _ in 0..<exponent { value *= 10 }
        return isNegative ? -value : value
    }

    /// The number that `value` is with `places` decimals, without zeros at its end: 150000 with six is "0.15".
    package static func text(_ value: Int64, places: Int) -> String {
        // A sign, a point, and the digits of an Int64 or a zero and the places.
        String(unsafeUninitializedCapacity: 22 + places) { room in
            var digits: [19 of UInt8] = .init(repeating: 0)
            var rest = value.magnitude
            var count = 0
            while rest > 0 {
                digits[count] = UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
                count += 1
            }
            var end = 0
            func put(_ byte: UInt8) {
                room[end] = byte
                end += 1
            }
            if value < 0 { put(UInt8(ascii: "-")) }
            var last = 0
            while last < places, last >= count || digits[last] == 0 { last += 1 }
            for place in stride(from: max(count - 1, places), through: min(last, places), by: -1) {
                if place == places - 1 { put(UInt8(ascii: ".")) }
                put(0x30 + (place < count ? digits[place] : 0))
            }
            return end
        }
    }
}
