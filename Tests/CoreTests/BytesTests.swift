// Memory at a stable address, shared by slices.

import Synchronization
import Testing

@testable import Core

@Suite struct BytesTests {
    @Test func slicesShareTheStorage() {
        let bytes = Bytes("hello world")
        let slice = bytes[6..<11]
        #expect(String(slice) == "world")
        #expect(slice.pointer == bytes.pointer + 6)
        #expect(slice[1..<3].pointer == bytes.pointer + 7)
        #expect(slice[0] == UInt8(ascii: "w"))
        #expect(bytes[3..<3].isEmpty)
        #expect(bytes[11..<11].isEmpty)
    }

    @Test func bytesAreEqualByWhatTheyHold() {
        #expect(Bytes("xabc")[1..<4] == Bytes("abc"))
        #expect(Bytes("abc") != Bytes("abd"))
        #expect(Bytes("abc") != Bytes("ab"))
        #expect(Bytes("") == .empty)
        #expect(Bytes([UInt8]()) == .empty)
        #expect(Bytes(copying: UnsafeRawBufferPointer(start: nil, count: 0)) == .empty)
    }

    @Test func illFormedTextIsRepairedWhenItIsRead() {
        #expect(String(Bytes([0x61, 0xFF])) == "a\u{FFFD}")
    }

    @Test func foreignMemoryIsReleasedOnceAfterTheLastSlice() {
        let released = Released()
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 1)
        memory.copyMemory(from: Array("abcd".utf8), byteCount: 4)
        nonisolated(unsafe) let owned = memory
        var bytes: Bytes? = Bytes(
            storage: ByteStorage.foreign(memory, count: 4) {
                released.count.add(1, ordering: .relaxed)
                owned.deallocate()
            }, offset: 0, count: 4)
        var slice = bytes.map { $0[1..<3] }
        bytes = nil
        #expect(slice.map { String($0) } == "bc")
        #expect(released.count.load(ordering: .relaxed) == 0)
        slice = nil
        #expect(released.count.load(ordering: .relaxed) == 1)
    }

    private final class Released: Sendable { let count = Atomic<Int>(0) }

    @Test func aBuilderGrowsAndGivesAway() {
        var builder = BytesBuilder(capacity: 0)
        var expected = ""
        for index in 0..<1000 {
            builder.append("\(index),")
            expected += "\(index),"
        }
        builder.append(UInt8(0x21))
        builder.append(Bytes("é"))
        builder.append(StaticString("!"))
        builder.append("")
        builder.append(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(builder.count == expected.utf8.count + 4)
        let first = builder.finish()
        #expect(String(first) == expected + "!é!")
        // What comes now is a new text; the old is untouched.
        #expect(builder.count == 0)
        builder.append("again")
        #expect(String(builder.finish()) == "again")
        #expect(String(first) == expected + "!é!")
        #expect(builder.finish().isEmpty)
    }
}

@Suite struct RandomnessTests {
    @Test func uuidsHaveTheFormOfVersion4() throws {
        var random = Xoshiro256()
        var seen: Set<String> = []
        for _ in 0..<2000 {
            let uuid = random.uuid()
            #expect(seen.insert(uuid).inserted)
            let parts = uuid.split(separator: "-", omittingEmptySubsequences: false)
            #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
            #expect(uuid.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || $0 == 0x2D })
            #expect(parts[2].first == "4")
            #expect("89ab".contains(try #require(parts[3].first)))
        }
        // Every digit that is free takes every value.
        for place in [0, 7, 9, 12, 15, 17, 20, 22, 24, 35] {
            #expect(Set(seen.map { Array($0.utf8)[place] }).count == 16, "digit \(place)")
        }
    }

    @Test func aSeedGivesTheSameNumbersAgain() {
        var first = Xoshiro256(seed: 1)
        var second = Xoshiro256(seed: 1)
        var third = Xoshiro256(seed: 2)
        let numbers = (0..<100).map { _ in first.next() }
        #expect(numbers == (0..<100).map { _ in second.next() })
        #expect(numbers != (0..<100).map { _ in third.next() })
        #expect(Set(numbers).count == 100)
    }

    @Test func thePublishedSequenceComes() {
        // xoshiro256** by Blackman and Vigna, seeded by splitmix64 from 0, as the reference code gives it.
        var random = Xoshiro256(seed: 0)
        #expect(
            (0..<4).map { _ in random.next() } == [
                0x99EC_5F36_CB75_F2B4, 0xBF6E_1F78_4956_452A, 0x1A5F_849D_4933_E6E0, 0x6AA5_94F1_262D_2D2C,
            ])
    }
}

@Suite struct DeadlineTests {
    @Test func deadlinesLieSoManyMillisecondsAhead() {
        let deadline = Deadline.after(milliseconds: 5, from: 1000)
        #expect(deadline.nanoseconds == 5_001_000)
        #expect(deadline.remaining(at: 1000) == 5_000_000)
        #expect(!deadline.hasPassed(at: 5_000_999))
        #expect(deadline.hasPassed(at: 5_001_000))
        #expect(deadline.remaining(at: 9_000_000) == 0)
        #expect(Deadline.after(milliseconds: -1, from: 0).hasPassed(at: 0))
    }

    @Test func neverIsNever() {
        #expect(Deadline.after(milliseconds: .max, from: 0) == .never)
        #expect(Deadline.after(milliseconds: Int.max / 1_000_000, from: .max / 2) == .never)
        #expect(Deadline.never.remaining(at: .max - 1) == .max)
        #expect(!Deadline.never.hasPassed(at: .max - 1))
        #expect(min(Deadline.never, Deadline(nanoseconds: 5)) == Deadline(nanoseconds: 5))
    }

    @Test func timestampsAreRFC3339() {
        #expect(WallClock.timestamp(0) == "1970-01-01T00:00:00.000Z")
        #expect(WallClock.timestamp(1_769_850_300_250_999_999) == "2026-01-31T09:05:00.250Z")
        #expect(WallClock.timestamp(951_782_399_999_000_000) == "2000-02-28T23:59:59.999Z")
        #expect(WallClock.now() > 1_700_000_000_000_000_000)
    }

    @Test func theMonotonicClockDoesNotGoBack() {
        var last = MonotonicClock.now()
        for _ in 0..<1000 {
            let now = MonotonicClock.now()
            #expect(now >= last)
            last = now
        }
    }
}
