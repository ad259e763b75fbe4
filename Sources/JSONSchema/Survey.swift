// Survey: a first walk through a schema, which learns the names its places have: "$id", "$anchor", "$dynamicAnchor".
//
// It goes where the dialect has schemas and nowhere else, since an "$id" in an example or under an unknown keyword is
// no name. Places that are only reached by a JSON pointer are surveyed when a reference leads to them.

internal import Core

/// A place of the document that is used as a schema.
struct Location: Sendable {
    var pointer: String
    var value: JSONValue
    /// The resource it belongs to, as an index.
    var resource: Int
    var draft: Draft
    var depth: Int
}

/// A part of the document with a URI of its own; the document itself is the first.
struct Resource: Sendable {
    var reference: Reference
    var pointer: String
    /// Names of places in it, and where they are.
    var anchors: [String: String] = [:]
    var dynamicAnchors: [String: String] = [:]
}

struct Survey {
    static let maximumDepth = 256

    /// The document. A meta-schema that it refers to is put into it, under its URI.
    private(set) var root: JSONValue
    let rootDraft: Draft
    private(set) var resources: [Resource] = []
    private(set) var locations: [String: Location] = [:]
    private(set) var problems: [SchemaError.Problem] = []
    /// Indices of resources by URI.
    private var documents: [String: Int] = [:]

    init(_ root: JSONValue, draft: Draft?) throws(SchemaError) {
        self.root = root
        let said = draft == nil ? try Self.dialect(of: root, at: "") : nil
        rootDraft = draft ?? said ?? .draft2020
        resources = [Resource(reference: Reference(""), pointer: "")]
        documents[""] = 0
        visit(Location(pointer: "", value: root, resource: 0, draft: rootDraft, depth: 0))
        if !problems.isEmpty { throw SchemaError(problems) }
    }

    /// What "$schema" says; nil when it is not there.
    private static func dialect(of schema: JSONValue, at pointer: String) throws(SchemaError) -> Draft? {
        guard let value = schema.object?["$schema"] else { return nil }
        guard let text = value.string else { throw error(pointer + "/$schema", "\"$schema\" must be a URI") }
        switch text.hasSuffix("#") ? String(text.dropLast()) : text {
        case "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft/2020-12/schema":
            return .draft2020
        // Draft 6 is draft 7 without if, then and else.
        case "http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema",
            "http://json-schema.org/draft-06/schema", "https://json-schema.org/draft-06/schema":
            return .draft7
        default:
            throw error(
                pointer + "/$schema", "the dialect \(quoted(text)) is not supported: use draft 2020-12 or draft 7")
        }
    }

    private static func error(_ pointer: String, _ message: String) -> SchemaError {
        SchemaError([problem(pointer, message)])
    }

    static func problem(_ pointer: String, _ message: String) -> SchemaError.Problem {
        SchemaError.Problem(schema: JSONPointer(parsing: pointer) ?? JSONPointer(), message: message)
    }

    private mutating func report(_ pointer: String, _ message: String) {
        if problems.count < SchemaError.maximumCount { problems.append(Self.problem(pointer, message)) }
    }

    // MARK: The walk

    private mutating func visit(_ given: Location) {
        guard given.depth <= Self.maximumDepth else {
            return report(given.pointer, "schemas are nested deeper than \(Self.maximumDepth) levels")
        }
        var location = given
        guard let schema = given.value.object else {
            locations[given.pointer] = location
            return
        }
        // In draft 7 "$ref" hides its siblings, but pointers into them still work.
        if location.draft == .draft2020 || schema["$ref"]?.string == nil { takeNames(schema, &location) }
        locations[given.pointer] = location
        for member in schema.members {
            guard let shape = Keyword.shape(of: member.key, location.draft) else { continue }
            visitChildren(of: member, shape, location)
        }
    }

    private mutating func visitChildren(of member: JSONObject.Member, _ shape: Keyword.Shape, _ parent: Location) {
        var child = parent
        child.depth += 1
        let pointer = parent.pointer + "/" + JSONPointer.escape(member.key)
        func visit(_ value: JSONValue, _ token: String?, _ survey: inout Survey) {
            child.pointer = token.map { pointer + "/" + JSONPointer.escape($0) } ?? pointer
            child.value = value
            survey.visit(child)
        }
        switch (member.value, shape) {
        case (.array(let elements), .list), (.array(let elements), .schemaOrList):
            for (index, element) in elements.enumerated() { visit(element, String(index), &self) }
        case (.object(let object), .map):
            for member in object.members { visit(member.value, member.key, &self) }
        case (.object(let object), .dependencies):
            for member in object.members where member.value.array == nil { visit(member.value, member.key, &self) }
        case (_, .schema), (_, .schemaOrList): visit(member.value, nil, &self)
        default: break
        }
    }

    // MARK: Names

