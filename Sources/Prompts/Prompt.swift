// Prompt: a stored prompt with its versions, and what a reference to it means.

package import Core

/// What one version of a prompt says. Immutable.
package struct PromptVersion: Sendable {
    package var number: Int
    package var id: String
    /// Chat messages whose texts are templates, or one template.
    package var body: Body
    /// Default variables and hyperparameters.
    package var parameters: JSONObject
    package var model: String?
    package var virtualKey: String?
    package var config: String?
    /// tools, tool_choice, functions, response_format.
    package var extras: JSONObject

    package enum Body: Sendable {
        case messages([PromptMessage])
        case text(Template)
        /// JSON text, whose variables may be whole messages.
        case raw(Template)
    }

    package init(
        number: Int, id: String, body: Body, parameters: JSONObject, model: String?, virtualKey: String?,
        config: String?,
        extras: JSONObject
    ) {
        self.number = number
        self.id = id
        self.body = body
        self.parameters = parameters
        self.model = model
        self.virtualKey = virtualKey
        self.config = config
        self.extras = extras
    }
}

/// A message whose texts are templates; whatever else it has stays as it is.
package struct PromptMessage: Sendable {
    package var message: JSONObject
    /// The message's content as templates: one text, or parts of which some are texts.
    package var content: Content

    package enum Content: Sendable {
        case none
        case text(Template)
        case parts([(part: JSONValue, text: Template?)])
    }
}

package final class StoredPrompt: Sendable {
    package let slug: String
    package let published: Int
    package let latest: Int
    package let versions: [Int: PromptVersion]
    /// Name to version.
    package let labels: [String: Int]

    package init(slug: String, published: Int, latest: Int, versions: [Int: PromptVersion], labels: [String: Int]) {
        self.slug = slug
        self.published = published
        self.latest = latest
        self.versions = versions
        self.labels = labels
    }

    /// "" is the published one; "12", "latest", or a label.
    package func version(_ suffix: String) -> PromptVersion? {
        switch suffix {
        case "": versions[published]
        case "latest": versions[latest]
        default: Int(suffix).flatMap { versions[$0] } ?? labels[suffix].flatMap { versions[$0] }
        }
    }
}

package enum PromptReference {
    /// "pp-x@12" in its parts.
    package static func split(_ text: String) -> (slug: String, suffix: String) {
        guard let mark = text.lastIndex(of: "@"), mark > text.startIndex else { return (text, "") }
        return (String(text[..<mark]), String(text[text.index(after: mark)...]))
    }
}

extension PromptVersion.Body {
    /// Reads a stored `string`: the text of an array of messages, or a template by itself.
    package init(parsing text: String, isRaw: Bool) throws(TemplateError) {
        if isRaw {
            self = .raw(try Template(text))
            return
        }
        guard let list = (try? JSONValue(parsing: text))?.array, !list.isEmpty,
            list.allSatisfy({ $0["role"]?.string != nil })
        else {
            self = .text(try Template(text))
            return
        }
        var messages: [PromptMessage] = []
        for item in list {
            let object = item.object ?? JSONObject()
            switch item["content"] {
            case .string(let text): messages.append(PromptMessage(message: object, content: .text(try Template(text))))
            case .array(let parts):
                var read: [(part: JSONValue, text: Template?)] = []
                for part in parts { read.append((part, try part["text"]?.string.map(Self.template) ?? nil)) }
                messages.append(PromptMessage(message: object, content: .parts(read)))
            default: messages.append(PromptMessage(message: object, content: .none))
            }
        }
        self = .messages(messages)
    }

    private static func template(_ text: String) throws(TemplateError) -> Template { try Template(text) }

    package var templates: [Template] {
        switch self {
        case .text(let template), .raw(let template): return [template]
        case .messages(let messages):
            return messages.flatMap { message -> [Template] in
                switch message.content {
                case .none: []
                case .text(let template): [template]
                case .parts(let parts): parts.compactMap(\.text)
                }
            }
        }
    }
}

extension PromptVersion {
    /// The names of parameters that are sent to a provider; all others are variables.
    static let hyperparameters: Set<String> = [
        "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "n", "stop", "stop_sequences",
        "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "seed", "user", "stream",
        "response_format", "parallel_tool_calls", "reasoning_effort", "thinking", "modalities", "audio", "store",
        "metadata",
        "service_tier", "verbosity", "echo", "best_of", "suffix",
    ]

    /// The request's body without its texts: model, hyperparameters and tools, with what the caller says over them.
    package func request(overrides: JSONObject, defaultModel: String?) -> JSONObject {
        var body = JSONObject()
        if let model = model ?? defaultModel { body["model"] = .string(model) }
        for member in parameters.members where Self.hyperparameters.contains(member.key) && !member.value.isNull {
            body[member.key] = member.value
        }
        for member in extras.members where !member.value.isNull { body[member.key] = member.value }
        for member in overrides.members where member.key != "variables" && !member.value.isNull {
            body[member.key] = member.value
        }
        return body
    }

    /// Stored defaults under the caller's variables.
    package func values(_ variables: JSONValue) -> JSONValue {
        // A list or a text is what the template's {{.}} means.
        guard let variables = variables.object else { return variables }
        var values = JSONObject()
        for member in parameters.members where !Self.hyperparameters.contains(member.key) {
            values[member.key] = member.value
        }
        if let defaults = parameters["variables"]?.object { values = values.merged(under: defaults) }
        return .object(values.merged(under: variables))
    }

    /// The body with its texts. `isChat`: it has messages.
    package func rendered(_ body: JSONObject, _ values: JSONValue, by renderer: Renderer) throws(TemplateError) -> (
        body: JSONObject, isChat: Bool
    ) {
        var result = JSONObject()
        if let model = body["model"] { result["model"] = model }
        var isChat = true
        switch self.body {
        case .text(let template):
            isChat = false
            result["prompt"] = .string(try renderer.render(template, values))
        case .raw(let template): result["messages"] = try renderer.renderJSON(template, values)
        case .messages(let messages):
            var list: [JSONValue] = []
            for message in messages { list.append(try message.rendered(values, by: renderer)) }
            result["messages"] = .array(list)
        }
        for member in body.members where member.key != "model" { result[member.key] = member.value }
        return (result, isChat)
    }
}

extension PromptMessage {
    fileprivate func rendered(_ values: JSONValue, by renderer: Renderer) throws(TemplateError) -> JSONValue {
        var message = message
        switch content {
        case .none: break
        case .text(let template): message["content"] = .string(try renderer.render(template, values))
        case .parts(let parts):
            var list: [JSONValue] = []
            for (part, text) in parts {
                var object = part.object ?? JSONObject()
                if let text { object["text"] = .string(try renderer.render(text, values)) }
                list.append(.object(object))
            }
            message["content"] = .array(list)
        }
        return .object(message)
    }
}
