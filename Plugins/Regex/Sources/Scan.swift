// Scan: looks for the matches of several patterns in a text that comes piece by piece, and says of each match only what
// no later piece can change. A whole text is a text in one piece, or, when it is long, in pieces as well: so streams,
// however they are cut, and whole texts end with the same matches.

import PluginSDK

/// A match that is settled. Offsets count from the text's beginning.
struct Match {
    let rule: Int
    let range: Range<Int>
    /// What a redaction puts in its place.
    let replacement: [UInt8]
}

struct Scan {
    /// What lies before a place and is looked at from there: by `\b`, `^`, and what looks behind.
    static let contextSize = 256

    let rules: [Rule]
    /// What must be known behind the start of a match before it is settled.
    let horizon: Int
    /// A match that goes on to the end of what is known waits for more unless it is longer.
    let longest: Int
    /// Where the search of each rule goes on.
    private var next: [Int]
    /// All starts before this place are settled.
    private(set) var settled = 0

    init(_ rules: [Rule], horizon: Int, longest: Int) {
        self.rules = rules
        self.horizon = horizon
        self.longest = longest
        next = [Int](repeating: 0, count: rules.count)
    }

    /// From here on the text is needed again.
    var needed: Int { max(0, min(settled, next.min() ?? settled) - Self.contextSize) }

    /// Looks at the text as far as it is known: `known` begins at the offset `base`, which is no later than `needed`
    /// was. The settled matches, in the order of their beginnings.
    mutating func advance(
        over known: Text, at base: Int, isLast: Bool, escaping: Bool = false
    ) throws(PluginFailure) -> [Match] {
        let end = base + known.count
        let horizon =
            isLast ? end : max(settled, known.bytes.characterStart(atOrBefore: known.count - self.horizon) + base)
        var found: [[(range: Range<Int>, replacement: [UInt8])]] = []
        var limit = horizon
        for (number, rule) in rules.enumerated() {
            var matches: [(range: Range<Int>, replacement: [UInt8])] = []
            var position = max(next[number], base)
            while position < end, let groups = try Self.match(rule, known, position - base) {
                let range = (groups[0]?.lowerBound ?? 0) + base..<(groups[0]?.upperBound ?? 0) + base
                if range.isEmpty {
                    position = range.upperBound + 1
                    continue
                }
                if range.lowerBound >= limit { break }
                if !isLast, range.upperBound == end, range.count <= longest {
                    limit = range.lowerBound
                    break
                }
                let text = rule.action == .redact ? rule.replacement.bytes(groups, of: known, escaping: escaping) : []
                matches.append((range, text))
                position = range.upperBound
            }
            found.append(matches)
        }
        settled = limit
        return settle(found, limit)
    }

    private static func match(_ rule: Rule, _ text: Text, _ start: Int) throws(PluginFailure) -> [Range<Int>?]? {
        // The host checks the whole of a text that it is given: no more of it than is needed.
        let first = text.bytes.characterStart(atOrBefore: max(0, start - contextSize))
        let part = text[first..<text.count]
        func place(_ range: Range<Int>?) -> Range<Int>? {
            range.map { $0.lowerBound + first..<$0.upperBound + first }
        }
        if rule.action == .redact, rule.replacement.usesGroups {
            return try rule.pattern.firstMatch(in: part, from: start - first).map { $0.map(place) }
        }
        return try rule.pattern.firstRange(in: part, from: start - first).map { [place($0)] }
    }

    /// Takes what begins before `limit`; the rest is looked for again.
    private mutating func settle(
        _ found: [[(range: Range<Int>, replacement: [UInt8])]], _ limit: Int
    ) -> [Match] {
        var matches: [Match] = []
        for (number, list) in found.enumerated() {
            var position = next[number]
            for match in list {
                guard match.range.lowerBound < limit else { break }
                matches.append(Match(rule: number, range: match.range, replacement: match.replacement))
                position = match.range.upperBound
            }
            next[number] = max(position, limit)
        }
        return matches.sorted { ($0.range.lowerBound, $0.rule) < ($1.range.lowerBound, $1.rule) }
    }
}

/// Redactions made of matches: where matches overlap, the first one's replacement stands for all of them.
struct Redactions {
    struct Edit {
        var range: Range<Int>
        var replacement: [UInt8]
    }

    /// What is before this place has been edited.
    private(set) var editedTo = 0

    mutating func edits(of matches: some Sequence<Match>) -> [Edit] {
        var edits: [Edit] = []
        for match in matches {
            if match.range.lowerBound >= editedTo {
                edits.append(Edit(range: match.range, replacement: match.replacement))
            } else if match.range.upperBound > editedTo {
                edits.append(Edit(range: editedTo..<match.range.upperBound, replacement: []))
            }
            editedTo = max(editedTo, match.range.upperBound)
        }
        return edits
    }
}

extension [Redactions.Edit] {
    /// The same in one edit when there are very many: each costs the host a look at the others. `text` is where the
    /// ranges lie, counted from `base`.
    func few(_ text: Text, at base: Int) -> [Redactions.Edit] {
        guard count > 64, let first, let last else { return self }
        var bytes: [UInt8] = []
        var position = first.range.lowerBound
        for edit in self {
            bytes += text.bytes[(position - base)..<(edit.range.lowerBound - base)]
            bytes += edit.replacement
            position = edit.range.upperBound
        }
        return [Redactions.Edit(range: first.range.lowerBound..<last.range.upperBound, replacement: bytes)]
    }
}

extension UnsafeBufferPointer<UInt8> {
    func characterStart(atOrBefore offset: Int) -> Int {
        var offset = Swift.max(0, offset)
        while offset > 0, offset < count, self[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }
}
