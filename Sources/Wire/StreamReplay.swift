package import Core

package enum StreamReplay {
    /// The events of a whole answer; nil when it is not this endpoint's.
    package static func events(of answer: Bytes, _ endpoint: Endpoint, includeUsage: Bool) -> [SSEEvent]? { nil }
}
