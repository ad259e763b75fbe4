// What the in-memory cache keeps, forgets, and counts.

import Core
import Synchronization
import Testing

@testable import Cache

private final class ManualClock: Sendable {
    private let time = Atomic<Int64>(1_000_000_000)
    var now: @Sendable () -> Int64 { { self.time.load(ordering: .relaxed) } }
    func advance(seconds: Int64) { time.wrappingAdd(seconds * 1_000_000_000, ordering: .relaxed) }
}

private func key(_ number: Int) -> CacheKey {
    var random = Xoshiro256(seed: UInt64(number))
    return CacheKey(random.next(), random.next(), random.next(), random.next())
}

private func entry(_ body: String, form: CacheEntry.Form = .whole) -> CacheEntry {
    CacheEntry(
        status: 200, contentType: "application/json", headers: [CachedHeader("x-a", "1")], body: Bytes(body),
        form: form,
        storedAt: 5)
}

/// One shard, and room for `count` entries with a body of 100 bytes.
private func cache(entries count: Int, clock: ManualClock = ManualClock()) -> MemoryCache {
    let cost = MemoryCache.cost(of: entry(String(repeating: "x", count: 100)))
    return MemoryCache(maximumBytes: cost * count, maximumEntryBytes: cost, shards: 1, now: clock.now)
}

private let body = String(repeating: "x", count: 100)

@Suite struct MemoryCacheTests {
    @Test func givesBackWhatWasPut() {
        let cache = MemoryCache(maximumBytes: 1 << 20)
        cache.put(key(1), entry("{}", form: .events), forSeconds: 60)
        #expect(cache.get(key(1)) == entry("{}", form: .events))
        #expect(cache.get(key(2)) == nil)
        #expect(cache.statistics().hits == 1)
        #expect(cache.statistics().misses == 1)
    }

    @Test func forgetsWhenTheTimeIsOver() {
        let clock = ManualClock()
        let cache = cache(entries: 4, clock: clock)
        cache.put(key(1), entry(body), forSeconds: 10)
        clock.advance(seconds: 9)
        #expect(cache.get(key(1)) != nil)
        clock.advance(seconds: 1)
        #expect(cache.get(key(1)) == nil)
        let statistics = cache.statistics()
        #expect(statistics.expirations == 1)
        #expect(statistics.misses == 1)
        #expect(statistics.entries == 0)
        #expect(statistics.bytes == 0)
    }

    @Test func theLeastRecentlyUsedGoesFirst() {
        let cache = cache(entries: 3)
        for number in 1...3 { cache.put(key(number), entry(body), forSeconds: 60) }
        #expect(cache.get(key(1)) != nil)
        cache.put(key(4), entry(body), forSeconds: 60)
        #expect(cache.get(key(2)) == nil)
        #expect(cache.get(key(1)) != nil)
        #expect(cache.get(key(3)) != nil)
        #expect(cache.get(key(4)) != nil)
        #expect(cache.statistics().evictions == 1)
        #expect(cache.statistics().entries == 3)
    }

    @Test func aNewEntryTakesThePlaceOfTheOld() {
        let cache = cache(entries: 3)
        cache.put(key(1), entry(body), forSeconds: 60)
        cache.put(key(1), entry("new"), forSeconds: 60)
        #expect(cache.get(key(1)).map { String($0.body) } == "new")
        #expect(cache.statistics().entries == 1)
        #expect(cache.statistics().bytes == MemoryCache.cost(of: entry("new")))
        #expect(cache.statistics().evictions == 0)
    }

    @Test func whatIsTooLargeIsNotKeptAndTheOldAnswerIsGone() {
        let cache = MemoryCache(maximumBytes: 1 << 20, maximumEntryBytes: 1000)
        cache.put(key(1), entry("small"), forSeconds: 60)
        cache.put(key(1), entry(String(repeating: "x", count: 1000)), forSeconds: 60)
        #expect(cache.get(key(1)) == nil)
        #expect(cache.statistics().refusals == 1)
        #expect(cache.statistics().bytes == 0)
    }

    @Test(arguments: [0, -1]) func withoutTimeNothingIsKept(seconds: Int) {
        let cache = MemoryCache(maximumBytes: 1 << 20)
        cache.put(key(1), entry("x"), forSeconds: seconds)
        #expect(cache.get(key(1)) == nil)
        #expect(cache.statistics().refusals == 0)
    }

    @Test func anEndlessTimeDoesNotOverflow() {
        let cache = MemoryCache(maximumBytes: 1 << 20)
        cache.put(key(1), entry("x"), forSeconds: .max)
        #expect(cache.get(key(1)) != nil)
    }

