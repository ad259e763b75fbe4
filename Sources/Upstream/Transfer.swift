// Transfer: one upstream request on its way, as straight-line code sees it: wait for the head, then for piece after piece.

import CCurl
package import Core

#if canImport(Glibc)
    import Glibc
#endif

/// Confined to its event loop. One task at a time waits on it.
package final class Transfer: Timed {
    private let multi: CurlMulti
    private var easy: EasyHandle?
    private let request: UpstreamRequest
    /// A checked request that goes through the operator's proxy.
    private let isProxied: Bool
    private let limits: UpstreamLimits
    private let timers: LoopTimers
    private var upload: UploadBody?

    private var head = UpstreamHead(status: 0, headers: [])
    private var isHeadComplete = false
    private var isEncoded = false
    private var pending = BytesBuilder(capacity: 0)
    private var received = 0
    private var isPaused = false
    private var isUploadPaused = false
    private var isDone = false
    private var hasRestarted = false
    private var failure: UpstreamFailure?
    private var refusal: String?
    private var waiter: UnsafeContinuation<Void, Never>?

    package private(set) var deadline: Deadline = .never
    package var wheelPlace = WheelPlace.none
    private var timeoutMessage = ""

    /// More than this waiting to be read pauses the upstream.
    private static let highWater = 256 << 10

    init(multi: CurlMulti, request: UpstreamRequest, isProxied: Bool, limits: UpstreamLimits, timers: LoopTimers) {
        self.multi = multi
        self.request = request
        self.isProxied = isProxied
        self.limits = limits
        self.timers = timers
    }

    // MARK: Waiting

    /// Waits for the answer's head. `timeoutMessage` says what did not come in time.
    package func head(by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> UpstreamHead {
        while !hasHead {
            if let failure { throw failure }
            await wait(by: deadline, timeoutMessage)
        }
        return head
    }

    /// All bytes that have come since the last call, waiting for some; nil at the end of a whole answer.
    package func next(by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> Bytes? {
        while pending.count == 0 {
            if let failure { throw failure }
            if isDone { return nil }
            await wait(by: deadline, timeoutMessage)
        }
        let piece = pending.finish()
        resume()
        return piece
    }

    /// A compressed answer's head waits for its first decoded byte: only then is it known that the coding is what it says.
    private var hasHead: Bool { isHeadComplete && (!isEncoded || hasBytes) }
    /// A failure before the first byte of the body.
    package var earlyFailure: UpstreamFailure? { received == 0 ? failure : nil }
    /// True when `next` will not have to wait for the upstream.
    package var hasBytes: Bool { pending.count > 0 || isDone }

    /// The whole body, of `limit` bytes at most.
    package func body(limit: Int, by deadline: Deadline, timeoutMessage: String) async throws(UpstreamFailure) -> Bytes
    {
        guard let first = try await next(by: deadline, timeoutMessage: timeoutMessage) else { return .empty }
        guard let second = try await next(by: deadline, timeoutMessage: timeoutMessage) else { return first }
        var builder = BytesBuilder(capacity: (first.count + second.count) * 2)
        builder.append(first)
        builder.append(second)
        while let piece = try await next(by: deadline, timeoutMessage: timeoutMessage) {
            builder.append(piece)
            if builder.count > limit {
                throw UpstreamFailure(.tooLarge, "the upstream's answer is larger than \(limit) bytes")
            }
        }
        return builder.finish()
    }

    private func wait(by deadline: Deadline, _ message: String) async {
        if deadline != .never {
            let isEarlier = wheelPlace.isQueued && deadline < self.deadline
            self.deadline = deadline
            timeoutMessage = message
            if isEarlier { timers.reschedule(self) } else { timers.schedule(self) }
        }
        await withUnsafeContinuation { waiter = $0 }
        self.deadline = .never
    }

    package func deadlinePassed() {
        fail(UpstreamFailure(.timeout, timeoutMessage))
    }

    private func wake() {
        guard let waiter else { return }
        self.waiter = nil
        waiter.resume()
    }

    /// Ends the transfer: the upstream connection is closed at once, waiting code gets `.cancelled`.
    package func cancel() {
        fail(UpstreamFailure(.cancelled, "the request was cancelled"))
    }

    private func fail(_ reason: UpstreamFailure) {
        guard !isDone else { return }
        if failure == nil { failure = reason }
        pending = BytesBuilder(capacity: 0)
        detach(isFinished: false)
        wake()
    }

    private func detach(isFinished: Bool) {
        isDone = true
        upload?.onBytes = nil
        upload = nil
        timers.cancel(self)
        guard let easy else { return }
        self.easy = nil
        multi.remove(easy, isFinished: isFinished)
    }

    private func resume() {
        guard isPaused, let easy else { return }
        isPaused = false
        curl_easy_pause(easy.handle, isUploadPaused ? CURLPAUSE_SEND : CURLPAUSE_CONT)
        multi.kick()
    }

    // MARK: Start

    func start() throws(UpstreamFailure) {
        guard let easy = multi.takeHandle() else {
            throw UpstreamFailure(.internalError, "libcurl takes no more requests")
        }
        self.easy = easy
        easy.transfer = self
        configure(easy)
        if request.policy != nil { easy.checkReuse() }
        easy.setHeaders(headerList())
        guard multi.start(self, easy) else {
            self.easy = nil
            easy.reset()
            upload?.onBytes = nil
            upload = nil
            throw UpstreamFailure(.internalError, "libcurl did not take the request")
        }
    }

    private func configure(_ easy: EasyHandle) {
        easy.setURL(request.url)
        easy.setProxy(
            request.policy != nil && !isProxied ? "" : limits.proxy, except: isProxied ? "" : limits.noProxy)
        _ = curl_shim_long(easy.handle, CURLOPT_FRESH_CONNECT, hasRestarted ? 1 : 0)
        setMethodAndBody(easy.handle)
    }

    private func setMethodAndBody(_ handle: OpaquePointer) {
        _ = curl_shim_long(handle, CURLOPT_NOBODY, 0)
        _ = curl_shim_long(handle, CURLOPT_UPLOAD, 0)
        _ = curl_shim_text(handle, CURLOPT_CUSTOMREQUEST, nil)
        switch request.body {
        case .bytes(let body):
            _ = curl_shim_long(handle, CURLOPT_POST, 1)
            _ = curl_shim_pointer(handle, CURLOPT_POSTFIELDS, body.pointer)
            _ = curl_shim_off(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            if request.method != "POST" { _ = curl_shim_text(handle, CURLOPT_CUSTOMREQUEST, request.method) }
        case .stream(let body):
            _ = curl_shim_long(handle, CURLOPT_UPLOAD, 1)
            _ = curl_shim_off(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(body.length ?? -1))
            _ = curl_shim_text(handle, CURLOPT_CUSTOMREQUEST, request.method)
            upload = body
            body.onBytes = { [unowned self] in bytesToUpload() }
        case .none:
            _ = curl_shim_pointer(handle, CURLOPT_POSTFIELDS, nil)
            if request.method == "HEAD" {
                _ = curl_shim_long(handle, CURLOPT_NOBODY, 1)
            } else {
                _ = curl_shim_long(handle, CURLOPT_HTTPGET, 1)
                if request.method != "GET" { _ = curl_shim_text(handle, CURLOPT_CUSTOMREQUEST, request.method) }
            }
        }
    }

    private func headerList() -> UnsafeMutablePointer<curl_slist>? {
        // libcurl would add its own Expect and, for posts, a form content type.
        var list = curl_slist_append(nil, "Expect:")
        var hasContentType = false
        for (name, value) in request.headers {
            if name.equalsIgnoringCase("content-type") { hasContentType = true }
            list = Self.append(name, value, to: list)
        }
        if !hasContentType { list = curl_slist_append(list, "Content-Type:") }
        if case .stream(let body) = request.body, body.length == nil {
            list = curl_slist_append(list, "Transfer-Encoding: chunked")
        }
        return list
    }

    /// "Name: value", or "Name;", which is how libcurl spells a header with an empty value. Put together on the stack.
    private static func append(
        _ name: String, _ value: String, to list: UnsafeMutablePointer<curl_slist>?
    ) -> UnsafeMutablePointer<curl_slist>? {
        let separator: StaticString = value.isEmpty ? ";" : ": "
        let size = name.utf8.count + separator.utf8CodeUnitCount + value.utf8.count
        return withUnsafeTemporaryAllocation(byteCount: size + 1, alignment: 1) { line in
            guard let start = line.baseAddress else { return nil }
            var end = HeaderText.copy(name, to: start)
            (start + end).copyMemory(from: separator.utf8Start, byteCount: separator.utf8CodeUnitCount)
            end += separator.utf8CodeUnitCount
            end += HeaderText.copy(value, to: start + end)
            line[end] = 0
            return curl_slist_append(list, UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))
        }
    }

    // MARK: curl's callbacks

    func mayConnect(to address: UnsafeMutablePointer<curl_sockaddr>) -> Bool {
        request.policy == nil || withUnsafePointer(to: &address.pointee.addr) { mayUse(IPAddress.endpoint($0)) }
    }

    /// Also asked about connections that are open: another request, with another policy, may have opened them.
    func mayUse(_ endpoint: (address: IPAddress, port: UInt16)?) -> Bool {
        // Behind a proxy the address is the proxy's, which the operator chose.
        guard let policy = request.policy, !isProxied else { return true }
        guard let endpoint else {
            refusal = "the host leads to an address that is neither IPv4 nor IPv6"
            return false
        }
        refusal = policy.refusal(of: endpoint.address, port: endpoint.port)
        return refusal == nil
    }

    func received(headerLine raw: UnsafeRawBufferPointer) {
        var end = raw.count
        while end > 0, raw[end - 1] == 0x0A || raw[end - 1] == 0x0D { end -= 1 }
        let line = UnsafeRawBufferPointer(rebasing: raw[..<end])
        if line.isEmpty {
            // The end of a head; 1xx heads are followed by another.
            if head.status >= 200 || head.status == 101 { isHeadComplete = true }
            if hasHead { wake() }
            return
        }
        if isHeadComplete { return }
        if line.count >= 8, line.rawEquals(0..<5, "HTTP/") {
            head = UpstreamHead(status: statusCode(line), headers: [])
            head.headers.reserveCapacity(12)
            return
        }
        // A control character might be a line's end to whoever reads it next: such a header is not passed on.
        if HeaderText.hasControl(line) { return }
        if line[0] == 0x20 || line[0] == 0x09 { return unfold(line) }
        // A name is a token (RFC 9110, 5.6.2), which has no colon.
        var colon = 0
        while colon < end, Self.isTokenByte(line[colon]) { colon += 1 }
        guard colon > 0, colon < end, line[colon] == UInt8(ascii: ":"), head.headers.count < 256 else { return }
        var start = colon + 1
        while start < end, line[start] == 0x20 || line[start] == 0x09 { start += 1 }
        while end > start, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        let name = String(decoding: UnsafeRawBufferPointer(rebasing: line[..<colon]), as: UTF8.self)
        if name.equalsIgnoringCase("content-encoding") { isEncoded = true }
        let value = String(decoding: UnsafeRawBufferPointer(rebasing: line[start..<end]), as: UTF8.self)
        head.headers.append((name, value))
    }

    /// A line that goes on with the header before it (RFC 9112, 5.2).
    private func unfold(_ line: UnsafeRawBufferPointer) {
        guard !head.headers.isEmpty else { return }
        let text = String(decoding: line, as: UTF8.self).drop { $0 == " " || $0 == "\t" }
        head.headers[head.headers.count - 1].value += " " + text
    }

    /// 1 for what may stand in a token, by the byte's lower and upper 64 values of ASCII.
    private static let tokenBits: (low: UInt64, high: UInt64) = (0x03FF_6CFA_0000_0000, 0x57FF_FFFF_C7FF_FFFE)

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        byte < 0x80 && (byte < 0x40 ? tokenBits.low : tokenBits.high) >> UInt64(byte & 63) & 1 == 1
    }

    private func statusCode(_ line: UnsafeRawBufferPointer) -> Int {
        guard let space = line.firstIndex(of: 0x20) else { return 0 }
        var status = 0
        for byte in line[(space + 1)...].prefix(3) where byte &- 0x30 < 10 { status = status * 10 + Int(byte - 0x30) }
        return status
    }

    /// Takes a piece of the body; what it returns tells curl to go on, to wait, or to stop.
    func received(body piece: UnsafeRawBufferPointer) -> Int {
        // A whole answer has its limit. It is never paused: in mid-block curl would decompress on, into memory of its own.
        if request.answerLimit == 0, pending.count > Self.highWater {
            isPaused = true
            return curl_shim_pause
        }
        received += piece.count
        if request.answerLimit > 0, received > request.answerLimit {
            failure = UpstreamFailure(.tooLarge, "the upstream's answer is larger than \(request.answerLimit) bytes")
            return 0
        }
        if isEncoded, received > 1 << 20, isBomb() {
            failure = UpstreamFailure(
                .invalidAnswer, "the upstream's compressed answer expands more than \(limits.decompressionRatio) times")
            return 0
        }
        pending.append(piece)
        wake()
        return piece.count
    }

    private func isBomb() -> Bool {
        guard let easy else { return false }
        var compressed: curl_off_t = 0
        _ = curl_shim_get_off(easy.handle, CURLINFO_SIZE_DOWNLOAD_T, &compressed)
        return received / limits.decompressionRatio > max(Int(compressed), 1)
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let upload, !upload.isAborted else { return curl_shim_read_abort }
        let count = upload.take(buffer)
        if count == 0, !upload.hasEnded {
            isUploadPaused = true
            return curl_shim_read_pause
        }
        return count
    }

    private func bytesToUpload() {
        guard isUploadPaused, let easy else { return }
        isUploadPaused = false
        curl_easy_pause(easy.handle, isPaused ? CURLPAUSE_RECV : CURLPAUSE_CONT)
        multi.kick()
    }

    func finished(_ result: CURLcode) {
        if result == CURLE_HTTP2, restarts() { return }
        if failure == nil, result != CURLE_OK { failure = explain(result) }
        if failure == nil, !isHeadComplete {
            failure = UpstreamFailure(.invalidAnswer, "the upstream sent no valid answer")
        }
        detach(isFinished: true)
        wake()
    }

    /// An HTTP/2 server may end a connection just when a request is on its way to it. libcurl sends such a request again where
    /// the connection is HTTP/1; here this is done for it, once, when nothing has been answered.
    private func restarts() -> Bool {
        guard failure == nil, !hasRestarted, head.status == 0, upload == nil, let old = easy else { return false }
        var connects = 0
        _ = curl_shim_get_long(old.handle, CURLINFO_NUM_CONNECTS, &connects)
        guard connects == 0 else { return false }
        hasRestarted = true
        easy = nil
        multi.remove(old, isFinished: true)
        do throws(UpstreamFailure) {
            try start()
        } catch {
            failure = error
            detach(isFinished: true)
            wake()
        }
        return true
    }

    private var errorText: String { easy?.errorText ?? "" }

    private func explain(_ result: CURLcode) -> UpstreamFailure {
        if let refusal { return UpstreamFailure(.refusedAddress, refusal) }
        switch result {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return UpstreamFailure(.unresolved, "the upstream's host name could not be resolved")
        case CURLE_COULDNT_CONNECT:
            return UpstreamFailure(.unreachable, "the upstream could not be reached", detail: errorText)
        case CURLE_OPERATION_TIMEDOUT:
            return UpstreamFailure(.unreachable, "the upstream did not accept a connection in time")
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            return UpstreamFailure(.tls, "no TLS connection to the upstream could be made", detail: errorText)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return UpstreamFailure(.unreachable, "the upstream's URL is not a valid http or https URL")
        case CURLE_BAD_CONTENT_ENCODING:
            return UpstreamFailure(
                .invalidAnswer, "the upstream's answer has a content encoding that cannot be decoded")
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_HTTP2:
            return UpstreamFailure(.invalidAnswer, "the upstream's answer is not HTTP", detail: errorText)
        default:
            let text = errorText.isEmpty ? String(cString: curl_easy_strerror(result)) : errorText
            return UpstreamFailure(
                isHeadComplete ? .cut : .unreachable,
                isHeadComplete ? "the connection to the upstream broke off" : "the connection to the upstream failed",
                detail: text)
        }
    }
}
