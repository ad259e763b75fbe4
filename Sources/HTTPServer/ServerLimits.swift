// ServerLimits: what a client may cost.

package struct ServerLimits: Sendable {
    /// Request line and headers together, in bytes.
    package var headerBytes = 32 << 10
    package var headerCount = 100
    /// From the first byte of a request to the end of its headers.
    package var headerTimeoutMilliseconds = 10_000
    /// Between two pieces of a request body.
    package var bodyTimeoutMilliseconds = 60_000
    /// Between two requests on a connection.
    package var idleTimeoutMilliseconds = 75_000
    /// Requests that may wait on a connection for the answers to those before them.
    package var pipelined = 16
    /// Open connections over all loops.
    package var connections = 10_000

    package init() {}
}

/// How a request's body is taken in. The handler decides when it has seen the head.
package enum BodyMode: Sendable {
    /// Collected; the handler is called when it is complete. More than `limit` bytes: 413.
    case buffered(limit: Int)
    /// The handler is called at once and gets the pieces through `ServerExchange.stream`.
    case streamed(limit: Int)
    /// The handler is called at once; a body is thrown away.
    case ignored
}
