// Detector: the built-in entities and the config's own patterns over one text. Own patterns go first; the scanner looks at
// what they leave.

import PluginSDK

/// Immutable: one for each instance.
struct Detector: Sendable {
    struct Custom: Sendable {
        let name: String
        let pattern: Pattern
    }

    let enabled: EntitySet
    let custom: [Custom]
    /// So much of a text is kept back for patterns of the config, in bytes: a longer match may be found in part.
    static let longestCustom = 256

    var kindCount: Int { Entity.allCases.count + custom.count }

    /// The name of a match's kind.
    func name(_ kind: Int) -> String {
        kind < Entity.allCases.count ? Entity.allCases[kind].rawValue : custom[kind - Entity.allCases.count].name
    }

    /// Finds everything from `start` on. `safe`: what lies before it has been decided, whatever follows.
    func find(
        in text: Bytes, from start: Int, isLast: Bool, trustsLoneNumbers: Bool, carry: inout Carry
    ) throws(PluginFailure) -> (matches: [Match], safe: Int) {
        guard !custom.isEmpty else {
            return scan(text, from: start, isLast: isLast, trustsLoneNumbers, &carry)
        }
        let own = try customMatches(text, start, isLast)
        var matches: [Match] = []
        var position = start
        for match in own.matches {
            let gap = Bytes(rebasing: text[..<match.range.lowerBound])
            matches += scan(gap, from: position, isLast: true, trustsLoneNumbers, &carry).matches
            matches.append(match)
            position = match.range.upperBound
            carry = Carry(matchDistance: 0)
        }
        let rest = scan(text, from: position, isLast: isLast, trustsLoneNumbers, &carry)
        var safe = min(rest.safe, own.safe)
        for match in rest.matches {
            guard match.range.lowerBound < safe else { break }
            // The rest of it may become a match of a pattern.
            guard match.range.upperBound <= own.safe else {
                safe = match.range.lowerBound
                break
            }
            matches.append(match)
        }
        return (matches, max(safe, position))
    }

    private func scan(
        _ text: Bytes, from start: Int, isLast: Bool, _ trustsLoneNumbers: Bool, _ carry: inout Carry
    ) -> (matches: [Match], safe: Int) {
        guard !enabled.isEmpty else { return ([], text.count) }
        var scanner = Scanner(
            text, from: start, enabled: enabled, trustsLoneNumbers: trustsLoneNumbers, carry: carry)
        let found = scanner.scan(isLast: isLast)
        carry = scanner.carry(from: found.safe)
        return found
    }

    /// Matches of the config's patterns, from left to right: of several at one place the first in the config.
    private func customMatches(
        _ text: Bytes, _ start: Int, _ isLast: Bool
    ) throws(PluginFailure) -> (matches: [Match], safe: Int) {
        var next: [Range<Int>?] = []
        for entry in custom { next.append(try firstRange(entry.pattern, text, start)) }
        var matches: [Match] = []
        var position = start
        var safe = isLast ? text.count : max(start, text.characterStart(text.count - Self.longestCustom))
        while true {
            for index in next.indices {
                while let range = next[index], range.lowerBound < position {
                    next[index] = try firstRange(custom[index].pattern, text, position)
                    if next[index]?.lowerBound == range.lowerBound { break }
                }
            }
            guard
                let first = next.indices.filter({ next[$0] != nil }).min(by: { a, b in
                    (next[a]?.lowerBound ?? 0, a) < (next[b]?.lowerBound ?? 0, b)
                }), let range = next[first]
            else { break }
            if !isLast, range.lowerBound >= safe { break }
            if !isLast, range.upperBound == text.count {
                // It may go on.
                safe = range.lowerBound
                break
            }
            matches.append(Match(kind: Entity.allCases.count + first, range: range))
            position = range.upperBound
            safe = max(safe, position)
        }
        return (matches, safe)
    }

    /// The first match that is not empty.
    private func firstRange(_ pattern: Pattern, _ text: Bytes, _ start: Int) throws(PluginFailure) -> Range<Int>? {
        var position = start
        while position <= text.count, let range = try pattern.firstRange(in: Text(text), from: position) {
            if !range.isEmpty { return range }
            position = range.upperBound + 1
            while position < text.count, text[position].isContinuation { position += 1 }
        }
        return nil
    }
}
