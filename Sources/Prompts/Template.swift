// Template: Mustache (the core specification, https://github.com/mustache/spec, version 1.4.2: comments, delimiters, interpolation,
// inverted sections, partials, sections), parsed once. A prompt is no web page: nothing is escaped for HTML, so that {{x}}, {{{x}}} and
// {{&x}} say the same.

import Core

package struct Template: Sendable {
    indirect enum Node: Sendable {
        case text(String)
        case variable(Name)
        case section(Name, inverted: Bool, [Node])
        /// With the white space before it, when it stands alone on its line.
        case partial(String, indent: String)
    }

    /// "person.name", or "." for the value that a section is about.
    struct Name: Sendable {
        var parts: [String]
        var text: String
        /// In the template's bytes.
        var offset: Int
    }

    let nodes: [Node]
    /// As it was written.
    package let text: String

    /// How deep sections may nest.
    static let maximumDepth = 64
    /// Bytes of a template.
    package static let maximumBytes = 1 << 20

    package init(_ text: String) throws(TemplateError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw TemplateError("the template has more than \(Self.maximumBytes) bytes", at: 0, in: text)
        }
        var parser = TemplateParser(text)
        nodes = try parser.parse()
        self.text = text
    }

    /// Names of the partials that it uses, inside of sections or not.
    package var partials: (always: Set<String>, sometimes: Set<String>) {
        var always: Set<String> = []
        var sometimes: Set<String> = []
        func walk(_ nodes: [Node], isInside: Bool) {
            for node in nodes {
                switch node {
                case .partial(let name, _): if isInside { sometimes.insert(name) } else { always.insert(name) }
                case .section(_, _, let inner): walk(inner, isInside: true)
                case .text, .variable: break
                }
            }
        }
        walk(nodes, isInside: false)
        return (always, sometimes)
    }

    /// Names at the beginnings of paths that it asks for outside of sections, in the order in which they come first.
    package var variables: [String] {
        var found: [String] = []
        func walk(_ nodes: [Node]) {
            for node in nodes {
                switch node {
                case .variable(let name), .section(let name, _, _):
                    if let first = name.parts.first, !found.contains(first) { found.append(first) }
                case .text, .partial: break
                }
            }
        }
        walk(nodes)
        return found
    }
}

/// What is wrong with a template, or with the values for one, and where.
package struct TemplateError: Error, Sendable, Equatable {
    package var message: String
    /// Bytes from the beginning.
    package var offset: Int
    /// From 1.
    package var line: Int
    package var column: Int

    init(_ message: String, at offset: Int, in text: String) {
        self.message = message
        self.offset = offset
        let before = text.utf8.prefix(offset)
        line = before.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
        column = before.reversed().prefix { $0 != 0x0A }.count + 1
    }

    /// "line 3, column 5: …"
    package var description: String { "line \(line), column \(column): \(message)" }
}

private struct TemplateParser {
    private let text: String
    private let bytes: [UInt8]
    private var at = 0
    private var open = Array("{{".utf8)
    private var close = Array("}}".utf8)
    /// The first byte of the line that is being read.
    private var lineStart = 0

