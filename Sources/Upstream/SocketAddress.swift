// SocketAddress: where a socket is about to connect, as the address rules read it.

#if canImport(Glibc)
    import Glibc
#endif

extension IPAddress {
    /// Nil for what is neither IPv4 nor IPv6.
    static func endpoint(_ socket: UnsafePointer<sockaddr>) -> (address: IPAddress, port: UInt16)? {
        let raw = UnsafeRawPointer(socket)
        switch Int32(socket.pointee.sa_family) {
        case AF_INET:
            var inet = raw.loadUnaligned(as: sockaddr_in.self)
            let address = withUnsafeBytes(of: &inet.sin_addr) { IPAddress(networkBytes: $0) }
            return address.map { ($0, UInt16(bigEndian: inet.sin_port)) }
        case AF_INET6:
            var inet = raw.loadUnaligned(as: sockaddr_in6.self)
            let address = withUnsafeBytes(of: &inet.sin6_addr) { IPAddress(networkBytes: $0) }
            return address.map { ($0, UInt16(bigEndian: inet.sin6_port)) }
        default: return nil
        }
    }
}
