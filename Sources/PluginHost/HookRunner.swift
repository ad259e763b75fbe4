// HookRunner: calls hooks. Non-blocking ones run on the event loop while the text is small; others on the pool; whoever pends is
// waited for until its deadline. What comes back is always a decision; applying it, and what was staged, is the caller's part.

import CGatehouse
package import Core
import Wire
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

package struct PluginFailureInfo: Sendable {
    package var status: Int
    package var isRetryable: Bool
    package var isFinal: Bool
    package var isTransport: Bool
    package var retryAfterMilliseconds: Int
    package var type: String?
    package var code: String?
    package var param: String?
    package var message: String?

    package init(
        status: Int, isRetryable: Bool = false, isFinal: Bool = false, isTransport: Bool = false,
        retryAfterMilliseconds: Int = 0,
        type: String? = nil, code: String? = nil, param: String? = nil, message: String? = nil
    ) {
        self.status = status
        self.isRetryable = isRetryable
        self.isFinal = isFinal
        self.isTransport = isTransport
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.type = type
        self.code = code
        self.param = param
        self.message = message
    }
}

/// Streamed text as it is presented to on_stream.
package struct StreamWindow: Sendable {
    package var segment: PresentedSegment
    package var text: Bytes
    package var freshFrom: Int
    package var isLast: Bool
    /// What is released unless the hook says otherwise.
    package var releasedTo: Int
    package var event: Bytes?
    /// Where the text begins in its segment's text.
    package var offset = 0
    /// The answer has ended, and there is no text left.
    package var isEnd = false

    package init(
        segment: PresentedSegment, text: Bytes, freshFrom: Int, isLast: Bool, releasedTo: Int, event: Bytes? = nil,
        offset: Int = 0, isEnd: Bool = false
    ) {
        self.segment = segment
        self.text = text
        self.freshFrom = freshFrom
        self.isLast = isLast
        self.releasedTo = releasedTo
        self.event = event
        self.offset = offset
        self.isEnd = isEnd
    }
}

package enum Hook: Sendable {
    case request
    case response
    case stream(StreamWindow)
    case error(PluginFailureInfo)
    case sign(Signing)

    /// Its name in the crash marker.
    var call: CrashMarker.Call {
        switch self {
        case .request: .onRequest
        case .response: .onResponse
        case .stream: .onStream
        case .error: .onError
        case .sign: .sign
        }
    }
}

