// What the tests of this target say about schemas: which documents they accept, in JSON text on both sides.

import Core
import JSONSchema
import Testing

func json(_ text: String, _ location: SourceLocation = #_sourceLocation) throws -> JSONValue {
    do {
        return try JSONValue(parsing: text)
    } catch {
        Issue.record("not JSON: \(error)", sourceLocation: location)
        throw error
    }
}

func schema(_ text: String, _ draft: Draft? = nil, assertsFormats: Bool = false) throws -> Schema {
    try Schema(json(text), draft: draft, assertsFormats: assertsFormats)
}

/// Checks that a schema accepts some documents and refuses others.
func judge(
    _ text: String, _ draft: Draft? = nil, valid: [String] = [], invalid: [String] = [],
    _ location: SourceLocation = #_sourceLocation
) throws {
    let schema = try schema(text, draft)
    for document in valid {
        let violations = schema.validate(try json(document, location))
        #expect(violations.isEmpty, "\(text) accepts \(document)", sourceLocation: location)
    }
    for document in invalid {
        let value = try json(document, location)
        #expect(!schema.validate(value).isEmpty, "\(text) refuses \(document)", sourceLocation: location)
        #expect(!schema.isValid(value), sourceLocation: location)
    }
}

/// What is wrong with a schema, a line each.
func problems(_ text: String, _ draft: Draft? = nil) throws -> [String] {
    let value = try json(text)
    do {
        _ = try Schema(value, draft: draft)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

/// What is wrong with a document, a line each.
func violations(_ text: String, _ document: String, _ draft: Draft? = nil) throws -> [String] {
    try schema(text, draft).validate(json(document)).map(\.description)
}
