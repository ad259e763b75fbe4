// SegmentTable: every member of the bodies that the gateway reads which carries text. The table is this file;
// SegmentWalk.swift follows it, and Wire.docc/Segments.md says the same in words. A member that stands nowhere here is
// presented as `other`.

package import Core

package enum SegmentTable {
    /// The segments of a request's body, in the order of the text. Throws 400 where an object that is walked has a
    /// member that carries text twice, or one whose name another parser might read as such.
    package static func request(_ endpoint: Endpoint, _ body: Bytes) throws(GatewayError) -> [Segment] {
        guard let shape = requestShape(endpoint) else { return [] }
        return try withExtendedLifetime(body) { () throws(GatewayError) in
            var walk = SegmentWalk(body.buffer, refuses: true)
            return try walk.segments(shape, SegmentWalk.Context(role: endpoint.isPrompted ? .user : .none))
        }
    }

    /// The segments of a whole answer. Empty for what is not this endpoint's JSON.
    package static func response(_ endpoint: Endpoint, _ body: Bytes) -> [Segment] {
        guard let shape = responseShape(endpoint) else { return [] }
        return withExtendedLifetime(body) {
            var walk = SegmentWalk(body.buffer, refuses: false)
            return (try? walk.segments(shape, SegmentWalk.Context(role: .assistant))) ?? []
        }
    }

    /// What a segment says: a slice of the body when its raw text says itself, else a decoded copy.
    package static func text(of segment: Segment, in body: Bytes) -> Bytes {
        let raw = body[segment.textRange]
        guard segment.isEscaped else { return raw }
        let text = decoded(raw)
        return segment.depth > 1 && withExtendedLifetime(text, { text.buffer.contains(0x5C) }) ? decoded(text) : text
    }

    private static func decoded(_ raw: Bytes) -> Bytes {
        withExtendedLifetime(raw) {
            Bytes(capacity: raw.count) { JSONString.decode(raw.buffer, into: $0) }
        }
    }
}

extension Endpoint {
    /// Its text stands at the top level, not in messages.
    fileprivate var isPrompted: Bool { self == .completions || self == .embeddings }
}

extension SegmentTable {
    /// What becomes of a member's value.
    enum Rule {
        /// Never reaches a model: settings, and identifiers of the client's.
        case skip
        /// A name, an id or a keyword. One that is more than a word is presented as `other`.
        case word
        /// A string.
        case text(Segment.Kind)
        /// A string, or parts of content: an array of objects, or one.
        case content
        /// The same, of the system role.
        case instructions
        case object(Shape)
        case list(Shape)
        /// Strings and token ids, alone or in arrays.
        case prompt
        /// All strings inside of a value, whatever it is.
        case leaves(Segment.Kind)
        /// JSON in a string: its strings.
        case arguments
        /// A JSON Schema: descriptions, titles, examples and the like.
        case schema
        /// A URL, with the data in it or not.
        case link(Segment.Kind)
        /// Base64 data.
        case data(Segment.Kind)
        /// A string that names where something comes from, or an object that holds it.
        case source
    }

    struct Entry {
        let name: StaticString
        let rule: Rule

        init(_ name: StaticString, _ rule: Rule) {
            self.name = name
            self.rule = rule
        }
    }

    /// An object of one of the formats, by what it is.
    enum Shape: Int, CaseIterable {
        case chatRequest, completionRequest, embeddingRequest, messagesRequest
        case chatAnswer, embeddingAnswer, messagesAnswer
        case message, part, choice
        case toolCall, calledFunction, calledCustom, tool, declaredFunction, customFormat, grammar
        case responseFormat, jsonSchema, outputConfig, prediction, serverOfTools
        case linkedImage, linkedVideo, audio, file, source, citation, reasoningDetail, annotation, urlCitation
    }

    static func requestShape(_ endpoint: Endpoint) -> Shape? {
        switch endpoint {
        case .chatCompletions: .chatRequest
        case .completions: .completionRequest
        case .embeddings: .embeddingRequest
        case .messages, .countTokens: .messagesRequest
        case .models, .proxy: nil
        }
    }

    static func responseShape(_ endpoint: Endpoint) -> Shape? {
        switch endpoint {
        case .chatCompletions, .completions: .chatAnswer
        case .embeddings: .embeddingAnswer
        case .messages: .messagesAnswer
        case .countTokens, .models, .proxy: nil
        }
    }

