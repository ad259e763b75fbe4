// Headers as Portkey takes them: an object, or the text of one.

import PluginSDK

enum Headers {
    /// "content-type" stays the plugin's own.
    static func read(_ value: JSON?, at pointer: String) throws(ConfigError) -> [(String, String)] {
        var value = value ?? .null
        if let text = value.string {
            if text.isEmpty { return [] }
            guard let parsed = try? JSON(parsing: text) else {
                throw ConfigError("Must be an object of texts, or its JSON", at: pointer)
            }
            value = parsed
        }
        if value.isNull { return [] }
        guard let object = value.object else {
            throw ConfigError("Must be an object of texts, or its JSON", at: pointer)
        }
        var headers: [(String, String)] = []
        for member in object {
            guard let text = member.value.string, !text.utf8.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7F })
            else { throw ConfigError("Must be a text without control characters", at: pointer + "/" + member.key) }
            guard isToken(member.key) else { throw ConfigError("Is no header's name", at: pointer + "/" + member.key) }
            if member.key.lowercased() != "content-type" { headers.append((member.key, text)) }
        }
        return headers
    }

    /// RFC 9110, 5.6.2.
    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
