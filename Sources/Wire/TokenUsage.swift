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
    package var parts = Parts()
    private var statedTotal: Int?

    /// Parts of the parts, which have prices of their own.
    package struct Parts: Sendable, Equatable {
        /// The part of `cacheCreation` that stays for an hour and not for five minutes.
        package var cacheCreationHour = 0
        package var promptAudio = 0
        /// The part of `promptAudio` that is in `cachedPrompt`, too.
        package var cachedPromptAudio = 0
        package var promptImage = 0
        package var completionAudio = 0
        package var completionImage = 0
        /// Searches that the provider made and charges by the call.
        package var webSearches = 0
        /// `service_tier` says that this was part of a batch.
        package var isBatch = false
    }

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
        left.total == right.total && left.prompt == right.prompt && left.completion == right.completion
            && left.cachedPrompt == right.cachedPrompt && left.cacheCreation == right.cacheCreation
            && left.reasoning == right.reasoning && left.parts == right.parts
    }

    /// Reads a `usage` object: OpenAI's (chat, Responses), Anthropic's, Bedrock's Converse; or Gemini's
    /// `usageMetadata`. nil when `value` is none, or says nothing of tokens.
    package init?(reading value: Bytes) {
        let counts = withExtendedLifetime(value) { Counts(value.buffer, at: 0) }
        guard let counts, let usage = counts.usage else { return nil }
        self = usage
    }

    /// Takes in what a later event says. Counts are cumulative, so one that is there replaces the earlier one.
    package mutating func merge(_ later: TokenUsage) {
        func newer(_ count: (TokenUsage) -> Int) -> Int { count(later) != 0 ? count(later) : count(self) }
        let fresh = newer { max(0, $0.prompt - $0.cachedPrompt - $0.cacheCreation) }
        let cached = newer { $0.cachedPrompt }
        let created = newer { $0.cacheCreation }
        var merged = TokenUsage(
            prompt: fresh + cached + created, completion: newer { $0.completion },
            total: later.statedTotal ?? statedTotal, cachedPrompt: cached, cacheCreation: created,
            reasoning: newer { $0.reasoning })
        merged.parts = Parts(
            cacheCreationHour: newer { $0.parts.cacheCreationHour }, promptAudio: newer { $0.parts.promptAudio },
            cachedPromptAudio: newer { $0.parts.cachedPromptAudio }, promptImage: newer { $0.parts.promptImage },
            completionAudio: newer { $0.parts.completionAudio }, completionImage: newer { $0.parts.completionImage },
            webSearches: newer { $0.parts.webSearches }, isBatch: parts.isBatch || later.parts.isBatch)
        self = merged
    }
}