    private mutating func takeNames(_ schema: JSONObject, _ location: inout Location) {
        let pointer = location.pointer
        if let id = schema["$id"] {
            guard let text = id.string else { return report(pointer + "/$id", "\"$id\" must be a URI") }
            if location.depth > 0, schema["$schema"] != nil { takeDialect(&location) }
            takeID(Reference(text), &location)
        }
        guard location.draft == .draft2020 else { return }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            guard let value = schema[keyword] else { continue }
            guard let name = value.string, !name.isEmpty else {
                report(pointer + "/" + keyword, "\"\(keyword)\" must be a name")
                continue
            }
            take(anchor: name, location)
            if keyword == "$dynamicAnchor" { resources[location.resource].dynamicAnchors[name] = pointer }
        }
    }

    private mutating func takeDialect(_ location: inout Location) {
        do {
            if let draft = try Self.dialect(of: location.value, at: location.pointer) { location.draft = draft }
        } catch {
            for problem in error.problems { report(problem.schema.description, problem.message) }
        }
    }

    private mutating func takeID(_ id: Reference, _ location: inout Location) {
        let base = resources[location.resource].reference
        if let fragment = id.fragment, !fragment.isEmpty {
            guard location.draft == .draft7 else {
                return report(location.pointer + "/$id", "\"$id\" may not have a fragment: use \"$anchor\"")
            }
            if id.document.isEmpty { return take(anchor: fragment, location) }
        }
        var reference = id.resolved(against: base)
        let anchor = reference.fragment ?? ""
        reference.fragment = nil
        let index = location.depth == 0 && location.pointer.isEmpty ? 0 : resources.count
        if let other = documents[reference.document], other != index {
            return report(location.pointer + "/$id", "the id \(quoted(reference.document)) is given twice")
        }
        documents[reference.document] = index
        if index == resources.count {
            resources.append(Resource(reference: reference, pointer: location.pointer))
        } else {
            resources[index].reference = reference
        }
        location.resource = index
        if !anchor.isEmpty { take(anchor: anchor, location) }
    }

    private mutating func take(anchor: String, _ location: Location) {
        if let other = resources[location.resource].anchors[anchor], other != location.pointer {
            report(location.pointer, "the anchor \(quoted(anchor)) is given twice")
        }
        resources[location.resource].anchors[anchor] = location.pointer
    }

    // MARK: Finding

    /// The place that a "$ref" at `location` leads to, or why there is none.
    mutating func find(_ text: String, from location: Location) -> Result<Location, Unfound> {
        let target = Reference(text).resolved(against: resources[location.resource].reference)
        guard let index = documents[target.document] ?? takeMetaSchema(target.document) else {
            return .failure(Unfound(elsewhere: text, target))
        }
        guard let fragment = target.decodedFragment else {
            return .failure(Unfound("the reference \(quoted(text)) is not percent-encoded as it should be"))
        }
        let resource = resources[index]
        if fragment.isEmpty { return at(resource.pointer, text) }
        if !fragment.hasPrefix("/") {
            guard let pointer = resource.anchors[fragment] else {
                return .failure(Unfound("nothing here has the anchor \(quoted(fragment))"))
            }
            return at(pointer, text)
        }
        // Tokens may be escaped in more than one way; places are filed under one.
        guard let pointer = JSONPointer(parsing: resource.pointer + fragment) else {
            return .failure(Unfound("\(quoted(fragment)) is not a JSON pointer"))
        }
        return at(pointer.description, text, owner: index)
    }

    /// A meta-schema that is built in, as a resource; nil when there is none of that URI.
    private mutating func takeMetaSchema(_ uri: String) -> Int? {
        guard var object = root.object, let (draft, schema) = MetaSchema.named(uri) else { return nil }
        object[uri] = schema
        root = .object(object)
        let index = resources.count
        visit(
            Location(
                pointer: "/" + JSONPointer.escape(uri), value: schema, resource: 0, draft: draft, depth: 1))
        documents[uri] = index
        return index
    }

    private mutating func at(_ pointer: String, _ text: String, owner: Int = 0) -> Result<Location, Unfound> {
        if let location = locations[pointer] { return .success(location) }
        guard let path = JSONPointer(parsing: pointer), let value = root.value(at: path) else {
            return .failure(Unfound("the reference \(quoted(text)) leads nowhere"))
        }
        // Not where the dialect has schemas. It belongs to the closest place above that is one.
        var above = path
        while above.tokens.popLast() != nil, locations[above.description] == nil {}
        let nearest = locations[above.description]
        visit(
            Location(
                pointer: pointer, value: value, resource: nearest?.resource ?? owner,
                draft: nearest?.draft ?? rootDraft,
                depth: path.tokens.count))
        guard let location = locations[pointer] else { return .failure(Unfound("the schema is nested too deeply")) }
        return .success(location)
    }

    /// The names that "$dynamicRef" can lead to, by resource.
    func dynamicAnchors(_ name: String) -> [(resource: Int, location: Location)] {
        resources.enumerated().compactMap { index, resource in
            resource.dynamicAnchors[name].flatMap { locations[$0] }.map { (index, $0) }
        }
    }
}

/// Why a reference cannot be followed.
struct Unfound: Error {
    var message: String

    init(_ message: String) { self.message = message }

    init(elsewhere text: String, _ target: Reference) {
        let isMetaSchema = target.authority == "json-schema.org" && target.path.hasPrefix("/draft")
        message =
            isMetaSchema
            ? "the reference \(quoted(text)) leads to a meta-schema that is not built in"
            : "the reference \(quoted(text)) leaves the document: nothing is fetched, so put the schema in here"
    }
}
