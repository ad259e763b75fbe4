// What takes a value's place: a label, a mask, or a keyed hash.

import PluginSDK

enum Method: String {
    /// [EMAIL]
    case redact
    /// ****-****-****-1881
    case mask
    /// [EMAIL_3f2a9c1d0b7e5f64]
    case hash
}

/// A method for each kind, with what it needs.
struct Methods: Sendable {
    private let methods: [Method]
    private let labels: [String]
    private let salt: [UInt8]

    init(_ config: JSON, _ detector: Detector) throws(ConfigError) {
        let labels = (0..<detector.kindCount).map { detector.name($0) }
        var methods = [Method](repeating: try config.word("method") ?? .redact, count: labels.count)
        for member in config["methods"]?.object ?? JSON.Object() {
            let pointer = "/methods/" + member.key
            guard let method = member.value.string.flatMap(Method.init(rawValue:)) else {
                throw ConfigError("Must be \"redact\", \"mask\" or \"hash\"", at: pointer)
            }
            let kinds =
                Entity.named(member.key)?.map(\.index)
                ?? labels.indices.filter { labels[$0] == member.key.uppercased() }
            guard !kinds.isEmpty else { throw ConfigError("No entity and no pattern has this name", at: pointer) }
            for kind in kinds { methods[kind] = method }
        }
        self.labels = labels
        self.methods = methods
        salt = Array((config["salt"]?.string ?? "").utf8)
        if methods.contains(.hash), salt.isEmpty {
            throw ConfigError(
                "The method \"hash\" needs a salt: without one, hashes of few values can be guessed", at: "/salt")
        }
    }

    func replacement(_ match: Match, in text: Bytes) -> [UInt8] {
        guard !match.isContinuation else { return [] }
        let value = Bytes(rebasing: text[match.range])
        switch methods[match.kind] {
        case .redact: return Array("[\(labels[match.kind])]".utf8)
        case .mask: return match.kind == Entity.email.index ? Self.maskedAddress(value) : Self.masked(value)
        case .hash:
            let digest = SHA256.authenticate(value, key: salt).prefix(8)
            let hexadecimal = digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            return Array("[\(labels[match.kind])_\(hexadecimal)]".utf8)
        }
    }

    /// Letters and digits become stars, but for the last four of eight or more. Separators stay.
    private static func masked(_ value: Bytes) -> [UInt8] {
        let count = value.reduce(0) { $0 + ($1.isAlphanumeric || $1 >= 0xC0 ? 1 : 0) }
        var hidden = count >= 8 ? count - 4 : count
        var masked: [UInt8] = []
        for byte in value where !byte.isContinuation {
            guard byte.isAlphanumeric || byte >= 0xC0 else {
                masked.append(byte)
                continue
            }
            masked.append(hidden > 0 ? UInt8(ascii: "*") : byte < 0x80 ? byte : UInt8(ascii: "*"))
            hidden -= 1
        }
        return masked
    }

    /// "j***@example.com"
    private static func maskedAddress(_ value: Bytes) -> [UInt8] {
        guard let at = value.firstIndex(of: UInt8(ascii: "@")), value[0] < 0x80 else { return masked(value) }
        return [value[0]] + Array("***".utf8) + value[at...]
    }
}

extension JSON {
    /// A parameter that is one of an enumeration's words.
    func word<Word: RawRepresentable>(_ key: String) throws(ConfigError) -> Word? where Word.RawValue == String {
        guard let value = self[key] else { return nil }
        guard let word = value.string.flatMap(Word.init(rawValue:)) else {
            throw ConfigError("Is none of the words that are allowed here", at: "/" + key)
        }
        return word
    }

    func flag(_ key: String) throws(ConfigError) -> Bool {
        guard let value = self[key] else { return false }
        guard let flag = value.bool else { throw ConfigError("Must be true or false", at: "/" + key) }
        return flag
    }
}

// MARK: - Parameters of what is looked for

extension Detector {
    /// `entities` and `patterns`.
    init(_ config: JSON, host: Host) throws(ConfigError) {
        var entities: [Entity] = Entity.allCases
        if let names = config["entities"] {
            guard let names = names.array else { throw ConfigError("Must be an array of names", at: "/entities") }
            entities = []
            for (index, name) in names.enumerated() {
                guard let known = name.string.flatMap(Entity.named) else {
                    throw ConfigError("No entity has this name", at: "/entities/\(index)")
                }
                entities += known
            }
        }
        var custom: [Custom] = []
        for (index, entry) in (config["patterns"]?.array ?? []).enumerated() {
            custom.append(try Self.custom(entry, "/patterns/\(index)", custom, host))
        }
        enabled = EntitySet(entities)
        self.custom = custom
        guard !enabled.isEmpty || !custom.isEmpty else {
            throw ConfigError("There is nothing to look for: name an entity or a pattern", at: "/entities")
        }
    }

    private static func custom(
        _ entry: JSON, _ pointer: String, _ others: [Custom], _ host: Host
    ) throws(ConfigError) -> Custom {
        guard let name = entry["name"]?.string?.uppercased(), let first = name.utf8.first, first.isLetter,
            name.utf8.allSatisfy({ $0.isAlphanumeric || $0 == UInt8(ascii: "_") }), name.utf8.count <= 40
        else {
            throw ConfigError("Must be 1 to 40 letters, digits and underscores, a letter first", at: pointer + "/name")
        }
        guard Entity.named(name) == nil, !others.contains(where: { $0.name == name }) else {
            throw ConfigError("Another entity or pattern has this name", at: pointer + "/name")
        }
        guard let source = entry["pattern"]?.string, !source.isEmpty else {
            throw ConfigError("Must be a regular expression", at: pointer + "/pattern")
        }
        var flags: Pattern.Flags = []
        for letter in entry["flags"]?.string ?? "" {
            switch letter {
            case "i": flags.insert(.caseless)
            case "m": flags.insert(.multiline)
            case "s": flags.insert(.dotAll)
            case "x": flags.insert(.extended)
            default: throw ConfigError("Flags are i, m, s and x", at: pointer + "/flags")
            }
        }
        return Custom(name: name, pattern: try Pattern(source, flags, at: pointer + "/pattern", host: host))
    }
}