/// The numbers of a `usage` object, as they stand.
///
/// OpenAI (https://platform.openai.com/docs/api-reference/chat/object): `prompt_tokens` with all that was cached,
/// `prompt_tokens_details` {`cached_tokens`, `audio_tokens`}, `completion_tokens_details` {`reasoning_tokens`,
/// `audio_tokens`}; on Responses and images `input_tokens`, `input_tokens_details` {…, `image_tokens`} and so on.
/// Anthropic (https://platform.claude.com/docs/en/api/messages): `input_tokens` without `cache_read_input_tokens` and
/// `cache_creation_input_tokens`; `cache_creation` {`ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`},
/// `server_tool_use` {`web_search_requests`}, `service_tier`.
/// Gemini (https://ai.google.dev/api/generate-content#UsageMetadata): `promptTokenCount` with all that was cached,
/// `candidatesTokenCount` without `thoughtsTokenCount`, lists of {`modality`, `tokenCount`}.
/// Bedrock (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html): `inputTokens` without
/// `cacheReadInputTokens` and `cacheWriteInputTokens`; `cacheDetails`, a list of {`ttl`, `inputTokens`}.
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
    /// Gemini: counted beside the prompt and beside the answer.
    private var toolPrompt = 0
    private var thoughts = 0
    /// What only has prices of its own.
    private var parts = TokenUsage.Parts()

    /// Which object the members stand in.
    private enum Place { case top, promptDetails, cachedDetails, completionDetails, other }

    /// nil when there is no object at `start`.
    init?(_ buffer: UnsafeRawBufferPointer, at start: Int) {
        var reader = JSONReader(buffer, at: start)
        guard (try? read(&reader, buffer, .top)) != nil else { return nil }
    }

    private mutating func read(_ reader: inout JSONReader, _ buffer: UnsafeRawBufferPointer, _ place: Place)
        throws(JSONError)
    {
        try reader.enterObject()
        var first = true
        while let key = try reader.nextKey(first: first) {
            first = false
            if reader.current == UInt8(ascii: "{"), let inner = Self.place(buffer, key, in: place) {
                try read(&reader, buffer, inner)
                continue
            }
            if reader.current == UInt8(ascii: "["), place == .top {
                try readList(&reader, buffer, key)
                continue
            }
            let value = try reader.skipValue()
            if place == .top, buffer.rawEquals(key, "service_tier") {
                parts.isBatch = buffer.rawEquals(value, "\"batch\"")
            }
            guard let number = Self.number(buffer, value) else { continue }
            switch place {
            case .top: take(buffer, key, number)
            case .promptDetails: takePromptDetail(buffer, key, number)
            case .cachedDetails: if buffer.rawEquals(key, "audio_tokens") { parts.cachedPromptAudio = number }
            case .completionDetails: takeCompletionDetail(buffer, key, number)
            case .other: takeDetail(buffer, key, number)
            }
        }
    }

    /// The place that an object is; nil for one that is passed over.
    private static func place(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, in place: Place) -> Place? {
        switch place {
        case .top:
            if buffer.rawEquals(key, "prompt_tokens_details") || buffer.rawEquals(key, "input_tokens_details")
                || buffer.rawEquals(key, "input_token_details")
            {
                return .promptDetails
            }
            if buffer.rawEquals(key, "completion_tokens_details") || buffer.rawEquals(key, "output_tokens_details")
                || buffer.rawEquals(key, "output_token_details")
            {
                return .completionDetails
            }
            return .other
        case .promptDetails: return buffer.rawEquals(key, "cached_tokens_details") ? .cachedDetails : nil
        case .cachedDetails, .completionDetails, .other: return nil
        }
    }

    private mutating func take(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "prompt_tokens") {
            prompt = number
        } else if buffer.rawEquals(key, "input_tokens") || buffer.rawEquals(key, "inputTokens") {
            input = number
        } else if buffer.rawEquals(key, "completion_tokens") || buffer.rawEquals(key, "output_tokens")
            || buffer.rawEquals(key, "outputTokens") || buffer.rawEquals(key, "candidatesTokenCount")
        {
            completion = number
        } else if buffer.rawEquals(key, "total_tokens") || buffer.rawEquals(key, "totalTokens")
            || buffer.rawEquals(key, "totalTokenCount")
        {
            total = number
        } else if buffer.rawEquals(key, "prompt_cache_hit_tokens") || buffer.rawEquals(key, "cachedContentTokenCount") {
            cached = max(cached, number)
        } else if buffer.rawEquals(key, "cache_read_input_tokens") || buffer.rawEquals(key, "cacheReadInputTokens") {
            readFromCache = number
        } else if buffer.rawEquals(key, "cache_creation_input_tokens")
            || buffer.rawEquals(key, "cacheWriteInputTokens")
        {
            written = number
        } else if buffer.rawEquals(key, "promptTokenCount") {
            prompt = number
        } else if buffer.rawEquals(key, "thoughtsTokenCount") {
            thoughts = number
        } else if buffer.rawEquals(key, "toolUsePromptTokenCount") {
            toolPrompt = number
        }
    }

    private mutating func takePromptDetail(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "audio_tokens") {
            parts.promptAudio = number
        } else if buffer.rawEquals(key, "image_tokens") {
            parts.promptImage = number
        } else {
            takeDetail(buffer, key, number)
        }
    }

    private mutating func takeCompletionDetail(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "audio_tokens") {
            parts.completionAudio = number
        } else if buffer.rawEquals(key, "image_tokens") {
            parts.completionImage = number
        } else {
            takeDetail(buffer, key, number)
        }
    }

    /// A count that means the same wherever it stands.
    private mutating func takeDetail(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>, _ number: Int) {
        if buffer.rawEquals(key, "cached_tokens") {
            cached = max(cached, number)
        } else if buffer.rawEquals(key, "cache_write_tokens") {
            writtenInside = number
        } else if buffer.rawEquals(key, "reasoning_tokens") {
            reasoning = number
        } else if buffer.rawEquals(key, "ephemeral_1h_input_tokens") {
            parts.cacheCreationHour = number
        } else if buffer.rawEquals(key, "web_search_requests") {
            parts.webSearches = number
        }
    }

    // MARK: Lists: Gemini's modalities, Bedrock's kinds of cache

    private mutating func readList(
        _ reader: inout JSONReader, _ buffer: UnsafeRawBufferPointer, _ list: Range<Int>
    ) throws(JSONError) {
        try reader.enterArray()
        var first = true
        while try reader.nextElement(first: first) {
            first = false
            guard reader.current == UInt8(ascii: "{") else {
                try reader.skipValue()
                continue
            }
            var name = 0..<0
            var count = 0
            try reader.enterObject()
            var isFirstKey = true
            while let key = try reader.nextKey(first: isFirstKey) {
                isFirstKey = false
                let value = try reader.skipValue()
                if buffer.rawEquals(key, "modality") || buffer.rawEquals(key, "ttl") { name = value }
                if buffer.rawEquals(key, "tokenCount") || buffer.rawEquals(key, "inputTokens") {
                    count = Self.number(buffer, value) ?? 0
                }
            }
            takeListed(buffer, list, name, count)
        }
    }

    private mutating func takeListed(
        _ buffer: UnsafeRawBufferPointer, _ list: Range<Int>, _ name: Range<Int>, _ count: Int
    ) {
        if buffer.rawEquals(list, "cacheDetails") {
            if buffer.rawEquals(name, "\"1h\"") { parts.cacheCreationHour += count }
        } else if buffer.rawEquals(name, "\"AUDIO\"") {
            if buffer.rawEquals(list, "promptTokensDetails") { parts.promptAudio += count }
            if buffer.rawEquals(list, "cacheTokensDetails") { parts.cachedPromptAudio += count }
            if buffer.rawEquals(list, "candidatesTokensDetails") { parts.completionAudio += count }
        } else if buffer.rawEquals(name, "\"IMAGE\"") {
            if buffer.rawEquals(list, "promptTokensDetails") { parts.promptImage += count }
            if buffer.rawEquals(list, "candidatesTokensDetails") { parts.completionImage += count }
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
            // Messages and Converse: what came from the cache, or went there, is counted beside the input.
            all += read + written
        }
        var usage = TokenUsage(
            prompt: all + toolPrompt, completion: (completion ?? 0) + thoughts, total: total, cachedPrompt: read,
            cacheCreation: max(written, writtenInside), reasoning: reasoning + thoughts)
        usage.parts = parts
        return usage
    }
}
