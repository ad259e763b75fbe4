// TreeNode: an answer that grows event by event. Strings are kept as their raw text, which is joined without being
// decoded; values that do not grow are kept as they came.

import Core

final class TreeNode {
    enum Kind { case raw, string, object, list }

    private(set) var kind: Kind
    /// The raw value, or the raw text of a string.
    private var text: [UInt8] = []
    /// Names of the children of an object, their indices in a list.
    private var names: [String] = []
    private(set) var children: [TreeNode] = []
    /// Where the names stand, once there are more than a few.
    private var places: [String: Int] = [:]
    /// Elements of a list by the index that they were sent with, and by their id.
    private var sent: [Int: TreeNode] = [:]
    private var identified: [String: TreeNode] = [:]
    /// A tool's input in pieces, still escaped.
    var input: [UInt8]?

    init(_ kind: Kind) { self.kind = kind }

    init(raw: [UInt8]) {
        kind = .raw
        text = raw
    }

    private static let few = 8

    func existing(_ name: String) -> TreeNode? {
        (names.count <= Self.few ? names.firstIndex(of: name) : places[name]).map { children[$0] }
    }

    private func add(_ name: String, _ node: TreeNode) {
        names.append(name)
        children.append(node)
        guard names.count > Self.few else { return }
        let unknown = places.isEmpty ? 0..<names.count : names.count - 1..<names.count
        for place in unknown where places[names[place]] == nil { places[names[place]] = place }
    }

    /// The member of this name, made when it is not there or was null.
    @discardableResult
    func child(_ name: String, _ kind: Kind) -> TreeNode {
        if let known = existing(name) {
            if known.kind == .raw, kind != .raw { known.become(kind) }
            return known
        }
        let made = TreeNode(kind)
        add(name, made)
        return made
    }

    private func become(_ kind: Kind) {
        self.kind = kind
        text = []
        names = []
        children = []
        places = [:]
        sent = [:]
        identified = [:]
    }

    func set(_ name: String, raw: [UInt8]) {
        let node = child(name, .raw)
        node.become(.raw)
        node.text = raw
    }

    func append(_ node: TreeNode) { add("", node) }

    /// The element of a list that was given this index. They are written in the order of the indices.
    func element(_ index: Int, _ make: () -> TreeNode) -> TreeNode {
        let name = String(index)
        if let known = existing(name) { return known }
        let made = make()
        add(name, made)
        return made
    }

    /// Bytes of everything in it, roughly.
    var size: Int {
        children.reduce(text.count + (input?.count ?? 0)) { $0 + $1.size } + names.reduce(0) { $0 + $1.utf8.count }
    }

    // MARK: Merging

    /// Members that name something: the newest counts.
    private static let replaced: Set<String> = [
        "id", "type", "role", "name", "finish_reason", "stop_reason", "format", "expires_at", "tool_use_id", "object",
        "model",
    ]
    /// Members that are always pieces of a text.
    private static let joined: Set<String> = [
        "content", "text", "refusal", "reasoning_content", "reasoning", "thinking", "arguments", "input", "transcript",
        "data",
        "signature", "summary",
    ]

    /// Takes the members of the object at `value` in.
    func merge(_ buffer: UnsafeRawBufferPointer, _ value: Range<Int>) {
        guard buffer[value.lowerBound] == UInt8(ascii: "{") else { return }
        let object = RawObject(buffer, value)
        for (key, member) in object.members where !(object.name(key) == "index" && kind == .object && isIndexed) {
            merge(object.name(key), buffer, member)
        }
    }

    /// Set for elements of a list that are found by their index, which then says nothing more.
    private var isIndexed = false

