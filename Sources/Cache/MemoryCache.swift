// MemoryCache: a response cache in the process's own memory, bounded in bytes, least recently used out first.
//
// The key's last word chooses a shard, each with its own lock, so that event loops seldom meet. In a shard a
// dictionary leads from the key to a slot; slots form a doubly linked list through their indices, so that a hit, a
// new entry and an eviction cost the same whatever the cache holds. Memory is given back outside the locks.

import Core
import Synchronization

package final class MemoryCache: ResponseCache {
    /// What an entry costs beside its bytes: slot, dictionary entry, allocations. Measured as growth of the resident
    /// set over 150,000 entries (about 360 bytes each, about 160 for each header whose words are too long to be
    /// stored in place).
    private static let entryOverhead = 384
    private static let headerOverhead = 160

    private let shards: [Shard]
    private let shardMask: UInt64
    private let maximumEntryBytes: Int
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - maximumBytes: the most that all entries may take, bookkeeping included.
    ///   - maximumEntryBytes: larger answers are not kept.
    ///   - now: the monotonic clock, in nanoseconds.
    package init(
        maximumBytes: Int, maximumEntryBytes: Int = 4 << 20, shards: Int = 16,
        now: @escaping @Sendable () -> Int64 = { MonotonicClock.now() }
    ) {
        let total = max(maximumBytes, 0)
        // A shard must hold several of the largest entries, or they would push each other out of a half-empty cache.
        let entry = min(max(maximumEntryBytes, 0), total)
        var count = 1
        while count * 2 <= min(shards, 256), total / (count * 2) >= max(entry, 1) * 4 { count *= 2 }
        self.shards = (0..<count).map { _ in Shard(maximumBytes: total / count) }
        shardMask = UInt64(count - 1)
        self.maximumEntryBytes = entry
        self.now = now
    }

    private func shard(_ key: CacheKey) -> Shard { shards[Int(key.words.3 & shardMask)] }

    package func get(_ key: CacheKey) -> CacheEntry? {
        let now = now()
        let (entry, expired) = shard(key).state.withLock { $0.get(key, now: now) }
        withExtendedLifetime(expired) {}
        return entry
    }

    package func put(_ key: CacheKey, _ entry: CacheEntry, forSeconds seconds: Int) {
        let shard = shard(key)
        let cost = Self.cost(of: entry)
        guard seconds > 0, cost <= maximumEntryBytes else {
            let replaced = shard.state.withLock { state in
                if seconds > 0 { state.statistics.refusals += 1 }
                return state.remove(key)
            }
            withExtendedLifetime(replaced) {}
            return
        }
        var kept = entry
        // A slice would keep its whole buffer alive, foreign memory its owner: the cache's bytes are its own.
        kept.body = withExtendedLifetime(entry.body) { Bytes(copying: entry.body.buffer) }
        let end = Deadline.after(milliseconds: min(seconds, Int.max / 1000) * 1000, from: now()).nanoseconds
        let evicted = shard.state.withLock { $0.put(key, kept, cost: cost, expiresAt: end) }
        withExtendedLifetime(evicted) {}
    }

    package func remove(_ key: CacheKey) {
        let removed = shard(key).state.withLock { $0.remove(key) }
        withExtendedLifetime(removed) {}
    }

    package func removeAll() {
        for shard in shards {
            let removed = shard.state.withLock { $0.removeAll() }
            withExtendedLifetime(removed) {}
        }
    }

    package func statistics() -> CacheStatistics {
        var total = CacheStatistics()
        for shard in shards {
            let part = shard.state.withLock { $0.statistics }
            total.entries += part.entries
            total.bytes += part.bytes
            total.hits += part.hits
            total.misses += part.misses
            total.evictions += part.evictions
            total.expirations += part.expirations
            total.refusals += part.refusals
        }
        return total
    }

    static func cost(of entry: CacheEntry) -> Int {
        var bytes = entryOverhead + entry.body.count + entry.contentType.utf8.count
        for header in entry.headers { bytes += header.name.utf8.count + header.value.utf8.count + headerOverhead }
        return bytes
    }
}

