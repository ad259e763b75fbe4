// An OpenAI chat request as an Anthropic Messages request. What both know is carried over; what only OpenAI knows is
// named as dropped, unless it asks for what happens anyway; what neither list knows goes through untouched, so that
// Anthropic's own parameters (thinking, top_k, mcp_servers, context_management, …) can be used from a chat client.

import PluginSDK

/// The request cannot be said in Anthropic's format.
struct Inexpressible: Error {
    let code: String
    let message: String

    init(_ message: String, code: String = "invalid_request") {
        self.code = code
        self.message = message
    }
}

struct ChatTranslation {
    private(set) var body: JSON = [:]
    /// Parameters that could not be carried.
    private(set) var dropped: [String] = []
    /// The client named no limit, and Anthropic wants one.
    private(set) var assumedMaximum: Int?
    /// `anthropic_version` and `anthropic_beta` of the body: they are headers.
    private(set) var version: String?
    private(set) var beta: String?

    private let request: JSON
    private let defaultMaximum: Int

    init(_ text: Text?, defaultMaximum: Int) throws(Inexpressible) {
        guard let text, let request = try? JSON(parsing: text), request.object != nil else {
            throw Inexpressible("The body must be a JSON object")
        }
        self.request = request
        self.defaultMaximum = defaultMaximum
        body["model"] = request["model"]
        setLimit()
        let conversation = try Conversation(request["messages"])
        conversation.dropped.forEach { drop($0) }
        if !conversation.system.isEmpty { body["system"] = .array(conversation.system) }
        body["messages"] = .array(conversation.messages)
        setTools()
        setReasoning()
        for member in request.object ?? JSON.Object() { carry(member.key, member.value) }
    }

    private mutating func drop(_ parameter: String) {
        if !dropped.contains(parameter) { dropped.append(parameter) }
    }

    // MARK: One parameter after the other

    private mutating func carry(_ key: String, _ value: JSON) {
        switch key {
        case "model", "messages", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls",
            "reasoning_effort", "thinking", "output_config":
            return  // dealt with together
        case "stream_options":
            return  // the stream's end says the usage
        case _ where value.isNull:
            return
        case "stop": body["stop_sequences"] = value.string.map { [.string($0)] } ?? value
        case "user", "safety_identifier": setUser(value)
        case "metadata": setMetadata(value)
        case "response_format": setFormat(value)
        case "service_tier": setTier(value)
        case "anthropic_version": version = value.string
        case "anthropic_beta": beta = value.string ?? value.array?.compactMap(\.string).joined(separator: ",")
        case _ where Self.onlyOpenAI.contains(key): if !Self.asksForNothing(key, value) { drop(key) }
        default: body[key] = value
        }
    }

    /// What Anthropic has no word for.
    private static let onlyOpenAI: Set<String> = [
        "n", "seed", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "store",
        "modalities", "audio", "prediction", "web_search_options", "prompt_cache_key", "prompt_cache_retention",
        "verbosity", "functions", "function_call",
    ]

    /// The value is what happens anyway: nothing is lost.
    private static func asksForNothing(_ key: String, _ value: JSON) -> Bool {
        switch key {
        case "n": value.int == 1
        case "presence_penalty", "frequency_penalty", "top_logprobs": value.double == 0
        case "logprobs", "store": value.bool == false
        case "logit_bias": value.object?.isEmpty ?? false
        case "modalities": value == ["text"]
        case "functions": value.array?.isEmpty ?? false
        default: false
        }
    }

    private mutating func setLimit() {
        if let limit = request["max_completion_tokens"]?.unlessNull ?? request["max_tokens"]?.unlessNull {
            body["max_tokens"] = limit
        } else {
            assumedMaximum = defaultMaximum
            body["max_tokens"] = .int(defaultMaximum)
        }
    }

    /// `safety_identifier` is what became of `user`; with both, `user` says it.
    private mutating func setUser(_ value: JSON) {
        if body["metadata"]?["user_id"] == nil || request["user"] == value { set("user_id", value, in: "metadata") }
    }

    /// Anthropic knows one member of it.
    private mutating func setMetadata(_ value: JSON) {
        guard let members = value.object else { return drop("metadata") }
        for member in members {
            if member.key != "user_id" {
                drop("metadata.\(member.key)")
            } else if body["metadata"]?["user_id"] == nil {
                set("user_id", member.value, in: "metadata")
            }
        }
    }

    private mutating func setTier(_ value: JSON) {
        switch value.string {
        case "auto", "standard_only": body["service_tier"] = value
        case "default": body["service_tier"] = "standard_only"
        default: drop("service_tier")
        }
    }

