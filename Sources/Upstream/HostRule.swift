// HostRule: one entry of the operator's list `network.allow_hosts`, and the addresses such entries speak of.
//
//     ollama                       a host name, exactly
//     *.svc.cluster.local          every name below it, but not the name itself
//     10.20.0.0/16   fd00::/8      every address of a block
//     127.0.0.1   ::1              one address
//     vllm:8000   [fd00::7]:8000   any of these, but only at this port ("10.0.0.0/8:8000", "[fd00::/8]:8000")
//
// Pure: no name is looked up here.

/// An IP address, without port and zone.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Strict: four decimal numbers without leading zeros, or RFC 4291 text without brackets and zone.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        if let address = Self.parseV4(bytes[...]) {
            self = .v4(address)
        } else if bytes.contains(UInt8(ascii: ":")), let (high, low) = Self.parseV6(bytes) {
            self = .v6(high: high, low: low)
        } else {
            return nil
        }
    }

    /// The four or sixteen bytes of `in_addr` or `in6_addr`, in network order.
    package init?(networkBytes bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 4: self = .v4(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16:
            self = .v6(
                high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default: return nil
        }
    }

    /// A v4-mapped IPv6 address (::ffff:10.0.0.1) is the IPv4 address it stands for: the kernel connects there.
    package var unmapped: IPAddress {
        if case .v6(high: 0, let low) = self, low >> 32 == 0xFFFF { .v4(UInt32(truncatingIfNeeded: low)) } else { self }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        guard text.count >= 7, text.count <= 15 else { return nil }
        var address: UInt32 = 0
        var octet: UInt32 = 0
        var digits = 0
        var dots = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                address = address << 8 | octet
                (octet, digits, dots) = (0, 0, dots + 1)
            } else {
                // A leading zero would make it octal for some readers.
                guard byte >= 0x30, byte <= 0x39, digits == 0 || octet > 0 else { return nil }
                octet = octet * 10 + UInt32(byte - 0x30)
                digits += 1
                guard octet <= 255 else { return nil }
            }
        }
        return dots == 3 && digits > 0 ? address << 8 | octet : nil
    }

    /// A decimal number without leading zeros.
    static func decimal(_ text: ArraySlice<UInt8>, upTo maximum: Int) -> Int? {
        guard !text.isEmpty, text.count <= 5, text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
        var value = 0
        for byte in text {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value <= maximum ? value : nil
    }

    private static func parseV6(_ text: [UInt8]) -> (UInt64, UInt64)? {
        guard text.count >= 2, text.count <= 45 else { return nil }
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text[...]
        if rest.starts(with: [0x3A, 0x3A]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            guard groups.count < 8 else { return nil }
            let end = rest.firstIndex(of: 0x3A) ?? rest.endIndex
            let part = rest[rest.startIndex..<end]
            if end == rest.endIndex, part.contains(UInt8(ascii: ".")) {
                guard groups.count <= 6, let tail = parseV4(part) else { return nil }
                groups += [UInt16(truncatingIfNeeded: tail >> 16), UInt16(truncatingIfNeeded: tail)]
                break
            }
            guard let group = hexadecimal(part) else { return nil }
            groups.append(group)
            guard end != rest.endIndex else { break }
            rest = rest[(end + 1)...]
            guard let next = rest.first else { return nil }
            if next == 0x3A {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        func word(_ at: Int) -> UInt64 { groups[at..<at + 4].reduce(0) { $0 << 16 | UInt64($1) } }
        return (word(0), word(4))
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard !text.isEmpty, text.count <= 4 else { return nil }
        var value: UInt16 = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            default: return nil
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}

extension IPAddress: CustomStringConvertible {
    /// RFC 5952: lower case, the longest run of zero groups as "::".
    package var description: String {
        switch self {
        case .v4(let address):
            return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
        case .v6(0, let low) where low >> 32 == 0xFFFF:
            return "::ffff:" + IPAddress.v4(UInt32(truncatingIfNeeded: low)).description
        case .v6(let high, let low):
            let groups = [high, low].flatMap { word in [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: word >> $0) } }
            var longest = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start > max(longest.count, 1) { longest = start..<end }
                start = max(end, start + 1)
            }
            func text(_ range: Range<Int>) -> String {
                groups[range].map { String($0, radix: 16) }.joined(separator: ":")
            }
            return longest.isEmpty ? text(0..<8) : text(0..<longest.lowerBound) + "::" + text(longest.upperBound..<8)
        }
    }
}

/// A block of addresses: those that share the first `length` bits.
package struct AddressBlock: Hashable, Sendable {
    package let base: IPAddress
    package let length: Int

    /// Nil when `length` is more than the address has, or when bits after it are set: "10.1.2.3/8" is more likely a
    /// slip than a way to write 10.0.0.0/8.
    package init?(_ base: IPAddress, length: Int) {
        guard length >= 0, Self.masked(base, length) == base else { return nil }
        switch base {
        case .v4: guard length <= 32 else { return nil }
        case .v6: guard length <= 128 else { return nil }
        }
        self.base = base
        self.length = length
    }

    /// "10.0.0.0/8", "fd00::/8", or one address.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let base = IPAddress(String(parts[0])), parts.count <= 2 else { return nil }
        var length = if case .v4 = base { 32 } else { 128 }
        if parts.count == 2 {
            guard let given = IPAddress.decimal(Array(parts[1].utf8)[...], upTo: length) else { return nil }
            length = given
        }
        self.init(base, length: length)
    }

    package var isSingleAddress: Bool {
        if case .v4 = base { length == 32 } else { length == 128 }
    }

    package func contains(_ address: IPAddress) -> Bool {
        switch (base, address) {
        case (.v4, .v4), (.v6, .v6): Self.masked(address, length) == base
        default: false
        }
    }

    private static func masked(_ address: IPAddress, _ length: Int) -> IPAddress {
        switch address {
        case .v4(let bits): return .v4(length >= 32 ? bits : bits & ~(UInt32.max >> UInt32(length)))
        case .v6(let high, let low):
            let highMask = length >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(length))
            let lowMask = length <= 64 ? 0 : length >= 128 ? UInt64.max : ~(UInt64.max >> UInt64(length - 64))
            return .v6(high: high & highMask, low: low & lowMask)
        }
    }
}

