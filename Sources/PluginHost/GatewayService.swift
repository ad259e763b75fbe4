// "gh.gateway/1": plugins that ask other targets of the operator's.

import CGatehouse
import Core
import Wire

enum GatewayService {
    /// A plugin that names no timeout waits this long.
    private static let defaultTimeoutMilliseconds = 30_000
    private static let targetLimit = 64 << 10

    nonisolated(unsafe) static let table: UnsafePointer<gh_gateway> = {
        var table = gh_gateway()
        table.struct_size = structSize(gh_gateway.self)
        table.ask = { host, exchange, request, done, user in
            guard let context = HostCell.context(host), let request, let done else { return 0 }
            let size = request.pointee.struct_size
            guard size >= structSize(gh_gateway_request.self), !hasUnknownTail(request, size: size) else {
                context.services.log(.error, context.name, "ask refused: struct_size \(size) of gh_gateway_request", [])
                return 0
            }
            return start(context, HookExchange.from(exchange), request.pointee, done, user)
        }
        table.cancel = { HTTPService.cancel($0) }
        return Extensions.immortal(table)
    }()

    private static func start(
        _ context: HostContext, _ exchange: HookExchange?, _ request: gh_gateway_request,
        _ done: HTTPService.Done, _ user: UnsafeMutableRawPointer?
    ) -> gh_token {
        func refuse(_ reason: String) -> gh_token {
            context.services.log(.error, context.name, "ask refused: \(reason)", [])
            return 0
        }
        // Where a client's guard asks, the operator's guards judge that, and may ask in their turn.
        if exchange?.facts.identity.isAsked == true, !context.isOperators {
            return refuse("what a plugin asked for asks nobody else")
        }
        guard request.target.len <= targetLimit, let target = request.target.string, !target.isEmpty else {
            return refuse("the target must be a config's name, @provider, or a config as JSON")
        }
        let body = request.body.copied
        do throws(GatewayError) {
            let fields = try RequestFields(reading: body, for: .chatCompletions)
            if fields.isStream { return refuse("the answer cannot be a stream") }
        } catch { return refuse("the body is no chat completion request: \(error.message)") }
        var deadline = Deadline.after(
            milliseconds: request.timeout_ms == 0 ? defaultTimeoutMilliseconds : Int(request.timeout_ms))
        if let exchange { deadline = min(deadline, exchange.deadline) }
        let ask = PluginAsk(
            plugin: context.name, isClients: !context.isOperators, identity: exchange?.facts.identity, target: target,
            body: body, deadline: deadline)
        return HTTPService.run(context, exchange, done, user) { context.services.asker.ask(ask, done: $0) }
    }
}
