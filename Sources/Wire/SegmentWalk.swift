// SegmentWalk: follows the table over one body and notes what carries text. Each object's members are found first and
// then walked, because what one of them says (the role, the tool's name) may stand behind another.

import Core

struct SegmentWalk {
    typealias Rule = SegmentTable.Rule
    typealias Shape = SegmentTable.Shape

    /// What is known of the surroundings.
    struct Context {
        var role: Segment.Role
        var index = 0
        /// What plain text is here: text, or a tool's result.
        var textKind = Segment.Kind.text
        var name: String?
        var mediaType: String?
        /// Of parts: the word at `type`.
        var partType: PartType = .other
        /// Of a source: its data is text.
        var isPlainText = false
        /// Of audio, files and sources: the data stands beside the id.
        var hasData = false
        /// How many parts are around this one.
        var partDepth = 0
        /// The choice's log probabilities.
        var shadow: Range<Int>?
    }

    enum PartType { case image, document, toolResult, other }

    private struct Member {
        var key: Range<Int>
        var value: Range<Int>
        /// In the shape's entries; -1 for a member that is not among them.
        var entry: Int
    }

    /// Parts inside of parts deeper than this are walked without the table, so that a body cannot cost its square.
    private static let maximumPartDepth = 8
    private static let maximumWordLength = 256

    private let buffer: UnsafeRawBufferPointer
    private let refuses: Bool
    private var found: [Segment] = []
    private var path: [UInt8] = []
    /// The members of the objects being walked, the innermost last.
    private var members: [Member] = []
    private var refusal: GatewayError?
    /// Of the strings in the value being walked, those that are words are no text.
    private var skipsWords = false

    /// `refuses`: whether ambiguous members end the walk (requests) or are all walked (answers).
    init(_ buffer: UnsafeRawBufferPointer, refuses: Bool) {
        self.buffer = buffer
        self.refuses = refuses
    }

    mutating func segments(_ shape: Shape, _ context: Context) throws(GatewayError) -> [Segment] {
        do throws(JSONError) {
            found.reserveCapacity(16)
            var reader = JSONReader(buffer)
            reader.skipSpace()
            var rest = JSONReader(buffer, at: try object(at: reader.at, shape, context))
            try rest.finish()
            return found
        } catch let error {
            if let refusal { throw refusal }
            let (line, column) = error.position(in: buffer)
            throw GatewayError(
                .invalidRequest, status: 400,
                "the request body is not valid JSON: \(error.reason) (line \(line), column \(column))",
                type: "invalid_request_error", code: "invalid_json")
        }
    }

    /// The segments of an object inside of a body, as a streamed event holds one: `pointer` is its place in the answer.
    /// Empty for what is no JSON.
    static func segments(
        ofObjectAt start: Int, in buffer: UnsafeRawBufferPointer, _ shape: Shape, pointer: String, _ context: Context
    ) -> [Segment] {
        var walk = SegmentWalk(buffer, refuses: false)
        walk.path = Array(pointer.utf8)
        guard (try? walk.object(at: start, shape, context)) != nil else { return [] }
        return walk.found
    }

    // MARK: Objects

    /// Walks the object that begins at `start`, and gives its end.
    @discardableResult
    private mutating func object(at start: Int, _ shape: Shape, _ outer: Context) throws(JSONError) -> Int {
        let first = members.count
        let end = try collect(start, shape)
        let last = members.count
        var context = outer
        adopt(first..<last, shape, &context)
        for index in first..<last {
            let member = members[index]
            let rule = member.entry < 0 ? Rule.leaves(.other) : SegmentTable.entries[shape.rawValue][member.entry].rule
            if isSilent(member.value, rule) { continue }
            let length = push(member.key)
            try walk(member.value, rule, shape, context)
            path.removeLast(path.count - length)
        }
        members.removeLast(members.count - first)
        return end
    }

    /// True for values in which there is no text for sure.
    private func isSilent(_ value: Range<Int>, _ rule: Rule) -> Bool {
        switch buffer[value.lowerBound] {
        case UInt8(ascii: "\""):
            switch rule {
            case .skip: true
            case .word, .words, .wordOrList: isWord(inside(value))
            case .model: Self.isWord(buffer, inside(value), mayHaveAt: true)
            default: false
            }
        case UInt8(ascii: "{"), UInt8(ascii: "["): if case .skip = rule { true } else { false }
        default: true
        }
    }

