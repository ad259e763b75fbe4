// Probe: what a test plugin notes of itself, in memory that both sides know (plugins/probe.h).

import Core
import Glibc
import Synchronization
import Testing

@testable import PluginHost

final class Probe: Sendable {
    /// In the order of the enum in probe.h.
    enum Slot: Int {
        case created, destroyed, calls, cancelled, done, dropped, released, go, go2, started, token
        case completed, status, status2, sum, thread, createThread, destroyThread, cancelledToken, answer
        case results
    }

    // Never freed: a plugin may write to it as long as the process lives.
    private nonisolated(unsafe) let slots: UnsafeMutablePointer<Atomic<Int64>>

    init() {
        let count = Slot.results.rawValue + 40
        slots = .allocate(capacity: count)
        for index in 0..<count { (slots + index).initialize(to: Atomic(0)) }
    }

    var address: Int { Int(bitPattern: slots) }

    subscript(slot: Slot) -> Int { Int(slots[slot.rawValue].load(ordering: .sequentiallyConsistent)) }
    func result(_ line: Int) -> Int { Int(slots[Slot.results.rawValue + line].load(ordering: .sequentiallyConsistent)) }
    func results(_ count: Int) -> [Int] { (0..<count).map(result) }

    func set(_ slot: Slot, _ value: Int = 1) {
        slots[slot.rawValue].store(Int64(value), ordering: .sequentiallyConsistent)
    }

    /// Waits until the slot has reached a count.
    func waits(
        for slot: Slot, _ value: Int = 1, _ comment: Comment? = nil, _ location: SourceLocation = #_sourceLocation
    ) async {
        await eventually(comment ?? "\(slot) reaches \(value)", location) { self[slot] >= value }
    }
}

/// Polls until the condition holds; an issue when it does not within a generous time.
func eventually(
    _ comment: Comment, _ location: SourceLocation = #_sourceLocation, _ condition: @Sendable () async -> Bool
) async {
    let deadline = Deadline.after(milliseconds: 20_000)
    while await !condition() {
        if deadline.hasPassed() {
            Issue.record(comment, sourceLocation: location)
            return
        }
        try? await Task.sleep(nanoseconds: 500_000)
    }
}

/// The kernel's number of this thread, as gettid(2) gives it to C.
enum CurrentThread {
    static var id: Int {
        var target = [CChar](repeating: 0, count: 64)
        let count = readlink("/proc/thread-self", &target, target.count)
        let text = String(decoding: target.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.split(separator: "/").last.flatMap { Int($0) } ?? -1
    }
}
