// WordSearch: one search of a text for the words of a WordFinder. It walks the trie from the beginning of each word, over
// all ways to read the symbols at once; no walk is longer than `longest`, so the time is linear in the text.

struct WordSearch: ~Copyable {
    /// A walk sees at most so many symbols.
    private static let longest = 512
    /// What a phrase's words, and the letters of a disguised word, may have between them.
    private static let mostSeparators = 3
    /// A word with space between its letters has at least so many.
    private static let shortestSpelled = 4

    private let trie: WordTrie
    private let edges: WordTrie.Edges
    private let tricks: Bool
    private let symbols: UnsafeBufferPointer<UInt32>
    private let isLast: Bool
    /// The readings up to a place of the walk, and those behind it.
    private var readings = Readings()
    private var next = Readings()
    /// Where the same symbol stood last, all along: walks from within a run need not count it again.
    private var lastRun = 0..<0

    /// `edges` are the trie's; they and `symbols` must outlive the search. More symbols follow unless `isLast`.
    init(
        trie: WordTrie, edges: WordTrie.Edges, tricks: Bool, symbols: UnsafeBufferPointer<UInt32>, isLast: Bool
    ) {
        self.trie = trie
        self.edges = edges
        self.tricks = tricks
        self.symbols = symbols
        self.isLast = isLast
    }

    deinit {
        readings.free()
        next.free()
    }

    /// Says what is found, in order, and returns how many symbols are done with: what is left may be the beginning of a
    /// word. `before` is the symbol before the first.
    mutating func run(before: UInt32, _ found: (Range<Int>, Int) -> Void) -> Int {
        var place = 0
        var previous = before
        while place < symbols.count {
            let symbol = symbols[place]
            if !Folding.binds(previous) || symbol >= 0x80 && !Folding.binds(symbol), mayBegin(symbol) {
                switch follow(from: place) {
                case .unfinished: return place
                case .nothing: break
                case .word(let end, let finding):
                    if finding != WordTrie.innocent { found(place..<end, finding) }
                    previous = symbols[end - 1]
                    place = end
                    continue
                }
            }
            previous = symbol
            place += 1
        }
        return symbols.count
    }

    private func mayBegin(_ symbol: UInt32) -> Bool {
        if edges.child(WordTrie.root, symbol) != nil { return true }
        guard tricks, symbol != 0x2A else { return false }
        var letters = Disguise.letters(behind: symbol)
        while let letter = letters.next() {
            if edges.child(WordTrie.root, letter) != nil { return true }
        }
        return false
    }

    private enum Outcome {
        case nothing, unfinished
        case word(end: Int, finding: Int)
    }

    /// One way to read the symbols so far.
    private struct Reading {
        var node: Int32
        var form: Form
        /// Separators since the last letter.
        var separators: UInt8 = 0
        var length: UInt16 = 0
        var realLetters: UInt16 = 0
        var digits: UInt16 = 0

        enum Form { case begun, plain, spelled }
    }

    /// At most 24 of them: nothing that a person would read has more.
    private struct Readings {
        static let most = 24
        private let storage = UnsafeMutablePointer<Reading>.allocate(capacity: most)
        private(set) var count = 0

        subscript(index: Int) -> Reading { storage[index] }

        mutating func append(_ reading: Reading) {
            (storage + count).initialize(to: reading)
            count += 1
        }

        mutating func removeAll() { count = 0 }

        func free() { storage.deallocate() }
    }

    /// Follows all readings together, run by run, to the longest word that begins at a place.
    private mutating func follow(from start: Int) -> Outcome {
        var best = Outcome.nothing
        var place = start
        readings.removeAll()
        readings.append(Reading(node: WordTrie.root, form: .begun))
        while readings.count > 0, place - start < Self.longest {
            if place > start {
                if place == symbols.count, !isLast { return .unfinished }
                guard note(at: place, limit: start + Self.longest, &best) else { return .unfinished }
            }
            guard place < symbols.count else { break }
            let symbol = symbols[place]
            var run = 1
            if tricks, symbol != 0x2A, Folding.binds(symbol) || Disguise.isOne(symbol) {
                run = runLength(at: place)
                if place + run == symbols.count, !isLast, run < Self.longest { return .unfinished }
            }
            next.removeAll()
            for index in 0..<readings.count { advance(readings[index], over: symbol, run) }
            swap(&readings, &next)
            place += run
        }
        return best
    }

    /// How often the symbol at a place stands there in a row, `longest` times at most.
    private mutating func runLength(at place: Int) -> Int {
        if !lastRun.contains(place) { lastRun = place..<place + 1 }
        let symbol = symbols[place]
        let limit = min(symbols.count, place + Self.longest)
        var end = lastRun.upperBound
        while end < limit, symbols[end] == symbol { end += 1 }
        lastRun = lastRun.lowerBound..<end
        return min(end, limit) - place
    }

    /// Notes a word that ends before a place. False: what follows decides, and has not come.
    private func note(at place: Int, limit: Int, _ best: inout Outcome) -> Bool {
        for index in 0..<readings.count {
            let reading = readings[index]
            guard reading.separators == 0, edges.isEnd(reading.node), let word = trie.word(at: reading.node),
                isCredible(reading)
            else { continue }
            var end = place
            if word.isOpen, reading.form != .spelled {
                while end < symbols.count, end < limit, Folding.binds(symbols[end]) { end += 1 }
                if end == symbols.count, !isLast, end < limit { return false }
            }
            if end < symbols.count, Folding.binds(symbols[end]),
                symbols[end - 1] < 0x80 || Folding.binds(symbols[end - 1])
            {
                continue
            }
            if case .word(let longest, _) = best, longest >= end { continue }
            best = .word(end: end, finding: word.finding)
        }
        return true
    }

