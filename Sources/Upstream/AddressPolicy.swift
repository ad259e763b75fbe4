// AddressPolicy: where a request may be sent when somebody other than the operator names the host.
//
// A gateway that calls any URL a client names is a way into the operator's network (server-side request forgery). So
// a host that comes with a request is judged twice: as text, by `checkURL`, before anything is done with it; and as
// an address, by `allows`, when a connection is about to be made, for every address that the name resolved to: names
// can change their addresses between two look-ups. Public addresses are open. Everything else is closed until the
// operator lists it.
//
// Pure: no name is looked up here, and no socket is touched.

/// Why a host, URL or address is not used.
package struct AddressRefusal: Error, Sendable, Equatable {
    /// Safe to show to the client: it repeats only what the client wrote.
    package let message: String
    /// For the log: which address the name led to.
    package let detail: String?

    package init(_ message: String, detail: String? = nil) {
        self.message = message
        self.detail = detail
    }
}

/// A URL that passed the policy's first look. Build requests from these parts and not from the original text, so that
/// no other parser can read another host into it.
package struct CheckedURL: Hashable, Sendable {
    package enum Scheme: String, Sendable {
        case http, https
    }

    package let scheme: Scheme
    /// In lower case, without brackets.
    package let host: String
    /// The host as an address, where it is written as one.
    package let address: IPAddress?
    package let port: UInt16
    /// Begins with "/" unless it is empty.
    package let path: String
    /// Without the "?".
    package let query: String?

    package init(
        scheme: Scheme, host: String, address: IPAddress?, port: UInt16, path: String, query: String?
    ) {
        self.scheme = scheme
        self.host = host
        self.address = address
        self.port = port
        self.path = path
        self.query = query
    }

    /// "https://example.com" or "http://[::1]:8080": the port only when it is not the scheme's own.
    package var origin: String {
        let bracketed = if case .v6 = address { "[\(host)]" } else { host }
        let isDefault = port == (scheme == .https ? 443 : 80)
        return "\(scheme.rawValue)://\(bracketed)" + (isDefault ? "" : ":\(port)")
    }

    /// The whole URL, spelled in the one way that every parser reads alike.
    package var text: String { origin + (path.isEmpty && query != nil ? "/" : path) + (query.map { "?" + $0 } ?? "") }
}

