// Answer: a whole answer, before it goes to the client; and step 8, writing it. One place turns errors into answers.

import Core
import HTTPServer
import PluginHost
import Telemetry
import Wire

/// A class: it passes through many asynchronous functions, whose frames would each hold a copy.
final class Answer {
    var status: Int
    var contentType: String
    var headers: [(name: String, value: String)] = []
    var body: Bytes
    /// Set when this is a refusal or a failure, for the router, on_error and the log.
    var error: GatewayError?
    /// The failure had no answer from the upstream at all.
    var failure: UpstreamFailureKind?
    /// Of a guard that could not judge: the router goes on where it has another target.
    var movesOn = false
    /// A canonical success: response hooks, cache and accounting apply.
    var isCanonical = false

    enum UpstreamFailureKind { case connect, transport, timeout }

    init(
        status: Int, contentType: String, headers: [(name: String, value: String)] = [], body: Bytes,
        error: GatewayError? = nil
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
        self.error = error
    }

    convenience init(plugin: PluginAnswer) {
        self.init(status: plugin.status, contentType: plugin.contentType, body: plugin.body)
    }

    var isSuccess: Bool { (200...299).contains(status) }
}

extension Worker {
    func answer(for error: GatewayError, _ exchange: Exchange) -> Answer {
        let answer = Answer(
            status: error.status, contentType: "application/json",
            body: ErrorShape.body(
                error, for: exchange.endpoint, requestID: exchange.traceID.isEmpty ? nil : exchange.traceID),
            error: error)
        if error.kind == .methodNotAllowed, let allow = error.param { answer.headers.append(("allow", allow)) }
        if let seconds = error.retryAfter { answer.headers.append(("retry-after", String(seconds))) }
        if error.kind == .overloaded { answer.headers.append(("retry-after", "1")) }
        if error.kind == .unauthorized { answer.headers.append(("www-authenticate", "Bearer")) }
        return answer
    }

    /// Writes a whole answer.
    func write(_ answer: Answer, _ exchange: Exchange) {
        guard !exchange.client.isHeadSent else { return exchange.client.cut() }
        exchange.transcript?.sent(answer)
        if exchange.asked != nil {
            exchange.record.status = answer.status
            exchange.record.errorKind = exchange.record.errorKind ?? answer.error?.kind
            exchange.asked?.answer = answer
            return
        }
        addReceipts(answer, exchange)
        exchange.record.status = answer.status
        if let error = answer.error {
            exchange.record.errorKind = exchange.record.errorKind ?? error.kind
        }
        var headers = answer.headers
        headers.append(("content-type", answer.contentType))
        addGatewayHeaders(&headers, exchange)
        exchange.client.writeHead(status: answer.status, headers: headers, contentLength: answer.body.count)
        exchange.client.write(answer.body)
        exchange.client.end()
    }

    /// The proof that the guards ran, for a client that asked for it, also in refusals. Guards that judge afterwards have none yet.
    private func addReceipts(_ answer: Answer, _ exchange: Exchange) {
        guard exchange.wantsReceipts, answer.contentType == "application/json" else { return }
        let receipts = Receipt.list(exchange.record.receipts, withReason: false)
        answer.body = (try? JSONEditor.merge(answer.body, [("receipts", receipts.array)])) ?? answer.body
    }

    /// The headers of the compatibility specification, §3, and ours.
    func addGatewayHeaders(_ headers: inout [(name: String, value: String)], _ exchange: Exchange) {
        if !exchange.traceID.isEmpty { headers.append(("x-portkey-trace-id", exchange.traceID)) }
        if let route = exchange.routeTaken {
            headers.append(("x-portkey-last-used-option-index", route.path))
            headers.append(("x-portkey-retry-attempt-count", String(route.retryCount)))
            headers.append(("x-portkey-provider", route.provider))
            headers.append(("x-portkey-cache-status", exchange.record.cacheStatus.rawValue))
        }
        exchange.accounts.addHeaders(&headers)
        if !exchange.droppedParameters.isEmpty {
            headers.append(("x-gatehouse-dropped-params", exchange.droppedParameters.joined(separator: ", ")))
        }
        for (name, value) in exchange.headerChanges {
            headers.removeAll { $0.name.lowercased() == name.lowercased() }
            if let value { headers.append((name, value)) }
        }
    }

    /// Upstream headers that go on to the client: all but those of the hop, of the encoding, and of cookies that are not the
    /// client's business.
    static func relayed(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        var kept: [(name: String, value: String)] = []
        // The gateway's own come behind them.
        kept.reserveCapacity(headers.count + 8)
        for header in headers where !isHopHeader(header.name) { kept.append(header) }
        return kept
    }

    private static func isHopHeader(_ name: String) -> Bool {
        if name.hasPrefixIgnoringCase("x-portkey-") || name.hasPrefixIgnoringCase("x-gatehouse-") { return true }
        return switch name.utf8.count {
        case 2: name.equalsIgnoringCase("te")
        case 7:
            name.equalsIgnoringCase("trailer") || name.equalsIgnoringCase("upgrade")
                || name.equalsIgnoringCase("alt-svc")
        case 10:
            name.equalsIgnoringCase("connection") || name.equalsIgnoringCase("keep-alive")
                || name.equalsIgnoringCase("set-cookie")
        case 12: name.equalsIgnoringCase("content-type")
        case 14: name.equalsIgnoringCase("content-length")
        case 16: name.equalsIgnoringCase("content-encoding") || name.equalsIgnoringCase("proxy-connection")
        case 17: name.equalsIgnoringCase("transfer-encoding")
        case 18: name.equalsIgnoringCase("proxy-authenticate")
        case 25: name.equalsIgnoringCase("strict-transport-security")
        default: false
        }
    }
}