/// One per event loop; confined to it.
package final class HookRunner {
    /// More presented text than this goes to the pool.
    package static let inlineLimit = 64 << 10
    /// A hook on the loop that takes longer has stalled every other exchange there.
    package static let stallNanoseconds: Int64 = 5_000_000

    private let pool: BlockingPool
    private let timers: LoopTimers
    /// Told of each stall: the instance's name and the nanoseconds it took.
    private let onStall: (String, Int64) -> Void

    package init(pool: BlockingPool, timers: LoopTimers, onStall: @escaping (String, Int64) -> Void) {
        self.pool = pool
        self.timers = timers
        self.onStall = onStall
    }

    /// Runs a hook to its decision. `exchange` must have been prepared. After `.timeout` the exchange belongs to the plugin: do
    /// not prepare it again.
    package func run(_ hook: Hook, on exchange: HookExchange, presentedBytes: Int, by deadline: Deadline) async
        -> Decision
    {
        await finish(start(hook, on: exchange, presentedBytes: presentedBytes), exchange, by: deadline)
    }

    /// A hook that was called: it has decided, or somebody will say what it decides.
    package enum Started {
        case decided(Decision)
        case pending
        case onPool
    }

    /// Calls a hook without waiting for it. Each one started is finished or given up, once.
    package func start(_ hook: Hook, on exchange: HookExchange, presentedBytes: Int) -> Started {
        let isBlocking = exchange.instance.check?.isBlocking ?? false
        if isBlocking || presentedBytes > Self.inlineLimit { return startOnPool(hook, exchange) }
        let start = Self.stallClock()
        let first = HookCall.invoke(hook, exchange)
        let elapsed = Self.stallClock() - start
        if elapsed > Self.stallNanoseconds { onStall(exchange.instance.name, elapsed) }
        switch first {
        case .decided(let decision):
            exchange.isOver = true
            return .decided(decision)
        case .pending: return .pending
        }
    }

    package func finish(_ started: Started, _ exchange: HookExchange, by deadline: Deadline) async -> Decision {
        switch started {
        case .decided(let decision): return decision
        case .pending: return await settle(exchange, by: deadline)
        case .onPool: return await finishOnPool(exchange, by: deadline)
        }
    }

    /// Nobody wants to know any more. As after a timeout the exchange belongs to the plugin, unless it had decided.
    package func giveUp(_ started: Started, _ exchange: HookExchange) {
        switch started {
        case .decided: return
        case .pending: if exchange.call?.abandon() ?? false { HookCall.cancel(exchange) }
        case .onPool: exchange.abandon()
        }
    }

    /// What the time of a stall is of: debug builds count the thread's own, so that a busy machine is not mistaken for a
    /// slow hook.
    package static var stallClockName: String {
        #if DEBUG
            "thread"
        #else
            "wall"
        #endif
    }

    private static func stallClock() -> Int64 {
        #if DEBUG
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        #else
            return MonotonicClock.now()
        #endif
    }

    private func startOnPool(_ hook: Hook, _ exchange: HookExchange) -> Started {
        let running = PendingCall(exchange)
        exchange.runningCall = running
        let isQueued = pool.submit {
            let result = HookCall.invoke(hook, exchange)
            switch result {
            case .decided(let decision): _ = running.complete(decision)
            case .pending:
                // The loop waits for the token's call from here on, unless it has given up.
                let isAwaited = running.complete(Decision(verdict: .proceed, releasedTo: -1))
                if !isAwaited, exchange.call?.abandon() ?? false {
                    HookCall.cancel(exchange)
                    exchange.call = nil
                }
            }
        }
        guard isQueued else {
            exchange.runningCall = nil
            exchange.isOver = true
            return .decided(Decision(verdict: .fail("the queue for blocking hooks is full")))
        }
        return .onPool
    }

    private func finishOnPool(_ exchange: HookExchange, by deadline: Deadline) async -> Decision {
        guard let running = exchange.runningCall else { return Decision(verdict: .fail("the call vanished")) }
        let decision = await running.wait(by: deadline, timers: timers)
        exchange.runningCall = nil
        if decision.verdict == .timeout { return decision }
        if decision.releasedTo == -1, exchange.token != 0 { return await settle(exchange, by: deadline) }
        exchange.isOver = true
        return decision
    }

    private func settle(_ exchange: HookExchange, by deadline: Deadline) async -> Decision {
        guard let call = exchange.call else { return Decision(verdict: .fail("the call vanished")) }
        let decision = await call.wait(by: deadline, timers: timers)
        if decision.verdict == .timeout { HookCall.cancel(exchange) } else { exchange.isOver = true }
        // The two refer to each other. What is still open is in the table of tokens.
        exchange.call = nil
        return decision
    }
}

/// The calls through a plugin's table themselves.
enum HookCall {
    enum Result {
        case decided(Decision)
        case pending
    }

    static func invoke(_ hook: Hook, _ exchange: HookExchange) -> Result {
        if case .sign(let signing) = hook { return sign(signing, exchange) }
        guard let table = exchange.instance.library.hooks else { return .decided(Decision(verdict: .proceed)) }
        if case .stream = hook, !exchange.instance.context.sight.text {
            return .decided(Decision(verdict: .fail("the text of streams is withheld from this plugin")))
        }
        let running = CrashMarker.begin(hook.call, of: exchange.instance.library.mark)
        defer { running.end() }
        var decision = gh_decision()
        decision.struct_size = structSize(gh_decision.self)
        let instance = exchange.instance.pointer
        let hooks = table.pointee
        var verdict = gh_verdict(GH_CONTINUE)
        switch hook {
        case .request:
            guard let function = hooks.on_request else { return .decided(Decision(verdict: .proceed)) }
            verdict = function(instance, exchange.pointer, &decision)
        case .response:
            guard let function = hooks.on_response else { return .decided(Decision(verdict: .proceed)) }
            verdict = function(instance, exchange.pointer, &decision)
        case .stream(let window):
            guard let function = hooks.on_stream else {
                return .decided(Decision(verdict: .proceed, releasedTo: window.text.count))
            }
            verdict = withWindow(window, exchange) { pointer in
                decision.released_to = UInt64(window.releasedTo)
                exchange.presetRelease = window.releasedTo
                return function(instance, exchange.pointer, pointer, &decision)
            }
        case .error(let failure):
            guard let function = hooks.on_error else { return .decided(Decision(verdict: .proceed)) }
            var copy = describe(failure, exchange)
            verdict = function(instance, exchange.pointer, &copy, &decision)
        case .sign: break
        }
        return result(verdict, decision, exchange)
    }

