// StreamReplay: a whole answer as the events of a stream, for clients that asked for one when the answer came out of
// the cache or from a provider that does not stream. Raw text is cut, never decoded.

package import Core

package enum StreamReplay {
    /// Characters in one piece of text.
    static let pieceLength = 500

    /// The events of a whole answer, with the end event; nil when it is not this endpoint's.
    package static func events(of answer: Bytes, _ endpoint: Endpoint, includeUsage: Bool) -> [SSEEvent]? {
        withExtendedLifetime(answer) {
            let buffer = answer.buffer
            var reader = JSONReader(buffer)
            guard let whole = try? reader.skipValue(), (try? reader.finish()) != nil else { return nil }
            let object = RawObject(buffer, whole)
            switch endpoint {
            case .chatCompletions, .completions:
                guard let choices = object.value("choices"), buffer[choices.lowerBound] == UInt8(ascii: "[") else {
                    return nil
                }
                var replay = ChunkReplay(object, isChat: endpoint == .chatCompletions, includeUsage: includeUsage)
                replay.choices(choices)
                return replay.finish()
            case .messages:
                guard let content = object.value("content"), buffer[content.lowerBound] == UInt8(ascii: "[") else {
                    return nil
                }
                var replay = MessagesReplay(object)
                replay.content(content)
                return replay.finish()
            case .embeddings, .countTokens, .models, .proxy: return nil
            }
        }
    }

    /// The raw text of a string in pieces, none of which cuts a character or an escape.
    static func pieces(_ buffer: UnsafeRawBufferPointer, _ range: Range<Int>) -> [Range<Int>] {
        let raw = UnsafeRawBufferPointer(rebasing: buffer[range])
        var pieces: [Range<Int>] = []
        var start = 0
        var at = 0
        var length = 0
        while at < raw.count {
            at += EscapedText.unitLength(raw, at)
            while at < raw.count, raw[at] & 0xC0 == 0x80 { at += 1 }
            length += 1
            if length == pieceLength || at >= raw.count {
                pieces.append(range.lowerBound + start..<range.lowerBound + at)
                start = at
                length = 0
            }
        }
        return pieces
    }
}

/// JSON text being written, from literals and slices of the answer.
struct RawWriter {
    let buffer: UnsafeRawBufferPointer
    private var output = BytesBuilder(capacity: 512)

    init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

    mutating func literal(_ text: StaticString) { output.append(text) }
    mutating func text(_ text: String) { output.append(text) }
    mutating func slice(_ range: Range<Int>) { output.append(UnsafeRawBufferPointer(rebasing: buffer[range])) }
    mutating func bytes(_ bytes: [UInt8]) { bytes.withUnsafeBytes { output.append($0) } }

    /// `"name":value` as they stand in the answer.
    mutating func member(_ member: (key: Range<Int>, value: Range<Int>)) {
        slice(member.key.lowerBound - 1..<member.key.upperBound + 1)
        literal(":")
        slice(member.value)
    }

    mutating func finish() -> Bytes { output.finish() }
}
