// AnswerFacts: what the gateway wants to know of an answer, whether it comes whole or as one event of a stream. One
// pass, nothing copied but the words that were asked for.

package import Core

package struct AnswerFacts: Sendable, Equatable {
    package var usage: TokenUsage?
    /// `finish_reason` of the first choice that has one, or `stop_reason`.
    package var finishReason: String?
    package var model: String?

    package init() {}

    /// Empty for what is not the JSON of an answer.
    package init(reading body: Bytes) {
        withExtendedLifetime(body) {
            let buffer = body.buffer
            var reader = JSONReader(buffer)
            reader.skipSpace()
            try? read(&reader, buffer, isInside: false)
        }
    }

    /// Takes in what a later event says.
    package mutating func merge(_ later: AnswerFacts) {
        if let usage = later.usage {
            if self.usage == nil { self.usage = usage } else { self.usage?.merge(usage) }
        }
        if let reason = later.finishReason { finishReason = reason }
        if let model = later.model { self.model = model }
    }

    /// `isInside`: in the `message` of message_start or the `delta` of message_delta.
    private mutating func read(_ reader: inout JSONReader, _ buffer: UnsafeRawBufferPointer, isInside: Bool)
        throws(JSONError)
    {
        try reader.enterObject()
        var first = true
        while let key = try reader.nextKey(first: first) {
            first = false
            let byte = reader.current
            if byte == UInt8(ascii: "\"") {
                let text = try reader.skipString()
                if buffer.rawEquals(key, "model") || buffer.rawEquals(key, "modelVersion") {
                    model = buffer.decodedString(text)
                } else if buffer.rawEquals(key, "stop_reason") {
                    finishReason = buffer.decodedString(text)
                }
            } else if byte == UInt8(ascii: "{") {
                if buffer.rawEquals(key, "usage") || buffer.rawEquals(key, "usageMetadata") {
                    usage = Counts(buffer, at: reader.at)?.usage
                    try reader.skipValue()
                } else if !isInside, buffer.rawEquals(key, "message") || buffer.rawEquals(key, "delta") {
                    try read(&reader, buffer, isInside: true)
                } else {
                    try reader.skipValue()
                }
            } else if byte == UInt8(ascii: "["), buffer.rawEquals(key, "choices") {
                try readChoices(&reader, buffer)
            } else {
                try reader.skipValue()
            }
        }
    }

    private mutating func readChoices(_ reader: inout JSONReader, _ buffer: UnsafeRawBufferPointer) throws(JSONError) {
        try reader.enterArray()
        var isFirst = true
        while try reader.nextElement(first: isFirst) {
            isFirst = false
            guard reader.current == UInt8(ascii: "{") else {
                try reader.skipValue()
                continue
            }
            try reader.enterObject()
            var isFirstKey = true
            while let key = try reader.nextKey(first: isFirstKey) {
                isFirstKey = false
                let value = try reader.skipValue()
                if finishReason == nil, buffer.rawEquals(key, "finish_reason"),
                    buffer[value.lowerBound] == UInt8(ascii: "\"")
                {
                    finishReason = buffer.decodedString(value.lowerBound + 1..<value.upperBound - 1)
                }
            }
        }
    }
}
