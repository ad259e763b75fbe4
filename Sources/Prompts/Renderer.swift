// Renderer: a template with its values. A value is text from then on: whatever stands in it is never read as a template again.

package import Core

package struct Renderer: Sendable {
    /// What becomes of a variable that is not there.
    package enum Missing: String, Sendable, CaseIterable {
        /// An error that names it.
        case strict
        /// Nothing, as the core specification has it.
        case lenient
    }

    private let partials: @Sendable (String) -> Template?
    private let missing: Missing

    /// Partials within partials.
    package static let maximumDepth = 32
    /// Bytes that come out.
    package static let maximumBytes = 8 << 20

    package init(missing: Missing, partials: @escaping @Sendable (String) -> Template?) {
        self.missing = missing
        self.partials = partials
    }

    package func render(_ template: Template, _ values: JSONValue) throws(TemplateError) -> String {
        var job = Job(stack: [values], output: "", count: 0, writesJSON: false)
        try run(template.nodes, template, indent: "", depth: 0, &job)
        return job.output
    }

    /// A template that is JSON: a variable inside of a JSON string is escaped there, one that stands for a value is written as JSON, so
    /// that a list can be messages. What comes out is JSON or an error.
    package func renderJSON(_ template: Template, _ values: JSONValue) throws(TemplateError) -> JSONValue {
        var job = Job(stack: [values], output: "", count: 0, writesJSON: true)
        try run(template.nodes, template, indent: "", depth: 0, &job)
        do throws(JSONError) { return try JSONValue(parsing: job.output) } catch {
            throw TemplateError("what comes out is not JSON: \(error.reason)", at: 0, in: template.text)
        }
    }

    private struct Job {
        var stack: [JSONValue]
        var output: String
        var count: Int
        let writesJSON: Bool
        var isInString = false
        private var isEscaped = false

        init(stack: [JSONValue], output: String, count: Int, writesJSON: Bool) {
            self.stack = stack
            self.output = output
            self.count = count
            self.writesJSON = writesJSON
        }

        /// Words of the template.
        mutating func write(literal text: String) {
            output += text
            count += text.utf8.count
            guard writesJSON else { return }
            for byte in text.utf8 {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = isInString
                } else if byte == UInt8(ascii: "\"") {
                    isInString.toggle()
                }
            }
        }

        mutating func write(value: JSONValue) {
            var text = value.string ?? (value.isNull ? "" : value.text)
            if writesJSON {
                text = isInString ? String(JSONValue.string(text).text.dropFirst().dropLast()) : value.text
            }
            output += text
            count += text.utf8.count
        }
    }

    private func run(
        _ nodes: [Template.Node], _ template: Template, indent: String, depth: Int, _ job: inout Job
    ) throws(TemplateError) {
        for node in nodes {
            guard job.count <= Self.maximumBytes else {
                throw TemplateError("more than \(Self.maximumBytes) bytes come out", at: 0, in: template.text)
            }
            switch node {
            case .text(let text): job.write(literal: text)
            case .variable(let name):
                guard let value = find(name, job.stack) else {
                    guard missing == .lenient else {
                        throw TemplateError(
                            "the variable \(name.text) has no value", at: name.offset, in: template.text)
                    }
                    continue
                }
                job.write(value: value)
            case .section(let name, let isInverted, let inner):
                try section(name, isInverted, inner, template, depth, &job)
            case .partial(let name, let indent):
                guard let partial = partials(name) else {
                    guard missing == .lenient else {
                        throw TemplateError("there is no partial \(name)", at: 0, in: template.text)
                    }
                    continue
                }
                guard depth < Self.maximumDepth else {
                    throw TemplateError(
                        "partials nest deeper than \(Self.maximumDepth): \(name)", at: 0, in: template.text)
                }
                let shown = indent.isEmpty ? partial : try indented(partial, by: indent)
                try run(shown.nodes, shown, indent: indent, depth: depth + 1, &job)
            }
        }
    }

    /// The specification indents a partial's own lines, and not those of its values.
    private func indented(_ template: Template, by indent: String) throws(TemplateError) -> Template {
        var text = ""
        var isAtStart = true
        for character in template.text.unicodeScalars {
            if isAtStart { text += indent }
            text.unicodeScalars.append(character)
            isAtStart = character == "\n"
        }
        return try Template(text)
    }

    private func section(
        _ name: Template.Name, _ isInverted: Bool, _ inner: [Template.Node], _ template: Template, _ depth: Int,
        _ job: inout Job
    ) throws(TemplateError) {
        let value = find(name, job.stack)
        if isInverted {
            if Self.isFalse(value) { try run(inner, template, indent: "", depth: depth, &job) }
            return
        }
        guard let value, !Self.isFalse(value) else { return }
        if missing == .strict, name.parts.count > 0 {
            switch value {
            case .string, .number:
                throw TemplateError(
                    "the section {{#\(name.text)}} needs a list, an object, true or false, and \(name.text) is \(value.kindName)",
                    at: name.offset, in: template.text)
            default: break
            }
        }
        let turns = value.array ?? [value]
        for turn in turns {
            job.stack.append(turn)
            try run(inner, template, indent: "", depth: depth, &job)
            job.stack.removeLast()
        }
    }

    private static func isFalse(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null, .bool(false): true
        case .array(let list): list.isEmpty
        default: false
        }
    }

    /// The first part is looked for from the inside out, the others only below it. nil and null are not there.
    private func find(_ name: Template.Name, _ stack: [JSONValue]) -> JSONValue? {
        guard let first = name.parts.first else { return stack.last }
        for context in stack.reversed() {
            guard var value = context[first] else { continue }
            for part in name.parts.dropFirst() {
                guard let next = value[part] else { return nil }
                value = next
            }
            return value.isNull ? nil : value
        }
        return nil
    }
}
