// StagedRanges: the ranges of one text that a hook has staged edits for. None lies in another's way, so they have one order, by
// their beginnings and by their ends alike. They are kept in runs of bounded length: staging n edits in any order costs about
// n log n, and most hooks stage them from the front or from the back.

struct StagedRanges {
    private static let longestRun = 512
    /// Never empty runs.
    private var runs: [[Range<Int>]] = []

    /// False, and nothing is added, when `range` and one that is there change the same bytes, or one inserts inside of what the
    /// other replaces. Insertions at one place, and at the edges of what is replaced, are in nobody's way.
    mutating func add(_ range: Range<Int>) -> Bool {
        // The first that ends beyond the new one's beginning: those before it are out of the way, and the new one belongs before it.
        let run = Self.first(in: runs) { $0[$0.count - 1].upperBound > range.lowerBound }
        guard run < runs.count else {
            append(range)
            return true
        }
        let place = Self.first(in: runs[run]) { $0.upperBound > range.lowerBound }
        guard runs[run][place].lowerBound >= range.upperBound else { return false }
        runs[run].insert(range, at: place)
        split(run)
        return true
    }

    private mutating func append(_ range: Range<Int>) {
        guard let last = runs.indices.last, runs[last].count < Self.longestRun else {
            runs.append([range])
            return
        }
        runs[last].append(range)
    }

    private mutating func split(_ run: Int) {
        let count = runs[run].count
        guard count > Self.longestRun else { return }
        let tail = Array(runs[run][(count / 2)...])
        runs[run].removeLast(tail.count)
        runs.insert(tail, at: run + 1)
    }

    /// The index of the first element that `holds`, which all after it do, too.
    private static func first<Element>(in list: [Element], where holds: (Element) -> Bool) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if holds(list[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
