// Bytes that a provider hands over with a release: they are given back once, and their instance outlives them.

import CGatehouse
import Core
import Testing

@testable import PluginHost

@Suite struct OwnershipTests {
    private final class Counter { var released = 0 }

    private func bytes(_ text: StaticString, _ counter: Counter) -> gh_bytes {
        gh_bytes(
            ptr: text.utf8Start, len: text.utf8CodeUnitCount,
            release: { Unmanaged<Counter>.fromOpaque($0!).takeRetainedValue().released += 1 },
            owner: Unmanaged.passRetained(counter).toOpaque())
    }

    @Test func theBodyOfARequestKeepsItsAdapter() async throws {
        let counter = Counter()
        var out: OutgoingRequest? = OutgoingRequest(method: "POST") { _ in nil }
        let probe: Probe
        do {
            let bench = try Bench.doing("state")
            probe = bench.probe
            out?.instance = bench.instance
            #expect(OutgoingRequest.table.pointee.out_body?(out?.pointer, bytes("{}", counter)) == gh_status(GH_OK))
            // As after build().
            out?.instance = nil
        }
        #expect(counter.released == 0)
        #expect(probe[.destroyed] == 0)
        out = nil
        #expect(counter.released == 1)
        await probe.waits(for: .destroyed)
    }

    @Test func bytesThatAreRefusedAreGivenBack() {
        let counter = Counter()
        let out = OutgoingRequest(method: "POST") { _ in nil }
        let table = OutgoingRequest.table.pointee
        #expect(table.out_answer?(out.pointer, 7, gh_str("a/b"), bytes("{}", counter), 0, 0) == gh_status(GH_INVALID))
        #expect(table.out_body?(nil, bytes("{}", counter)) == gh_status(GH_INVALID))
        #expect(counter.released == 2)
    }
}
