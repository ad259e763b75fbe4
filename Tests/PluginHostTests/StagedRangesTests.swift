// Staged ranges against the plain rule, in every order.

import Testing

@testable import PluginHost

@Suite struct StagedRangesTests {
    /// The rule as the ABI states it: neither changes the same bytes, nor inserts inside of what the other replaces.
    private func isInTheWay(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
        one.lowerBound < other.upperBound && other.lowerBound < one.upperBound
    }

    @Test(arguments: [8, 60, 5000])
    func noneIsInTheWayOfAnother(length: Int) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<(length < 1000 ? 200 : 1) {
            var ranges = StagedRanges()
            var taken: [Range<Int>] = []
            for _ in 0..<length {
                let begin = Int.random(in: 0...length, using: &random)
                let range = begin..<min(length, begin + Int.random(in: 0...3, using: &random))
                let isFree = !taken.contains { isInTheWay($0, range) }
                let isAdded = ranges.add(range)
                #expect(isAdded == isFree, "\(range) beside \(taken)")
                if isFree { taken.append(range) }
            }
        }
    }

    @Test func manyFromTheFrontAndFromTheBack() {
        var forth = StagedRanges()
        var back = StagedRanges()
        let count = 200_000
        var refused = 0
        for index in 0..<count {
            if !forth.add(2 * index..<2 * index + 1) { refused += 1 }
            let mirrored = 2 * (count - index)
            if !back.add(mirrored..<mirrored + 1) { refused += 1 }
        }
        #expect(refused == 0)
        let answers = [
            forth.add(0..<1), forth.add(count..<count + 1), forth.add(count + 1..<count + 2), back.add(1..<3),
            back.add(2 * count + 1..<2 * count + 1),
        ]
        #expect(answers == [false, false, true, false, true])
    }
}
