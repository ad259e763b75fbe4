// StreamAssembler: the events of a stream put together to the answer that would have come unstreamed. The cache keeps
// it, and guards that must see everything judge it, so what streams is in it: texts are joined, also those of members
// nobody here knows.

package import Core

package struct StreamAssembler {
    private let endpoint: Endpoint
    private var answer = AnswerTree()
    /// An end event came, and no error before it.
    package private(set) var isComplete = false
    private var hasFailed = false
    private var isStarted = false
    private let limit: Int
    /// Bytes of events so far, and at how many the answer is measured next: it grows no faster than they do.
    private var taken = 0
    private var measuredAt: Int
    /// The answer has outgrown the limit and is gone.
    package private(set) var isTooLarge = false

    /// An answer of more than about `limit` bytes is given up.
    package init(endpoint: Endpoint, limit: Int = .max) {
        self.endpoint = endpoint
        self.limit = limit
        measuredAt = limit
    }

    /// Takes the next event. What is not JSON is left out.
    package mutating func take(_ event: SSEEvent) {
        guard !isTooLarge else { return }
        taken += event.data.count
        if taken > measuredAt {
            isTooLarge = answer.root.size > limit
            measuredAt = taken + limit
            if isTooLarge { return answer = AnswerTree() }
        }
        if event.isDone {
            isComplete = !hasFailed
            return
        }
        withExtendedLifetime(event.data) {
            let buffer = event.data.buffer
            var reader = JSONReader(buffer)
            guard let whole = try? reader.skipValue(), (try? reader.finish()) != nil,
                buffer[whole.lowerBound] == UInt8(ascii: "{")
            else { return }
            if endpoint == .messages {
                takeMessages(RawObject(buffer, whole))
            } else {
                takeChunk(RawObject(buffer, whole))
            }
        }
    }

    /// The answer so far, as JSON; nil when no event of one has come.
    package mutating func finish() -> Bytes? {
        guard isStarted, !isTooLarge else { return nil }
        for block in answer.list("content") { Self.closeInput(of: block) }
        var output = BytesBuilder(capacity: 1024)
        answer.root.write(into: &output)
        return output.finish()
    }

    // MARK: Chat and text completions

    private mutating func takeChunk(_ chunk: RawObject) {
        isStarted = true
        for (key, value) in chunk.members {
            switch chunk.name(key) {
            case "choices": takeChoices(chunk, value)
            case "object":
                answer.root.set(
                    "object", raw: endpoint == .chatCompletions ? Array("\"chat.completion\"".utf8) : chunk.bytes(value)
                )
            case "obfuscation": break
            case "error":
                hasFailed = true
                answer.root.set("error", raw: chunk.bytes(value))
            case let name where !chunk.isNull(value): answer.root.set(name, raw: chunk.bytes(value))
            default: break
            }
        }
    }

    private mutating func takeChoices(_ chunk: RawObject, _ value: Range<Int>) {
        let choices = answer.root.child("choices", .list)
        for (place, element) in chunk.elements(value).enumerated() {
            let choice = RawObject(chunk.buffer, element)
            let index = choice.integer("index") ?? place
            let node = choices.element(index) {
                let node = TreeNode(.object)
                node.set("index", raw: Array(String(index).utf8))
                if endpoint == .chatCompletions {
                    let message = node.child("message", .object)
                    message.set("role", raw: Array("\"assistant\"".utf8))
                    message.set("content", raw: Array("null".utf8))
                } else {
                    node.child("text", .string)
                }
                node.set("logprobs", raw: Array("null".utf8))
                node.set("finish_reason", raw: Array("null".utf8))
                return node
            }
            for (key, value) in choice.members {
                switch choice.name(key) {
                case "index": break
                case "delta": node.child("message", .object).merge(choice.buffer, value)
                case let name: node.merge(name, choice.buffer, value)
                }
            }
        }
    }

    // MARK: Messages

    private mutating func takeMessages(_ event: RawObject) {
        switch event.string("type") {
        case "message_start":
            guard let message = event.object("message") else { return }
            isStarted = true
            for (key, value) in message.members {
                switch message.name(key) {
                case "content":
                    let list = answer.root.child("content", .list)
                    for (index, element) in message.elements(value).enumerated() {
                        list.element(index) { TreeNode(.object) }.merge(message.buffer, element)
                    }
                case "usage": answer.root.child("usage", .object).replaceMembers(message.buffer, value)
                case let name: answer.root.set(name, raw: message.bytes(value))
                }
            }
        case "content_block_start":
            guard let block = event.value("content_block") else { return }
            isStarted = true
            answer.root.child("content", .list).element(event.integer("index") ?? 0) { TreeNode(.object) }
                .merge(event.buffer, block)
        case "content_block_delta":
            guard let delta = event.object("delta") else { return }
            isStarted = true
            let block = answer.root.child("content", .list).element(event.integer("index") ?? 0) { TreeNode(.object) }
            takeBlockDelta(delta, block)
        case "message_delta":
            isStarted = true
            if let delta = event.object("delta") {
                for (key, value) in delta.members { answer.root.set(delta.name(key), raw: delta.bytes(value)) }
            }
            if let usage = event.value("usage") {
                answer.root.child("usage", .object).replaceMembers(event.buffer, usage)
            }
        case "message_stop": isComplete = !hasFailed
        case "error":
            hasFailed = true
            if let error = event.value("error") { answer.root.set("error", raw: event.bytes(error)) }
        default: break
        }
    }

    private func takeBlockDelta(_ delta: RawObject, _ block: TreeNode) {
        for (key, value) in delta.members {
            switch delta.name(key) {
            case "type": break
            case "partial_json":
                guard delta.buffer[value.lowerBound] == UInt8(ascii: "\"") else { break }
                if block.input == nil { block.input = [] }
                block.input?.append(contentsOf: delta.buffer[value.lowerBound + 1..<value.upperBound - 1])
            case "citation":
                let list = block.child("citations", .list)
                list.append(TreeNode(raw: delta.bytes(value)))
            case let name: block.merge(name, delta.buffer, value)
            }
        }
    }

    /// The pieces of a tool's input are JSON when they are complete. Broken off they stay a string, so that they are
    /// seen.
    private static func closeInput(of block: TreeNode) {
        guard let raw = block.input, !raw.isEmpty else { return }
        block.input = nil
        let text = raw.withUnsafeBytes { JSONString.decode($0) }
        let isJSON = text.withUnsafeBytes { text in
            var reader = JSONReader(text)
            return (try? reader.skipValue()) != nil && (try? reader.finish()) != nil
        }
        block.set("input", raw: isJSON ? text : [UInt8(ascii: "\"")] + raw + [UInt8(ascii: "\"")])
    }
}

/// The answer being put together.
private struct AnswerTree {
    let root = TreeNode(.object)

    func list(_ name: String) -> [TreeNode] {
        guard let node = root.existing(name), node.kind == .list else { return [] }
        return node.children
    }
}
