// UpstreamRequest and its kin: what goes out, what comes back, what can fail.

package import Core

/// One request to a provider (or of a plugin).
package struct UpstreamRequest {
    package enum Body {
        case none
        case bytes(Bytes)
        case stream(UploadBody)
    }

    package var method: String
    /// Absolute; http or https.
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: Body
    /// For hosts that the operator did not configure: asked about every resolved address before connecting. Connections of such
    /// requests are not shared with trusted targets.
    package var policy: (any ConnectPolicy)?
    /// Largest answer in bytes after decoding; 0 means unlimited (a relayed stream).
    package var answerLimit: Int

    package init(
        method: String, url: String, headers: [(name: String, value: String)] = [], body: Body = .none,
        policy: (any ConnectPolicy)? = nil,
        answerLimit: Int = 0
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.policy = policy
        self.answerLimit = answerLimit
    }
}

package struct UpstreamHead {
    package var status: Int
    /// Names as they came; values without surrounding space.
    package var headers: [(name: String, value: String)]

    package init(status: Int, headers: [(name: String, value: String)]) {
        self.status = status
        self.headers = headers
    }

    /// The first value of a header, by its lower-case name.
    package func value(_ name: StaticString) -> String? {
        for header in headers where header.name.equalsIgnoringCase(name) { return header.value }
        return nil
    }
}

package struct UpstreamFailure: Error, Sendable {
    package enum Kind: String, Sendable {
        case unresolved, unreachable, tls, refusedAddress, timeout, cut, invalidAnswer, tooLarge, cancelled,
            internalError
    }
    package var kind: Kind
    /// Safe to show to the client: no address, no credential.
    package var message: String
    /// For the log only.
    package var detail: String?

    package init(_ kind: Kind, _ message: String, detail: String? = nil) {
        self.kind = kind
        self.message = message
        self.detail = detail
    }
}

/// A request body that is still arriving. Confined to its event loop.
package final class UploadBody {
    private var pieces: [Bytes] = []
    private var offset = 0
    private(set) var hasEnded = false
    private(set) var isAborted = false
    /// Part of it has gone out: there is no sending it again.
    package private(set) var isSpent = false
    private var queued = 0
    /// Exact length in bytes where the client said it; nil sends chunks.
    package let length: Int?
    /// Set by the transfer: bytes are there again.
    var onBytes: (() -> Void)?
    /// Called when the queue has run low: the client may send on.
    package var onDrain: (() -> Void)?

    package init(length: Int?) { self.length = length }

    /// True while more than 256 KiB wait: stop reading from the client.
    package var isFull: Bool { queued > 256 << 10 }

    package func append(_ piece: Bytes) {
        guard !piece.isEmpty else { return }
        pieces.append(piece)
        queued += piece.count
        onBytes?()
    }

    package func end() {
        hasEnded = true
        onBytes?()
    }

    /// The client went away or broke a limit: the upstream request fails.
    package func abort() {
        isAborted = true
        onBytes?()
    }

    /// Moves up to `buffer.count` bytes out; 0 when none are there now.
    func take(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        var written = 0
        while written < buffer.count, let piece = pieces.first {
            let count = min(piece.count - offset, buffer.count - written)
            withExtendedLifetime(piece) {
                UnsafeMutableRawBufferPointer(rebasing: buffer[written..<(written + count)])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece.buffer[offset..<(offset + count)]))
            }
            written += count
            offset += count
            if offset == piece.count {
                pieces.removeFirst()
                offset = 0
            }
        }
        if written > 0 { isSpent = true }
        let wasFull = isFull
        queued -= written
        if wasFull, !isFull { onDrain?() }
        return written
    }
}
