// ChunkWalk: finds the text in one event, in one pass. A member that it does not know is a text, too: nothing passes
// unseen.

import Core

struct ChunkWalk {
    private let buffer: UnsafeRawBufferPointer
    private(set) var deltas: [ChunkText.Delta] = []
    private(set) var finishedChoices: [Int] = []
    private(set) var finishedBlock: Int?
    private(set) var isEnd = false

    private var choice = 0
    private var shadow: Range<Int>?
    /// Values around the one being walked for its strings.
    private var depth = 0

    /// Parts of keys for texts of one kind that are not told apart by an index.
    private enum Part {
        static let content: UInt32 = 0
        static let refusal: UInt32 = 1
        static let transcript: UInt32 = 2
        static let functionCall: UInt32 = 0xFFFF
        static let details: UInt32 = 0x1_0000
        static let unread: UInt32 = 0xFFFF_FFFF
    }

    init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

    mutating func event(_ endpoint: Endpoint) {
        do throws(JSONError) {
            var reader = JSONReader(buffer)
            if endpoint == .messages { try messagesEvent(&reader) } else { try chunk(&reader) }
            try reader.finish()
        } catch {
            // Not JSON: all of it is presented, and cannot be edited.
            let key = StreamKey(choice: 0, kind: .other, part: Part.unread)
            let segment = Segment(
                kind: .other, role: .assistant, index: 0, id: key.segmentID, flags: Segment.Flags.readOnly, pointer: "",
                textRange: 0..<buffer.count, depth: 0, isEscaped: false)
            deltas = [ChunkText.Delta(key: key, segment: segment)]
        }
    }

    // MARK: Chunks of chat and text completions

