// The page Wire.docc/Segments.md shows the table of segments as it is.

import Foundation
import Testing

@testable import Wire

@Suite struct SegmentTablePageTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources/Wire/Wire.docc/Segments.md")

    @Test func showsTheTableAsItIs() throws {
        let page = try String(contentsOf: Self.page, encoding: .utf8)
        let mark = "swift test --filter SegmentTablePageTests -->\n"
        let place = try #require(page.range(of: mark))
        let expected = page[..<place.upperBound] + "\n" + Self.tables
        if ProcessInfo.processInfo.environment["UPDATE_PAGES"] != nil {
            try expected.write(to: Self.page, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: Self.page, encoding: .utf8) == expected)
    }

    /// Every shape is some endpoint's, or is reached from one.
    @Test func reachesEveryShape() {
        let tops = Endpoint.allCases.flatMap { [SegmentTable.requestShape($0), SegmentTable.responseShape($0)] }
        var reached = Set(tops.compactMap(\.self))
        var open = Array(reached)
        while let shape = open.popLast() {
            for entry in SegmentTable.entries[shape.rawValue] {
                for inner in Self.shapes(entry.rule) where reached.insert(inner).inserted { open.append(inner) }
            }
        }
        #expect(Set(SegmentTable.Shape.allCases).subtracting(reached).isEmpty)
    }

    @Test func namesEachMemberOnce() {
        for shape in SegmentTable.Shape.allCases {
            let names = SegmentTable.entries[shape.rawValue].map(\.name.description)
            #expect(Set(names).count == names.count, "\(shape)")
            // The walk notes which of them it has met in one word.
            #expect(names.count <= 64, "\(shape)")
        }
    }

    // MARK: Writing the tables

    private static var tables: String {
        SegmentTable.Shape.allCases.map { shape in
            var rules: [(rule: String, names: [String])] = []
            for entry in SegmentTable.entries[shape.rawValue] {
                let rule = words(entry.rule)
                if let known = rules.firstIndex(where: { $0.rule == rule }) {
                    rules[known].names.append(entry.name.description)
                } else {
                    rules.append((rule, [entry.name.description]))
                }
            }
            let rows = rules.map { "| \($0.names.map { "`\($0)`" }.joined(separator: ", ")) | \($0.rule) |\n" }
            return "### \(title(shape))\n\n| Members | |\n|---|---|\n\(rows.joined())"
        }
        .joined(separator: "\n")
    }

    /// "messagesRequest": "Messages request".
    private static func title(_ shape: SegmentTable.Shape) -> String {
        let text = spaced(shape)
        return text.prefix(1).uppercased() + text.dropFirst()
    }

    private static func spaced(_ shape: SegmentTable.Shape) -> String {
        "\(shape)".reduce(into: "") { $0 += $1.isUppercase ? " " + $1.lowercased() : String($1) }
    }

    private static func words(_ rule: SegmentTable.Rule) -> String {
        func words(_ kind: Segment.Kind) -> String {
            kind.name.description.split(separator: "_").joined(separator: " ")
        }
        return switch rule {
        case .skip: "none"
        case .word, .model: "word"
        case .words: "words"
        case .text(let kind): words(kind)
        case .content: "parts"
        case .instructions: "instructions"
        case .object(let shape): "→ \(spaced(shape))"
        case .list(let shape), .wordOrList(let shape): "→ list: \(spaced(shape))"
        case .prompt: "prompt"
        case .leaves(let kind): "strings: \(words(kind))"
        case .arguments: "arguments"
        case .schema: "schema"
        case .link(let kind): "link: \(words(kind))"
        case .data(let kind): "data: \(words(kind))"
        case .source: "→ source"
        case .reference(let kind): "reference: \(words(kind))"
        }
    }

    private static func shapes(_ rule: SegmentTable.Rule) -> [SegmentTable.Shape] {
        switch rule {
        case .object(let shape), .list(let shape), .wordOrList(let shape): [shape]
        case .content, .instructions, .prompt: [.part]
        case .source: [.source]
        default: []
        }
    }
}