package struct AddressPolicy: Sendable {
    /// The operator's `network.allow_hosts`.
    package var rules: [HostRule]
    /// For a gateway without keys that listens on the loopback interface only: whoever can ask it could ask the
    /// models beside it directly. Opens localhost, 127.0.0.0/8 and ::1.
    package var allowsLoopback: Bool
    /// Where the gateway itself listens. On loopback addresses these stay closed unless a rule names the port, or a
    /// request could go round in circles.
    package var ownPorts: [UInt16]

    package init(rules: [HostRule] = [], allowsLoopback: Bool = false, ownPorts: [UInt16] = []) {
        self.rules = rules
        self.allowsLoopback = allowsLoopback
        self.ownPorts = ownPorts
    }

    // MARK: The first look: the text

    /// The parts of a URL that somebody other than the operator gave, when it may be asked as far as its text tells.
    package func checkURL(_ url: String) throws(AddressRefusal) -> CheckedURL {
        let parts = try URLText.parse(url)
        try check(host: parts.host, address: parts.address, port: parts.port)
        return parts
    }

    /// The same for a host and port alone. `host` is in lower case and without brackets.
    package func check(host: String, address: IPAddress?, port: UInt16) throws(AddressRefusal) {
        if let address {
            try check(address, port: port, host: host)
            return
        }
        guard !rules.contains(where: { $0.covers(host: host, port: port) }) else { return }
        if host == "localhost", allowsLoopback {
            guard !ownPorts.contains(port) else { throw Self.ownPort(host, port) }
            return
        }
        guard let reason = Self.refusal(ofName: host) else { return }
        throw AddressRefusal("the host '\(host)' \(reason); \(Self.remedy)")
    }

    // MARK: The second look: the address

    /// Whether a connection for `host` may be made to this address. Ask for every address, right before connecting.
    package func allows(_ address: IPAddress, port: UInt16, host: String) -> Bool {
        do {
            try check(address, port: port, host: host)
            return true
        } catch {
            return false
        }
    }

    /// `allows`, with the reason.
    package func check(_ address: IPAddress, port: UInt16, host: String) throws(AddressRefusal) {
        let address = address.unmapped
        let range = AddressRange(of: address)
        guard range != .open else { return }
        func refuse(_ reason: String, _ end: String = Self.remedy) -> AddressRefusal {
            // The address behind a name is the operator's secret: it is in the detail alone.
            IPAddress(host) != nil
                ? AddressRefusal("the address \(host) \(reason); \(end)")
                : AddressRefusal(
                    "the host '\(host)' leads to an address that \(reason); \(end)", detail: "\(host) is \(address)")
        }
        guard range.canBeAllowed else { throw refuse(range.sentence, "it cannot be allowed") }
        let byAddress = rules.filter { $0.covers(address, port: port) }
        if range == .metadata {
            // A wide block is not meant to give away the machine's credentials: such an address must be named.
            let isNamed = byAddress.contains {
                if case .block(let block) = $0.subject { block.isSingleAddress } else { false }
            }
            guard isNamed else {
                throw refuse(
                    range.sentence, "the operator can allow it with network.allow_hosts, by the address itself")
            }
            return
        }
        let covering = byAddress + rules.filter { $0.covers(host: host, port: port) }
        guard range == .loopback else {
            guard !covering.isEmpty else { throw refuse(range.sentence) }
            return
        }
        if covering.contains(where: { $0.port != nil }) { return }
        let isOpen = !covering.isEmpty || allowsLoopback && Self.isLoopback(host)
        guard isOpen else { throw refuse(range.sentence) }
        guard !ownPorts.contains(port) else { throw Self.ownPort(host, port) }
    }

    // MARK: Behind a proxy

    /// Whether a proxy may look `host` up: then there is no second look. An address has been judged as text; a name must be
    /// one that the operator listed.
    package func checkBehindProxy(host: String, port: UInt16) throws(AddressRefusal) {
        if IPAddress(host) != nil || rules.contains(where: { $0.covers(host: host, port: port) }) { return }
        throw AddressRefusal(
            "the host '\(host)' would be looked up by a proxy, so that its address cannot be checked; \(Self.remedy)")
    }

    private static let remedy = "the operator can allow it with network.allow_hosts"

    private static func ownPort(_ host: String, _ port: UInt16) -> AddressRefusal {
        AddressRefusal("\(host):\(port) is this gateway itself")
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || IPAddress(host).map { AddressRange(of: $0) == .loopback } ?? false
    }

    /// Names that mean something inside a network, and never anything outside.
    private static func refusal(ofName host: String) -> String? {
        if metadataNames.contains(host) { return "is a cloud metadata service" }
        guard host.contains(".") else { return "has no domain, so that it could only be an internal one" }
        for suffix in internalSuffixes where host.hasSuffix(suffix) { return "is an internal name (\(suffix))" }
        return nil
    }

    private static let internalSuffixes = [
        ".local", ".localdomain", ".internal", ".intranet", ".private", ".lan", ".home", ".home.arpa", ".corp", ".test",
        ".invalid", ".onion", ".localhost", ".svc", ".in-addr.arpa", ".ip6.arpa",
    ]

    private static let metadataNames: Set<String> = [
        "metadata", "instance-data", "metadata.google.internal", "metadata.goog", "instance-data.ec2.internal",
        "metadata.azure.com", "metadata.azure.internal", "metadata.tencentyun.com", "metadata.platformequinix.com",
        "metadata.packet.net", "metadata.nebius.internal", "rancher-metadata",
    ]
}

/// What an address is for, by the registries of IANA (RFC 6890 and its successors).
enum AddressRange: Equatable {
    case open
    case metadata, loopback, linkLocal, isPrivate, shared, documentation, benchmark, reserved
    case unspecified, multicast, broadcast
    /// An IPv6 address by which an IPv4 address is reached.
    case embedding(String)

    /// Nothing answers there, or (0.0.0.0) something that is meant by another name.
    var canBeAllowed: Bool {
        switch self {
        case .unspecified, .multicast, .broadcast: false
        default: true
        }
    }

    /// The end of a sentence that begins with "the address …".
    var sentence: String {
        switch self {
        case .open: "is public"
        case .metadata: "is a cloud metadata service"
        case .loopback: "is a loopback address"
        case .linkLocal: "is link-local"
        case .isPrivate: "is private"
        case .shared: "is carrier-grade NAT space"
        case .documentation: "is for documentation only"
        case .benchmark: "is for benchmarks only"
        case .reserved: "is reserved"
        case .unspecified: "is unspecified"
        case .multicast: "is multicast"
        case .broadcast: "is broadcast"
        case .embedding(let inner): "leads to an IPv4 address that \(inner)"
        }
    }