    private mutating func chunk(_ reader: inout JSONReader) throws(JSONError) {
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            if walk.buffer.rawEquals(key, "choices") {
                guard reader.current == UInt8(ascii: "[") else { return try walk.settings(&reader, key) }
                try reader.enterArray()
                var index = 0
                while try reader.nextElement(first: index == 0) {
                    try walk.choice(&reader, place: index)
                    index += 1
                }
            } else {
                try walk.settings(&reader, key)
            }
        }
    }

    private mutating func choice(_ reader: inout JSONReader, place: Int) throws(JSONError) {
        guard reader.current == UInt8(ascii: "{") else {
            try reader.skipValue()
            return
        }
        choice = place
        shadow = nil
        var isFinished = false
        // The index may stand behind the text.
        var texts: (delta: Int, text: Int, message: Int) = (-1, -1, -1)
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            let buffer = walk.buffer
            if buffer.rawEquals(key, "delta") {
                texts.delta = reader.at
                try reader.skipValue()
            } else if buffer.rawEquals(key, "text") {
                texts.text = reader.at
                try reader.skipValue()
            } else if buffer.rawEquals(key, "message") {
                texts.message = reader.at
                try reader.skipValue()
            } else if buffer.rawEquals(key, "index") {
                let index = walk.integer(try reader.skipValue())
                walk.choice = index ?? place
            } else if buffer.rawEquals(key, "finish_reason") {
                if reader.current == UInt8(ascii: "\"") { isFinished = true }
                try walk.settings(&reader, key)
            } else if buffer.rawEquals(key, "logprobs") {
                let value = try reader.skipValue()
                if buffer[value.lowerBound] == UInt8(ascii: "{") { walk.shadow = value }
            } else {
                try walk.settings(&reader, key)
            }
        }
        if isFinished { finishedChoices.append(choice) }
        if texts.delta >= 0 { try delta(texts.delta, "/choices/\(choice)/message") }
        if texts.message >= 0 { try delta(texts.message, "/choices/\(choice)/message") }
        if texts.text >= 0 {
            var inner = JSONReader(buffer, at: texts.text)
            let path = "/choices/\(choice)/text"
            try text(&inner, .text, Part.content, path)
        }
        choice = 0
        shadow = nil
    }

    private mutating func delta(_ start: Int, _ path: String) throws(JSONError) {
        var reader = JSONReader(buffer, at: start)
        guard reader.current == UInt8(ascii: "{") else {
            return try text(&reader, .other, Part.content, path)
        }
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            let buffer = walk.buffer
            if buffer.rawEquals(key, "content") {
                try walk.text(&reader, .text, Part.content, path + "/content")
            } else if buffer.rawEquals(key, "role") {
                try walk.settings(&reader, key)
            } else if buffer.rawEquals(key, "refusal") {
                try walk.text(&reader, .text, Part.refusal, path + "/refusal")
            } else if buffer.rawEquals(key, "reasoning_content") {
                try walk.text(&reader, .reasoning, Part.content, path + "/reasoning_content")
            } else if buffer.rawEquals(key, "reasoning") {
                try walk.text(&reader, .reasoning, Part.refusal, path + "/reasoning")
            } else if buffer.rawEquals(key, "reasoning_details") {
                try walk.reasoningDetails(&reader, path + "/reasoning_details")
            } else if buffer.rawEquals(key, "tool_calls") {
                try walk.toolCalls(&reader, path + "/tool_calls")
            } else if buffer.rawEquals(key, "function_call") {
                try walk.called(&reader, Part.functionCall, path + "/function_call")
            } else if buffer.rawEquals(key, "audio") {
                try walk.audio(&reader, path + "/audio")
            } else {
                try walk.unknown(&reader, key, path)
            }
        }
    }

    private mutating func toolCalls(_ reader: inout JSONReader, _ path: String) throws(JSONError) {
        guard reader.current == UInt8(ascii: "[") else {
            return try text(&reader, .toolArguments, Part.content, path)
        }
        try reader.enterArray()
        var place = 0
        while try reader.nextElement(first: place == 0) {
            let start = reader.at
            let end = try reader.skipValue().upperBound
            let index = self.index(of: start, place)
            var call = JSONReader(buffer, at: start)
            if call.current == UInt8(ascii: "{") {
                try members(&call) { (walk, reader, key) throws(JSONError) in
                    let buffer = walk.buffer
                    if buffer.rawEquals(key, "function") {
                        try walk.called(&reader, UInt32(truncatingIfNeeded: index), path + "/\(index)/function")
                    } else if buffer.rawEquals(key, "custom") {
                        try walk.called(&reader, UInt32(truncatingIfNeeded: index), path + "/\(index)/custom")
                    } else if buffer.rawEquals(key, "index") || buffer.rawEquals(key, "id")
                        || buffer.rawEquals(key, "type")
                    {
                        try walk.settings(&reader, key)
                    } else {
                        try walk.unknown(&reader, key, path + "/\(index)")
                    }
                }
            }
            reader = JSONReader(buffer, at: end)
            place += 1
        }
    }

    /// A function's or a custom tool's name and arguments.
    private mutating func called(_ reader: inout JSONReader, _ part: UInt32, _ path: String) throws(JSONError) {
        guard reader.current == UInt8(ascii: "{") else { return try text(&reader, .toolArguments, part, path) }
        let name = string("name", ofObjectAt: reader.at)
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            let buffer = walk.buffer
            if buffer.rawEquals(key, "name") {
                try walk.settings(&reader, key)
            } else if buffer.rawEquals(key, "arguments") || buffer.rawEquals(key, "input") {
                try walk.text(
                    &reader, .toolArguments, part, path + (buffer.rawEquals(key, "input") ? "/input" : "/arguments"),
                    name: name)
            } else {
                try walk.unknown(&reader, key, path)
            }
        }
    }

    private mutating func audio(_ reader: inout JSONReader, _ path: String) throws(JSONError) {
        guard reader.current == UInt8(ascii: "{") else { return try text(&reader, .other, Part.transcript, path) }
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            if walk.buffer.rawEquals(key, "transcript") {
                try walk.text(&reader, .text, Part.transcript, path + "/transcript")
            } else if walk.buffer.rawEquals(key, "data"), reader.current == UInt8(ascii: "\"") {
                walk.note(
                    try reader.skipString(), .audio, Part.transcript, path + "/data", nil,
                    flags: Segment.Flags.binary)
            } else {
                try walk.settings(&reader, key)
            }
        }
    }

    private mutating func reasoningDetails(_ reader: inout JSONReader, _ path: String) throws(JSONError) {
        guard reader.current == UInt8(ascii: "[") else { return try text(&reader, .reasoning, Part.details, path) }
        try reader.enterArray()
        var place = 0
        while try reader.nextElement(first: place == 0) {
            let index = self.index(of: reader.at, place)
            guard reader.current == UInt8(ascii: "{") else {
                try reader.skipValue()
                place += 1
                continue
            }
            try members(&reader) { (walk, reader, key) throws(JSONError) in
                let part = Part.details + UInt32(truncatingIfNeeded: index & 0xFFFF)
                if walk.buffer.rawEquals(key, "text") {
                    try walk.text(&reader, .reasoning, part, path + "/\(index)/text")
                } else if walk.buffer.rawEquals(key, "summary") {
                    try walk.text(&reader, .reasoning, part | 0x2_0000, path + "/\(index)/summary")
                } else if walk.buffer.rawEquals(key, "data"), reader.current == UInt8(ascii: "\"") {
                    walk.note(
                        try reader.skipString(), .reasoning, part | 0x4_0000, path + "/\(index)/data", nil,
                        flags: Segment.Flags.binary)
                } else if walk.buffer.rawEquals(key, "signature") {
                    try reader.skipValue()
                } else {
                    try walk.settings(&reader, key)
                }
            }
            place += 1
        }
    }

    // MARK: Events of Messages

    private mutating func messagesEvent(_ reader: inout JSONReader) throws(JSONError) {
        let start = reader.at
        let type = eventType(start)
        let index = self.index(of: start, 0)
        if type == .blockStop { finishedBlock = index }
        if type == .end { isEnd = true }
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            let buffer = walk.buffer
            if buffer.rawEquals(key, "delta"), reader.current == UInt8(ascii: "{") {
                if type == .messageDelta {
                    try walk.messageDelta(&reader)
                } else {
                    try walk.blockDelta(&reader, index)
                }
            } else if buffer.rawEquals(key, "content_block"), reader.current == UInt8(ascii: "{") {
                try walk.block(&reader, index)
            } else if buffer.rawEquals(key, "message"), reader.current == UInt8(ascii: "{") {
                try walk.startedMessage(&reader)
            } else if buffer.rawEquals(key, "error") {
                try walk.leaves(&reader, .other, walk.number(of: key), "/error", name: nil)
            } else {
                try walk.settings(&reader, key)
            }
        }
    }

    private enum EventType { case blockStop, messageDelta, end, other }

    private func eventType(_ start: Int) -> EventType {
        var reader = JSONReader(buffer, at: start)
        guard (try? reader.enterObject()) != nil else { return .other }
        var first = true
        while let key = try? reader.nextKey(first: first) {
            first = false
            guard let value = try? reader.skipValue() else { return .other }
            guard buffer.rawEquals(key, "type") else { continue }
            if buffer.rawEquals(value, "\"content_block_stop\"") { return .blockStop }
            if buffer.rawEquals(value, "\"message_delta\"") { return .messageDelta }
            return buffer.rawEquals(value, "\"message_stop\"") ? .end : .other
        }
        return .other
    }

    private mutating func messageDelta(_ reader: inout JSONReader) throws(JSONError) {
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            if walk.buffer.rawEquals(key, "stop_reason") {
                if walk.buffer[reader.at] == UInt8(ascii: "\"") { walk.finishedChoices = [0] }
                try walk.settings(&reader, key)
            } else {
                try walk.ending(&reader, key)
            }
        }
    }

    /// A member of the message beside its content: how it ended, or settings.
    private mutating func ending(_ reader: inout JSONReader, _ key: Range<Int>) throws(JSONError) {
        let part = number(of: key)
        if buffer.rawEquals(key, "stop_sequence") {
            try text(&reader, .other, part, "/stop_sequence")
        } else if buffer.rawEquals(key, "stop_details"), reader.current == UInt8(ascii: "{") {
            try table(&reader, .stopDetails, "/stop_details") { _ in part }
        } else {
            try settings(&reader, key)
        }
    }

    private mutating func startedMessage(_ reader: inout JSONReader) throws(JSONError) {
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            guard walk.buffer.rawEquals(key, "content"), reader.current == UInt8(ascii: "[") else {
                return try walk.ending(&reader, key)
            }
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                if reader.current == UInt8(ascii: "{") {
                    try walk.block(&reader, index)
                } else {
                    try walk.leaves(
                        &reader, .other, StreamKey.part(ofBlock: index), "/content/\(index)", name: nil)
                }
                index += 1
            }
        }
    }

    /// A whole content block. What the deltas go on with has the block's own key, other texts keys of their own.
    private mutating func block(_ reader: inout JSONReader, _ index: Int) throws(JSONError) {
        let path = "/content/\(index)"
        try table(&reader, .part, path) { segment in
            let leaf = segment.pointer.utf8.dropFirst(path.utf8.count)
            let isContinued = Self.continued.contains { leaf.elementsEqual($0.utf8) }
            return StreamKey.part(ofBlock: index, leaf: isContinued ? 0 : Self.number(of: leaf))
        }
    }

    private static let continued = ["/text", "/thinking", "/content"]

    private mutating func blockDelta(_ reader: inout JSONReader, _ index: Int) throws(JSONError) {
        let part = StreamKey.part(ofBlock: index)
        try members(&reader) { (walk, reader, key) throws(JSONError) in
            let buffer = walk.buffer
            if buffer.rawEquals(key, "text") {
                try walk.text(&reader, .text, part, "/content/\(index)/text")
            } else if buffer.rawEquals(key, "thinking") {
                try walk.text(&reader, .reasoning, part, "/content/\(index)/thinking")
            } else if buffer.rawEquals(key, "partial_json") {
                try walk.text(&reader, .toolArguments, part, "/content/\(index)/input")
            } else if buffer.rawEquals(key, "content") {
                try walk.text(&reader, .text, part, "/content/\(index)/content")
            } else if buffer.rawEquals(key, "citation"), reader.current == UInt8(ascii: "{") {
                try walk.table(&reader, .citation, "/content/\(index)/citations") { segment in
                    StreamKey.part(ofBlock: index, leaf: Self.number(of: segment.pointer.utf8))
                }
            } else if buffer.rawEquals(key, "encrypted_content"), reader.current == UInt8(ascii: "\"") {
                walk.note(
                    try reader.skipString(), .file, part, "/content/\(index)/encrypted_content", nil,
                    flags: Segment.Flags.binary)
            } else if buffer.rawEquals(key, "signature") {
                try reader.skipValue()
            } else if buffer.rawEquals(key, "type") {
                try walk.settings(&reader, key)
            } else {
                try walk.leaves(
                    &reader, .other, StreamKey.part(ofBlock: index, leaf: walk.number(of: key)),
                    walk.pointer("/content/\(index)", key), name: nil)
            }
        }
    }

    /// An object as the table of whole bodies knows it.
    private mutating func table(
        _ reader: inout JSONReader, _ shape: SegmentTable.Shape, _ path: String, part: (Segment) -> UInt32
    ) throws(JSONError) {
        let context = SegmentWalk.Context(role: .assistant)
        for segment in SegmentWalk.segments(ofObjectAt: reader.at, in: buffer, shape, pointer: path, context) {
            let key = StreamKey(choice: choice, kind: segment.kind, part: part(segment))
            var presented = segment
            presented.id = key.segmentID
            presented.index = choice
            deltas.append(ChunkText.Delta(key: key, segment: presented))
        }
        try reader.skipValue()
    }

    // MARK: Members that are no text

    /// A member outside of the delta, or one that should be a name: words are taken for keywords and ids, everything
    /// longer for text. Texts of words would hold a stream back to its end.
    private mutating func settings(_ reader: inout JSONReader, _ key: Range<Int>) throws(JSONError) {
        switch reader.current {
        case UInt8(ascii: "\""):
            let text = try reader.skipString()
            // Padding against those who measure the length of events.
            if SegmentWalk.isWord(buffer, text, mayHaveAt: true) || buffer.rawEquals(key, "obfuscation") { return }
            note(text, .other, number(of: key), pointer("", key), nil)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            if buffer.rawEquals(key, "hook_results") {
                try reader.skipValue()
                return
            }
            let first = deltas.count
            try leaves(&reader, .other, number(of: key), pointer("", key), name: nil)
            let texts = deltas[first...].filter { !SegmentWalk.isWord(buffer, $0.range, mayHaveAt: true) }
            deltas.replaceSubrange(first..., with: texts)
        default: try reader.skipValue()
        }
    }

    private mutating func unknown(_ reader: inout JSONReader, _ key: Range<Int>, _ path: String) throws(JSONError) {
        try leaves(&reader, .other, number(of: key), pointer(path, key), name: nil)
    }

    private func number(of key: Range<Int>) -> UInt32 {
        Self.number(of: UnsafeRawBufferPointer(rebasing: buffer[key]))
    }

    /// A number for a name (FNV-1a), with a bit that no index has.
    private static func number(of name: some Sequence<UInt8>) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in name { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return hash | 0x8000_0000
    }

    // MARK: Noting

    private mutating func text(
        _ reader: inout JSONReader, _ kind: Segment.Kind, _ part: UInt32, _ path: @autoclosure () -> String,
        name: String? = nil
    ) throws(JSONError) {
        guard reader.current == UInt8(ascii: "\"") else {
            return try leaves(&reader, kind == .toolArguments ? kind : .other, part, path(), name: name)
        }
        note(try reader.skipString(), kind, part, path(), name)
    }

    private mutating func leaves(
        _ reader: inout JSONReader, _ kind: Segment.Kind, _ part: UInt32, _ path: String, name: String?
    ) throws(JSONError) {
        guard depth < JSONReader.maximumDepth else { throw JSONError("nested too deep", at: reader.at) }
        depth += 1
        defer { depth -= 1 }
        switch reader.current {
        case UInt8(ascii: "\""): note(try reader.skipString(), kind, part, path, name)
        case UInt8(ascii: "{"):
            try members(&reader) { (walk, reader, key) throws(JSONError) in
                if walk.buffer.rawEquals(key, "encrypted_content") || walk.buffer.rawEquals(key, "encrypted_index") {
                    try reader.skipValue()
                } else {
                    try walk.leaves(&reader, kind, part, walk.pointer(path, key), name: name)
                }
            }
        case UInt8(ascii: "["):
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                try leaves(&reader, kind, part, path + "/\(index)", name: name)
                index += 1
            }
        default: try reader.skipValue()
        }
    }

    private mutating func note(
        _ range: Range<Int>, _ kind: Segment.Kind, _ part: UInt32, _ path: String, _ name: String?,
        flags: UInt32 = 0
    ) {
        let key = StreamKey(choice: choice, kind: kind, part: part)
        let segment = Segment(
            kind: kind, role: .assistant, index: choice, id: key.segmentID, flags: flags, pointer: path,
            textRange: range, isEscaped: JSONString.hasEscapes(UnsafeRawBufferPointer(rebasing: buffer[range])),
            name: name,
            shadow: shadow)
        deltas.append(ChunkText.Delta(key: key, segment: segment))
    }

    // MARK: Reading

    /// Calls `body` for each member of the object at the cursor, which must leave the cursor behind the member's value.
    private mutating func members(
        _ reader: inout JSONReader, _ body: (inout ChunkWalk, inout JSONReader, Range<Int>) throws(JSONError) -> Void
    ) throws(JSONError) {
        try reader.enterObject()
        var first = true
        while let key = try reader.nextKey(first: first) {
            first = false
            try body(&self, &reader, key)
        }
    }

    private func value(_ name: StaticString, ofObjectAt start: Int) -> Range<Int>? {
        var reader = JSONReader(buffer, at: start)
        guard (try? reader.enterObject()) != nil else { return nil }
        var first = true
        while let key = try? reader.nextKey(first: first) {
            first = false
            guard let value = try? reader.skipValue() else { return nil }
            if buffer.rawEquals(key, name) { return value }
        }
        return nil
    }

    private func string(_ name: StaticString, ofObjectAt start: Int) -> String? {
        guard let value = value(name, ofObjectAt: start), buffer[value.lowerBound] == UInt8(ascii: "\"") else {
            return nil
        }
        return buffer.decodedString(value.lowerBound + 1..<value.upperBound - 1)
    }

    /// The `index` of the object at `start`, or its place.
    private func index(of start: Int, _ place: Int) -> Int {
        value("index", ofObjectAt: start).flatMap(integer) ?? place
    }

    private func integer(_ value: Range<Int>) -> Int? {
        var number = 0
        guard value.count < 10 else { return nil }
        for index in value {
            guard buffer[index] &- 0x30 < 10 else { return nil }
            number = number * 10 + Int(buffer[index] - 0x30)
        }
        return number
    }

    private func pointer(_ path: String, _ key: Range<Int>) -> String {
        path + "/" + JSONPointer.escape(buffer.decodedString(key))
    }
}
