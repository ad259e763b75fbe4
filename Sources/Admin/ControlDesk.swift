// ControlDesk: the control plane. One actor on a thread of its own serves the control API (Routes.swift), keeps what it manages in the
// store, and gives the data path a Directory of it after each change. Start reading here; each resource is a file.
//
// A change is answered when it is in the store, in the audit log, and in force on all loops. Another process that changes the same file,
// as `gatehouse admin` does, is noticed within half a second.

import Accounting
package import Config
package import Core
import Digests
package import Gateway
import Identity
package import Logging
import Routing
import Store
import Vault

package actor ControlDesk: ControlPlane {
    /// What it needs of a running gateway; without one it manages the file alone.
    package struct Surroundings: Sendable {
        package var config: @Sendable () -> ConfigSnapshot
        package var gateway: Gateway?
        package var logger: Logger?

        package init(config: @escaping @Sendable () -> ConfigSnapshot, gateway: Gateway?, logger: Logger?) {
            self.config = config
            self.gateway = gateway
            self.logger = logger
        }
    }

    private nonisolated let thread = SerialThread("gh-control")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    nonisolated let surroundings: Surroundings
    let store: ControlStore
    let vault: Vault
    /// Answers questions about the log, which may take long, on a thread of its own.
    nonisolated let logDesk: LogDesk
    /// Of gateway keys, the audit log's rows, and links for downloads.
    let keyCodes: HMACKey
    let linkCodes: HMACKey

    private var revision = 0
    private var directory: Directory
    /// The states of workspaces, to see which ones changed.
    private var tenantTexts: [String: String] = [:]
    /// When an administrator has begun a budget anew, by subject.
    private var resets: [String: Int64] = [:]
    /// The change that the directory was made after.
    private var changesSeen: Int64 = 0
    private var usesWritten: [String: Int64] = [:]
    private var isFlushFailing = false

    /// Opens the store. `path` is the store's file.
    package init(path: String, surroundings: Surroundings) throws(ControlError) {
        self.surroundings = surroundings
        let settings = surroundings.config().control
        do throws(StoreError) { store = try ControlStore(path) } catch { throw ControlError(error.message) }
        vault = try Self.openVault(store, path, settings, surroundings.logger)
        keyCodes = vault.key(for: "gateway keys")
        linkCodes = vault.key(for: "download links")
        store.auditKey = vault.key(for: "audit log")
        logDesk = LogDesk(path: path, log: surroundings.gateway?.requestLog)
        directory = Directory(revision: 0, isLocal: false, tenants: [:], authentication: keyCodes, codes: [:])
    }

    // MARK: Life

    /// What happens before anybody is served: the default workspace and the owner's key at the first start, counters, and all that is
    /// stored to the loops. Gives the owner's key where one was made.
    package func begin() async throws(GatewayError) -> String? {
        let made = try firstStart()
        do throws(StoreError) {
            try store.deleteExpiredKeys(now: WallClock.now())
            try pruneCounters()
            usesWritten = try store.keyUses()
        } catch { throw Self.failure(error) }
        // Before the counters: a reset of long ago is in them already.
        try rebuild()
        do throws(StoreError) { try loadCounters() } catch { throw Self.failure(error) }
        await surroundings.gateway?.adopt(directory)
        return made
    }

    /// Looks after what is stored until the gateway stops.
    package func run() async {
        let pause = surroundings.config().control.flushMilliseconds
        var sinceLook = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(min(pause, 500)))
            sinceLook += min(pause, 500)
            flush()
            tell()
            guard sinceLook >= 500, !Task.isCancelled else { continue }
            sinceLook = 0
            await look()
        }
    }

    /// What was spent is written before this returns.
    package func stop() {
        flush()
    }

    /// Another process may have changed the file.
    private func look() async {
        do throws(StoreError) {
            guard try store.changeCount() != changesSeen else { return }
        } catch { return }
        do throws(GatewayError) { try rebuild() } catch {
            surroundings.logger?.error(
                "the control plane could not be read again", metadata: ["reason": "\(error.message)"])
            return
        }
        await surroundings.gateway?.adopt(directory)
    }

    // MARK: Requests

    package nonisolated func answer(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError> {
        if LogDesk.serves(request) { return await logDesk.answer(request) }
        return await serve(request)
    }

    private func serve(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError> {
        do throws(GatewayError) {
            let value = try await Routes.serve(request, on: self)
            return .success(ControlAnswer(status: 200, body: Bytes(value.bytes)))
        } catch {
            return .failure(error)
        }
    }

    /// Makes a change with its row in the audit log, and puts it in force.
    func change<Value: Sendable>(
        _ call: Call, _ action: String, _ object: String, in workspace: String, detail: JSONObject = JSONObject(),
        _ body: (ControlStore, _ now: Int64) throws(StoreError) -> Value
    ) async throws(GatewayError) -> Value {
        let now = WallClock.now()
        let value: Value
        do throws(StoreError) {
            value = try store.transaction { () throws(StoreError) in
                let value = try body(store, now)
                try store.record(
                    AuditEntry(
                        at: now, workspace: workspace, actor: call.principal.id, actorName: call.principal.name,
                        action: action, object: object, detail: detail))
                return value
            }
        } catch { throw Self.failure(error) }
        try rebuild()
        await surroundings.gateway?.adopt(directory)
        return value
    }

    /// Reads of the store, with its errors turned into answers.
    func read<Value>(_ body: (ControlStore) throws(StoreError) -> Value) throws(GatewayError) -> Value {
        do throws(StoreError) { return try body(store) } catch { throw Self.failure(error) }
    }

    static func failure(_ error: StoreError) -> GatewayError {
        switch error.kind {
        case .row:
            return GatewayError(
                .conflict, status: 409, "there is something of this name already", code: "already_exists")
        case .locked, .full, .readOnly:
            return GatewayError(
                .overloaded, status: 503, "the store cannot be written at the moment: nothing was changed",
                code: "store_unavailable", detail: error.message)
        default:
            return GatewayError(
                .internalError, status: 500, "the store failed: nothing was changed", code: "store_failed",
                detail: error.message)
        }
    }

    // MARK: The directory

    /// Reads everything that is stored.
    private func rebuild() throws(GatewayError) {
        revision += 1
        let built: DirectoryBuilder.Built
        do throws(StoreError) {
            // Before reading: what comes after it is found at the next look.
            changesSeen = try store.changeCount()
            built = try DirectoryBuilder(
                store: store, vault: vault, codes: keyCodes, isLocal: surroundings.config().control.access == .local,
                previous: directory, previousTexts: tenantTexts, revision: revision, logger: surroundings.logger
            ).build()
        } catch { throw Self.failure(error) }
        tenantTexts = built.texts
        directory = built.directory
        if let ledger = surroundings.gateway?.ledger {
            for (subject, time) in built.resets where time > resets[subject] ?? 0 {
                for budget in built.budgets[subject] ?? [] {
                    ledger.reset(budget, now: WallClock.now() / 1_000_000_000)
                }
            }
        }
        resets = built.resets
    }

    var current: Directory { directory }

    // MARK: Counters

    private func pruneCounters() throws(StoreError) {
        var subjects: Set<String> = []
        for kind in [Kind.virtualKey, Kind.provider] {
            for object in try store.objects(kind) { subjects.insert("\(kind)/\(object.id)") }
        }
        for key in try store.objects(Kind.apiKey) { subjects.insert("key/" + key.id) }
        for workspace in try store.objects(Kind.workspace) { subjects.insert("workspace/" + workspace.slug) }
        for integration in try store.objects(Kind.integration) { subjects.insert("integration/" + integration.id) }
        for policy in try store.objects(Kind.usagePolicy) { subjects.insert("policy/" + policy.id) }
        try store.transaction { () throws(StoreError) in
            try store.pruneCounts(now: WallClock.now()) { budget in
                let subject = budget.split(separator: "/").prefix(2).joined(separator: "/")
                return !subjects.contains(subject)
            }
        }
    }

    private func loadCounters() throws(StoreError) {
        guard let gateway = surroundings.gateway else { return }
        let counts = try store.counts()
        let now = WallClock.now()
        gateway.ownership.load(
            try store.owned().map { Ownership.Claim(account: $0.provider, object: $0.object, workspace: $0.workspace) })
        gateway.ledger.load(
            counts.filter { !$0.counter.hasPrefix("rate:") }.map {
                LedgerDelta(budget: $0.counter, periodStart: $0.window, amount: $0.amount)
            })
        gateway.rates.load(
            counts.filter { $0.counter.hasPrefix("rate:") }.map {
                RateDelta(counter: String($0.counter.dropFirst(5)), windowStart: $0.window, amount: $0.amount)
            }, now: now)
    }

    /// Adds what was counted since the last time to the store.
    private func flush() {
        guard let gateway = surroundings.gateway else { return }
        let spent = gateway.ledger.drain()
        let passed = gateway.rates.drain()
        let uses = directory.lastUses.filter { $0.at > usesWritten[$0.caller.key.name] ?? 0 }
        let made = gateway.ownership.drain()
        guard !spent.isEmpty || !passed.isEmpty || !uses.isEmpty || !made.isEmpty else { return }
        do throws(StoreError) {
            try store.transaction { () throws(StoreError) in
                for delta in spent {
                    try store.add(
                        StoredCount(
                            counter: delta.budget, window: delta.periodStart, workspace: "", amount: delta.amount))
                }
                for delta in passed {
                    try store.add(
                        StoredCount(
                            counter: "rate:" + delta.counter, window: delta.windowStart, workspace: "",
                            amount: delta.amount))
                }
                for claim in made {
                    try store.own(claim.object, at: claim.account, workspace: claim.workspace, time: WallClock.now())
                }
                for use in uses { try store.use(use.caller.key.name, workspace: use.caller.tenant.slug, at: use.at) }
            }
            for use in uses { usesWritten[use.caller.key.name] = use.at }
            if isFlushFailing { surroundings.logger?.notice("what is spent is written again") }
            isFlushFailing = false
        } catch {
            gateway.ledger.restore(spent)
            gateway.ownership.restore(made)
            if !isFlushFailing {
                surroundings.logger?.error(
                    "what is spent cannot be written; it is tried again", metadata: ["reason": "\(error.message)"])
            }
            isFlushFailing = true
        }
    }

    func lastUse(of key: String) -> Int64? {
        let now = directory.lastUses.first { $0.caller.key.name == key }?.at
        return now ?? usesWritten[key]
    }

    /// Says which budgets have reached their thresholds.
    private func tell() {
        for alert in surroundings.gateway?.takeAlerts() ?? [] {
            surroundings.logger?.warning(
                alert.mark == .limit ? "a budget is exhausted" : "a budget has reached its alert threshold",
                metadata: ["budget": "\(alert.budget.id)", "measure": "\(alert.budget.measure.rawValue)"])
            guard let url = surroundings.config().control.alertWebhook else { continue }
            let places = alert.budget.measure == .cost ? 12 : 0
            let parts = alert.budget.id.split(separator: "/", maxSplits: 2).map(String.init)
            let told: JSONValue = [
                "event": alert.mark == .limit ? "budget_exhausted" : "budget_alert",
                "kind": .string(parts.first ?? ""), "id": .string(parts.count > 1 ? parts[1] : ""),
                "budget": .string(alert.budget.id), "type": .string(alert.budget.measure.rawValue),
                "credit_limit": .number(FixedPoint.text(alert.budget.limit, places: places)),
                "alert_threshold": alert.budget.alertAt.map { .number(FixedPoint.text($0, places: places)) } ?? .null,
                "spent": .number(FixedPoint.text(alert.spent, places: places)),
                "time": Moment.text(WallClock.now()),
            ]
            surroundings.gateway?.post(Bytes(told.bytes), to: url)
        }
    }
}

/// Why there is no control plane.
package struct ControlError: Error, Sendable {
    package var message: String

    package init(_ message: String) { self.message = message }
}
