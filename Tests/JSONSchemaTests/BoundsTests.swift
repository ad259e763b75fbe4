// Schemas and documents that ask for too much.

import Core
import JSONSchema
import Testing

@Suite struct BoundsTests {
    private static func nested(_ depth: Int, _ inner: JSONValue = 1) -> JSONValue {
        (0..<depth).reduce(inner) { value, _ in [value] }
    }

    @Test func alternativesInAlternativesEnd() throws {
        var definitions: [(String, JSONValue)] = [("d40", ["type": "string"])]
        for level in 0..<40 {
            let next: JSONValue = ["$ref": .string("#/$defs/d\(level + 1)")]
            definitions.append(("d\(level)", ["anyOf": [next, ["not": next, "type": "null"], next]]))
        }
        let schema = try Schema(["$ref": "#/$defs/d0", "$defs": .object(JSONObject(definitions))])
        let violations = schema.validate(1)
        #expect(violations.map(\.message) == ["the document is too much work to check with this schema"])
        #expect(!schema.isValid(1))
    }

    /// What was given up inside "not" must not count as a success.
    @Test func whatIsGivenUpIsInvalid() throws {
        let schema = try schema(#"{"not": {"pattern": "^(a+)+$"}}"#)
        let violations = schema.validate(.string(String(repeating: "a", count: 60) + "!"))
        #expect(violations.map(\.message) == [#"matching the pattern "^(a+)+$" takes too long"#])
    }

    @Test func chainsOfReferencesNeedNoStack() throws {
        var definitions: [(String, JSONValue)] = [("d3000", ["type": "string"])]
        for level in 0..<3_000 { definitions.append(("d\(level)", ["$ref": .string("#/$defs/d\(level + 1)")])) }
        let schema = try Schema(["$ref": "#/$defs/d0", "$defs": .object(JSONObject(definitions))])
        #expect(schema.validate("x").isEmpty)
        #expect(!schema.isValid(1))
    }

    @Test func deepDocumentsAreCheckedOrRefused() throws {
        let schema = try schema(##"{"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}"##)
        #expect(schema.isValid(Self.nested(150)))
        #expect(!schema.isValid(Self.nested(150, "x")))
        #expect(
            schema.validate(Self.nested(400)).map(\.message) == [
                "the document and the schema are nested too deeply to be checked"
            ])
    }

    @Test func deepSchemasAreRefused() throws {
        let schema = (0..<400).reduce(true as JSONValue) { inner, _ in ["items": inner] }
        let error = #expect(throws: SchemaError.self) { try Schema(schema) }
        #expect(error?.problems.first?.message == "schemas are nested deeper than 256 levels")
    }

    @Test func largeDocumentsAreChecked() throws {
        let text =
            #"{"uniqueItems": true, "items": {"type": "object", "required": ["id"], "#
            + #""properties": {"id": {"type": "integer"}}}}"#
        let document = JSONValue.array((0..<20_000).map { ["id": JSONValue($0)] })
        #expect(try schema(text).isValid(document))
    }
}
