// HostTable: the functions of gh_host. Each takes opaque handles back to Swift and does one thing; none calls into a plugin.

import CGatehouse
import Core
import Synchronization
import Wire

enum HostTable {
    static let name = Bytes("gatehouse")
    static let version = Bytes(HostVersion.text)

    nonisolated(unsafe) static let template: gh_host = {
        var host = gh_host()
        host.struct_size = structSize(gh_host.self)
        host.abi_minor = UInt32(GH_ABI_MINOR)
        host.name = gh_str(viewing: name)
        host.version = gh_str(viewing: version)
        addServices(&host)
        addReaders(&host)
        addSetters(&host)
        addCompletion(&host)
        return host
    }()

    private static func addServices(_ host: inout gh_host) {
        host.log = { host, level, message, fields, count in
            guard let context = HostCell.context(host) else { return }
            let pairs = UnsafeBufferPointer(start: fields, count: fields == nil ? 0 : count).map {
                ($0.key.string ?? "", $0.value.string ?? "")
            }
            context.services.log(PluginLogLevel(rawValue: level) ?? .info, context.name, message.string ?? "", pairs)
        }
        host.config_error = { host, pointer, message in
            guard let context = HostCell.context(host) else { return }
            context.configErrors.withLock { errors in
                guard errors.count < 100 else { return }
                errors.append(PluginConfigError(pointer: pointer.string ?? "", message: message.string ?? "refused"))
            }
        }
        host.extension = { host, id in
            guard let context = HostCell.context(host), let id else { return nil }
            let name = String(cString: id)
            guard context.extensions.contains(name) else { return nil }
            return Extensions.table(name)
        }
    }

    private static func addReaders(_ host: inout gh_host) {
        host.info = { exchange, what in
            guard let exchange = HookExchange.from(exchange) else { return .absent }
            if Int(what) == GH_INFO_MODE { return exchange.view(exchange.mode.rawValue) }
            return exchange.view(exchange.facts.info(Int(what)))
        }
        host.metadata = { exchange, key in
            guard let exchange = HookExchange.from(exchange) else { return .absent }
            let wanted = key.buffer
            let found = exchange.facts.identity.metadata.first { $0.key.utf8.elementsEqual(wanted) }
            return exchange.view(found?.value)
        }
        host.header = { exchange, side, name, index in
            guard let exchange = HookExchange.from(exchange), let name = name.string?.lowercased() else {
                return .absent
            }
            if index < 0 || !exchange.instance.context.sight.sees(header: name) { return .absent }
            let headers =
                Int(side) == GH_SIDE_REQUEST ? exchange.facts.identity.requestHeaders : exchange.facts.responseHeaders
            let matching = headers.lazy.filter { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name }
            return exchange.view(matching.dropFirst(index).first?.value)
        }
        host.body = { exchange, side in
            guard let exchange = HookExchange.from(exchange), exchange.instance.context.sight.text,
                let (side, view) = exchange.side(side)
            else { return .absent }
            exchange.sawBody.insert(side)
            return gh_str(viewing: view.body)
        }
        host.json = { exchange, side, pointer in
            guard let exchange = HookExchange.from(exchange), exchange.instance.context.sight.text,
                let (side, view) = exchange.side(side), let pointer = JSONPointer(parsing: pointer.string ?? ""),
                let range = pointer.find(in: view.body.buffer)
            else { return .absent }
            if exchange.seenValues.count < 64 { exchange.seenValues.append((side, range)) }
            return gh_str(viewing: view.body[range])
        }
        host.segment_count = { exchange, side in
            guard let exchange = HookExchange.from(exchange), exchange.instance.context.sight.text else { return 0 }
            return exchange.segmentCount(side)
        }
        host.segment = { exchange, side, index, out in
            guard let exchange = HookExchange.from(exchange), let out else { return gh_status(GH_INVALID) }
            guard exchange.instance.context.sight.text else { return gh_status(GH_UNSUPPORTED) }
            return exchange.segment(side, index, out)
        }
        host.time_left_ns = { exchange in HookExchange.from(exchange)?.deadline.remaining() ?? 0 }
        host.state = { exchange in HookExchange.from(exchange)?.state }
    }

