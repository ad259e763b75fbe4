// Pattern: a regular expression in PCRE2's syntax, compiled once with its JIT and shared by all threads.
//
// What it promises on the data path: a search takes memory from the calling thread's MatchRoom and nothing else, and it
// ends (BoundedSearch), whatever the pattern and the text are.
//
// Patterns that are not `.bytes` are compiled for UTF-8, and their texts are checked here. PCRE2's own check would run
// before each of the portions in which a long text is searched, and on ill-formed text without any check its behaviour
// is undefined. PCRE2_MATCH_INVALID_UTF would need no check, but in 10.42 its JIT code does not match `\S`, `\D` and
// `\W` with anything but ASCII, which a guard must not depend on. So: one check a search, none for texts that have
// passed one.

internal import CPCRE2
internal import Synchronization

/// Why a pattern cannot be compiled.
package struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, in PCRE2's words.
    package var message: String
    /// Where, in bytes from the pattern's start.
    package var offset: Int

    package init(message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }

    package var description: String { "\(message) (at byte \(offset) of the pattern)" }
}

package final class Pattern: Sendable {
    /// The first five have the values of the plugin ABI's `GH_REGEX_…`.
    package struct Options: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let caseless = Options(rawValue: 1)
        package static let multiline = Options(rawValue: 2)
        package static let dotAll = Options(rawValue: 4)
        package static let extended = Options(rawValue: 8)
        /// Pattern and text are bytes, not UTF-8.
        package static let bytes = Options(rawValue: 16)
        /// Where ECMA-262 and PCRE2 disagree about what both accept, ECMA-262 holds: `$` is the very end, `\u0041` a
        /// character, `[]` an empty class, and a reference to a group that took no part matches nothing.
        package static let ecmaScript = Options(rawValue: 32)
    }

    /// A stretch of the text, in bytes. Laid out as the plugin ABI's `gh_regex_span`.
    package struct Span: Sendable, Equatable {
        package var begin: UInt64
        package var end: UInt64

        package init(begin: UInt64, end: UInt64) {
            self.begin = begin
            self.end = end
        }

        /// The group took no part in the match.
        package static let absent = Span(begin: .max, end: .max)

        package var range: Range<Int>? {
            guard begin != .max, begin <= end else { return nil }
            return Int(begin)..<Int(end)
        }
    }

    package enum Outcome: Sendable, Equatable {
        /// The number of spans: the whole match and the groups up to the last that took part.
        case match(spans: Int)
        case noMatch
        /// The search was given up: it would take longer than the budget allows.
        case limit
        case invalidUTF8
    }

    package let source: String
    package let options: Options
    /// The number of capturing groups, the whole match not counted.
    package let groupCount: Int

    /// Whether a search may be cut into several, each with its own range of starts.
    let isDivisible: Bool
    let isAnchored: Bool
    nonisolated(unsafe) let plainCode: OpaquePointer
    /// The same pattern with a callout before every item, compiled when a search first turns out to be a long one.
    private let metered = Mutex(Metered.unknown)

    private enum Metered {
        case unknown
        case compiled(UInt)
        case unavailable
    }

    package init(_ source: String, options: Options = []) throws(PatternError) {
        plainCode = try Self.compile(source, options, extra: 0)
        self.source = source
        self.options = options
        groupCount = Int(Self.number(plainCode, UInt32(PCRE2_INFO_CAPTURECOUNT)))
        isAnchored = Self.number(plainCode, UInt32(PCRE2_INFO_ALLOPTIONS)) & PCRE2_ANCHORED != 0
        isDivisible = !isAnchored && !Self.dependsOnStart(source)
    }

    deinit {
        pcre2_code_free_8(plainCode)
        if case .compiled(let bits) = metered.withLock({ $0 }) { pcre2_code_free_8(OpaquePointer(bitPattern: bits)) }
    }
}

// MARK: Compiling

extension Pattern {
    /// Longer patterns are refused.
    package static let maximumLength = 1 << 18

