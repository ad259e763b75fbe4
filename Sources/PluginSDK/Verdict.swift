// What a hook says: where the exchange goes from here. Edits are calls on the exchange, not verdicts.

internal import CGatehouse

/// Parameters that cannot be lived with. `pointer` is the JSON pointer of the culprit, "/words/0".
public struct ConfigError: Error {
    public let message: String
    public let pointer: String

    public init(_ message: String, at pointer: String = "") {
        self.message = message
        self.pointer = pointer
    }
}

/// Thrown from a hook that could not judge: the operator's failure policy decides. The message goes to the log only.
public struct PluginFailure: Error {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}

public enum Verdict: Sendable {
    /// Go on, with the edits that were made.
    case proceed
    /// Refuse.
    case deny(Denial)
    /// Answer the client now.
    case answer(Answer)
    /// onResponse and onError: try again, at this target or (nil) where the router would go next.
    case retry(target: String? = nil)
    /// The verdict comes later: see `Exchange.pend`.
    case pending
}

public struct Denial: Sendable {
    /// A stable word for programs, "pii_found".
    public var code: String
    /// A sentence for the client.
    public var message: String
    /// 0: the host's default.
    public var status: Int
    /// 0: not said.
    public var retryAfterMilliseconds: Int

    public init(code: String, message: String, status: Int = 0, retryAfterMilliseconds: Int = 0) {
        self.code = code
        self.message = message
        self.status = status
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }
}

public struct Answer: Sendable {
    public var body: [UInt8]
    public var contentType: String
    public var status: Int

    public init(body: [UInt8], contentType: String, status: Int = 200) {
        self.body = body
        self.contentType = contentType
        self.status = status
    }

    public init(_ json: JSON, status: Int = 200) {
        self.init(body: json.bytes, contentType: "application/json", status: status)
    }
}

/// A failed attempt. Views live until the hook returns.
public struct Failure {
    /// What the client would get.
    public let status: Int
    public let isRetryable: Bool
    /// The router has nothing left to try.
    public let isFinal: Bool
    /// There was no answer at all: connect, TLS, timeout, cut.
    public let isTransport: Bool
    /// 0: not said.
    public let retryAfterMilliseconds: Int
    public let type: Text?
    public let code: Text?
    public let param: Text?
    public let message: Text?

    init(_ raw: gh_failure) {
        status = Int(raw.http_status)
        isRetryable = raw.flags & UInt32(GH_FAILURE_RETRYABLE) != 0
        isFinal = raw.flags & UInt32(GH_FAILURE_FINAL) != 0
        isTransport = raw.flags & UInt32(GH_FAILURE_TRANSPORT) != 0
        retryAfterMilliseconds = Int(raw.retry_after_ms)
        type = Text(raw.type)
        code = Text(raw.code)
        param = Text(raw.param)
        message = Text(raw.message)
    }
}

extension Verdict {
    /// Writes the verdict's particulars where the host looks for them, in strings that live as long as the exchange.
    func write(to decision: inout gh_decision, of exchange: Exchange) -> gh_verdict {
        switch self {
        case .proceed: return gh_verdict(GH_CONTINUE)
        case .pending: return gh_verdict(GH_PENDING)
        case .deny(let denial):
            decision.http_status = Int32(clamping: denial.status)
            decision.retry_after_ms = UInt32(clamping: denial.retryAfterMilliseconds)
            decision.code = exchange.keep(denial.code)
            decision.message = exchange.keep(denial.message)
            return gh_verdict(GH_DENY)
        case .answer(let answer):
            decision.http_status = Int32(clamping: answer.status)
            decision.content_type = exchange.keep(answer.contentType)
            decision.body = gh_bytes(handingOver: answer.body)
            return gh_verdict(GH_ANSWER)
        case .retry(let target):
            if let target { decision.target = exchange.keep(target) }
            return gh_verdict(GH_RETRY)
        }
    }
}

extension PluginFailure {
    func write(to decision: inout gh_decision, of exchange: Exchange) -> gh_verdict {
        decision.message = exchange.keep(message)
        return gh_verdict(GH_FAIL)
    }
}

extension gh_bytes {
    /// A copy that the receiver releases.
    init(handingOver bytes: [UInt8]) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        bytes.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count) }
        self.init(ptr: UnsafeRawPointer(copy), len: bytes.count, release: { $0?.deallocate() }, owner: copy)
    }
}
