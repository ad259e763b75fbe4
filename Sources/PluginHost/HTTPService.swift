// "gh.http/1": fetches for plugins over the gateway's own client, and what it shares with "gh.gateway/1".

import CGatehouse
import Core
import Synchronization

enum HTTPService {
    /// A plugin that names no timeout waits this long.
    private static let defaultTimeoutMilliseconds = 10_000

    /// Running fetches by token.
    private static let running = Mutex<(next: UInt64, cancels: [UInt64: @Sendable () -> Void])>((1, [:]))

    nonisolated(unsafe) static let table: UnsafePointer<gh_http> = {
        var table = gh_http()
        table.struct_size = structSize(gh_http.self)
        table.fetch = { host, exchange, request, done, user in
            guard let context = HostCell.context(host), let request, let done else { return 0 }
            let size = request.pointee.struct_size
            guard size >= structSize(gh_http_request.self), !hasUnknownTail(request, size: size) else {
                context.services.log(.error, context.name, "fetch refused: struct_size \(size) of gh_http_request", [])
                return 0
            }
            return start(context, HookExchange.from(exchange), request.pointee, done, user)
        }
        table.cancel = { token in cancel(token) }
        return Extensions.immortal(table)
    }()

    static func cancel(_ token: gh_token) -> gh_status {
        guard let cancel = running.withLock({ $0.cancels[token] }) else { return gh_status(GH_GONE) }
        cancel()
        return gh_status(GH_OK)
    }

    typealias Done = @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<gh_http_in>?) -> Void

    private static func start(
        _ context: HostContext, _ exchange: HookExchange?, _ request: gh_http_request, _ done: Done,
        _ user: UnsafeMutableRawPointer?
    ) -> gh_token {
        guard let url = request.url.string, let method = request.method.string, HookExchange.isToken(method) else {
            return 0
        }
        var headers: [(name: String, value: String)] = []
        for field in UnsafeBufferPointer(
            start: request.headers, count: request.headers == nil ? 0 : request.header_count)
        {
            guard let name = field.key.string, HookExchange.isToken(name), let value = field.value.string,
                !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 })
            else { return 0 }
            headers.append((name, value))
        }
        var deadline = Deadline.after(
            milliseconds: request.timeout_ms == 0 ? defaultTimeoutMilliseconds : Int(request.timeout_ms))
        if let exchange { deadline = min(deadline, exchange.deadline) }
        let fetch = PluginFetch(
            plugin: context.name, pluginID: context.pluginID, method: method, url: url, headers: headers,
            body: request.body.copied, deadline: deadline, askedEgress: context.egress)
        return run(context, exchange, done, user) { context.services.fetcher.fetch(fetch, done: $0) }
    }

    /// Starts work whose answer `done` gets once: by a token, ended with its exchange, and before its instance is.
    static func run(
        _ context: HostContext, _ exchange: HookExchange?, _ done: Done, _ user: UnsafeMutableRawPointer?,
        _ begin: (@escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void
    ) -> gh_token {
        let token = running.withLock { state -> UInt64 in
            state.next += 1
            state.cancels[state.next] = {}
            return state.next
        }
        exchange?.addFetch(token)
        context.calls.begin()
        nonisolated(unsafe) let user = user
        let cancel = begin { answer in
            running.withLock { _ = $0.cancels.removeValue(forKey: token) }
            deliver(answer, done, user)
            context.calls.end()
        }
        running.withLock { state in
            if state.cancels[token] != nil { state.cancels[token] = cancel }
        }
        return token
    }

    private static func deliver(_ answer: PluginFetchAnswer, _ done: Done, _ user: UnsafeMutableRawPointer?) {
        let texts = answer.headers.map { (Bytes($0.name), Bytes($0.value)) }
        let error = answer.error.map { Bytes($0) }
        withExtendedLifetime((texts, error)) {
            let fields = texts.map { gh_field(key: gh_str(viewing: $0.0), value: gh_str(viewing: $0.1)) }
            fields.withUnsafeBufferPointer { fields in
                var copy = gh_http_in()
                copy.struct_size = structSize(gh_http_in.self)
                copy.status = Int32(answer.status)
                copy.headers = fields.baseAddress
                copy.header_count = fields.count
                copy.body = gh_str(viewing: answer.body)
                copy.transport_error = error.map { gh_str(viewing: $0) } ?? .absent
                done(user, &copy)
            }
        }
    }
}
