// ServerExchange: one request of a client and the way back to it. Confined to its event loop.

package import Core
import NIOCore
import NIOHTTP1

package struct ServerRequestHead {
    package var method: String
    /// As it stands in the request line.
    package var target: String
    package var headers: [(name: String, value: String)]

    package init(method: String, target: String, headers: [(name: String, value: String)]) {
        self.method = method
        self.target = target
        self.headers = headers
    }

    /// The first value of a header, by its lower-case name.
    package func value(_ name: StaticString) -> String? {
        for header in headers where header.name.equalsIgnoringCase(name) { return header.value }
        return nil
    }
}

package final class ServerExchange {
    package let head: ServerRequestHead
    /// The whole body of a buffered request.
    package internal(set) var body: Bytes = .empty
    /// "127.0.0.1", without a port.
    package let clientAddress: String
    /// Monotonic, nanoseconds: when the head was complete.
    package let startedAt: Int64
    /// Bytes of body sent so far.
    package private(set) var bytesSent = 0
    package private(set) var isHeadSent = false
    package private(set) var isClosed = false

    /// The handler's own.
    package var context: AnyObject?
    /// The body is on its way: take it through `stream`.
    package internal(set) var isStreamed = false

    /// Called once when the client goes away before the answer's end.
    package var onClose: (() -> Void)?

    /// nil: made by the gateway itself.
    private unowned let connection: ServerConnection?
    private var hasEnded = false
    private var writableWaiter: UnsafeContinuation<Void, Never>?
    private var bodySink: BodySink?
    private var early: [BodyEvent] = []

    /// What arrives of a streamed body.
    package enum BodyEvent {
        case piece(Bytes)
        case end
        /// The client went away, or broke a limit.
        case aborted(GatewayError)
    }
    package typealias BodySink = (BodyEvent) -> Void

    init(connection: ServerConnection, head: ServerRequestHead, clientAddress: String, startedAt: Int64) {
        self.connection = connection
        self.head = head
        self.clientAddress = clientAddress
        self.startedAt = startedAt
    }

    /// A request that no client has sent: the gateway asks itself. Nothing that is written goes anywhere.
    package init(asking head: ServerRequestHead, body: Bytes) {
        connection = nil
        self.head = head
        self.body = body
        clientAddress = "-"
        startedAt = MonotonicClock.now()
        isClosed = true
    }

    // MARK: A streamed request body

    /// Directs the pieces of a streamed body to `sink`, those that have come already first.
    package func stream(to sink: @escaping BodySink) {
        bodySink = sink
        let waiting = early
        early = []
        for event in waiting { sink(event) }
    }

    /// Stops or resumes reading from the client.
    package func setReading(_ reads: Bool) {
        if !isClosed, !hasEnded { connection?.setReading(reads) }
    }

    func received(_ event: BodyEvent) {
        if let bodySink { bodySink(event) } else { early.append(event) }
    }

    // MARK: The answer

    /// Sends the head. `contentLength` nil: the body's length is found by its end.
    package func writeHead(status: Int, headers: [(name: String, value: String)], contentLength: Int?) {
        guard !isClosed, !isHeadSent else { return }
        isHeadSent = true
        connection?.writeHead(status: status, headers: headers, contentLength: contentLength)
    }

    package func write(_ bytes: Bytes) {
        guard !isClosed, !bytes.isEmpty else { return }
        bytesSent += bytes.count
        connection?.write(bytes)
    }

    package func flush() {
        if !isClosed { connection?.flush() }
    }

    /// Ends the answer and flushes it. Nothing of this exchange may be used afterwards.
    package func end() {
        guard !isClosed, !hasEnded else { return }
        hasEnded = true
        onClose = nil
        connection?.endAnswer()
    }

    /// Cuts the connection: the only honest end of an answer that broke in the middle.
    package func cut() {
        guard !isClosed, !hasEnded else { return }
        hasEnded = true
        onClose = nil
        connection?.cut()
    }

    /// Waits until the client has taken enough of what was written. Returns at once when it has, or has gone.
    package func writable() async {
        guard !isClosed, let connection, !connection.isWritable else { return }
        await withUnsafeContinuation { writableWaiter = $0 }
    }

    func writabilityChanged() {
        guard isClosed || connection?.isWritable == true, let waiter = writableWaiter else { return }
        writableWaiter = nil
        waiter.resume()
    }

    /// The connection answered in its stead: whatever is still written goes nowhere.
    func detach() {
        isClosed = true
        context = nil
        onClose = nil
        bodySink = nil
    }

    func closed() {
        guard !isClosed else { return }
        isClosed = true
        writabilityChanged()
        let callback = onClose
        onClose = nil
        context = nil
        received(.aborted(GatewayError(.clientTimeout, status: 499, "the client closed the connection")))
        bodySink = nil
        callback?()
    }
}
