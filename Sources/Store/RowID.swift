// RowID: a UUID of version 7 (RFC 9562, §5.7): 48 bits of milliseconds since 1970, then random bits. Rows of several gateways can be
// brought together, and rows in the order of their ids are in the order of their beginnings.

import Core

package struct RowID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `time` in nanoseconds since 1970.
    package init(at time: Int64, using random: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(clamping: time / 1_000_000)
        high = milliseconds << 16 | 0x7000 | random.next() & 0x0FFF
        low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// The least id of a moment: what is older comes before it.
    package static func first(at time: Int64) -> RowID {
        RowID(high: UInt64(clamping: time / 1_000_000) << 16, low: 0)
    }

    /// The usual text form; nil for anything else.
    package init?(_ text: String) {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
        guard text.utf8.count == 36, digits.count == 32 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for (place, byte) in digits.enumerated() {
            guard let value = JSONString.hexValue(byte) else { return nil }
            if place < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
        }
        (high, low) = words
    }

    package var description: String {
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: digits - text.utf8.count) + text
        }
        return "\(hex(high >> 32, 8))-\(hex(high >> 16 & 0xFFFF, 4))-\(hex(high & 0xFFFF, 4))-"
            + "\(hex(low >> 48, 4))-\(hex(low & 0xFFFF_FFFF_FFFF, 12))"
    }

    package static func < (left: RowID, right: RowID) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}
