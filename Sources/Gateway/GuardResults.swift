// GuardResults: what the guards of one exchange found, and how it is told to the client (`hook_results`, Portkey's shape).

import Core
import PluginHost
import Telemetry
import Wire

/// One check's outcome.
struct CheckResult {
    var id: String
    var passed: Bool
    /// A JSON value.
    var data: Bytes?
    var transformed = false
    /// Nanoseconds.
    var duration: Int64
    /// Why it could not judge; for the log. The client gets fixed words.
    var failure: String?
    var failsOnError = false
    var startedAt: Int64
}

/// One stage's outcome.
struct StageResult {
    var stage: GuardStage
    var checks: [CheckResult]
    var startedAt: Int64
    var duration: Int64

    var passed: Bool { checks.allSatisfy(\.passed) }
    var transformed: Bool { checks.contains(where: \.transformed) }
    var isDenied: Bool { stage.denies && !passed }
}

struct GuardResults {
    var before: [StageResult] = []
    var after: [StageResult] = []

    var isEmpty: Bool { before.isEmpty && after.isEmpty }
    /// A check without `deny` found something: 200 becomes 246.
    var hasSoftFailure: Bool { before.contains { !$0.passed } || after.contains { !$0.passed } }

    enum Part { case both, before, after }

    /// `{"before_request_hooks":[…],"after_request_hooks":[…]}`
    func json(_ part: Part = .both) -> [UInt8] {
        var output = BytesBuilder(capacity: 2048)
        output.append("{")
        if part != .after { Self.write("before_request_hooks", before, into: &output) }
        if part == .both { output.append(",") }
        if part != .before { Self.write("after_request_hooks", after, into: &output) }
        output.append("}")
        return output.finish().array
    }

    private static func write(_ name: String, _ results: [StageResult], into output: inout BytesBuilder) {
        write(name, into: &output)
        output.append(":[")
        for (index, result) in results.enumerated() {
            if index > 0 { output.append(",") }
            write(result, into: &output)
        }
        output.append("]")
    }

    private static func write(_ result: StageResult, into output: inout BytesBuilder) {
        output.append("{\"verdict\":")
        write(result.passed, into: &output)
        output.append(",\"id\":")
        write(result.stage.id, into: &output)
        output.append(",\"transformed\":")
        write(result.transformed, into: &output)
        output.append(",\"feedback\":")
        if let feedback = feedback(result) { output.append(Bytes(feedback.bytes)) } else { output.append("null") }
        output.append(",\"execution_time\":")
        output.append(String(result.duration / 1_000_000))
        output.append(",\"async\":")
        write(result.stage.mode == .async, into: &output)
        if let kind = result.stage.kind {
            output.append(",\"type\":")
            write(kind, into: &output)
        }
        let createdAt = WallClock.timestamp(result.startedAt)
        output.append(",\"created_at\":\"")
        output.append(createdAt)
        output.append("\",\"deny\":")
        write(result.isDenied, into: &output)
        output.append(",\"checks\":[")
        for (index, check) in result.checks.enumerated() {
            if index > 0 { output.append(",") }
            write(check, createdAt, into: &output)
        }
        output.append("]}")
    }

    private static func write(_ check: CheckResult, _ stageCreatedAt: String, into output: inout BytesBuilder) {
        output.append("{\"data\":")
        if let data = check.data {
            output.append(data)
        } else {
            output.append("null")
        }
        output.append(",\"verdict\":")
        write(check.passed, into: &output)
        output.append(",\"id\":")
        write(check.id, into: &output)
        output.append(",\"execution_time\":")
        output.append(String(check.duration / 1_000_000))
        output.append(",\"transformed\":")
        write(check.transformed, into: &output)
        output.append(",\"created_at\":\"")
        output.append(stageCreatedAt)
        output.append("\",\"log\":null,\"fail_on_error\":")
        write(check.failsOnError, into: &output)
        if check.failure != nil {
            output.append(",\"error\":{\"name\":\"Check error\",\"message\":\"Error executing check\"}")
        }
        output.append("}")
    }

    private static func write(_ value: Bool, into output: inout BytesBuilder) {
        if value { output.append("true") } else { output.append("false") }
    }

    private static func write(_ text: String, into output: inout BytesBuilder) {
        // Names of checks, nearly always.
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else {
            return output.append(Bytes(JSONString.quoted(text)))
        }
        output.append("\"")
        output.append(text)
        output.append("\"")
    }

    private static func feedback(_ result: StageResult) -> JSONValue? {
        guard var feedback = (result.passed ? result.stage.feedbackOnSuccess : result.stage.feedbackOnFail)?.object
        else { return nil }
        func ids(_ include: (CheckResult) -> Bool) -> JSONValue {
            .string(result.checks.filter(include).map(\.id).joined(separator: ","))
        }
        var metadata = feedback["metadata"]?.object ?? JSONObject()
        metadata["successfulChecks"] = ids { $0.passed && $0.failure == nil }
        metadata["failedChecks"] = ids { !$0.passed }
        metadata["erroredChecks"] = ids { $0.failure != nil }
        feedback["metadata"] = .object(metadata)
        return .object(feedback)
    }
}

/// Verdicts of earlier attempts: a stage that sees the same bytes again keeps its verdict.
struct GuardMemory {
    private var entries: [(stage: ObjectIdentifier, input: Bytes, output: Bytes, result: StageResult)] = []

    func recall(_ stage: GuardStage, _ input: Bytes) -> (output: Bytes, result: StageResult)? {
        entries.first { $0.stage == ObjectIdentifier(stage) && $0.input == input }.map { ($0.output, $0.result) }
    }

    mutating func keep(_ stage: GuardStage, _ input: Bytes, _ output: Bytes, _ result: StageResult) {
        guard entries.count < 32 else { return }
        entries.append((ObjectIdentifier(stage), input, output, result))
    }
}
