// Digest: the 32 bytes of a SHA-256, as a value.

/// A SHA-256 digest. `==` and hashing are for dictionaries; compare secrets with `matches`.
package struct Digest: Sendable, Hashable {
    package static let byteCount = 32

    // Four words rather than an array: no memory of its own, and equality is four comparisons. They hold the bytes in
    // memory order, whatever the machine's.
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    private init() {}

    /// The digest that `fill` writes.
    init<E: Error>(filledBy fill: (UnsafeMutablePointer<UInt8>) throws(E) -> Void) throws(E) {
        self.init()
        try withUnsafeMutableBytes(of: &words) { (buffer) throws(E) in
            guard let base = buffer.baseAddress else { return }
            try fill(base.assumingMemoryBound(to: UInt8.self))
        }
    }

    /// nil unless there are exactly 32 bytes.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init()
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
    }

    /// Parses 64 hexadecimal digits, in either case.
    package init?(hex: some StringProtocol) {
        guard hex.utf8.count == 2 * Self.byteCount else { return nil }
        self.init()
        var isHex = true
        withUnsafeMutableBytes(of: &words) { buffer in
            for (index, digit) in hex.utf8.enumerated() {
                guard let value = Self.value(digit) else {
                    isHex = false
                    return
                }
                buffer[index / 2] = buffer[index / 2] << 4 | value
            }
        }
        if !isHex { return nil }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    package func withUnsafeBytes<Result, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> Result
    ) throws(E) -> Result {
        try Swift.withUnsafeBytes(of: words, body)
    }

    package var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    /// 64 hexadecimal digits in lower case.
    package var hex: String { withUnsafeBytes { Hexadecimal.text($0) } }

    package static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    package func hash(into hasher: inout Hasher) {
        // A digest's bits are as good as random; one word is enough to place it.
        hasher.combine(words.0)
    }
}

extension Digest: CustomStringConvertible {
    package var description: String { hex }
}

package enum Hexadecimal {
    /// Two digits a byte, in lower case.
    package static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(unsafeUninitializedCapacity: 2 * bytes.count) { output in
            for index in 0..<bytes.count {
                output[2 * index] = digit(bytes[index] >> 4)
                output[2 * index + 1] = digit(bytes[index] & 15)
            }
            return 2 * bytes.count
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + (value - 10)
    }
}
