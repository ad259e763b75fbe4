// Exchange: one client request with its answer, from head to record. It belongs to one task on one event loop.

import Cache
import Config
import Core
import HTTPServer
import PluginHost
import Routing
import Telemetry
import Upstream
import Wire

final class Exchange {
    let client: ServerExchange
    let snapshot: GatewaySnapshot
    let headers: RequestHeaders
    /// What the path and method ask for, or why not.
    let recognised: Result<Recognised, GatewayError>
    let record: ExchangeRecord

    var endpoint: Endpoint = .proxy
    let path: CanonicalPath?
    var traceID = ""
    var key: GatewayKey?
    /// The same, where the control plane manages it.
    var caller: Caller?
    var tenant: Tenant?
    let directory: Directory?
    /// What was admitted and reserved, to be settled.
    var accounts = Accounts()
    /// Set when a stored prompt makes the request.
    var prompt: PromptUse?
    /// Why step 3 refused it.
    var refusal: GatewayError?
    /// Client's own credential for a provider, where it sent one.
    var clientCredential: String?
    var metadata: [(key: String, value: String)] = []
    var fields: RequestFields?
    /// The client's body, as the mandatory guards left it; or what a hook made of it for this attempt.
    var body: Bytes = .empty
    /// The client's, while the attempt has another.
    var clientBody: Bytes?
    /// What a hook wants the next attempt to ask.
    var nextBody: Bytes?
    /// Still arriving: multipart and binary.
    var upload: UploadBody?
    /// Why it stopped arriving.
    var uploadError: GatewayError?
    var isStream = false
    var plan: Plan?
    var identity: ExchangeIdentity?
    /// Set when a plugin asks, and no client.
    var asked: AskedFor?
    var deadline: Deadline = .never

    /// One per instance, for its state.
    private var hookExchanges: [ObjectIdentifier: HookExchange] = [:]
    /// What ran, for hook_results.
    var guardResults = GuardResults()
    var guardMemory = GuardMemory()
    /// What guards judge when the answer has gone out.
    var aside: [AsideJob] = []
    /// Headers that guards set on the answer: the mandatory ones of the request, then the target's.
    var headerChanges: [(name: String, value: String?)] = []
    private var mandatoryHeaderChanges = 0
    var attributes: [(key: String, value: String)] = []
    /// Texts for the request log, where it keeps any.
    var transcript: Transcript?
    /// Refused because rows cannot be written: it makes none itself.
    var isUnlogged = false

    /// Attempts that a guard has asked for.
    var guardRetries: [ObjectIdentifier: Int] = [:]

    // Of the attempt in progress.
    var meter = AttemptMeter()
    var isSettled = false
    private(set) var attemptNumber = 0
    var attemptStarted: Int64 = 0
    var attemptModel: String?
    var droppedParameters: [String] = []
    /// The exchange as the target's adapter sees it.
    var providerExchange: HookExchange?
    var streamFacts: ExchangeFacts?
    /// The model of the body without the "@name/" that chose the provider.
    var modelWithoutPrefix: String?
    var cacheKey: CacheKey?
    /// Set when the router has settled.
    var routeTaken: RouteTaken?

    /// The upstream call in progress; cancelled when the client leaves.
    var transfer: Transfer?
    private(set) var isClientGone = false
    private var onGone: (() -> Void)?

    init(
        client: ServerExchange, snapshot: GatewaySnapshot, directory: Directory?, headers: RequestHeaders,
        recognised: Result<Recognised, GatewayError>, path: CanonicalPath?
    ) {
        self.client = client
        self.snapshot = snapshot
        self.directory = directory
        self.headers = headers
        self.recognised = recognised
        self.path = path
        record = ExchangeRecord(method: client.head.method, path: path?.path ?? "-")
        record.clientAddress = client.clientAddress
    }

    /// The client went away: whatever is waited for ends now.
    func clientLeft() {
        isClientGone = true
        transfer?.cancel()
        for exchange in hookExchanges.values { exchange.abandon() }
        let callback = onGone
        onGone = nil
        callback?()
    }

    func whenGone(_ callback: (() -> Void)?) {
        onGone = callback
        if isClientGone { callback?() }
    }

    /// Asked for by the request or its config.
    var wantsReceipts: Bool { headers.wantsReceipts || plan?.wantsReceipts == true }

    var pathText: String { path?.path ?? "-" }
    var pathAndQuery: String { pathText + (path?.query.map { "?" + $0 } ?? "") }

    func checkClient() throws(GatewayError) {
        if isClientGone { throw GatewayError(.clientTimeout, status: 499, "the client closed the connection") }
    }

    /// The exchange as `instance` sees it, made at the first use.
    func hookExchange(_ instance: PluginInstance, _ facts: ExchangeFacts) -> HookExchange {
        if let known = hookExchanges[ObjectIdentifier(instance)] { return known }
        let made = HookExchange(instance: instance, facts: facts)
        hookExchanges[ObjectIdentifier(instance)] = made
        return made
    }

    /// A call timed out: the plugin keeps that one, the next call gets a new one.
    func discardHookExchange(_ instance: PluginInstance) { hookExchanges[ObjectIdentifier(instance)] = nil }

    /// A new attempt forgets what the last one found.
    func begin(_ attempt: Router.Attempt, _ target: Target) {
        settle()
        meter = AttemptMeter()
        isSettled = false
        attemptNumber = attempt.number
        attemptStarted = MonotonicClock.now()
        attemptModel = nil
        droppedParameters = []
        providerExchange = nil
        streamFacts = nil
        cacheKey = nil
        record.errorKind = nil
        record.deniedBy = nil
        transcript?.begin()
        // The mandatory guards' results and headers stay; those of the last target go, and of guards that ran beside its
        // upstream call.
        if attempt.number == 1 { mandatoryHeaderChanges = headerChanges.count }
        headerChanges.removeSubrange(mandatoryHeaderChanges...)
        guardResults.before.removeAll { result in
            result.stage.runsBeside || !(plan?.mandatory.before.contains { $0 === result.stage } ?? false)
        }
        guardResults.after = []
        record.provider = target.slug
        record.targetPath = target.path
    }

    /// What an event of a stream says.
    func note(_ facts: AnswerFacts) {
        meter(event: facts)
        if let model = facts.model { record.responseModel = model }
    }

    var usedHookExchanges: [HookExchange] { Array(hookExchanges.values) }
}
