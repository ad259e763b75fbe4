// Marks: which elements and members of one value some schema has looked at, for "unevaluatedItems" and
// "unevaluatedProperties". Off, and free, wherever neither is near.

struct Marks {
    let isOn: Bool
    private var items: [Bool] = []
    private var members: [Bool] = []

    private init(isOn: Bool) { self.isOn = isOn }

    static let off = Marks(isOn: false)
    static let on = Marks(isOn: true)

    /// None yet, for a schema whose marks count only if it holds.
    var fresh: Marks { isOn ? .on : .off }

    func hasItem(_ index: Int) -> Bool { index < items.count && items[index] }
    func hasMember(_ index: Int) -> Bool { index < members.count && members[index] }

    mutating func markItems(_ range: Range<Int>, of count: Int) {
        guard !range.isEmpty else { return }
        if items.isEmpty { items = [Bool](repeating: false, count: count) }
        for index in range { items[index] = true }
    }

    mutating func markMember(_ index: Int, of count: Int) {
        if members.isEmpty { members = [Bool](repeating: false, count: count) }
        members[index] = true
    }

    /// Both are about the same value.
    mutating func merge(_ other: Marks) {
        items = Self.union(items, other.items)
        members = Self.union(members, other.members)
    }

    private static func union(_ left: [Bool], _ right: [Bool]) -> [Bool] {
        if left.isEmpty { return right }
        if right.isEmpty { return left }
        return zip(left, right).map { $0 || $1 }
    }
}
