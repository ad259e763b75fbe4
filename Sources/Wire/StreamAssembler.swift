package import Core

package struct StreamAssembler {
    package init(endpoint: Endpoint) {}
    package mutating func take(_ event: SSEEvent) {}
    /// True after the end event.
    package var isComplete: Bool { false }
    /// The answer as it would have come unstreamed; nil when there was no event of it.
    package mutating func finish() -> Bytes? { nil }
}
