// AskTarget: gh.gateway/1: a plugin asks a target. An exchange without a client takes the steps of Pipeline.swift that lead to an
// upstream: no guards of targets, so that no judge ever waits for another; the operator's mandatory ones where a client's config has
// made the question; a record of its own, so that what it costs is known.

import Config
import Core
import HTTPServer
import Logging
import NIOCore
import PluginHost
import Telemetry
import Upstream
import Wire

/// Who asked, and the answer once it is there.
struct AskedFor {
    var request: PluginAsk
    var answer: Answer?
}

extension AllowInline {
    /// Configs that a guard brings have passed the doors with the guard; the addresses in them have their own door.
    static func asking(_ client: AllowInline) -> AllowInline {
        var doors = client
        doors.config = true
        return doors
    }
}

extension PluginFetching: PluginAsker {
    func ask(_ request: PluginAsk, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        let worker = worker()
        let job = AskJob(request, done)
        // Not at once, even on this loop: done must never run inside ask().
        worker.loop.execute { worker.run(job) }
        return { worker.loop.execute { job.cancel() } }
    }
}

/// One question. Confined to its loop once it runs.
final class AskJob: Timed, @unchecked Sendable {
    let request: PluginAsk
    private let done: @Sendable (PluginFetchAnswer) -> Void
    private var exchange: Exchange?
    private var isCancelled = false

    // The question's own deadline: it also ends what is no upstream call, like the pause before a retry.
    private(set) var deadline: Deadline
    var wheelPlace = WheelPlace.none
    private var hasTimedOut = false

    init(_ request: PluginAsk, _ done: @escaping @Sendable (PluginFetchAnswer) -> Void) {
        self.request = request
        self.done = done
        deadline = request.deadline
    }

    func deadlinePassed() {
        hasTimedOut = true
        deadline = .never
        exchange?.clientLeft()
    }

    func cancel() {
        isCancelled = true
        exchange?.clientLeft()
    }

    fileprivate func begin(_ exchange: Exchange) {
        self.exchange = exchange
        if isCancelled { exchange.clientLeft() }
    }

    fileprivate func finish(_ answer: Answer?) {
        exchange = nil
        if let answer, !isCancelled, !hasTimedOut {
            return done(PluginFetchAnswer(status: answer.status, headers: [], body: answer.body))
        }
        let reason =
            isCancelled ? "cancelled" : hasTimedOut ? "no answer in time" : "the answer was none that could be read"
        done(PluginFetchAnswer(status: 0, headers: [], body: .empty, error: reason))
    }
}

extension Worker {
    /// On the loop's thread.
    nonisolated func run(_ job: AskJob) {
        assumeIsolated { worker in
            _ = Task.immediate(executorPreference: worker.executor) { await worker.perform(job) }
        }
    }

    private func perform(_ job: AskJob) async {
        let exchange = exchange(for: job.request)
        job.begin(exchange)
        timers.schedule(job)
        if snapshot.config.metrics.enabled { telemetry.started() }
        do throws(GatewayError) {
            try exchange.checkClient()
            try readRequest(exchange)
            exchange.record.principal = job.request.identity?.principal
            exchange.metadata = job.request.identity?.metadata ?? exchange.metadata
            let plan = try await askedPlan(exchange, job.request)
            exchange.plan = plan
            beginTranscript(exchange)
            if let refusal = try await guardRequest(exchange, plan) {
                write(refusal, exchange)
            } else {
                try await attempt(exchange, plan)
            }
        } catch {
            exchange.record.errorKind = error.kind
            write(answer(for: error, exchange), exchange)
            if let detail = error.detail {
                logger.warning(
                    "\(error.message)", metadata: ["detail": "\(detail)", "trace_id": "\(exchange.traceID)"])
            }
        }
        timers.cancel(job)
        close(exchange)
        job.finish(exchange.asked?.answer)
        if !exchange.aside.isEmpty { await judgeAside(exchange) }
        record(exchange)
        finishHooks(exchange)
    }

    private func exchange(for request: PluginAsk) -> Exchange {
        let head = ServerRequestHead(method: "POST", target: "/v1/chat/completions", headers: [])
        let exchange = Exchange(
            client: ServerExchange(asking: head, body: request.body), snapshot: snapshot, directory: directory,
            headers: RequestHeaders([]),
            recognised: .success(.endpoint(.chatCompletions)), path: try? CanonicalPath(target: head.target))
        exchange.endpoint = .chatCompletions
        exchange.asked = AskedFor(request: request)
        // The doors of the client's key hold for what its configs have a guard ask.
        exchange.key = request.identity?.principal.flatMap { name in
            snapshot.config.keys.first { $0.name == name } ?? directory?.caller(id: name)?.key
        }
        exchange.caller = request.identity?.principal.flatMap { directory?.caller(id: $0) }
        exchange.tenant = directory?.tenants[request.identity?.workspace ?? Directory.defaultWorkspace]
        exchange.traceID = request.identity?.traceID ?? random.uuid()
        exchange.deadline = request.deadline
        exchange.record.traceID = exchange.traceID
        exchange.record.workspace = request.identity?.workspace
        exchange.record.askedBy = request.plugin
        return exchange
    }

    private func askedPlan(_ exchange: Exchange, _ request: PluginAsk) async throws(GatewayError) -> Plan {
        let target = request.target
        var inputs = PlanInputs()
        if target.hasPrefix("@") { inputs.provider = target } else { inputs.config = target }
        inputs.key = exchange.caller == nil ? exchange.key?.name : nil
        inputs.tenant = exchange.tenant.map { PlanInputs.TenantState($0) }
        inputs.guarding = request.isClients ? .mandatory : .none
        if let plan = exchange.snapshot.plans.find(inputs) { return plan }
        return try await makePlan(exchange, inputs)
    }
}
