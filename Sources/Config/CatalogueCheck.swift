// CatalogueCheck: a document against the catalogue. Finds every fault, not only the first, and fills the draft's plain
// fields on the way. Configs and guardrails are read for typing errors only: their own parser judges them, in Portkey's
// words.

package import Core
import Digests

package struct CatalogueCheck {
    package struct Issue: Sendable, Equatable {
        package var pointer: JSONPointer
        /// True when the member's name is at fault, not its value.
        package var isAboutKey = false
        package var isWarning = false
        package var message: String
    }

    package private(set) var issues: [Issue] = []
    package private(set) var draft = ConfigDraft()
    /// The variables behind interpolated strings, by pointer; such a string may be a number or a boolean.
    private let interpolated: [String: [String]]

    package init(interpolated: [String: [String]] = [:]) {
        self.interpolated = interpolated
    }

    /// Checks a whole file. The result is the document with interpolated numbers and booleans as such and sizes in
    /// bytes.
    package mutating func check(_ document: JSONValue) -> JSONValue {
        guard case .object(let object) = document else {
            if !document.isNull {
                report(JSONPointer(), "expected the sections of a config, found \(document.kindName)")
            }
            return .object(JSONObject())
        }
        return .object(members(of: object, pattern: "", kind: .object, at: JSONPointer(), isQuiet: false))
    }

    private mutating func report(
        _ pointer: JSONPointer, _ message: String, aboutKey: Bool = false, warning: Bool = false
    ) {
        issues.append(Issue(pointer: pointer, isAboutKey: aboutKey, isWarning: warning, message: message))
    }

    // MARK: Values

    /// `isQuiet`: inside a shape, whose parser will complain.
    private mutating func value(
        _ value: JSONValue, _ kind: CatalogueKey.Kind, pattern: String, at pointer: JSONPointer, isQuiet: Bool
    ) -> JSONValue {
        switch kind {
        case .object, .open:
            guard case .object(let object) = value else { return wrong(value, "an object", at: pointer, isQuiet) }
            return .object(members(of: object, pattern: pattern, kind: kind, at: pointer, isQuiet: isQuiet))
        case .map(let inner):
            guard case .object(var object) = value else { return wrong(value, "an object", at: pointer, isQuiet) }
            for member in object.members {
                let place = pointer / member.key
                let takesAnyName = ["/plugins/pins", "/plugins/settings", "/prices/models"].contains(pattern)
                if !takesAnyName, !Catalogue.isName(member.key) {
                    report(
                        place, "a name is made of letters, digits, '_', '-' and '.', found \"\(member.key)\"",
                        aboutKey: true)
                }
                let result = self.value(member.value, inner, pattern: pattern + "/*", at: place, isQuiet: isQuiet)
                if result != member.value { object[member.key] = result }
            }
            return .object(object)
        case .list(let inner):
            guard case .array(let array) = value else { return wrong(value, "a list", at: pointer, isQuiet) }
            return .array(
                array.enumerated().map { index, element in
                    self.value(element, inner, pattern: pattern + "/*", at: pointer / index, isQuiet: isQuiet)
                })
        case .shape(let name):
            return self.value(value, Catalogue.kind(of: "#" + name), pattern: "#" + name, at: pointer, isQuiet: true)
        case .nameOr(let name):
            if value.string != nil { return value }
            return self.value(value, .shape(name), pattern: pattern, at: pointer, isQuiet: isQuiet)
        case .json: return value
        default: return scalar(value, kind, at: pointer, isQuiet: isQuiet)
        }
    }

    private mutating func wrong(
        _ value: JSONValue, _ expected: String, at pointer: JSONPointer, _ isQuiet: Bool
    ) -> JSONValue {
        // A section whose lines are all commented out is null: as if it were not there.
        if !isQuiet, !value.isNull { report(pointer, "expected \(expected), found \(value.kindName)") }
        return value
    }

    private mutating func scalar(
        _ value: JSONValue, _ kind: CatalogueKey.Kind, at pointer: JSONPointer, isQuiet: Bool
    ) -> JSONValue {
        let names = interpolated[pointer.description]
        let value = names == nil ? value : Self.coerced(value, to: kind)
        var problem: String?
        var result = value
        switch kind {
        case .boolean:
            if value.bool == nil { problem = "true or false" }
        case .integer(let range):
            if value.int.map(range.contains) != true {
                problem = "an integer from \(range.lowerBound) to \(range.upperBound)"
            }
        case .number(let range):
            if value.double.map(range.contains) != true {
                problem = "a number from \(range.lowerBound) to \(range.upperBound)"
            }
        case .bytes(let range):
            if let bytes = ByteSize.parse(value), range.contains(bytes) {
                result = JSONValue(bytes)
            } else {
                let bounds = "from \(ByteSize.text(range.lowerBound)) to \(ByteSize.text(range.upperBound))"
                problem = "a number of bytes (or \"20MiB\") \(bounds)"
            }
        case .string:
            if value.string?.isEmpty != false { problem = "a string that is not empty" }
        case .text:
            if value.string == nil { problem = "a string" }
        case .sha256:
            if value.string.flatMap({ Digest(hex: $0) }) == nil { problem = "a SHA-256: 64 hexadecimal digits" }
        case .publicKey:
            if value.string.flatMap({ Digest(hex: $0) }) == nil {
                problem = "an Ed25519 public key: 64 hexadecimal digits, as `gatehouse plugin keygen` prints it"
            }
        case .secret:
            if value.string == nil, SecretReference(value) == nil { problem = "a string, {env: NAME} or {file: path}" }
        case .choice(let words):
            if let word = value.string, words.contains(word) { break }
            problem = "one of " + words.joined(separator: ", ")
            if let word = value.string, let near = Suggestion.nearest(to: word, in: words) {
                report(pointer, "expected \(problem ?? ""); did you mean \"\(near)\"?")
                return value
            }
        default: break
        }
        if let problem, !isQuiet { report(pointer, "expected \(problem), found \(Self.found(value, kind, names))") }
        return result
    }

    /// What an interpolated string says when a number or a boolean is wanted.
    private static func coerced(_ value: JSONValue, to kind: CatalogueKey.Kind) -> JSONValue {
        guard case .string(let text) = value else { return value }
        switch kind {
        case .boolean: return text == "true" ? true : text == "false" ? false : value
        case .integer, .number, .bytes:
            guard let parsed = try? JSONValue(parsing: text), parsed.double != nil else { return value }
            return parsed
        default: return value
        }
    }

    /// The value itself where it helps. What came from the environment is named, not shown: it may be a secret in the
    /// wrong place, and so may any string.
    private static func found(_ value: JSONValue, _ kind: CatalogueKey.Kind, _ names: [String]?) -> String {
        if let names { return "what " + names.map { "${\($0)}" }.joined(separator: " and ") + " says" }
        switch (value, kind) {
        case (.string(""), _): return "an empty one"
        case (.string(let text), .choice): return "\"\(text)\""
        case (.number(let text), .integer), (.number(let text), .number), (.number(let text), .bytes): return text
        default: return value.kindName
        }
    }

    // MARK: Members

    private mutating func members(
        of object: JSONObject, pattern: String, kind: CatalogueKey.Kind, at pointer: JSONPointer, isQuiet: Bool
    ) -> JSONObject {
        var object = object
        let known = Catalogue.members(of: pattern)
        for member in object.members {
            let place = pointer / member.key
            let name = isQuiet ? SnakeCase.convert(member.key) : member.key
            if let key = known[name] {
                let before = issues.count
                let result = value(member.value, key.kind, pattern: key.pattern, at: place, isQuiet: isQuiet)
                if result != member.value { object[member.key] = result }
                if before == issues.count { key.store?(result, &draft) }
            } else if case .object = kind, !isQuiet {
                if !pattern.isEmpty || !Self.isExtension(member.key) { unknown(member.key, known, pattern, at: place) }
            } else if case .open(let purpose) = kind, purpose != "any",
                let near = Suggestion.nearest(to: name, in: known.keys.sorted(), atMost: name.utf8.count < 8 ? 1 : 2)
            {
                report(
                    place, "\"\(member.key)\" is no key of ours (\(purpose)); did you mean \"\(near)\"?",
                    aboutKey: true, warning: true)
            }
        }
        if !isQuiet {
            for key in known.values.sorted(by: { $0.pattern < $1.pattern }) where key.isRequired {
                let name = Catalogue.name(of: key.pattern)
                if object[name] == nil { report(pointer, "\"\(name)\" is missing") }
            }
        }
        return object
    }

    /// At the root: a place for anchors, and the word that editors find the schema by.
    private static func isExtension(_ name: String) -> Bool { name.hasPrefix("x-") || name == "$schema" }

    private mutating func unknown(
        _ name: String, _ known: [String: CatalogueKey], _ pattern: String, at pointer: JSONPointer
    ) {
        var message = "unknown key \"\(name)\""
        if let near = Suggestion.nearest(to: name, in: known.keys.sorted()) {
            message += "; did you mean \"\(near)\"?"
        } else if let elsewhere = Catalogue.keys.first(where: {
            $0.pattern.hasPrefix("/") && !$0.pattern.contains("*") && Catalogue.name(of: $0.pattern) == name
        }) {
            message += "; it belongs at \(elsewhere.pattern)"
        }
        report(pointer, message, aboutKey: true)
    }
}

