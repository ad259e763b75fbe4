// A provider's description: the file in providers/ that says where it is and how its dialect differs from OpenAI's.
// Read once per target; description.schema.json is the contract, README.md the explanation.

import PluginSDK

struct Description: Sendable {
    let id: String
    let name: String
    let baseURL: String
    let authentication: Authentication?
    /// Paths by endpoint, of the endpoints that the provider has.
    let paths: [(endpoint: String, path: String)]
    let headers: [(name: String, value: String)]
    let query: [(name: String, value: String)]
    let requestRules: RequestRules
    let answerRules: AnswerRules
    let errors: ErrorPointers

    struct Authentication: Sendable {
        let header: String
        let prefix: String
        /// Local servers: a target without a key is fine.
        let isOptional: Bool
    }

    /// What an endpoint's path is unless the description says otherwise.
    private static let usualPaths = [
        "chat_completions": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings",
        "messages": "/messages", "responses": "/responses", "proxy": "",
    ]

    init(_ json: JSON) throws(ConfigError) {
        let reader = DescriptionReader(json, at: "/description")
        id = try reader.string("id")
        name = try reader.optionalString("name") ?? id
        baseURL = try reader.string("base_url")
        authentication = try Self.authentication(reader)
        paths = try Self.paths(reader)
        headers = try reader.strings("headers").map { (name: $0.key, value: $0.value) }
        query = try reader.strings("query").map { (name: $0.key, value: $0.value) }
        requestRules = try RequestRules(reader)
        answerRules = try AnswerRules(reader)
        errors = try ErrorPointers(reader)
    }

    private static func authentication(_ reader: DescriptionReader) throws(ConfigError) -> Authentication? {
        if reader.json["auth"]?.string == "none" { return nil }
        let auth = try reader.object("auth")
        return Authentication(
            header: try auth.optionalString("header") ?? "authorization",
            prefix: try auth.optionalString("prefix") ?? (auth.json["header"] == nil ? "Bearer " : ""),
            isOptional: try auth.bool("optional"))
    }

    private static func paths(_ reader: DescriptionReader) throws(ConfigError) -> [(endpoint: String, path: String)] {
        let own = try reader.object("paths")
        var paths: [(endpoint: String, path: String)] = []
        for (endpoint, kind) in try reader.strings("endpoints") {
            guard kind == "native" else {
                throw ConfigError(
                    "This adapter translates nothing: \"native\"", at: "/description/endpoints/\(endpoint)")
            }
            guard let path = try own.optionalString(endpoint) ?? usualPaths[endpoint] else {
                throw ConfigError("Where is \(endpoint)? A path is missing", at: "/description/paths")
            }
            paths.append((endpoint, path))
        }
        return paths
    }
}

/// Members of a description with their types checked, and errors that say where.
struct DescriptionReader {
    let json: JSON
    let pointer: String

    init(_ json: JSON, at pointer: String) {
        self.json = json
        self.pointer = pointer
    }

    private func refuse(_ key: String, _ expected: String) -> ConfigError {
        ConfigError("\(key) must be \(expected)", at: "\(pointer)/\(key)")
    }

    func optionalString(_ key: String) throws(ConfigError) -> String? {
        guard let value = json[key] else { return nil }
        guard let string = value.string else { throw refuse(key, "a string") }
        return string
    }

    func string(_ key: String) throws(ConfigError) -> String {
        guard let string = try optionalString(key) else { throw refuse(key, "a string") }
        return string
    }

    func bool(_ key: String) throws(ConfigError) -> Bool {
        guard let value = json[key] else { return false }
        guard let bool = value.bool else { throw refuse(key, "true or false") }
        return bool
    }

    /// The member, or an empty object when there is none.
    func object(_ key: String) throws(ConfigError) -> DescriptionReader {
        let value = json[key] ?? [:]
        guard value.object != nil else { throw refuse(key, "an object") }
        return DescriptionReader(value, at: "\(pointer)/\(key)")
    }

    /// An object of strings.
    func strings(_ key: String) throws(ConfigError) -> [(key: String, value: String)] {
        let reader = try object(key)
        var members: [(key: String, value: String)] = []
        for member in reader.json.object ?? JSON.Object() {
            members.append((member.key, try reader.string(member.key)))
        }
        return members
    }

    /// An array of strings; nil when there is none.
    func list(_ key: String) throws(ConfigError) -> [String]? {
        guard let value = json[key] else { return nil }
        guard let elements = value.array else { throw refuse(key, "a list of strings") }
        var list: [String] = []
        for element in elements {
            guard let string = element.string else { throw refuse(key, "a list of strings") }
            list.append(string)
        }
        return list
    }
}

/// Where the parts of an error stand: lists of JSON pointers, tried in order.
struct ErrorPointers: Sendable {
    let message: [JSONPointer]
    let type: [JSONPointer]
    let code: [JSONPointer]
    let param: [JSONPointer]

    init(_ reader: DescriptionReader) throws(ConfigError) {
        let errors = try reader.object("error")
        func pointers(_ key: String, _ usual: [String]) throws(ConfigError) -> [JSONPointer] {
            try errors.list(key)?.map(JSONPointer.init) ?? usual.map(JSONPointer.init)
        }
        message = try pointers("message", ["/error/message", "/error", "/message", "/detail"])
        type = try pointers("type", ["/error/type", "/type"])
        code = try pointers("code", ["/error/code", "/code"])
        param = try pointers("param", ["/error/param", "/param"])
    }

    /// The first text among the places. A message that is a list or an object, as of validation errors, is shown as
    /// compact JSON rather than lost.
    func read(_ document: JSON) -> ProviderError? {
        guard let message = text(message, document) ?? structure(message, document) else { return nil }
        return ProviderError(
            message: message, type: text(type, document), code: text(code, document), param: text(param, document))
    }

    private func text(_ places: [JSONPointer], _ document: JSON) -> String? {
        for place in places {
            switch place.value(in: document) {
            case .string(let text): return text
            case .number(let text): return text
            default: continue
            }
        }
        return nil
    }

    private func structure(_ places: [JSONPointer], _ document: JSON) -> String? {
        for place in places {
            if let value = place.value(in: document), value.object != nil || value.array != nil { return "\(value)" }
        }
        return nil
    }
}

/// RFC 6901.
struct JSONPointer: Sendable {
    let steps: [String]

    init(_ text: String) {
        steps = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst().map {
            Self.unescaped(Array($0))
        }
    }

    private static func unescaped(_ step: [UInt8]) -> String {
        var text: [UInt8] = []
        var position = 0
        while position < step.count {
            if step[position] == UInt8(ascii: "~"), position + 1 < step.count {
                text.append(step[position + 1] == UInt8(ascii: "1") ? UInt8(ascii: "/") : UInt8(ascii: "~"))
                position += 2
            } else {
                text.append(step[position])
                position += 1
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    var keys: [[UInt8]] { steps.map { Array($0.utf8) } }

    func value(in document: JSON) -> JSON? {
        var here = document
        for step in steps {
            guard let next = here[step] ?? Int(step).flatMap({ here[$0] }) else { return nil }
            here = next
        }
        return here
    }
}
