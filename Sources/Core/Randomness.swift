// Randomness that costs no system call per use: trace ids, jitter, weights. Not for secrets.

/// xoshiro256** (Blackman and Vigna, 2018), seeded from the system.
package struct Xoshiro256: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    package init() {
        var system = SystemRandomNumberGenerator()
        state = (system.next(), system.next(), system.next(), system.next() | 1)
    }

    package init(seed: UInt64) {
        var value = seed
        func splitmix() -> UInt64 {
            value &+= 0x9E37_79B9_7F4A_7C15
            var mixed = value
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
        state = (splitmix(), splitmix(), splitmix(), splitmix())
    }

    package mutating func next() -> UInt64 {
        func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }

    /// A version 4 UUID in its usual text form.
    package mutating func uuid() -> String {
        var high = next()
        var low = next()
        high = high & ~0xF000 | 0x4000
        low = low & ~(0xC000_0000_0000_0000) | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { output in
            var at = 0
            func put(_ word: UInt64, _ digits: Range<Int>) {
                for digit in digits {
                    let nibble = UInt8(truncatingIfNeeded: word >> UInt64((15 - digit) * 4)) & 15
                    output[at] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
                    at += 1
                }
            }
            func dash() {
                output[at] = UInt8(ascii: "-")
                at += 1
            }
            put(high, 0..<8)
            dash()
            put(high, 8..<12)
            dash()
            put(high, 12..<16)
            dash()
            put(low, 0..<4)
            dash()
            put(low, 4..<16)
            return 36
        }
    }
}
