// The client against a server on a real socket: what its connections may be used for, and how it ends.

import Core
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Upstream

/// Answers each request on a connection with the same bytes, and counts connections.
private final class CannedServer: Sendable {
    private let channel: any Channel
    private let connections: Counter
    var port: Int { channel.localAddress?.port ?? 0 }
    var connectionCount: Int { connections.count }

    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        var count: Int { value.load(ordering: .relaxed) }
        func add() { value.add(1, ordering: .relaxed) }
    }

    private final class Reply: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let text: String
        init(_ text: String) { self.text = text }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }

    init(on group: any EventLoopGroup, saying text: String) async throws {
        let connections = Counter()
        self.connections = connections
        channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                connections.add()
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Reply(text))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }
}

private final class Policy: ConnectPolicy {
    let host = "127.0.0.1"
    private let allows: Bool
    init(allows: Bool) { self.allows = allows }
    func refusal(of address: IPAddress, port: UInt16) -> String? { allows ? nil : "the address \(address) is closed" }
    func refusalBehindProxy() -> String? { nil }
}

/// A client with all that it needs, on its loop.
private actor Caller {
    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }
    private var client: UpstreamClient?
    private var timers: LoopTimers?

    init(loop: any EventLoop) { self.loop = loop }

    func start(allowsAIO: Bool) async throws {
        let timers = LoopTimers { _ in }
        self.timers = timers
        let client = try UpstreamClient(loop: loop, timers: timers, limits: UpstreamLimits(), allowsAIO: allowsAIO)
        self.client = client
        try await client.start().get()
    }

    /// The answer's status, or why there is none.
    func ask(port: Int, allows: Bool) async -> Result<Int, UpstreamFailure> {
        await attempt { () throws(UpstreamFailure) in
            let transfer = try self.begin(port, Policy(allows: allows))
            let head = try await transfer.head(by: .never, timeoutMessage: "")
            _ = try await transfer.body(limit: 1 << 20, by: .never, timeoutMessage: "")
            return head.status
        }
    }

    /// Reads a body that has no end, until something ends it.
    func readOn(port: Int, _ began: AsyncStream<Void>.Continuation) async -> Result<Int, UpstreamFailure> {
        await attempt { () throws(UpstreamFailure) in
            let transfer = try self.begin(port, nil)
            var count = 0
            while let piece = try await transfer.next(by: .never, timeoutMessage: "") {
                count += piece.count
                began.yield()
            }
            return count
        }
    }

    private func attempt(_ call: () async throws(UpstreamFailure) -> Int) async -> Result<Int, UpstreamFailure> {
        do throws(UpstreamFailure) { return .success(try await call()) } catch { return .failure(error) }
    }

    private func begin(_ port: Int, _ policy: Policy?) throws(UpstreamFailure) -> Transfer {
        guard let client else { throw UpstreamFailure(.internalError, "not started") }
        return try client.send(UpstreamRequest(method: "GET", url: "http://127.0.0.1:\(port)/", policy: policy))
    }

    func stop() { client?.stop() }
    func forget() { client = nil }
}

@Suite struct UpstreamClientTests {
    @Test(arguments: [true, false])
    func aConnectionIsJudgedByEveryRequestThatUsesIt(_ allowsAIO: Bool) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let server = try await CannedServer(on: group, saying: "HTTP/1.1 204 Fine\r\n\r\n")
        let caller = Caller(loop: group.next())
        try await caller.start(allowsAIO: allowsAIO)
        #expect(try await caller.ask(port: server.port, allows: true).get() == 204)
        #expect(try await caller.ask(port: server.port, allows: true).get() == 204)
        #expect(server.connectionCount == 1)
        let refused = await caller.ask(port: server.port, allows: false)
        #expect(throws: UpstreamFailure.self) { try refused.get() }
        if case .failure(let failure) = refused {
            #expect(failure.kind == .refusedAddress && failure.message == "the address 127.0.0.1 is closed")
        }
        #expect(try await caller.ask(port: server.port, allows: true).get() == 204)
        await caller.stop()
        await caller.forget()
        try await group.shutdownGracefully()
    }

    @Test(arguments: [true, false])
    func whatRunsIsCancelledWhenTheClientStops(_ allowsAIO: Bool) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let server = try await CannedServer(
            on: group, saying: "HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmore\r\n")
        let caller = Caller(loop: group.next())
        try await caller.start(allowsAIO: allowsAIO)
        let (pieces, began) = AsyncStream<Void>.makeStream()
        let port = server.port
        async let first = caller.readOn(port: port, began)
        async let second = caller.readOn(port: port, began)
        var arrived = 0
        for await _ in pieces {
            arrived += 1
            if arrived == 2 { break }
        }
        await caller.stop()
        for result in await [first, second] {
            if case .failure(let failure) = result {
                #expect(failure.kind == .cancelled)
            } else {
                Issue.record("\(result)")
            }
        }
        // Whoever comes too late is told so, and stopping again does no harm.
        await #expect(throws: UpstreamFailure.self) { try await caller.ask(port: port, allows: true).get() }
        await caller.stop()
        await caller.forget()
        try await group.shutdownGracefully()
    }
}

@Suite struct ProxyChoiceTests {
    @Test(arguments: [
        ("", false, "api.example.com", true), ("other.com", false, "api.example.com", true),
        ("example.com", false, "api.example.com", false),
        (".example.com", false, "api.example.com", false), ("example.com", false, "notexample.com", true),
        ("*", false, "api.example.com", false),
        ("localhost, EXAMPLE.com", false, "api.example.com", false), ("10.0.0.0/8", false, "10.1.2.3", false),
        ("10.0.0.0/8", false, "11.1.2.3", true),
        ("10.1.2.3", false, "10.1.2.3", false), ("fd00::/8", false, "fd12::1", false),
        ("", true, "api.example.com", false),
    ])
    func hostsGoThroughTheProxyUnlessListed(_ direct: String, _ hasNone: Bool, _ host: String, _ isProxied: Bool) {
        var limits = UpstreamLimits()
        limits.proxy = hasNone ? "" : "http://proxy.internal:3128"
        limits.noProxy = direct
        #expect(limits.isProxied(host: host) == isProxied)
    }

    @Test func withoutAProxyNothingIsProxied() {
        #expect(!UpstreamLimits().isProxied(host: "example.com"))
    }

    @Test func aProxyLooksUpOnlyWhatTheOperatorListed() throws {
        let policy = AddressPolicy(rules: [
            try HostRule(parsing: "*.partner.example:443"), try HostRule(parsing: "10.0.0.0/8"),
        ])
        #expect(throws: Never.self) { try policy.checkBehindProxy(host: "api.partner.example", port: 443) }
        #expect(throws: Never.self) { try policy.checkBehindProxy(host: "10.1.2.3", port: 80) }
        #expect(throws: AddressRefusal.self) { try policy.checkBehindProxy(host: "api.partner.example", port: 8443) }
        #expect(throws: AddressRefusal.self) { try policy.checkBehindProxy(host: "rebound.example.net", port: 443) }
    }
}
