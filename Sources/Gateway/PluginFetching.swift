// PluginFetching: gh.http/1 over the gateway's own upstream client: checked addresses, bounded answers, a deadline. What gh.gateway/1
// asks finds its loop here, too.

package import Core
import Logging
import NIOCore
import PluginHost
import Synchronization
import Upstream

final class PluginFetching: PluginFetcher {
    /// An answer to a plugin larger than this is refused.
    private static let answerLimit = 4 << 20

    private let workers = Mutex<[Worker]>([])
    private let next = Atomic<Int>(0)

    func use(_ workers: [Worker]) { self.workers.withLock { $0 = workers } }

    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        let worker = worker()
        let job = FetchJob(request, done)
        // Not at once, even on this loop: done must never run inside fetch().
        worker.loop.execute { worker.run(job) }
        return { worker.loop.execute { job.cancel() } }
    }

    /// The loop for a job of a plugin's.
    func worker() -> Worker {
        let workers = workers.withLock { $0 }
        // A plugin that fetches from inside a hook is on a loop already: that one serves it without a hop.
        return workers.first { $0.loop.inEventLoop }
            ?? workers[next.wrappingAdd(1, ordering: .relaxed).oldValue % max(workers.count, 1)]
    }

    static func limit() -> Int { answerLimit }
}

/// One fetch. Confined to its loop once it runs.
final class FetchJob: @unchecked Sendable {
    let request: PluginFetch
    private let done: @Sendable (PluginFetchAnswer) -> Void
    private var transfer: Transfer?
    private var isCancelled = false

    init(_ request: PluginFetch, _ done: @escaping @Sendable (PluginFetchAnswer) -> Void) {
        self.request = request
        self.done = done
    }

    func cancel() {
        isCancelled = true
        transfer?.cancel()
    }

    fileprivate func perform(_ client: UpstreamClient, _ policy: AddressPolicy, _ logger: Logger) async {
        done(await answer(client, policy, logger))
    }

    private func answer(_ client: UpstreamClient, _ policy: AddressPolicy, _ logger: Logger) async -> PluginFetchAnswer
    {
        /// The plugin and the log learn what was refused, and how it could be granted.
        func refused(_ reason: String, _ detail: String?) -> PluginFetchAnswer {
            let asked = request.askedEgress.isEmpty ? "nothing" : request.askedEgress.joined(separator: ", ")
            logger.warning(
                "a plugin's fetch was refused",
                metadata: [
                    "plugin": "\(request.plugin)", "reason": "\(reason)", "detail": "\(detail ?? "")",
                    "asks_for": "\(asked)", "grant": "plugins.settings.\(request.pluginID).egress",
                ])
            return failed(
                "\(reason); plugins.settings.\(request.pluginID).egress lists what this plugin may fetch from beside public addresses"
            )
        }
        func failed(_ reason: String) -> PluginFetchAnswer {
            PluginFetchAnswer(status: 0, headers: [], body: .empty, error: reason)
        }
        if isCancelled { return failed("cancelled") }
        let url: CheckedURL
        do throws(AddressRefusal) { url = try policy.checkURL(request.url) } catch {
            return refused(error.message, error.detail)
        }
        do throws(UpstreamFailure) {
            let transfer = try client.send(
                UpstreamRequest(
                    method: request.method, url: url.text, headers: request.headers,
                    body: request.body.isEmpty ? .none : .bytes(request.body), policy: AddressCheck(policy, url),
                    answerLimit: PluginFetching.limit()))
            self.transfer = transfer
            let head = try await transfer.head(by: request.deadline, timeoutMessage: "no answer in time")
            let body = try await transfer.body(
                limit: PluginFetching.limit(), by: request.deadline, timeoutMessage: "no answer in time")
            return PluginFetchAnswer(status: head.status, headers: head.headers, body: body)
        } catch {
            transfer?.cancel()
            return error.kind == .refusedAddress ? refused(error.message, error.detail) : failed(error.message)
        }
    }
}

extension Worker {
    /// On the loop's thread.
    nonisolated func run(_ job: FetchJob) {
        assumeIsolated { worker in
            let client = worker.upstream
            let snapshot = worker.snapshot
            Task.immediate(executorPreference: worker.executor) { await worker.perform(job, client, snapshot) }
        }
    }

    private func perform(_ job: FetchJob, _ client: UpstreamClient, _ snapshot: GatewaySnapshot) async {
        await job.perform(client, snapshot.fetchPolicy(for: job.request), logger)
    }
}

extension Gateway {
    /// Posts JSON to an address of the operator's. What became of it is in the log when it was no success.
    package func post(_ body: Bytes, to url: String) {
        let worker = fetching.worker()
        worker.loop.execute {
            worker.assumeIsolated { worker in
                _ = Task.immediate(executorPreference: worker.executor) { await worker.post(body, to: url) }
            }
        }
    }
}

extension Worker {
    fileprivate func post(_ body: Bytes, to url: String) async {
        let deadline = Deadline.after(milliseconds: 10_000)
        do throws(UpstreamFailure) {
            let transfer = try upstream.send(
                UpstreamRequest(
                    method: "POST", url: url, headers: [("content-type", "application/json")], body: .bytes(body)))
            let head = try await transfer.head(by: deadline, timeoutMessage: "no answer in time")
            _ = try await transfer.body(limit: 1 << 16, by: deadline, timeoutMessage: "no answer in time")
            guard (200...299).contains(head.status) else {
                return logger.warning("an alert was not taken", metadata: ["status": "\(head.status)"])
            }
        } catch {
            logger.warning("an alert could not be posted", metadata: ["reason": "\(error.message)"])
        }
    }
}
