// Settle: step 7h: what an attempt used, times what its model costs. Attempts whose answer nobody got are charged, too: the
// provider will.

package import Accounting
package import Config
package import Core
import PluginHost
import Telemetry
import Wire

/// What is known of the use of the attempt in progress.
struct AttemptMeter {
    /// As far as the provider has told.
    var usage: TokenUsage?
    /// The provider has answered with a success: what it answers is charged.
    var isAnswered = false
    /// The usage is that of the whole answer.
    var isWhole = false
    /// What has come of a stream, or of an answer that tells no usage.
    var stream = UsageEstimate()
    /// Tokens of a whole answer that tells no usage.
    var answerTokens: Int?
    var responseModel: String?
    /// The body that went out, for its size.
    var body: Bytes = .empty
    /// include_usage was added: the chunk that comes of it is not the client's.
    var hidesUsage = false
}

extension Exchange {
    /// Puts usage and cost on the record of the last attempt, once, when nothing more will come of it.
    func settle() {
        guard let last = record.attempts.indices.last, !isSettled else { return }
        isSettled = true
        defer { accounts.settle(meter.isAnswered && endpoint.isPriced ? record.attempts[last] : nil) }
        let isHit = record.cacheStatus == .hit || record.cacheStatus == .semanticHit
        guard endpoint.isPriced else { return }
        if isHit {
            // Nothing was asked of a provider in this attempt.
            record.attempts[last].cost = Cost(picodollars: 0, priceVersion: snapshot.prices.version)
        } else {
            guard meter.isAnswered else { return sumCosts() }
            let (usage, isEstimated) = used()
            record.attempts[last].usage = AttemptUsage(
                input: usage.prompt, output: usage.completion, cached: usage.cachedPrompt,
                cacheWrite: usage.cacheCreation, reasoning: usage.reasoning, isEstimated: isEstimated)
            record.inputTokens = usage.prompt
            record.outputTokens = usage.completion
            record.cachedTokens = usage.cachedPrompt
            record.cacheWriteTokens = usage.cacheCreation
            record.reasoningTokens = usage.reasoning
            record.isUsageEstimated = isEstimated
            let model = snapshot.prices.find(
                record.attempts[last].provider, answered: meter.responseModel, asked: record.attempts[last].model)
            record.attempts[last].cost = model.flatMap { model in
                model.price.picodollars(for: usage).map {
                    Cost(picodollars: $0, priceVersion: model.version, isEstimated: isEstimated)
                }
            }
        }
        sumCosts()
    }

    /// All attempts together; nil as soon as one was charged and cannot be priced.
    private func sumCosts() {
        var sum: Cost?
        for attempt in record.attempts where attempt.usage != nil || attempt.cost != nil {
            guard let cost = attempt.cost, let total = sum.map({ $0 + cost }) ?? cost else { return record.cost = nil }
            sum = total
        }
        record.cost = sum
    }

    /// The provider's word where there is one, for as much as it says.
    private func used() -> (TokenUsage, isEstimated: Bool) {
        if let usage = meter.usage, meter.isWhole { return (usage, false) }
        var usage = meter.usage ?? TokenUsage()
        if usage.prompt == 0 { usage.prompt = UsageEstimate.tokens(ofBytes: textBytes(of: meter.body)) }
        if endpoint != .embeddings {
            usage.completion = max(usage.completion, meter.answerTokens ?? meter.stream.completion)
        }
        return (usage, true)
    }

    func textBytes(of body: Bytes) -> Int {
        do throws(GatewayError) {
            return try SegmentTable.request(endpoint, body).reduce(0) { $0 + $1.textRange.count }
        } catch {
            return body.count
        }
    }