// MARK: Looking up

extension Catalogue {
    private static let byPattern = Dictionary(keys.map { ($0.pattern, $0) }, uniquingKeysWith: { first, _ in first })
    private static let byParent = Dictionary(grouping: keys) { key in
        String(key.pattern[..<(key.pattern.lastIndex(of: "/") ?? key.pattern.startIndex)])
    }.mapValues { keys in
        Dictionary(keys.map { (name(of: $0.pattern), $0) }, uniquingKeysWith: { first, _ in first })
    }

    static func members(of pattern: String) -> [String: CatalogueKey] {
        guard var members = byParent[pattern] else { return [:] }
        // Shapes stand beside the sections, not among them.
        if pattern.isEmpty { members = members.filter { $0.value.pattern.hasPrefix("/") } }
        return members
    }

    static func kind(of pattern: String) -> CatalogueKey.Kind { byPattern[pattern]?.kind ?? .json }

    static func name(of pattern: String) -> String {
        pattern.lastIndex(of: "/").map { String(pattern[pattern.index(after: $0)...]) } ?? pattern
    }
}

// MARK: Small readers

/// `{env: NAME}` or `{file: path}`.
package enum SecretReference: Sendable, Equatable {
    case environment(String)
    case file(String)

    package init?(_ value: JSONValue) {
        guard case .object(let object) = value, object.members.count == 1, let member = object.members.first,
            let text = member.value.string, !text.isEmpty
        else { return nil }
        switch member.key {
        case "env": self = .environment(text)
        case "file": self = .file(text)
        default: return nil
        }
    }
}

