// ControlPlane: what stands behind the reserved paths, as the data path knows it. Its rooms are on the floor above (Admin).

package import Core
package import Identity

package struct ControlRequest: Sendable {
    package var method: String
    /// Without "/v1": "/configs/pc-main".
    package var path: String
    /// As it came.
    package var query: String?
    package var body: Bytes
    package var principal: Principal
    package var clientAddress: String?
    /// Scheme and host under which the client reached the gateway.
    package var origin: String

    package init(
        method: String, path: String, query: String? = nil, body: Bytes = .empty, principal: Principal,
        clientAddress: String? = nil, origin: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.principal = principal
        self.clientAddress = clientAddress
        self.origin = origin
    }
}

package struct ControlAnswer: Sendable {
    package var status: Int
    package var contentType: String
    package var body: Bytes

    package init(status: Int, contentType: String = "application/json", body: Bytes) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

package protocol ControlPlane: Sendable {
    /// Never on a loop: what it does may block.
    func answer(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError>

    /// A page whose address is itself the permission; nil for all others.
    func linked(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError>?
}
