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
        var output: [UInt8] = []
        output.reserveCapacity(1024)
        output.append(UInt8(ascii: "{"))
        if part != .after { Self.write("before_request_hooks", before, into: &output) }
        if part == .both { output.append(UInt8(ascii: ",")) }
        if part != .before { Self.write("after_request_hooks", after, into: &output) }
        output.append(UInt8(ascii: "}"))
        return output
    }

    private static func write(_ name: String, _ results: [StageResult], into output: inout [UInt8]) {
        output += JSONString.quoted(name) + Array(":[".utf8)
        for (index, result) in results.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(result, into: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    private static func write(_ result: StageResult, into output: inout [UInt8]) {
        output += "{\"verdict\":".utf8
        write(result.passed, into: &output)
        output += ",\"id\":".utf8
        write(result.stage.id, into: &output)
        output += ",\"transformed\":".utf8
        write(result.transformed, into: &output)
        output += ",\"feedback\":".utf8
        feedback(result).write(into: &output)
        output += ",\"execution_time\":\(result.duration / 1_000_000),\"async\":".utf8
        write(result.stage.isAsync, into: &output)
        if let kind = result.stage.kind {
            output += ",\"type\":".utf8
            write(kind, into: &output)
        }
        let createdAt = WallClock.timestamp(result.startedAt)
        output += ",\"created_at\":\"\(createdAt)\",\"deny\":".utf8
        write(result.isDenied, into: &output)
        output += ",\"checks\":[".utf8
        for (index, check) in result.checks.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(check, createdAt, into: &output)
        }
        output += "]}".utf8
    }

    private static func write(_ check: CheckResult, _ stageCreatedAt: String, into output: inout [UInt8]) {
        output += "{\"data\":".utf8
        if let data = check.data {
            withExtendedLifetime(data) { output.append(contentsOf: data.buffer) }
        } else {
            output += "null".utf8
        }
        output += ",\"verdict\":".utf8
        write(check.passed, into: &output)
        output += ",\"id\":".utf8
        write(check.id, into: &output)
        output += ",\"execution_time\":\(check.duration / 1_000_000),\"transformed\":".utf8
        write(check.transformed, into: &output)
        output += ",\"created_at\":\"\(stageCreatedAt)\",\"log\":null,\"fail_on_error\":".utf8
        write(check.failsOnError, into: &output)
        if check.failure != nil { output += ",\"error\":{\"name\":\"Check error\",\"message\":\"Error executing check\"}".utf8 }
        output.append(UInt8(ascii: "}"))
    }

    private static func write(_ value: Bool, into output: inout [UInt8]) {
        if value { output += "true".utf8 } else { output += "false".utf8 }
    }

    private static func write(_ text: String, into output: inout [UInt8]) {
        var text = text
        output.append(UInt8(ascii: "\""))
        text.withUTF8 { JSONString.escape(UnsafeRawBufferPointer($0), into: &output) }
        output.append(UInt8(ascii: "\""))
    }

    private static func feedback(_ result: StageResult) -> JSONValue {
        guard var feedback = (result.passed ? result.stage.feedbackOnSuccess : result.stage.feedbackOnFail)?.object else { return .null }
        func ids(_ include: (CheckResult) -> Bool) -> JSONValue { .string(result.checks.filter(include).map(\.id).joined(separator: ",")) }
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
