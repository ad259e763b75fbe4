// What a provider's dialect wants changed in a chat, completion or embeddings request. Without rules, or where none
// applies, the client's own bytes go out; else only what a rule names is spliced.

import PluginSDK

struct RequestRules: Sendable {
    private let rename: [(from: [UInt8], to: [UInt8])]
    private let drop: [[UInt8]]
    private let values: [(member: [UInt8], from: [UInt8], to: [UInt8])]
    private let defaults: [String: [(key: [UInt8], value: [UInt8])]]
    private let roles: [(from: [UInt8], to: [UInt8])]
    private let messageDrop: [[UInt8]]

    let isEmpty: Bool

    init(_ reader: DescriptionReader) throws(ConfigError) {
        rename = try reader.strings("rename").map { (Array($0.key.utf8), Array($0.value.utf8)) }
        drop = try (reader.list("drop") ?? []).map { Array($0.utf8) }
        messageDrop = try (reader.list("drop_from_messages") ?? []).map { Array($0.utf8) }
        roles = try reader.strings("roles").map { (Array($0.key.utf8), Array($0.value.utf8)) }
        values = try Self.pairs(reader, "values").map { (Array($0.outer.utf8), Array($0.key.utf8), $0.value.bytes) }
        defaults = Dictionary(grouping: try Self.pairs(reader, "body_defaults"), by: \.outer)
            .mapValues { $0.map { (Array($0.key.utf8), $0.value.bytes) } }
        isEmpty =
            rename.isEmpty && drop.isEmpty && messageDrop.isEmpty && roles.isEmpty && values.isEmpty && defaults.isEmpty
    }

    /// The members of the objects that are the members of an object.
    private static func pairs(
        _ reader: DescriptionReader, _ key: String
    ) throws(ConfigError) -> [(outer: String, key: String, value: JSON)] {
        let outer = try reader.object(key)
        var pairs: [(outer: String, key: String, value: JSON)] = []
        for member in outer.json.object ?? JSON.Object() {
            let inner = try outer.object(member.key).json.object ?? JSON.Object()
            pairs += inner.map { (member.key, $0.key, $0.value) }
        }
        return pairs
    }

    /// What goes out instead of the client's body, and which parameters were lost on the way.
    struct Change {
        let body: [UInt8]
        let dropped: [String]
    }

    /// nil: the body needs no change.
    func change(_ body: Text, endpoint: String) -> Change? {
        let document = RawJSON(body)
        guard let root = document.root, document.isObject(root) else { return nil }
        var edit = Edit(document, members: Array(document.members(of: root)))
        for (index, member) in edit.members.enumerated() {
            apply(to: member, at: index, &edit)
        }
        let missing = (defaults[endpoint] ?? []).filter { !edit.has($0.key) }
        edit.finish(adding: missing, in: root)
        return edit.splices.isEmpty ? nil : Change(body: edit.splices.applied(to: body.bytes), dropped: edit.dropped)
    }

    private func apply(to member: RawJSON.Member, at index: Int, _ edit: inout Edit) {
        let document = edit.document
        if drop.contains(where: { document.equals(member.key, $0) }) { return edit.drop(index) }
        if let rule = rename.first(where: { document.equals(member.key, $0.from) }) {
            // Both were sent: the newer name says it.
            if let old = edit.members.firstIndex(where: { document.equals($0.key, rule.to) }) { edit.drop(old) }
            edit.splices.replace(member.key, with: rule.to)
            edit.renamed.append(rule.to)
        }
        if document.isString(member.value) {
            let text = document.inside(member.value)
            let rule = values.first { document.equals(member.key, $0.member) && document.equals(text, $0.from) }
            if let rule { edit.splices.replace(member.value, with: rule.to) }
        }
        if !(roles.isEmpty && messageDrop.isEmpty), document.equals(member.key, Key.messages) {
            for message in document.elements(of: member.value) { apply(toMessage: message, &edit) }
        }
    }

    private func apply(toMessage message: Range<Int>, _ edit: inout Edit) {
        let document = edit.document
        let members = Array(document.members(of: message))
        var unwanted: Set<Int> = []
        for (index, member) in members.enumerated() {
            if document.equals(member.key, Key.role) {
                let role = document.inside(member.value)
                if let rule = roles.first(where: { document.equals(role, $0.from) }) {
                    edit.splices.replace(role, with: rule.to)
                }
            } else if messageDrop.contains(where: { document.equals(member.key, $0) }) {
                unwanted.insert(index)
                edit.note("messages[*]." + document.text(member.key).string)
            }
        }
        if !unwanted.isEmpty { edit.splices.remove(unwanted, of: members) }
    }

    /// The changes as they gather.
    private struct Edit {
        let document: RawJSON
        let members: [RawJSON.Member]
        var splices = Splices()
        var renamed: [[UInt8]] = []
        private(set) var dropped: [String] = []
        private var unwanted: Set<Int> = []

        init(_ document: RawJSON, members: [RawJSON.Member]) {
            self.document = document
            self.members = members
        }

        func has(_ key: [UInt8]) -> Bool {
            renamed.contains(key) || members.contains { document.equals($0.key, key) }
        }

        mutating func drop(_ index: Int) {
            unwanted.insert(index)
            note(document.text(members[index].key).string)
        }

        mutating func note(_ parameter: String) {
            if !dropped.contains(parameter) { dropped.append(parameter) }
        }

        mutating func finish(adding missing: [(key: [UInt8], value: [UInt8])], in object: Range<Int>) {
            if !unwanted.isEmpty { splices.remove(unwanted, of: members) }
            splices.append(missing, to: members, of: object, keeping: members.count - unwanted.count)
        }
    }
}

/// Names on the wire, as bytes.
enum Key {
    static let messages = Array("messages".utf8)
    static let role = Array("role".utf8)
    static let choices = Array("choices".utf8)
    static let message = Array("message".utf8)
    static let delta = Array("delta".utf8)
    static let content = Array("content".utf8)
    static let finishReason = Array("finish_reason".utf8)
    static let reasoningContent = Array("reasoning_content".utf8)
    static let contentBlocks = Array("content_blocks".utf8)
    static let usage = Array("usage".utf8)
    static let object = Array("object".utf8)
    static let promptTokens = Array("prompt_tokens".utf8)
    static let completionTokens = Array("completion_tokens".utf8)
    static let totalTokens = Array("total_tokens".utf8)
    static let completionTokensDetails = Array("completion_tokens_details".utf8)
    static let reasoningTokens = Array("reasoning_tokens".utf8)
}
