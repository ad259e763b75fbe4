package import Core

package struct TokenUsage: Sendable, Equatable {
    package var prompt = 0
    package var completion = 0
    package var total = 0
    package var cachedPrompt = 0
    package var cacheCreation = 0
    package var reasoning = 0
    package init() {}
    package mutating func merge(_ later: TokenUsage) {}
}

/// What the gateway wants to know of an answer, a whole one or one event of a stream.
package struct AnswerFacts: Sendable, Equatable {
    package var usage: TokenUsage?
    package var finishReason: String?
    package var model: String?
    package init() {}
    package init(reading body: Bytes) {}
    package mutating func merge(_ later: AnswerFacts) {}
}
