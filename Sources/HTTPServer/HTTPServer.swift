// HTTPServer: the listener. SwiftNIO accepts, parses and (with NIOSSL) decrypts; each connection is a ServerConnection, each request
// a ServerExchange that is handed to the loop's ExchangeHandler.

package import Core
package import NIOCore
import NIOHTTP1
package import NIOPosix
package import NIOSSL
import Synchronization

/// The connections of one event loop; confined to it.
final class ConnectionRegistry {
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private let shared: ConnectionCount
    private let limit: Int

    init(shared: ConnectionCount, limit: Int) {
        self.shared = shared
        self.limit = limit
    }

    var hasRoom: Bool { shared.value <= limit }

    func add(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = connection
        shared.change(by: 1)
    }

    func remove(_ connection: ServerConnection) {
        if connections.removeValue(forKey: ObjectIdentifier(connection)) != nil { shared.change(by: -1) }
    }

    func drain() {
        for connection in Array(connections.values) { connection.drain() }
    }

    func closeAll() {
        for connection in Array(connections.values) { connection.closeNow() }
    }
}

/// Open connections over all loops.
package final class ConnectionCount: Sendable {
    private let count = Atomic<Int>(0)
    package init() {}
    package var value: Int { count.load(ordering: .relaxed) }
    func change(by amount: Int) { count.wrappingAdd(amount, ordering: .relaxed) }
}

/// What one event loop needs to serve connections. Made on, and confined to, that loop.
package final class LoopServer: @unchecked Sendable {
    package let loop: any EventLoop
    private let handler: any ExchangeHandler
    private let timers: LoopTimers
    private let registry: ConnectionRegistry
    private let limits: ServerLimits

    package init(
        loop: any EventLoop, handler: any ExchangeHandler, timers: LoopTimers, limits: ServerLimits,
        connections: ConnectionCount
    ) {
        self.loop = loop
        self.handler = handler
        self.timers = timers
        self.limits = limits
        registry = ConnectionRegistry(shared: connections, limit: limits.connections)
    }

    func add(to channel: any Channel, tls: NIOSSLContext?) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        let connection = ServerConnection(handler: handler, limits: limits, timers: timers, registry: registry)
        try pipeline.addHandler(HeadMeter(connection))
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        try pipeline.addHandler(connection)
    }

    func drain() { registry.drain() }
    func closeAll() { registry.closeAll() }
}

package struct HTTPServer: Sendable {
    private let channel: any Channel
    private let servers: [LoopServer]
    private let connections: ConnectionCount

    /// The address listened on, "127.0.0.1:8787".
    package var address: String {
        guard let address = channel.localAddress else { return "" }
        let host = address.ipAddress ?? ""
        return (host.contains(":") ? "[\(host)]" : host) + ":\(address.port ?? 0)"
    }
    package var port: Int { channel.localAddress?.port ?? 0 }
    package var openConnections: Int { connections.value }

    /// Listens on `host` and `port` (0: any free one). New connections go to the loops in turn.
    package static func listen(
        host: String, port: Int, group: MultiThreadedEventLoopGroup, servers: [LoopServer], tls: NIOSSLContext?,
        connections: ConnectionCount
    ) async throws -> HTTPServer {
        let byLoop = Dictionary(uniqueKeysWithValues: servers.map { (ObjectIdentifier($0.loop), $0) })
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: 65536)
            )
            .childChannelOption(
                .writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 64 << 10, high: 256 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let server = byLoop[ObjectIdentifier(channel.eventLoop)] else { throw ChannelError.eof }
                    try server.add(to: channel, tls: tls)
                }
            }
            .bind(host: host, port: port).get()
        return HTTPServer(channel: channel, servers: servers, connections: connections)
    }

    /// Stops accepting and closes idle connections; busy ones close after their answer.
    package func drain() async {
        try? await channel.close()
        for server in servers { server.loop.execute { server.drain() } }
    }

    /// Closes what is left.
    package func closeAll() {
        for server in servers { server.loop.execute { server.closeAll() } }
    }
}
