// WordFinder: finds whole words and phrases of a list in folded symbols, however many there are; with `tricks` also where
// they are disguised (f4ke, f.a.k.e, faaake). Walks a trie from the beginning of each word, so the time is linear in the
// text: no walk is longer than `longest`.

/// The words of a list and what they are called. Make it once; it is immutable afterwards.
public struct WordFinder: SpanFinder {
    /// A walk sees at most so many symbols.
    private static let longest = 512
    /// A word has at most so many.
    private static let mostSymbols = 250
    /// What a phrase's words, and the letters of a disguised word, may have between them.
    private static let mostSeparators = 3
    /// A word with space between its letters has at least so many.
    private static let shortestSpelled = 4

    private var trie = WordTrie()
    private let tricks: Bool

    public init(tricks: Bool) {
        self.tricks = tricks
    }

    /// A word to find; later ones do not replace earlier ones. `*` at its end stands for any letters. A word that cannot
    /// be found (`canFind`) is left out.
    public mutating func add(_ word: String, finding: Int) {
        guard let (symbols, isOpen) = Self.entry(word) else { return }
        trie.insert(symbols, finding: finding, isOpen: isOpen)
    }

    /// Whether there is something in a word to look for, and not more than a walk can see.
    public func canFind(_ word: String) -> Bool { Self.entry(word) != nil }

    private static func entry(_ word: String) -> ([UInt32], isOpen: Bool)? {
        var symbols = pattern(word)
        let isOpen = symbols.last == UInt32(UInt8(ascii: "*"))
        if isOpen { symbols.removeLast() }
        guard symbols.contains(where: { $0 != FoldedText.unknown && Folding.isLetter($0) || $0 >= 0x80 }) else {
            return nil
        }
        return symbols.count <= mostSymbols ? (symbols, isOpen) : nil
    }

    /// A word that is no finding, also where it begins with one.
    public mutating func addInnocent(_ word: String) {
        add(word, finding: WordTrie.innocent)
    }

    /// Hyphens, underscores and white space are all the same: one space.
    private static func pattern(_ word: String) -> [UInt32] {
        var symbols: [UInt32] = []
        for symbol in Folding.symbols(of: word) {
            if isGap(symbol) {
                if let last = symbols.last, last != 0x20 { symbols.append(0x20) }
            } else {
                symbols.append(symbol)
            }
        }
        if symbols.last == 0x20 { symbols.removeLast() }
        return symbols
    }

    private static func isGap(_ symbol: UInt32) -> Bool {
        switch symbol {
        case 0x20, 0x09, 0x0A, 0x0D, 0x2D, 0x5F, 0x2010...0x2015, 0x2028, 0x2029: true
        default: false
        }
    }

    private func separates(_ symbol: UInt32) -> Bool {
        Self.isGap(symbol)
            || tricks && symbol != FoldedText.edge && symbol != FoldedText.unknown && !Folding.binds(symbol)
    }

    // MARK: Searching

