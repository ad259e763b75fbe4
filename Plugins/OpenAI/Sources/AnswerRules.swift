// Where a provider's chat answers deviate from OpenAI's: the description's "normalize". Each rule splices what it
// names; members it does not know stay as they came. A provider without rules is passed through unseen.

import PluginSDK

struct AnswerRules: Sendable {
    /// Reasons that OpenAI does not know. Only strict clients get them mapped.
    private let finishReasons: [(from: [UInt8], to: [UInt8])]
    /// Content may be a list of parts: clients get its text, and its thinking as reasoning_content.
    private let joinsContentParts: Bool
    /// Places where the usage stands when it is not at the top.
    private let usagePlaces: [[[UInt8]]]
    /// completion_tokens counts without reasoning_tokens, unlike OpenAI's.
    private let addsReasoningTokens: Bool
    /// `object` is wrong or missing. Only strict clients get it mended.
    private let mendsObject: Bool

    private let isEmpty: Bool

    init(_ reader: DescriptionReader) throws(ConfigError) {
        let rules = try reader.object("normalize")
        finishReasons = try rules.strings("finish_reasons").map { (Array($0.key.utf8), JSON.string($0.value).bytes) }
        joinsContentParts = try rules.bool("content_parts")
        usagePlaces = try (rules.list("usage_from") ?? []).map { JSONPointer($0).keys }
        addsReasoningTokens = try rules.bool("usage_without_reasoning")
        mendsObject = try rules.bool("object")
        isEmpty = rules.json.object?.isEmpty ?? true
    }

    /// Whether answers must be looked at at all.
    func apply(toStrict isStrict: Bool) -> Bool {
        guard !isEmpty else { return false }
        return joinsContentParts || !usagePlaces.isEmpty || addsReasoningTokens || isStrict
    }

    /// What the rules have to know besides the document.
    struct Setting: Sendable {
        let isStrict: Bool
        /// An event of a stream: `delta`, and another `object`.
        let isChunk: Bool
        /// A chat's, not a text completion's.
        let isChat: Bool
    }

    struct Outcome {
        /// nil: the document needs no change.
        let changed: [UInt8]?
        /// The document has choices: an answer, not an error.
        let isAnswer: Bool
        /// A choice came to its end.
        let isFinished: Bool
    }

    func apply(to text: Text, _ setting: Setting) -> Outcome {
        let document = RawJSON(text)
        guard let root = document.root, document.isObject(root) else {
            return Outcome(changed: nil, isAnswer: false, isFinished: false)
        }
        let members = Array(document.members(of: root))
        var edit = AnswerEdit(document)
        let choices = members.first { document.equals($0.key, Key.choices) }?.value
        if let choices {
            for choice in document.elements(of: choices) { apply(toChoice: choice, setting, &edit) }
            mendObject(members, root, setting, &edit)
        }
        mendUsage(members, root, &edit)
        return Outcome(
            changed: edit.splices.isEmpty ? nil : edit.splices.applied(to: text.bytes), isAnswer: choices != nil,
            isFinished: edit.isFinished)
    }

    private func apply(toChoice choice: Range<Int>, _ setting: Setting, _ edit: inout AnswerEdit) {
        let document = edit.document
        for member in document.members(of: choice) {
            if document.equals(member.key, Key.finishReason), document.isString(member.value) {
                edit.isFinished = true
                let reason = document.inside(member.value)
                if setting.isStrict, let rule = finishReasons.first(where: { document.equals(reason, $0.from) }) {
                    edit.splices.replace(member.value, with: rule.to)
                }
            } else if joinsContentParts, document.equals(member.key, setting.isChunk ? Key.delta : Key.message) {
                joinParts(of: member.value, setting, &edit)
            }
        }
    }

