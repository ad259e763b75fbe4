// A value that a JSON Schema allows, as far as the usual keywords go: what the double puts into tool calls and
// structured answers. The same schema gives the same value.

import PluginSDK

struct Sample {
    private let root: JSON
    private static let maximumDepth = 16
    /// A small schema that refers to itself twice would else fill the memory.
    private static let maximumParts = 2000

    init(_ schema: JSON) {
        root = schema
    }

    var value: JSON {
        var parts = 0
        return value(of: root, 0, &parts)
    }

    private func value(of schema: JSON, _ depth: Int, _ parts: inout Int) -> JSON {
        parts += 1
        guard depth < Self.maximumDepth, parts < Self.maximumParts else { return .null }
        if let fixed = schema["const"] ?? schema["enum"]?[0] ?? schema["default"] ?? schema["examples"]?[0] {
            return fixed
        }
        if let reference = schema["$ref"]?.string { return value(of: resolve(reference), depth + 1, &parts) }
        for key in ["anyOf", "oneOf"] {
            if let first = schema[key]?[0] { return value(of: first, depth + 1, &parts) }
        }
        if let all = schema["allOf"]?.array { return merged(all, depth, &parts) }
        switch schema["type"]?.string ?? schema["type"]?[0]?.string ?? implied(schema) {
        case "object": return object(schema, depth, &parts)
        case "array": return array(schema, depth, &parts)
        case "integer": return whole(schema)
        case "number": return schema["minimum"] ?? 7.5
        case "boolean": return true
        case "null": return .null
        default: return .string(text(schema))
        }
    }

    private func implied(_ schema: JSON) -> String {
        schema["properties"] != nil ? "object" : schema["items"] != nil ? "array" : "string"
    }

    private func object(_ schema: JSON, _ depth: Int, _ parts: inout Int) -> JSON {
        var object: JSON = [:]
        for property in schema["properties"]?.object ?? JSON.Object() {
            object[property.key] = value(of: property.value, depth + 1, &parts)
        }
        return object
    }

    private func array(_ schema: JSON, _ depth: Int, _ parts: inout Int) -> JSON {
        let count = min(max(schema["minItems"]?.int ?? 1, 1), 8)
        let element = schema["items"].map { value(of: $0, depth + 1, &parts) } ?? "Paris"
        return .array(Array(repeating: element, count: count))
    }

    private func whole(_ schema: JSON) -> JSON {
        let least = schema["minimum"]?.int ?? schema["exclusiveMinimum"]?.int.map { $0 &+ 1 }
        return .int(min(max(7, least ?? 7), schema["maximum"]?.int ?? Int.max))
    }

    private func text(_ schema: JSON) -> String {
        let text =
            switch schema["format"]?.string {
            case "date": "2026-01-31"
            case "time": "12:00:00Z"
            case "date-time": "2026-01-31T12:00:00Z"
            case "email": "a@example.org"
            case "uri": "https://example.org/"
            case "uuid": "00000000-0000-4000-8000-000000000000"
            default: "Paris"
            }
        let least = min(schema["minLength"]?.int ?? 0, 1000)
        let filled = text.count < least ? text + String(repeating: "x", count: least - text.count) : text
        return String(filled.prefix(max(schema["maxLength"]?.int ?? Int.max, 0)))
    }

    private func merged(_ all: [JSON], _ depth: Int, _ parts: inout Int) -> JSON {
        var result: JSON = [:]
        for schema in all {
            let sample = value(of: schema, depth + 1, &parts)
            guard let members = sample.object else { return sample }
            for member in members { result[member.key] = member.value }
        }
        return result
    }

    /// `#/$defs/name`
    private func resolve(_ reference: String) -> JSON {
        var here = root
        for step in reference.split(separator: "/").dropFirst() { here = here[String(step)] ?? [:] }
        return here
    }
}
