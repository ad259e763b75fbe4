// The life of a hook call: every row of the table in the design, and what a plugin may get wrong in it.

import CGatehouse
import Core
import Glibc
import Testing

@testable import PluginHost

private let ok = Int(GH_OK)
private let gone = Int(GH_GONE)

@Suite struct HookLifeTests {
    private let loop = TestLoop()

    // MARK: running -> done

    @Test func aVerdictEndsTheCall() async throws {
        func decision(_ verdict: Int) async throws -> (Decision, Bench) {
            let bench = try Bench.doing("verdict", with: [("number", JSONValue(verdict))])
            return (await loop.run(.request, on: bench.exchange()), bench)
        }
        #expect(try await decision(GH_CONTINUE).0.verdict == .proceed)
        #expect(
            try await decision(GH_DENY).0.verdict
                == .deny(Denial(status: 456, code: "a_word", message: "A sentence.", retryAfterMilliseconds: 1500)))
        #expect(try await decision(GH_RETRY).0.verdict == .retry(target: "other"))
        #expect(try await decision(GH_FAIL).0.verdict == .fail("A sentence."))
        #expect(try await decision(99).0.verdict == .fail("the hook returned 99, which is no verdict"))
        #expect(try await decision(-1).0.verdict == .fail("the hook returned -1, which is no verdict"))
        let (answer, bench) = try await decision(GH_ANSWER)
        #expect(
            answer.verdict
                == .answer(PluginAnswer(status: 456, body: "{\"canned\":true}", contentType: "application/json")))
        #expect(bench.recorder.misbehaviour.isEmpty)
    }

    @Test(arguments: [GH_CONTINUE, GH_DENY, GH_ANSWER, GH_RETRY, GH_FAIL, 99])
    func bytesOfADecisionAreReleasedOnceWhateverTheVerdict(_ verdict: Int) async throws {
        let bench = try Bench.doing("verdict", with: [("number", JSONValue(verdict))])
        var decision: Decision? = await loop.run(.request, on: bench.exchange())
        #expect(decision != nil)
        if verdict == GH_ANSWER { #expect(bench.probe[.released] == 0) }
        decision = nil
        #expect(bench.probe[.released] == 1)
    }

    @Test func statusesOutOfRangeAreTheHosts() {
        var raw = gh_decision()
        for (status, expected) in [(399, 0), (400, 400), (599, 599), (600, 0), (-1, 0), (200, 0)] as [(Int32, Int)] {
            raw.http_status = status
            #expect(Decision(gh_verdict(GH_DENY), raw).denialStatus == expected)
        }
        for (status, expected) in [(199, 200), (201, 201), (599, 599), (0, 200)] as [(Int32, Int)] {
            raw.http_status = status
            #expect(
                Decision(gh_verdict(GH_ANSWER), raw).verdict
                    == .answer(PluginAnswer(status: expected, body: .empty, contentType: "application/json")))
        }
    }

    @Test func aHookThatIsNotThereProceeds() async throws {
        let bench = try Bench("services")
        let facts = ExchangeFacts.chat(answer: "{}")
        #expect(await loop.run(.response, on: bench.exchange(facts)).verdict == .proceed)
    }

    @Test func aFailureIsDescribed() async throws {
        let bench = try Bench.doing("verdict", with: [("number", JSONValue(GH_RETRY))])
        let info = PluginFailureInfo(status: 503, isRetryable: true, isFinal: true, isTransport: false, message: "no")
        #expect(await loop.run(.error(info), on: bench.exchange()).verdict == .retry(target: "other"))
        #expect(bench.probe[.status] == 503)
        #expect(bench.probe[.status2] == GH_FAILURE_RETRYABLE | GH_FAILURE_FINAL)
    }

    // MARK: running -> pending -> done

    @Test func aCallMayBeCompletedBeforeTheHookReturns() async throws {
        let bench = try Bench.doing("pend_complete_inside")
        #expect(await loop.run(.request, on: bench.exchange()).denialStatus == 452)
        #expect(bench.probe[.status] == ok)
        #expect(bench.probe[.cancelled] == 0)
        // A second pend() in the same call is the same call.
        #expect(bench.probe.result(0) == bench.probe[.token])
        #expect(bench.recorder.misbehaviour.isEmpty)
    }

    @Test func aCallMayBeCompletedFromAnotherThread() async throws {
        let bench = try Bench.doing("pend", with: [("number", JSONValue(GH_DENY))])
        let exchange = bench.exchange()
        async let decision = loop.run(.request, on: exchange)
        await bench.probe.waits(for: .started)
        await loop.turn()
        bench.probe.set(.go)
        let expected = Denial(status: 451, code: "late", message: "said by thread 2", retryAfterMilliseconds: 0)
        #expect(await decision.verdict == .deny(expected))
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == ok)
        #expect(bench.probe[.cancelled] == 0)
        #expect(bench.recorder.misbehaviour.isEmpty)
    }

    @Test func manyCallsMayBeCompletedAtOnce() async throws {
        let bench = try Bench.doing("pend", with: [("number", JSONValue(GH_DENY))])
        await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<50 {
                group.addTask { await loop.run(.request, on: bench.exchange()).denialStatus }
            }
            await bench.probe.waits(for: .started, 50)
            bench.probe.set(.go)
            for await status in group { #expect(status == 451) }
        }
        await bench.probe.waits(for: .completed, 50)
    }

    @Test func editsMayBeStagedUntilTheCallIsCompleted() async throws {
        let bench = try Bench.doing("pend_and_edit")
        let exchange = bench.exchange()
        bench.probe.set(.go)
        #expect(await loop.run(.request, on: exchange).verdict == .proceed)
        #expect(
            String(try #require(try exchange.changed(exchange.facts.request, .request))).contains(
                "\"edited on another thread\""))
    }

    @Test func aMissingDecisionIsAnEmptyOne() async throws {
        let bench = try Bench.doing("pend_null_decision")
        #expect(await loop.run(.request, on: bench.exchange()).verdict == .proceed)
        #expect(bench.probe[.status] == ok)
    }

    @Test func aMissingDecisionReleasesWhatTheHostHadSet() async throws {
        let bench = try Bench.doing("pend_null_decision", "stream")
        let window = StreamWindow(
            segment: try #require(ExchangeFacts.chat().request.segments.first), text: "0123456789", freshFrom: 0,
            isLast: false, releasedTo: 6,
            event: nil)
        #expect(await loop.run(.stream(window), on: bench.exchange()) == Decision(verdict: .proceed, releasedTo: 6))
    }

    @Test func aCallThatIsCompletedTwiceIsGoneTheSecondTime() async throws {
        let bench = try Bench.doing("pend_complete_twice", with: [("number", JSONValue(GH_DENY))])
        bench.probe.set(.go)
        #expect(await loop.run(.request, on: bench.exchange()).denialStatus == 451)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == ok)
        #expect(bench.probe[.status2] == gone)
        #expect(bench.recorder.misbehaviour == ["complete() with a token that was used before"])
    }

    @Test func tokensThatNeverWereAreGone() async throws {
        let bench = try Bench.doing("complete_unknown_tokens")
        #expect(await loop.run(.request, on: bench.exchange()).verdict == .proceed)
        #expect(bench.probe[.status] == gone)
        #expect(bench.probe[.status2] == gone)
        #expect(bench.probe[.released] == 1)
    }

    @Test func pendingIsNoVerdictOfComplete() async throws {
        let bench = try Bench.doing("complete_with_pending")
        #expect(await loop.run(.request, on: bench.exchange()).failure == "complete() was called with GH_PENDING")
        #expect(bench.probe[.status] == GH_INVALID)
        #expect(bench.probe[.released] == 1)
        #expect(bench.recorder.misbehaviour == ["complete() with GH_PENDING"])
    }

    // MARK: Structs of other minors

    @Test func aLongerDecisionMustSayNothingUnknown() async throws {
        let bench = try Bench.doing("complete_with_tail")
        #expect(await loop.run(.request, on: bench.exchange()).denialStatus == 453)
        #expect(bench.probe[.status] == GH_UNSUPPORTED)
        #expect(bench.probe[.status2] == ok)
    }

    @Test func aShorterDecisionEndsWhereItSays() async throws {
        let bench = try Bench.doing("complete_with_short_struct")
        #expect(
            await loop.run(.request, on: bench.exchange()).verdict
                == .deny(Denial(status: 454, code: nil, message: nil, retryAfterMilliseconds: 7000)))
    }

    // MARK: pending -> cancelled

    @Test func aCallThatIsTooLateIsCancelledOnceAndItsMemoryLives() async throws {
        let bench = try Bench.doing("pend_complete_twice")
        weak var watched: HookExchange?
        do {
            let exchange = bench.exchange()
            watched = exchange
            async let decision = loop.run(.request, on: exchange, within: 100)
            await bench.probe.waits(for: .started)
            await loop.pass(milliseconds: 90)
            #expect(bench.probe[.cancelled] == 0)
            await loop.pass(milliseconds: 30)
            #expect(await decision.verdict == .timeout)
            #expect(bench.probe[.cancelled] == 1)
            #expect(bench.probe[.cancelledToken] == bench.probe[.token])
            await loop.pass(milliseconds: 1000)
            #expect(bench.probe[.cancelled] == 1)
        }
        #expect(watched != nil, "the plugin has not completed the call")
        bench.probe.set(.go)
        await bench.probe.waits(for: .completed)
        // What it read then was the whole body, and the first complete() is no misbehaviour.
        #expect(bench.probe[.sum] == Self.sum(ExchangeFacts.chatBody))
        #expect(bench.probe[.status] == gone)
        #expect(bench.probe[.status2] == gone)
        #expect(bench.recorder.misbehaviour == ["complete() with a token that was used before"])
        #expect(watched == nil)
    }

    @Test func aCallThatIsNeverCompletedKeepsItsInstance() async throws {
        let probe: Probe
        do {
            let bench = try Bench.doing("pend")
            probe = bench.probe
            async let decision = loop.run(.request, on: bench.exchange(), within: 50)
            await probe.waits(for: .started)
            await loop.pass(milliseconds: 100)
            #expect(await decision.verdict == .timeout)
        }
        await ControlThread.call {}
        #expect(probe[.destroyed] == 0)
        probe.set(.go)
        await probe.waits(for: .destroyed)
    }

    @Test func aClientThatLeavesCancelsTheCall() async throws {
        let bench = try Bench.doing("pend")
        let exchange = bench.exchange()
        async let decision = loop.run(.request, on: exchange, within: 60_000)
        await bench.probe.waits(for: .started)
        await loop.abandon(exchange)
        await loop.abandon(exchange)
        #expect(await decision.verdict == .timeout)
        #expect(bench.probe[.cancelled] == 1)
        bench.probe.set(.go)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == gone)
        #expect(bench.recorder.misbehaviour.isEmpty)
    }

    @Test func anAbandonedCallOfADoneHookIsNothing() async throws {
        let bench = try Bench.doing("pend_complete_inside")
        let exchange = bench.exchange()
        _ = await loop.run(.request, on: exchange)
        await loop.abandon(exchange)
        #expect(bench.probe[.cancelled] == 0)
    }

    @Test func cancellingAndCompletingMayRace() async throws {
        for _ in 0..<200 {
            let bench = try Bench.doing("pend", with: [("number", JSONValue(GH_DENY))])
            let exchange = bench.exchange()
            async let decision = loop.run(.request, on: exchange)
            await bench.probe.waits(for: .started)
            bench.probe.set(.go)
            await loop.abandon(exchange)
            let verdict = await decision
            await bench.probe.waits(for: .completed)
            // Both sides have seen the same end.
            if verdict.verdict == .timeout {
                #expect(bench.probe[.status] == gone)
                #expect(bench.probe[.cancelled] == 1)
            } else {
                #expect(verdict.denialStatus == 451)
                #expect(bench.probe[.status] == ok)
                #expect(bench.probe[.cancelled] == 0)
            }
        }
    }

    // MARK: What is wrong in itself

    @Test func theVerdictWinsOverAPendingCall() async throws {
        let bench = try Bench.doing("pend_then_verdict")
        let open = TokenTable.shared.isOpen(_:)
        let exchange = bench.exchange()
        #expect(await loop.run(.request, on: exchange).denialStatus == 457)
        #expect(bench.recorder.misbehaviour == ["a hook called pend() and returned another verdict"])
        // The token is dead, whether the plugin ever completes it or not.
        #expect(!open(UInt64(bench.probe[.token])))
        bench.probe.set(.go)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == gone)
        #expect(bench.probe[.cancelled] == 0)
        withExtendedLifetime(exchange) {}
    }

    @Test func pendingWithoutACallIsAFailure() async throws {
        let bench = try Bench.doing("pending_without_pend")
        #expect(await loop.run(.request, on: bench.exchange()).failure == "the hook returned GH_PENDING without pend()")
        #expect(bench.recorder.misbehaviour == ["a hook returned GH_PENDING without pend()"])
    }

    @Test(arguments: [
        ("pend", "hook"), ("pend_complete_inside", "hook"), ("pend_complete_twice", "hook"),
        ("pend_then_verdict", "hook"),
        ("pending_without_pend", "hook"), ("complete_with_pending", "hook"), ("block", "blocking"),
        ("block_then_pend", "blocking"), ("state", "hook"),
    ])
    func nothingIsLeftOfACallThatIsOver(_ what: String, _ check: String) async throws {
        let probe: Probe
        let watched = Watched()
        do {
            let bench = try Bench.doing(what, check)
            probe = bench.probe
            probe.set(.go)
            probe.set(.go2)
            let exchange = bench.exchange()
            watched.exchange = exchange
            _ = await loop.run(.request, on: exchange)
        }
        await eventually("the exchange is gone") { watched.exchange == nil }
        await probe.waits(for: .destroyed)
    }

    private final class Watched: @unchecked Sendable { weak var exchange: HookExchange? }

    // MARK: The pool

    @Test func aBlockingHookHoldsNobodyUp() async throws {
        let bench = try Bench.doing("block", "blocking", with: [("number", JSONValue(GH_RETRY))])
        async let decision = loop.run(.request, on: bench.exchange())
        await bench.probe.waits(for: .started)
        await loop.turn()
        #expect(await loop.run(.request, on: try Bench.doing("verdict").exchange()).verdict == .proceed)
        bench.probe.set(.go)
        #expect(await decision.verdict == .retry(target: nil))
    }

    @Test func muchTextGoesToThePoolAlthoughTheHookDoesNotBlock() async throws {
        let bench = try Bench.doing("block")
        async let decision = loop.run(.request, on: bench.exchange(), presentedBytes: HookRunner.inlineLimit + 1)
        await bench.probe.waits(for: .started)
        await loop.turn()
        bench.probe.set(.go)
        #expect(await decision.verdict == .proceed)
    }

    @Test func aFullQueueIsAFailure() async throws {
        let pool = BlockingPool(threads: 1, queue: 1)
        let gate = Probe()
        let isBusy = pool.submit {
            gate.set(.started)
            while gate[.go] == 0 { usleep(500) }
        }
        await gate.waits(for: .started)
        let isQueued = pool.submit { gate.set(.completed) }
        #expect(isBusy && isQueued)
        let bench = try Bench.doing("block", "blocking")
        let exchange = bench.exchange()
        let loop = TestLoop(pool: pool)
        #expect(await loop.run(.request, on: exchange).failure == "the queue for blocking hooks is full")
        #expect(exchange.runningCall == nil)
        #expect(exchange.isOver)
        #expect(bench.probe[.calls] == 0)
        gate.set(.go)
        await gate.waits(for: .completed)
        bench.probe.set(.go)
        #expect(await loop.run(.request, on: exchange).verdict == .proceed)
    }

    @Test func aBlockingHookMayPend() async throws {
        let bench = try Bench.doing("block_then_pend", "blocking", with: [("number", JSONValue(GH_DENY))])
        bench.probe.set(.go)
        async let decision = loop.run(.request, on: bench.exchange())
        await bench.probe.waits(for: .answer)
        bench.probe.set(.go2)
        #expect(await decision.denialStatus == 451)
        #expect(bench.probe[.cancelled] == 0)
    }

    @Test func aBlockingHookThatPendsTooLateIsToldSo() async throws {
        let bench = try Bench.doing("block_then_pend", "blocking", with: [("number", JSONValue(GH_DENY))])
        let exchange = bench.exchange()
        async let decision = loop.run(.request, on: exchange, within: 50)
        await bench.probe.waits(for: .started)
        await loop.pass(milliseconds: 100)
        #expect(await decision.verdict == .timeout)
        // It is still running, and has not pended: nothing to cancel.
        #expect(bench.probe[.cancelled] == 0)
        bench.probe.set(.go)
        await bench.probe.waits(for: .cancelled)
        bench.probe.set(.go2)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == gone)
        #expect(bench.probe[.cancelled] == 1)
    }

    @Test func aPendingCallOfABlockingHookIsCancelledInTime() async throws {
        let bench = try Bench.doing("block_then_pend", "blocking")
        bench.probe.set(.go)
        async let decision = loop.run(.request, on: bench.exchange(), within: 50)
        await bench.probe.waits(for: .answer)
        // The pool's thread may still be on its way back: time passes until the plugin was told.
        await eventually("cancelled") {
            await loop.pass(milliseconds: 20)
            return bench.probe[.cancelled] == 1
        }
        #expect(await decision.verdict == .timeout)
        bench.probe.set(.go2)
        await bench.probe.waits(for: .completed)
        #expect(bench.probe[.status] == gone)
        #expect(bench.probe[.cancelled] == 1)
    }

    @Test func aClientThatLeavesDoesNotWaitForABlockingHook() async throws {
        let bench = try Bench.doing("block", "blocking")
        let exchange = bench.exchange()
        async let decision = loop.run(.request, on: exchange, within: 60_000)
        await bench.probe.waits(for: .started)
        await loop.abandon(exchange)
        #expect(await decision.verdict == .timeout)
        bench.probe.set(.go)
    }

    @Test func aHookThatHoldsTheLoopUpIsReported() async throws {
        _ = await loop.run(.request, on: try Bench.doing("spin", with: [("number", 8)]).exchange())
        #expect(await loop.stalls == ["behaviours.hook"])
        // On the pool it holds nobody up.
        _ = await loop.run(.request, on: try Bench.doing("spin", "blocking", with: [("number", 8)]).exchange())
        #expect(await loop.stalls.count == 1)
    }

    // MARK: Instances

    @Test func instancesAreMadeAndUnmadeOnTheControlThread() async throws {
        let control = await ControlThread.call { CurrentThread.id }
        let library = try Loaded.library("behaviours")
        let recorder = Recorder()
        let probe = Probe()
        var instance: PluginInstance? = try await ControlThread.call {
            Result {
                try PluginInstance.create(
                    library: library, interface: .hooks, id: "hook", check: library.manifest.checks.first,
                    config: ["do": "pend", "probe": JSONValue(probe.address)], services: recorder.services)
            }
        }.get()
        #expect(probe[.createThread] == control)
        do {
            let exchange = HookExchange(instance: try #require(instance), facts: .chat())
            async let decision = loop.run(.request, on: exchange, within: 50)
            await probe.waits(for: .started)
            await loop.pass(milliseconds: 100)
            #expect(await decision.verdict == .timeout)
        }
        instance = nil
        await ControlThread.call {}
        #expect(probe[.destroyed] == 0, "a token is open")
        probe.set(.go)
        await probe.waits(for: .destroyed)
        #expect(probe[.destroyThread] == control)
        #expect(probe[.destroyed] == 1)
    }

    @Test func anInstanceThatRefusesItsConfigSaysWhereAndWhy() throws {
        do throws(PluginCreationError) {
            let library = try! Loaded.library("behaviours")
            _ = try PluginInstance.create(
                library: library, interface: .hooks, id: "hook", check: nil, config: ["do": "refuse_config"],
                services: Recorder().services)
            Issue.record("it was created")
        } catch {
            #expect(error.name == "behaviours.hook")
            #expect(
                error.errors == [
                    PluginConfigError(pointer: "/do", message: "not today"),
                    PluginConfigError(pointer: "/text", message: "nor this"),
                ])
        }
        do throws(PluginCreationError) {
            let library = try! Loaded.library("behaviours")
            _ = try PluginInstance.create(
                library: library, interface: .hooks, id: "hook", check: nil, config: ["do": "refuse_silently"],
                services: Recorder().services)
            Issue.record("it was created")
        } catch {
            #expect(error.errors == [PluginConfigError(pointer: "", message: "create() failed and gave no reason")])
        }
    }

    @Test func aThousandInstancesComeAndGo() async throws {
        let probes = (0..<1000).map { _ in Probe() }
        let library = try Loaded.library("behaviours")
        for probe in probes {
            _ = try PluginInstance.create(
                library: library, interface: .hooks, id: "hook", check: nil,
                config: ["probe": JSONValue(probe.address)],
                services: Recorder().services)
        }
        await ControlThread.call {}
        #expect(probes.allSatisfy { $0[.created] == 1 && $0[.destroyed] == 1 })
    }

    // MARK: State and the end

    @Test func stateIsKeptPerExchangeAndDroppedOnce() async throws {
        let bench = try Bench.doing("state")
        do {
            let exchange = bench.exchange()
            _ = await loop.run(.request, on: exchange)
            #expect(bench.probe.results(3) == [0, 0, 1])
            _ = await loop.run(.request, on: exchange)
            #expect(bench.probe.results(2) == [1, 1])
            // Another exchange knows nothing of it.
            _ = await loop.run(.request, on: bench.exchange())
            #expect(bench.probe.result(0) == 0)
            #expect(bench.probe[.dropped] == 1)
            exchange.finish(exchange.facts)
            #expect(bench.probe[.done] == 1)
        }
        #expect(bench.probe[.dropped] == 2)
    }

    @Test func onDoneRunsForThoseThatAskForIt() async throws {
        let without = try Bench.doing("verdict", "blocking")
        without.exchange().finish(.chat())
        #expect(without.probe[.done] == 0)
        let with = try Bench.doing("verdict")
        with.exchange().finish(.chat())
        #expect(with.probe[.done] == 1)
    }

    /// As `sum` of probe.h.
    static func sum(_ text: String) -> Int {
        var total = text.utf8.count << 32
        for (index, byte) in text.utf8.enumerated() { total += Int(byte) * (index % 251 + 1) }
        return total
    }
}