    private func joinParts(of message: Range<Int>, _ setting: Setting, _ edit: inout AnswerEdit) {
        let document = edit.document
        let members = Array(document.members(of: message))
        guard let content = members.first(where: { document.equals($0.key, Key.content) })?.value,
            document.isArray(content), let parts = ContentParts(document.text(content))
        else { return }
        edit.splices.replace(content, with: JSON.string(parts.text).bytes)
        var additions: [(key: [UInt8], value: [UInt8])] = []
        if let thinking = parts.thinking, !members.contains(where: { document.equals($0.key, Key.reasoningContent) }) {
            additions.append((Key.reasoningContent, JSON.string(thinking).bytes))
        }
        if parts.hasOthers || !setting.isStrict {
            additions.append((Key.contentBlocks, Array(document.bytes[content])))
        }
        edit.splices.append(additions, to: members, of: message, keeping: members.count)
    }

    private func mendObject(
        _ members: [RawJSON.Member], _ root: Range<Int>, _ setting: Setting, _ edit: inout AnswerEdit
    ) {
        guard mendsObject, setting.isStrict, setting.isChat else { return }
        let right = Array((setting.isChunk ? "\"chat.completion.chunk\"" : "\"chat.completion\"").utf8)
        guard let object = members.first(where: { edit.document.equals($0.key, Key.object) })?.value else {
            return edit.splices.append([(Key.object, right)], to: members, of: root, keeping: members.count)
        }
        if !edit.document.equals(object, right) { edit.splices.replace(object, with: right) }
    }

    private func mendUsage(_ members: [RawJSON.Member], _ root: Range<Int>, _ edit: inout AnswerEdit) {
        let document = edit.document
        let usage = members.first { document.equals($0.key, Key.usage) }?.value
        guard let usage, document.isObject(usage) else {
            let found = usagePlaces.lazy.compactMap { document.value(at: $0) }.first { document.isObject($0) }
            guard let found else { return }
            let text = Array(document.bytes[found])
            if let usage { return edit.splices.replace(usage, with: text) }
            return edit.splices.append([(Key.usage, text)], to: members, of: root, keeping: members.count)
        }
        if addsReasoningTokens { addReasoningTokens(usage, &edit) }
    }

    /// Only where the provider's own total says that they are not in it.
    private func addReasoningTokens(_ usage: Range<Int>, _ edit: inout AnswerEdit) {
        let document = edit.document
        func count(_ key: [UInt8], _ object: Range<Int>) -> (value: Int, place: Range<Int>)? {
            guard let place = document.member(key, of: object), let value = Int(document.text(place).string) else {
                return nil
            }
            return (value, place)
        }
        guard let details = document.member(Key.completionTokensDetails, of: usage),
            let reasoning = count(Key.reasoningTokens, details), let completion = count(Key.completionTokens, usage),
            let prompt = count(Key.promptTokens, usage), let total = count(Key.totalTokens, usage),
            reasoning.value > 0, total.value == prompt.value &+ completion.value &+ reasoning.value
        else { return }
        edit.splices.replace(completion.place, with: Array("\(completion.value &+ reasoning.value)".utf8))
    }
}

private struct AnswerEdit {
    let document: RawJSON
    var splices = Splices()
    var isFinished = false

    init(_ document: RawJSON) {
        self.document = document
    }
}

/// Content as a list: `[{"type":"thinking","thinking":[{"type":"text","text":…}]},{"type":"text","text":…}]`.
private struct ContentParts {
    private(set) var text = ""
    private(set) var thinking: String?
    /// There are parts that neither text nor thinking can hold.
    private(set) var hasOthers = false

    init?(_ list: Text) {
        guard let parts = (try? JSON(parsing: list))?.array else { return nil }
        for part in parts {
            switch part["type"]?.string {
            case "text": text += part["text"]?.string ?? ""
            case "thinking": thinking = (thinking ?? "") + Self.thought(part["thinking"])
            default: hasOthers = true
            }
        }
    }

    private static func thought(_ thinking: JSON?) -> String {
        if let text = thinking?.string { return text }
        return (thinking?.array ?? []).map { $0["text"]?.string ?? "" }.joined()
    }
}
