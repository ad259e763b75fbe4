// addPrefix: puts text before the first message of a role, or makes a message of it.

import PluginSDK

struct AddPrefix: Guardrail {
    static let id = "addPrefix"
    private let prefix: String
    private let role: String
    private let addToExisting: Bool
    private let onlyIfEmpty: Bool

    init(config: JSON, host: Host) throws(ConfigError) {
        prefix = try config.requiredText("prefix")
        role = config["applyToRole"]?.string ?? "user"
        addToExisting = try config.flag("addToExisting", default: true)
        onlyIfEmpty = try config.flag("onlyIfEmpty")
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        let requestType: String
        switch exchange.endpoint {
        case "chat_completions":
            requestType = "chatComplete"
            try prefixMessages(exchange) { .string($0) }
        case "messages":
            requestType = "messages"
            if role == "system" { try prefixSystem(exchange) } else { try prefixMessages(exchange, Self.textBlocks) }
        case "completions":
            requestType = "complete"
            try prefixPrompt(exchange)
        case let other: throw PluginFailure("A prefix cannot be added to requests of the type \(other)")
        }
        var findings = Findings(true, "The prefix was applied.")
        findings.add("prefix", prefix)
        findings.add("requestType", requestType)
        findings.add("applyToRole", role)
        findings.add("addToExisting", addToExisting)
        findings.add("onlyIfEmpty", onlyIfEmpty)
        try findings.report(to: exchange)
        return .proceed
    }

    /// `content` makes the content of a new message.
    private func prefixMessages(_ exchange: Exchange, _ content: (String) -> JSON) throws(PluginFailure) {
        guard let messages = try value(exchange, "/messages")?.array else {
            throw PluginFailure("The request has no messages")
        }
        let new: JSON = ["role": .string(role), "content": content(prefix)]
        guard let index = messages.firstIndex(where: { $0["role"]?.string == role }) else {
            if role == "system", !messages.isEmpty {
                try exchange.setJSON("/messages/0", new, .request, insert: true)
            } else {
                try exchange.setJSON("/messages/-", new, .request)
            }
            return
        }
        let old = messages[index]["content"] ?? .null
        if onlyIfEmpty, !isEmpty(old) { return }
        if addToExisting {
            try exchange.setJSON("/messages/\(index)/content", prefixed(old, content), .request)
        } else {
            try exchange.setJSON("/messages/\(index)", new, .request, insert: true)
        }
    }

    /// Anthropic's messages have the system text beside them.
    private func prefixSystem(_ exchange: Exchange) throws(PluginFailure) {
        let old = try value(exchange, "/system") ?? .null
        if onlyIfEmpty, !isEmpty(old) { return }
        try exchange.setJSON("/system", prefixed(old, Self.textBlocks), .request)
    }

    private func prefixPrompt(_ exchange: Exchange) throws(PluginFailure) {
        let old = try value(exchange, "/prompt") ?? .null
        if onlyIfEmpty, !isEmpty(old) { return }
        switch old {
        case .null: try exchange.setJSON("/prompt", .string(prefix), .request)
        case .string(let text): try exchange.setJSON("/prompt", .string(prefix + text), .request)
        case .array(let prompts) where prompts.allSatisfy({ $0.string != nil }):
            let prefixed = prompts.map { JSON.string(prefix + ($0.string ?? "")) }
            try exchange.setJSON("/prompt", .array(prefixed), .request)
        default: throw PluginFailure("A prefix cannot be added to a prompt of token ids")
        }
    }

    /// Content with the prefix before its first text.
    private func prefixed(_ old: JSON, _ content: (String) -> JSON) -> JSON {
        switch old {
        case .string(let text): return .string(prefix + text)
        case .array(var parts):
            if let first = parts.firstIndex(where: { $0["type"]?.string == "text" }) {
                parts[first]["text"] = .string(prefix + (parts[first]["text"]?.string ?? ""))
            } else {
                parts.insert(["type": "text", "text": .string(prefix)], at: 0)
            }
            return .array(parts)
        default: return content(prefix)
        }
    }

    private func isEmpty(_ content: JSON) -> Bool {
        switch content {
        case .null: true
        case .string(let text): text.utf8.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
        case .array(let parts): parts.allSatisfy { part in part["text"].map(isEmpty) ?? false }
        default: false
        }
    }

    private static func textBlocks(_ text: String) -> JSON {
        [["type": "text", "text": .string(text)]]
    }

    private func value(_ exchange: Exchange, _ pointer: String) throws(PluginFailure) -> JSON? {
        guard let raw = exchange.json(pointer, .request) else { return nil }
        do throws(JSON.SyntaxError) {
            return try JSON(parsing: raw)
        } catch {
            throw PluginFailure("\(pointer) is not JSON: \(error)")
        }
    }
}
