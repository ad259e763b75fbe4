// TokenUsage: what an answer cost, in tokens, whichever names its format has for that.

package import Core

package struct TokenUsage: Sendable, Equatable {
    /// All that was sent, cached or not.
    package var prompt: Int
    /// All that was written, reasoning included.
    package var completion: Int
    /// The part of `prompt` that was read from the provider's cache.
    package var cachedPrompt: Int
    /// The part of `prompt` that was written to the provider's cache.
    package var cacheCreation: Int
    /// The part of `completion` that the client does not see as text.
    package var reasoning: Int
    private var statedTotal: Int?

    package var total: Int { max(statedTotal ?? 0, prompt + completion) }

    package init(
        prompt: Int = 0, completion: Int = 0, total: Int? = nil, cachedPrompt: Int = 0, cacheCreation: Int = 0,
        reasoning: Int = 0
    ) {
        self.prompt = prompt
        self.completion = completion
        self.cachedPrompt = cachedPrompt
        self.cacheCreation = cacheCreation
        self.reasoning = reasoning
        statedTotal = total
    }

    package static func == (left: TokenUsage, right: TokenUsage) -> Bool {
        left.prompt == right.prompt && left.completion == right.completion && left.total == right.total
            && left.cachedPrompt == right.cachedPrompt && left.cacheCreation == right.cacheCreation
            && left.reasoning == right.reasoning
    }

    /// Reads a `usage` object. nil when `value` is none, or says nothing of tokens.
    package init?(reading value: Bytes) {
        let counts = withExtendedLifetime(value) { Counts(value.buffer, at: 0) }
        guard let counts, let usage = counts.usage else { return nil }
        self = usage
    }

    /// Takes in what a later event says. Counts are cumulative, so one that is there replaces the earlier one.
    package mutating func merge(_ later: TokenUsage) {
        func newer(_ path: (TokenUsage) -> Int) -> Int { path(later) != 0 ? path(later) : path(self) }
        let fresh = newer { max(0, $0.prompt - $0.cachedPrompt - $0.cacheCreation) }
        let cached = newer(\.cachedPrompt)
        let created = newer(\.cacheCreation)
        self = TokenUsage(
            prompt: fresh + cached + created, completion: newer(\.completion), total: later.statedTotal ?? statedTotal,
            cachedPrompt: cached, cacheCreation: created, reasoning: newer(\.reasoning))
    }
}

/// The numbers of a `usage` object, as they stand.
struct Counts {
    private var prompt: Int?
    private var input: Int?
    private var completion: Int?
    private var total: Int?
    private var cached = 0
    private var readFromCache = 0
    private var written = 0
    /// Counted in the prompt already.
    private var writtenInside = 0
    private var reasoning = 0

    /// nil when there is no object at `start`.
    init?(_ buffer: UnsafeRawBufferPointer, at start: Int) {
        var reader = JSONReader(buffer, at: start)
        guard (try? read(&reader, buffer, isDetail: false)) != nil else { return nil }
    }

    private mutating func read(_ reader: inout JSONReader, _ buffer: UnsafeRawBufferPointer, isDetail: Bool)
        throws(JSONError)
    {
        try reader.enterObject()
        var first = true
        while let key = try reader.nextKey(first: first) {
            first = false
            if !isDetail, reader.current == UInt8(ascii: "{") {
                try read(&reader, buffer, isDetail: true)
                continue
            }
            let value = try reader.skipValue()
            guard let number = Self.number(buffer, value) else { continue }
            if isDetail { takeDetail(buffer, key, number) } else { take(buffer, key, number) }
        }
    }

    private mutating func take(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "prompt_tokens") {
            prompt = number
        } else if buffer.rawEquals(key, "input_tokens") {
            input = number
        } else if buffer.rawEquals(key, "completion_tokens") || buffer.rawEquals(key, "output_tokens") {
            completion = number
        } else if buffer.rawEquals(key, "total_tokens") {
            total = number
        } else if buffer.rawEquals(key, "prompt_cache_hit_tokens") {
            cached = max(cached, number)
        } else if buffer.rawEquals(key, "cache_read_input_tokens") {
            readFromCache = number
        } else if buffer.rawEquals(key, "cache_creation_input_tokens") {
            written = number
        }
    }

    /// A count of `prompt_tokens_details` and the like.
    private mutating func takeDetail(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "cached_tokens") {
            cached = max(cached, number)
        } else if buffer.rawEquals(key, "cache_write_tokens") {
            writtenInside = number
        } else if buffer.rawEquals(key, "reasoning_tokens") {
            reasoning = number
        }
    }

    /// Digits only: no count has a sign or a fraction.
    private static func number(_ buffer: UnsafeRawBufferPointer, _ value: Range<Int>) -> Int? {
        guard value.count < 16 else { return nil }
        var number = 0
        for index in value {
            guard buffer[index] &- 0x30 < 10 else { return nil }
            number = number * 10 + Int(buffer[index] - 0x30)
        }
        return number
    }

    var usage: TokenUsage? {
        guard prompt != nil || input != nil || completion != nil || total != nil || readFromCache + written > 0 else {
            return nil
        }
        let read = max(cached, readFromCache)
        var all = prompt ?? input ?? 0
        if prompt != nil {
            // Counts that were brought over from Messages leave the cache out of the prompt.
            let isOutside =
                readFromCache + written > 0
                && (all < read + written || total == all + (completion ?? 0) + read + written)
            if isOutside { all += read + written }
        } else if cached == 0 {
            // Messages: what came from the cache, or went there, is counted beside the input.
            all += read + written
        }
        return TokenUsage(
            prompt: all, completion: completion ?? 0, total: total, cachedPrompt: read,
            cacheCreation: max(written, writtenInside),
            reasoning: reasoning)
    }
}
