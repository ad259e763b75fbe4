// Feedback: the request of a next attempt, in which the model reads what was wrong with its answer.

import PluginSDK

struct Feedback {
    private let text: String

    /// A longer schema is not repeated to the model.
    private static let maximumSchemaSize = 16 << 10
    /// A longer answer is not repeated to the model.
    private static let maximumAnswerSize = 256 << 10

    init(_ finding: Finding, _ schema: JSON) {
        var text = "Your last answer cannot be used:\n"
        for reason in finding.reasons { text += "- \(reason)\n" }
        let source = schema.description
        if !finding.not, source.utf8.count <= Self.maximumSchemaSize {
            text += "Answer again, with JSON that fits this JSON Schema and with nothing else:\n\(source)"
        } else if finding.not {
            text += "Answer again, differently."
        } else {
            text += "Answer again, with JSON that mends this and with nothing else."
        }
        self.text = text
    }

    /// Stages the edits; false where the request's shape has no room for them.
    func stage(_ exchange: Exchange, after answer: String) throws(PluginFailure) -> Bool {
        let answer = answer.utf8.count <= Self.maximumAnswerSize ? answer : ""
        switch exchange.endpoint {
        case "chat_completions", "messages":
            guard exchange.json("/messages", .request) != nil else { return false }
            if !answer.isEmpty {
                try exchange.setJSON("/messages/-", ["role": "assistant", "content": .string(answer)], .request)
            }
            try exchange.setJSON("/messages/-", ["role": "user", "content": .string(text)], .request)
            return true
        case "completions":
            guard let raw = exchange.json("/prompt", .request), let prompt = try? JSON(parsing: raw) else {
                return false
            }
            guard let question = prompt.string ?? (prompt.array?.count == 1 ? prompt[0]?.string : nil) else {
                return false
            }
            try exchange.setJSON("/prompt", .string("\(question)\(answer)\n\n\(text)\n\n"), .request)
            return true
        default: return false
        }
    }
}
