// UpstreamClient: calls providers from one event loop. Start reading the module here: a request goes in, a Transfer comes out
// (Transfer.swift), curl does the work (CurlMulti.swift) on the loop's own thread (CurlPoller.swift).

package import Core
package import NIOCore

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

    /// Runs when curl's callbacks of one turn have been served.
    package var afterTurn: () -> Void {
        get { poller.afterTurn }
        set { poller.afterTurn = newValue }
    }

    package var usesCompanionThread: Bool { poller.usesCompanionThread }

    /// `allowsAIO` false forces the companion thread, as in sandboxes that refuse io_submit.
    package init(loop: any EventLoop, timers: LoopTimers, limits: UpstreamLimits, allowsAIO: Bool = true) throws {
        poller = try CurlPoller(loop: loop, allowsAIO: allowsAIO)
        trusted = try CurlMulti(poller: poller, maximumIdleConnections: limits.maximumIdleConnections)
        checked = try CurlMulti(poller: poller, maximumIdleConnections: limits.maximumIdleConnections)
        self.timers = timers
        self.limits = limits
    }

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
