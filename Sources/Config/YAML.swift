// YAML: text to a SourceDocument, by libyaml's events. Scalars follow YAML 1.2's core schema: "yes" and "on" are
// strings.
//
// First a tree of nodes as written, then the JSON value, in which aliases and merge keys ("<<") are expanded. Expansion
// counts what it makes, so that a file of a few lines cannot become gigabytes (the "billion laughs").

import CYAML
package import Core

package enum YAML {
    /// The most nodes that a document may have once its aliases are expanded.
    static let maximumNodes = 100_000
    static let maximumDepth = 100

    package static func read(_ text: Bytes) throws(SourceError) -> SourceDocument {
        try withExtendedLifetime(text) { () throws(SourceError) in
            try checkUTF8(text.buffer)
            var composer = Composer(text.buffer)
            defer { composer.close() }
            var expansion = Expansion()
            guard let root = try composer.document() else {
                return SourceDocument(value: .null, places: [:])
            }
            let value = try expansion.value(of: root, key: nil, at: root.position, pointer: "", depth: 0)
            return SourceDocument(value: value, places: expansion.places)
        }
    }

    private static func checkUTF8(_ text: UnsafeRawBufferPointer) throws(SourceError) {
        if UTF8Check.isValid(text) { return }
        var offset = 0
        while offset < text.count, let base = text.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            let length = UTF8Check.sequenceLength(base + offset, limit: text.count - offset)
            if length == 0 { break }
            offset += length
        }
        throw SourceError("the text is not UTF-8", at: LineIndex(text).position(of: offset))
    }
}

// MARK: Nodes

/// What stands in the file. A class, since an alias is the same node in another place.
private final class Node {
    enum Content {
        case scalar(JSONValue)
        case sequence([Node])
        case mapping([Member])
        case alias(Node)
    }
    struct Member {
        var key: String
        var position: Position
        /// "<<", written without quotes.
        var isMerge: Bool
        var value: Node
    }

    let position: Position
    let content: Content

    init(_ content: Content, at position: Position) {
        self.content = content
        self.position = position
    }
}

/// libyaml's events to nodes.
private struct Composer {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeRawBufferPointer
    private var anchors: [String: Node] = [:]
    private var count = 0

