// OwnPages: step 2, what is asked for; and the paths that the gateway answers by itself: health, metrics, models, and those that are
// reserved for the control plane.

import Config
import Core
import HTTPServer
import Identity
import PluginHost
import Synchronization
import Telemetry
import Wire

extension Worker {
    /// The endpoint, or nil when the exchange was answered here.
    func serveOwnPage(_ exchange: Exchange) async throws(GatewayError) -> Endpoint? {
        switch try exchange.recognised.get() {
        case .endpoint(let endpoint): return endpoint
        case .proxy: return .proxy
        case .root: answerText("AI Gateway says hey!", exchange)
        case .health(let health): serve(health, exchange)
        case .metrics:
            guard exchange.snapshot.config.metrics.enabled else { throw notFound() }
            // What is asked for, and by how many, is not everybody's business.
            try authenticate(exchange)
            exchange.record.endpoint = "metrics"
            write(
                Answer(status: 200, contentType: MetricsExposition.contentType, body: services.metrics.exposition()),
                exchange)
        case .reserved("prompts") where exchange.directory != nil && Self.promptPath(exchange) != nil:
            guard let path = Self.promptPath(exchange) else { return nil }
            return try usePrompt(path.name, isRender: path.isRender, exchange)
        case .reserved(let name): try await askControlPlane(name, exchange)
        case .realtime:
            throw GatewayError(
                .notSupported, status: 426,
                "the realtime API needs a WebSocket, which this version of the gateway does not relay")
        case .methodNotAllowed(let allow):
            throw GatewayError(.methodNotAllowed, status: 405, "this path takes \(allow)", param: allow)
        case .notFound: throw notFound()
        }
        return nil
    }

    private func notFound() -> GatewayError { GatewayError(.notFound, status: 404, "Not Found") }

    private func answerText(_ text: String, _ exchange: Exchange) {
        exchange.record.endpoint = "root"
        write(Answer(status: 200, contentType: "text/plain; charset=utf-8", body: Bytes(text)), exchange)
    }

    private func serve(_ health: Recognised.Health, _ exchange: Exchange) {
        exchange.record.endpoint = "health"
        let isReady = !services.isDraining && canLog(exchange)
        let status = health == .live || isReady ? 200 : 503
        let word = status == 200 ? "ok" : services.isDraining ? "draining" : "the request log cannot be written"
        let body =
            "{\"status\":\"\(word)\",\"version\":\"\(HostVersion.text)\",\"plugins\":\(exchange.snapshot.plugins.libraries.count),\"generation\":\(exchange.snapshot.generation)}"
        write(Answer(status: status, contentType: "application/json", body: Bytes(body)), exchange)
    }

    /// The control API. Its answer is made on the control plane's own thread.
    private func askControlPlane(_ name: String, _ exchange: Exchange) async throws(GatewayError) {
        exchange.record.endpoint = "control"
        guard let control = services.control.withLock({ $0 }) else {
            throw GatewayError(
                .notSupported, status: 501,
                "\(name) is part of the control plane, which is off here: the configuration has no \"control\"",
                code: "not_implemented")
        }
        let head = exchange.client.head
        let request = ControlRequest(
            method: head.method, path: String(exchange.pathText.dropFirst(3)), query: exchange.path?.query,
            body: exchange.client.body, principal: principal(exchange), clientAddress: exchange.client.clientAddress,
            origin: (exchange.snapshot.config.tls == nil ? "http://" : "https://") + (exchange.headers.host ?? ""))
        exchange.record.bytesIn = request.body.count
        let answer: ControlAnswer
        if let linked = await control.linked(request) {
            answer = try linked.get()
        } else {
            if let refusal = exchange.refusal { throw refusal }
            answer = try await control.answer(request).get()
        }
        try exchange.checkClient()
        write(Answer(status: answer.status, contentType: answer.contentType, body: answer.body), exchange)
    }

    private func principal(_ exchange: Exchange) -> Principal {
        if let caller = exchange.caller { return caller.principal }
        guard let key = exchange.key else {
            return Principal(kind: .local, id: "local", name: "local", scopes: Scopes.all)
        }
        let scopes =
            switch key.role {
            case .owner: Scopes.all
            case .admin: Scopes.of(WorkspaceRole.admin)
            case .manager: Scopes.of(WorkspaceRole.manager)
            case .member: Scopes.of(WorkspaceRole.member)
            }
        return Principal(
            kind: .file, id: "file:" + key.name, name: key.name, workspace: key.role == .owner ? nil : key.workspace,
            scopes: scopes)
    }

    /// GET /v1/models without a provider in the request: what the config can reach. False when a provider is to be asked.
    func listModels(_ exchange: Exchange) throws(GatewayError) -> Bool {
        guard exchange.endpoint == .models else { return false }
        // Where a provider is asked, its answer is passed on unread.
        exchange.endpoint = .proxy
        let headers = exchange.headers
        guard headers.provider == nil, headers.config == nil, headers.virtualKey == nil else { return false }
        let config = exchange.snapshot.config
        var models: [JSONValue] = []
        var hasOpenEnd = false
        let providers = (exchange.tenant?.providers ?? [:]).merging(config.providers) { _, own in own }
        for provider in providers.values.sorted(by: { $0.name < $1.name }) {
            guard let list = provider.models else {
                hasOpenEnd = true
                continue
            }
            for model in list {
                models.append([
                    "id": .string("@\(provider.name)/\(model)"), "object": "model", "created": 0,
                    "owned_by": .string(provider.provider),
                ])
            }
        }
        // Providers without a list are asked themselves, when the request would go to one.
        if models.isEmpty, hasOpenEnd,
            config.defaults.config != nil || config.defaults.provider != nil || exchange.key?.config != nil
                || exchange.tenant?.defaultConfig != nil
        {
            return false
        }
        let body = JSONValue.object(JSONObject([("object", "list"), ("data", .array(models))])).bytes
        exchange.endpoint = .models
        write(Answer(status: 200, contentType: "application/json", body: Bytes(body)), exchange)
        return true
    }
}
