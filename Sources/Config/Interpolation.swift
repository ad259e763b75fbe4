// Interpolation: ${NAME} in the file's strings becomes the environment's word.
//
// ${NAME:-default} stands for the default when NAME is unset or empty, and $${ is a plain ${. What comes out is a
// string and is not looked at again; ${secret:NAME} stays as it is, for the plugin that it is granted to; a key that wants a number or a boolean reads it as one (Catalogue.swift).

package import Core

package struct Interpolation {
    package struct Issue: Equatable {
        package var pointer: JSONPointer
        package var message: String
    }

    /// The variables behind each string that had any, by pointer.
    package private(set) var names: [String: [String]] = [:]
    package private(set) var issues: [Issue] = []
    private let environment: (String) -> String?

    package init(environment: @escaping (String) -> String?) {
        self.environment = environment
    }

    /// `value` with all its strings interpolated; member names stay as they are.
    package mutating func apply(to value: JSONValue, at pointer: JSONPointer = JSONPointer()) -> JSONValue {
        switch value {
        case .string(let text): return .string(expand(text, at: pointer))
        case .array(let elements):
            return .array(elements.enumerated().map { apply(to: $0.element, at: pointer / $0.offset) })
        case .object(var object):
            // Assigned only where something changed: assignment looks for the member.
            for member in object.members {
                let result = apply(to: member.value, at: pointer / member.key)
                if result != member.value { object[member.key] = result }
            }
            return .object(object)
        default: return value
        }
    }

    private mutating func expand(_ text: String, at pointer: JSONPointer) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var output = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            output += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                output += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    issues.append(Issue(pointer: pointer, message: "'${' has no '}'; write '$${' for a plain '${'"))
                    return text
                }
                output += variable(rest[rest.index(rest.startIndex, offsetBy: 2)..<end], at: pointer)
                rest = rest[rest.index(after: end)...]
            } else {
                output += "$"
                rest = rest.dropFirst()
            }
        }
        return output + rest
    }

    /// `inner` is what stands between the braces.
    private mutating func variable(_ inner: Substring, at pointer: JSONPointer) -> String {
        if inner.hasPrefix("secret:"), Catalogue.isName(String(inner.dropFirst(7))) { return "${\(inner)}" }
        var name = inner
        var fallback: Substring?
        if let colon = inner.firstIndex(of: ":") {
            name = inner[..<colon]
            let tail = inner[inner.index(after: colon)...]
            fallback = tail.hasPrefix("-") ? tail.dropFirst() : nil
            if fallback == nil { name = "" }
        }
        guard Self.isName(name) else {
            let message = "'${\(inner)}' is not '${NAME}' or '${NAME:-default}'; write '$${' for a plain '${'"
            issues.append(Issue(pointer: pointer, message: message))
            return ""
        }
        if let fallback, fallback.contains("${") {
            issues.append(Issue(pointer: pointer, message: "the default of ${\(name)} cannot hold another '${'"))
            return ""
        }
        names[pointer.description, default: []].append(String(name))
        let value = environment(String(name))
        if let fallback { return value.flatMap { $0.isEmpty ? nil : $0 } ?? String(fallback) }
        guard let value else {
            let message = "the environment has no variable \(name); ${\(name):-…} gives a default"
            issues.append(Issue(pointer: pointer, message: message))
            return ""
        }
        return value
    }

    /// A name as shells know it.
    package static func isName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return text.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte)
        }
    }
}