    init(of address: IPAddress) {
        switch address {
        case .v4(let bits): self = Self.range(v4: bits)
        case .v6(let high, let low): self = Self.range(v6: high, low)
        }
    }

    private static let v4Table: [(base: UInt32, length: UInt32, range: AddressRange)] = [
        (0x0000_0000, 8, .unspecified),  // 0.0.0.0/8, RFC 791
        (0x0A00_0000, 8, .isPrivate),  // 10.0.0.0/8, RFC 1918
        (0x6464_64C8, 32, .metadata),  // 100.100.100.200, Alibaba Cloud
        (0x6440_0000, 10, .shared),  // 100.64.0.0/10, RFC 6598
        (0x7F00_0000, 8, .loopback),  // 127.0.0.0/8
        (0xA83F_8110, 32, .metadata),  // 168.63.129.16, Azure's host agent
        (0xA9FE_A900, 24, .metadata),  // 169.254.169.0/24, most clouds
        (0xA9FE_AA00, 24, .metadata),  // 169.254.170.0/24, credentials of ECS tasks and EKS pods
        (0xA9FE_0000, 16, .linkLocal),  // 169.254.0.0/16, RFC 3927
        (0xAC10_0000, 12, .isPrivate),  // 172.16.0.0/12, RFC 1918
        (0xC000_00C0, 32, .metadata),  // 192.0.0.192, Oracle Cloud
        (0xC000_0000, 24, .reserved),  // 192.0.0.0/24, RFC 6890
        (0xC000_0200, 24, .documentation),  // 192.0.2.0/24, RFC 5737
        (0xC058_6300, 24, .reserved),  // 192.88.99.0/24, RFC 7526
        (0xC0A8_0000, 16, .isPrivate),  // 192.168.0.0/16, RFC 1918
        (0xC612_0000, 15, .benchmark),  // 198.18.0.0/15, RFC 2544
        (0xC633_6400, 24, .documentation),  // 198.51.100.0/24
        (0xCB00_7100, 24, .documentation),  // 203.0.113.0/24
        (0xE000_0000, 4, .multicast),  // 224.0.0.0/4
        (0xFFFF_FFFF, 32, .broadcast),
        (0xF000_0000, 4, .reserved),  // 240.0.0.0/4
    ]

    private static func range(v4 address: UInt32) -> AddressRange {
        for entry in v4Table where (address ^ entry.base) >> (32 - entry.length) == 0 { return entry.range }
        return .open
    }

    private static func range(v6 high: UInt64, _ low: UInt64) -> AddressRange {
        func starts(_ prefix: UInt64, _ length: UInt64) -> Bool { (high ^ prefix) >> (64 - length) == 0 }
        if high == 0 {
            if low == 0 { return .unspecified }
            if low == 1 { return .loopback }
            if low >> 32 == 0xFFFF { return embedded(UInt32(truncatingIfNeeded: low)) }
            return .reserved  // ::/96, the withdrawn IPv4-compatible form, RFC 4291
        }
        // AWS and Google Cloud; then RFC 4193 and 3879.
        if high == 0xFD00_0EC2_0000_0000 || high == 0xFD20_00CE_0000_0000 { return .metadata }
        if starts(0xFC00_0000_0000_0000, 7) || starts(0xFEC0_0000_0000_0000, 10) { return .isPrivate }
        if starts(0xFE80_0000_0000_0000, 10) { return .linkLocal }
        if starts(0xFF00_0000_0000_0000, 8) { return .multicast }
        // NAT64: RFC 6052, and RFC 8215 for the local network.
        if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 { return embedded(UInt32(truncatingIfNeeded: low)) }
        if starts(0x0064_FF9B_0001_0000, 48) { return .isPrivate }
        guard starts(0x2000_0000_0000_0000, 3) else { return .reserved }  // only 2000::/3 is handed out
        if starts(0x2001_0DB8_0000_0000, 32) || starts(0x3FFF_0000_0000_0000, 20) { return .documentation }
        if starts(0x2001_0000_0000_0000, 32) {  // Teredo, RFC 4380: the server's address, and the client's inverted
            let server = embedded(UInt32(truncatingIfNeeded: high))
            return server == .open ? embedded(~UInt32(truncatingIfNeeded: low)) : server
        }
        if starts(0x2001_0002_0000_0000, 48) { return .benchmark }
        if starts(0x2001_0000_0000_0000, 23) { return .reserved }  // IETF protocol assignments, RFC 2928
        // 6to4, RFC 3056.
        if starts(0x2002_0000_0000_0000, 16) { return embedded(UInt32(truncatingIfNeeded: high >> 16)) }
        if low >> 32 == 0x0000_5EFE || low >> 32 == 0x0200_5EFE {  // ISATAP, RFC 5214
            return embedded(UInt32(truncatingIfNeeded: low))
        }
        return .open
    }

