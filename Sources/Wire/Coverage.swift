// Coverage: what there was to see on one side of an exchange, and what a guard saw of it, by kind of segment. The gateway counts,
// never the plugin.

package struct Coverage: Sendable, Equatable {
    package struct Count: Sendable, Equatable {
        package let kind: Segment.Kind
        /// All there was, in whole segments and in bytes of decoded text (of base64 data as it stands).
        package internal(set) var presentedSegments = 0
        package internal(set) var presentedBytes = 0
        package internal(set) var seenSegments = 0
        package internal(set) var seenBytes = 0

        package var isComplete: Bool { seenSegments >= presentedSegments && seenBytes >= presentedBytes }
    }

    /// Of the kinds that occurred, in the order in which they did.
    package private(set) var counts: [Count] = []

    package init() {}

    package var isEmpty: Bool { counts.isEmpty }

    /// Notes text of a segment. `isNew`: it is the first of its segment.
    package mutating func present(_ kind: Segment.Kind, bytes: Int, isNew: Bool = true) {
        let index = index(of: kind)
        counts[index].presentedBytes += bytes
        if isNew { counts[index].presentedSegments += 1 }
    }

    package mutating func see(_ kind: Segment.Kind, bytes: Int, isNew: Bool = true) {
        let index = index(of: kind)
        counts[index].seenBytes += bytes
        if isNew { counts[index].seenSegments += 1 }
    }

    private mutating func index(of kind: Segment.Kind) -> Int {
        if let known = counts.firstIndex(where: { $0.kind == kind }) { return known }
        counts.append(Count(kind: kind))
        return counts.count - 1
    }

    /// The first kind that was to be seen and was not, or not all of it.
    package func firstUnseen(of demanded: Set<Segment.Kind>) -> Count? {
        counts.first { !$0.isComplete && demanded.contains($0.kind) }
    }
}
