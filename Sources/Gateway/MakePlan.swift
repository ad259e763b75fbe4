// MakePlan: a plan that is not there yet is made on the control thread: once, however many requests ask for it; not for too many
// configs at a time; and no request waits for it longer than the operator says, since a plugin's create() may hang.

import Config
import Core
import NIOCore
import PluginHost
import Synchronization

/// A plan that is being made, and who waits for it.
final class PlanMaking: Sendable {
    private struct State {
        var result: Result<Plan, GatewayError>?
        var waiters: [@Sendable () -> Void] = []
    }
    private let state = Mutex(State())

    /// Nil until it is made.
    var result: Result<Plan, GatewayError>? { state.withLock { $0.result } }

    /// Calls `waiter` when the plan is made, on any thread; at once where it is.
    func whenMade(_ waiter: @escaping @Sendable () -> Void) {
        let isMade = state.withLock { state in
            if state.result == nil { state.waiters.append(waiter) }
            return state.result != nil
        }
        if isMade { waiter() }
    }

    func finish(_ result: Result<Plan, GatewayError>) {
        let waiters = state.withLock { state in
            state.result = result
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter() }
    }
}

extension Worker {
    /// Waits for a plan off the loop. Instances are made there, too.
    func makePlan(_ exchange: Exchange, _ inputs: PlanInputs) async throws(GatewayError) -> Plan {
        let snapshot = exchange.snapshot
        // Keys of the file may have doors of their own; all others have the file's.
        let doors = exchange.caller == nil ? exchange.key?.allowInline : nil
        let open = doors ?? snapshot.config.allowInline
        let allowInline = exchange.asked == nil ? open : .asking(open)
        let tenant = exchange.tenant
        let keyConfig = exchange.asked == nil ? exchange.key?.config ?? tenant?.defaultConfig : nil
        let making = snapshot.plans.make(inputs) { () throws(GatewayError) in
            try PlanBuilder(snapshot, tenant: tenant, allowInline: allowInline, keyConfig: keyConfig).plan(for: inputs)
        }
        guard let making else {
            throw GatewayError(
                .overloaded, status: 503, "too many configs are being prepared; try again in a moment",
                code: "too_many_new_configs")
        }
        let timeout = snapshot.config.plugins.createTimeoutMilliseconds
        await wait(for: making, by: .after(milliseconds: timeout), exchange)
        try exchange.checkClient()
        guard let result = making.result else {
            throw GatewayError(
                .overloaded, status: 503, "the plugins of this request's config were not ready within \(timeout) ms",
                code: "config_not_ready",
                detail: "create() of a plugin hangs, or there is too much to make")
        }
        return try result.get()
    }

    private func wait(for making: PlanMaking, by deadline: Deadline, _ exchange: Exchange) async {
        let alarm = Alarm(deadline: deadline)
        // Confined to the loop, to which the control thread only sends word.
        nonisolated(unsafe) let bell = alarm
        let loop = loop
        making.whenMade { loop.execute { bell.deadlinePassed() } }
        timers.schedule(alarm)
        exchange.whenGone { alarm.deadlinePassed() }
        await alarm.wait()
        exchange.whenGone(nil)
    }
}