extension AddressBlock: CustomStringConvertible {
    package var description: String { isSingleAddress ? "\(base)" : "\(base)/\(length)" }
}

/// One entry of the operator's list.
package struct HostRule: Hashable, Sendable {
    package enum Subject: Hashable, Sendable {
        /// A name in lower case.
        case name(String)
        /// Every name that ends in this, which begins with a dot.
        case suffix(String)
        case block(AddressBlock)
    }

    package let subject: Subject
    /// Nil: every port.
    package let port: UInt16?

    package init(_ subject: Subject, port: UInt16? = nil) {
        self.subject = subject
        self.port = port
    }

    package init(parsing text: String) throws(AddressRefusal) {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw AddressRefusal("'\(text.prefix(80))' is no host, wildcard, address or block")
        }
        let (bare, port) = try Self.splitPort(text.lowercased())
        self.port = port
        if bare.hasPrefix("*.") {
            let name = String(bare.dropFirst(2))
            if let problem = HostName.problem(of: name) { throw AddressRefusal("'\(text)': \(problem)") }
            subject = .suffix("." + name)
        } else if bare.contains("*") {
            throw AddressRefusal(
                "'\(text)': a wildcard stands for whole labels at the beginning, as in *.svc.cluster.local")
        } else if let block = AddressBlock(bare) {
            subject = .block(block)
        } else if bare.contains("/") || bare.contains(":") {
            throw AddressRefusal(
                "'\(text)' is no host, address or block: write example.internal, 10.0.0.0/8, fd00::/8 or "
                    + "[fd00::7]:8000, without scheme and path, and with no bits set after the block's length")
        } else {
            if let problem = HostName.problem(of: bare) { throw AddressRefusal("'\(text)': \(problem)") }
            subject = .name(bare)
        }
    }

    /// "host:80" → ("host", 80); "[::1]:80" → ("::1", 80); "::1" and "fd00::/8" have no port.
    private static func splitPort(_ text: String) throws(AddressRefusal) -> (String, UInt16?) {
        let bytes = Array(text.utf8)
        let colons = bytes.count { $0 == UInt8(ascii: ":") }
        var end = bytes.count
        var inner = 0..<bytes.count
        if bytes.first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else {
                throw AddressRefusal("'\(text)': the bracket is not closed")
            }
            inner = 1..<close
            guard close + 1 < bytes.count else { return (String(decoding: bytes[inner], as: UTF8.self), nil) }
            guard bytes[close + 1] == UInt8(ascii: ":") else {
                throw AddressRefusal("'\(text)': only a port may follow the bracket")
            }
            end = close + 1
        } else {
            guard colons == 1, let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return (text, nil) }
            inner = 0..<colon
            end = colon
        }
        guard let port = IPAddress.decimal(bytes[(end + 1)...], upTo: 65535), port > 0 else {
            throw AddressRefusal("'\(text)': the port must be between 1 and 65535")
        }
        return (String(decoding: bytes[inner], as: UTF8.self), UInt16(port))
    }

    /// Whether the rule speaks of this host by name.
    package func covers(host: String, port: UInt16) -> Bool {
        guard self.port == nil || self.port == port else { return false }
        switch subject {
        case .name(let name): return host == name
        case .suffix(let suffix): return host.utf8.count > suffix.utf8.count && host.hasSuffix(suffix)
        case .block: return false
        }
    }

    /// Whether the rule is a block with this address in it.
    package func covers(_ address: IPAddress, port: UInt16) -> Bool {
        guard self.port == nil || self.port == port, case .block(let block) = subject else { return false }
        return block.contains(address)
    }
}