    init(_ text: UnsafeRawBufferPointer) {
        self.text = text
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count)
    }

    func close() {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The only document of the text; nil when there is none.
    mutating func document() throws(SourceError) -> Node? {
        var root: Node?
        while true {
            let event = try next()
            switch event {
            case .streamEnd: return root
            case .documentStart(let position):
                guard root == nil else {
                    throw SourceError("a config is one document: a second one begins here", at: position)
                }
                root = try node(try next(), depth: 0)
            default: continue
            }
        }
    }

    private mutating func node(_ event: Event, depth: Int) throws(SourceError) -> Node {
        count += 1
        if count > YAML.maximumNodes {
            throw SourceError("more than \(YAML.maximumNodes) values", at: event.position)
        }
        if depth > YAML.maximumDepth {
            throw SourceError("nested deeper than \(YAML.maximumDepth) levels", at: event.position)
        }
        switch event {
        case .scalar(let scalar):
            let node = Node(.scalar(try scalar.value()), at: scalar.position)
            if let anchor = scalar.anchor { anchors[anchor] = node }
            return node
        case .sequenceStart(let anchor, let position):
            var elements: [Node] = []
            while true {
                let event = try next()
                if case .collectionEnd = event { break }
                elements.append(try node(event, depth: depth + 1))
            }
            let node = Node(.sequence(elements), at: position)
            if let anchor { anchors[anchor] = node }
            return node
        case .mappingStart(let anchor, let position):
            let node = Node(.mapping(try members(depth: depth)), at: position)
            if let anchor { anchors[anchor] = node }
            return node
        case .alias(let name, let position):
            guard let target = anchors[name] else {
                throw SourceError("*\(name) refers to no anchor before it that is complete", at: position)
            }
            return Node(.alias(target), at: position)
        case .streamEnd, .documentStart, .collectionEnd, .other:
            throw SourceError("expected a value", at: event.position)
        }
    }

    private mutating func members(depth: Int) throws(SourceError) -> [Node.Member] {
        var members: [Node.Member] = []
        var lines: [String: Int] = [:]
        while true {
            let event = try next()
            if case .collectionEnd = event { return members }
            guard case .scalar(let key) = event else {
                throw SourceError("a key must be a plain value, not a list, a mapping or an alias", at: event.position)
            }
            if key.text.isEmpty, key.isPlain { throw SourceError("a key is missing before ':'", at: key.position) }
            if let line = lines[key.text] {
                throw SourceError("duplicate key \"\(key.text)\" (the first is on line \(line))", at: key.position)
            }
            lines[key.text] = key.position.line
            let value = try node(try next(), depth: depth + 1)
            members.append(
                Node.Member(
                    key: key.text, position: key.position, isMerge: key.isPlain && key.text == "<<", value: value))
        }
    }

    // MARK: Events

    private enum Event {
        case scalar(Scalar)
        case sequenceStart(anchor: String?, Position)
        case mappingStart(anchor: String?, Position)
        case alias(String, Position)
        case collectionEnd(Position)
        case documentStart(Position)
        case streamEnd(Position)
        case other(Position)

        var position: Position {
            switch self {
            case .scalar(let scalar): scalar.position
            case .sequenceStart(_, let position), .mappingStart(_, let position), .alias(_, let position),
                .collectionEnd(let position), .documentStart(let position), .streamEnd(let position),
                .other(let position):
                position
            }
        }
    }

    private func next() throws(SourceError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        defer { yaml_event_delete(&event) }
        let position = Position(event.start_mark)
        switch event.type {
        case YAML_SCALAR_EVENT:
            let data = event.data.scalar
            let bytes = UnsafeRawBufferPointer(start: data.value, count: data.length)
            return .scalar(
                Scalar(
                    text: String(decoding: bytes, as: UTF8.self), tag: Self.string(data.tag),
                    anchor: Self.string(data.anchor), isPlain: data.style == YAML_PLAIN_SCALAR_STYLE, position: position
                ))
        case YAML_SEQUENCE_START_EVENT:
            let data = event.data.sequence_start
            try check(tag: Self.string(data.tag), is: "seq", at: position)
            return .sequenceStart(anchor: Self.string(data.anchor), position)
        case YAML_MAPPING_START_EVENT:
            let data = event.data.mapping_start
            try check(tag: Self.string(data.tag), is: "map", at: position)
            return .mappingStart(anchor: Self.string(data.anchor), position)
        case YAML_ALIAS_EVENT: return .alias(Self.string(event.data.alias.anchor) ?? "", position)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .collectionEnd(position)
        case YAML_DOCUMENT_START_EVENT: return .documentStart(position)
        case YAML_STREAM_END_EVENT: return .streamEnd(position)
        default: return .other(position)
        }
    }

    private func check(tag: String?, is kind: String, at position: Position) throws(SourceError) {
        guard let tag, tag != Scalar.prefix + kind, tag != "!" else { return }
        throw SourceError("the tag \(tag) is not supported", at: position)
    }

    private static func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    /// libyaml's own words, which are good ones, with the place they mean.
    private func problem() -> SourceError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "the text is not YAML"
        if state.error == YAML_READER_ERROR {
            return SourceError(problem, at: LineIndex(text).position(of: state.problem_offset))
        }
        let position = Position(state.problem_mark)
        let offset = Int(state.problem_mark.index)
        if offset < text.count, text[offset] == UInt8(ascii: "\t") {
            return SourceError("a tab cannot indent: use spaces", at: position)
        }
        let context = state.context.map { String(cString: $0) + ": " } ?? ""
        return SourceError(context + problem, at: position)
    }
}

extension Position {
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1) }
}

// MARK: Scalars

private struct Scalar {
    static let prefix = "tag:yaml.org,2002:"

    var text: String
    var tag: String?
    var anchor: String?
    var isPlain: Bool
    var position: Position

    /// By the tag if there is one, else by the core schema's patterns for plain scalars.
    func value() throws(SourceError) -> JSONValue {
        let plain = try CoreSchema.resolve(text, at: position)
        switch tag {
        case nil: return isPlain ? plain : .string(text)
        case "!", Self.prefix + "str": return .string(text)
        case Self.prefix + "null" where plain.isNull, Self.prefix + "bool" where plain.bool != nil,
            Self.prefix + "int" where plain.int != nil, Self.prefix + "float" where plain.double != nil:
            return plain
        case Self.prefix + "null", Self.prefix + "bool", Self.prefix + "int", Self.prefix + "float":
            throw SourceError("\"\(text)\" is not what its tag says", at: position)
        case let tag?: throw SourceError("the tag \(tag) is not supported", at: position)
        }
    }
}

