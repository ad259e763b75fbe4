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
        var output: [UInt8] = [UInt8(ascii: "{")]
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
        var object = JSONObject([
            ("verdict", .bool(result.passed)), ("id", .string(result.stage.id)), ("transformed", .bool(result.transformed)),
        ])
        object["feedback"] = feedback(result)
        object["execution_time"] = JSONValue(Int(result.duration / 1_000_000))
        object["async"] = .bool(result.stage.isAsync)
        if let kind = result.stage.kind { object["type"] = .string(kind) }
        object["created_at"] = .string(WallClock.timestamp(result.startedAt))
        object["deny"] = .bool(result.isDenied)
        var head = JSONValue.object(object).bytes
        head.removeLast()
        output += head + Array(",\"checks\":[".utf8)
        for (index, check) in result.checks.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(check, into: &output)
        }
        output += Array("]}".utf8)
    }

    private static func write(_ check: CheckResult, into output: inout [UInt8]) {
        var object = JSONObject([
            ("verdict", .bool(check.passed)), ("id", .string(check.id)),
            ("execution_time", JSONValue(Int(check.duration / 1_000_000))), ("transformed", .bool(check.transformed)),
            ("created_at", .string(WallClock.timestamp(check.startedAt))), ("log", .null),
            ("fail_on_error", .bool(check.failsOnError)),
        ])
        if check.failure != nil { object["error"] = ["name": "Check error", "message": "Error executing check"] }
        var head = JSONValue.object(object).bytes
        head.removeLast()
        output += head + Array(",\"data\":".utf8) + (check.data?.array ?? Array("null".utf8)) + Array("}".utf8)
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
