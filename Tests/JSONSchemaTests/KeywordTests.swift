// Each keyword: what it accepts and what it refuses. The specification's own suite is run by hand; these are the cases
// that have more than one reading.

import Core
import JSONSchema
import Testing

@Suite struct AnyValueTests {
    @Test func booleansAcceptAllOrNothing() throws {
        try judge("true", valid: ["1", "null"])
        try judge("false", invalid: ["1", "null"])
        try judge("{}", valid: ["1"])
    }

    @Test func typesAreOfJSONAndNotOfSwift() throws {
        try judge(
            #"{"type": "integer"}"#, valid: ["1", "1.0", "1e3", "12345678901234567890"],
            invalid: ["1.5", "1e-1", "\"1\""])
        try judge(#"{"type": "number"}"#, valid: ["1", "1.5"], invalid: ["true", "\"1\""])
        try judge(#"{"type": ["string", "null"]}"#, valid: ["null", "\"\""], invalid: ["0", "{}"])
        try judge(#"{"type": "boolean"}"#, valid: ["false"], invalid: ["0", "null"])
    }

    @Test func constantsAreComparedByValue() throws {
        try judge(
            #"{"const": {"a": 1, "b": [2]}}"#, valid: [#"{"b": [2.0], "a": 1e0}"#],
            invalid: [#"{"a": 1}"#, #"{"a": 1, "b": [3]}"#])
        try judge(#"{"const": 0}"#, valid: ["0.0", "-0", "0e5"], invalid: ["false", "null", "\"0\""])
        try judge(#"{"enum": [1, "a", null]}"#, valid: ["1.0", "\"a\"", "null"], invalid: ["true", "\"b\"", "[]"])
        // One and two code points for the same letter.
        try judge("{\"const\": \"\u{E9}\"}", valid: ["\"\u{E9}\""], invalid: ["\"e\u{301}\""])
    }

    @Test func combinesSchemas() throws {
        try judge(#"{"allOf": [{"minimum": 1}, {"maximum": 2}]}"#, valid: ["1", "\"x\""], invalid: ["0", "3"])
        try judge(#"{"anyOf": [{"type": "string"}, {"minimum": 5}]}"#, valid: ["\"\"", "5"], invalid: ["4"])
        try judge(#"{"oneOf": [{"minimum": 1}, {"maximum": 3}]}"#, valid: ["0", "4"], invalid: ["2"])
        try judge(#"{"not": {"type": "string"}}"#, valid: ["1"], invalid: ["\"\""])
    }

    @Test func chooses() throws {
        let text = #"{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}"#
        try judge(text, valid: [#"{"a": 1, "b": 1}"#, #"{"c": 1}"#], invalid: [#"{"a": 1, "c": 1}"#, "{}"])
        try judge(#"{"then": false, "else": false}"#, valid: ["1"])
    }
}

@Suite struct NumberTests {
    @Test func boundsAreExact() throws {
        try judge(#"{"minimum": 9007199254740993}"#, valid: ["9007199254740993"], invalid: ["9007199254740992"])
        try judge(#"{"maximum": 0.1}"#, valid: ["0.1", "1e-1"], invalid: ["0.10000000000000000001"])
        try judge(#"{"exclusiveMinimum": 0}"#, valid: ["1e-400"], invalid: ["0", "-0.0"])
        try judge(#"{"exclusiveMaximum": -2}"#, valid: ["-2.1", "-1e100"], invalid: ["-2.0"])
    }

    @Test func multiplesAreExact() throws {
        try judge(#"{"multipleOf": 0.1}"#, valid: ["0.3", "1.1", "0", "1e300", "-0.7"], invalid: ["0.35"])
        try judge(#"{"multipleOf": 0.01}"#, valid: ["4.02", "0.07", "1.13"], invalid: ["4.025"])
        try judge(#"{"multipleOf": 1e-8}"#, valid: ["12391239123"])
        try judge(#"{"multipleOf": 0.123456789}"#, valid: ["1234567.89"], invalid: ["1e308"])
        try judge(#"{"multipleOf": 30}"#, valid: ["1.2e2", "9e1"], invalid: ["1e2"])
    }
}

@Suite struct StringTests {
    @Test func lengthsAreCountedInCodePoints() throws {
        try judge(
            #"{"minLength": 2, "maxLength": 2}"#, valid: ["\"éé\"", "\"💩💩\"", "\"e\u{301}\""],
            invalid: ["\"💩\"", "\"aaa\""])
    }

    @Test func patternsSearch() throws {
        try judge(#"{"pattern": "b+"}"#, valid: ["\"abbc\"", "1"], invalid: ["\"ac\""])
    }

    @Test func patternsAreECMA262() throws {
        try judge(#"{"pattern": "^a$"}"#, invalid: [#""a\n""#])
        try judge(#"{"pattern": "^\\s\\S$"}"#, valid: ["\"\u{A0}é\"", "\" x\""], invalid: ["\"x\u{2003}\""])
        try judge(#"{"pattern": "^[\\s]\\d$"}"#, valid: ["\"\u{FEFF}1\""], invalid: ["\" \u{663}\""])
        try judge(#"{"pattern": "^\\p{Letter}\\p{gc=Nd}\\u00e9$"}"#, valid: ["\"ß٣é\""], invalid: ["\"1aé\""])
        try judge(#"{"pattern": "^\\v$"}"#, valid: [#""\u000b""#], invalid: [#""\n""#])
    }
}

@Suite struct ArrayTests {
    @Test func countsElements() throws {
        try judge(#"{"minItems": 1, "maxItems": 2.0}"#, valid: ["[1]", "{}"], invalid: ["[]", "[1, 2, 3]"])
    }

    @Test func checksElementsByPlace() throws {
        let text = #"{"prefixItems": [{"type": "string"}, {"type": "number"}], "items": {"type": "null"}}"#
        try judge(text, valid: ["[]", "[\"a\"]", "[\"a\", 1, null]"], invalid: ["[1]", "[\"a\", 1, 2]"])
        try judge(#"{"prefixItems": [true], "items": false}"#, valid: ["[1]"], invalid: ["[1, 2]"])
    }

    @Test func checksElementsByPlaceInDraft7() throws {
        let text = #"{"items": [{"type": "string"}], "additionalItems": {"type": "null"}}"#
        try judge(text, .draft7, valid: ["[\"a\", null]"], invalid: ["[1]", "[\"a\", 1]"])
        try judge(#"{"items": {"type": "string"}, "additionalItems": false}"#, .draft7, valid: ["[\"a\", \"b\"]"])
        try judge(#"{"prefixItems": [false], "minContains": 5, "contains": true}"#, .draft7, valid: ["[1]"])
    }

    @Test func looksForElements() throws {
        try judge(#"{"contains": {"minimum": 5}}"#, valid: ["[1, 5]", "1"], invalid: ["[]", "[1]"])
        let text = #"{"contains": {"minimum": 5}, "minContains": 2, "maxContains": 3}"#
        try judge(text, valid: ["[5, 6]", "[5, 6, 7, 1]"], invalid: ["[5]", "[5, 6, 7, 8]"])
        try judge(#"{"contains": false, "minContains": 0}"#, valid: ["[]", "[1]"])
    }

    @Test func tellsEqualElements() throws {
        try judge(
            #"{"uniqueItems": true}"#,
            valid: ["[1, true, 0, false, \"1\"]", #"[{"a": 1}, {"a": 2}]"#, "[[1], [[1]]]"],
            invalid: ["[1, 1.0]", #"[{"a": 1, "b": 2}, {"b": 2, "a": 1}]"#, "[[1], [1]]"])
    }
}

@Suite struct ObjectTests {
    @Test func countsMembers() throws {
        try judge(
            #"{"minProperties": 1, "maxProperties": 1}"#, valid: [#"{"a": 1}"#], invalid: ["{}", #"{"a": 1, "b": 2}"#])
    }

    @Test func checksMembersByName() throws {
        let text = """
            {"properties": {"a": {"type": "string"}, "no": false},
             "patternProperties": {"^x": {"type": "null"}, "y": {}}, "additionalProperties": {"type": "number"}}
            """
        try judge(
            text, valid: [#"{"a": "", "x1": null, "y": [], "z": 1}"#],
            invalid: [#"{"a": 1}"#, #"{"x1": 1}"#, #"{"z": []}"#, #"{"no": 1}"#])
    }

    @Test func checksNames() throws {
        try judge(#"{"propertyNames": {"maxLength": 2}}"#, valid: [#"{"ab": 1}"#, "{}"], invalid: [#"{"abc": 1}"#])
    }

    @Test func asksForMembers() throws {
        try judge(#"{"required": ["a", "b"]}"#, valid: [#"{"a": null, "b": 1}"#, "1"], invalid: [#"{"a": 1}"#])
        let lists = #"{"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"minProperties": 2}}}"#
        try judge(lists, valid: ["{}", #"{"a": 1, "b": 1}"#], invalid: [#"{"a": 1}"#, #"{"c": 1}"#])
        try judge(
            #"{"dependencies": {"a": ["b"], "c": false}}"#, .draft7, valid: [#"{"b": 1}"#],
            invalid: [#"{"a": 1}"#, #"{"c": 1}"#])
    }

    @Test func namesAreComparedByCodePoint() throws {
        try judge("{\"required\": [\"e\u{301}\"]}", valid: ["{\"e\u{301}\": 1}"], invalid: ["{\"\u{E9}\": 1}"])
    }
}

@Suite struct UnevaluatedTests {
    @Test func seesWhatSubschemasHaveSeen() throws {
        let text = """
            {"allOf": [{"properties": {"a": true}}],
             "anyOf": [{"properties": {"b": {"const": 1}}}, {"required": ["c"]}],
             "unevaluatedProperties": false}
            """
        try judge(
            text, valid: [#"{"a": 1}"#, #"{"a": 1, "b": 1}"#], invalid: [#"{"d": 1}"#, #"{"b": 2, "c": 1}"#])
    }

    @Test func doesNotSeeWhatIsBeside() throws {
        let text = #"{"allOf": [{"properties": {"a": true}}, {"unevaluatedProperties": false}]}"#
        try judge(text, valid: ["{}"], invalid: [#"{"a": 1}"#])
    }

    @Test func seesThroughReferencesAndConditions() throws {
        let text = """
            {"$defs": {"x": {"properties": {"x": true}}}, "$ref": "#/$defs/x", "if": {"properties": {"k": {"const": 1}},
             "required": ["k"]}, "then": {"properties": {"y": true}}, "unevaluatedProperties": {"type": "null"}}
            """
        try judge(text, valid: [#"{"x": 1, "k": 1, "y": 1}"#, #"{"z": null}"#], invalid: [#"{"k": 2}"#, #"{"y": 1}"#])
    }

    @Test func knowsElementsToo() throws {
        let text = #"{"prefixItems": [true], "contains": {"type": "string"}, "unevaluatedItems": false}"#
        try judge(text, valid: ["[1, \"a\"]"], invalid: ["[1, 2, \"a\"]"])
    }
}
