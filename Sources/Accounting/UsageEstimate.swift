// UsageEstimate: tokens that no provider has told: of answers without a usage object, and of streams that broke off.
//
// Four bytes of text are taken for a token, the rule of thumb that OpenAI gives for English
// (https://help.openai.com/en/articles/4936856). Scripts with three bytes a letter come out too low, code too high.

package struct UsageEstimate: Sendable, Equatable {
    private var tokens = 0
    /// The smallest event so far: about what an event takes that says nothing.
    private var envelope = Int.max

    package init() {}

    package static func tokens(ofBytes count: Int) -> Int { (count + 3) / 4 }

    /// An event of a stream, by the size of its data. One that says anything is a token at least; what it has beyond
    /// the smallest event seen is text. No event is read for this.
    package mutating func take(eventOf size: Int) {
        envelope = min(envelope, size)
        tokens += max(1, Self.tokens(ofBytes: size - envelope))
    }

    /// Tokens that have come. The first event opens the stream and says nothing.
    package var completion: Int { max(0, tokens - 1) }
}
