// What violations and problems say, since people read them.

import Core
import JSONSchema
import Testing

@Suite struct ViolationTests {
    @Test(arguments: [
        (#"{"type": "integer"}"#, #""a""#, "expected an integer, found a string"),
        (#"{"type": "integer"}"#, "1.5", "expected an integer, found 1.5"),
        (#"{"type": ["string", "null", "array"]}"#, "1", "expected a string, an array or null, found a number"),
        (#"{"const": "a"}"#, #""b""#, #"expected "a", found "b""#),
        (
            #"{"enum": ["low", "medium", "high"]}"#, #""hihg""#,
            #"expected "low", "medium" or "high", found "hihg"; did you mean "high"?"#
        ),
        (#"{"minimum": 3}"#, "2", "expected at least 3, found 2"),
        (#"{"maximum": 3.50}"#, "4", "expected at most 3.50, found 4"),
        (#"{"exclusiveMinimum": 3}"#, "3", "expected more than 3, found 3"),
        (#"{"exclusiveMaximum": 3}"#, "3", "expected less than 3, found 3"),
        (#"{"multipleOf": 0.5}"#, "3.3", "expected a multiple of 0.5, found 3.3"),
        (#"{"minLength": 1}"#, #""""#, "expected at least 1 character, found none"),
        (#"{"maxLength": 3}"#, #""abcd""#, "expected at most 3 characters, found 4"),
        (#"{"pattern": "^a"}"#, #""b""#, #""b" does not match "^a""#),
        (#"{"minItems": 2}"#, "[1]", "expected at least 2 elements, found 1"),
        (#"{"prefixItems": [{}], "items": false}"#, "[1, 2]", "expected at most 1 element, found 2"),
        (#"{"uniqueItems": true}"#, "[1, 2, 1]", "elements 0 and 2 are equal, all must differ"),
        (
            #"{"contains": {"type": "string"}}"#, "[1]",
            #"expected at least 1 element that "contains" describes, found none"#
        ),
        (#"{"required": ["model"]}"#, "{}", #"missing member "model""#),
        (#"{"maxProperties": 0}"#, #"{"a": 1}"#, "expected at most 0 members, found 1"),
        (#"{"dependentRequired": {"a": ["b"]}}"#, #"{"a": 1}"#, #"member "a" needs member "b", which is missing"#),
        (
            #"{"properties": {"words": {}}, "additionalProperties": false}"#, #"{"wrods": 1}"#,
            #"/wrods: unknown member "wrods"; did you mean "words"?"#
        ),
        (#"{"properties": {"words": {}}, "additionalProperties": false}"#, #"{"x": 1}"#, #"/x: unknown member "x""#),
        (
            #"{"properties": {"words": {}}, "additionalProperties": false}"#, #"{"Words": 1}"#,
            #"/Words: unknown member "Words"; did you mean "words"?"#
        ),
        (
            #"{"properties": {"words": {}}, "additionalProperties": false}"#, #"{"words": 1, "wordss": 1}"#,
            #"/wordss: unknown member "wordss""#
        ),
        (
            #"{"properties": {"words": {}}, "unevaluatedProperties": false}"#, #"{"wrods": 1}"#,
            #"/wrods: unknown member "wrods"; did you mean "words"?"#
        ),
        (#"{"properties": {"a": false}}"#, #"{"a": 1}"#, #"/a: member "a" is not allowed here"#),
        (
            #"{"propertyNames": {"maxLength": 1}}"#, #"{"ab": 1}"#,
            #"/ab: the member name "ab" is wrong: expected at most 1 character, found 2"#
        ),
        (#"{"not": {"type": "string"}}"#, #""x""#, #""x" is what must not be here"#),
        (
            #"{"oneOf": [{}, {"type": "string"}, {"type": "number"}]}"#, "1",
            "fits alternatives 1 and 3 of 3, only one is allowed"
        ),
        (
            #"{"anyOf": [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]}"#, "[1]",
            "fits none of 2 alternatives: expected a string, found an array; at /0 expected a string, found a number"
        ),
        (#"{"items": {"type": "string"}}"#, #"["a", 1]"#, "/1: expected a string, found a number"),
    ])
    func say(_ schema: String, _ document: String, _ message: String) throws {
        #expect(try violations(schema, document) == [message])
    }

    @Test func leadToBothPlaces() throws {
        let text = ##"{"properties": {"a/b": {"items": {"$ref": "#/$defs/n"}}}, "$defs": {"n": {"type": "number"}}}"##
        let found = try schema(text).validate(json(#"{"a/b": [1, "x"]}"#))
        #expect(found.map(\.instance.description) == ["/a~1b/1"])
        #expect(found.map(\.schema.description) == ["/$defs/n/type"])
    }

    @Test func areAllCollected() throws {
        let text = """
            {"properties": {"a": {"type": "string", "minLength": 2}, "b": {"minimum": 3, "multipleOf": 2}},
             "required": ["c", "d"]}
            """
        #expect(
            try violations(text, #"{"a": "x", "b": 1}"#) == [
                "/a: expected at least 2 characters, found 1", "/b: expected at least 3, found 1",
                "/b: expected a multiple of 2, found 1", #"missing member "c""#, #"missing member "d""#,
            ])
    }

    @Test func areNoMoreThanAHundred() throws {
        let document = JSONValue.array((0..<1_000).map { _ in "x" })
        #expect(try schema(#"{"items": {"type": "number"}}"#).validate(document).count == Schema.maximumViolations)
    }

    @Test func quoteLittle() throws {
        let long = String(repeating: "é", count: 10_000)
        let found = try schema(#"{"pattern": "^a", "enum": ["b"], "format": "email"}"#).validate(.string(long))
        #expect(found.allSatisfy { $0.message.unicodeScalars.count < 200 })
    }
}

@Suite struct ProblemTests {
    @Test(arguments: [
        (#"{"type": "strnig"}"#, #"/type: "strnig" is not a type; did you mean "string"?"#),
        (#"{"type": []}"#, #"/type: "type" must not be empty"#),
        (#"{"minimum": "3"}"#, #"/minimum: "minimum" must be a number, found a string"#),
        (
            #"{"exclusiveMinimum": true}"#,
            #"/exclusiveMinimum: "exclusiveMinimum" must be a number, found a boolean (as in draft 4)"#
        ),
        (#"{"multipleOf": 0}"#, #"/multipleOf: "multipleOf" must be greater than 0"#),
        (#"{"minLength": -1}"#, #"/minLength: "minLength" must be a whole number, at least 0"#),
        (#"{"minLength": 1.5}"#, #"/minLength: "minLength" must be a whole number, at least 0"#),
        (
            #"{"pattern": "(a"}"#,
            #"/pattern: "(a" is not a regular expression: missing closing parenthesis (at byte 2 of the pattern)"#
        ),
        (
            #"{"patternProperties": {"[": {}}}"#,
            #"/patternProperties/[: "[" is not a regular expression: missing terminating ] for character class "#
                + "(at byte 1 of the pattern)"
        ),
        (#"{"required": "a"}"#, #"/required: "required" must list names of members, found "a""#),
        (#"{"required": [1]}"#, #"/required: "required" must list names of members, found [1]"#),
        (#"{"properties": []}"#, #"/properties: "properties" must be an object, found an array"#),
        (#"{"properties": {"a": 1}}"#, "/properties/a: a schema must be an object or a boolean, found a number"),
        (#"{"allOf": []}"#, #"/allOf: "allOf" must not be empty"#),
        (#"{"anyOf": {}}"#, #"/anyOf: "anyOf" must be an array, found an object"#),
        (
            #"{"items": [{}]}"#,
            #"/items: "items" must be a schema; for a list of schemas draft 2020-12 has "prefixItems""#
        ),
        (#"{"uniqueItems": 1}"#, #"/uniqueItems: "uniqueItems" must be true or false, found a number"#),
        (#"{"$id": "a#b"}"#, #"/$id: "$id" may not have a fragment: use "$anchor""#),
        ("1", "a schema must be an object or a boolean, found a number"),
    ])
    func say(_ schema: String, _ message: String) throws {
        #expect(try problems(schema) == [message])
    }

    @Test func areAllCollected() throws {
        #expect(
            try problems(#"{"minimum": null, "properties": {"a": {"type": "x"}}}"#) == [
                #"/minimum: "minimum" must be a number, found null"#, #"/properties/a/type: "x" is not a type"#,
            ])
    }
}