    /// The entries of each shape, by its raw value.
    static let entries: [[Entry]] = Shape.allCases.map(entries)

    private static func entries(_ shape: Shape) -> [Entry] {
        switch shape {
        // MARK: Requests

        case .chatRequest:
            return settings + [
                Entry("messages", .list(.message)), Entry("tools", .list(.tool)),
                Entry("functions", .list(.declaredFunction)),
                Entry("prediction", .object(.prediction)), Entry("response_format", .object(.responseFormat)),
                Entry("stop", .leaves(.other)), Entry("tool_choice", .skip), Entry("function_call", .skip),
                Entry("modalities", .word), Entry("verbosity", .word), Entry("reasoning_effort", .word),
                Entry("audio", .skip),
                Entry("logit_bias", .skip), Entry("moderation", .skip), Entry("thinking", .skip),
                Entry("reasoning", .skip),
                Entry("prompt_cache_options", .skip),
            ]
        case .completionRequest:
            return settings + [
                Entry("prompt", .prompt), Entry("suffix", .text(.text)), Entry("stop", .leaves(.other)),
                Entry("logit_bias", .skip),
            ]
        case .embeddingRequest:
            return settings + [
                Entry("input", .prompt), Entry("encoding_format", .word), Entry("input_type", .word),
                Entry("task", .word),
            ]
        case .messagesRequest:
            return settings + [
                Entry("system", .instructions), Entry("messages", .list(.message)), Entry("tools", .list(.tool)),
                Entry("stop_sequences", .leaves(.other)), Entry("output_config", .object(.outputConfig)),
                Entry("output_format", .object(.responseFormat)), Entry("mcp_servers", .list(.serverOfTools)),
                Entry("tool_choice", .skip), Entry("thinking", .skip), Entry("container", .skip),
                Entry("context_management", .skip),
                Entry("betas", .skip), Entry("cache_control", .skip),
            ]
        case .prediction:
            return [Entry("type", .word), Entry("content", .content)]
        case .responseFormat:
            return [
                Entry("type", .word), Entry("json_schema", .object(.jsonSchema)), Entry("schema", .schema),
                Entry("grammar", .text(.toolSchema)),
            ]
        case .jsonSchema:
            return [Entry("name", .word), Entry("description", .text(.toolSchema)), Entry("schema", .schema)]
        case .outputConfig:
            return [Entry("effort", .word), Entry("format", .object(.responseFormat))]
        case .serverOfTools:
            return [
                Entry("type", .word), Entry("name", .word), Entry("url", .text(.other)),
                Entry("authorization_token", .skip),
                Entry("tool_configuration", .skip),
            ]

        // MARK: Messages and their parts, of requests and answers

        case .message:
            return [
                Entry("role", .word), Entry("content", .content), Entry("name", .text(.other)),
                Entry("refusal", .text(.text)),
                Entry("reasoning_content", .text(.reasoning)), Entry("reasoning", .text(.reasoning)),
                Entry("thinking", .text(.reasoning)), Entry("reasoning_details", .list(.reasoningDetail)),
                Entry("tool_calls", .list(.toolCall)), Entry("function_call", .object(.calledFunction)),
                Entry("tool_call_id", .word), Entry("audio", .object(.audio)), Entry("annotations", .list(.annotation)),
                Entry("content_blocks", .content), Entry("cache_control", .skip), Entry("id", .word),
                Entry("type", .word),
            ]
        case .part:
            return [
                Entry("type", .word), Entry("id", .word), Entry("text", .text(.text)), Entry("refusal", .text(.text)),
                Entry("thinking", .text(.reasoning)), Entry("reasoning", .text(.reasoning)), Entry("signature", .skip),
                Entry("data", .data(.reasoning)), Entry("image_url", .object(.linkedImage)),
                Entry("video_url", .object(.linkedVideo)),
                Entry("input_audio", .object(.audio)), Entry("audio", .object(.audio)), Entry("file", .object(.file)),
                Entry("source", .source), Entry("title", .text(.text)), Entry("context", .text(.text)),
                Entry("citations", .list(.citation)), Entry("name", .word), Entry("input", .leaves(.toolArguments)),
                Entry("content", .content), Entry("tool_use_id", .word), Entry("server_name", .word),
                Entry("file_id", .word),
                Entry("url", .text(.other)), Entry("encrypted_content", .skip), Entry("page_age", .word),
                Entry("stdout", .text(.text)), Entry("stderr", .text(.text)), Entry("error_code", .word),
                Entry("tool_name", .word), Entry("cache_control", .skip), Entry("prompt_cache_breakpoint", .skip),
            ]
        case .reasoningDetail:
            return [
                Entry("type", .word), Entry("id", .word), Entry("format", .word), Entry("text", .text(.reasoning)),
                Entry("summary", .text(.reasoning)), Entry("data", .skip), Entry("signature", .skip),
            ]
        case .toolCall:
            return [
                Entry("id", .word), Entry("type", .word), Entry("function", .object(.calledFunction)),
                Entry("custom", .object(.calledCustom)),
            ]
        case .calledFunction:
            return [Entry("name", .word), Entry("arguments", .arguments)]
        case .calledCustom:
            return [Entry("name", .word), Entry("input", .text(.toolArguments))]
        case .linkedImage:
            return [Entry("url", .link(.image)), Entry("detail", .word)]
        case .linkedVideo:
            return [Entry("url", .link(.file)), Entry("detail", .word)]
        case .audio:
            return [
                Entry("id", .word), Entry("data", .data(.audio)), Entry("format", .word),
                Entry("transcript", .text(.text)),
            ]
        case .file:
            return [Entry("file_id", .word), Entry("filename", .text(.other)), Entry("file_data", .link(.file))]
        case .source:
            return [
                Entry("type", .word), Entry("media_type", .word), Entry("data", .data(.file)),
                Entry("url", .link(.file)),
                Entry("file_id", .word), Entry("content", .content),
            ]
        case .citation:
            return [
                Entry("type", .word), Entry("cited_text", .text(.text)), Entry("document_title", .text(.text)),
                Entry("title", .text(.text)), Entry("file_id", .word), Entry("encrypted_index", .skip),
            ]
        case .annotation:
            return [Entry("type", .word), Entry("url_citation", .object(.urlCitation))]
        case .urlCitation:
            return [Entry("url", .text(.other)), Entry("title", .text(.text))]

        // MARK: Declarations of tools

        case .tool:
            return [
                Entry("type", .word), Entry("function", .object(.declaredFunction)),
                Entry("custom", .object(.declaredFunction)),
                Entry("name", .word), Entry("description", .text(.toolSchema)), Entry("parameters", .schema),
                Entry("input_schema", .schema), Entry("input_examples", .leaves(.toolSchema)),
                Entry("cache_control", .skip),
            ]
        case .declaredFunction:
            return [
                Entry("name", .word), Entry("description", .text(.toolSchema)), Entry("parameters", .schema),
                Entry("format", .object(.customFormat)),
            ]
        case .customFormat:
            return [Entry("type", .word), Entry("grammar", .object(.grammar))]
        case .grammar:
            return [Entry("syntax", .word), Entry("definition", .text(.toolSchema))]

        // MARK: Answers

        case .chatAnswer:
            return answered + [Entry("choices", .list(.choice)), Entry("prompt_filter_results", .skip)]
        case .choice:
            return [
                Entry("index", .skip), Entry("finish_reason", .word), Entry("native_finish_reason", .word),
                Entry("stop_reason", .word),
                Entry("logprobs", .skip), Entry("message", .object(.message)), Entry("text", .text(.text)),
                Entry("content_filter_results", .skip),
            ]
        case .embeddingAnswer:
            return answered + [Entry("data", .skip)]
        case .messagesAnswer:
            return answered + [
                Entry("type", .word), Entry("role", .word), Entry("content", .content), Entry("stop_reason", .word),
                Entry("stop_sequence", .text(.other)), Entry("stop_details", .leaves(.other)),
                Entry("container", .skip),
                Entry("context_management", .skip),
            ]
        }
    }

    /// Of all requests.
    private static var settings: [Entry] {
        [
            Entry("model", .word), Entry("stream_options", .skip), Entry("metadata", .skip), Entry("user", .skip),
            Entry("safety_identifier", .skip), Entry("prompt_cache_key", .skip), Entry("prompt_cache_retention", .word),
            Entry("service_tier", .word),
        ]
    }

    /// Of all answers.
    private static var answered: [Entry] {
        [
            Entry("id", .word), Entry("object", .word), Entry("model", .word), Entry("system_fingerprint", .word),
            Entry("service_tier", .word), Entry("provider", .word), Entry("usage", .skip), Entry("metadata", .skip),
            Entry("hook_results", .skip),
        ]
    }
}
