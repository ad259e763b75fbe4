// JSONLines: a stream with one JSON value on each line (newline-delimited JSON), cut from bytes that may be split anywhere. Lines
// end with LF or CRLF; empty ones are passed over; the last may lack its end.

package struct JSONLinesDecoder {
    private var line = BytesBuilder(capacity: 0)
    private let limit: Int

    /// `limit`: the largest line in bytes.
    package init(limit: Int = 8 << 20) {
        self.limit = limit
    }

    /// Takes the next piece of the stream and appends an event for each line that it completes.
    package mutating func feed(
        _ piece: UnsafeRawBufferPointer, into events: inout [SSEEvent]
    ) throws(SSEDecoder.EventTooLarge) {
        var start = 0
        while start < piece.count {
            let end = piece[start...].firstIndex(of: 0x0A) ?? piece.count
            line.append(UnsafeRawBufferPointer(rebasing: piece[start..<end]))
            if line.count > limit { throw SSEDecoder.EventTooLarge(limit: limit) }
            if end < piece.count { finish(into: &events) }
            start = end + 1
        }
    }

    /// The line ends here, or the stream does.
    package mutating func finish(into events: inout [SSEEvent]) {
        let whole = line.finish()
        let count = whole.count > 0 && whole[whole.count - 1] == 0x0D ? whole.count - 1 : whole.count
        if count > 0 { events.append(SSEEvent(data: whole[0..<count])) }
    }
}