    private static func compile(
        _ source: String, _ options: Options, extra: UInt32
    ) throws(PatternError) -> OpaquePointer {
        let context = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(context) }
        pcre2_set_max_pattern_length_8(context, maximumLength)
        if options.contains(.ecmaScript) {
            pcre2_set_compile_extra_options_8(context, UInt32(PCRE2_EXTRA_ALT_BSUX))
        }
        var errorCode: Int32 = 0
        var errorOffset = 0
        var source = source
        let code = source.withUTF8 { text in
            withUnsafePointer(to: 0 as UInt8) { nothing in
                pcre2_compile_8(
                    text.baseAddress ?? nothing, text.count, flags(options) | extra, &errorCode, &errorOffset, context)
            }
        }
        guard let code else {
            throw PatternError(message: sentence(errorCode), offset: min(errorOffset, source.utf8.count))
        }
        // Without JIT (a system that forbids executable memory) the interpreter runs the pattern, under the same
        // limits.
        _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
        return code
    }

    private static func flags(_ options: Options) -> UInt32 {
        var flags = PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C
        flags |= options.contains(.bytes) ? PCRE2_NEVER_UTF : PCRE2_UTF
        if options.contains(.caseless) { flags |= PCRE2_CASELESS }
        if options.contains(.multiline) { flags |= PCRE2_MULTILINE }
        if options.contains(.dotAll) { flags |= PCRE2_DOTALL }
        if options.contains(.extended) { flags |= PCRE2_EXTENDED }
        if options.contains(.ecmaScript) {
            flags |= PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF
        }
        return flags
    }

    private static func sentence(_ errorCode: Int32) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
            guard pcre2_get_error_message_8(errorCode, buffer.baseAddress, buffer.count) > 0 else {
                return "not a regular expression"
            }
            return String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static func number(_ code: OpaquePointer, _ what: UInt32) -> UInt32 {
        var value: UInt32 = 0
        pcre2_pattern_info_8(code, what, &value)
        return value
    }

    /// `\G` asks where the search began, and some verbs say where it goes on or that it does not. Finding one that is
    /// quoted or in a class costs such a pattern a little speed and nothing else.
    private static func dependsOnStart(_ source: String) -> Bool {
        let marks = ["\\G", "(*SKIP", "(*COMMIT", "(*NO_START_OPT"].map { Array($0.utf8) }
        let text = Array(source.utf8)
        return text.indices.contains { index in marks.contains { text[index...].starts(with: $0) } }
    }

    /// The pattern with a callout before every item. As `plainCode`, it lives as long as the pattern.
    func meteredCode() -> OpaquePointer? {
        let bits = metered.withLock { state -> UInt? in
            if case .unknown = state {
                let code = try? Self.compile(source, options, extra: PCRE2_AUTO_CALLOUT)
                state = code.map { .compiled(UInt(bitPattern: $0)) } ?? .unavailable
            }
            if case .compiled(let bits) = state { return bits }
            return nil
        }
        return bits.flatMap { OpaquePointer(bitPattern: $0) }
    }
}

// MARK: Groups

extension Pattern {
    /// The name of a group in UTF-8; nil when it has none. The memory is the pattern's and lives as long.
    package func groupNameBytes(_ number: Int) -> UnsafeRawBufferPointer? {
        var table: UnsafePointer<UInt8>?
        pcre2_pattern_info_8(plainCode, UInt32(PCRE2_INFO_NAMETABLE), &table)
        let count = Int(Self.number(plainCode, UInt32(PCRE2_INFO_NAMECOUNT)))
        let width = Int(Self.number(plainCode, UInt32(PCRE2_INFO_NAMEENTRYSIZE)))
        guard let table else { return nil }
        for index in 0..<count {
            // An entry is the group's number in two bytes and its name, ended by a zero.
            let entry = table + index * width
            guard Int(entry[0]) << 8 | Int(entry[1]) == number else { continue }
            let name = UnsafeRawBufferPointer(start: entry + 2, count: width - 2)
            return UnsafeRawBufferPointer(rebasing: name.prefix { $0 != 0 })
        }
        return nil
    }

    package func groupName(_ number: Int) -> String? {
        withExtendedLifetime(self) { groupNameBytes(number).map { String(decoding: $0, as: UTF8.self) } }
    }

    /// The names by group number, from 1 on; those without a name are left out.
    package var groupNames: [(number: Int, name: String)] {
        guard groupCount > 0 else { return [] }
        return (1...groupCount).compactMap { number in groupName(number).map { (number, $0) } }
    }
}