private final class Shard: Sendable {
    let state: Mutex<ShardState>

    init(maximumBytes: Int) { state = Mutex(ShardState(maximumBytes: maximumBytes)) }
}

/// Slots in a list from the most to the least recently used one. Pure: the caller holds the lock and the clock.
private struct ShardState: Sendable {
    private struct Slot {
        var key: CacheKey
        var entry: CacheEntry?
        var cost: Int
        var expiresAt: Int64
        /// Towards the most recently used; -1 at the head.
        var newer: Int32
        /// Towards the least recently used; -1 at the tail. Links the free slots, too.
        var older: Int32
    }

    private let maximumBytes: Int
    private var index: [CacheKey: Int32] = [:]
    private var slots: [Slot] = []
    private var newest: Int32 = -1
    private var oldest: Int32 = -1
    private var firstFree: Int32 = -1
    var statistics = CacheStatistics()

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    /// The entry, or one whose time was over and which the caller is to let go of.
    mutating func get(_ key: CacheKey, now: Int64) -> (entry: CacheEntry?, expired: CacheEntry?) {
        guard let slot = index[key] else {
            statistics.misses += 1
            return (nil, nil)
        }
        guard slots[Int(slot)].expiresAt > now else {
            statistics.misses += 1
            statistics.expirations += 1
            index[key] = nil
            return (nil, release(slot))
        }
        statistics.hits += 1
        if newest != slot {
            unlink(slot)
            linkAsNewest(slot)
        }
        return (slots[Int(slot)].entry, nil)
    }

    /// What had to go for `entry`.
    mutating func put(_ key: CacheKey, _ entry: CacheEntry, cost: Int, expiresAt: Int64) -> [CacheEntry] {
        var gone: [CacheEntry] = []
        if let replaced = remove(key) { gone.append(replaced) }
        while statistics.bytes + cost > maximumBytes, oldest >= 0 {
            index[slots[Int(oldest)].key] = nil
            if let evicted = release(oldest) { gone.append(evicted) }
            statistics.evictions += 1
        }
        let slot = take(Slot(key: key, entry: entry, cost: cost, expiresAt: expiresAt, newer: -1, older: -1))
        linkAsNewest(slot)
        index[key] = slot
        statistics.entries += 1
        statistics.bytes += cost
        return gone
    }

    mutating func remove(_ key: CacheKey) -> CacheEntry? {
        guard let slot = index.removeValue(forKey: key) else { return nil }
        return release(slot)
    }

    mutating func removeAll() -> [CacheEntry] {
        let gone = slots.compactMap(\.entry)
        slots = []
        index = [:]
        (newest, oldest, firstFree) = (-1, -1, -1)
        statistics.entries = 0
        statistics.bytes = 0
        return gone
    }

    private mutating func take(_ content: Slot) -> Int32 {
        guard firstFree >= 0 else {
            slots.append(content)
            return Int32(slots.count - 1)
        }
        let slot = firstFree
        firstFree = slots[Int(slot)].older
        slots[Int(slot)] = content
        return slot
    }

    private mutating func release(_ slot: Int32) -> CacheEntry? {
        unlink(slot)
        let entry = slots[Int(slot)].entry.take()
        statistics.entries -= 1
        statistics.bytes -= slots[Int(slot)].cost
        slots[Int(slot)].older = firstFree
        firstFree = slot
        return entry
    }

    private mutating func unlink(_ slot: Int32) {
        let newer = slots[Int(slot)].newer
        let older = slots[Int(slot)].older
        if newer >= 0 { slots[Int(newer)].older = older } else { newest = older }
        if older >= 0 { slots[Int(older)].newer = newer } else { oldest = newer }
    }

    private mutating func linkAsNewest(_ slot: Int32) {
        slots[Int(slot)].newer = -1
        slots[Int(slot)].older = newest
        if newest >= 0 { slots[Int(newest)].newer = slot } else { oldest = slot }
        newest = slot
    }
}
