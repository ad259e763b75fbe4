// Lines of swift-log: JSON for machines, text for people, secrets for nobody.

import Logging
import Testing

@testable import Telemetry

#if canImport(Glibc)
    import Glibc
#endif

private struct Failure: Error, CustomStringConvertible {
    var description: String { "key sk-abcdefghijkl was refused" }
}

/// What a handler wrote in the course of `body`.
private func lines(_ format: LogFormat, coloured: Bool = false, _ body: (inout Logger) -> Void) throws -> String {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    let writer = try LogWriter(.descriptor(ends[1]), format: format)
    var logger = Logger(label: "gatehouse") { label in
        GatehouseLogHandler(
            label: label, writer: writer, channel: writer.channel(), isColoured: coloured,
            now: { 1_769_850_300_250_000_000 })
    }
    body(&logger)
    writer.shutDown()
    close(ends[1])
    defer { close(ends[0]) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
        count = max(0, read(ends[0], buffer.baseAddress, buffer.count))
    }
    return String(decoding: bytes, as: UTF8.self)
}

@Suite struct GatehouseLogHandlerTests {
    @Test func writesJSON() throws {
        let text = try lines(.json) { logger in
            logger[metadataKey: "listener"] = "0.0.0.0:8787"
            logger.info(
                "ready \"now\"",
                metadata: ["loops": .stringConvertible(2), "list": ["a", ["b": "c"]], "time": "mine", "error": "e"])
        }
        #expect(
            text == """
                {"time":"2026-01-31T09:05:00.250Z","level":"info","logger":"gatehouse","message":"ready \\"now\\"",\
                "error":"e","list":["a",{"b":"c"}],"listener":"0.0.0.0:8787","loops":"2","_time":"mine"}

                """)
    }

    @Test func writesText() throws {
        let text = try lines(.text) { logger in
            logger.warning("no\nkeys", metadata: ["a": "b c\"", "d": "", "e": "f"])
        }
        #expect(text == #"09:05:00.250 WARNING  no\x0akeys a="b c\x22" d="" e=f"# + "\n")
    }

    @Test func coloursByLevel() throws {
        let text = try lines(.text, coloured: true) { $0.error("x", metadata: ["a": "b"]) }
        #expect(text == "\u{1B}[2m09:05:00.250\u{1B}[0m \u{1B}[31mERROR   \u{1B}[0m x \u{1B}[2ma=\u{1B}[0mb\n")
    }

    @Test func keepsToItsLevel() throws {
        let text = try lines(.text) { logger in
            logger.debug("hidden")
            logger.logLevel = .debug
            logger.debug("shown")
        }
        #expect(text == "09:05:00.250 DEBUG    shown\n")
    }

    @Test func writesErrorsAndScrubsEverything() throws {
        let text = try lines(.json) { logger in
            logger.error(
                "sent Bearer abcdefghijkl", error: Failure(),
                metadata: ["url": "https://u:p@example.com", "l": ["sk-123456789"]])
        }
        #expect(text.contains(#""message":"sent Bearer [redacted]""#))
        #expect(text.contains(#""error":"key sk-[redacted] was refused""#))
        #expect(text.contains(#""url":"https://[redacted]@example.com""#))
        #expect(text.contains(#""l":["sk-[redacted]"]"#))
    }
}

@Suite struct RedactionTests {
    @Test(arguments: [
        ("Incorrect API key provided: sk-proj-abc_DEF-123.", "Incorrect API key provided: sk-[redacted]"),
        ("sk-ant-api03-abcdefgh", "sk-[redacted]"),
        ("pk-live-12345678, next", "pk-[redacted], next"),
        ("Authorization: Bearer eyJhbGciOi.abc.def", "Authorization: Bearer [redacted]"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic [redacted]"),
        ("bearer abcdef123456", "bearer [redacted]"),
        ("{\"api_key\": \"abcdef123456\", \"x\": 1}", "{\"api_key\": \"[redacted]\", \"x\": 1}"),
        ("{\\\"api-key\\\":\\\"abcdef123456\\\"}", "{\\\"api-key\\\":\\\"[redacted]\\\"}"),
        ("x-api-key: abcdef123456", "x-api-key: [redacted]"),
        ("https://x.com/v1?api_key=abcdef123456&b=1", "https://x.com/v1?api_key=[redacted]&b=1"),
        ("https://user:pass@x.com/v1", "https://[redacted]@x.com/v1"),
        ("postgres://u:p%40@db:5432/x and sk-12345678", "postgres://[redacted]@db:5432/x and sk-[redacted]"),
        ("AIzaSyA1234567890abcdefghij", "AIza[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA[redacted]"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token eyJ[redacted]"),
        ("password='hunter2!'", "password='[redacted]'"),
        ("client_secret=abc-def-ghi;", "client_secret=[redacted];"),
    ])
    func masks(text: String, scrubbed: String) {
        #expect(Redaction.scrub(text) == scrubbed)
    }

    @Test(arguments: [
        "", "hello", "task-12345678", "risk-assessment-2025", "a disk-shaped-thing", "sk-1", "gpt-4o",
        "tokens: 1234567",
        "token=12", "max_tokens: 100000000", "https://example.com/a@b", "mailto:a@b.example", "basic auth", "bearer",
        "Bearer x", "the secret is out", "naïve – “text”", "api_key", "api_key:", "//", "//@",
    ])
    func leavesAlone(text: String) {
        #expect(Redaction.scrub(text) == text)
    }
}