    private static func embedded(_ address: UInt32) -> AddressRange {
        let inner = range(v4: address)
        switch inner {
        case .open, .metadata, .unspecified, .multicast, .broadcast: return inner
        default: return .embedding(inner.sentence)
        }
    }
}

/// Takes a URL apart, and refuses whatever two parsers could read differently.
private enum URLText {
    static func parse(_ text: String) throws(AddressRefusal) -> CheckedURL {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { throw AddressRefusal("the URL is empty") }
        guard bytes.count <= 2048 else { throw AddressRefusal("the URL is longer than 2048 characters") }
        let (scheme, rest) = try scheme(of: bytes)
        for byte in rest where !isPlain(byte) {
            throw AddressRefusal(
                byte >= 0x80
                    ? "the URL must be ASCII (write international names in their xn-- form)"
                    : "the URL has a character that does not belong in one")
        }
        guard !rest.contains(UInt8(ascii: "#")) else { throw AddressRefusal("the URL must not have a fragment ('#')") }
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains(UInt8(ascii: "@")) else {
            throw AddressRefusal("the URL must not contain a user name or password")
        }
        let (host, address, port) = try host(in: authority, scheme: scheme)
        let tail = rest[end...]
        let question = tail.firstIndex(of: UInt8(ascii: "?")) ?? tail.endIndex
        return CheckedURL(
            scheme: scheme, host: host, address: address, port: port,
            path: String(decoding: tail[..<question], as: UTF8.self),
            query: question == tail.endIndex ? nil : String(decoding: tail[(question + 1)...], as: UTF8.self))
    }

    private static func scheme(of bytes: [UInt8]) throws(AddressRefusal) -> (CheckedURL.Scheme, ArraySlice<UInt8>) {
        let lower = bytes.prefix(8).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if lower.starts(with: Array("https://".utf8)) { return (.https, bytes[8...]) }
        if lower.starts(with: Array("http://".utf8)) { return (.http, bytes[7...]) }
        throw AddressRefusal("the URL must begin with http:// or https://")
    }

    private static func host(
        in authority: ArraySlice<UInt8>, scheme: CheckedURL.Scheme
    ) throws(AddressRefusal) -> (String, IPAddress?, UInt16) {
        var name = authority
        var portText: ArraySlice<UInt8>?
        let isBracketed = authority.first == UInt8(ascii: "[")
        if isBracketed {
            guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else {
                throw AddressRefusal("the bracket around the host is not closed")
            }
            name = authority[(authority.startIndex + 1)..<close]
            let rest = authority[(close + 1)...]
            guard rest.isEmpty || rest.first == UInt8(ascii: ":") else {
                throw AddressRefusal("only a port may follow the host's bracket")
            }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
            name = authority[..<colon]
            portText = authority[(colon + 1)...]
        }
        var port = scheme == .https ? 443 : 80
        if let portText {
            guard let given = IPAddress.decimal(portText, upTo: 65535), given > 0 else {
                throw AddressRefusal("the port must be a number between 1 and 65535")
            }
            port = given
        }
        let host = String(decoding: name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
        let address = IPAddress(host)
        switch address {
        case .v6 where isBracketed:
            guard !name.contains(UInt8(ascii: ".")) else {
                throw AddressRefusal("an IPv6 address must be written without an IPv4 part")
            }
            if address != address?.unmapped {
                throw AddressRefusal("an IPv4 address must be written as four decimal numbers without leading zeros")
            }
        case .v4 where !isBracketed: break
        default:
            guard !isBracketed else { throw AddressRefusal("there is no IPv6 address between the brackets") }
            if let problem = HostName.problem(of: host) { throw AddressRefusal(problem) }
        }
        return (address?.description ?? host, address, UInt16(port))
    }

    /// Printable ASCII without those characters that parsers are known to disagree about.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x00...0x20, 0x7F...0xFF: false
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
            UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
            false
        default: true
        }
    }
}
