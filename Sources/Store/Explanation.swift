// Explanation: an exchange told in sentences: who asked, which config held, why that target, what the cache and the guards said, how it
// ended. Everything comes from the row.

import Core

package enum Explanation {
    package static func text(of row: RequestRow) -> String {
        var sentences = [beginning(row), caller(row), config(row)]
        sentences += attempts(row)
        sentences += [choice(row), cache(row)]
        sentences += guards(row)
        sentences.append(end(row))
        return sentences.compactMap { $0 }.map { LogText.printable($0) }.joined(separator: "\n")
    }

    private static func beginning(_ row: RequestRow) -> String {
        let what = row.isStream ? "a stream of \(row.endpoint)" : row.endpoint
        let model = row.model.map { " with the model \($0)" } ?? ""
        return "\(WallClock.timestamp(row.startedAt)): \(row.method) \(row.path) asked for \(what)\(model)."
    }

    private static func caller(_ row: RequestRow) -> String {
        if let check = row.askedBy { return "The check \(check) asked, to judge another request of this trace." }
        guard let key = row.key else {
            return row.status == 401
                ? "Nobody was recognised: no header held one of the gateway's keys."
                : "No key was needed, so the workspace is \(row.workspace)."
        }
        let credential = row.virtualKey.map { " The answer came by the virtual key \($0)." } ?? ""
        return "The key \(key) of the workspace \(row.workspace) was used.\(credential)"
    }

    private static func config(_ row: RequestRow) -> String? {
        guard row.target != nil || row.config != nil || row.configOrigin != nil else { return nil }
        let name = row.config ?? ""
        return switch row.configOrigin {
        case .request: "Its config came with the request (x-portkey-config)."
        case .header: "It named the config \(name)."
        case .key: "It named no config; its key stands for \(name)."
        case .default: "It named no config; \(name) is the default (defaults.config)."
        case .plugin: "The check's target is \(name)."
        case nil: "It had no config: its provider came from the headers, the model's name or defaults.provider."
        }
    }

    private static func attempts(_ row: RequestRow) -> [String] {
        row.attempts.enumerated().map { index, attempt in
            let ordinal = attempt.retry > 0 ? "retry \(attempt.retry) of the same target" : "target \(attempt.target)"
            var text = "Attempt \(index + 1), \(ordinal): \(attempt.provider)"
            if let model = attempt.model { text += " with \(model)" }
            text += attempt.status == 0 ? " did not answer" : " came to \(attempt.status)"
            text += " after \(LogText.milliseconds(attempt.duration)) ms"
            if let error = attempt.error { text += " (\(error))" }
            if index + 1 < row.attempts.count {
                let next = row.attempts[index + 1]
                text += next.target == attempt.target ? ", so it was tried again" : ", so \(next.target) came next"
            }
            return text + "."
        }
    }

    private static func choice(_ row: RequestRow) -> String? {
        guard let target = row.target, let provider = row.provider else {
            return row.attempts.isEmpty ? "No target was asked." : nil
        }
        guard let route = row.route, !route.isEmpty else {
            return "The target is \(target) (\(provider)), the only one."
        }
        let steps = route.split(separator: ",").map { step -> String in
            let words = step.split(separator: " ")
            let place = words.last.map { $0.split(separator: "/") } ?? []
            guard words.count == 2, place.count == 2 else { return String(step) }
            let position = "number \(place[0]) of \(place[1])"
            return switch words[0] {
            case "fallback":
                place[0] == "1"
                    ? "the fallback begins with it (\(position))" : "the fallback came to it (\(position))"
            case "loadbalance": "the weights, or an earlier choice for the same caller, chose it (\(position))"
            case "conditional": "the conditions chose it (\(position))"
            case "single": "the config asks for its first target only"
            default: String(step)
            }
        }
        return "The target is \(target) (\(provider)): \(steps.joined(separator: "; then "))."
    }

    private static func cache(_ row: RequestRow) -> String? {
        guard row.target != nil else { return nil }
        return switch row.cache {
        case "HIT": "The cache had the answer to an equal request, so no provider was called for it."
        case "SEMANTIC HIT": "The cache had the answer to a similar request, so no provider was called for it."
        case "MISS", "SEMANTIC MISS": "The cache had no answer to such a request."
        case "REFRESH": "The request asked to leave the cache's answer aside (x-portkey-cache-force-refresh)."
        default: "No cache was asked for."
        }
    }

    private static func guards(_ row: RequestRow) -> [String] {
        let receipts = ReceiptLine.read(row.receipts)
        guard !receipts.isEmpty else { return row.target == nil ? [] : ["No guardrail was asked."] }
        return receipts.map { receipt in
            var text = "The guardrail \(receipt.check)"
            if receipt.guardrail != receipt.check, !receipt.guardrail.isEmpty { text += " (\(receipt.guardrail))" }
            text += receipt.mode == "enforced" ? "" : ", \(receipt.mode),"
            let side = "the \(receipt.side)"
            let verdict =
                switch receipt.verdict {
                case "passed": " let \(side) pass"
                case "edited": " changed \(side) (\(receipt.edits) edits)"
                case "failed": " found fault with \(side)"
                case "denied": " refused \(side)"
                case "answered": " answered in the provider's place"
                case "retried": " wanted another attempt"
                case "timed_out": " did not judge \(side) in time"
                case "unseen": " could not read all of \(side)"
                default: " could not judge \(side)"
                }
            return text + verdict + (receipt.failure.map { ": \($0)" } ?? "") + "."
        }
    }

    private static func end(_ row: RequestRow) -> String {
        var text = "It ended with \(row.status)"
        text += " after \(LogText.milliseconds(row.duration)) ms, "
        text += "\(LogText.milliseconds(row.upstreamDuration)) of them upstream"
        if let check = row.deniedBy { text += "; \(check) refused it" }
        if let error = row.error { text += " (\(error))" }
        if row.isAborted { text += "; the client left before the end" }
        text += "."
        if let tokens = row.inputTokens {
            text += " The provider counted \(tokens) tokens in and \(row.outputTokens ?? 0) out."
        }
        if let cost = row.cost { text += " It cost $\(LogText.dollars(cost))." }
        return text
    }
}
