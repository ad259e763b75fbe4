// StableHash: 64 bits that are the same in every process, unlike Swift's Hasher. For spreading, not against an
// adversary.

import Core

/// FNV-1a over bytes, with SplitMix64's finish, which FNV needs: its high bits depend too little on the last bytes.
struct StableHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func combine(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// The bytes and a mark after them, so that "ab", "c" and "a", "bc" differ. No UTF-8 text contains 0xFF.
    mutating func combine(_ text: String) {
        for byte in text.utf8 { combine(byte) }
        combine(0xFF)
    }

    /// A text stands for itself and anything else for its JSON; a missing value has a mark of its own.
    mutating func combine(_ value: JSONValue?) {
        switch value {
        case nil: combine(0xFE)
        case .string(let text): combine(text)
        case let value?:
            combine(0xFD)
            combine(value.text)
        }
    }

    var value: UInt64 { Self.mix(state) }

    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
