// LogText: rows as people and programs read them: a table, a page for one exchange, JSON.

import Core

package enum LogText {
    // MARK: A table

    private static let widths = [19, 6, 8, 12, 24, 8, 8, 8]
    package static let heading = line([
        "TIME (UTC)", "STATUS", "MS", "PROVIDER", "MODEL", "TOKENS", "CACHE", "TRIES", "TRACE",
    ])

    package static func line(_ stored: StoredRequest) -> String {
        let row = stored.row
        var tokens = ""
        if row.inputTokens != nil || row.outputTokens != nil {
            tokens = "\(row.inputTokens.map(String.init) ?? "?")/\(row.outputTokens.map(String.init) ?? "?")"
        }
        let time = WallClock.timestamp(row.startedAt).prefix(19).replacing("T", with: " ")
        var text = line([
            String(time), String(row.status), milliseconds(row.duration), row.provider ?? "-", row.model ?? "-", tokens,
            row.cache.map { $0 == "DISABLED" ? "" : $0 } ?? "", row.attempts.isEmpty ? "" : String(row.attempts.count),
            printable(row.trace),
        ])
        if let check = row.deniedBy { text += "  denied by \(printable(check))" }
        if let asker = row.askedBy { text += "  asked by \(printable(asker))" }
        if row.isAborted { text += "  client left" }
        return text
    }

    private static func line(_ cells: [String]) -> String {
        var text = ""
        for (cell, width) in zip(cells, widths) {
            let shown = cut(printable(cell), width)
            text += shown + String(repeating: " ", count: width - shown.count + 1)
        }
        return text + (cells.last ?? "")
    }

    private static func cut(_ text: String, _ width: Int) -> String {
        text.count <= width ? text : text.prefix(width - 1) + "…"
    }

    /// Names come from clients: nothing in them may steer a terminal.
    package static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { scalars.append(isControl(scalar) ? "\u{FFFD}" : scalar) }
        return String(scalars)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    static func milliseconds(_ nanoseconds: Int64) -> String {
        let tenths = nanoseconds / 100_000
        return tenths >= 1_000 ? String(tenths / 10) : "\(tenths / 10).\(tenths % 10)"
    }

    /// Exact: "0.0000125".
    static func dollars(_ picodollars: Int64) -> String { FixedPoint.text(picodollars, places: 12) }

    // MARK: One exchange

    package static func page(_ stored: StoredRequest, _ bodies: RequestRow.Bodies?) -> String {
        let row = stored.row
        var lines: [(String, String)] = []
        func add(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { lines.append((name, printable(value))) }
        }
        add("id", row.id.description)
        add("trace", row.trace)
        add("parent", row.parent)
        add("time", WallClock.timestamp(row.startedAt))
        add("workspace", row.workspace)
        add("key", row.key)
        add("asked by", row.askedBy)
        add("request", "\(row.method) \(row.path)")
        add("endpoint", row.endpoint + (row.isStream ? ", streamed" : ""))
        add("model", row.model)
        if row.responseModel != row.model { add("answered by", row.responseModel) }
        add("config", row.config)
        add("status", String(row.status) + (row.isAborted ? ", the client left" : ""))
        add("error", row.error)
        add("denied by", row.deniedBy)
        add("target", row.target.map { "\($0) (\(row.provider ?? "-"))" })
        add("route", row.route)
        add("cache", row.cache)
        var times = "\(milliseconds(row.duration)) ms, of which \(milliseconds(row.upstreamDuration)) upstream"
        if row.clientWait > 0 { times += ", \(milliseconds(row.clientWait)) waiting for the client" }
        if let first = row.firstToken { times += "; first token after \(milliseconds(first)) ms" }
        add("duration", times)
        add("bytes", "\(row.bytesIn) in, \(row.bytesOut) out")
        if row.inputTokens != nil || row.outputTokens != nil {
            add(
                "tokens",
                "\(row.inputTokens.map(String.init) ?? "?") in, \(row.outputTokens.map(String.init) ?? "?") out")
        }
        add("usage", row.usage)
        add("cost", row.cost.map { "$\(dollars($0))" + (row.priceVersion.map { " (prices of \($0))" } ?? "") })
        for (index, attempt) in row.attempts.enumerated() { add("attempt \(index + 1)", describe(attempt)) }
        for (key, value) in row.metadata { add("metadata", "\(key)=\(value)") }
        for receipt in ReceiptLine.read(row.receipts) { add("guard", receipt.description) }
        var text = lines.map { name, value in
            name + String(repeating: " ", count: max(1, 13 - name.count)) + value
        }.joined(separator: "\n")
        text += body("request body", bodies?.request) + body("answer body", bodies?.answer)
        return text
    }

    private static func describe(_ attempt: RequestRow.Attempt) -> String {
        var text = "\(attempt.target) \(attempt.provider)"
        if let model = attempt.model { text += " \(model)" }
        if attempt.retry > 0 { text += ", retry \(attempt.retry)" }
        text += ": \(attempt.status == 0 ? "no answer" : String(attempt.status))"
        text += " after \(milliseconds(attempt.duration)) ms"
        if let error = attempt.error { text += " (\(error))" }
        return text
    }

    private static func body(_ title: String, _ text: RequestRow.Bodies.Text?) -> String {
        guard let text else { return "" }
        let isCut = text.bytes.count < text.size ? ", \(text.bytes.count) of them kept" : ""
        let shown = String(text.bytes).split(separator: "\n", omittingEmptySubsequences: false).map {
            printable(String($0))
        }.joined(separator: "\n")
        return "\n\n\(title) (\(text.size) bytes\(isCut)):\n\(shown)"
    }

    // MARK: JSON

    /// One object on one line; what is not known is left out.
    package static func json(_ stored: StoredRequest, _ bodies: RequestRow.Bodies? = nil) -> String {
        let row = stored.row
        var object = JSONObject()
        func add(_ name: String, _ value: String?) { if let value { object[name] = .string(value) } }
        func add(_ name: String, _ value: Int?) { if let value { object[name] = JSONValue(value) } }
        add("id", row.id.description)
        add("trace_id", row.trace)
        add("parent_id", row.parent)
        add("time", WallClock.timestamp(row.startedAt))
        add("workspace", row.workspace)
        add("key", row.key)
        add("asked_by", row.askedBy)
        add("endpoint", row.endpoint)
        add("method", row.method)
        add("path", row.path)
        add("model", row.model)
        object["stream"] = .bool(row.isStream)
        add("config", row.config)
        add("config_origin", row.configOrigin?.rawValue)
        add("config_hash", row.configHash)
        add("status", row.status)
        add("provider", row.provider)
        add("response_model", row.responseModel)
        add("target", row.target)
        add("route", row.route)
        add("cache", row.cache)
        add("error", row.error)
        add("denied_by", row.deniedBy)
        if row.isAborted { object["aborted"] = true }
        object["duration_ms"] = number(row.duration)
        object["upstream_ms"] = number(row.upstreamDuration)
        object["client_wait_ms"] = number(row.clientWait)
        if let first = row.firstToken { object["ttft_ms"] = number(first) }
        add("bytes_in", row.bytesIn)
        add("bytes_out", row.bytesOut)
        add("input_tokens", row.inputTokens)
        add("output_tokens", row.outputTokens)
        if let usage = row.usage.flatMap({ try? JSONValue(parsing: $0) }) { object["usage"] = usage }
        if let cost = row.cost { object["cost_usd"] = .number(dollars(cost)) }
        add("price_version", row.priceVersion)
        object["attempts"] = .array(row.attempts.map(json))
        object["metadata"] = .object(JSONObject(row.metadata.map { ($0.key, .string($0.value)) }))
        if let receipts = row.receipts.flatMap({ try? JSONValue(parsing: $0) }) { object["receipts"] = receipts }
        if let bodies {
            object["bodies"] = .object(
                JSONObject(
                    [("policy", .string(bodies.policy))] + self.body("request", bodies.request)
                        + self.body("answer", bodies.answer)))
        }
        return JSONValue.object(object).text
    }

    private static func number(_ nanoseconds: Int64) -> JSONValue { JSONValue(Double(nanoseconds / 1_000) / 1_000) }

    private static func json(_ attempt: RequestRow.Attempt) -> JSONValue {
        var object = JSONObject([
            ("provider", .string(attempt.provider)), ("target", .string(attempt.target)),
            ("retry", JSONValue(attempt.retry)), ("status", JSONValue(attempt.status)),
            ("duration_ms", number(attempt.duration)),
        ])
        if let model = attempt.model { object["model"] = .string(model) }
        if let error = attempt.error { object["error"] = .string(error) }
        return .object(object)
    }

    private static func body(_ name: String, _ text: RequestRow.Bodies.Text?) -> [(String, JSONValue)] {
        guard let text else { return [] }
        return [(name, .string(String(text.bytes))), (name + "_bytes", JSONValue(text.size))]
    }
}

/// What the commands tell of a receipt.
struct ReceiptLine: CustomStringConvertible {
    var check: String
    var guardrail: String
    var side: String
    var verdict: String
    var mode: String
    var attempt: Int
    var edits: Int
    var failure: String?

    static func read(_ json: String?) -> [ReceiptLine] {
        guard let json, let list = (try? JSONValue(parsing: json))?.array else { return [] }
        return list.map { receipt in
            ReceiptLine(
                check: receipt["check"]?.string ?? "", guardrail: receipt["guardrail"]?.string ?? "",
                side: receipt["side"]?.string ?? "", verdict: receipt["verdict"]?.string ?? "",
                mode: receipt["mode"]?.string ?? "", attempt: receipt["attempt"]?.int ?? 0,
                edits: receipt["edits"]?.int ?? 0, failure: receipt["failure"]?.string)
        }
    }

    var description: String {
        "\(check) on the \(side): \(verdict)" + (edits > 0 ? " (\(edits) edits)" : "")
            + (mode == "enforced" ? "" : ", \(mode)") + (failure.map { ": \($0)" } ?? "")
    }
}
