// LabelTable: finds what belongs to up to three words, for one thread.
//
// A dictionary keyed by strings spends most of an exchange's recording on SipHash. This table mixes eight bytes at a
// time with one multiplication, from a random start, so that nobody outside can choose words that collide; it is
// bounded, and only grows.

struct LabelTable<Value> {
    private struct Entry {
        var hash: UInt64
        var first: String
        var second: String
        var third: String
        var value: Value
    }

    /// Indices into `entries`, or -1; a power of two of them, at least twice as many as entries.
    private var slots: [Int32]
    private var entries: [Entry] = []
    private let limit: Int
    private let seed = UInt64.random(in: .min ... .max)

    init(limit: Int) {
        self.limit = limit
        var count = 16
        while count < limit * 2 { count *= 2 }
        slots = Array(repeating: -1, count: count)
    }

    var count: Int { entries.count }
    var isFull: Bool { entries.count >= limit }

    func find(_ first: String, _ second: String = "", _ third: String = "") -> Value? {
        let hash = hash(first, second, third)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if entries[index].hash == hash, entries[index].third == third, entries[index].second == second,
                entries[index].first == first
            {
                return entries[index].value
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Adds what `find` did not find. The table must not be full, which leaves half of the slots empty.
    mutating func add(_ value: Value, for first: String, _ second: String = "", _ third: String = "") {
        precondition(!isFull, "a table of \(limit) entries is full")
        let hash = hash(first, second, third)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(entries.count)
        entries.append(Entry(hash: hash, first: first, second: second, third: third, value: value))
    }

    @inline(__always)
    private func hash(_ first: String, _ second: String, _ third: String) -> UInt64 {
        var hash = Self.mix(seed, first)
        if !second.isEmpty { hash = Self.mix(hash, second) }
        if !third.isEmpty { hash = Self.mix(hash, third) }
        return hash
    }

    private static func mix(_ start: UInt64, _ text: String) -> UInt64 {
        let mixed = text.utf8.withContiguousStorageIfAvailable { bytes -> UInt64 in
            var hash = start ^ UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
            let memory = UnsafeRawBufferPointer(bytes)
            var at = 0
            while at + 8 <= memory.count {
                hash = fold(hash ^ memory.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                at += 8
            }
            var rest: UInt64 = 0
            while at < memory.count {
                rest = rest << 8 | UInt64(memory[at])
                at += 1
            }
            return fold(hash ^ rest)
        }
        return mixed ?? fold(start ^ UInt64(truncatingIfNeeded: text.hashValue))
    }

    /// The two halves of a long product, folded onto each other: every bit of the word reaches every bit of the hash.
    @inline(__always)
    private static func fold(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: 0x9FB2_1C65_1E98_DF25)
        return product.high ^ product.low
    }
}
