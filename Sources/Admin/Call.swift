// Call: one request to the control API while it is served: who asks, what for, and its fields, which are checked as they are read.

import Core
import Gateway
import Identity

struct Call {
    let request: ControlRequest
    let principal: Principal
    /// Percent-decoded.
    let query: [(name: String, value: String)]
    /// What stood in the place of the pattern's names.
    var places: [String] = []

    init(_ request: ControlRequest) throws(GatewayError) {
        self.request = request
        principal = request.principal
        query = Self.read(query: request.query ?? "")
    }

    func query(_ name: String) -> String? { query.first { $0.name == name && !$0.value.isEmpty }?.value }

    static func read(query: String) -> [(name: String, value: String)] {
        query.split(separator: "&").map { part in
            let sign = part.firstIndex(of: "=") ?? part.endIndex
            return (decode(part[..<sign]), sign < part.endIndex ? decode(part[part.index(after: sign)...]) : "")
        }
    }

    static func decode(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let high = JSONString.hexValue(rest[rest.startIndex]),
                let low = JSONString.hexValue(rest[rest.index(after: rest.startIndex)])
            {
                bytes.append(UInt8(high << 4 | low))
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: What it may

    func require(_ scope: String, in workspace: String?) throws(GatewayError) {
        guard principal.may(scope, in: workspace) else { throw Self.forbidden(scope) }
    }

    static func forbidden(_ scope: String) -> GatewayError {
        GatewayError(
            .forbidden, status: 403, "this key lacks the permission \(scope)", type: "permission_error",
            code: "permission_denied", param: scope)
    }

    static func missing(_ kind: String, _ name: String) -> GatewayError {
        GatewayError(.notFound, status: 404, "there is no \(kind) \(name.prefix(128))", code: "not_found")
    }

    // MARK: The body

    func body() throws(GatewayError) -> JSONValue {
        if request.body.isEmpty { return .object(JSONObject()) }
        do throws(JSONError) { return try JSONValue(parsing: request.body) } catch {
            throw GatewayError(
                .invalidRequest, status: 400, "the body is not JSON: \(error.reason) at byte \(error.offset)",
                code: "invalid_json")
        }
    }

    func fields() throws(GatewayError) -> Fields { try Fields(body()) }

    // MARK: Pages

    /// Portkey counts pages from 0.
    func page() throws(GatewayError) -> (number: Int, size: Int) {
        func number(_ names: [String], _ default: Int, _ range: ClosedRange<Int>) throws(GatewayError) -> Int {
            for name in names {
                guard let text = query(name) else { continue }
                guard let value = Int(text), range.contains(value) else {
                    throw GatewayError(
                        .invalidRequest, status: 400,
                        "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)",
                        code: "invalid_parameter", param: name)
                }
                return value
            }
            return `default`
        }
        return (
            try number(["current_page", "currentPage"], 0, 0...1_000_000),
            try number(["page_size", "pageSize"], 100, 1...1_000)
        )
    }

    /// A list as both Portkey's documents and its SDK want it.
    func list(_ items: [JSONValue]) throws(GatewayError) -> JSONValue {
        let page = try page()
        let shown = items.dropFirst(page.number * page.size).prefix(page.size)
        return [
            "object": "list", "total": JSONValue(items.count), "success": true, "data": .array(Array(shown)),
        ]
    }

    /// A change's answer: Portkey's documents wrap it in `data`, its SDK reads it at the top.
    static func done(_ members: JSONObject) -> JSONValue {
        var all = JSONObject([("success", true), ("data", .object(members))])
        for member in members.members where member.key != "data" { all[member.key] = member.value }
        return .object(all)
    }
}
