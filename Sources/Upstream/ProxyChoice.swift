// ProxyChoice: which checked requests go through the operator's proxy. libcurl decides that for all others; for these the gateway must
// know, because it can look at an address only where it connects itself. The environment's proxy has no part in them.

#if canImport(Glibc)
    import Glibc
#endif

extension UpstreamLimits {
    /// `host` is in lower case, without brackets.
    package func isProxied(host: String) -> Bool {
        guard let proxy, !proxy.isEmpty else { return false }
        guard let direct = noProxy ?? Self.environment("no_proxy") ?? Self.environment("NO_PROXY") else { return true }
        return !direct.split(whereSeparator: { $0 == "," || $0 == " " }).contains { Self.covers($0, host) }
    }

    /// libcurl's reading of an entry: "*", a name with all names below it, an address, or a block of addresses.
    private static func covers(_ entry: Substring, _ host: String) -> Bool {
        if entry == "*" { return true }
        if let address = IPAddress(host) { return AddressBlock(String(entry))?.contains(address) ?? false }
        let name = (entry.hasPrefix(".") ? entry.dropFirst() : entry).lowercased()
        return host == name || host.hasSuffix("." + name)
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
