// Endpoint: the API shapes that the gateway knows. Everything that depends on which one a request is for asks this
// value.

package enum Endpoint: String, Sendable, CaseIterable {
    case chatCompletions = "chat_completions"
    case completions
    case embeddings
    case messages
    /// What a request for Messages would take in: its body is read like one, its answer is a number.
    case countTokens = "count_tokens"
    case models
    /// Any other path under /v1: relayed as it is, its body unread.
    case proxy

    /// True where answers carry text.
    package var answersText: Bool { hasSegmentTable && self != .embeddings && self != .countTokens }

    /// True when every text of its bodies can be found (SegmentTable). A guard that must see everything refuses the
    /// others.
    package var hasSegmentTable: Bool {
        switch self {
        case .chatCompletions, .completions, .embeddings, .messages, .countTokens: true
        case .models, .proxy: false
        }
    }

    /// Portkey's word for what a provider is asked to do, as in "messages is not supported by mistral-ai".
    package var portkeyFunction: String {
        switch self {
        case .chatCompletions: "chatComplete"
        case .completions: "complete"
        case .embeddings: "embed"
        case .messages: "messages"
        case .countTokens: "messagesCountTokens"
        case .models: "models"
        case .proxy: "proxy"
        }
    }

    /// Portkey's `requestType`, which checks and webhooks get: the same words.
    package var portkeyRequestType: String { portkeyFunction }

    /// What adapters are asked for: they reach what only the gateway tells apart like any other path of the provider.
    package var adapted: Endpoint { self == .countTokens ? .proxy : self }

    /// Its answers and errors have the shape of Anthropic's API.
    package var isAnthropic: Bool { self == .messages || self == .countTokens }

    /// True for the shapes whose answers can be event streams that the gateway understands.
    package var canStream: Bool {
        switch self {
        case .chatCompletions, .completions, .messages: true
        case .embeddings, .countTokens, .models, .proxy: false
        }
    }

    /// The path under which clients ask for it; nil for `.proxy`, which has many.
    package var path: String? {
        switch self {
        case .chatCompletions: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .embeddings: "/v1/embeddings"
        case .messages: "/v1/messages"
        case .countTokens: "/v1/messages/count_tokens"
        case .models: "/v1/models"
        case .proxy: nil
        }
    }
}
