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
        /// Shown to no guard: numbers without end, seals that only the provider can read, credentials, what repeats a text.
        case skip
        /// A name, an id or a keyword. One that is more than a word is presented as `other`.
        case word
        /// The same for a model, in whose name "@" may stand.
        case model
        /// Settings: all strings inside are words.
        case words
        /// A string.
        case text(Segment.Kind)
        /// A string, or parts of content: an array of objects, or one.
        case content
        /// The same, of the system role.
        case instructions
        case object(Shape)
        case list(Shape)
        /// A list, or a word in its place.
        case wordOrList(Shape)
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
        /// The id of something that the provider keeps and that no guard can read. What stands beside it counts instead.
        case reference(Segment.Kind)
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
        case webSearch, userLocation, approximateLocation, contextManagement, contextEdit, fallback, thread
        case toolChange, changedTool, browserTab, browserChange, moderation, moderated, stopDetails
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
                Entry("functions", .list(.declaredFunction)), Entry("prediction", .object(.prediction)),
                Entry("response_format", .object(.responseFormat)), Entry("stop", .leaves(.other)),
                Entry("metadata", .leaves(.other)), Entry("web_search_options", .object(.webSearch)),
                Entry("tool_choice", .words), Entry("function_call", .words), Entry("modalities", .words),
                Entry("verbosity", .word), Entry("reasoning_effort", .word), Entry("audio", .words),
                Entry("logit_bias", .words), Entry("moderation", .words), Entry("thinking", .words),
                Entry("reasoning", .words), Entry("prompt_cache_options", .words),
            ]
        case .completionRequest:
            return settings + [
                Entry("prompt", .prompt), Entry("suffix", .text(.text)), Entry("stop", .leaves(.other)),
                Entry("metadata", .leaves(.other)), Entry("logit_bias", .words),
            ]
        case .embeddingRequest:
            return settings + [
                Entry("input", .prompt), Entry("encoding_format", .word), Entry("input_type", .word),
                Entry("task", .word), Entry("metadata", .leaves(.other)),
            ]
        case .messagesRequest:
            return settings + [
                Entry("system", .instructions), Entry("messages", .list(.message)), Entry("tools", .list(.tool)),
                Entry("stop_sequences", .leaves(.other)), Entry("output_config", .object(.outputConfig)),
                Entry("output_format", .object(.responseFormat)), Entry("mcp_servers", .list(.serverOfTools)),
                Entry("context_management", .object(.contextManagement)), Entry("compaction", .object(.contextEdit)),
                Entry("thread", .object(.thread)), Entry("fallbacks", .wordOrList(.fallback)),
                Entry("fallback_credit_token", .skip), Entry("metadata", .words), Entry("tool_choice", .words),
                Entry("thinking", .words), Entry("container", .words), Entry("betas", .words),
                Entry("cache_control", .words), Entry("diagnostics", .words), Entry("billing_policy", .words),
                Entry("inference_geo", .word), Entry("speed", .word), Entry("user_profile_id", .word),
                Entry("workspace_id", .word),
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
            return [Entry("effort", .word), Entry("format", .object(.responseFormat)), Entry("task_budget", .words)]
        case .webSearch:
            return [Entry("search_context_size", .word), Entry("user_location", .object(.userLocation))]
        case .userLocation:
            return [
                Entry("type", .word), Entry("approximate", .object(.approximateLocation)),
                Entry("city", .text(.other)), Entry("region", .text(.other)), Entry("country", .word),
                Entry("timezone", .word),
            ]
        case .approximateLocation:
            return [
                Entry("city", .text(.other)), Entry("region", .text(.other)), Entry("country", .word),
                Entry("timezone", .word),
            ]
        case .contextManagement:
            return [Entry("edits", .list(.contextEdit)), Entry("applied_edits", .words)]
        case .contextEdit:
            return [
                Entry("type", .word), Entry("instructions", .instructions), Entry("trigger", .words),
                Entry("keep", .words), Entry("clear_at_least", .words), Entry("clear_tool_inputs", .words),
                Entry("exclude_tools", .words),
            ]
        case .fallback:
            return [
                Entry("model", .model), Entry("output_config", .object(.outputConfig)), Entry("speed", .word),
                Entry("thinking", .words),
            ]
        case .thread:
            return [Entry("type", .word), Entry("previous_message_id", .reference(.file))]
        case .serverOfTools:
            return [
                Entry("type", .word), Entry("name", .word), Entry("url", .text(.other)),
                Entry("authorization_token", .skip), Entry("tool_configuration", .words),
            ]

        // MARK: Messages and their parts, of requests and answers

        case .message:
            return [
                Entry("role", .word), Entry("content", .content), Entry("name", .text(.other)),
                Entry("refusal", .text(.text)), Entry("reasoning_content", .text(.reasoning)),
                Entry("reasoning", .text(.reasoning)), Entry("thinking", .text(.reasoning)),
                Entry("reasoning_details", .list(.reasoningDetail)), Entry("tool_calls", .list(.toolCall)),
                Entry("function_call", .object(.calledFunction)), Entry("tool_call_id", .word),
                Entry("audio", .object(.audio)), Entry("annotations", .list(.annotation)),
                Entry("content_blocks", .content), Entry("output_config", .object(.outputConfig)),
                Entry("clear_at", .word), Entry("cache_control", .words), Entry("id", .word), Entry("type", .word),
            ]
        case .part:
            return [
                Entry("type", .word), Entry("id", .word), Entry("text", .text(.text)), Entry("refusal", .text(.text)),
                Entry("thinking", .text(.reasoning)), Entry("reasoning", .text(.reasoning)), Entry("signature", .skip),
                Entry("data", .data(.reasoning)), Entry("image_url", .object(.linkedImage)),
                Entry("video_url", .object(.linkedVideo)), Entry("input_audio", .object(.audio)),
                Entry("audio", .object(.audio)), Entry("file", .object(.file)), Entry("source", .source),
                Entry("title", .text(.text)), Entry("context", .text(.text)), Entry("citations", .list(.citation)),
                Entry("name", .word), Entry("input", .leaves(.toolArguments)), Entry("content", .content),
                Entry("tool_use_id", .word), Entry("server_name", .word), Entry("file_id", .reference(.file)),
                Entry("url", .text(.other)), Entry("encrypted_content", .data(.file)), Entry("page_age", .word),
                Entry("retrieved_at", .word), Entry("stdout", .text(.text)), Entry("stderr", .text(.text)),
                Entry("encrypted_stdout", .data(.file)), Entry("lines", .content), Entry("file_type", .word),
                Entry("error_code", .word), Entry("error_message", .text(.text)), Entry("tool_name", .word),
                Entry("tool_references", .content), Entry("toolset_name", .word), Entry("caller", .words),
                Entry("stop_reason", .word), Entry("tool", .object(.changedTool)),
                Entry("tool_changes", .list(.toolChange)), Entry("mcp_server_name", .word),
                Entry("tools", .list(.tool)), Entry("tabs", .list(.browserTab)),
                Entry("state_changes", .list(.browserChange)), Entry("from", .words), Entry("to", .words),
                Entry("trigger", .words), Entry("transformations", .words), Entry("cache_control", .words),
                Entry("prompt_cache_breakpoint", .words),
            ]
        case .reasoningDetail:
            return [
                Entry("type", .word), Entry("id", .word), Entry("format", .word), Entry("text", .text(.reasoning)),
                Entry("summary", .text(.reasoning)), Entry("data", .data(.reasoning)), Entry("signature", .skip),
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
                Entry("id", .reference(.audio)), Entry("data", .data(.audio)), Entry("format", .word),
                Entry("transcript", .text(.text)),
            ]
        case .file:
            return [
                Entry("file_id", .reference(.file)), Entry("filename", .text(.other)),
                Entry("file_data", .link(.file)),
            ]
        case .source:
            return [
                Entry("type", .word), Entry("media_type", .word), Entry("data", .data(.file)),
                Entry("url", .link(.file)), Entry("file_id", .reference(.file)), Entry("content", .content),
            ]
        case .citation:
            return [
                Entry("type", .word), Entry("cited_text", .text(.text)), Entry("document_title", .text(.text)),
                Entry("title", .text(.text)), Entry("file_id", .word), Entry("url", .text(.other)),
                Entry("source", .text(.other)), Entry("encrypted_index", .skip),
            ]
        case .annotation:
            return [Entry("type", .word), Entry("url_citation", .object(.urlCitation))]
        case .urlCitation:
            return [Entry("url", .text(.other)), Entry("title", .text(.text))]
        case .toolChange:
            return [
                Entry("type", .word), Entry("tool", .object(.changedTool)), Entry("cache_control", .words),
            ]
        case .changedTool:
            return [
                Entry("type", .word), Entry("name", .word), Entry("server_name", .word),
                Entry("definition", .object(.tool)),
            ]
        case .browserTab:
            return [Entry("tab_id", .word), Entry("title", .text(.text)), Entry("url", .text(.other))]
        case .browserChange:
            return [
                Entry("type", .word), Entry("tab_id", .word), Entry("download_id", .word), Entry("url", .text(.other)),
                Entry("path", .text(.other)), Entry("error", .text(.text)),
            ]

        // MARK: Declarations of tools

        case .tool:
            return [
                Entry("type", .word), Entry("function", .object(.declaredFunction)),
                Entry("custom", .object(.declaredFunction)), Entry("name", .word),
                Entry("description", .text(.toolSchema)), Entry("parameters", .schema), Entry("input_schema", .schema),
                Entry("input_examples", .leaves(.toolSchema)), Entry("tools", .list(.declaredFunction)),
                Entry("user_location", .object(.userLocation)), Entry("allowed_domains", .words),
                Entry("blocked_domains", .words), Entry("url_sources", .words), Entry("mcp_server_name", .word),
                Entry("model", .model), Entry("allowed_callers", .words), Entry("response_inclusion", .word),
                Entry("configs", .words), Entry("default_config", .words), Entry("caching", .words),
                Entry("cache_control", .words),
            ]
        case .declaredFunction:
            return [
                Entry("name", .word), Entry("description", .text(.toolSchema)), Entry("parameters", .schema),
                Entry("input_schema", .schema), Entry("format", .object(.customFormat)),
                Entry("cache_control", .words),
            ]
        case .customFormat:
            return [Entry("type", .word), Entry("grammar", .object(.grammar))]
        case .grammar:
            return [Entry("syntax", .word), Entry("definition", .text(.toolSchema))]

        // MARK: Answers

        case .chatAnswer:
            return answered + [
                Entry("choices", .list(.choice)), Entry("moderation", .object(.moderation)),
                Entry("prompt_filter_results", .words),
            ]
        case .moderation:
            return [Entry("input", .object(.moderated)), Entry("output", .object(.moderated))]
        case .moderated:
            return [
                Entry("type", .word), Entry("model", .model), Entry("results", .words), Entry("code", .word),
                Entry("message", .text(.other)),
            ]
        case .choice:
            return [
                Entry("index", .skip), Entry("finish_reason", .word), Entry("native_finish_reason", .word),
                Entry("stop_reason", .word), Entry("logprobs", .skip), Entry("message", .object(.message)),
                Entry("text", .text(.text)), Entry("content_filter_results", .words),
            ]
        case .embeddingAnswer:
            return answered + [Entry("data", .skip)]
        case .messagesAnswer:
            return answered + [
                Entry("type", .word), Entry("role", .word), Entry("content", .content), Entry("stop_reason", .word),
                Entry("stop_sequence", .text(.other)), Entry("stop_details", .object(.stopDetails)),
                Entry("input_transformations", .words), Entry("container", .words), Entry("diagnostics", .words),
                Entry("context_management", .object(.contextManagement)),
            ]
        case .stopDetails:
            return [
                Entry("type", .word), Entry("category", .word), Entry("explanation", .text(.text)),
                Entry("recommended_model", .model), Entry("fallback_credit_token", .skip),
            ]
        }
    }

    /// Of all requests.
    private static var settings: [Entry] {
        [
            Entry("model", .model), Entry("stream_options", .words), Entry("user", .word),
            Entry("safety_identifier", .word), Entry("prompt_cache_key", .word), Entry("prompt_cache_retention", .word),
            Entry("service_tier", .word),
        ]
    }

    /// Of all answers.
    private static var answered: [Entry] {
        [
            Entry("id", .word), Entry("object", .word), Entry("model", .model), Entry("system_fingerprint", .word),
            Entry("service_tier", .word), Entry("provider", .word), Entry("usage", .words), Entry("metadata", .words),
            Entry("hook_results", .skip),
        ]
    }
}
