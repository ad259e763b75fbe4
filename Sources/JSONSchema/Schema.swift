// Schema: a JSON Schema, compiled once, that says of a document what is wrong with it and where.
//
// The way through this module: Survey walks the schema and learns which places have names; Compiler turns the places
// that can be reached into Nodes; Evaluation walks a document along them. Nothing is ever fetched, and whatever the
// schema and the document are, each of the three ends: a document too hard to judge counts as invalid.

package import Core

/// The dialects: a schema says its own in "$schema".
package enum Draft: Sendable, Hashable, CaseIterable {
    case draft7
    case draft2020
}

/// One thing wrong with a document.
package struct Violation: Sendable, Equatable, CustomStringConvertible {
    /// Where in the document.
    package var instance: JSONPointer
    /// The keyword that was not satisfied.
    package var schema: JSONPointer
    /// A sentence without a full stop: "expected an integer, found a string".
    package var message: String

    package init(instance: JSONPointer, schema: JSONPointer, message: String) {
        self.instance = instance
        self.schema = schema
        self.message = message
    }

    package var description: String { instance.tokens.isEmpty ? message : "\(instance): \(message)" }
}

/// What is wrong with a schema.
package struct SchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    package struct Problem: Sendable, Equatable, CustomStringConvertible {
        package var schema: JSONPointer
        package var message: String

        package init(schema: JSONPointer, message: String) {
            self.schema = schema
            self.message = message
        }

        package var description: String { schema.tokens.isEmpty ? message : "\(schema): \(message)" }
    }

    /// At least one; no more than twenty are looked for.
    package static let maximumCount = 20
    package var problems: [Problem]

    package init(_ problems: [Problem]) { self.problems = problems }

    package var description: String { problems.map(\.description).joined(separator: "; ") }
}

package struct Schema: Sendable {
    /// A document's violations beyond this number are not looked for.
    package static let maximumViolations = 100

    let program: Program
    package let draft: Draft

    /// Compiles a schema. The dialect is `draft`, or else what "$schema" says, or else 2020-12. Formats are
    /// annotations, as the specification has it, unless `assertsFormats` is set.
    package init(_ schema: JSONValue, draft: Draft? = nil, assertsFormats: Bool = false) throws(SchemaError) {
        let survey = try Survey(schema, draft: draft)
        self.draft = survey.rootDraft
        var compiler = Compiler(survey, assertsFormats: assertsFormats)
        program = try compiler.compile()
    }

    /// What is wrong with a document: nothing when it is valid, else no more than `maximumViolations`.
    package func validate(_ document: JSONValue) -> [Violation] {
        // Most documents are valid. Finding that out needs no paths and no words, and stops at the first violation.
        if isValid(document) { return [] }
        var evaluation = Evaluation(program, document, limit: Self.maximumViolations)
        return evaluation.collect()
    }

    package func isValid(_ document: JSONValue) -> Bool {
        var evaluation = Evaluation(program, document, limit: 0)
        return evaluation.accepts()
    }
}

extension JSONValue {
    /// This value and all within it.
    var nodeCount: Int {
        switch self {
        case .array(let elements): elements.reduce(1) { $0 + $1.nodeCount }
        case .object(let object): object.members.reduce(1) { $0 + $1.value.nodeCount }
        default: 1
        }
    }
}
