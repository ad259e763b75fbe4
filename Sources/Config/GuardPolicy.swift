// GuardPolicy: what the config says of a guard beside its checks: what it must see, what becomes of its verdicts and of its
// failures, and when it runs. Portkey's own options (deny, async, sequential) stand in GuardGroup.

import Core

package struct GuardPolicy: Sendable, Equatable {
    package enum Direction: String, Sendable, CaseIterable {
        case input, output
        /// One instance judges the request and its answer.
        case both
    }

    /// What of a conversation is judged.
    package enum Scope: Sendable, Equatable {
        case all
        /// The last message of the request.
        case last
        /// Messages of these roles: "system", "user", "assistant", "tool".
        case roles(Set<String>)
    }

    package enum FullCoverage: Sendable, Equatable {
        case no
        case yes
        /// These kinds of segments at least, whatever the check declares.
        case kinds([String])
    }

    package enum StreamMode: String, Sendable, CaseIterable {
        case off, observe, window, event, full
    }

    /// nil: the list that the guard stands in says it.
    package var direction: Direction?
    package var scope = Scope.all
    /// nil: the plugin's settings, the defaults and the manifest say it.
    package var onFailure: FailurePolicy?
    package var onTimeout: FailurePolicy?
    package var timeoutMilliseconds: Int?
    package var maximumRetries: Int?
    /// Beside the upstream call, gating the first byte of its answer.
    package var runsBeside = false
    /// The verdict is recorded, never applied.
    package var isShadow = false
    /// nil: yes where the guard denies.
    package var fullCoverage: FullCoverage?
    /// Kinds of segments that may pass unseen all the same.
    package var allowUnseen: Set<String> = []
    package var breaker: Breaker?
    package var streamMode: StreamMode?
    package var windowBytes: Int?
    package var overlapBytes: Int?

    /// After so many failures in a row the plugin is not asked for a while: its failure policy holds without a call.
    package struct Breaker: Sendable, Equatable {
        package var failures: Int
        package var openMilliseconds: Int
    }

    /// GH_SEGMENT_* by the names that manifests use.
    package static let kinds = [
        "text", "reasoning", "tool_arguments", "tool_result", "tool_schema", "image", "audio", "file", "token_ids",
        "other",
    ]
    package static let roles = ["system", "user", "assistant", "tool"]
}

extension RequestConfigParser {
    mutating func guardPolicy(_ fields: Fields) -> GuardPolicy {
        var policy = GuardPolicy()
        policy.direction = choice(fields, "direction")
        policy.scope = scope(fields)
        policy.onFailure = choice(fields, "on_failure")
        policy.onTimeout = choice(fields, "on_timeout")
        policy.timeoutMilliseconds = positive(fields, "timeout_ms").map { min($0, 600_000) }
        policy.maximumRetries = number(fields, "max_guard_retries").map { Int(min(max($0, 0), 100)) }
        if let run = string(fields, "run") {
            if !["before", "beside"].contains(run) {
                report(fields.path(of: "run"), "Invalid 'run' value. Must be one of: before, beside")
            }
            policy.runsBeside = run == "beside"
        }
        policy.isShadow = boolean(fields, "shadow") ?? false
        policy.fullCoverage = fullCoverage(fields)
        policy.allowUnseen = Set(names(fields, "allow_unseen", GuardPolicy.kinds) ?? [])
        policy.breaker = guardBreaker(fields)
        if let stream = self.fields(fields, "stream") {
            for member in stream.members where !["mode", "window_bytes", "overlap_bytes"].contains(member.name) {
                report(stream.path + [member.key], "Unknown member. Known are: mode, window_bytes, overlap_bytes")
            }
            policy.streamMode = choice(stream, "mode")
            policy.windowBytes = positive(stream, "window_bytes").map { min($0, 1 << 20) }
            policy.overlapBytes = number(stream, "overlap_bytes").map { Int(min(max($0, 0), 1_048_576)) }
        }
        return policy
    }

    private mutating func scope(_ fields: Fields) -> GuardPolicy.Scope {
        guard let value = fields["scope"] else { return .all }
        if value.array != nil {
            return .roles(Set(names(fields, "scope", GuardPolicy.roles) ?? []))
        }
        switch string(fields, "scope") {
        case "last": return .last
        case "all", nil: return .all
        default:
            report(
                fields.path(of: "scope"),
                "Invalid 'scope' value. Must be all, last, or a list of roles: \(GuardPolicy.roles.joined(separator: ", "))"
            )
            return .all
        }
    }

    private mutating func fullCoverage(_ fields: Fields) -> GuardPolicy.FullCoverage? {
        let name = "require_full_coverage"
        guard let value = fields[name] else { return nil }
        if value.array != nil { return .kinds(names(fields, name, GuardPolicy.kinds) ?? []) }
        return boolean(fields, name).map { $0 ? .yes : .no }
    }

    private mutating func guardBreaker(_ fields: Fields) -> GuardPolicy.Breaker? {
        guard let own = self.fields(fields, "breaker") else { return nil }
        for member in own.members where !["failures", "open_ms"].contains(member.name) {
            report(own.path + [member.key], "Unknown member. Known are: failures, open_ms")
        }
        return GuardPolicy.Breaker(
            failures: positive(own, "failures") ?? 5, openMilliseconds: positive(own, "open_ms") ?? 30_000)
    }

    private mutating func choice<Choice: RawRepresentable & CaseIterable>(_ fields: Fields, _ name: String) -> Choice?
    where Choice.RawValue == String {
        guard let word = string(fields, name) else { return nil }
        if let choice = Choice(rawValue: word) { return choice }
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        report(fields.path(of: name), "Invalid '\(name)' value. Must be one of: \(words)")
        return nil
    }

    private mutating func names(_ fields: Fields, _ name: String, _ known: [String]) -> [String]? {
        guard let words = strings(fields, name) else { return nil }
        for (index, word) in words.enumerated() where !known.contains(word) {
            report(fields.path(of: name) + [String(index)], "Must be one of: \(known.joined(separator: ", "))")
        }
        return words
    }
}
