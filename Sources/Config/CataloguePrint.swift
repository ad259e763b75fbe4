// CataloguePrint: the catalogue for people and their editors: a JSON Schema (draft 2020-12) and a reference in
// Markdown.

package import Core

extension Catalogue {
    // MARK: JSON Schema

    /// What `gatehouse schema` prints.
    package static func schema() -> JSONValue {
        var root = JSONObject([
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", "Gatehouse configuration"),
            (
                "description",
                "A string may hold ${NAME} or ${NAME:-default} from the environment; '$${' is a plain '${'."
            ),
        ])
        let body = schema(.object, pattern: "")
        root = root.merged(under: body)
        // A place for YAML's anchors.
        root["patternProperties"] = ["^x-": true]
        if case .object(var properties)? = root["properties"] {
            properties["$schema"] = ["type": "string"]
            root["properties"] = .object(properties)
        }
        var definitions = JSONObject()
        for key in keys where key.pattern.hasPrefix("#") && !key.pattern.contains("/") {
            var definition = schema(key.kind, pattern: key.pattern)
            definition["description"] = .string(key.text)
            definitions[String(key.pattern.dropFirst())] = .object(definition)
        }
        root["$defs"] = .object(definitions)
        return .object(root)
    }

    private static func schema(_ kind: CatalogueKey.Kind, pattern: String) -> JSONObject {
        switch kind {
        case .boolean: return orInterpolated(JSONObject([("type", "boolean")]))
        case .integer(let range):
            return orInterpolated(
                JSONObject([
                    ("type", "integer"), ("minimum", JSONValue(range.lowerBound)),
                    ("maximum", JSONValue(range.upperBound)),
                ]))
        case .bytes(let range):
            return JSONObject([
                ("type", ["integer", "string"]), ("minimum", JSONValue(range.lowerBound)),
                ("maximum", JSONValue(range.upperBound)), ("pattern", "^[0-9]+ *[KMG]iB$|\\$\\{"),
            ])
        case .number(let range):
            return orInterpolated(
                JSONObject([
                    ("type", "number"), ("minimum", JSONValue(range.lowerBound)),
                    ("maximum", JSONValue(range.upperBound)),
                ]))
        case .string: return JSONObject([("type", "string"), ("minLength", 1)])
        case .text: return JSONObject([("type", "string")])
        case .sha256, .publicKey:
            return orInterpolated(JSONObject([("type", "string"), ("pattern", "^[0-9A-Fa-f]{64}$")]))
        case .choice(let words): return orInterpolated(JSONObject([("enum", .array(words.map { .string($0) }))]))
        case .secret:
            let reference = { (name: String) -> JSONValue in
                [
                    "type": "object", "properties": .object(JSONObject([(name, ["type": "string", "minLength": 1])])),
                    "required": [.string(name)], "additionalProperties": false,
                ]
            }
            return JSONObject([("anyOf", [["type": "string"], reference("env"), reference("file")])])
        case .list(let inner):
            return JSONObject([("type", "array"), ("items", .object(schema(inner, pattern: pattern + "/*")))])
        case .map(let inner):
            return JSONObject([
                ("type", ["object", "null"]), ("additionalProperties", .object(schema(inner, pattern: pattern + "/*"))),
            ])
        case .object, .open: return objectSchema(kind, pattern: pattern)
        case .shape(let name): return JSONObject([("$ref", .string("#/$defs/\(name)"))])
        case .nameOr(let name):
            return JSONObject([("anyOf", [["type": "string"], ["$ref": .string("#/$defs/\(name)")]])])
        case .json: return JSONObject()
        }
    }

    private static func objectSchema(_ kind: CatalogueKey.Kind, pattern: String) -> JSONObject {
        var properties = JSONObject()
        var required: [JSONValue] = []
        for key in children(of: pattern) {
            let name = name(of: key.pattern)
            var property = JSONObject([("title", .string(title(name))), ("description", .string(key.text))])
            property = property.merged(under: schema(key.kind, pattern: key.pattern))
            if let value = key.defaultValue { property["default"] = value }
            properties[name] = .object(property)
            if key.isRequired { required.append(.string(name)) }
        }
        // A section without a line in it is null in YAML.
        let isSection = pattern.hasPrefix("/") && !pattern.dropFirst().contains("/")
        var result = JSONObject([("type", isSection ? ["object", "null"] : "object")])
        if !properties.isEmpty { result["properties"] = .object(properties) }
        if !required.isEmpty { result["required"] = .array(required) }
        if case .object = kind { result["additionalProperties"] = false }
        return result
    }