// MARK: Searching

extension Pattern {
    /// Looks for the first match that begins at byte `from` or later.
    ///
    /// Fills `spans` as far as it goes: the whole match first, then the groups; what took no part is `.absent`. A
    /// `from` within a character means the next one.
    ///
    /// `isUTF8` vouches for the text, which must have been checked then, as what has passed a JSONReader has. Else all
    /// of it is checked, which makes a loop over many matches in a long text slow: `eachMatch` checks it once. Searches
    /// that belong together should share a `budget`.
    package func firstMatch(
        in text: UnsafeRawBufferPointer, from: Int = 0, isUTF8: Bool = false,
        spans: UnsafeMutableBufferPointer<Span>, budget: inout MatchBudget
    ) -> Outcome {
        guard from >= 0, from <= text.count else { return .noMatch }
        var from = from
        if !options.contains(.bytes) {
            guard isUTF8 || UTF8Text.isValid(text) else { return .invalidUTF8 }
            from = UTF8Text.boundary(text, from: from)
        }
        return BoundedSearch(self, text).run(from: from, spans: spans, budget: &budget)
    }

    package func firstMatch(
        in text: UnsafeRawBufferPointer, from: Int = 0, isUTF8: Bool = false, spans: UnsafeMutableBufferPointer<Span>
    ) -> Outcome {
        var budget = MatchBudget(textLength: text.count)
        return firstMatch(in: text, from: from, isUTF8: isUTF8, spans: spans, budget: &budget)
    }

    /// Where the first match is, without its groups.
    package func firstRange(in text: UnsafeRawBufferPointer, from: Int = 0, isUTF8: Bool = false) -> Range<Int>? {
        var span = Span.absent
        let outcome = withUnsafeMutablePointer(to: &span) {
            firstMatch(in: text, from: from, isUTF8: isUTF8, spans: UnsafeMutableBufferPointer(start: $0, count: 1))
        }
        guard case .match = outcome else { return nil }
        return span.range
    }

    /// Whether `text` has a match anywhere, with the reason when that cannot be told.
    package func search(_ text: UnsafeRawBufferPointer, isUTF8: Bool = false, budget: inout MatchBudget) -> Outcome {
        firstMatch(
            in: text, isUTF8: isUTF8, spans: UnsafeMutableBufferPointer(start: nil, count: 0), budget: &budget)
    }

    package func search(_ text: String, budget: inout MatchBudget) -> Outcome {
        var text = text
        return text.withUTF8 { search(UnsafeRawBufferPointer($0), isUTF8: true, budget: &budget) }
    }

    package func search(_ text: String) -> Outcome {
        var budget = MatchBudget(textLength: text.utf8.count)
        return search(text, budget: &budget)
    }

    /// True when `text` has a match anywhere. False also when the search was given up: ask `search` where that matters.
    package func matches(_ text: String) -> Bool {
        if case .match = search(text) { true } else { false }
    }

    package func matches(_ text: UnsafeRawBufferPointer, isUTF8: Bool = false) -> Bool {
        firstRange(in: text, isUTF8: isUTF8) != nil
    }

    /// Calls `body` with the spans of each match in turn until it returns false. All searches share one budget.
    ///
    /// Says `.noMatch` when the text is done, `.match` when `body` stopped it. As in ECMA-262, after an empty match the
    /// search goes on one character later.
    package func eachMatch(
        in text: UnsafeRawBufferPointer, isUTF8: Bool = false, _ body: (UnsafeBufferPointer<Span>) -> Bool
    ) -> Outcome {
        var budget = MatchBudget(textLength: text.count)
        return withUnsafeTemporaryAllocation(of: Span.self, capacity: groupCount + 1) { spans in
            var from = 0
            while from <= text.count {
                let isChecked = isUTF8 || from > 0
                let outcome = firstMatch(in: text, from: from, isUTF8: isChecked, spans: spans, budget: &budget)
                guard case .match = outcome, let whole = spans[0].range else { return outcome }
                guard body(UnsafeBufferPointer(spans)) else { return outcome }
                from = max(from, whole.upperBound)
                if whole.isEmpty { from += 1 }
            }
            return .noMatch
        }
    }
}