    /// A whole answer of the provider, before guards.
    func meter(answer body: Bytes, _ facts: AnswerFacts) {
        guard meter.isAnswered, endpoint.isPriced else { return }
        meter.responseModel = facts.model
        meter.usage = facts.usage
        meter.isWhole = facts.usage != nil
        if facts.usage == nil {
            let bytes = SegmentTable.response(endpoint, body).reduce(0) { $0 + $1.textRange.count }
            meter.answerTokens = UsageEstimate.tokens(ofBytes: bytes)
        }
    }

    /// What an event of a stream tells. On Messages the first event tells what went in, the last what came out.
    func meter(event facts: AnswerFacts) {
        if let model = facts.model { meter.responseModel = model }
        guard let usage = facts.usage else { return }
        if meter.usage == nil { meter.usage = usage } else { meter.usage?.merge(usage) }
        meter.isWhole = endpoint != .messages || facts.finishReason != nil
    }
}

extension Worker {
    /// The body with stream_options.include_usage, where the client has not asked and the provider understands it; else
    /// the body itself.
    func askingForUsage(_ body: Bytes, _ exchange: Exchange, _ target: Target) -> Bytes {
        guard exchange.isStream, exchange.snapshot.config.prices.asksForStreamUsage, exchange.endpoint.hasStreamOptions,
            target.tellsStreamUsage, exchange.fields?.includesUsage != true,
            target.provider.descriptor.support(for: exchange.endpoint) != nil
        else { return body }
        let options = JSONPointer(["stream_options"])
        let member = options / "include_usage"
        // A config's parameters may ask in the client's stead.
        if let asked = member.find(in: body.buffer), body[asked.lowerBound] == UInt8(ascii: "t") { return body }
        let isObject = options.find(in: body.buffer).map { body[$0.lowerBound] == UInt8(ascii: "{") } ?? false
        let asking =
            isObject
            ? JSONEditor.put(Array("true".utf8), at: member, in: body)
            : JSONEditor.put(Array("{\"include_usage\":true}".utf8), at: options, in: body)
        guard let asking else { return body }
        exchange.meter.hidesUsage = true
        return asking
    }
}

extension Endpoint {
    /// Its answers are sold by tokens, and read.
    var isPriced: Bool {
        switch self {
        case .chatCompletions, .completions, .embeddings, .messages: true
        case .countTokens, .models, .proxy: false
        }
    }

    /// OpenAI's streams tell their usage when they are asked; Anthropic's always do.
    var hasStreamOptions: Bool { self == .chatCompletions || self == .completions }
}

extension SSEEvent {
    /// An event that may tell usage: `"usage"` with an object. OpenAI's other chunks have null there.
    var mayTellUsage: Bool { data.hasMember("\"usage\"", rareAt: 4, startingWith: UInt8(ascii: "{")) }

    /// The chunk that OpenAI's include_usage adds to a stream: it has usage and no choice.
    var isUsageChunk: Bool {
        guard mayTellUsage, let choices = JSONPointer(["choices"]).find(in: data.buffer) else { return false }
        return data[choices].buffer.allSatisfy { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]") || $0 <= 0x20 }
    }
}

extension Gateway {
    /// The catalogue with the configuration's prices over it.
    package static func prices(_ config: ConfigSnapshot) throws(GatewayError) -> PriceCatalogue {
        var catalogue = PriceCatalogue()
        if let text = config.prices.text {
            do throws(PriceCatalogue.Malformed) { catalogue = try PriceCatalogue(parsing: text) } catch {
                throw GatewayError(
                    .invalidConfig, status: 500,
                    "/prices/file: \(config.prices.file ?? ""):\(error.line): \(error.message)")
            }
        }
        for model in config.prices.models {
            var price = Price()
            for (name, value) in model.amounts where !price.set(name, value) {
                throw GatewayError(
                    .invalidConfig, status: 500, "\(model.pointer / name): expected a price, found \(value)")
            }
            catalogue.override(
                model.provider, model.model, price, version: "config-" + config.contentHash.prefix(8))
        }
        return catalogue
    }
}