/// YAML 1.2.2, 10.3.2, with the numbers in JSON's spelling.
private enum CoreSchema {
    static func resolve(_ text: String, at position: Position) throws(SourceError) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN":
            throw SourceError("\(text) is not a number that JSON knows", at: position)
        default: break
        }
        if text.hasPrefix("0x"), let value = UInt64(text.dropFirst(2), radix: 16), text.utf8.count > 2,
            !text.utf8.contains(UInt8(ascii: "+"))
        {
            return .number(String(value))
        }
        if text.hasPrefix("0o"), let value = UInt64(text.dropFirst(2), radix: 8), !text.utf8.contains(UInt8(ascii: "+"))
        {
            return .number(String(value))
        }
        return number(text).map { .number($0) } ?? .string(text)
    }

    /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, rewritten for JSON.
    private static func number(_ text: String) -> String? {
        var rest = Substring(text)
        var output = ""
        func digits() -> Substring {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            return digits
        }
        if let sign = rest.first, sign == "-" || sign == "+" {
            if sign == "-" { output = "-" }
            rest = rest.dropFirst()
        }
        let whole = digits()
        var fraction: Substring = ""
        if rest.first == "." {
            rest = rest.dropFirst()
            fraction = digits()
        }
        if whole.isEmpty && fraction.isEmpty { return nil }
        let significant = whole.drop { $0 == "0" }
        output += significant.isEmpty ? "0" : significant
        if !fraction.isEmpty { output += "." + fraction }
        if let e = rest.first, e == "e" || e == "E" {
            rest = rest.dropFirst()
            output += "e"
            if let sign = rest.first, sign == "-" || sign == "+" {
                output.append(sign)
                rest = rest.dropFirst()
            }
            let exponent = digits()
            if exponent.isEmpty { return nil }
            output += exponent
        }
        return rest.isEmpty ? output : nil
    }
}

// MARK: Expansion

/// Nodes to the JSON value, aliases and merge keys resolved.
private struct Expansion {
    var places: [String: SourceDocument.Place] = [:]
    private var count = 0

    /// `position` is where the value is used, which for an alias is not where it was written.
    mutating func value(
        of node: Node, key: Position?, at position: Position, pointer: String, depth: Int
    ) throws(SourceError) -> JSONValue {
        count += 1
        if count > YAML.maximumNodes {
            throw SourceError("aliases expand to more than \(YAML.maximumNodes) values", at: position)
        }
        if depth > YAML.maximumDepth {
            throw SourceError("aliases nest deeper than \(YAML.maximumDepth) levels", at: position)
        }
        places[pointer] = SourceDocument.Place(key: key, value: position)
        switch node.content {
        case .scalar(let value): return value
        case .alias(let target): return try value(of: target, key: key, at: position, pointer: pointer, depth: depth)
        case .sequence(let elements):
            var array: [JSONValue] = []
            for (index, element) in elements.enumerated() {
                array.append(
                    try value(
                        of: element, key: nil, at: element.position, pointer: "\(pointer)/\(index)", depth: depth + 1))
            }
            return .array(array)
        case .mapping(let members):
            var flat: [Node.Member] = []
            var seen: Set<String> = []
            try flatten(members, into: &flat, &seen, depth: depth)
            var pairs: [(String, JSONValue)] = []
            for member in flat {
                let inner = pointer + "/" + JSONPointer.escape(member.key)
                let value = try value(
                    of: member.value, key: member.position, at: member.value.position, pointer: inner, depth: depth + 1)
                pairs.append((member.key, value))
            }
            return .object(JSONObject(pairs))
        }
    }

    /// A mapping's own members, then those that it merges: an own one wins, and of merged ones the earlier.
    private mutating func flatten(
        _ members: [Node.Member], into flat: inout [Node.Member], _ seen: inout Set<String>, depth: Int
    ) throws(SourceError) {
        for member in members where !member.isMerge && seen.insert(member.key).inserted { flat.append(member) }
        for member in members where member.isMerge {
            for source in try mappings(member.value, at: member.value.position) {
                count += source.count + 1
                if count > YAML.maximumNodes || depth > YAML.maximumDepth {
                    throw SourceError("merge keys expand to more than \(YAML.maximumNodes) values", at: member.position)
                }
                try flatten(source, into: &flat, &seen, depth: depth + 1)
            }
        }
    }

    private func mappings(_ node: Node, at position: Position) throws(SourceError) -> [[Node.Member]] {
        switch node.content {
        case .mapping(let members): return [members]
        case .alias(let target): return try mappings(target, at: position)
        case .sequence(let elements):
            var result: [[Node.Member]] = []
            for element in elements {
                var inner = element
                if case .alias(let target) = element.content { inner = target }
                guard case .mapping(let members) = inner.content else {
                    throw SourceError("'<<' merges mappings only", at: element.position)
                }
                result.append(members)
            }
            return result
        case .scalar: throw SourceError("'<<' merges mappings only", at: position)
        }
    }
}
