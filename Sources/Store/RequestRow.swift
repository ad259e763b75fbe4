// RequestRow: what is kept of one exchange. Names, counts and times; texts only where the operator wants them.

package import Core

package struct RequestRow: Sendable {
    package var id: RowID
    /// Nanoseconds since 1970.
    package var startedAt: Int64
    package var workspace: String
    package var trace: String
    /// The caller's span that this exchange belongs to.
    package var parent: String?
    /// The caller's own span, and its name.
    package var span: String?
    package var spanName: String?

    // Who asked.
    package var key: String?
    /// The check that asked, where it was no client.
    package var askedBy: String?

    // What for.
    package var endpoint: String
    package var method: String
    package var path: String
    package var model: String?
    package var isStream = false
    /// The config's name; nil for one that came with the request, and for none.
    package var config: String?
    package var configOrigin: ConfigOrigin?
    /// Which version of the gateway's configuration was in force.
    package var configHash: String?

    // What came of it.
    /// What the client got.
    package var status: Int
    package var provider: String?
    /// Whose stored credential was used.
    package var virtualKey: String?
    package var responseModel: String?
    package var target: String?
    /// How the config led there: "fallback 2/3, loadbalance 1/2".
    package var route: String?
    package var cache: String?
    package var error: String?
    package var deniedBy: String?
    package var isAborted = false
    package var attempts: [Attempt] = []
    /// The guards' receipts, a JSON array.
    package var receipts: String?

    // Times in nanoseconds, sizes in bytes.
    package var duration: Int64 = 0
    package var upstreamDuration: Int64 = 0
    package var clientWait: Int64 = 0
    package var firstToken: Int64?
    package var bytesIn = 0
    package var bytesOut = 0

    package var inputTokens: Int?
    package var outputTokens: Int?
    /// Further counts, a JSON object.
    package var usage: String?
    /// In 10⁻¹² US dollars; nil where no price is known.
    package var cost: Int64?
    /// Of the prices that made the cost.
    package var priceVersion: String?

    package var metadata: [(key: String, value: String)] = []
    package var bodies: Bodies?

    package init(
        id: RowID, startedAt: Int64, workspace: String, trace: String, endpoint: String, method: String, path: String,
        status: Int
    ) {
        self.id = id
        self.startedAt = startedAt
        self.workspace = workspace
        self.trace = trace
        self.endpoint = endpoint
        self.method = method
        self.path = path
        self.status = status
    }

    /// For an answer that was a success: the retries that its target took, and the targets that had failed before.
    var rescues: (retries: Int, fallbacks: Int) {
        guard (200...299).contains(status), let last = attempts.last else { return (0, 0) }
        return (last.retry, Set(attempts.map(\.target)).subtracting([last.target]).count)
    }

    /// Whom the caller asked for.
    var user: String? { metadata.first { $0.key == "_user" }?.value }

    /// Who chose the config.
    package enum ConfigOrigin: String, Sendable {
        /// It came with the request.
        case request
        /// The request named it.
        case header
        case key
        case `default`
        /// A plugin asked by it.
        case plugin
    }

    /// One try at one target.
    package struct Attempt: Sendable, Equatable {
        package var provider: String
        package var model: String?
        package var target: String
        /// 0 for the first call of the target.
        package var retry: Int
        package var status: Int
        /// Nanoseconds.
        package var duration: Int64
        package var error: String?

        package init(
            provider: String, model: String?, target: String, retry: Int, status: Int, duration: Int64, error: String?
        ) {
            self.provider = provider
            self.model = model
            self.target = target
            self.retry = retry
            self.status = status
            self.duration = duration
            self.error = error
        }
    }

    package struct Bodies: Sendable {
        /// Why these texts are here: "full" or "redacted".
        package var policy: String
        package var request: Text?
        package var answer: Text?

        package init(policy: String, request: Text?, answer: Text?) {
            self.policy = policy
            self.request = request
            self.answer = answer
        }

        package struct Text: Sendable {
            /// As far as it is kept.
            package var bytes: Bytes
            /// Of all of it.
            package var size: Int

            package init(bytes: Bytes, size: Int) {
                self.bytes = bytes
                self.size = size
            }
        }
    }
}
