// SegmentEdits: changes of segments, by offsets of the text as it was presented, written back into the body. Bytes that
// no edit touches stay as they are, down to the spelling of their escapes.

package import Core

package struct SegmentEdits: Sendable {
    private struct Edit: Sendable {
        var range: Range<Int>
        var segment: Segment
        var text: Bytes
    }

    private var edits: [Edit] = []

    package init() {}
    package var isEmpty: Bool { edits.isEmpty }

    /// Replaces `range`, offsets of the segment's decoded text, which may not cut a character nor overlap another
    /// edit's. Edits of read-only segments are ignored.
    package mutating func replace(_ range: Range<Int>, of segment: Segment, with text: Bytes) {
        guard segment.flags & Segment.Flags.readOnly == 0 else { return }
        edits.append(Edit(range: range, segment: segment, text: text))
    }

    /// The body with all edits. They must have been made of this body's segments.
    package func apply(to body: Bytes) -> Bytes {
        var splices = Splices()
        withExtendedLifetime(body) {
            // Edits of one segment share its decoding.
            let ordered = edits.enumerated().sorted {
                ($0.element.segment.textRange.lowerBound, $0.offset) < (
                    $1.element.segment.textRange.lowerBound, $1.offset
                )
            }
            var known: (start: Int, map: TextMap)?
            var shadows: Set<Range<Int>> = []
            for (_, edit) in ordered {
                let start = edit.segment.textRange.lowerBound
                let map: TextMap
                if let known, known.start == start { map = known.map } else { map = TextMap(edit.segment, in: body) }
                known = (start, map)
                guard edit.range.lowerBound >= 0, edit.range.upperBound <= map.count else { continue }
                let raw = map.rawRange(edit.range)
                splices.replace(
                    start + raw.lowerBound..<start + raw.upperBound,
                    with: Self.escaped(edit.text, depth: edit.segment.depth))
                if let shadow = edit.segment.shadow, shadows.insert(shadow).inserted {
                    splices.replace(shadow, with: Array("null".utf8))
                }
            }
        }
        return splices.apply(to: body)
    }

    /// `text` as it stands in as many strings.
    static func escaped(_ text: Bytes, depth: UInt8) -> [UInt8] {
        var output: [UInt8] = []
        withExtendedLifetime(text) { JSONString.escape(text.buffer, into: &output) }
        for _ in 1..<max(1, depth) {
            var outer: [UInt8] = []
            output.withUnsafeBytes { JSONString.escape($0, into: &outer) }
            output = outer
        }
        return output
    }
}

/// Offsets of a segment's decoded text to offsets of its raw text.
private enum TextMap {
    case plain(Int)
    case once(EscapedText)
    case twice(outer: EscapedText, inner: EscapedText)

    init(_ segment: Segment, in body: Bytes) {
        guard segment.isEscaped else {
            self = .plain(segment.textRange.count)
            return
        }
        let outer = EscapedText(UnsafeRawBufferPointer(rebasing: body.buffer[segment.textRange]))
        if segment.depth > 1 {
            self = .twice(outer: outer, inner: outer.bytes.withUnsafeBytes { EscapedText($0) })
        } else {
            self = .once(outer)
        }
    }

    /// Of the decoded text.
    var count: Int {
        switch self {
        case .plain(let count): count
        case .once(let text), .twice(_, let text): text.bytes.count
        }
    }

    func rawRange(_ range: Range<Int>) -> Range<Int> {
        switch self {
        case .plain: range
        case .once(let text): text.rawRange(range)
        case .twice(let outer, let inner): outer.rawRange(inner.rawRange(range))
        }
    }
}
