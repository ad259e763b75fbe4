// Words: how violations speak of values and names.

internal import Core

/// The text in quotes, shortened when it is long.
func quoted(_ text: String) -> String { excerpt(.string(text)) }

/// The value as JSON, shortened when it is long.
func excerpt(_ value: JSONValue) -> String {
    let limit = 60
    switch value {
    case .string(let text):
        let start = text.unicodeScalars.prefix(limit + 1)
        guard start.count > limit else { return JSONValue.string(text).text }
        var short = String(String.UnicodeScalarView(start.dropLast()))
        short += "…"
        return JSONValue.string(short).text
    case .array, .object: return value.nodeCount > 20 ? value.kindName : shortened(value.text, limit)
    default: return shortened(value.text, limit)
    }
}

func shortened(_ text: String, _ limit: Int) -> String {
    let start = text.unicodeScalars.prefix(limit + 1)
    guard start.count > limit else { return text }
    return String(String.UnicodeScalarView(start.dropLast())) + "…"
}

/// "1 element", "2 elements".
func counted(_ count: Int, _ one: String, _ many: String) -> String { "\(count) \(count == 1 ? one : many)" }

/// "a", "a or b", "a, b or c".
func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}

extension TypeSet {
    var words: String {
        let names: [(TypeSet, String)] = [
            (.string, "a string"), (.integer, "an integer"), (.number, "a number"), (.boolean, "a boolean"),
            (.array, "an array"), (.object, "an object"), (.null, "null"),
        ]
        // A number may be an integer anyway.
        return alternatives(names.filter { contains($0.0) && !($0.0 == .integer && contains(.number)) }.map(\.1))
    }

    /// What was found instead of one of these types.
    func found(_ value: JSONValue) -> String {
        if case .number = value, contains(.integer) { return excerpt(value) }
        return value.kindName
    }
}

enum Spelling {
    private static let longest = 40
    private static let mostCandidates = 200

    /// The candidate that `word` was probably meant to be.
    static func suggestion(for word: String, among candidates: some Sequence<String>) -> String? {
        let letters = Array(word.unicodeScalars)
        guard !letters.isEmpty, letters.count <= longest else { return nil }
        let folded = word.lowercased()
        var best: (word: String, distance: Int)?
        for candidate in candidates.prefix(mostCandidates) where !candidate.isExactly(word) {
            if candidate.lowercased() == folded { return candidate }
            let other = Array(candidate.unicodeScalars)
            let allowed = max(1, min(letters.count, other.count) / 3)
            guard abs(other.count - letters.count) <= allowed, min(letters.count, other.count) > 1 else { continue }
            let distance = distance(letters, other)
            if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.word
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var row = [i + 1]
            for (j, other) in right.enumerated() {
                var cost = min(last[j] + (letter == other ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, letter == right[j - 1], left[i - 1] == other {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