enum ByteSize {
    private static let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)]

    static func parse(_ value: JSONValue) -> Int? {
        if let number = value.int { return number }
        guard let text = value.string else { return nil }
        for (unit, shift) in units where text.hasSuffix(unit) {
            let digits = text.dropLast(unit.count).reversed().drop { $0 == " " }.reversed()
            guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(String(digits)) else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
            return overflow ? nil : product
        }
        return nil
    }

    static func text(_ bytes: Int) -> String {
        for (unit, shift) in units.reversed() where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return String(bytes)
    }
}

/// Portkey reads both spellings of a key.
package enum SnakeCase {
    /// "useRetryAfterHeader" → "use_retry_after_header"; what has no capitals or begins with one stays.
    package static func convert(_ name: String) -> String {
        guard name.utf8.contains(where: { (0x41...0x5A).contains($0) }), let first = name.utf8.first,
            (0x61...0x7A).contains(first)
        else { return name }
        var output: [UInt8] = []
        for byte in name.utf8 {
            if (0x41...0x5A).contains(byte) {
                output.append(UInt8(ascii: "_"))
                output.append(byte | 0x20)
            } else {
                output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

package enum Suggestion {
    /// The word that `name` was probably meant to be: one that is spelled alike, or, without a `limit`, one that it
    /// begins ("timeout" for "timeout_ms").
    package static func nearest(to name: String, in words: [String], atMost limit: Int? = nil) -> String? {
        let most = limit ?? max(1, name.utf8.count / 3)
        let alike = words.map { (distance($0, name), $0) }.filter { $0.0 <= most && $0.0 < $0.1.utf8.count }
        if let best = alike.min(by: { $0 < $1 }) { return best.1 }
        return limit == nil ? words.first { $0.hasPrefix(name + "_") } : nil
    }

    /// Edits between two words: a letter more, less, other, or two swapped.
    static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left.utf8.prefix(64))
        let right = Array(right.utf8.prefix(64))
        var older: [Int] = []
        var previous = Array(0...right.count)
        for i in 0..<left.count {
            var row = [i + 1]
            for j in 0..<right.count {
                var best = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { best = min(best, older[j - 1] + 1) }
                row.append(best)
            }
            older = previous
            previous = row
        }
        return previous[right.count]
    }
}
