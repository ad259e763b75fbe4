// UpstreamClient: calls providers from one event loop. Start reading the module here: a request goes in, a Transfer comes out
// (Transfer.swift), curl does the work (CurlMulti.swift) on the loop's own thread (CurlPoller.swift).

package import Core
package import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// How connections are made; the same for all requests.
package struct UpstreamLimits: Sendable {
    package var connectTimeoutMilliseconds = 5_000
    package var allowsHTTP2 = true
    package var caFile: String?
    package var caDirectory: String?
    /// nil: as the environment says (https_proxy and its kin); "" is none.
    package var proxy: String?
    package var noProxy: String?
    package var decompressionRatio = 100
    package var maximumIdleConnections = 512

    package init() {}
}

/// Decides about each address of a checked request: before a connection is made, and before one that is open is used again.
/// What refuses says why in a sentence for the client; nil allows it.
package protocol ConnectPolicy: AnyObject {
    /// In lower case, without brackets.
    var host: String { get }
    func refusal(of address: IPAddress, port: UInt16) -> String?
    /// Whether a proxy may look the host up, whose address is not seen here.
    func refusalBehindProxy() -> String?
}

/// One per event loop; confined to it.
package final class UpstreamClient {
    private let poller: CurlPoller
    private let trusted: CurlMulti
    private let checked: CurlMulti
    private let timers: LoopTimers
    private let limits: UpstreamLimits

    /// Called with each batch of curl's callbacks, which it must run.
    package var inTurn: (_ callbacks: () -> Void) -> Void {
        get { poller.inTurn }
        set { poller.inTurn = newValue }
    }

    /// True while more requests are to be expected, after which `startBatch` is called: curl then starts all of them in one go.
    package var isBatching: () -> Bool {
        get { poller.isBatching }
        set { poller.isBatching = newValue }
    }
    package func startBatch() { poller.startBatch() }

    package var usesCompanionThread: Bool { poller.usesCompanionThread }

    /// `allowsAIO` false forces the companion thread, as in sandboxes that refuse io_submit.
    package init(loop: any EventLoop, timers: LoopTimers, limits: UpstreamLimits, allowsAIO: Bool = true) throws {
        poller = try CurlPoller(loop: loop, allowsAIO: allowsAIO)
        var limits = limits
        // libcurl would look for them in the environment at each request.
        if limits.proxy == nil, Self.proxyVariables.allSatisfy({ getenv($0) == nil }) { limits.proxy = "" }
        trusted = try CurlMulti(poller: poller, limits: limits)
        checked = try CurlMulti(poller: poller, limits: limits)
        self.timers = timers
        self.limits = limits
    }

    private static let proxyVariables = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]

    package func start() -> EventLoopFuture<Void> { poller.start() }
    package func stop() { poller.stop() }

    package func send(_ request: UpstreamRequest) throws(UpstreamFailure) -> Transfer {
        let isProxied = request.policy.map { limits.isProxied(host: $0.host) } ?? false
        if isProxied, let refusal = request.policy?.refusalBehindProxy() {
            throw UpstreamFailure(.refusedAddress, refusal)
        }
        let multi = request.policy == nil ? trusted : checked
        let transfer = Transfer(multi: multi, request: request, isProxied: isProxied, limits: limits, timers: timers)
        try transfer.start()
        return transfer
    }
}
