// References: where they lead, and which are refused.

import Core
import JSONSchema
import Testing

@Suite struct ReferenceTests {
    @Test func followsPointers() throws {
        let text = ##"{"$ref": "#/$defs/a~1b/items", "$defs": {"a/b": {"items": {"type": "string"}}}}"##
        try judge(text, valid: ["\"x\""], invalid: ["1"])
        try judge(##"{"$ref": "#/$defs/a%25b", "$defs": {"a%b": {"type": "string"}}}"##, invalid: ["1"])
        try judge(
            ##"{"$ref": "#/components/schemas/A", "components": {"schemas": {"A": {"type": "string"}}}}"##,
            invalid: ["1"])
    }

    @Test func followsNames() throws {
        try judge(##"{"$ref": "#a", "$defs": {"x": {"$anchor": "a", "type": "string"}}}"##, invalid: ["1"])
        try judge(##"{"$ref": "#a", "definitions": {"x": {"$id": "#a", "type": "string"}}}"##, .draft7, invalid: ["1"])
        let text = """
            {"$id": "http://example.com/root.json", "$ref": "sub/a.json#n",
             "$defs": {"a": {"$id": "sub/a.json", "$defs": {"b": {"$anchor": "n", "$ref": "./b.json"}}},
                       "b": {"$id": "/sub/b.json", "type": "string"}}}
            """
        try judge(text, valid: ["\"x\""], invalid: ["1"])
    }

    @Test func recursesIntoTheDocument() throws {
        let text =
            ##"{"properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}}, "additionalProperties": false}"##
        try judge(
            text, valid: [#"{"next": {"next": {"value": 1}}}"#], invalid: [#"{"next": {"next": {"value": "x"}}}"#])
    }

    @Test func extendsRecursionDynamically() throws {
        let text = """
            {"$id": "http://example.com/strict", "$dynamicAnchor": "node", "$ref": "tree",
             "unevaluatedProperties": false,
             "$defs": {"tree": {"$id": "tree", "$dynamicAnchor": "node", "properties": {"data": true,
                       "children": {"items": {"$dynamicRef": "#node"}}}}}}
            """
        try judge(
            text, valid: [#"{"children": [{"data": 1}]}"#], invalid: [#"{"children": [{"daat": 1}]}"#, #"{"x": 1}"#])
    }

    @Test func namesInDataAreNoNames() throws {
        let text = """
            {"enum": [{"$id": "a", "$ref": "nowhere"}, {"$ref": "nowhere"}], "const": {"$ref": "nowhere"},
             "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}},
             "x": {"$id": "a"}, "$defs": {"y": {"$id": "a"}}}
            """
        #expect(try problems(text) == [])
    }

    @Test func schemasCanBeJudgedByTheirDialect() throws {
        let valid = ["true", "{}", #"{"properties": {"a": {"type": ["null", "string"], "minLength": 1}}}"#]
        let invalid = ["1", #"{"properties": {"a": {"type": 1}}}"#, #"{"not": {"minLength": -1}}"#]
        let old = #"{"definitions": {"a": 1}}"#
        try judge(
            #"{"$ref": "http://json-schema.org/draft-07/schema#"}"#, .draft7,
            valid: valid + [#"{"items": [{}]}"#], invalid: invalid + [old, #"{"items": [1]}"#])
        try judge(
            #"{"properties": {"s": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}}"#,
            valid: valid.map { #"{"s": \#($0)}"# },
            invalid: (invalid + [old, #"{"$defs": {"a": {"items": [{}]}}}"#]).map { #"{"s": \#($0)}"# })
        // A part of it; and one dialect's out of the other's.
        try judge(
            #"{"$ref": "http://json-schema.org/draft-07/schema#/definitions/simpleTypes"}"#, valid: [#""null""#],
            invalid: [#""nil""#])
    }

    @Test func inDraft7NothingCountsBesideAReference() throws {
        let text = ##"{"$ref": "#/definitions/a", "maxItems": 1, "definitions": {"a": {"type": "array"}}}"##
        try judge(text, .draft7, valid: ["[1, 2]"], invalid: ["1"])
        try judge(text, .draft2020, invalid: ["[1, 2]"])
    }

    @Test(arguments: [
        (#"{"$ref": "http://example.com/x"}"#, #"the reference "http://example.com/x" leaves the document"#),
        (#"{"$ref": "other.json"}"#, #"the reference "other.json" leaves the document"#),
        (#"{"$ref": "http://json-schema.org/draft-04/schema#"}"#, "leads to a meta-schema that is not built in"),
        (##"{"$ref": "#/$defs/a"}"##, ##"the reference "#/$defs/a" leads nowhere"##),
        (##"{"$ref": "#a"}"##, #"nothing here has the anchor "a""#),
        (##"{"$ref": "#/a%2"}"##, "is not percent-encoded as it should be"),
        (##"{"$ref": "#/a~2"}"##, "is not a JSON pointer"),
        (#"{"$ref": 1}"#, #""$ref" must be a URI reference"#),
    ])
    func refusesReferencesThatLeadNowhere(_ text: String, _ message: String) throws {
        let problems = try problems(text)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("/$ref: ") == true)
        #expect(problems.first?.contains(message) == true, "\(problems)")
    }

    @Test(arguments: [
        ##"{"$ref": "#"}"##, ##"{"allOf": [{"$ref": "#"}]}"##,
        ##"{"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}"##,
        ##"{"if": {"anyOf": [{"$ref": "#"}]}}"##, ##"{"dependentSchemas": {"a": {"$ref": "#"}}}"##,
    ])
    func refusesReferencesInACircle(_ text: String) throws {
        let problems = try problems(text)
        #expect(problems.count == 1)
        #expect(problems.first?.hasSuffix("the schema refers back to itself without going into the document") == true)
    }

    @Test func refusesNamesThatAreGivenTwice() throws {
        #expect(
            try problems(#"{"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}"#) == [
                #"/$defs/b/$id: the id "x" is given twice"#
            ])
        #expect(
            try problems(#"{"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}"#)
                == [#"/$defs/b: the anchor "x" is given twice"#])
    }
}

@Suite struct DialectTests {
    @Test func isSaidByTheSchema() throws {
        #expect(try schema("{}").draft == .draft2020)
        #expect(try schema(#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#).draft == .draft7)
        #expect(try schema(#"{"$schema": "https://json-schema.org/draft/2020-12/schema"}"#).draft == .draft2020)
        #expect(try schema(#"{"$schema": "https://json-schema.org/draft/2020-12/schema"}"#, .draft7).draft == .draft7)
    }

    @Test func othersAreRefused() throws {
        #expect(
            try problems(#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#) == [
                #"/$schema: the dialect "http://json-schema.org/draft-04/schema#" is not supported: "#
                    + "use draft 2020-12 or draft 7"
            ])
    }
}