    /// Anthropic constrains answers by a schema or not at all.
    private mutating func setFormat(_ value: JSON) {
        switch value["type"]?.string {
        case "text": return
        case "json_schema":
            guard let schema = value["json_schema"]?["schema"] else { return drop("response_format") }
            guard body["output_config"]?["format"] == nil else { return }
            set("format", ["type": "json_schema", "schema": schema], in: "output_config")
        default: drop("response_format")
        }
    }

    private mutating func set(_ key: String, _ value: JSON, in object: String) {
        var members = body[object] ?? [:]
        members[key] = value
        body[object] = members
    }

    // MARK: Tools

    private mutating func setTools() {
        var tools: [JSON] = []
        for (index, tool) in (request["tools"]?.array ?? []).enumerated() {
            if let tool = Self.tool(tool) { tools.append(tool) } else { drop("tools[\(index)]") }
        }
        if !tools.isEmpty { body["tools"] = .array(tools) }
        var choice: JSON?
        if let wanted = request["tool_choice"]?.unlessNull {
            choice = Self.choice(wanted)
            if choice == nil { drop("tool_choice") }
        }
        if request["parallel_tool_calls"]?.bool == false, !tools.isEmpty, choice?["type"] != "none" {
            choice = choice ?? ["type": "auto"]
            choice?["disable_parallel_tool_use"] = true
        }
        if let choice { body["tool_choice"] = choice }
    }

    private static func tool(_ tool: JSON) -> JSON? {
        guard let type = tool["type"]?.string else { return tool }
        switch type {
        case "function": return tool["function"].map { function($0, around: tool) }
        case "custom" where tool["custom"] != nil: return nil  // OpenAI's free-form tools
        default:
            // As Portkey writes Anthropic's own tools: {"type":"computer","computer":{"name":"computer_20250124",…}}.
            guard var inner = tool[type], let name = inner["name"] else { return tool }
            inner["type"] = name
            inner["name"] = .string(type)
            return inner
        }
    }

    private static func function(_ function: JSON, around tool: JSON) -> JSON {
        var schema = function["parameters"]?.unlessNull ?? ["type": "object", "properties": [:]]
        if schema["type"] == nil { schema["type"] = "object" }
        var result: JSON = [:]
        result["name"] = function["name"]
        if let description = function["description"]?.unlessNull { result["description"] = description }
        result["input_schema"] = schema
        for key in ["strict", "cache_control", "defer_loading", "allowed_callers", "input_examples"] {
            if let value = (function[key] ?? tool[key])?.unlessNull { result[key] = value }
        }
        return result
    }

    /// nil: it cannot be carried.
    private static func choice(_ choice: JSON) -> JSON? {
        if let word = choice.string {
            let types = ["auto": "auto", "required": "any", "none": "none"]
            return types[word].map { ["type": .string($0)] }
        }
        guard let name = choice["function"]?["name"] else {
            let own = ["auto", "any", "tool", "none"]
            guard own.contains(choice["type"]?.string ?? "") else { return nil }
            return choice
        }
        return ["type": "tool", "name": name]
    }

    // MARK: Reasoning

    /// A `thinking` of the client's own says it; else `reasoning_effort` becomes what the model understands.
    private mutating func setReasoning() {
        if let config = request["output_config"]?.unlessNull { body["output_config"] = config }
        let own = request["thinking"]?.unlessNull
        if let own { body["thinking"] = own }
        guard let effort = request["reasoning_effort"]?.string else { return }
        let limit = assumedMaximum == nil ? body["max_tokens"]?.int : nil
        switch Thinking(effort: effort, model: request["model"]?.string ?? "", limit: limit) {
        case .unknown: drop("reasoning_effort")
        case _ where own != nil: return
        case .off(let needsWord): if needsWord { body["thinking"] = ["type": "disabled"] }
        case .budget(let tokens):
            body["thinking"] = ["type": "enabled", "budget_tokens": .int(tokens)]
            if let assumed = assumedMaximum {
                assumedMaximum = assumed &+ tokens
                body["max_tokens"] = .int(assumed &+ tokens)
            }
        case .adaptive(let effort):
            body["thinking"] = ["type": "adaptive"]
            if body["output_config"]?["effort"] == nil { set("effort", .string(effort), in: "output_config") }
        }
    }
}

extension JSON {
    /// nil of a null. In a ternary, `nil` beside a JSON value would be JSON's own null.
    var unlessNull: JSON? {
        if isNull { return nil }
        return self
    }
}
