// WordFinder: finds whole words and phrases of a list in folded symbols, however many there are; with `tricks` also where
// they are disguised (f4ke, f.a.k.e, faaake). WordSearch does the finding.

/// The words of a list and what they are called. Make it once; it is immutable afterwards.
public struct WordFinder: SpanFinder {
    /// A word has at most so many.
    private static let mostSymbols = 250

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

    static func isGap(_ symbol: UInt32) -> Bool {
        switch symbol {
        case 0x20, 0x09, 0x0A, 0x0D, 0x2D, 0x5F, 0x2010...0x2015, 0x2028, 0x2029: true
        default: false
        }
    }

    public func find(
        _ symbols: UnsafeBufferPointer<UInt32>, before: UInt32, isLast: Bool, _ found: (Range<Int>, Int) -> Void
    ) -> Int {
        trie.withEdges { edges in
            var search = WordSearch(trie: trie, edges: edges, tricks: tricks, symbols: symbols, isLast: isLast)
            return search.run(before: before, found)
        }
    }
}