    private static func addSetters(_ host: inout gh_host) {
        host.edit = { exchange, id, begin, end, text in
            HookExchange.from(exchange)?.stageEdit(id, begin, end, text) ?? gh_status(GH_INVALID)
        }
        host.set_json = { exchange, side, pointer, value, flags in
            guard flags & ~UInt32(GH_PUT_INSERT) == 0 else { return gh_status(GH_UNSUPPORTED) }
            return HookExchange.from(exchange)?.stagePut(side, pointer, value, inserts: flags != 0)
                ?? gh_status(GH_INVALID)
        }
        host.set_body = { exchange, side, body in
            HookExchange.from(exchange)?.stageBody(side, body) ?? gh_status(GH_INVALID)
        }
        host.set_header = { exchange, side, name, value in
            HookExchange.from(exchange)?.stageHeader(side, name, value) ?? gh_status(GH_INVALID)
        }
        host.set_attribute = { exchange, key, value in
            HookExchange.from(exchange)?.stageAttribute(key, value) ?? gh_status(GH_INVALID)
        }
        host.report = { exchange, passed, data in
            HookExchange.from(exchange)?.addReport(passed != 0, data) ?? gh_status(GH_INVALID)
        }
        host.keep = { exchange, text in HookExchange.from(exchange)?.keep(text) ?? .absent }
        host.set_state = { exchange, state, drop in
            guard let exchange = HookExchange.from(exchange) else { return gh_status(GH_INVALID) }
            exchange.setState(state, drop)
            return gh_status(GH_OK)
        }
    }

    private static func addCompletion(_ host: inout gh_host) {
        host.pend = { exchange in
            guard let exchange = HookExchange.from(exchange), !exchange.isOver else { return 0 }
            if exchange.token != 0 { return exchange.token }
            let call = PendingCall(exchange)
            exchange.call = call
            exchange.token = TokenTable.shared.open(call)
            return exchange.token
        }
        host.complete = { token, verdict, decision in
            var copy = gh_decision()
            if let decision {
                // An older plugin's struct is shorter: what it lacks stays zero. A newer one's is longer: what is unknown
                // here must be zero, or it would go unheard.
                guard !hasUnknownTail(decision, size: decision.pointee.struct_size) else {
                    return gh_status(GH_UNSUPPORTED)
                }
                let size = min(Int(decision.pointee.struct_size), MemoryLayout<gh_decision>.size)
                withUnsafeMutableBytes(of: &copy) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: decision, count: size))
                }
            }
            // A flag of a later version says something that this host cannot do.
            guard copy.flags & ~UInt32(GH_DECISION_RELEASE_PRESET) == 0 else { return gh_status(GH_UNSUPPORTED) }
            guard case .call(let call) = HostTable.taken(token) else {
                copy.body.discard()
                return gh_status(GH_GONE)
            }
            guard Int(verdict) != GH_PENDING else {
                copy.body.discard()
                call.exchange.instance.context.misbehaved("complete() with GH_PENDING")
                _ = call.complete(Decision(verdict: .fail("complete() was called with GH_PENDING")))
                return gh_status(GH_INVALID)
            }
            if decision == nil { copy.flags |= UInt32(GH_DECISION_RELEASE_PRESET) }
            let decision = call.exchange.checked(
                Decision(verdict, copy, from: call.exchange.instance, presetRelease: call.exchange.presetRelease))
            return gh_status(call.complete(decision) ? GH_OK : GH_GONE)
        }
    }

    private static func taken(_ token: gh_token) -> TokenTable.Taken {
        let taken = TokenTable.shared.take(token)
        if case .stale(let context) = taken { context?.misbehaved("complete() with a token that was used before") }
        return taken
    }
}

extension ExchangeFacts {
    /// The text of a GH_INFO_* key.
    func info(_ what: Int) -> String? {
        switch what {
        case GH_INFO_ENDPOINT: identity.endpoint.rawValue
        case GH_INFO_MODEL: model
        case GH_INFO_PROVIDER: provider
        case GH_INFO_TARGET: target
        case GH_INFO_ATTEMPT: attempt > 0 ? String(attempt) : nil
        case GH_INFO_ATTEMPT_COUNT: String(attemptCount)
        case GH_INFO_STREAM: identity.isStream ? "true" : "false"
        case GH_INFO_TRACE_ID: identity.traceID
        case GH_INFO_WORKSPACE: identity.workspace
        case GH_INFO_PRINCIPAL: identity.principal
        case GH_INFO_METADATA: JSONValue.object(JSONObject(identity.metadata.map { ($0.key, .string($0.value)) })).text
        case GH_INFO_USAGE:
            usage.map {
                "{\"prompt_tokens\":\($0.prompt),\"completion_tokens\":\($0.completion),\"total_tokens\":\($0.total)}"
            }
        case GH_INFO_FINISH_REASON: finishReason
        case GH_INFO_METHOD: identity.method
        case GH_INFO_PATH: identity.path
        case GH_INFO_STATUS: status.map { String($0) }
        default: nil
        }
    }
}
