// Receipt: the proof that a guard ran. One for each run of a check over one side of an exchange (all windows of a stream are one
// run): who judged, with which code and configuration, what there was to see and what was seen, and what came of it. It holds
// counts and names, never text.

package import Core

/// Who judged: the same for all exchanges that a plan serves.
package final class ReceiptIssuer: Sendable {
    /// As the config names it: "default.contains".
    package let check: String
    package let guardrail: String
    /// The constant members, ready to be written.
    let json: [UInt8]

    /// `file` and `config` are SHA-256 in hexadecimal: of the library's file, and of the check's parameters as canonical JSON.
    package init(
        check: String, guardrail: String, plugin: String, version: String, file: String, config: String
    ) {
        self.check = check
        self.guardrail = guardrail
        json = Array(
            ("{\"guardrail\":\(Self.quoted(guardrail)),\"check\":\(Self.quoted(check)),\"plugin\":\(Self.quoted(plugin)),"
                + "\"version\":\(Self.quoted(version)),\"file_sha256\":\"\(file)\",\"config_sha256\":\"\(config)\"")
                .utf8)
    }

    private static func quoted(_ text: String) -> String { String(decoding: JSONString.quoted(text), as: UTF8.self) }
}

/// Whole segments, and bytes of their decoded text.
package struct CoverageCount: Sendable {
    package var kind: StaticString
    package var presentedSegments: Int
    package var seenSegments: Int
    package var presentedBytes: Int
    package var seenBytes: Int

    package init(
        kind: StaticString, presentedSegments: Int, seenSegments: Int, presentedBytes: Int, seenBytes: Int
    ) {
        self.kind = kind
        self.presentedSegments = presentedSegments
        self.seenSegments = seenSegments
        self.presentedBytes = presentedBytes
        self.seenBytes = seenBytes
    }
}

package struct Receipt: Sendable {
    package enum Verdict: String, Sendable, CaseIterable {
        case passed, failed, denied, edited, answered, retried, error
        case timedOut = "timed_out"
        /// Its text was not all seen, and its policy says that this is a failure.
        case unseen
    }

    package enum Side: String, Sendable {
        case request, answer
    }

    /// What became of the verdict.
    package enum Mode: String, Sendable {
        case enforced, async, shadow
    }

    package var issuer: ReceiptIssuer
    package var side: Side
    package var mode: Mode
    /// From 1; 0 before the first attempt.
    package var attempt: Int
    /// What there was to see and what was seen, by kind of segment.
    package var coverage: [CoverageCount]
    package var verdict: Verdict
    /// Texts changed.
    package var edits: Int
    /// Nanoseconds over all calls.
    package var duration: Int64
    /// Why it could not judge.
    package var failure: String?

    package init(
        issuer: ReceiptIssuer, side: Side, mode: Mode, attempt: Int, coverage: [CoverageCount], verdict: Verdict,
        edits: Int,
        duration: Int64, failure: String? = nil
    ) {
        self.issuer = issuer
        self.side = side
        self.mode = mode
        self.attempt = attempt
        self.coverage = coverage
        self.verdict = verdict
        self.edits = edits
        self.duration = duration
        self.failure = failure
    }

    package var check: String { issuer.check }

    /// One JSON object. `withReason`: the plugin's own words on its failure, which are for the operator's eyes.
    package func write(into output: inout BytesBuilder, withReason: Bool) {
        issuer.json.withUnsafeBytes { output.append($0) }
        output.append(",\"side\":\"")
        output.append(side.rawValue)
        output.append("\",\"mode\":\"")
        output.append(mode.rawValue)
        output.append("\",\"attempt\":")
        output.append(String(attempt))
        output.append(",\"verdict\":\"")
        output.append(verdict.rawValue)
        output.append("\",\"edits\":")
        output.append(String(edits))
        output.append(",\"latency_us\":")
        output.append(String(Int(duration / 1_000)))
        output.append(",\"coverage\":{")
        for (index, count) in coverage.enumerated() {
            if index > 0 { output.append(",") }
            output.append("\"")
            output.append(count.kind)
            output.append("\":{\"segments\":")
            output.append(String(count.presentedSegments))
            output.append(",\"seen_segments\":")
            output.append(String(count.seenSegments))
            output.append(",\"bytes\":")
            output.append(String(count.presentedBytes))
            output.append(",\"seen_bytes\":")
            output.append(String(count.seenBytes))
            output.append("}")
        }
        output.append("}")
        if let failure {
            output.append(",\"failure\":")
            if withReason {
                JSONString.quoted(failure).withUnsafeBytes { output.append($0) }
            } else {
                output.append("\"the check could not judge\"")
            }
        }
        output.append("}")
    }

    /// A JSON array.
    package static func list(_ receipts: [Receipt], withReason: Bool) -> Bytes {
        var output = BytesBuilder(capacity: 64 + receipts.count * 512)
        output.append("[")
        for (index, receipt) in receipts.enumerated() {
            if index > 0 { output.append(",") }
            receipt.write(into: &output, withReason: withReason)
        }
        output.append("]")
        return output.finish()
    }
}
