// Feedbacks: /feedback: what an answer was worth to somebody, by its trace.

import Core
import Gateway
import Identity
import Store

private struct Given {
    let id = Identifier.make()
    var trace: String
    var value: Int
    var weight: Double
    var metadata: JSONObject
}

extension ControlDesk {
    func feedback(_ call: Call) async throws(GatewayError) -> JSONValue {
        switch (call.request.method, call.places.count) {
        case ("POST", 0): return try giveFeedback(call)
        case ("PUT", 1): return try changeFeedback(call, call.places[0])
        default: throw call.unknown
        }
    }

    private func weight(_ fields: inout Fields) -> Double? {
        guard let value = fields.value("weight") else { return nil }
        guard let weight = value.double, (0...1).contains(weight) else {
            fields.problem("weight", "expected a number from 0 to 1")
            return nil
        }
        return weight
    }

    private func metadata(_ fields: inout Fields) -> JSONObject? {
        guard let object = fields.object("metadata") else { return nil }
        if JSONValue.object(object).bytes.count > 16_384 { fields.problem("metadata", "expected at most 16384 bytes") }
        return object
    }

    /// One, or an array of them: all are kept, or none.
    private func giveFeedback(_ call: Call) throws(GatewayError) -> JSONValue {
        let place = try place(call, named: nil)
        try call.require("feedback.create", in: place)
        let body = try call.body()
        let items = body.array ?? [body]
        guard !items.isEmpty, items.count <= 1_000 else {
            throw GatewayError(
                .invalidRequest, status: 400, "expected from 1 to 1000 feedbacks, found \(items.count)",
                code: "invalid_body")
        }
        let now = WallClock.now()
        var given: [Given] = []
        for item in items {
            var fields = try Fields(item)
            let trace = fields.requiredText("trace_id", limit: 256)
            let value = fields.integer("value", -10...10)
            if value == nil, !fields.has("value") { fields.problem("value", "it is required") }
            let weight = weight(&fields) ?? 1
            let metadata = metadata(&fields) ?? JSONObject()
            try fields.finish()
            given.append(Given(trace: trace, value: value ?? 0, weight: weight, metadata: metadata))
        }
        let all = given
        try read { store throws(StoreError) in
            try store.transaction { () throws(StoreError) in
                for one in all {
                    try store.insertFeedback(
                        id: one.id, workspace: place, trace: one.trace, value: one.value, weight: one.weight,
                        metadata: JSONValue.object(one.metadata).text, at: now, by: call.principal.id)
                }
            }
        }
        return [
            "status": "success", "message": "Feedback successfully saved",
            "feedback_ids": .array(all.map { .string($0.id) }),
        ]
    }

    private func changeFeedback(_ call: Call, _ id: String) throws(GatewayError) -> JSONValue {
        let place = try place(call, named: nil)
        try call.require("feedback.update", in: place)
        var fields = try call.fields()
        let value = fields.integer("value", -10...10)
        let weight = weight(&fields)
        let metadata = metadata(&fields).map { JSONValue.object($0).text }
        fields.ignore("trace_id")
        try fields.finish()
        let isThere = try read { store throws(StoreError) in
            try store.updateFeedback(
                id: id, workspace: place, value: value, weight: weight, metadata: metadata, at: WallClock.now())
        }
        guard isThere else { throw Call.missing("feedback", id) }
        return ["status": "success", "message": "Feedback successfully updated", "feedback_ids": [.string(id)]]
    }
}
