// LogDesk: what the control API says about the request log: logs, exports, analytics; and feedback. Questions may take long, so they have
// a thread and a connection of their own; the data path and the control plane do not wait for them.

import Core
import Digests
import Gateway
import Identity
import Store

package actor LogDesk {
    private nonisolated let thread = SerialThread("gh-logs")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    let path: String
    /// nil: rows that are sent by the API have nowhere to go.
    nonisolated let log: (any RequestLog)?

    init(path: String, log: (any RequestLog)?) {
        self.path = path
        self.log = log
    }

    /// Exports are objects of the control plane, their lines are not.
    static func serves(_ request: ControlRequest) -> Bool {
        let parts = request.path.split(separator: "/")
        guard let first = parts.first else { return false }
        if first == "analytics" { return true }
        return first == "logs" && !(parts.count > 1 && parts[1] == "exports")
    }

    func answer(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError> {
        do throws(GatewayError) {
            var call = try Call(request)
            call.places = request.path.split(separator: "/").map { Call.decode($0) }
            let value = call.places[0] == "analytics" ? try analytics(call) : try logs(call)
            return .success(ControlAnswer(status: 200, body: Bytes(value.bytes)))
        } catch {
            return .failure(error)
        }
    }

    func read<Value>(_ body: () throws(StoreError) -> Value) throws(GatewayError) -> Value {
        do throws(StoreError) { return try body() } catch { throw ControlDesk.failure(error) }
    }

    /// What a call asks about, within what its key may see.
    static func query(_ call: Call, _ scope: String) throws(GatewayError) -> LogQuery {
        var problems: [String] = []
        var query = LogQuery(call.query, problems: &problems)
        guard problems.isEmpty else {
            throw GatewayError(
                .invalidRequest, status: 400, "invalid request: " + problems.joined(separator: "; "),
                code: "invalid_parameter", param: problems.first.map { String($0.prefix { $0 != ":" }) },
                errors: problems)
        }
        let named = call.query("workspace_slug") ?? call.query("workspace_id")
        if let own = call.principal.workspace {
            guard named ?? own == own else { throw Call.missing("workspace", named ?? "") }
            query.workspaces = [own]
        } else if let named {
            query.workspaces = Set(named.split(separator: ",").map(String.init))
        }
        try call.require(scope, in: call.principal.workspace)
        return query
    }

    // MARK: Analytics

    private func analytics(_ call: Call) throws(GatewayError) -> JSONValue {
        guard call.request.method == "GET", call.places.count >= 3 else { throw call.unknown }
        let query = try Self.query(call, "analytics.view")
        let name = call.places.dropFirst(2).joined(separator: "/")
        let path = path
        let found: JSONValue?
        switch call.places[1] {
        case "graphs": found = try read { () throws(StoreError) in try Analytics(path).graph(name, query) }
        case "groups":
            let page = try call.page()
            let key = call.places[2] == "metadata" && call.places.count == 4 ? call.places[3] : nil
            let group = key == nil ? name : "metadata"
            found = try read { () throws(StoreError) in
                try Analytics(path).groups(group, metadataKey: key, query, page: page.number, size: page.size)
            }
        case "summary" where name == "cache":
            found = try read { () throws(StoreError) in try Analytics(path).cacheSummary(query) }
        default: found = nil
        }
        guard let found else { throw call.unknown }
        return found
    }

    // MARK: Logs

    private func logs(_ call: Call) throws(GatewayError) -> JSONValue {
        switch (call.request.method, call.places.count) {
        case ("GET", 1): return try list(call)
        case ("GET", 2): return try show(call, call.places[1])
        case ("POST", 1): return try create(call)
        default: throw call.unknown
        }
    }

    /// Newest first; `cursor` continues where the last page ended.
    private func list(_ call: Call) throws(GatewayError) -> JSONValue {
        let query = try Self.query(call, "logs.list")
        let size = try call.page().size
        var before: RowID?
        if let text = call.query("cursor") {
            before = RowID(text)
            if before == nil {
                throw GatewayError(
                    .invalidRequest, status: 400, "cursor must be the id of the last row of a page",
                    code: "invalid_parameter", param: "cursor")
            }
        }
        let path = path
        let (rows, total) = try read { () throws(StoreError) in
            let reader = try LogReader(path)
            return (try reader.list(query, before: before, limit: size + 1), try reader.count(query))
        }
        let shown = rows.prefix(size)
        return [
            "object": "list", "total": JSONValue(total), "success": true,
            "data": .array(shown.map { LogJSON.item($0) }), "has_more": .bool(rows.count > size),
            "next_cursor": rows.count > size ? (shown.last.map { .string($0.row.id.description) } ?? .null) : .null,
        ]
    }

    private func show(_ call: Call, _ name: String) throws(GatewayError) -> JSONValue {
        try call.require("logs.view", in: call.principal.workspace)
        let path = path
        let found = try read { () throws(StoreError) -> JSONObject? in
            let reader = try LogReader(path)
            let rows = try reader.find(name).filter { call.principal.workspace ?? $0.row.workspace == $0.row.workspace }
            guard let row = rows.last else { return nil }
            var object = LogJSON.log(row, try reader.bodies(of: row.row.id), organisation: Organisation.id).object
            let (given, mean) = try reader.feedback(of: row.row.trace, in: row.row.workspace)
            object?["feedback"] = .array(
                given.map { one in
                    [
                        "id": .string(one.id), "value": JSONValue(one.value), "weight": JSONValue(one.weight),
                        "metadata": (try? JSONValue(parsing: one.metadata)) ?? .null,
                        "created_at": Moment.text(one.createdAt),
                    ]
                })
            object?["weighted_feedback"] = mean.map { JSONValue($0) } ?? .null
            return object
        }
        guard let found else { throw Call.missing("log", name) }
        return Call.done(found)
    }

    /// Exchanges that went by somewhere else.
    private func create(_ call: Call) throws(GatewayError) -> JSONValue {
        try call.require("logs.write", in: call.principal.workspace)
        guard let log else {
            throw GatewayError(.notSupported, status: 501, "there is no log to write to", code: "not_implemented")
        }
        let body = try call.body()
        let items = body.array ?? [body]
        guard items.count <= 1_000 else {
            throw GatewayError(
                .payloadTooLarge, status: 413, "expected at most 1000 logs, found \(items.count)", code: "too_many")
        }
        var entries: [SentLog] = []
        for item in items { entries.append(try SentLog(item, call)) }
        for entry in entries { log.append(entry) }
        return ["status": "success", "message": "logs were taken", "success": true, "count": JSONValue(entries.count)]
    }
}

/// A log that a client has sent.
private struct SentLog: RequestLogEntry {
    private let made: RequestRow
    let size: Int

    init(_ item: JSONValue, _ call: Call) throws(GatewayError) {
        func wrong(_ message: String) -> GatewayError {
            GatewayError(.invalidRequest, status: 400, "invalid log: " + message, code: "invalid_fields")
        }
        guard let request = item["request"]?.object else { throw wrong("request: expected an object") }
        guard let url = request["url"]?.string, !url.isEmpty else { throw wrong("request.url: it is required") }
        guard let response = item["response"]?.object else { throw wrong("response: expected an object") }
        let metadata = item["metadata"]?.object ?? JSONObject()
        func tracing(_ name: String, _ camel: String) -> String? {
            (metadata[name] ?? metadata[camel])?.string.map { String($0.prefix(256)) }
        }
        let status = response["status"]?.int ?? 200
        guard (100...599).contains(status) else { throw wrong("response.status: expected an HTTP status") }
        let time = (response["response_time"] ?? response["time"])?.double ?? 0
        guard time >= 0, time < 1e10 else { throw wrong("response.response_time: expected milliseconds") }
        let path = url.prefix { $0 != "?" }
        var row = RequestRow(
            id: RowID(high: 0, low: 0), startedAt: WallClock.now() - Int64(time * 1e6),
            workspace: call.principal.workspace ?? Directory.defaultWorkspace,
            trace: tracing("trace_id", "traceId") ?? Identifier.make(), endpoint: "sent",
            method: (request["method"]?.string ?? "post").uppercased(), path: String(path.prefix(512)), status: status)
        row.span = tracing("span_id", "spanId")
        row.spanName = tracing("span_name", "spanName")
        row.parent = tracing("parent_span_id", "parentSpanId")
        row.key = call.principal.id
        row.provider = request["provider"]?.string.map { String($0.prefix(64)) }
        row.model = request["body"]?["model"]?.string.map { String($0.prefix(256)) }
        row.responseModel = response["body"]?["model"]?.string.map { String($0.prefix(256)) }
        row.isStream = response["streamingMode"]?.bool ?? false
        row.duration = Int64(time * 1e6)
        row.cache = "DISABLED"
        let usage = response["body"]?["usage"]
        func tokens(_ value: JSONValue?) throws(GatewayError) -> Int? {
            guard let count = value?.int else { return nil }
            guard (0..<1_000_000_000_000).contains(count) else {
                throw wrong("response.body.usage: expected token counts")
            }
            return count
        }
        row.inputTokens = try tokens(usage?["prompt_tokens"] ?? usage?["input_tokens"])
        row.outputTokens = try tokens(usage?["completion_tokens"] ?? usage?["output_tokens"])
        let known = [
            "trace_id", "traceId", "span_id", "spanId", "span_name", "spanName", "parent_span_id", "parentSpanId",
        ]
        row.metadata = metadata.members.filter { !known.contains($0.key) }.prefix(64).map {
            (String($0.key.prefix(128)), String(($0.value.string ?? $0.value.text).prefix(512)))
        }
        made = row
        size = 1_024
    }

    func row(id: (_ startedAt: Int64) -> RowID) -> RequestRow {
        var row = made
        row.id = id(row.startedAt)
        return row
    }
}