    public func find(
        _ symbols: UnsafeBufferPointer<UInt32>, before: UInt32, isLast: Bool, _ found: (Range<Int>, Int) -> Void
    ) -> Int {
        var place = 0
        var previous = before
        var walk = Walk()
        while place < symbols.count {
            let symbol = symbols[place]
            if !Folding.binds(previous) || symbol >= 0x80 && !Folding.binds(symbol), mayBegin(symbol) {
                switch follow(symbols, from: place, isLast, &walk) {
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
        if trie.child(WordTrie.root, symbol) != nil { return true }
        guard tricks, symbol != 0x2A, let letters = Self.letters(behind: symbol) else { return false }
        return letters.contains { trie.child(WordTrie.root, $0) != nil }
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

    private struct Walk {
        var readings: [Reading] = []
        var next: [Reading] = []
        static let mostReadings = 24
    }

    /// Follows all readings together, run by run, to the longest word that begins at a place.
    private func follow(
        _ symbols: UnsafeBufferPointer<UInt32>, from start: Int, _ isLast: Bool, _ walk: inout Walk
    ) -> Outcome {
        var best = Outcome.nothing
        var place = start
        walk.readings.removeAll(keepingCapacity: true)
        walk.readings.append(Reading(node: WordTrie.root, form: .begun))
        while !walk.readings.isEmpty, place - start < Self.longest {
            if place > start {
                if place == symbols.count, !isLast { return .unfinished }
                guard note(symbols, at: place, isLast, limit: start + Self.longest, walk.readings, &best) else {
                    return .unfinished
                }
            }
            guard place < symbols.count else { break }
            let symbol = symbols[place]
            var run = 1
            if tricks, symbol != 0x2A, Folding.binds(symbol) || Self.letters(behind: symbol) != nil {
                while place + run < symbols.count, run < Self.longest, symbols[place + run] == symbol { run += 1 }
                if place + run == symbols.count, !isLast, run < Self.longest { return .unfinished }
            }
            walk.next.removeAll(keepingCapacity: true)
            for reading in walk.readings { advance(reading, over: symbol, run, &walk.next) }
            swap(&walk.readings, &walk.next)
            place += run
        }
        return best
    }

    /// Notes a word that ends before a place. False: what follows decides, and has not come.
    private func note(
        _ symbols: UnsafeBufferPointer<UInt32>, at place: Int, _ isLast: Bool, limit: Int, _ readings: [Reading],
        _ best: inout Outcome
    ) -> Bool {
        for reading in readings where reading.separators == 0 {
            guard let word = trie.word(at: reading.node), isCredible(reading) else { continue }
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

    private func advance(_ reading: Reading, over symbol: UInt32, _ run: Int, _ next: inout [Reading]) {
        if reading.form != .spelled || reading.separators > 0 {
            // As it is, once or, where it is stretched, less often.
            step(reading, symbol, run, isReal: true, isDigit: false, &next)
            // An open word may end within a run: what follows is part of it anyway.
            if tricks, run == 2, let child = trie.child(reading.node, symbol), trie.word(at: child)?.isOpen == true {
                step(reading, symbol, 1, isReal: true, isDigit: false, &next)
            }
            if tricks, run >= 3 {
                step(reading, symbol, 1, isReal: true, isDigit: false, &next)
                step(reading, symbol, 2, isReal: true, isDigit: false, &next)
            }
            if tricks, let letters = Self.letters(behind: symbol) {
                let isDigit = symbol &- 0x30 < 10
                for letter in letters {
                    step(reading, letter, run, isReal: false, isDigit: isDigit, &next)
                    if run >= 3 { step(reading, letter, 1, isReal: false, isDigit: isDigit, &next) }
                }
            }
        }
        guard run == 1 || !Folding.binds(symbol), separates(symbol) else { return }
        separate(reading, min(run, 255), &next)
    }

    private func step(
        _ reading: Reading, _ letter: UInt32, _ times: Int, isReal: Bool, isDigit: Bool, _ next: inout [Reading]
    ) {
        guard next.count < Walk.mostReadings else { return }
        var node = reading.node
        for _ in 0..<times {
            guard let child = trie.child(node, letter) else { return }
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

    private func separate(_ reading: Reading, _ count: Int, _ next: inout [Reading]) {
        guard reading.length > 0, Int(reading.separators) + count <= Self.mostSeparators else { return }
        guard next.count + 2 <= Walk.mostReadings else { return }
        var after = reading
        after.separators += UInt8(count)
        if reading.separators > 0 || reading.form == .spelled { return next.append(after) }
        if let gap = trie.child(reading.node, 0x20) {
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

    /// The letters that a digit or a sign is written for.
    private static func letters(behind symbol: UInt32) -> [UInt32]? {
        symbol < 0x80 ? disguises[Int(symbol)] : nil
    }

    private static let disguises: [[UInt32]?] = {
        let all: KeyValuePairs<Unicode.Scalar, String> = [
            "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s",
            "!": "i", "|": "il", "+": "t", "*": "aeiou",
        ]
        var table = [[UInt32]?](repeating: nil, count: 128)
        for (sign, letters) in all { table[Int(sign.value)] = letters.unicodeScalars.map(\.value) }
        return table
    }()
}

/// Words as a tree of their symbols, its edges in one hash table.
struct WordTrie: Sendable {
    static let root: Int32 = 0
    static let innocent = -1

    struct Word: Sendable {
        let finding: Int
        /// Any letters may follow.
        let isOpen: Bool
    }

    private var words: [Int32: Word] = [:]
    private var isEnd: [Bool] = [false]
    /// The edges: node and symbol in one key, 0 for an empty place; and where they lead.
    private var keys = [UInt64](repeating: 0, count: 1024)
    private var targets = [Int32](repeating: 0, count: 1024)
    private var mask: UInt64 = 1023

    private static func key(_ node: Int32, _ symbol: UInt32) -> UInt64 {
        (UInt64(UInt32(bitPattern: node)) << 24 | UInt64(symbol)) &+ 1
    }

    func child(_ node: Int32, _ symbol: UInt32) -> Int32? {
        let key = Self.key(node, symbol)
        var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 20 & mask)
        while keys[place] != 0 {
            if keys[place] == key { return targets[place] }
            place = (place + 1) & Int(truncatingIfNeeded: mask)
        }
        return nil
    }

    func word(at node: Int32) -> Word? { isEnd[Int(node)] ? words[node] : nil }

    mutating func insert(_ symbols: [UInt32], finding: Int, isOpen: Bool) {
        var node = Self.root
        for symbol in symbols {
            if let child = child(node, symbol) {
                node = child
            } else {
                let child = Int32(isEnd.count)
                isEnd.append(false)
                if 2 * isEnd.count > keys.count { grow() }
                put(Self.key(node, symbol), child)
                node = child
            }
        }
        if words[node] == nil { words[node] = Word(finding: finding, isOpen: isOpen) }
        isEnd[Int(node)] = true
    }

    private mutating func put(_ key: UInt64, _ target: Int32) {
        var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 20 & mask)
        while keys[place] != 0 { place = (place + 1) & Int(truncatingIfNeeded: mask) }
        keys[place] = key
        targets[place] = target
    }

    private mutating func grow() {
        let old = zip(keys, targets).filter { $0.0 != 0 }
        let size = 4 * keys.count
        keys = [UInt64](repeating: 0, count: size)
        targets = [Int32](repeating: 0, count: size)
        mask = UInt64(size - 1)
        for (key, target) in old { put(key, target) }
    }
}
