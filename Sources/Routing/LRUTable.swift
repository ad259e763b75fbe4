// LRUTable: a dictionary of bounded size that forgets what has not been used for longest.
//
// The entries stand in one array and are linked by index in the order of their last use, so that every operation takes
// constant time and a full table allocates no more.

struct LRUTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Slot: Sendable {
        var key: Key
        var value: Value
        /// The slots used next later and next earlier; -1 at the ends.
        var later: Int
        var earlier: Int
    }

    private let capacity: Int
    private var slots: [Slot] = []
    private var places: [Key: Int] = [:]
    private var latest = -1
    private var earliest = -1
    /// The slot that `sweep` looks at next.
    private var hand = 0

    init(capacity: Int) { self.capacity = max(1, capacity) }

    var count: Int { slots.count }

    /// All entries, in no order, and without counting as a use.
    var entries: some Sequence<(key: Key, value: Value)> { slots.lazy.map { ($0.key, $0.value) } }

    /// The value of a key. Reading is a use, as is writing.
    mutating func value(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        touch(place)
        return slots[place].value
    }

    mutating func set(_ key: Key, _ value: Value) {
        if let place = places[key] {
            slots[place].value = value
            touch(place)
        } else {
            insert(key, value)
        }
    }

    /// Changes a value in place; a key without one begins with `initial`.
    mutating func update(_ key: Key, initial: @autoclosure () -> Value, _ change: (inout Value) -> Void) {
        if let place = places[key] {
            change(&slots[place].value)
            touch(place)
        } else {
            var value = initial()
            change(&value)
            insert(key, value)
        }
    }

    /// Changes the value of a key that has one.
    mutating func amend(_ key: Key, _ change: (inout Value) -> Void) {
        guard let place = places[key] else { return }
        change(&slots[place].value)
        touch(place)
    }

    /// Whether there is such a key; asking is no use.
    func contains(_ key: Key) -> Bool { places[key] != nil }

    /// Looks at the next `count` entries, round and round, and removes those that are done: a little work with each
    /// use instead of much of it at times.
    mutating func sweep(_ count: Int, where isDone: (Value) -> Bool) {
        for _ in 0..<min(count, slots.count) where !slots.isEmpty {
            if hand >= slots.count { hand = 0 }
            if isDone(slots[hand].value) { remove(hand) } else { hand += 1 }
        }
    }

    /// The last slot moves into the gap.
    private mutating func remove(_ place: Int) {
        unlink(place)
        places[slots[place].key] = nil
        let moved = slots.removeLast()
        guard place < slots.count else { return }
        slots[place] = moved
        places[moved.key] = place
        if moved.later >= 0 { slots[moved.later].earlier = place } else { latest = place }
        if moved.earlier >= 0 { slots[moved.earlier].later = place } else { earliest = place }
    }

    private mutating func insert(_ key: Key, _ value: Value) {
        let place: Int
        if slots.count < capacity {
            place = slots.count
            slots.append(Slot(key: key, value: value, later: -1, earlier: -1))
        } else {
            place = earliest
            unlink(place)
            places[slots[place].key] = nil
            slots[place].key = key
            slots[place].value = value
        }
        places[key] = place
        link(place)
    }

    private mutating func touch(_ place: Int) {
        guard place != latest else { return }
        unlink(place)
        link(place)
    }

    private mutating func unlink(_ place: Int) {
        let (later, earlier) = (slots[place].later, slots[place].earlier)
        if later >= 0 { slots[later].earlier = earlier } else { latest = earlier }
        if earlier >= 0 { slots[earlier].later = later } else { earliest = later }
    }

    private mutating func link(_ place: Int) {
        slots[place].later = -1
        slots[place].earlier = latest
        if latest >= 0 { slots[latest].later = place } else { earliest = place }
        latest = place
    }
}
