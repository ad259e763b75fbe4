// EscapedText: what a JSON string says, with the place in its raw text of every byte. An edit by offsets of the decoded
// text finds the raw bytes to replace; JSON inside of a string finds its own strings in the raw text.

import Core

struct EscapedText {
    /// What the raw text says.
    let bytes: [UInt8]
    /// Where each byte begins in the raw text; one more for the end. Bytes of one escape share their place.
    let places: [Int32]

    init(_ raw: UnsafeRawBufferPointer) {
        var bytes: [UInt8] = []
        var places: [Int32] = []
        bytes.reserveCapacity(raw.count)
        places.reserveCapacity(raw.count + 1)
        var at = 0
        while at < raw.count {
            let length = Self.unitLength(raw, at)
            if length == 1 {
                bytes.append(raw[at])
                places.append(Int32(truncatingIfNeeded: at))
            } else {
                for byte in JSONString.decode(UnsafeRawBufferPointer(rebasing: raw[at..<at + length])) {
                    bytes.append(byte)
                    places.append(Int32(truncatingIfNeeded: at))
                }
            }
            at += length
        }
        places.append(Int32(truncatingIfNeeded: raw.count))
        self.bytes = bytes
        self.places = places
    }

    /// The length of the byte or the escape at `at`; two escapes that are one character are one.
    static func unitLength(_ raw: UnsafeRawBufferPointer, _ at: Int) -> Int {
        guard raw[at] == UInt8(ascii: "\\") else { return 1 }
        guard at + 1 < raw.count, raw[at + 1] == UInt8(ascii: "u"), at + 6 <= raw.count else {
            return min(2, raw.count - at)
        }
        func unit(_ start: Int) -> UInt32 {
            var value: UInt32 = 0
            for index in start..<start + 4 { value = value << 4 | (JSONString.hexValue(raw[index]) ?? 0) }
            return value
        }
        if (0xD800..<0xDC00).contains(unit(at + 2)), at + 12 <= raw.count, raw[at + 6] == UInt8(ascii: "\\"),
            raw[at + 7] == UInt8(ascii: "u"), (0xDC00..<0xE000).contains(unit(at + 8))
        {
            return 12
        }
        return 6
    }

    /// The raw range of a range of the decoded text that cuts no character.
    func rawRange(_ range: Range<Int>) -> Range<Int> {
        Int(places[range.lowerBound])..<Int(places[range.upperBound])
    }

    struct Leaf {
        var pointer: String
        /// In the raw text, between the inner quotes.
        var raw: Range<Int>
    }

    /// The strings in the JSON that this text is, nil when it is none. `path`: the pointer so far.
    func stringLeaves(below path: [UInt8]) -> [Leaf]? {
        bytes.withUnsafeBytes { text in
            var check = JSONReader(text)
            guard (try? check.skipValue()) != nil, (try? check.finish()) != nil else { return nil }
            var reader = JSONReader(text)
            reader.skipSpace()
            var path = path
            var leaves: [Leaf] = []
            guard (try? collect(&reader, text, &path, &leaves)) != nil else { return nil }
            return leaves
        }
    }

    private func collect(
        _ reader: inout JSONReader, _ text: UnsafeRawBufferPointer, _ path: inout [UInt8], _ leaves: inout [Leaf]
    ) throws(JSONError) {
        let length = path.count
        switch reader.current {
        case UInt8(ascii: "\""):
            leaves.append(Leaf(pointer: String(decoding: path, as: UTF8.self), raw: rawRange(try reader.skipString())))
        case UInt8(ascii: "{"):
            try reader.enterObject()
            var isFirst = true
            while let key = try reader.nextKey(first: isFirst) {
                isFirst = false
                path.append(UInt8(ascii: "/"))
                PointerText.append(UnsafeRawBufferPointer(rebasing: text[key]), to: &path)
                try collect(&reader, text, &path, &leaves)
                path.removeLast(path.count - length)
            }
        case UInt8(ascii: "["):
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                path.append(UInt8(ascii: "/"))
                PointerText.append(index, to: &path)
                try collect(&reader, text, &path, &leaves)
                path.removeLast(path.count - length)
                index += 1
            }
        default: try reader.skipValue()
        }
    }
}