    private struct Frame {
        var name: Template.Name
        var isInverted: Bool
        var nodes: [Template.Node]
    }
    private var frames: [Frame] = []
    private var nodes: [Template.Node] = []

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    private func failed(_ message: String, at offset: Int) -> TemplateError {
        TemplateError(message, at: offset, in: text)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private func starts(_ mark: [UInt8], at place: Int) -> Bool {
        place + mark.count <= bytes.count && bytes[place..<place + mark.count].elementsEqual(mark)
    }

    private mutating func append(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        nodes.append(.text(String(decoding: bytes[range], as: UTF8.self)))
    }

    mutating func parse() throws(TemplateError) -> [Template.Node] {
        var textStart = 0
        while at < bytes.count {
            if bytes[at] == 0x0A {
                at += 1
                lineStart = at
                continue
            }
            guard starts(open, at: at) else {
                at += 1
                continue
            }
            let tagStart = at
            let tag = try tag()
            // A tag that says nothing itself takes its line with it when it is alone there.
            if tag.kind.isSilent, let line = aloneOnItsLine(from: tagStart) {
                append(textStart..<max(textStart, lineStart))
                let indent = String(decoding: bytes[max(textStart, lineStart)..<tagStart], as: UTF8.self)
                at = line
                lineStart = line
                try take(tag, at: tagStart, indent: indent)
            } else {
                append(textStart..<tagStart)
                try take(tag, at: tagStart, indent: "")
            }
            textStart = at
        }
        append(textStart..<bytes.count)
        if let frame = frames.last {
            throw failed("the section {{#\(frame.name.text)}} is not closed", at: frame.name.offset)
        }
        return nodes
    }

    /// Where the next line begins, if nothing but white space stands around a tag that began at `start` and has been read.
    private func aloneOnItsLine(from start: Int) -> Int? {
        guard lineStart <= start, bytes[lineStart..<start].allSatisfy(Self.isSpace) else { return nil }
        var end = at
        while end < bytes.count, Self.isSpace(bytes[end]) { end += 1 }
        if end == bytes.count { return end }
        if bytes[end] == 0x0A { return end + 1 }
        if bytes[end] == 0x0D, end + 1 < bytes.count, bytes[end + 1] == 0x0A { return end + 2 }
        return nil
    }

    // MARK: Tags

    private enum Kind {
        case variable, section, inverted, end, partial, comment, delimiters

        var isSilent: Bool { self != .variable }
    }

    private struct Tag {
        var kind: Kind
        var content: String
    }

    private mutating func tag() throws(TemplateError) -> Tag {
        let start = at
        at += open.count
        let sigil = at < bytes.count ? bytes[at] : 0
        var closing = close
        let kind: Kind
        switch sigil {
        case UInt8(ascii: "#"): kind = .section
        case UInt8(ascii: "^"): kind = .inverted
        case UInt8(ascii: "/"): kind = .end
        case UInt8(ascii: ">"): kind = .partial
        case UInt8(ascii: "!"): kind = .comment
        case UInt8(ascii: "="):
            kind = .delimiters
            closing = [UInt8(ascii: "=")] + close
        case UInt8(ascii: "&"): kind = .variable
        case UInt8(ascii: "{") where open == Array("{{".utf8):
            kind = .variable
            closing = [UInt8(ascii: "}")] + close
        default: kind = .variable
        }
        if kind != .variable || sigil == UInt8(ascii: "&") || closing.count > close.count { at += 1 }
        let contentStart = at
        while !starts(closing, at: at) {
            guard at < bytes.count else {
                let end = String(decoding: closing, as: UTF8.self)
                throw failed("the tag is not closed: expected \"\(end)\"", at: start)
            }
            at += 1
        }
        let content = String(decoding: bytes[contentStart..<at], as: UTF8.self)
        at += closing.count
        return Tag(kind: kind, content: content)
    }

    private mutating func take(_ tag: Tag, at start: Int, indent: String) throws(TemplateError) {
        switch tag.kind {
        case .comment: break
        case .delimiters: try setDelimiters(tag.content, at: start)
        case .variable: nodes.append(.variable(try name(tag.content, at: start)))
        case .partial:
            let name = Self.trimmed(tag.content)
            guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
                throw failed("expected the name of a partial, found \"\(name.prefix(64))\"", at: start)
            }
            nodes.append(.partial(name, indent: indent))
        case .section, .inverted:
            guard frames.count < Template.maximumDepth else {
                throw failed("sections nest deeper than \(Template.maximumDepth)", at: start)
            }
            frames.append(
                Frame(name: try name(tag.content, at: start), isInverted: tag.kind == .inverted, nodes: nodes))
            nodes = []
        case .end:
            let name = Self.trimmed(tag.content)
            guard let frame = frames.popLast() else {
                throw failed("{{/\(name)}} closes a section that is not open", at: start)
            }
            guard frame.name.text == name else {
                throw failed("expected {{/\(frame.name.text)}}, found {{/\(name)}}", at: start)
            }
            let inner = nodes
            nodes = frame.nodes
            nodes.append(.section(frame.name, inverted: frame.isInverted, inner))
        }
    }

    private func name(_ content: String, at start: Int) throws(TemplateError) -> Template.Name {
        let text = Self.trimmed(content)
        if text == "." { return Template.Name(parts: [], text: text, offset: start) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !parts.contains(where: { $0.isEmpty || $0.contains(where: \.isWhitespace) }) else {
            throw failed("expected a name, found \"\(text.prefix(64))\"", at: start)
        }
        return Template.Name(parts: parts, text: text, offset: start)
    }

    private mutating func setDelimiters(_ content: String, at start: Int) throws(TemplateError) {
        let marks = content.split(whereSeparator: \.isWhitespace).map(String.init)
        guard marks.count == 2, !marks.contains(where: { $0.contains("=") }) else {
            throw failed("expected two delimiters, as in {{=<% %>=}}", at: start)
        }
        open = Array(marks[0].utf8)
        close = Array(marks[1].utf8)
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
