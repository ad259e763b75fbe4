// CurlMulti: one of libcurl's multi handles, with its own pool of connections.

import CCurl
import CLinux
import Core
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Confined to its poller's thread.
final class CurlMulti {
    private let handle: OpaquePointer
    private unowned let poller: CurlPoller
    private let limits: UpstreamLimits
    private var running: Int32 = 0
    private var active: [UnsafeRawPointer: Transfer] = [:]
    /// Easy handles that keep their options and buffers between requests.
    private var idleHandles: [EasyHandle] = []
    private(set) var timerDeadline: NIODeadline = .distantFuture
    private var isTimerDue = false
    private var isStopped = false

    static let globalInitialisation: Bool = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    init(poller: CurlPoller, limits: UpstreamLimits) throws(UpstreamFailure) {
        guard Self.globalInitialisation, let handle = curl_multi_init() else {
            throw UpstreamFailure(.internalError, "libcurl could not be initialised")
        }
        self.handle = handle
        self.poller = poller
        self.limits = limits
        let me = Unmanaged.passUnretained(self).toOpaque()
        _ = curl_shim_multi_long(handle, CURLMOPT_MAXCONNECTS, limits.maximumIdleConnections)
        _ = curl_shim_multi_long(handle, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        _ = curl_shim_multi_sockets(
            handle,
            { _, descriptor, what, user, _ in
                guard let user else { return 0 }
                let multi = Unmanaged<CurlMulti>.fromOpaque(user).takeUnretainedValue()
                if !multi.isStopped { multi.poller.watch(descriptor, what, for: multi) }
                return 0
            }, me)
        _ = curl_shim_multi_timer(
            handle,
            { _, milliseconds, user in
                guard let user else { return 0 }
                Unmanaged<CurlMulti>.fromOpaque(user).takeUnretainedValue().setTimer(milliseconds)
                return 0
            }, me)
        poller.add(self)
    }

    deinit { stop() }

    /// Cancels what runs and closes all connections. Nothing is started afterwards, and the poller is left alone.
    func stop() {
        guard !isStopped else { return }
        for transfer in active.values { transfer.cancel() }
        isStopped = true
        timerDeadline = .distantFuture
        idleHandles.removeAll()
        curl_multi_cleanup(handle)
    }

    private func setTimer(_ milliseconds: Int) {
        guard !isStopped else { return }
        isTimerDue = milliseconds == 0
        timerDeadline = milliseconds <= 0 ? .distantFuture : .now() + .milliseconds(Int64(milliseconds))
    }

    func runDueTimer() {
        while isTimerDue || (timerDeadline != .distantFuture && NIODeadline.now() >= timerDeadline) {
            isTimerDue = false
            timerDeadline = .distantFuture
            curl_multi_socket_action(handle, CURL_SOCKET_TIMEOUT, 0, &running)
        }
        harvest()
    }

    func socketReady(_ descriptor: Int32, _ events: UInt32) {
        var mask: Int32 = 0
        if events & UInt32(EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { mask |= CURL_CSELECT_IN }
        if events & UInt32(EPOLLOUT.rawValue) != 0 { mask |= CURL_CSELECT_OUT }
        if events & UInt32(EPOLLERR.rawValue) != 0 { mask |= CURL_CSELECT_ERR }
        curl_multi_socket_action(handle, descriptor, mask, &running)
        harvest()
    }

    func closed(_ descriptor: Int32) {
        if !isStopped { poller.forget(descriptor) }
    }

    func takeHandle() -> EasyHandle? { isStopped ? nil : idleHandles.popLast() ?? EasyHandle(self, limits) }

    /// Starts a transfer whose handle is set up. Not from inside a callback of curl's.
    func start(_ transfer: Transfer, _ easy: EasyHandle) -> Bool {
        active[UnsafeRawPointer(easy.handle)] = transfer
        guard curl_multi_add_handle(handle, easy.handle) == CURLM_OK else {
            active[UnsafeRawPointer(easy.handle)] = nil
            return false
        }
        poller.workAdded()
        return true
    }

    /// Takes a handle off the multi: after its end, or to cancel it. A connection in mid-answer is closed by this, and an
    /// HTTP/2 stream is reset.
    func remove(_ easy: EasyHandle, isFinished: Bool) {
        active[UnsafeRawPointer(easy.handle)] = nil
        // libcurl would keep the reset to itself until something else is sent on this connection, and the provider would
        // write on: a connection that nobody else uses is closed instead.
        if !isFinished { _ = curl_shim_long(easy.handle, CURLOPT_FORBID_REUSE, 1) }
        curl_multi_remove_handle(handle, easy.handle)
        if !isFinished { _ = curl_shim_long(easy.handle, CURLOPT_FORBID_REUSE, 0) }
        easy.reset()
        if idleHandles.count < 1024 { idleHandles.append(easy) }
        poller.timersChanged()
    }

    /// curl has work after an un-pause: let it run before the loop sleeps.
    func kick() {
        poller.workAdded()
    }

    private func harvest() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(handle, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = active[UnsafeRawPointer(easy)]
            else { continue }
            transfer.finished(curl_shim_result(message))
        }
    }
}

/// One of libcurl's easy handles, set up once and used for many requests.
final class EasyHandle {
    let handle: OpaquePointer
    /// The transfer in progress; curl's callbacks come through here.
    var transfer: Transfer?
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var url: (text: String, parts: OpaquePointer)?
    private var proxy: (address: String?, hosts: String?)?
    private unowned let multi: CurlMulti
    /// curl's own sentence about an error.
    private let errorBuffer = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    var errorText: String { String(cString: errorBuffer) }

