// request-rules.images: where images and files that a request refers to may come from.

import PluginSDK

struct Images: Guardrail {
    static let id = "images"
    private let hosts: [String]?
    private let schemes: Set<String>
    private let allowsData: Bool
    private let most: Int?

    init(config: JSON, host: Host) throws(ConfigError) {
        hosts = config.texts("hosts")?.map { $0.lowercased() }
        for (number, name) in (hosts ?? []).enumerated() where !Self.isHostRule(name) {
            throw ConfigError("Must be a host's name, or \"*.\" and a name", at: "/hosts/\(number)")
        }
        schemes = Set(config.texts("schemes") ?? ["https"])
        allowsData = config["data"]?.bool ?? false
        most = config["max"]?.int
    }

    private static func isHostRule(_ name: String) -> Bool {
        let name = name.hasPrefix("*.") ? name.dropFirst(2) : name[...]
        return !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default: false
                }
            }
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        var faults: [Fault] = []
        var count = 0
        for segment in exchange.segments(.request) where segment.kind == .image || segment.kind == .file {
            count += 1
            if let message = fault(of: segment) {
                faults.append(Fault(place: segment.pointer?.string ?? "", message: message))
            }
        }
        if let most, count > most {
            faults.append(Fault(place: "", message: "at most \(most) images and files are allowed"))
        }
        try exchange.report(faults, ["count": .int(count)])
        return .proceed
    }

    private func fault(of segment: Segment) -> String? {
        let text = segment.text
        if segment.isBinary || text.begins("data:") {
            return allowsData ? nil : "data within the request is not allowed: only addresses are"
        }
        guard let address = Address(text) else { return "is no address" }
        guard schemes.contains(address.scheme) else { return "addresses with \(address.scheme): are not allowed" }
        guard let hosts else { return nil }
        return hosts.contains { address.isOn($0) } ? nil : "the host \(address.host) is not allowed"
    }
}

extension Text {
    /// In any case.
    fileprivate func begins(_ prefix: StaticString) -> Bool {
        let length = prefix.utf8CodeUnitCount
        guard count >= length else { return false }
        return (0..<length).allSatisfy { bytes[$0] | 0x20 == prefix.utf8Start[$0] | 0x20 }
    }
}

/// The scheme and the host of a URL (RFC 3986), read as servers and browsers both would; what they would read
/// differently is no address: backslashes, spaces, control characters, a name before the host.
struct Address {
    let scheme: String
    let host: String

    init?(_ text: Text) {
        // No address is longer than this, and no more is looked at.
        let bytes = text.bytes.prefix(2048)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0, text.count <= 1 << 16 else { return nil }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else { return nil }
        scheme = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
        let rest = bytes[(colon + 1)...]
        guard rest.starts(with: [UInt8(ascii: "/"), UInt8(ascii: "/")]) else { return nil }
        let authority = rest.dropFirst(2).prefix { !"/?#".utf8.contains($0) }
        // Who is named before an "@" is not who is asked.
        guard !authority.isEmpty, !authority.contains(UInt8(ascii: "@")), !authority.contains(UInt8(ascii: "%")) else {
            return nil
        }
        var host = authority
        if let close = authority.lastIndex(of: UInt8(ascii: "]")) {
            host = authority[...close]
        } else if let port = authority.lastIndex(of: UInt8(ascii: ":")) {
            host = authority[..<port]
        }
        if host.last == UInt8(ascii: ".") { host = host.dropLast() }
        guard !host.isEmpty else { return nil }
        self.host = String(decoding: host, as: UTF8.self).lowercased()
    }

    /// `rule` is a name, or "*." and a name, which means every host below that name and not itself.
    func isOn(_ rule: String) -> Bool {
        rule.hasPrefix("*.") ? host.hasSuffix(rule.dropFirst(1)) : host == rule
    }
}