    @Test func removesOneAndAll() {
        let cache = MemoryCache(maximumBytes: 1 << 20)
        for number in 1...20 { cache.put(key(number), entry("x"), forSeconds: 60) }
        cache.remove(key(1))
        #expect(cache.get(key(1)) == nil)
        #expect(cache.statistics().entries == 19)
        cache.removeAll()
        #expect(cache.statistics().entries == 0)
        #expect(cache.statistics().bytes == 0)
        cache.put(key(2), entry("y"), forSeconds: 60)
        #expect(cache.get(key(2)).map { String($0.body) } == "y")
    }

    @Test func aCacheWithoutRoomKeepsNothing() {
        let cache = MemoryCache(maximumBytes: 0)
        cache.put(key(1), entry("x"), forSeconds: 60)
        #expect(cache.get(key(1)) == nil)
    }

    @Test func keepsNoForeignMemoryAlive() {
        let isReleased = Mutex(false)
        let cache = MemoryCache(maximumBytes: 1 << 20)
        do {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 1)
            memory.copyMemory(from: [1, 2, 3, 4] as [UInt8], byteCount: 4)
            let foreign = ByteStorage.foreign(memory, count: 4) {
                isReleased.withLock { $0 = true }
            }
            cache.put(
                key(1),
                CacheEntry(
                    status: 200, contentType: "", body: Bytes(storage: foreign, offset: 1, count: 2), form: .whole),
                forSeconds: 60)
        }
        #expect(isReleased.withLock { $0 })
        #expect(cache.get(key(1))?.body.array == [2, 3])
    }

    /// Against the simplest cache that could be right: an array in order of use.
    @Test func behavesLikeTheModelUnderRandomUse() {
        let room = 20
        let cache = cache(entries: room)
        var model: [(key: Int, body: String)] = []
        var random = Xoshiro256(seed: 7)
        for step in 0..<20_000 {
            let number = Int.random(in: 0..<60, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let found = cache.get(key(number)).map { String($0.body) }
                let index = model.firstIndex { $0.key == number }
                #expect(found == index.map { model[$0].body }, "step \(step)")
                if let index { model.append(model.remove(at: index)) }
            case 5..<9:
                let text = String(repeating: "x", count: 90) + String(1_000_000_000 + step)
                cache.put(key(number), entry(text), forSeconds: 60)
                model.removeAll { $0.key == number }
                if model.count == room { model.removeFirst() }
                model.append((number, text))
            default:
                cache.remove(key(number))
                model.removeAll { $0.key == number }
            }
            if cache.statistics().entries != model.count {
                Issue.record("step \(step): \(cache.statistics()) but \(model.count)")
                return
            }
        }
    }

    @Test func staysWithinItsBoundsWhenManyThreadsUseIt() async {
        let cache = MemoryCache(maximumBytes: 200_000, maximumEntryBytes: 5000)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    var random = Xoshiro256(seed: UInt64(task))
                    for _ in 0..<5000 {
                        let number = Int.random(in: 0..<500, using: &random)
                        if let found = cache.get(key(number)) {
                            #expect(found.status == number)
                        } else {
                            var fresh = entry(String(repeating: "y", count: number * 5))
                            fresh.status = number
                            cache.put(key(number), fresh, forSeconds: 60)
                        }
                    }
                }
            }
        }
        let statistics = cache.statistics()
        #expect(statistics.bytes <= 200_000)
        #expect(statistics.bytes > 100_000)
        #expect(statistics.evictions > 0)
        #expect(statistics.hits + statistics.misses == 20_000)
    }

    @Test func keysComeFromDigests() {
        let digest = [UInt8](0..<32)
        let made = digest.withUnsafeBytes { CacheKey(digest: $0) }
        #expect(
            made == CacheKey(0x0001_0203_0405_0607, 0x0809_0A0B_0C0D_0E0F, 0x1011_1213_1415_1617, 0x1819_1A1B_1C1D_1E1F)
        )
        #expect(digest[1...].withUnsafeBytes { CacheKey(digest: $0) } == nil)
    }

    @Test func servesBehindTheProtocol() async {
        let cache: any ResponseCache = MemoryCache(maximumBytes: 1 << 20)
        await cache.put(key(1), entry("x"), forSeconds: 60)
        #expect(await cache.get(key(1)) != nil)
        await cache.removeAll()
        #expect(await cache.statistics().entries == 0)
    }
}