    init?(_ multi: CurlMulti, _ limits: UpstreamLimits) {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        self.multi = multi
        setUp(limits)
    }

    deinit {
        curl_slist_free_all(headers)
        curl_easy_cleanup(handle)
        if let url { curl_url_cleanup(url.parts) }
        errorBuffer.deallocate()
    }

    /// What all requests have in common.
    private func setUp(_ limits: UpstreamLimits) {
        let me = Unmanaged.passUnretained(self).toOpaque()
        errorBuffer.pointee = 0
        _ = curl_shim_pointer(handle, CURLOPT_ERRORBUFFER, errorBuffer)
        _ = curl_shim_long(handle, CURLOPT_CONNECTTIMEOUT_MS, limits.connectTimeoutMilliseconds)
        let version = limits.allowsHTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
        _ = curl_shim_long(handle, CURLOPT_HTTP_VERSION, Int(version))
        if let file = limits.caFile { _ = curl_shim_text(handle, CURLOPT_CAINFO, file) }
        if let directory = limits.caDirectory { _ = curl_shim_text(handle, CURLOPT_CAPATH, directory) }
        _ = curl_shim_long(handle, CURLOPT_NOSIGNAL, 1)
        _ = curl_shim_long(handle, CURLOPT_FOLLOWLOCATION, 0)
        _ = curl_shim_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = curl_shim_long(handle, CURLOPT_PATH_AS_IS, 1)
        _ = curl_shim_long(handle, CURLOPT_HTTP09_ALLOWED, 0)
        // The default of 64 KiB is allocated and freed for each request, which costs glibc a consolidation each time.
        _ = curl_shim_long(handle, CURLOPT_UPLOAD_BUFFERSIZE, 16_384)
        _ = curl_shim_long(handle, CURLOPT_TCP_NODELAY, 1)
        _ = curl_shim_long(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        _ = curl_shim_long(handle, CURLOPT_CA_CACHE_TIMEOUT, 604_800)
        _ = curl_shim_text(handle, CURLOPT_ACCEPT_ENCODING, "")
        _ = curl_shim_on_header(
            handle,
            { bytes, _, count, user in
                guard let user, let bytes else { return 0 }
                Unmanaged<EasyHandle>.fromOpaque(user).takeUnretainedValue().transfer?
                    .received(headerLine: UnsafeRawBufferPointer(start: bytes, count: count))
                return count
            }, me)
        _ = curl_shim_on_body(
            handle,
            { bytes, _, count, user in
                guard let user, let bytes else { return 0 }
                guard let transfer = Unmanaged<EasyHandle>.fromOpaque(user).takeUnretainedValue().transfer else {
                    return 0
                }
                return transfer.received(body: UnsafeRawBufferPointer(start: bytes, count: count))
            }, me)
        _ = curl_shim_on_read(
            handle,
            { bytes, _, capacity, user in
                guard let user, let bytes else { return curl_shim_read_abort }
                guard let transfer = Unmanaged<EasyHandle>.fromOpaque(user).takeUnretainedValue().transfer else {
                    return curl_shim_read_abort
                }
                return transfer.fill(UnsafeMutableRawBufferPointer(start: bytes, count: capacity))
            }, me)
        _ = curl_shim_on_close(
            handle,
            { user, descriptor in
                guard let user else { return close(descriptor) }
                Unmanaged<CurlMulti>.fromOpaque(user).takeUnretainedValue().closed(descriptor)
                return close(descriptor)
            }, Unmanaged.passUnretained(multi).toOpaque())
        _ = curl_shim_on_open(
            handle,
            { user, _, address in
                guard let user, let address else { return curl_shim_bad_socket }
                let easy = Unmanaged<EasyHandle>.fromOpaque(user).takeUnretainedValue()
                guard easy.transfer?.mayConnect(to: address) ?? false else { return curl_shim_bad_socket }
                return socket(
                    address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue),
                    address.pointee.protocol)
            }, me)
    }

