// The access log's lines, byte for byte.

import Core
import Testing

@testable import Telemetry

private func full() -> ExchangeRecord {
    let record = ExchangeRecord(
        startedAt: 1_769_850_300_250_999_999, method: "POST", path: "/v1/chat/completions?key=secret", status: 200)
    record.duration = 812_345_678
    record.upstreamDuration = 811_000_000
    record.timeToFirstToken = 230_004_999
    record.bytesIn = 1234
    record.bytesOut = 54321
    record.isStream = true
    record.clientAddress = "192.168.1.20"
    record.traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
    record.workspace = "acme"
    record.principal = "billing"
    record.endpoint = "chat_completions"
    record.operation = "chat"
    record.provider = "openai"
    record.requestModel = "gpt-4o"
    record.responseModel = "gpt-4o-2024-08-06"
    record.targetPath = "targets.1"
    record.inputTokens = 1200
    record.outputTokens = 345
    record.attempts = [
        AttemptRecord(provider: "anthropic", status: 529, duration: 1),
        AttemptRecord(provider: "openai", status: 200, duration: 2),
    ]
    record.cacheStatus = .semanticMiss
    return record
}

private func json(_ record: ExchangeRecord) -> String {
    var line = LogBuffer()
    AccessLog.json(record, into: &line)
    return String(decoding: line.array, as: UTF8.self)
}

private func text(_ record: ExchangeRecord) -> String {
    var line = LogBuffer()
    AccessLog.text(record, into: &line)
    return String(decoding: line.array, as: UTF8.self)
}

@Suite struct AccessLogTests {
    @Test func aFullLineOfJSON() {
        #expect(
            json(full()) == """
                {"time":"2026-01-31T09:05:00.250Z","method":"POST","path":"/v1/chat/completions","status":200,\
                "duration_ms":812.345,"upstream_ms":811.000,"ttft_ms":230.004,"bytes_in":1234,"bytes_out":54321,\
                "stream":true,"endpoint":"chat_completions","provider":"openai","model":"gpt-4o",\
                "response_model":"gpt-4o-2024-08-06","target":"targets.1","attempts":2,"cache":"SEMANTIC MISS",\
                "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","workspace":"acme","principal":"billing",\
                "input_tokens":1200,"output_tokens":345,"cost_usd":null,"client":"192.168.1.20"}

                """)
    }

    @Test func aFullLineOfText() {
        #expect(
            text(full()) == """
                2026-01-31T09:05:00.250Z 200 POST /v1/chat/completions 812.345ms upstream=811.000ms ttft=230.004ms \
                in=1234 out=54321 stream endpoint=chat_completions provider=openai model=gpt-4o target=targets.1 \
                attempts=2 cache=SEMANTIC\\x20MISS input_tokens=1200 output_tokens=345 workspace=acme \
                principal=billing trace=4bf92f3577b34da6a3ce929d0e0e4736 client=192.168.1.20

                """)
    }

    @Test func aRefusedRequestIsALineToo() {
        let record = ExchangeRecord(startedAt: 0, method: "POST", path: "/v1/chat/completions", status: 446)
        record.errorKind = .guardrailDenied
        record.deniedBy = "default.regexMatch"
        record.isAborted = true
        #expect(
            json(record) == """
                {"time":"1970-01-01T00:00:00.000Z","method":"POST","path":"/v1/chat/completions","status":446,\
                "duration_ms":0.000,"bytes_in":0,"bytes_out":0,"stream":false,"aborted":true,"endpoint":"unknown",\
                "attempts":0,"cost_usd":null,"error":"guardrail_denied","denied_by":"default.regexMatch"}

                """)
        #expect(text(record).hasSuffix(" error=guardrail_denied denied_by=default.regexMatch\n"))
    }

    @Test func nobodyForgesALine() {
        let record = full()
        record.path = "/x\n{\"status\":200}\r"
        record.requestModel = "a\"},{\"b\u{1B}[31m\u{9B}2J\u{7F}é\t\\"
        record.principal = "a b=\"c\""
        let object = json(record)
        #expect(object.utf8.count { $0 == 0x0A } == 1)
        #expect(object.contains(#""path":"/x\n{\"status\":200}\r""#))
        #expect(object.contains(#""model":"a\"},{\"b\u001b[31m\#u{9B}2J\u007fé\t\\""#))
        let line = text(record)
        #expect(line.utf8.count { $0 == 0x0A } == 1)
        #expect(line.contains(#" /x\x0a{\x22status\x22:200}\x0d "#))
        #expect(line.contains(#"model=a\x22},{\x22b\x1b[31m\x9b2J\x7fé\x09\ "#))
        #expect(line.contains(#"principal=a\x20b=\x22c\x22"#))
    }

    @Test func longValuesAreCutBeforeACharacter() {
        let record = full()
        record.requestModel = "x" + String(repeating: "é", count: 1000)
        let object = json(record)
        #expect(object.contains("\"model\":\"x" + String(repeating: "é", count: 127) + "...\""))
    }

    /// Every line must be JSON that a strict reader takes, whatever a client sends.
    @Test func anyBytesGiveValidJSON() throws {
        var random = Xoshiro256(seed: 3)
        for _ in 0..<2000 {
            let record = full()
            let bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            record.path = String(decoding: bytes, as: UTF8.self)
            record.requestModel = String(decoding: bytes.map { $0 & 0x7F }, as: UTF8.self)
            let line = json(record)
            let value = try JSONValue(parsing: Bytes(line))
            let end = record.path.utf8.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
            #expect(value["path"]?.string == String(record.path[..<(end ?? record.path.endIndex)]))
            if record.requestModel != "" { #expect(value["model"]?.string == record.requestModel) }
        }
    }
}

@Suite struct LogBufferTests {
    @Test(arguments: [0, 9, 10, 99, 100, 12345, -1, -10, Int.max, Int.min]) func writesNumbers(number: Int) {
        var line = LogBuffer()
        line.append(decimal: number)
        #expect(String(decoding: line.array, as: UTF8.self) == String(number))
    }

    @Test(arguments: [(0, "0.000"), (999, "0.000"), (1000, "0.001"), (1_234_567_890, "1234.567"), (-5, "0.000")])
    func writesMilliseconds(nanoseconds: Int64, text: String) {
        var line = LogBuffer()
        line.append(milliseconds: nanoseconds)
        #expect(String(decoding: line.array, as: UTF8.self) == text)
    }

    @Test func writesTimesAsTheWallClockDoes() {
        var random = Xoshiro256(seed: 5)
        var line = LogBuffer()
        for _ in 0..<3000 {
            let time = Int64.random(in: 0..<7_258_118_400_000_000_000, using: &random)
            line.removeAll()
            line.append(timestamp: time)
            #expect(String(decoding: line.array, as: UTF8.self) == WallClock.timestamp(time))
            line.removeAll()
            line.append(timeOfDay: time)
            #expect(String(decoding: line.array, as: UTF8.self) == WallClock.timestamp(time).dropFirst(11).dropLast())
        }
    }

    @Test func growsWithItsContent() {
        var line = LogBuffer()
        for number in 0..<10_000 { line.append(decimal: number % 10) }
        #expect(line.count == 10_000)
        #expect(line.array[9_999] == UInt8(ascii: "9"))
    }
}
