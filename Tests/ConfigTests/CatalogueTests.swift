import Config
import Core
import Testing

@Suite struct CatalogueTests {
    @Test("Every key is there once, with a description")
    func table() {
        var seen: Set<String> = []
        for key in Catalogue.keys {
            #expect(seen.insert(key.pattern).inserted, "\(key.pattern) is there twice")
            #expect(key.text.hasSuffix(".") || key.text.hasSuffix("`") || key.text.hasSuffix("…"), "\(key.pattern)")
        }
    }

    @Test("Every row has its parent's row")
    func parents() {
        let patterns = Set(Catalogue.keys.map(\.pattern))
        for pattern in patterns {
            guard let slash = pattern.lastIndex(of: "/"), slash != pattern.startIndex else { continue }
            var parent = String(pattern[..<slash])
            if parent.hasSuffix("/*") { parent = String(parent.dropLast(2)) }
            #expect(patterns.contains(parent), "\(pattern)")
        }
    }

    @Test("Defaults lie within their own bounds")
    func defaults() throws {
        for key in Catalogue.keys {
            guard let value = key.defaultValue, key.pattern.hasPrefix("/"), !key.pattern.contains("*") else { continue }
            let tokens = key.pattern.split(separator: "/").map(String.init)
            let document = tokens.reversed().reduce(value) { .object(JSONObject([($1, $0)])) }
            var check = CatalogueCheck()
            _ = check.check(document)
            // A section may also want keys that have no default.
            let section = JSONPointer(tokens.dropLast())
            let issues = check.issues.filter { $0.pointer != section || !$0.message.hasSuffix("is missing") }
            #expect(issues.isEmpty, "\(key.pattern)")
        }
    }

    @Test("The parser reads every member of a config that the table has")
    func configKeys() throws {
        for key in Catalogue.keys where key.pattern.hasPrefix("#config/") && !key.pattern.contains("/*/") {
            let tokens = key.pattern.dropFirst("#config/".count).split(separator: "/").map(String.init)
            let wrong: JSONValue = key.kind == .boolean ? 1 : true
            var config = JSONObject([("virtual_key", "main"), ("strategy", ["mode": "conditional", "conditions": []])])
            config["retry"] = ["attempts": 1]
            config["cache"] = ["mode": "simple"]
            config["targets"] = [["virtual_key": "main"]]
            if tokens.count == 1, !["strategy", "targets"].contains(tokens[0]) {
                config["strategy"] = nil
                config["targets"] = nil
            }
            config[tokens[0]] = Self.put(wrong, at: tokens.dropFirst(), in: config[tokens[0]])
            let error = #expect(throws: RequestConfigError.self, "\(key.pattern)") {
                try RequestConfig(parsing: .object(config), in: ConfigSnapshot())
            }
            #expect(
                error?.issues.contains { $0.path == tokens && $0.message.hasPrefix("Expected ") } == true,
                "\(key.pattern)")
        }
    }

    private static func put(_ value: JSONValue, at path: ArraySlice<String>, in parent: JSONValue?) -> JSONValue {
        guard let name = path.first else { return value }
        var object = parent?.object ?? JSONObject()
        object[name] = put(value, at: path.dropFirst(), in: object[name])
        return .object(object)
    }

    @Test("References in the schema lead somewhere; sections have titles, descriptions and defaults")
    func schema() throws {
        let schema = Catalogue.schema()
        #expect(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema")
        #expect(schema["additionalProperties"] == false)
        let port = try #require(schema["properties"]?["listen"]?["properties"]?["port"])
        #expect(port["title"] == "Port")
        #expect(port["default"] == 8787)
        #expect(port["description"] == "The port; 0 lets the system choose.")
        #expect(schema["properties"]?["configs"]?["additionalProperties"] == ["$ref": "#/$defs/config"])
        var references: Set<String> = []
        func collect(_ value: JSONValue) {
            for member in value.object?.members ?? [] {
                if member.key == "$ref", let text = member.value.string { references.insert(text) }
                collect(member.value)
            }
            for element in value.array ?? [] { collect(element) }
        }
        collect(schema)
        #expect(references.count >= 5)
        for reference in references {
            let pointer = try #require(JSONPointer(parsing: String(reference.dropFirst())))
            #expect(schema.value(at: pointer) != nil, "\(reference)")
        }
    }

    @Test("The reference has a line for every key")
    func reference() {
        let reference = Catalogue.reference()
        #expect(reference.contains("\n## `limits`\n"))
        #expect(reference.contains("| `port` | 0 – 65535 | `8787` | The port; 0 lets the system choose. |"))
        #expect(reference.contains("| `body_bytes` | 1KiB – 1GiB | `20MiB` |"))
        #expect(reference.contains("| `….name` | string | required | For the log. |"))
        for key in Catalogue.keys {
            let name = key.pattern.split(separator: "/").last.map(String.init) ?? ""
            #expect(reference.contains(name.hasPrefix("#") ? "Shape: " : name), "\(key.pattern)")
        }
    }

    @Test(
        "camelCase to snake_case",
        arguments: [
            ("useRetryAfterHeaders", "use_retry_after_headers"), ("virtual_key", "virtual_key"),
            ("awsAccessKeyId", "aws_access_key_id"),
            ("AWS", "AWS"), ("strictOpenAiCompliance", "strict_open_ai_compliance"), ("", ""), ("x", "x"),
        ])
    func snakeCase(_ name: String, _ expected: String) {
        #expect(SnakeCase.convert(name) == expected)
    }

    @Test(
        "Suggestions are near words only",
        arguments: [
            ("prot", "port"), ("providrs", "providers"), ("keys", "keys"), ("zzz", nil), ("p", nil),
            ("loging", "log_in"),
        ] as [(String, String?)])
    func suggestions(_ name: String, _ expected: String?) {
        #expect(Suggestion.nearest(to: name, in: ["port", "providers", "keys", "log_in"]) == expected)
    }
}
