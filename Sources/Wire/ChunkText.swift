package import Core

/// Which of the texts of one streamed answer a piece belongs to.
package struct StreamKey: Sendable, Hashable {
    package var choice: Int
    package var kind: Segment.Kind
    /// Tells apart what a choice has several of: the tool's or the block's index, the member's name.
    package var part: UInt32
    package var segmentID: UInt64 { 0 }
}

package struct ChunkText: Sendable {
    package struct Delta: Sendable {
        package let key: StreamKey
        /// As hooks see it; `textRange` is the place in this event's data.
        package let segment: Segment
        package var range: Range<Int> { segment.textRange }
        package var isEscaped: Bool { segment.isEscaped }
    }

    package let data: Bytes
    package let deltas: [Delta]
    /// Choices that this event finishes (`finish_reason`, `stop_reason`).
    package let finishedChoices: [Int]
    /// The content block that this event finishes (Messages).
    package let finishedBlock: Int?
    /// `[DONE]` or `message_stop`.
    package let isEnd: Bool

    package init(endpoint: Endpoint, event: SSEEvent) {
        data = event.data
        deltas = []
        finishedChoices = []
        finishedBlock = nil
        isEnd = false
    }

    package func text(of delta: Delta) -> Bytes { SegmentTable.text(of: delta.segment, in: data) }
    /// The event's data with other texts for its deltas, one for each; nil leaves one as it is.
    package func replacing(_ texts: [Bytes?]) -> Bytes { data }
}
