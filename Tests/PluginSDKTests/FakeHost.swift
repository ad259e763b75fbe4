// A host in memory: tables as the gateway would give them, with exchanges whose segments the tests write.

import CGatehouse
import PluginSDK
import Synchronization

/// What the host knows of one exchange, and what a plugin did to it.
final class FakeExchange {
    var segments: [(kind: Segment.Kind, role: Segment.Role, text: String)] = []
    var info: [Info: String] = [:]
    var metadata: [String: String] = [:]
    var json: [String: String] = [:]
    var edits: [String] = []
    var sets: [String] = []
    var reports: [String] = []
    var status = gh_status(GH_OK)
    var state: UnsafeMutableRawPointer?
    var drop: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    private var kept: [UnsafeMutablePointer<UInt8>] = []

    deinit {
        drop?(state)
        for copy in kept { copy.deallocate() }
    }

    var pointer: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func of(_ pointer: OpaquePointer?) -> FakeExchange? {
        pointer.map { Unmanaged<FakeExchange>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }

    /// A view that lives as long as the exchange.
    func keep(_ text: String?) -> gh_str {
        guard let text else { return gh_str() }
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: text.utf8.count + 1)
        _ = UnsafeMutableBufferPointer(start: copy, count: text.utf8.count).initialize(from: text.utf8)
        kept.append(copy)
        return gh_str(ptr: UnsafeRawPointer(copy).assumingMemoryBound(to: CChar.self), len: text.utf8.count)
    }
}

func string(_ view: gh_str) -> String? { Text(view)?.string }

/// What went over the border outside of exchanges. Tests share it, so each looks for its own entries.
struct Record {
    var configErrors: [String] = []
    var logs: [String] = []
    var completions: [gh_token: String] = [:]
    var tokens: gh_token = 0
}

let record = Mutex(Record())

/// The table of the host. It lives as long as the process.
nonisolated(unsafe) let fakeHost: UnsafePointer<gh_host> = {
    var host = gh_host()
    host.struct_size = UInt32(MemoryLayout<gh_host>.size)
    host.log = { _, level, message, fields, count in
        let pairs = UnsafeBufferPointer(start: fields, count: count).map {
            "\(string($0.key) ?? "")=\(string($0.value) ?? "")"
        }
        let line = "\(level) \(string(message) ?? "") \(pairs.joined(separator: " "))"
        record.withLock { $0.logs.append(line) }
    }
    host.config_error = { _, pointer, message in
        let line = "\(string(pointer) ?? "-") \(string(message) ?? "-")"
        record.withLock { $0.configErrors.append(line) }
    }
    host.extension = { _, id in
        id.map { String(cString: $0) } == GH_EXT_HTTP ? UnsafeRawPointer(fakeHTTP) : nil
    }
    host.info = { x, what in
        guard let x = FakeExchange.of(x) else { return gh_str() }
        return x.keep(Info(rawValue: what).flatMap { x.info[$0] })
    }
    host.metadata = { x, key in
        guard let x = FakeExchange.of(x) else { return gh_str() }
        return x.keep(string(key).flatMap { x.metadata[$0] })
    }
    host.json = { x, _, pointer in
        guard let x = FakeExchange.of(x) else { return gh_str() }
        return x.keep(string(pointer).flatMap { x.json[$0] })
    }
    host.segment_count = { x, _ in FakeExchange.of(x)?.segments.count ?? 0 }
    host.segment = { x, _, index, out in
        guard let x = FakeExchange.of(x), x.segments.indices.contains(index) else { return gh_status(GH_NOT_FOUND) }
        let segment = x.segments[index]
        out?.pointee.kind = segment.kind.rawValue
        out?.pointee.role = segment.role.rawValue
        out?.pointee.id = UInt64(100 + index)
        out?.pointee.index = UInt64(index)
        out?.pointee.text = x.keep(segment.text)
        return gh_status(GH_OK)
    }
    host.time_left_ns = { _ in 250_000_000 }
    host.edit = { x, segment, begin, end, replacement in
        guard let x = FakeExchange.of(x) else { return gh_status(GH_ERROR) }
        x.edits.append("\(segment) \(begin)..<\(end) \(string(replacement) ?? "-")")
        return x.status
    }
    host.set_json = { x, side, pointer, raw, insert in
        guard let x = FakeExchange.of(x) else { return gh_status(GH_ERROR) }
        x.sets.append("\(side) \(string(pointer) ?? "-") \(string(raw) ?? "-") \(insert)")
        return x.status
    }
    host.set_header = { x, side, name, value in
        guard let x = FakeExchange.of(x) else { return gh_status(GH_ERROR) }
        x.sets.append("\(side) \(string(name) ?? "-"): \(string(value) ?? "absent")")
        return x.status
    }
    host.report = { x, passed, data in
        guard let x = FakeExchange.of(x) else { return gh_status(GH_ERROR) }
        x.reports.append("\(passed) \(string(data) ?? "absent")")
        return x.status
    }
    host.keep = { x, text in FakeExchange.of(x)?.keep(string(text)) ?? gh_str() }
    host.set_state = { x, state, drop in
        guard let x = FakeExchange.of(x) else { return gh_status(GH_ERROR) }
        x.state = state
        x.drop = drop
        return gh_status(GH_OK)
    }
    host.state = { x in FakeExchange.of(x)?.state }
    host.pend = { _ in
        record.withLock {
            $0.tokens += 1
            return $0.tokens
        }
    }
    host.complete = { token, verdict, decision in
        let line = "\(verdict) \(decision.flatMap { string($0.pointee.message) } ?? "")"
        return record.withLock { record in
            guard record.completions[token] == nil else { return gh_status(GH_GONE) }
            record.completions[token] = line
            return gh_status(GH_OK)
        }
    }
    let place = UnsafeMutablePointer<gh_host>.allocate(capacity: 1)
    place.initialize(to: host)
    return UnsafePointer(place)
}()

/// Answers each fetch at once, though no real host may do so: with its own method, URL, first header and body.
nonisolated(unsafe) private let fakeHTTP: UnsafePointer<gh_http> = {
    var http = gh_http()
    http.struct_size = UInt32(MemoryLayout<gh_http>.size)
    http.cancel = { _ in gh_status(GH_OK) }
    http.fetch = { _, _, request, done, user in
        guard let request, let url = string(request.pointee.url), url != "refused" else { return 0 }
        var field = gh_field()
        if request.pointee.header_count > 0 { field = request.pointee.headers[0] }
        var answer = gh_http_in()
        answer.struct_size = UInt32(MemoryLayout<gh_http_in>.size)
        answer.status = 200
        answer.body = request.pointee.body
        withUnsafePointer(to: field) { field in
            answer.headers = field
            answer.header_count = 1
            done?(user, &answer)
        }
        return 1
    }
    let place = UnsafeMutablePointer<gh_http>.allocate(capacity: 1)
    place.initialize(to: http)
    return UnsafePointer(place)
}()
