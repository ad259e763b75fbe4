// WordTrie: words as a tree of their symbols, its edges in one hash table.

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

    /// The tree where a search can read it without asking whose it is.
    struct Edges {
        fileprivate let keys: UnsafePointer<UInt64>
        fileprivate let targets: UnsafePointer<Int32>
        fileprivate let mask: UInt64
        fileprivate let isEnd: UnsafePointer<Bool>

        /// Whether a word ends at a node.
        func isEnd(_ node: Int32) -> Bool { isEnd[Int(node)] }

        func child(_ node: Int32, _ symbol: UInt32) -> Int32? {
            let key = WordTrie.key(node, symbol)
            var place = Int(truncatingIfNeeded: WordTrie.hash(key) & mask)
            while keys[place] != 0 {
                if keys[place] == key { return targets[place] }
                place = Int(truncatingIfNeeded: UInt64(truncatingIfNeeded: place + 1) & mask)
            }
            return nil
        }
    }

    func withEdges<Result>(_ body: (Edges) -> Result) -> Result {
        keys.withUnsafeBufferPointer { keys in
            targets.withUnsafeBufferPointer { targets in
                isEnd.withUnsafeBufferPointer { isEnd in
                    // None is ever empty.
                    body(
                        Edges(
                            keys: keys.baseAddress!, targets: targets.baseAddress!, mask: mask,
                            isEnd: isEnd.baseAddress!))
                }
            }
        }
    }

    private static func hash(_ key: UInt64) -> UInt64 { (key &* 0x9E37_79B9_7F4A_7C15) >> 20 }

    func word(at node: Int32) -> Word? { isEnd[Int(node)] ? words[node] : nil }

    mutating func insert(_ symbols: [UInt32], finding: Int, isOpen: Bool) {
        var node = Self.root
        for symbol in symbols {
            if let child = withEdges({ $0.child(node, symbol) }) {
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
        var place = Int(truncatingIfNeeded: Self.hash(key) & mask)
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
