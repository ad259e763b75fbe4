// ServerConnection: HTTP/1.1 on one connection, as a channel handler behind NIO's parser. It pairs requests with answers, keeps
// pipelined requests waiting, and enforces limits and timeouts. What an exchange means is the handler's business.

package import Core
import NIOCore
import NIOHTTP1

/// What the server asks of the gateway. All calls come on the connection's event loop.
package protocol ExchangeHandler: AnyObject {
    /// Called with each complete head. What is found out may be kept in `exchange.context`.
    func bodyMode(for exchange: ServerExchange) -> BodyMode
    /// Called once per request, when its body is there (or at once, see `BodyMode`).
    func handle(_ exchange: ServerExchange)
    func connectionOpened()
    func connectionClosed()
    /// The answer to a request that never became an exchange.
    func refusal(_ error: GatewayError, target: String) -> (headers: [(name: String, value: String)], body: Bytes)
}

final class ServerConnection: ChannelInboundHandler, RemovableChannelHandler, Timed {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// Between requests, or in the middle of a head.
        case waiting
        /// A head has come; its body is on the way.
        case receiving(Receiving)
        /// The body has come; the answer is on the way.
        case answering
        /// The last answer has been written: what still comes is thrown away, so that the client can read it in peace.
        case lingering
        case closed
    }

    /// Why nothing is read from the client.
    private struct Pauses: OptionSet {
        let rawValue: UInt8
        /// The upstream takes an upload more slowly than it comes.
        static let upload = Pauses(rawValue: 1)
        /// Enough requests wait for the answers to those before them.
        static let pipelining = Pauses(rawValue: 2)
    }

    private struct Receiving {
        var limit: Int
        var count = 0
        /// Nil for streamed and ignored bodies.
        var builder: BytesBuilder?
        var isIgnored = false
    }

    private let handler: any ExchangeHandler
    private let limits: ServerLimits
    private let timers: LoopTimers
    private let registry: ConnectionRegistry
    private var context: ChannelHandlerContext?
    private var phase = Phase.waiting
    private var exchange: ServerExchange?
    /// The handler has the exchange: it must hear of everything that happens to it.
    private var isHandled = false
    private var isAnswerDone = true
    private var keepsAlive = true
    private var isHTTP10 = false
    private var isHeadRequest = false
    private var waitingParts: [HTTPServerRequestPart] = []
    private var waitingHeads = 0
    private var pauses: Pauses = []
    private var isDraining = false
    private var hasBroken: GatewayError?
    private var clientAddress = ""
    private var encoder = AnswerEncoder()
    /// Bytes since the last head was complete: the size of a head in the making.
    private var headBytes = 0
    private var hasHeadStarted = false

    private(set) var deadline: Deadline = .never
    var wheelPlace = WheelPlace.none

    /// Parts of further requests that may wait before reading stops.
    private static let maximumWaitingParts = 64
    /// Bytes of a body that nobody reads which a connection may still be kept for.
    private static let mostIgnored = 1 << 20

    init(handler: any ExchangeHandler, limits: ServerLimits, timers: LoopTimers, registry: ConnectionRegistry) {
        self.handler = handler
        self.limits = limits
        self.timers = timers
        self.registry = registry
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) { begin(context) }

    private func begin(_ context: ChannelHandlerContext) {
        guard clientAddress.isEmpty else { return }
        clientAddress = context.remoteAddress?.ipAddress ?? "local"
        registry.add(self)
        handler.connectionOpened()
        if !registry.hasRoom {
            refuse(GatewayError(.overloaded, status: 503, "too many connections"))
            return
        }
        setDeadline(milliseconds: limits.idleTimeoutMilliseconds)
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        registry.remove(self)
        if !clientAddress.isEmpty { handler.connectionClosed() }
        timers.cancel(self)
        let exchange = exchange
        self.exchange = nil
        waitingParts = []
        exchange?.closed()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if case .lingering = phase { return }
        if !waitingParts.isEmpty || mustWait(part) {
            waitingParts.append(part)
            if case .head = part { waitingHeads += 1 }
            if waitingHeads >= limits.pipelined || waitingParts.count > Self.maximumWaitingParts { pause(.pipelining) }
            return
        }
        take(part)
    }

    /// A new head must wait for the answer to the request before it.
    private func mustWait(_ part: HTTPServerRequestPart) -> Bool {
        if case .head = part { return !isAnswerDone }
        return false
    }

    /// Called by `HeadMeter`, ahead of the parser, for the bytes of each read.
    func received(bytes: Int) {
        guard case .waiting = phase else { return }
        headBytes += bytes
        if !hasHeadStarted {
            hasHeadStarted = true
            setDeadline(milliseconds: limits.headerTimeoutMilliseconds)
        }
    }

    /// Called by `HeadMeter` when the parser has seen the bytes of a read.
    func parsed() {
        if case .waiting = phase, hasHeadStarted, headBytes > limits.headerBytes + 1024 { refuseHeadSize() }
    }

    private func refuseHeadSize() {
        refuse(
            GatewayError(
                .payloadTooLarge, status: 431,
                "the request's line and headers are larger than \(limits.headerBytes) bytes"))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .answering = phase {
            if isWritable { deadline = .never } else { setDeadline(milliseconds: limits.bodyTimeoutMilliseconds) }
        }
        exchange?.writabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let failure: GatewayError
        switch error {
        case HTTPParserError.headerOverflow:
            failure = GatewayError(
                .payloadTooLarge, status: 431,
                "the request's line and headers are larger than \(limits.headerBytes) bytes")
        case let error as HTTPParserError:
            failure = GatewayError(
                .invalidRequest, status: 400, "the request is not valid HTTP/1.1: \(error.plainDescription)")
        default:
            // A socket or TLS error: there is nobody to tell.
            context.close(promise: nil)
            return
        }
        if case .receiving = phase, isAnswerDone {
            // Garbage inside a body that nobody reads: its request has its answer.
            linger()
        } else if isAnswerDone {
            refuse(failure)
        } else {
            // Garbage behind a request that is being answered, or inside its body.
            guard isHandled else { return refuse(failure, target: exchange?.head.target ?? "") }
            hasBroken = failure
            if case .receiving = phase {
                phase = .answering
                exchange?.received(.aborted(failure))
            }
        }
    }

    // MARK: Requests

    private func take(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head): begin(head)
        case .body(let buffer): receive(buffer)
        case .end: endOfBody()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        guard case .waiting = phase else { return }
        headBytes = 0
        hasHeadStarted = false
        isAnswerDone = false
        isHandled = false
        isHTTP10 = head.version.minor == 0
        isHeadRequest = head.method == .HEAD
        let request = ServerRequestHead(
            method: head.method.rawValue, target: head.uri,
            headers: head.headers.map { (name: $0.name, value: trimmed($0.value)) })
        // The parser takes nothing after a request to upgrade, which is never granted here.
        let upgrades = head.method == .CONNECT || request.value("upgrade") != nil
        let asksToClose = request.value("connection")?.lowercased() == "close"
        keepsAlive = head.isKeepAlive && !asksToClose && !isDraining && !upgrades
        if let refusal = refusal(of: request, version: head.version) {
            refuse(refusal, target: head.uri)
            return
        }
        let exchange = ServerExchange(
            connection: self, head: request, clientAddress: clientAddress, startedAt: MonotonicClock.now())
        self.exchange = exchange
        let mode = handler.bodyMode(for: exchange)
        let announced = request.value("content-length").flatMap { Int($0) }
        switch mode {
        case .buffered(let limit):
            if let announced, announced > limit { return refuseBodySize(limit, target: head.uri) }
            phase = .receiving(Receiving(limit: limit, builder: BytesBuilder(capacity: min(announced ?? 0, 64 << 10))))
        case .streamed(let limit):
            if let announced, announced > limit { return refuseBodySize(limit, target: head.uri) }
            exchange.isStreamed = true
            phase = .receiving(Receiving(limit: limit))
        case .ignored:
            phase = .receiving(Receiving(limit: Self.mostIgnored, isIgnored: true))
            // Whether a body will come that is asked for in advance, or is this long, nobody can know: the connection ends.
            if request.value("expect") != nil || announced ?? 0 > Self.mostIgnored { keepsAlive = false }
        }
        setDeadline(milliseconds: limits.bodyTimeoutMilliseconds)
        // HTTP/1.0 knows no expectations (RFC 9110, 10.1.1).
        if let expectation = request.value("expect"), !isHTTP10 {
            guard expectation.lowercased() == "100-continue" else {
                return refuse(
                    GatewayError(.invalidRequest, status: 417, "Expect: only 100-continue is known"), target: head.uri)
            }
            // Nobody waits for a body that is not read.
            if case .ignored = mode {
            } else {
                encoder.proceed()
                flush()
            }
        }
        switch mode {
        case .buffered: break
        case .streamed, .ignored: handle(exchange)
        }
    }

    /// Without the white space behind a value, of which the parser leaves the tabs (RFC 9110, 5.5).
    private func trimmed(_ value: String) -> String {
        guard let last = value.utf8.last, last == 0x20 || last == 0x09 else { return value }
        var end = value.utf8.endIndex
        while end > value.utf8.startIndex {
            let before = value.utf8.index(before: end)
            guard value.utf8[before] == 0x20 || value.utf8[before] == 0x09 else { break }
            end = before
        }
        return String(value[..<end])
    }

    private func handle(_ exchange: ServerExchange) {
        isHandled = true
        handler.handle(exchange)
    }

    private func refusal(of head: ServerRequestHead, version: HTTPVersion) -> GatewayError? {
        if version.major != 1 {
            return GatewayError(.invalidRequest, status: 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        var size = head.method.utf8.count + head.target.utf8.count
        var hosts = 0
        var hasLength = false
        var codings: [String] = []
        for (name, value) in head.headers {
            size += name.utf8.count + value.utf8.count + 4
            switch name.utf8.count {
            case 4: if name.equalsIgnoringCase("host") { hosts += 1 }
            case 14: if name.equalsIgnoringCase("content-length") { hasLength = true }
            case 17: if name.equalsIgnoringCase("transfer-encoding") { codings.append(value) }
            default: break
            }
        }
        if size > limits.headerBytes {
            return GatewayError(
                .payloadTooLarge, status: 431,
                "the request's line and headers are larger than \(limits.headerBytes) bytes")
        }
        if head.headers.count > limits.headerCount {
            return GatewayError(
                .payloadTooLarge, status: 431, "the request has more than \(limits.headerCount) headers")
        }
        if hosts > 1 { return GatewayError(.invalidRequest, status: 400, "the request has more than one Host header") }
        // RFC 9112, 3.2.
        if hosts == 0, version.minor > 0 {
            return GatewayError(.invalidRequest, status: 400, "the request has no Host header")
        }
        // RFC 9112, 6.1: whoever stands before or behind must not read another length than we do.
        if let coding = codings.first {
            guard codings.count == 1, coding.lowercased() == "chunked" else {
                return GatewayError(.invalidRequest, status: 400, "Transfer-Encoding: only 'chunked', once, is known")
            }
            if hasLength {
                return GatewayError(
                    .invalidRequest, status: 400, "the request has a Transfer-Encoding and a Content-Length")
            }
            if version.minor == 0 {
                return GatewayError(.invalidRequest, status: 400, "HTTP/1.0 has no Transfer-Encoding")
            }
        }
        return nil
    }

    private func receive(_ buffer: ByteBuffer) {
        guard case .receiving(var receiving) = phase else { return }
        receiving.count += buffer.readableBytes
        if receiving.count > receiving.limit {
            if receiving.isIgnored {
                keepsAlive = false
                if isAnswerDone { linger() }
                return
            }
            if isHandled {
                let error = bodyTooLarge(receiving.limit)
                phase = .answering
                keepsAlive = false
                exchange?.received(.aborted(error))
                return
            }
            return refuseBodySize(receiving.limit, target: exchange?.head.target ?? "")
        }
        setDeadline(milliseconds: limits.bodyTimeoutMilliseconds)
        if receiving.builder != nil {
            buffer.withUnsafeReadableBytes { receiving.builder?.append($0) }
        }
        phase = .receiving(receiving)
        if receiving.builder == nil, !receiving.isIgnored {
            exchange?.received(.piece(buffer.withUnsafeReadableBytes { Bytes(copying: $0) }))
        }
    }

    private func endOfBody() {
        guard case .receiving(var receiving) = phase, let exchange else {
            // The answer went out before the body's end and kept the connection: nothing is left to do.
            if case .receiving = phase { finishRequest() }
            return
        }
        phase = .answering
        deadline = .never
        if receiving.builder != nil {
            exchange.body = receiving.builder?.finish() ?? .empty
            handle(exchange)
        } else if !receiving.isIgnored {
            exchange.received(.end)
        }
        if case .answering = phase, isAnswerDone { finishRequest() }
    }

    private func bodyTooLarge(_ limit: Int) -> GatewayError {
        GatewayError(.payloadTooLarge, status: 413, "the request body is larger than \(limit) bytes")
    }

    private func refuseBodySize(_ limit: Int, target: String) { refuse(bodyTooLarge(limit), target: target) }

    // MARK: Answers

    func writeHead(status: Int, headers: [(name: String, value: String)], contentLength: Int?) {
        var length = AnswerEncoder.Length.unknown
        if let contentLength { length = .known(contentLength) } else if isHTTP10 { length = .untilClose }
        if hasBroken != nil || isDraining || length == .untilClose { keepsAlive = false }
        encoder.head(
            status: status, isHTTP10: isHTTP10, isHead: isHeadRequest, headers: headers, length: length,
            connection: keepsAlive ? (isHTTP10 ? "keep-alive" : nil) : "close")
    }

    func write(_ bytes: Bytes) {
        encoder.body(bytes)
    }

    /// What was written goes out.
    func flush() {
        guard let context, !encoder.isEmpty else { return }
        var bytes = encoder.take()
        // This may come back here with more to write.
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        encoder.recycle(&bytes)
    }

    func endAnswer() {
        guard context != nil else { return }
        let isWhole = encoder.end()
        flush()
        isAnswerDone = true
        exchange = nil
        guard isWhole else {
            // Less came than was announced: the client must see that.
            phase = .closed
            context?.close(promise: nil)
            return
        }
        switch phase {
        case .answering: finishRequest()
        case .receiving(let receiving) where keepsAlive && receiving.isIgnored: break
        case .receiving: linger()
        default: break
        }
    }

    func cut() {
        let exchange = exchange
        self.exchange = nil
        defer { exchange?.closed() }
        isAnswerDone = true
        phase = .closed
        // Without a half-close handshake the client sees that the answer is incomplete.
        context?.close(promise: nil)
    }

    /// Request and answer are both over.
    private func finishRequest() {
        guard isAnswerDone else { return }
        exchange = nil
        if !keepsAlive || hasBroken != nil || isDraining {
            linger()
            return
        }
        phase = .waiting
        headBytes = 0
        hasHeadStarted = false
        setDeadline(milliseconds: limits.idleTimeoutMilliseconds)
        takeWaitingParts()
    }

    private var isTakingParts = false

    private func takeWaitingParts() {
        // An answer that is ready at once comes back here: the outer call goes on with the parts, not a deeper one.
        guard !isTakingParts else { return }
        isTakingParts = true
        defer { isTakingParts = false }
        while let part = waitingParts.first, !mustWait(part) {
            waitingParts.removeFirst()
            if case .head = part { waitingHeads -= 1 }
            take(part)
        }
        if waitingParts.isEmpty { resume(.pipelining) }
    }

    /// Answers a request that never became an exchange, and ends the connection.
    private func refuse(_ error: GatewayError, target: String = "") {
        guard context != nil else { return }
        switch phase {
        case .lingering, .closed: return
        default: break
        }
        keepsAlive = false
        exchange?.detach()
        exchange = nil
        let (headers, body) = handler.refusal(error, target: target)
        writeHead(status: error.status, headers: headers, contentLength: body.count)
        write(body)
        _ = encoder.end()
        flush()
        isAnswerDone = true
        linger()
    }

    /// Closes our side, and the rest when the client has closed its own or two seconds have passed. An immediate close would
    /// reset the connection while the client still sends, and take the answer with it.
    private func linger() {
        guard let context else { return }
        phase = .lingering
        waitingParts = []
        waitingHeads = 0
        resume([.upload, .pipelining])
        context.close(mode: .output, promise: nil)
        setDeadline(milliseconds: 2_000)
    }

    // MARK: Reading, timeouts, drain

    /// An upload's back-pressure.
    func setReading(_ reads: Bool) {
        if reads { resume(.upload) } else { pause(.upload) }
    }

    private func pause(_ reason: Pauses) { change(pauses.union(reason)) }
    private func resume(_ reason: Pauses) { change(pauses.subtracting(reason)) }

    private func change(_ new: Pauses) {
        guard let context else { return }
        let wasReading = pauses.isEmpty
        pauses = new
        if wasReading != new.isEmpty { _ = context.channel.setOption(.autoRead, value: new.isEmpty) }
    }

    private func setDeadline(milliseconds: Int) {
        let new = Deadline.after(milliseconds: milliseconds)
        let isEarlier = wheelPlace.isQueued && new < deadline
        deadline = new
        if isEarlier { timers.reschedule(self) } else { timers.schedule(self) }
    }

    func deadlinePassed() {
        deadline = .never
        switch phase {
        case .waiting where hasHeadStarted:
            refuse(GatewayError(.clientTimeout, status: 408, "the request's headers did not come in time"))
        case .receiving where isAnswerDone: linger()
        case .receiving where exchange?.isHeadSent ?? false: cut()
        case .receiving:
            let error = GatewayError(.clientTimeout, status: 408, "the request's body did not come in time")
            if isHandled {
                keepsAlive = false
                phase = .answering
                exchange?.received(.aborted(error))
            } else {
                refuse(error, target: exchange?.head.target ?? "")
            }
        case .answering:
            // Only while the client does not read is there a deadline in this phase.
            if !isWritable { cut() }
        case .waiting, .lingering, .closed: context?.close(promise: nil)
        }
    }

    /// Shutdown: idle connections close now, busy ones after their answer.
    func drain() {
        isDraining = true
        if case .waiting = phase, !hasHeadStarted { context?.close(promise: nil) }
    }

    func closeNow() { context?.close(promise: nil) }
}

/// Stands before the parser and counts bytes, so that heads that never end are noticed.
final class HeadMeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private unowned let connection: ServerConnection
    init(_ connection: ServerConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(bytes: unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
        connection.parsed()
    }
}

extension HTTPParserError {
    /// The parser's error in words for a client.
    fileprivate var plainDescription: String {
        switch self {
        case .invalidVersion: "bad version"
        case .invalidMethod: "bad method"
        case .invalidURL, .invalidHost, .invalidPort, .invalidPath, .invalidQueryString, .invalidFragment:
            "bad request target"
        case .invalidHeaderToken: "bad character in a header"
        case .invalidContentLength, .unexpectedContentLength: "bad Content-Length"
        case .invalidChunkSize: "bad chunk size"
        case .closedConnection: "data after Connection: close"
        case .lfExpected, .strictModeAssertion: "bad line end"
        case .invalidEOFState: "the connection ended in the middle of the request"
        default: "malformed message"
        }
    }
}
