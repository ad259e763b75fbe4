package import Core

package struct SegmentEdits: Sendable {
    package init() {}
    package var isEmpty: Bool { true }
    /// Replaces `range`, offsets of the decoded text, which must not cut a character.
    package mutating func replace(_ range: Range<Int>, of segment: Segment, with text: Bytes) {}
    package func apply(to body: Bytes) -> Bytes { body }
}