    /// Puts the members of the object that begins at `start` on the stack, and gives the object's end.
    private mutating func collect(_ start: Int, _ shape: Shape) throws(JSONError) -> Int {
        let entries = SegmentTable.entries[shape.rawValue]
        var seen: UInt64 = 0
        var reader = JSONReader(buffer, at: start)
        try reader.enterObject()
        var isFirst = true
        while let key = try reader.nextKey(first: isFirst) {
            isFirst = false
            let member = try reader.skipValue()
            var found = -1
            for index in entries.indices where buffer.rawEquals(key, entries[index].name) {
                found = index
                break
            }
            if found < 0, MemberNames.isUnusual(buffer, key) { found = try disguised(key, entries) }
            if found >= 0 {
                if seen >> UInt64(found) & 1 == 1 {
                    try refuse(entries[found].name, "stands twice in one object", code: "duplicate_member")
                }
                seen |= 1 << UInt64(found)
            }
            members.append(Member(key: key, value: member, entry: found))
        }
        return reader.at
    }

    /// The entry of a name spelled with escapes. One that is a name only to parsers that ignore case is refused.
    private mutating func disguised(_ key: Range<Int>, _ entries: [SegmentTable.Entry]) throws(JSONError) -> Int {
        for (index, entry) in entries.enumerated() where buffer.stringEquals(key, entry.name.description) {
            return index
        }
        let folded = MemberNames.folded(buffer, key)
        guard let index = entries.firstIndex(where: { $0.name.description == folded }) else { return -1 }
        if case .skip = entries[index].rule { return -1 }
        try refuse(entries[index].name, "must be spelled exactly so", code: "disguised_member")
        return -1
    }

    private mutating func refuse(_ name: StaticString, _ what: String, code: String) throws(JSONError) {
        guard refuses else { return }
        let place = String(decoding: path, as: UTF8.self)
        refusal = GatewayError(
            .invalidRequest, status: 400, "the member \"\(name)\" \(what)\(place.isEmpty ? "" : ", at \(place)")",
            type: "invalid_request_error", code: code, param: "\(place)/\(name)")
        throw JSONError(what, at: 0)
    }

    /// Takes from an object what its members' segments need to know.
    private func adopt(_ range: Range<Int>, _ shape: Shape, _ context: inout Context) {
        switch shape {
        case .message:
            context.role = value("role", range).flatMap(role) ?? context.role
            if context.role == .tool {
                context.textKind = .toolResult
                context.name = string("name", range)
            }
        case .part:
            context.partType = partType(range)
            context.mediaType = nil
            context.hasData = false
            if context.partType == .toolResult {
                context.role = .tool
                context.textKind = .toolResult
            }
            if value("input", range) != nil { context.name = string("name", range) }
        case .calledFunction, .calledCustom, .declaredFunction: context.name = string("name", range) ?? context.name
        case .tool: context.name = string("name", range)
        case .audio:
            context.mediaType = string("format", range).map { $0 == "mp3" ? "audio/mpeg" : "audio/\($0)" }
            context.hasData = value("data", range) != nil
        case .file: context.hasData = value("file_data", range) != nil
        case .source:
            context.hasData = value("data", range) != nil
            context.mediaType = string("media_type", range)
            context.isPlainText = string("type", range) == "text"
        case .choice:
            context.shadow = value("logprobs", range).flatMap { buffer[$0.lowerBound] == UInt8(ascii: "{") ? $0 : nil }
        default: break
        }
    }

    /// The value of a member of the object on the stack.
    private func value(_ name: StaticString, _ range: Range<Int>) -> Range<Int>? {
        for index in range where buffer.rawEquals(members[index].key, name) { return members[index].value }
        for index in range where members[index].entry >= 0 && MemberNames.isUnusual(buffer, members[index].key) {
            if buffer.stringEquals(members[index].key, name.description) { return members[index].value }
        }
        return nil
    }

    private func string(_ name: StaticString, _ range: Range<Int>) -> String? {
        guard let value = value(name, range), isString(value) else { return nil }
        return buffer.decodedString(inside(value))
    }

    private func role(_ value: Range<Int>) -> Segment.Role? {
        guard isString(value) else { return nil }
        switch buffer.decodedString(inside(value)) {
        case "system", "developer": return .system
        case "user": return .user
        case "assistant": return .assistant
        case "tool", "function": return .tool
        default: return Segment.Role.none
        }
    }

    private func partType(_ range: Range<Int>) -> PartType {
        guard let type = string("type", range) else { return .other }
        if type == "image" || type == "image_url" || type == "input_image" { return .image }
        if type == "document" { return .document }
        return type.hasSuffix("tool_result") ? .toolResult : .other
    }

