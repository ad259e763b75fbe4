// RoutingError: why no target could be chosen, or why a route's description makes no sense.
//
// The four sentences of conditional routing are Portkey's, since clients match on them. The status is always 400:
// whoever wrote the config, or the request that it routes, must change something; trying again is no use.

package import Core

package struct RoutingError: Error, Sendable, Equatable {
    /// Safe to show to the client.
    package var message: String
    /// Where in the document that was compiled; nil when the error appeared while routing a request.
    package var pointer: JSONPointer?

    package init(_ message: String, at pointer: JSONPointer? = nil) {
        self.message = message
        self.pointer = pointer
    }

    package var status: Int { 400 }

    package var gatewayError: GatewayError {
        GatewayError(.invalidConfig, status: status, message, param: pointer?.description)
    }

    // MARK: Conditional routing, in Portkey's words

    package static let noTargetResolved = RoutingError("Query router did not resolve to any valid target")
    package static let noConditions = RoutingError("No conditions passed in the query router")

    package static func unknownTarget(_ name: String) -> RoutingError {
        RoutingError("Invalid target name found in the query router: \(name)")
    }

    package static func unsupportedOperator(_ name: String, at pointer: JSONPointer) -> RoutingError {
        RoutingError("Unsupported operator used in the query router: \(name)", at: pointer)
    }
}
