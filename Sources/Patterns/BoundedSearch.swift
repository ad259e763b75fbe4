// BoundedSearch: a search that ends. Patterns come from configurations and plugins, texts from anybody, and the event
// loop waits.
//
// PCRE2's match limit alone does not do it: under JIT it holds for each start of a match anew, and it counts steps back
// but not the way forward, so that a harmless `[a-z]+\s*[a-z]*\d` runs for seconds over 64 KiB of one letter. So a
// search goes through a long text in portions of starts (PCRE2's offset limit), and has two gears for them:
//
// - The first is the plain JIT code under a low match limit.
// - A portion that hits the match limit, or follows one that was slow, is searched in the second: the same pattern
//   compiled with a callout before each of its items. The callout adds up the work, steps and distance, and stops the
//   search when the budget is used up. It runs at a half to an eighth of the speed, and tells whether the next portion
//   needs it too.
//
// What stays unbounded is one portion in the first gear: tens of milliseconds for a megabyte with an ordinary pattern,
// some hundreds with one that was made for the purpose.

internal import CPCRE2

/// The work that searches may do; a unit is about a nanosecond. Searches that share a budget end together.
package struct MatchBudget: Sendable {
    package private(set) var units: Int

    package init(units: Int) { self.units = units }

    /// Enough for a search of any well-meant pattern in a text of this length.
    package init(textLength: Int) { units = 50_000_000 + 64 * textLength }

    mutating func spend(_ work: Int) { units = max(0, units - work) }
}

struct BoundedSearch {
    let pattern: Pattern
    let text: UnsafeRawBufferPointer
    let room: MatchRoom

    init(_ pattern: Pattern, _ text: UnsafeRawBufferPointer) {
        self.pattern = pattern
        self.text = text
        room = MatchRoom.current(groups: pattern.groupCount)
    }

    /// Texts up to this length are searched at once and without a clock: nothing in them takes a millisecond.
    private static let shortLength = 512
    /// The same for what asks where a search began, and so cannot be divided. A longer text is left to the second gear.
    private static let undividedLength = 4096

    func run(from: Int, spans: UnsafeMutableBufferPointer<Pattern.Span>, budget: inout MatchBudget) -> Pattern.Outcome {
        pcre2_set_match_limit_8(room.plain, UInt32(min(256, max(64, (1 << 24) / max(text.count, 1)))))
        let code: Int32
        if pattern.isDivisible, text.count - from > Self.shortLength {
            code = inPortions(from: from, &budget)
        } else if !pattern.isDivisible, !pattern.isAnchored, text.count > Self.undividedLength {
            code = secondGear(from: from, limit: Self.noLimit, &budget)
        } else {
            let answer = firstGear(from: from, limit: Self.noLimit)
            code = Self.isLimit(answer) ? secondGear(from: from, limit: Self.noLimit, &budget) : answer
        }
        return outcome(code, spans)
    }

    private func inPortions(from: Int, _ budget: inout MatchBudget) -> Int32 {
        let portion = max(128, (1 << 24) / text.count)
        var at = from
        var inSecondGear = false
        var watch = Stopwatch()
        while true {
            let next = pattern.options.contains(.bytes) ? at + portion : UTF8Text.boundary(text, from: at + portion)
            let limit = next <= text.count ? next - 1 : Self.noLimit
            var code: Int32 = PCRE2_ERROR_MATCHLIMIT
            if !inSecondGear {
                code = firstGear(from: at, limit: limit)
                let lap = watch.lap()
                budget.spend(lap.time)
                inSecondGear = lap.isLate
            }
            if Self.isLimit(code) {
                let before = budget.units
                code = secondGear(from: at, limit: limit, &budget)
                inSecondGear = before - budget.units > 64 * portion
                watch.restart()
            }
            if code != PCRE2_ERROR_NOMATCH || next > text.count { return code }
            if budget.units == 0 { return PCRE2_ERROR_MATCHLIMIT }
            at = next
        }
    }

    private func firstGear(from: Int, limit: Int) -> Int32 {
        match(pattern.plainCode, from, limit, room.plain)
    }

    private func secondGear(from: Int, limit: Int, _ budget: inout MatchBudget) -> Int32 {
        guard budget.units > 0, let code = pattern.meteredCode() else { return PCRE2_ERROR_MATCHLIMIT }
        var meter = Meter(units: budget.units, position: from, end: Stopwatch.processorTime() + 4 * budget.units)
        let answer = withUnsafeMutablePointer(to: &meter) { meter in
            pcre2_set_callout_8(room.metered, { Meter.tick($0, $1) }, meter)
            defer { pcre2_set_callout_8(room.metered, nil, nil) }
            return match(code, from, limit, room.metered)
        }
        budget.spend(answer == PCRE2_ERROR_CALLOUT ? budget.units : meter.work)
        return answer
    }

    /// PCRE2_UNSET, a cast that Swift does not import.
    private static let noLimit = Int(bitPattern: UInt.max)

    private func match(_ code: OpaquePointer, _ from: Int, _ limit: Int, _ context: OpaquePointer) -> Int32 {
        pcre2_set_offset_limit_8(context, limit)
        // An empty text may have no address; with length 0 none is ever read.
        let base = text.baseAddress ?? UnsafeRawPointer(room.data)
        return withExtendedLifetime(pattern) {
            pcre2_match_8(
                code, base.assumingMemoryBound(to: UInt8.self), text.count, from, PCRE2_NO_UTF_CHECK, room.data, context
            )
        }
    }

    private static func isLimit(_ code: Int32) -> Bool {
        code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT || code == PCRE2_ERROR_HEAPLIMIT
            || code == PCRE2_ERROR_JIT_STACKLIMIT
    }

    private func outcome(_ code: Int32, _ spans: UnsafeMutableBufferPointer<Pattern.Span>) -> Pattern.Outcome {
        guard code > 0 else { return code == PCRE2_ERROR_NOMATCH ? .noMatch : .limit }
        let count = min(spans.count, Int(code))
        if count > 0, let vector = pcre2_get_ovector_pointer_8(room.data) {
            for index in 0..<count {
                // PCRE2_UNSET is all ones, as `absent` is.
                let (begin, end) = (vector[2 * index], vector[2 * index + 1])
                spans[index] = Pattern.Span(
                    begin: UInt64(bitPattern: Int64(begin)), end: UInt64(bitPattern: Int64(end)))
            }
        }
        for index in count..<spans.count { spans[index] = .absent }
        return .match(spans: Int(code))
    }
}

/// Adds up the work of one search in the second gear.
private struct Meter {
    let units: Int
    var position: Int
    /// A backstop for what lies between two callouts (long back references, grapheme clusters): a time, looked at
    /// seldom.
    let end: Int
    var work = 0
    var callouts: UInt32 = 0

    /// A callout costs about as much as sixteen characters passed over.
    private static let step = 16

    static func tick(_ block: UnsafeMutablePointer<pcre2_callout_block_8>?, _ data: UnsafeMutableRawPointer?) -> Int32 {
        guard let block, let meter = data?.assumingMemoryBound(to: Meter.self) else { return 0 }
        let position = block.pointee.current_position
        meter.pointee.work &+= step &+ abs(position &- meter.pointee.position)
        meter.pointee.position = position
        meter.pointee.callouts &+= 1
        if meter.pointee.work > meter.pointee.units { return PCRE2_ERROR_CALLOUT }
        guard meter.pointee.callouts % 1024 == 0 else { return 0 }
        return Stopwatch.processorTime() > meter.pointee.end ? PCRE2_ERROR_CALLOUT : 0
    }
}
