// The contents of Markdown's fenced blocks (CommonMark 0.31, section 4.5): lines of at least three backticks or tildes
// around them. A block that never ends goes to the end of the text.

import PluginSDK

struct FencedBlocks: Sequence, IteratorProtocol {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(_ text: Text) { bytes = text.bytes }

    /// The content of the next block, between the lines of its fences.
    mutating func next() -> Range<Int>? {
        while position < bytes.count {
            let line = takeLine()
            guard let opening = fence(line) else { continue }
            let start = position
            while position < bytes.count {
                let line = takeLine()
                if let closing = fence(line), closing.isBare, closing.mark == opening.mark,
                    closing.length >= opening.length
                {
                    return start..<line.lowerBound
                }
            }
            return start..<bytes.count
        }
        return nil
    }

    /// A line without its end.
    private mutating func takeLine() -> Range<Int> {
        let start = position
        while position < bytes.count, bytes[position] != 0x0A { position += 1 }
        let line = start..<position
        position = Swift.min(position + 1, bytes.count)
        return line
    }

    private func fence(_ line: Range<Int>) -> (mark: UInt8, length: Int, isBare: Bool)? {
        var at = line.lowerBound
        while at < line.upperBound, at < line.lowerBound + 3, bytes[at] == 0x20 { at += 1 }
        guard at < line.upperBound, bytes[at] == UInt8(ascii: "`") || bytes[at] == UInt8(ascii: "~") else { return nil }
        let mark = bytes[at]
        let start = at
        while at < line.upperBound, bytes[at] == mark { at += 1 }
        guard at - start >= 3 else { return nil }
        let rest = bytes[at..<line.upperBound]
        // Backticks behind backticks are code within a line.
        if mark == UInt8(ascii: "`"), rest.contains(mark) { return nil }
        return (mark, at - start, rest.allSatisfy { [0x20, 0x09, 0x0D].contains($0) })
    }
}