    /// Asks the transfer about each connection that curl is about to use, whoever opened it.
    func checkReuse() {
        _ = curl_shim_on_ready(
            handle,
            { user, address, _, port, _ in
                guard let user, let address, let port = UInt16(exactly: port) else { return CURL_PREREQFUNC_ABORT }
                let easy = Unmanaged<EasyHandle>.fromOpaque(user).takeUnretainedValue()
                let endpoint = IPAddress(String(cString: address)).map { (address: $0, port: port) }
                return easy.transfer?.mayUse(endpoint) ?? false ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// libcurl parses a URL anew for each request, unless it gets it in parts. Most requests of a handle have the same one.
    func setURL(_ text: String) {
        if let url, url.text == text { return }
        forgetURL()
        _ = curl_shim_text(handle, CURLOPT_URL, text)
        guard let parts = curl_url() else { return }
        // As libcurl does it for a URL that is a text. What it refuses it gets as text, and says why.
        let flags = UInt32(CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS)
        guard curl_url_set(parts, CURLUPART_URL, text, flags) == CURLUE_OK else { return curl_url_cleanup(parts) }
        _ = curl_shim_pointer(handle, CURLOPT_CURLU, UnsafeRawPointer(parts))
        url = (text, parts)
    }

    private func forgetURL() {
        guard let url else { return }
        _ = curl_shim_pointer(handle, CURLOPT_CURLU, nil)
        curl_url_cleanup(url.parts)
        self.url = nil
    }

    /// The proxy, and the hosts that need none; nil: as the environment says.
    func setProxy(_ address: String?, except hosts: String?) {
        if let proxy, proxy.address == address, proxy.hosts == hosts { return }
        _ = curl_shim_text(handle, CURLOPT_PROXY, address)
        _ = curl_shim_text(handle, CURLOPT_NOPROXY, hosts)
        proxy = (address, hosts)
    }

    func setHeaders(_ list: UnsafeMutablePointer<curl_slist>?) {
        _ = curl_shim_list(handle, CURLOPT_HTTPHEADER, list)
        curl_slist_free_all(headers)
        headers = list
    }

    /// Back to the common state.
    func reset() {
        transfer = nil
        setHeaders(nil)
        // What belonged to the request is gone now.
        errorBuffer.pointee = 0
        _ = curl_shim_pointer(handle, CURLOPT_POSTFIELDS, nil)
        _ = curl_shim_off(handle, CURLOPT_INFILESIZE_LARGE, -1)
    }
}