    /// Takes one member in: strings are joined, objects merged, lists merged by the index of their elements or made
    /// longer.
    func merge(_ name: String, _ buffer: UnsafeRawBufferPointer, _ value: Range<Int>) {
        switch buffer[value.lowerBound] {
        case UInt8(ascii: "n") where existing(name) != nil: return
        case UInt8(ascii: "\""):
            let piece = buffer[value.lowerBound + 1..<value.upperBound - 1]
            if Self.replaced.contains(name) {
                if !piece.isEmpty || existing(name) == nil { set(name, raw: [UInt8](buffer[value])) }
                return
            }
            let node = child(name, .string)
            guard node.kind == .string else { return set(name, raw: [UInt8](buffer[value])) }
            // A member that nobody knows may be the same in each event.
            if !Self.joined.contains(name), node.text.elementsEqual(piece) { return }
            node.text.append(contentsOf: piece)
        case UInt8(ascii: "{"):
            let node = child(name, .object)
            if node.kind == .object { node.merge(buffer, value) } else { set(name, raw: [UInt8](buffer[value])) }
        case UInt8(ascii: "["):
            let node = child(name, .list)
            guard node.kind == .list else { return set(name, raw: [UInt8](buffer[value])) }
            node.mergeElements(buffer, value)
        default: set(name, raw: [UInt8](buffer[value]))
        }
    }

    private func mergeElements(_ buffer: UnsafeRawBufferPointer, _ list: Range<Int>) {
        for (place, element) in RawObject(buffer, list).elements(list).enumerated() {
            let object = RawObject(buffer, element)
            guard let index = object.integer("index") else {
                // A call that repeats no index, as some send them, is told by its id.
                if let id = object.string("id"), !id.isEmpty, let known = identified[id], known.says("id", id) {
                    known.merge(buffer, element)
                } else if object.value("function") != nil, object.string("id") == nil,
                    let known = existing(String(place))
                {
                    known.merge(buffer, element)
                } else if object.value("function") != nil {
                    merge(element, buffer, into: indexed(children.count))
                } else {
                    append(TreeNode(raw: [UInt8](buffer[element])))
                }
                continue
            }
            // Some give every call the same index: another id is another call.
            let id = object.string("id") ?? ""
            if let last = sent[index] {
                let isSame = id.isEmpty || last.says("id", id) || last.existing("id") == nil
                merge(
                    element, buffer, into: isSame ? last : indexed(max(index, children.count), sentWith: index))
            } else {
                merge(element, buffer, into: indexed(index))
            }
        }
    }

    private func merge(_ element: Range<Int>, _ buffer: UnsafeRawBufferPointer, into node: TreeNode) {
        node.merge(buffer, element)
        if let id = RawObject(buffer, element).string("id"), identified[id] == nil { identified[id] = node }
    }

    private func indexed(_ index: Int, sentWith told: Int? = nil) -> TreeNode {
        let node = element(index) { TreeNode(.object) }
        node.isIndexed = true
        sent[told ?? index] = node
        return node
    }

    private func says(_ name: String, _ word: String) -> Bool {
        existing(name)?.text == JSONString.quoted(word)
    }

    /// The members of an object, each in place of an older one; null replaces nothing.
    func replaceMembers(_ buffer: UnsafeRawBufferPointer, _ value: Range<Int>) {
        guard buffer[value.lowerBound] == UInt8(ascii: "{") else { return }
        let object = RawObject(buffer, value)
        for (key, member) in object.members where existing(object.name(key)) == nil || !object.isNull(member) {
            set(object.name(key), raw: object.bytes(member))
        }
    }

    // MARK: Writing

    func write(into output: inout BytesBuilder) {
        switch kind {
        case .raw: text.withUnsafeBytes { output.append($0) }
        case .string:
            output.append("\"")
            text.withUnsafeBytes { output.append($0) }
            output.append("\"")
        case .object:
            output.append("{")
            for (index, child) in children.enumerated() {
                if index > 0 { output.append(",") }
                JSONString.quoted(names[index]).withUnsafeBytes { output.append($0) }
                output.append(":")
                child.write(into: &output)
            }
            output.append("}")
        case .list:
            output.append("[")
            // Those without an index come last, as they came.
            let indices = names.map { Int($0) ?? .max }
            let order = children.indices.sorted { (indices[$0], $0) < (indices[$1], $1) }
            for (count, place) in order.enumerated() {
                if count > 0 { output.append(",") }
                children[place].write(into: &output)
            }
            output.append("]")
        }
    }
}
