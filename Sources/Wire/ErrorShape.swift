package import Core

package enum ErrorShape {
    package static func body(_ error: GatewayError, for endpoint: Endpoint?, requestID: String? = nil) -> Bytes { .empty }
    /// The event that ends a stream in which the error came up.
    package static func event(_ error: GatewayError, for endpoint: Endpoint, requestID: String? = nil) -> SSEEvent { .done }
}
