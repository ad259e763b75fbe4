// AnswerEncoder: an answer as bytes on the wire (RFC 9112). Head, body and end of a short answer leave in one buffer and with one
// system call; a piece of a stream leaves with its chunk's frame around it.

import Core
import NIOCore
import NIOHTTP1

struct AnswerEncoder {
    /// What has been written and not been taken.
    private var output = ByteBuffer()
    private var isChunked = false
    private var hasBody = true
    /// Bytes of body that were announced and not written yet; nil where the end is marked in another way.
    private var remaining: Int?

    /// A buffer that has grown beyond this is not kept for the next answer.
    private static let keptCapacity = 8 << 10

    enum Length: Equatable {
        case known(Int)
        /// In chunks.
        case unknown
        /// The answer ends with the connection: HTTP/1.0 knows no chunks.
        case untilClose
    }

    /// `connection`: the value of the header of this name, where it needs one. An answer to HEAD has no body, whatever is
    /// written to it.
    mutating func head(
        status: Int, isHTTP10: Bool, isHead: Bool, headers: [(name: String, value: String)], length: Length,
        connection: StaticString?
    ) {
        let mayHaveBody = status >= 200 && status != 204 && status != 304
        hasBody = mayHaveBody && !isHead
        isChunked = mayHaveBody && length == .unknown
        remaining = nil
        if hasBody, case .known(let count) = length { remaining = count }
        var size = 160
        for (name, value) in headers { size += name.utf8.count + value.utf8.count + 4 }
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { buffer in
            var line = Cursor(buffer)
            line.write(isHTTP10 ? "HTTP/1.0 " : "HTTP/1.1 ")
            line.write(decimal: status)
            line.write(" ")
            line.write(text: HTTPResponseStatus(statusCode: status).reasonPhrase)
            line.write("\r\n")
            for (name, value) in headers where !Self.isFraming(name) {
                line.write(text: name)
                line.write(": ")
                line.write(text: value)
                line.write("\r\n")
            }
            if mayHaveBody, case .known(let count) = length {
                line.write("content-length: ")
                line.write(decimal: count)
                line.write("\r\n")
            }
            if isChunked { line.write("transfer-encoding: chunked\r\n") }
            if let connection {
                line.write("connection: ")
                line.write(connection)
                line.write("\r\n")
            }
            line.write("\r\n")
            return line.count
        }
    }

    mutating func body(_ all: Bytes) {
        guard hasBody else { return }
        // More than was announced would be read as another answer.
        let bytes = all[0..<min(all.count, remaining ?? all.count)]
        guard bytes.count > 0 else { return }
        if let left = remaining { remaining = left - bytes.count }
        withExtendedLifetime(bytes) {
            _ = output.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes.count + 24) { buffer in
                var line = Cursor(buffer)
                if isChunked {
                    line.write(hexadecimal: bytes.count)
                    line.write("\r\n")
                }
                line.write(bytes.buffer)
                if isChunked { line.write("\r\n") }
                return line.count
            }
        }
    }

    /// False when less was written than announced.
    mutating func end() -> Bool {
        if hasBody, isChunked { output.writeStaticString("0\r\n\r\n") }
        return remaining ?? 0 == 0
    }

    /// Headers that say where the answer ends are written here alone.
    private static func isFraming(_ name: String) -> Bool {
        switch name.utf8.count {
        case 10: name.equalsIgnoringCase("connection")
        case 14: name.equalsIgnoringCase("content-length")
        case 17: name.equalsIgnoringCase("transfer-encoding")
        default: false
        }
    }

    mutating func proceed() { output.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }

    var isEmpty: Bool { output.readableBytes == 0 }

    /// What was written, which is the caller's to send.
    mutating func take() -> ByteBuffer {
        let taken = output
        output = ByteBuffer()
        return taken
    }

    /// The memory of what has been sent serves the next answer.
    mutating func recycle(_ sent: inout ByteBuffer) {
        guard sent.capacity <= Self.keptCapacity, output.capacity == 0 else { return }
        swap(&output, &sent)
        output.clear()
    }
}

/// Writes into memory that was made large enough.
private struct Cursor {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    /// A name or a value of a header. A control character becomes a space, so that nothing ends its line early.
    mutating func write(text: String) {
        guard let base = buffer.baseAddress else { return }
        precondition(text.utf8.count <= buffer.count - count, "the buffer is too small")
        count += HeaderText.copy(text, to: base + count)
    }

    mutating func write(decimal number: Int) { write(number, base: 10) }
    mutating func write(hexadecimal number: Int) { write(number, base: 16) }

    private mutating func write(_ number: Int, base: Int) {
        var places = 1
        while number / base >= places { places *= base }
        while places > 0 {
            let digit = UInt8(number / places % base)
            buffer[count] = digit < 10 ? 0x30 + digit : 0x57 + digit
            count += 1
            places /= base
        }
    }
}