    /// The table of what a hook may return against what it did (plugin-abi, life of a hook call).
    static func result(_ verdict: gh_verdict, _ decision: gh_decision, _ exchange: HookExchange) -> Result {
        let context = exchange.instance.context
        if Int(verdict) == GH_PENDING {
            guard exchange.token != 0 else {
                context.misbehaved("a hook returned GH_PENDING without pend()")
                return .decided(Decision(verdict: .fail("the hook returned GH_PENDING without pend()")))
            }
            return .pending
        }
        forgetCall(of: exchange)
        return .decided(
            exchange.checked(
                Decision(verdict, decision, from: exchange.instance, presetRelease: exchange.presetRelease)))
    }

    /// The hook has returned another verdict than GH_PENDING: a call that it began nevertheless is dead.
    static func forgetCall(of exchange: HookExchange) {
        guard exchange.token != 0 else { return }
        exchange.instance.context.misbehaved("a hook called pend() and returned another verdict")
        exchange.call?.abandon()
        exchange.call = nil
        _ = TokenTable.shared.take(exchange.token)
    }

    private static func withWindow(
        _ window: StreamWindow, _ exchange: HookExchange, _ body: (UnsafePointer<gh_window>) -> gh_verdict
    ) -> gh_verdict {
        let flags = window.segment.segment.flags
        exchange.window = (window.segment.segment.id | 1 << 62, window.text, flags & UInt32(GH_SEGMENT_READ_ONLY) != 0)
        var segment = gh_segment()
        segment.struct_size = structSize(gh_segment.self)
        _ = withUnsafeMutablePointer(to: &segment) { $0.fill(window.segment, id: window.segment.segment.id | 1 << 62) }
        segment.text = .absent
        segment.flags = window.isLast ? flags : flags | UInt32(GH_SEGMENT_PARTIAL)
        return withUnsafePointer(to: segment) { segmentPointer in
            var copy = gh_window()
            copy.struct_size = structSize(gh_window.self)
            copy.flags = (window.isLast ? UInt32(GH_WINDOW_LAST) : 0) | (window.isEnd ? UInt32(GH_WINDOW_END) : 0)
            copy.offset = UInt64(window.offset)
            copy.text = exchange.view(window.text)
            copy.fresh_from = UInt64(window.freshFrom)
            copy.segment = segmentPointer
            if let event = window.event { copy.event = exchange.view(event) }
            return withUnsafePointer(to: copy) { body($0) }
        }
    }

    private static func describe(_ failure: PluginFailureInfo, _ exchange: HookExchange) -> gh_failure {
        var copy = gh_failure()
        copy.struct_size = structSize(gh_failure.self)
        copy.http_status = Int32(failure.status)
        copy.flags =
            (failure.isRetryable ? UInt32(GH_FAILURE_RETRYABLE) : 0) | (failure.isFinal ? UInt32(GH_FAILURE_FINAL) : 0)
            | (failure.isTransport ? UInt32(GH_FAILURE_TRANSPORT) : 0)
        copy.retry_after_ms = UInt32(clamping: failure.retryAfterMilliseconds)
        copy.type = exchange.view(failure.type)
        copy.code = exchange.view(failure.code)
        copy.param = exchange.view(failure.param)
        copy.message = exchange.view(failure.message)
        return copy
    }

    /// Tells the plugin that nobody waits any more, and ends what it fetches for this call.
    static func cancel(_ exchange: HookExchange) {
        // Only instances of checks have that table's functions.
        if exchange.instance.check != nil {
            let running = CrashMarker.begin(.onCancel, of: exchange.instance.library.mark)
            exchange.instance.library.hooks?.pointee.on_cancel?(
                exchange.instance.pointer, exchange.pointer, exchange.token)
            running.end()
        }
        exchange.cancelFetches()
    }

    static func done(_ exchange: HookExchange) {
        let running = CrashMarker.begin(.onDone, of: exchange.instance.library.mark)
        exchange.instance.library.hooks?.pointee.on_done?(exchange.instance.pointer, exchange.pointer)
        running.end()
    }
}

extension HookExchange {
    /// The exchange is over (the client left): a call that is still open is given up.
    package func abandon() {
        // While a pool thread runs the hook, `call` is that thread's: it gives the call up itself when nobody waits.
        if let runningCall, runningCall.abandon() || !runningCall.isDone { return }
        call?.abandon()
    }

    /// Runs on_done, when the instance wants it.
    package func finish(_ facts: ExchangeFacts) {
        guard instance.check?.hooks.contains(.done) ?? false, runningCall == nil else { return }
        prepare(facts, deadline: .after(milliseconds: 100))
        HookCall.done(self)
        isOver = true
    }
}
