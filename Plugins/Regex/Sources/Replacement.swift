// Replacement: the text that takes a match's place, with references to the match's groups.

import PluginSDK

/// `$1` to `$99` and `${name}` stand for groups, `$&` for the match, `$$` for a dollar sign.
struct Replacement: Sendable {
    private enum Part: Sendable {
        case literal([UInt8])
        case group(Int)
    }

    private let parts: [Part]
    let usesGroups: Bool
    /// The text, when it is the same for every match.
    private let constant: [UInt8]

    init(_ template: String, _ pattern: Pattern, at pointer: String) throws(ConfigError) {
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = Array(template.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "$"), let reference = try Self.reference(&rest, pattern, at: pointer) else {
                literal.append(byte)
                continue
            }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = []
            parts.append(reference)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        self.parts = parts
        usesGroups = parts.contains { if case .group = $0 { true } else { false } }
        constant = parts.flatMap { part -> [UInt8] in
            if case .literal(let literal) = part { literal } else { [] }
        }
    }

    /// What follows a dollar sign; nil when it stands for itself.
    private static func reference(
        _ rest: inout ArraySlice<UInt8>, _ pattern: Pattern, at pointer: String
    ) throws(ConfigError) -> Part? {
        switch rest.first {
        case UInt8(ascii: "$"):
            rest.removeFirst()
            return .literal([UInt8(ascii: "$")])
        case UInt8(ascii: "&"):
            rest.removeFirst()
            return .group(0)
        case .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            let digits = rest.prefix(2).prefix { $0 &- UInt8(ascii: "0") < 10 }
            rest.removeFirst(digits.count)
            return .group(digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
        case UInt8(ascii: "{"):
            guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { return nil }
            let name = String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
            guard let number = (1...99).first(where: { pattern.groupName($0) == name }) else {
                throw ConfigError("The pattern has no group \"\(name)\"", at: pointer)
            }
            rest = rest[(end + 1)...]
            return .group(number)
        default: return nil
        }
    }

    /// `groups` are ranges of `text`, the whole match first. `escaping`: for a place inside a JSON string whose text
    /// `text` is, escapes and all.
    func bytes(_ groups: [Range<Int>?], of text: Text, escaping: Bool) -> [UInt8] {
        if !usesGroups, !escaping { return constant }
        var bytes: [UInt8] = []
        for part in parts {
            switch part {
            case .literal(let literal):
                if escaping {
                    literal.withUnsafeBufferPointer { bytes.append(escaping: $0) }
                } else {
                    bytes += literal
                }
            case .group(let number):
                if number < groups.count, let range = groups[number] { bytes += text.bytes[range] }
            }
        }
        return bytes
    }
}