extension HostRule: CustomStringConvertible {
    package var description: String {
        let end = port.map { ":\($0)" } ?? ""
        switch subject {
        case .name(let name): return name + end
        case .suffix(let suffix): return "*" + suffix + end
        case .block(let block):
            if case .v6 = block.base, port != nil { return "[\(block)]" + end }
            return "\(block)" + end
        }
    }
}

/// The letters of host names.
enum HostName {
    /// What is wrong with a name in lower case, as the end of a sentence; nil when nothing is.
    static func problem(of name: String) -> String? {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty else { return "the host is missing" }
        guard bytes.count <= 253 else { return "the host name is longer than 253 characters" }
        guard bytes.last != UInt8(ascii: ".") else { return "the host name must not end with a dot" }
        var labels = 1
        var start = 0
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: ".") {
                if let problem = problem(ofLabel: bytes[start..<index]) { return problem }
                labels += 1
                start = index + 1
            } else if !isLetter(byte) {
                return byte >= 0x80
                    ? "the host name must be ASCII (write international names in their xn-- form)"
                    : "the host name has a character that does not belong there"
            }
        }
        if let problem = problem(ofLabel: bytes[start...]) { return problem }
        guard labels <= 10 else { return "the host name has more than 10 labels" }
        guard !isNumeric(bytes[start...]) else {
            return "an IPv4 address must be written as four decimal numbers without leading zeros"
        }
        return nil
    }

    private static func problem(ofLabel label: ArraySlice<UInt8>) -> String? {
        if label.isEmpty { return "the host name has an empty label" }
        if label.count > 63 { return "the host name has a label of more than 63 characters" }
        let hyphen = UInt8(ascii: "-")
        return label.first == hyphen || label.last == hyphen
            ? "the host name has a label that begins or ends with a hyphen" : nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// What resolvers read as a number (inet_aton(3)): decimal, octal and 0x. No top-level domain looks like that.
    private static func isNumeric(_ label: ArraySlice<UInt8>) -> Bool {
        if label.starts(with: [UInt8(ascii: "0"), UInt8(ascii: "x")]) {
            return label.dropFirst(2).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
        return label.allSatisfy { (0x30...0x39).contains($0) }
    }
}
