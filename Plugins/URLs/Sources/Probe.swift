// Asks servers whether addresses are good, all at a time, and tells when the last has answered.

import PluginSDK
import Synchronization

final class Probe: Sendable {
    private struct State {
        var waiting: Int
        var isGood: [Bool]
    }

    private let state: Mutex<State>
    private let finished: @Sendable ([Bool]) -> Void

    private init(_ count: Int, _ finished: @escaping @Sendable ([Bool]) -> Void) {
        state = Mutex(State(waiting: count, isGood: Array(repeating: false, count: count)))
        self.finished = finished
    }

    /// Calls `finished` once, with what `judge` says of each answer in the order of the requests. At least one request.
    static func ask(
        _ requests: [HTTPRequest], for exchange: Exchange, judge: @escaping @Sendable (HTTPAnswer) -> Bool,
        finished: @escaping @Sendable ([Bool]) -> Void
    ) {
        let probe = Probe(requests.count, finished)
        for (index, request) in requests.enumerated() {
            do throws(PluginFailure) {
                try exchange.host.fetch(request, for: exchange) { probe.note(judge($0), index) }
            } catch {
                probe.note(false, index)
            }
        }
    }

    private func note(_ isGood: Bool, _ index: Int) {
        let all = state.withLock { state -> [Bool]? in
            state.isGood[index] = isGood
            state.waiting -= 1
            return state.waiting == 0 ? state.isGood : nil
        }
        if let all { finished(all) }
    }
}

/// How an address is tried out.
enum Trial: Sendable {
    /// HEAD answers with 2xx.
    case head
    /// Its host has an address (DNS over HTTPS, JSON form).
    case lookup(resolver: String)

    func request(_ address: Address, timeoutMilliseconds: Int) -> HTTPRequest {
        switch self {
        case .head: HTTPRequest("HEAD", address.text, timeoutMilliseconds: timeoutMilliseconds)
        case .lookup(let resolver):
            HTTPRequest(
                "GET",
                resolver + (resolver.contains("?") ? "&" : "?") + "name=" + Self.escaped(address.host) + "&type=A",
                headers: [("accept", "application/dns-json")], timeoutMilliseconds: timeoutMilliseconds)
        }
    }

    func isGood(_ answer: HTTPAnswer) -> Bool {
        guard (200...299).contains(answer.status) else { return false }
        switch self {
        case .head: return true
        case .lookup:
            guard let reply = try? JSON(parsing: answer.body) else { return false }
            return reply["Status"]?.int == 0 && reply["Answer"]?.array?.isEmpty == false
        }
    }

    private static func escaped(_ host: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in host.utf8 {
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte - min(byte, 48) < 10 && byte >= 48
                || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A
            {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
