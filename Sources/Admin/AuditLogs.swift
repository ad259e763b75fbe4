// AuditLogs: /audit-logs, and the prices that costs are made of.

import Accounting
import Core
import Gateway
import Store

extension ControlDesk {
    func auditLogs(_ call: Call) throws(GatewayError) -> JSONValue {
        guard call.request.method == "GET", call.places.isEmpty else { throw call.unknown }
        try call.require("audit_logs.list", in: nil)
        var before = Int64.max
        if let text = call.query("before") {
            guard let number = Int64(text), number > 0 else {
                throw GatewayError(
                    .invalidRequest, status: 400, "before must be a row's number", code: "invalid_parameter",
                    param: "before")
            }
            before = number
        }
        let size = try call.page().size
        let place = call.query("workspace_id")
        let (rows, head) = try read { store throws(StoreError) in
            (try store.auditRows(in: place, before: before, limit: size), try store.auditHead())
        }
        let items: [JSONValue] = rows.map { row in
            [
                "sequence": .number(String(row.sequence)), "timestamp": Moment.text(row.entry.at),
                "workspace_id": row.entry.workspace.isEmpty ? .null : .string(row.entry.workspace),
                "user_id": .string(row.entry.actor), "user_name": .string(row.entry.actorName),
                "action": .string(row.entry.action), "resource": .string(row.entry.object),
                "detail": .object(row.entry.detail), "object": "audit-log",
            ]
        }
        return [
            "object": "list", "total": .number(String(head.sequence)), "head": .string(head.description),
            "data": .array(items), "success": true,
        ]
    }

    /// GET /model-configs/pricing/{provider}/{model}: US cents per token, as Portkey has them, and dollars per million.
    func modelPrices(_ call: Call) throws(GatewayError) -> JSONValue {
        guard call.request.method == "GET", call.places.count >= 3, call.places[0] == "pricing" else {
            throw call.unknown
        }
        let provider = call.places[1]
        let model = call.places.dropFirst(2).joined(separator: "/")
        let prices = try Gateway.prices(surroundings.config())
        guard let found = prices.find(provider, answered: nil, asked: model) else {
            throw Call.missing("price for", "\(provider)/\(model)")
        }
        func cents(_ rate: Price.Rate) -> JSONValue {
            found.price[rate].map { ["price": .number(FixedPoint.text($0, places: 10))] } ?? .null
        }
        var dollars = JSONObject()
        for amount in found.price.amounts { dollars[amount.name] = .number(amount.value) }
        return [
            "currency": "USD", "version": .string(found.version),
            "pay_as_you_go": [
                "request_token": cents(.input), "response_token": cents(.output),
                "cache_read_input_token": cents(.cacheRead), "cache_write_input_token": cents(.cacheWrite),
            ],
            "usd_per_million": .object(dollars),
        ]
    }
}
