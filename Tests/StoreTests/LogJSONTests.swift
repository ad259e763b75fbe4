import Core
import Testing

@testable import Store

@Suite struct LogJSONTests {
    private let place = Workplace()

    private func find(_ trace: String) throws -> (StoredRequest, RequestRow.Bodies?) {
        try SmallLog.write(to: place.path)
        let reader = try LogReader(place.path)
        let stored = try #require(try reader.find(trace).first)
        return (stored, try reader.bodies(of: stored.row.id))
    }

    @Test func anItemHasPortkeysMembersAndOurs() throws {
        let (stored, bodies) = try find("t1")
        let item = LogJSON.item(stored, bodies)
        let text = item.text
        for part in [
            #""id":"\#(stored.row.id)","trace_id":"t1","span_id":"s1","span_name":"first","#,
            #""created_at":"2026-01-05T10:00:00.000Z","workspace":"a","#, #""is_success":true,"ai_org":"openai""#,
            #""req_units":100,"res_units":20,"total_units":120,"cost":0.1,"cost_usd":0.001,"cost_currency":"USD""#,
            #""cache_status":"MISS","response_time":100,"stream":false,"mode":"single""#,
            #""api_key":"k1","virtual_key":"vk-1","config":null,"prompt_slug":null"#,
            #""metadata":{"_user":"ann","env":"prod"}"#, #""body":{"model":"gpt"},"body_bytes":15}"#,
            #""body":"data: {","body_bytes":70,"body_is_cut":true}"#, #""attempts":[{"provider":"openai""#,
            #""timings":{"total_ms":100,"#, #""overhead_ms":"#,
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        for name in LogJSON.exportable { #expect(item[name] != nil, "\(name)") }
    }

    @Test func anExportHasWhatWasAskedFor() throws {
        let (stored, bodies) = try find("t2")
        let line = LogJSON.exportLine(stored, bodies, requested: ["cost", "prompt_slug", "nonsense", "trace_id"])
        #expect(line.text == #"{"cost":0.3,"prompt_slug":"greeting","trace_id":"t2"}"#)
        #expect(LogJSON.exportLine(stored, bodies) == LogJSON.item(stored, bodies))
    }

    @Test func oneLogHasRequestResponseAndMetrics() throws {
        let (stored, bodies) = try find("t4")
        let log = LogJSON.log(stored, bodies, organisation: "org")
        #expect(log["request"]?["url"] == "/v1/chat/completions" && log["request"]?["method"] == "POST")
        #expect(log["request"]?["portkeyHeaders"]?["x-portkey-trace-id"] == "t4")
        #expect(log["response"]?["status"]?.int == 200 && log["response"]?["responseTime"]?.int == 900)
        #expect(log["metrics"]?["cost"]?.text == "0.5" && log["metrics"]?["mode"] == "fallback")
        #expect(log["metrics"]?["ai_model"] == "claude-1" && log["organisation_id"] == "org")
        #expect(log["metrics"]?["attempts"]?.array?.count == 2 && log["_id"]?.string == stored.row.id.description)
    }
}