    // MARK: Values

    private mutating func walk(_ value: Range<Int>, _ rule: Rule, _ shape: Shape, _ context: Context) throws(JSONError)
    {
        let start = buffer[value.lowerBound]
        switch rule {
        case .skip: return
        case .word, .model: try leaves(value, .other, context)
        case .words: try words(value, context)
        case .text(let kind):
            guard start == UInt8(ascii: "\"") else { return try leaves(value, .other, context) }
            note(inside(value), kind == .text ? context.textKind : kind, context)
        case .content: try content(value, context)
        case .instructions:
            var inner = context
            inner.role = .system
            try content(value, inner)
        case .object(let inner):
            if start == UInt8(ascii: "{") {
                try object(at: value.lowerBound, inner, context)
            } else if start == UInt8(ascii: "\""), inner == .linkedImage || inner == .linkedVideo {
                noteLink(inside(value), inner == .linkedImage ? .image : .file, context)
            } else {
                try leaves(value, .other, context)
            }
        case .list(let inner), .wordOrList(let inner): try list(value, inner, context)
        case .prompt: try prompt(value, context)
        case .leaves(let kind): try leaves(value, kind, context)
        case .arguments: try arguments(value, context)
        case .schema: try schema(value, context)
        case .link(let kind):
            guard start == UInt8(ascii: "\"") else { return try leaves(value, .other, context) }
            noteLink(inside(value), shape == .source && context.partType == .image ? .image : kind, context)
        case .data(let kind):
            guard start == UInt8(ascii: "\"") else { return try leaves(value, .other, context) }
            noteData(inside(value), kind, context)
        case .source:
            if start == UInt8(ascii: "{") {
                try object(at: value.lowerBound, .source, context)
            } else {
                try leaves(value, .other, context)
            }
        case .reference(let kind):
            guard start == UInt8(ascii: "\"") else { return try leaves(value, .other, context) }
            if context.hasData, isWord(inside(value)) { return }
            note(inside(value), kind, context, flags: Segment.Flags.binary)
        }
    }

