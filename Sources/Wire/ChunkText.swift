// ChunkText: the pieces of text in one event of a stream, by the text that they continue. Guards join the pieces of
// each text and give back what may go on; the event keeps everything else as it came.

package import Core

/// Which of the texts of a streamed answer a piece belongs to.
package struct StreamKey: Sendable, Hashable {
    package var choice: Int
    package var kind: Segment.Kind
    /// Tells apart what a choice has several of. On Messages the content block's index; of tool calls their index; else
    /// a number for the member's name.
    package var part: UInt32

    package init(choice: Int, kind: Segment.Kind, part: UInt32) {
        self.choice = choice
        self.kind = kind
        self.part = part
    }

    /// The id of the text's segment: the same for the whole stream, below 2^62.
    package var segmentID: UInt64 {
        UInt64(choice & 0xFFFFF) << 40 | UInt64(kind.rawValue) << 32 | UInt64(part)
    }

    /// The part of a content block of Messages. `leaf` tells texts beside the block's own apart; of a few hundred two may
    /// share a part and are then one text.
    static func part(ofBlock index: Int, leaf: UInt32 = 0) -> UInt32 {
        let number = leaf == 0 ? 0 : (leaf ^ leaf >> 8 ^ leaf >> 16) % 255 + 1
        return UInt32(truncatingIfNeeded: index & 0xFFFF) | number << 16
    }

    /// True for the texts of one content block of Messages.
    package func belongs(toBlock index: Int) -> Bool {
        part & 0xFFFF == UInt32(truncatingIfNeeded: index & 0xFFFF) && part < 0x100_0000
    }
}

package struct ChunkText: Sendable {
    package struct Delta: Sendable {
        package let key: StreamKey
        /// As hooks see it: the pointer is the text's place in the whole answer, `textRange` this piece's place in the
        /// event. On Messages the tool's name is known to `content_block_start` only.
        package let segment: Segment
        package var range: Range<Int> { segment.textRange }
        package var isEscaped: Bool { segment.isEscaped }
    }

    /// The event's data.
    package let data: Bytes
    package private(set) var deltas: [Delta] = []
    /// Choices that this event finishes (`finish_reason`, `stop_reason`).
    package private(set) var finishedChoices: [Int] = []
    /// The content block that this event finishes (Messages).
    package private(set) var finishedBlock: Int?
    /// `[DONE]` or `message_stop`.
    package private(set) var isEnd = false

    package init(endpoint: Endpoint, event: SSEEvent) {
        data = event.data
        if event.isDone {
            isEnd = true
            return
        }
        withExtendedLifetime(event.data) {
            var walk = ChunkWalk(event.data.buffer)
            walk.event(endpoint)
            deltas = walk.deltas
            finishedChoices = walk.finishedChoices
            finishedBlock = walk.finishedBlock
            isEnd = walk.isEnd
        }
    }

    package func text(of delta: Delta) -> Bytes { SegmentTable.text(of: delta.segment, in: data) }

    /// The event's data with other texts for its deltas, one for each; nil leaves one as it is. All other bytes stay,
    /// but for log probabilities, which repeat the text that was replaced.
    package func replacing(_ texts: [Bytes?]) -> Bytes {
        var splices = Splices()
        var shadows: Set<Range<Int>> = []
        for (delta, text) in zip(deltas, texts) {
            guard let text, delta.segment.flags & Segment.Flags.readOnly == 0 else { continue }
            splices.replace(delta.range, with: SegmentEdits.escaped(text, depth: delta.segment.depth))
            if let shadow = delta.segment.shadow, shadows.insert(shadow).inserted {
                splices.replace(shadow, with: Array("null".utf8))
            }
        }
        return splices.apply(to: data)
    }
}
