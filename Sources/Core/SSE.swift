// SSE: server-sent events (WHATWG HTML, 9.2.6), cut from a byte stream that may be split anywhere.
//
// Lines end with LF, CRLF or CR; a byte order mark at the start and comment lines are skipped; an event ends at an empty line,
// or, leniently, at the end of the stream, since several providers leave the last empty line out.

#if canImport(Glibc)
    import Glibc
#endif

package struct SSEEvent: Sendable, Equatable {
    /// The `event:` field; empty when there was none.
    package var name: String
    /// The `data:` lines, joined with LF.
    package var data: Bytes

    package init(name: String = "", data: Bytes) {
        self.name = name
        self.data = data
    }

    package static let done = SSEEvent(data: "[DONE]")
    package var isDone: Bool { data.count == 6 && data == Self.done.data }

    /// The event as it goes over the wire, with its empty line.
    package func write(into output: inout BytesBuilder) {
        if !name.isEmpty {
            output.append("event: ")
            output.append(name)
            output.append("\n")
        }
        withExtendedLifetime(data) {
            let buffer = data.buffer
            var start = 0
            for index in 0...buffer.count where index == buffer.count || buffer[index] == 0x0A {
                output.append("data: ")
                output.append(UnsafeRawBufferPointer(rebasing: buffer[start..<index]))
                output.append("\n")
                start = index + 1
            }
        }
        output.append("\n")
    }
}

package struct SSEDecoder {
    package struct EventTooLarge: Error {
        package var limit: Int
    }

    private var line: [UInt8] = []
    private var data: BytesBuilder = BytesBuilder()
    private var hasData = false
    private var name = ""
    private var skipLineFeed = false
    /// A line ended with CR alone, which the format allows and many clients do not know.
    package private(set) var endsLinesWithCR = false
    private var atStart = true
    private let limit: Int

    /// `limit`: the largest event in bytes.
    package init(limit: Int = 8 << 20) {
        self.limit = limit
    }

    /// Takes the next piece of the stream and appends the events that it completes.
    package mutating func feed(_ piece: UnsafeRawBufferPointer, into events: inout [SSEEvent]) throws(EventTooLarge) {
        guard let base = piece.baseAddress else { return }
        var start = 0
        let count = piece.count
        /// Where the next line feed is; `count` when there is none.
        var lineFeed = -1
        while start < count {
            if skipLineFeed {
                skipLineFeed = false
                if piece[start] == 0x0A {
                    start += 1
                    continue
                }
                endsLinesWithCR = true
            }
            if lineFeed < start { lineFeed = Self.find(0x0A, base, start, count) }
            let end = Self.find(0x0D, base, start, lineFeed)
            let part = UnsafeRawBufferPointer(rebasing: piece[start..<end])
            guard end < count else {
                line.append(contentsOf: part)
                if line.count + data.count > limit { throw EventTooLarge(limit: limit) }
                return
            }
            if line.isEmpty {
                take(part, into: &events)
            } else {
                line.append(contentsOf: part)
                let whole = line
                line.removeAll(keepingCapacity: true)
                whole.withUnsafeBytes { take($0, into: &events) }
            }
            if data.count > limit { throw EventTooLarge(limit: limit) }
            skipLineFeed = piece[end] == 0x0D
            start = end + 1
        }
    }

    /// The index of `byte` in `start..<end`, or `end`.
    @inline(__always)
    private static func find(_ byte: Int32, _ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        memchr(base + start, byte, end - start).map { UnsafeRawPointer($0) - base } ?? end
    }

    /// The stream has ended: an event without its empty line counts, too.
    package mutating func finish(into events: inout [SSEEvent]) {
        if !line.isEmpty {
            let whole = line
            line = []
            whole.withUnsafeBytes { take($0, into: &events) }
        }
        dispatch(into: &events)
    }

    /// True when a line or an event is half read.
    package var isMidEvent: Bool { !line.isEmpty || hasData }

    private mutating func take(_ whole: UnsafeRawBufferPointer, into events: inout [SSEEvent]) {
        var text = whole
        if atStart {
            atStart = false
            if text.count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF {
                text = UnsafeRawBufferPointer(rebasing: text[3...])
            }
        }
        if text.isEmpty {
            dispatch(into: &events)
            return
        }
        var colon = 0
        while colon < text.count, text[colon] != UInt8(ascii: ":") { colon += 1 }
        if colon == 0 { return }
        var value = text.count
        if colon < text.count {
            value = colon + 1
            if value < text.count, text[value] == 0x20 { value += 1 }
        }
        if text.rawEquals(0..<colon, "data") {
            if hasData { data.append(UInt8(0x0A)) }
            hasData = true
            data.append(UnsafeRawBufferPointer(rebasing: text[value...]))
        } else if text.rawEquals(0..<colon, "event") {
            name = String(decoding: text[value...], as: UTF8.self)
        }
    }

    private mutating func dispatch(into events: inout [SSEEvent]) {
        defer { name = "" }
        guard hasData else { return }
        hasData = false
        events.append(SSEEvent(name: name, data: data.finish()))
    }
}