    private mutating func content(_ value: Range<Int>, _ context: Context) throws(JSONError) {
        switch buffer[value.lowerBound] {
        case UInt8(ascii: "\""): note(inside(value), context.textKind, context)
        case UInt8(ascii: "{"): try part(at: value.lowerBound, context)
        case UInt8(ascii: "["):
            var reader = JSONReader(buffer, at: value.lowerBound)
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                let length = push(index)
                switch reader.current {
                case UInt8(ascii: "\""): note(try reader.skipString(), context.textKind, context)
                case UInt8(ascii: "{"): reader = JSONReader(buffer, at: try part(at: reader.at, context))
                default: try leaves(&reader, .other, context)
                }
                path.removeLast(path.count - length)
                index += 1
            }
        default: return
        }
    }

    /// Walks a part of content, and gives its end.
    @discardableResult
    private mutating func part(at start: Int, _ context: Context) throws(JSONError) -> Int {
        guard context.partDepth < Self.maximumPartDepth else {
            var reader = JSONReader(buffer, at: start)
            try leaves(&reader, .other, context)
            return reader.at
        }
        var inner = context
        inner.partDepth += 1
        return try object(at: start, .part, inner)
    }

    private mutating func list(_ value: Range<Int>, _ shape: Shape, _ context: Context) throws(JSONError) {
        guard buffer[value.lowerBound] == UInt8(ascii: "[") else { return try leaves(value, .other, context) }
        var reader = JSONReader(buffer, at: value.lowerBound)
        try reader.enterArray()
        var index = 0
        var inner = context
        while try reader.nextElement(first: index == 0) {
            let length = push(index)
            if shape == .message || shape == .choice { inner.index = index }
            if reader.current == UInt8(ascii: "{") {
                if shape == .choice { inner.index = choiceIndex(reader.at) ?? index }
                reader = JSONReader(buffer, at: try object(at: reader.at, shape, inner))
            } else {
                try leaves(&reader, .other, inner)
            }
            path.removeLast(path.count - length)
            index += 1
        }
    }

    /// What a choice says at `index`: its place in the array says less.
    private func choiceIndex(_ start: Int) -> Int? {
        let text = UnsafeRawBufferPointer(rebasing: buffer[start...])
        guard let place = JSONPointer(["index"]).find(in: text) else { return nil }
        return Int(String(decoding: text[place], as: UTF8.self))
    }

    private mutating func prompt(_ value: Range<Int>, _ context: Context) throws(JSONError) {
        guard buffer[value.lowerBound] == UInt8(ascii: "[") else { return try content(value, context) }
        var reader = JSONReader(buffer, at: value.lowerBound)
        try reader.enterArray()
        var index = 0
        var hasNumber = false
        while try reader.nextElement(first: index == 0) {
            let element = try reader.skipValue()
            let length = push(index)
            switch buffer[element.lowerBound] {
            case UInt8(ascii: "["): try prompt(element, context)
            case UInt8(ascii: "\""), UInt8(ascii: "{"): try content(element, context)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): hasNumber = true
            default: break
            }
            path.removeLast(path.count - length)
            index += 1
        }
        if hasNumber { note(value, .tokenIDs, context, flags: Segment.Flags.readOnly, depth: 0) }
    }

    // MARK: Values of any shape

    /// All strings in `value`. Names of members and numbers are no text.
    private mutating func leaves(_ value: Range<Int>, _ kind: Segment.Kind, _ context: Context) throws(JSONError) {
        var reader = JSONReader(buffer, at: value.lowerBound)
        try leaves(&reader, kind, context)
    }

    private mutating func leaves(_ reader: inout JSONReader, _ kind: Segment.Kind, _ context: Context) throws(JSONError)
    {
        switch reader.current {
        case UInt8(ascii: "\""):
            let text = try reader.skipString()
            if !(skipsWords && isWord(text)) { note(text, kind, context) }
        case UInt8(ascii: "{"):
            try reader.enterObject()
            var isFirst = true
            while let key = try reader.nextKey(first: isFirst) {
                isFirst = false
                let length = push(key)
                try leaves(&reader, kind, context)
                path.removeLast(path.count - length)
            }
        case UInt8(ascii: "["):
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                let length = push(index)
                try leaves(&reader, kind, context)
                path.removeLast(path.count - length)
                index += 1
            }
        default: try reader.skipValue()
        }
    }

    /// The strings in `value` that are more than a word.
    private mutating func words(_ value: Range<Int>, _ context: Context) throws(JSONError) {
        skipsWords = true
        defer { skipsWords = false }
        try leaves(value, .other, context)
    }

    private mutating func schema(_ value: Range<Int>, _ context: Context) throws(JSONError) {
        var reader = JSONReader(buffer, at: value.lowerBound)
        try schema(&reader, context, key: 0..<0)
    }

    /// The text in a schema. `key`: the name that it has in its parent, empty where that is a name of the client's.
    private mutating func schema(_ reader: inout JSONReader, _ context: Context, key: Range<Int>) throws(JSONError) {
        switch reader.current {
        case UInt8(ascii: "\""):
            let text = try reader.skipString()
            if isKeyword(key), isWord(text) { return }
            note(text, .toolSchema, context)
        case UInt8(ascii: "{"):
            try reader.enterObject()
            let hasFreeNames = isMapOfSchemas(key)
            var isFirst = true
            while let name = try reader.nextKey(first: isFirst) {
                isFirst = false
                let length = push(name)
                try schema(&reader, context, key: hasFreeNames ? 0..<0 : name)
                path.removeLast(path.count - length)
            }
        case UInt8(ascii: "["):
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                let length = push(index)
                try schema(&reader, context, key: key)
                path.removeLast(path.count - length)
                index += 1
            }
        default: try reader.skipValue()
        }
    }

    /// Members of a schema whose strings are keywords and names.
    private func isKeyword(_ key: Range<Int>) -> Bool {
        for name in ["type", "format", "required", "$ref", "$schema", "$id", "$anchor"] as [StaticString]
        where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    private func isMapOfSchemas(_ key: Range<Int>) -> Bool {
        for name in ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"] as [StaticString]
        where buffer.rawEquals(key, name) {
            return true
        }
        return false
    }

    /// JSON in a string, as arguments are: one segment for each of its strings. What is not JSON is one segment.
    private mutating func arguments(_ value: Range<Int>, _ context: Context) throws(JSONError) {
        guard isString(value) else { return try leaves(value, .toolArguments, context) }
        let raw = inside(value)
        if raw.isEmpty { return }
        let inner = EscapedText(UnsafeRawBufferPointer(rebasing: buffer[raw]))
        let isStructured =
            inner.bytes.first { $0 > 0x20 }.map { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") } ?? false
        let leaves = isStructured ? inner.stringLeaves(below: path) : nil
        guard let leaves else { return note(raw, .toolArguments, context) }
        for leaf in leaves {
            let range = raw.lowerBound + leaf.raw.lowerBound..<raw.lowerBound + leaf.raw.upperBound
            note(range, .toolArguments, context, depth: 2, pointer: leaf.pointer)
        }
    }

    // MARK: Noting

    private mutating func note(
        _ range: Range<Int>, _ kind: Segment.Kind, _ context: Context, flags: UInt32 = 0, depth: UInt8 = 1,
        mediaType: String? = nil,
        pointer: String? = nil
    ) {
        let isNamed = kind == .toolArguments || kind == .toolResult || kind == .toolSchema
        found.append(
            Segment(
                kind: kind, role: context.role, index: context.index, id: UInt64(found.count), flags: flags,
                pointer: pointer ?? String(decoding: path, as: UTF8.self), textRange: range, depth: depth,
                isEscaped: depth > 0 && JSONString.hasEscapes(UnsafeRawBufferPointer(rebasing: buffer[range])),
                mediaType: mediaType, name: isNamed ? context.name : nil, shadow: context.shadow))
    }

    /// A URL. Of one that holds its data, the media type is known.
    private mutating func noteLink(_ range: Range<Int>, _ kind: Segment.Kind, _ context: Context) {
        let text = UnsafeRawBufferPointer(rebasing: buffer[range])
        guard text.count > 5, String(decoding: text.prefix(5), as: UTF8.self).lowercased() == "data:" else {
            return note(range, kind, context, mediaType: context.mediaType)
        }
        let head = text.prefix(256).prefix { $0 != UInt8(ascii: ",") }
        let fields = head.dropFirst(5).split(separator: UInt8(ascii: ";"))
        let type = fields.first.map { String(decoding: $0, as: UTF8.self) }
        let isBinary = fields.last.map { $0.elementsEqual("base64".utf8) } ?? false
        note(range, kind, context, flags: isBinary ? Segment.Flags.binary : 0, mediaType: type ?? context.mediaType)
    }

    private mutating func noteData(_ range: Range<Int>, _ kind: Segment.Kind, _ context: Context) {
        if context.isPlainText { return note(range, context.textKind, context, mediaType: context.mediaType) }
        let isImage = kind == .file && (context.partType == .image || context.mediaType?.hasPrefix("image/") == true)
        note(range, isImage ? .image : kind, context, flags: Segment.Flags.binary, mediaType: context.mediaType)
    }

    // MARK: Small things

    private func inside(_ value: Range<Int>) -> Range<Int> { value.lowerBound + 1..<value.upperBound - 1 }
    private func isString(_ value: Range<Int>) -> Bool { buffer[value.lowerBound] == UInt8(ascii: "\"") }

    private func isWord(_ range: Range<Int>) -> Bool { Self.isWord(buffer, range) }

    /// True for what cannot hold a sentence or an address: short, printable ASCII without spaces, escapes and "@".
    static func isWord(_ buffer: UnsafeRawBufferPointer, _ range: Range<Int>, mayHaveAt: Bool = false) -> Bool {
        guard range.count <= maximumWordLength else { return false }
        for index in range {
            let byte = buffer[index]
            if byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "\\") { return false }
            if byte == UInt8(ascii: "@"), !mayHaveAt { return false }
        }
        return true
    }

    /// Puts a member's name on the path, and gives the path's length before.
    private mutating func push(_ key: Range<Int>) -> Int {
        let length = path.count
        path.append(UInt8(ascii: "/"))
        PointerText.append(UnsafeRawBufferPointer(rebasing: buffer[key]), to: &path)
        return length
    }

    private mutating func push(_ index: Int) -> Int {
        let length = path.count
        path.append(UInt8(ascii: "/"))
        PointerText.append(index, to: &path)
        return length
    }
}

/// Writing JSON pointers piece by piece.
enum PointerText {
    /// The raw text of a member's name, as a reference token.
    static func append(_ raw: UnsafeRawBufferPointer, to path: inout [UInt8]) {
        if JSONString.hasEscapes(raw) {
            JSONString.decode(raw).withUnsafeBytes { appendPlain($0, to: &path) }
        } else {
            appendPlain(raw, to: &path)
        }
    }

    private static func appendPlain(_ text: UnsafeRawBufferPointer, to path: inout [UInt8]) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "~"): path.append(contentsOf: "~0".utf8)
            case UInt8(ascii: "/"): path.append(contentsOf: "~1".utf8)
            default: path.append(byte)
            }
        }
    }

    static func append(_ index: Int, to path: inout [UInt8]) {
        if index < 10 {
            path.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: index))
        } else {
            path.append(contentsOf: String(index).utf8)
        }
    }
}