    private static func orInterpolated(_ schema: JSONObject) -> JSONObject {
        JSONObject([("anyOf", [.object(schema), ["type": "string", "pattern": "\\$\\{"]])])
    }

    /// The rows right below a pattern, in the table's order.
    private static func children(of pattern: String) -> [CatalogueKey] {
        keys.filter { key in
            guard let slash = key.pattern.lastIndex(of: "/") else { return false }
            return key.pattern[..<slash] == pattern
        }
    }

    private static func title(_ name: String) -> String {
        let words = name.split(separator: "_").map { word in
            acronyms.contains(String(word)) ? word.uppercased() : String(word)
        }.joined(separator: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }

    private static let acronyms: Set<String> = ["api", "ca", "id", "ms", "sha256", "tls", "url", "ttl"]

    // MARK: Markdown

    /// The reference: a chapter for each section and each shape, a row for each key.
    package static func reference() -> String {
        var output = "# Configuration\n\n"
        output += """
            One YAML or JSON file. A string may hold `${NAME}` or `${NAME:-default}` from the environment, and `$${`
            is a plain `${`. Sizes may be written as `20MiB`. Members of the root that begin with `x-` are ignored:
            a place for YAML's anchors. Relative paths begin at the file's directory.

            """
        for key in children(of: "") {
            output += chapter("`\(name(of: key.pattern))`", key, strip: key.pattern + "/")
        }
        for key in keys where key.pattern.hasPrefix("#") && !key.pattern.contains("/") {
            output += chapter(
                "Shape: \(title(String(key.pattern.dropFirst())).lowercased())", key, strip: key.pattern + "/")
        }
        return output
    }

    private static func chapter(_ heading: String, _ key: CatalogueKey, strip prefix: String) -> String {
        var output = "\n## \(heading)\n\n\(key.text)\n"
        switch key.kind {
        case .object: break
        case .open(let purpose): output += "\nOther members: \(purpose).\n"
        default: output += "\nValue: \(words(for: key.kind)).\n"
        }
        let rows = keys.filter { $0.pattern.hasPrefix(prefix) }
        if rows.isEmpty { return output }
        output += "\n| Key | Value | Default | |\n|---|---|---|---|\n"
        for row in rows {
            let path = row.pattern.dropFirst(prefix.count).split(separator: "/").map { $0 == "*" ? "…" : $0 }
            let fallback = row.isRequired ? "required" : row.defaultValue.map { "`\(text(of: $0, row.kind))`" } ?? ""
            let cells = ["`\(path.joined(separator: "."))`", words(for: row.kind), fallback, row.text]
            output +=
                "| " + cells.map { $0.split(separator: "|").joined(separator: "\\|") }.joined(separator: " | ") + " |\n"
        }
        return output
    }

    private static func text(of value: JSONValue, _ kind: CatalogueKey.Kind) -> String {
        if case .bytes = kind, let bytes = value.int { return ByteSize.text(bytes) }
        return value.string ?? value.text
    }

    private static func words(for kind: CatalogueKey.Kind) -> String {
        switch kind {
        case .boolean: "true, false"
        case .integer(let range): "\(range.lowerBound) – \(range.upperBound)"
        case .bytes(let range): "\(ByteSize.text(range.lowerBound)) – \(ByteSize.text(range.upperBound))"
        case .number(let range): "\(JSONValue(range.lowerBound).text) – \(JSONValue(range.upperBound).text)"
        case .string, .text: "string"
        case .choice(let words): words.joined(separator: ", ")
        case .sha256, .publicKey: "64 hexadecimal digits"
        case .secret: "string, `{env: NAME}`, `{file: path}`"
        case .list(let inner): "list of \(words(for: inner))"
        case .map(let inner): "names to \(words(for: inner))"
        case .object: "object"
        case .open(let purpose): purpose == "any" ? "object" : "object, open"
        case .shape(let name): "\(title(name).lowercased())"
        case .nameOr(let name): "\(title(name).lowercased()) or name"
        case .json: "anything"
        }
    }
}