    /// Numbers and sums are no words: at least half of a disguised word is letters.
    private func isCredible(_ reading: Reading) -> Bool {
        guard reading.realLetters < reading.length else {
            return reading.form != .spelled || reading.length >= Self.shortestSpelled
        }
        let length = Int(reading.length)
        if reading.form == .spelled, length < Self.shortestSpelled { return false }
        return 2 * Int(reading.realLetters) >= length - (length == 3 ? 1 : 0)
            && Int(reading.digits) <= (length >= 4 ? length / 2 : (length - 1) / 2)
    }

    private mutating func advance(_ reading: Reading, over symbol: UInt32, _ run: Int) {
        if reading.form != .spelled || reading.separators > 0 {
            // As it is, once or, where it is stretched, less often.
            step(reading, symbol, run, isReal: true, isDigit: false)
            // An open word may end within a run: what follows is part of it anyway.
            if tricks, run == 2, let child = edges.child(reading.node, symbol), trie.word(at: child)?.isOpen == true {
                step(reading, symbol, 1, isReal: true, isDigit: false)
            }
            if tricks, run >= 3 {
                step(reading, symbol, 1, isReal: true, isDigit: false)
                step(reading, symbol, 2, isReal: true, isDigit: false)
            }
            if tricks {
                let isDigit = symbol &- 0x30 < 10
                var letters = Disguise.letters(behind: symbol)
                while let letter = letters.next() {
                    step(reading, letter, run, isReal: false, isDigit: isDigit)
                    if run >= 3 { step(reading, letter, 1, isReal: false, isDigit: isDigit) }
                }
            }
        }
        guard run == 1 || !Folding.binds(symbol), separates(symbol) else { return }
        separate(reading, min(run, 255))
    }

    private mutating func step(_ reading: Reading, _ letter: UInt32, _ times: Int, isReal: Bool, isDigit: Bool) {
        guard next.count < Readings.most else { return }
        var node = reading.node
        for _ in 0..<times {
            guard let child = edges.child(node, letter) else { return }
            node = child
        }
        var after = reading
        after.node = node
        after.separators = 0
        after.length += UInt16(times)
        if isReal { after.realLetters += UInt16(times) }
        if isDigit { after.digits += UInt16(times) }
        // The first letter of a word may be the first of a spelled one.
        if reading.length > 0, reading.form == .begun { after.form = .plain }
        next.append(after)
    }

    private func separates(_ symbol: UInt32) -> Bool {
        WordFinder.isGap(symbol)
            || tricks && symbol != FoldedText.edge && symbol != FoldedText.unknown && !Folding.binds(symbol)
    }

    private mutating func separate(_ reading: Reading, _ count: Int) {
        guard reading.length > 0, Int(reading.separators) + count <= Self.mostSeparators else { return }
        guard next.count + 2 <= Readings.most else { return }
        var after = reading
        after.separators += UInt8(count)
        if reading.separators > 0 || reading.form == .spelled { return next.append(after) }
        if let gap = edges.child(reading.node, 0x20) {
            var phrase = after
            phrase.node = gap
            phrase.form = .plain
            next.append(phrase)
        }
        if tricks, reading.form == .begun {
            after.form = .spelled
            next.append(after)
        }
    }
}

/// The letters that a digit or a sign is written for.
private struct Disguise {
    /// ASCII, the first in the lowest byte.
    private var packed: UInt64

    static func letters(behind symbol: UInt32) -> Disguise { Disguise(packed: packed(symbol)) }

    static func isOne(_ symbol: UInt32) -> Bool { packed(symbol) != 0 }

    mutating func next() -> UInt32? {
        guard packed != 0 else { return nil }
        defer { packed >>= 8 }
        return UInt32(packed & 0xFF)
    }

    private static func packed(_ symbol: UInt32) -> UInt64 {
        guard symbol < 0x80 else { return 0 }
        switch UInt8(symbol) {
        case UInt8(ascii: "0"): return pack("o")
        case UInt8(ascii: "1"), UInt8(ascii: "|"): return pack("il")
        case UInt8(ascii: "3"): return pack("e")
        case UInt8(ascii: "4"), UInt8(ascii: "@"): return pack("a")
        case UInt8(ascii: "5"), UInt8(ascii: "$"): return pack("s")
        case UInt8(ascii: "7"), UInt8(ascii: "+"): return pack("t")
        case UInt8(ascii: "8"): return pack("b")
        case UInt8(ascii: "9"): return pack("g")
        case UInt8(ascii: "!"): return pack("i")
        case UInt8(ascii: "*"): return pack("aeiou")
        default: return 0
        }
    }

    @inline(__always)
    private static func pack(_ letters: StaticString) -> UInt64 {
        var packed: UInt64 = 0
        for index in 0..<letters.utf8CodeUnitCount { packed |= UInt64(letters.utf8Start[index]) << (8 * index) }
        return packed
    }
}
