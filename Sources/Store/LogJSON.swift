// LogJSON: exchanges in the shapes of Portkey's log API, with what we know beyond them. Costs are US cents there;
// `cost_usd` is beside them. What is not known is null in members that Portkey always has, and left out elsewhere.

package import Core

package enum LogJSON {
    /// What an export may be asked for, by Portkey's names.
    package static let exportable = [
        "id", "trace_id", "created_at", "request", "response", "is_success", "ai_org", "ai_model", "req_units",
        "res_units", "total_units", "request_url", "cost", "cost_currency", "response_time", "response_status_code",
        "mode", "config", "prompt_slug", "metadata",
    ]

    /// An item of a list.
    package static func item(_ stored: StoredRequest, _ bodies: RequestRow.Bodies? = nil) -> JSONValue {
        let row = stored.row
        var object = JSONObject(facts(row))
        object["request_url"] = .string(row.path)
        object["response_status_code"] = JSONValue(row.status)
        object["request"] = request(row, bodies)
        object["response"] = response(row, bodies)
        object["metadata"] = metadata(row)
        object["object"] = "log"
        for (name, value) in ours(row) { object[name] = value }
        return .object(object)
    }

    /// A line of an export: the members that were asked for, all of them where none was named. Names that mean nothing
    /// are left out.
    package static func exportLine(
        _ stored: StoredRequest, _ bodies: RequestRow.Bodies?, requested: [String] = []
    ) -> JSONValue {
        let item = item(stored, bodies)
        guard !requested.isEmpty, let object = item.object else { return item }
        return .object(JSONObject(requested.compactMap { name in object[name].map { (name, $0) } }))
    }

    /// One exchange: {request, response, metrics}.
    package static func log(
        _ stored: StoredRequest, _ bodies: RequestRow.Bodies?, organisation: String? = nil
    ) -> JSONValue {
        let row = stored.row
        var metrics = JSONObject(facts(row))
        metrics["organisation_id"] = optional(organisation)
        metrics["config_id"] = optional(row.config)
        metrics["request_url"] = .string(row.path)
        metrics["response_status_code"] = JSONValue(row.status)
        metrics["metadata"] = metadata(row)
        metrics["upstream_response_time"] = milliseconds(row.upstreamDuration)
        metrics["gateway_processing_time"] = milliseconds(max(row.duration - row.upstreamDuration, 0))
        for (name, value) in ours(row) { metrics[name] = value }
        return [
            "_id": .string(row.id.description), "id": .string(row.id.description),
            "organisation_id": optional(organisation), "created_at": .string(WallClock.timestamp(row.startedAt)),
            "request": request(row, bodies), "response": response(row, bodies), "metrics": .object(metrics),
            "object": "log",
        ]
    }

    // MARK: Parts

    private static func facts(_ row: RequestRow) -> [(String, JSONValue)] {
        let units = row.inputTokens == nil && row.outputTokens == nil
        return [
            ("id", .string(row.id.description)),
            ("trace_id", .string(row.trace)),
            ("span_id", optional(row.span)),
            ("span_name", optional(row.spanName)),
            ("parent_span_id", optional(row.parent)),
            ("created_at", .string(WallClock.timestamp(row.startedAt))),
            ("workspace", .string(row.workspace)),
            ("workspace_slug", .string(row.workspace)),
            ("is_success", .bool((200...299).contains(row.status))),
            ("ai_org", optional(row.provider)),
            ("ai_model", optional(row.model ?? row.responseModel)),
            ("response_model", optional(row.responseModel)),
            ("req_units", optional(row.inputTokens)),
            ("res_units", optional(row.outputTokens)),
            ("total_units", units ? .null : JSONValue((row.inputTokens ?? 0) &+ (row.outputTokens ?? 0))),
            ("cost", row.cost.map { Figures.cents(Int128($0)) } ?? .null),
            ("cost_usd", row.cost.map { Figures.dollars(Int128($0)) } ?? .null),
            ("cost_currency", "USD"),
            ("cache_status", optional(row.cache)),
            ("response_time", milliseconds(row.duration)),
            ("stream", .bool(row.isStream)),
            ("mode", .string(mode(row))),
            ("route", optional(row.route)),
            ("api_key", optional(row.key)),
            ("virtual_key", optional(row.virtualKey)),
            ("config", optional(row.config)),
            ("prompt_slug", optional(row.metadata.first { $0.key == "_prompt" }?.value)),
            ("retry_success_count", JSONValue(row.rescues.retries)),
        ]
    }

    /// What Portkey has no members for.
    private static func ours(_ row: RequestRow) -> [(String, JSONValue)] {
        var timings = JSONObject([
            ("total_ms", Figures.milliseconds(row.duration)),
            ("upstream_ms", Figures.milliseconds(row.upstreamDuration)),
            ("client_wait_ms", Figures.milliseconds(row.clientWait)),
        ])
        let overhead = max(0, row.duration - row.upstreamDuration - row.clientWait)
        timings["overhead_ms"] = Figures.milliseconds(overhead)
        // Each receipt tells its own time in microseconds.
        if let receipts = row.receipts.flatMap({ try? JSONValue(parsing: $0) })?.array {
            timings["hooks_ms"] = Figures.milliseconds(
                receipts.reduce(Int64(0)) { $0 + Int64($1["latency_us"]?.int ?? 0) * 1_000 })
        }
        if let first = row.firstToken { timings["ttft_ms"] = Figures.milliseconds(first) }
        var members: [(String, JSONValue)] = [
            ("endpoint", .string(row.endpoint)), ("attempts", .array(row.attempts.map(attempt))),
            ("timings", .object(timings)), ("bytes_in", JSONValue(row.bytesIn)),
            ("bytes_out", JSONValue(row.bytesOut)),
        ]
        func add(_ name: String, _ value: JSONValue?) { if let value { members.append((name, value)) } }
        add("receipts", row.receipts.flatMap { try? JSONValue(parsing: $0) })
        add("usage", row.usage.flatMap { try? JSONValue(parsing: $0) })
        add("target", row.target.map { .string($0) })
        add("config_origin", row.configOrigin.map { .string($0.rawValue) })
        add("config_hash", row.configHash.map { .string($0) })
        add("price_version", row.priceVersion.map { .string($0) })
        add("error", row.error.map { .string($0) })
        add("denied_by", row.deniedBy.map { .string($0) })
        add("asked_by", row.askedBy.map { .string($0) })
        if row.isAborted { add("aborted", true) }
        return members
    }

    private static func request(_ row: RequestRow, _ bodies: RequestRow.Bodies?) -> JSONValue {
        var headers = JSONObject([("x-portkey-trace-id", .string(row.trace))])
        if let span = row.span { headers["x-portkey-span-id"] = .string(span) }
        if let name = row.spanName { headers["x-portkey-span-name"] = .string(name) }
        if let parent = row.parent { headers["x-portkey-parent-span-id"] = .string(parent) }
        if let config = row.config { headers["x-portkey-config"] = .string(config) }
        if !row.metadata.isEmpty { headers["x-portkey-metadata"] = .string(metadata(row).text) }
        return .object(
            JSONObject(
                [
                    ("url", .string(row.path)), ("method", .string(row.method)), ("provider", optional(row.provider)),
                    ("portkeyHeaders", .object(headers)),
                ] + body(bodies?.request)))
    }

    private static func response(_ row: RequestRow, _ bodies: RequestRow.Bodies?) -> JSONValue {
        .object(
            JSONObject(
                [
                    ("status", JSONValue(row.status)), ("responseTime", milliseconds(row.duration)),
                    ("response_time", milliseconds(row.duration)), ("streamingMode", .bool(row.isStream)),
                    ("lastUsedOptionJsonPath", optional(row.target)),
                ] + body(bodies?.answer)))
    }

    /// As a value where it is JSON and all of it was kept; else as text.
    private static func body(_ text: RequestRow.Bodies.Text?) -> [(String, JSONValue)] {
        guard let text else { return [] }
        let isWhole = text.bytes.count >= text.size
        let value = isWhole ? try? JSONValue(parsing: text.bytes) : nil
        var members = [("body", value ?? .string(String(text.bytes))), ("body_bytes", JSONValue(text.size))]
        if !isWhole { members.append(("body_is_cut", true)) }
        return members
    }

    private static func metadata(_ row: RequestRow) -> JSONValue {
        .object(JSONObject(row.metadata.map { ($0.key, .string($0.value)) }))
    }

    private static func attempt(_ attempt: RequestRow.Attempt) -> JSONValue {
        var object = JSONObject([
            ("provider", .string(attempt.provider)), ("target", .string(attempt.target)),
            ("retry", JSONValue(attempt.retry)), ("status", JSONValue(attempt.status)),
            ("duration_ms", Figures.milliseconds(attempt.duration)),
        ])
        if let model = attempt.model { object["model"] = .string(model) }
        if let error = attempt.error { object["error"] = .string(error) }
        return .object(object)
    }

    /// The first strategy on the way to the target: "single", "fallback", "loadbalance" or "conditional".
    private static func mode(_ row: RequestRow) -> String {
        row.route?.split(separator: ",").first?.split(separator: " ").first.map(String.init) ?? "single"
    }

    private static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    private static func optional(_ number: Int?) -> JSONValue { number.map { JSONValue($0) } ?? .null }

    /// Portkey's are whole.
    private static func milliseconds(_ nanoseconds: Int64) -> JSONValue { JSONValue(Int(nanoseconds / 1_000_000)) }
}
