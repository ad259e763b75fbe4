// ConfigOverrides: what the command line says over the file. It is put into the document before it is checked, so that
// it meets the same rules and gets the same errors.

import Core

package struct ConfigOverrides: Sendable {
    /// "host:port", "[::1]:8787", ":8787" or "8787".
    package var listen: String?
    package var allowPublicWithoutKeys = false
    /// Where plugins are looked for when the file names no directory.
    package var defaultPluginDirectory: String?

    /// The price catalogue when the file names none.
    package var defaultPriceFile: String?

    package init() {}

    func apply(to document: JSONValue) -> JSONValue {
        // An empty file is null.
        guard var top = document.isNull ? JSONObject() : document.object else { return document }
        var listenSection = top["listen"]?.object ?? JSONObject()
        if let listen {
            let (host, port) = Self.split(listen)
            if let host { listenSection["address"] = .string(host) }
            listenSection["port"] = Int(port).map { JSONValue($0) } ?? .string(port)
        }
        if allowPublicWithoutKeys { listenSection["allow_public_without_keys"] = true }
        if !listenSection.isEmpty { top["listen"] = .object(listenSection) }
        if let defaultPluginDirectory, top["plugins"] == nil || top["plugins"]?.object != nil {
            var plugins = top["plugins"]?.object ?? JSONObject()
            if plugins["directories"] == nil { plugins["directories"] = .array([.string(defaultPluginDirectory)]) }
            top["plugins"] = .object(plugins)
        }
        if let defaultPriceFile, top["prices"] == nil || top["prices"]?.object != nil {
            var prices = top["prices"]?.object ?? JSONObject()
            if prices["file"] == nil { prices["file"] = .string(defaultPriceFile) }
            top["prices"] = .object(prices)
        }
        return .object(top)
    }

    private static func split(_ text: String) -> (host: String?, port: String) {
        guard let colon = text.lastIndex(of: ":") else { return (nil, text) }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return (host.isEmpty ? nil : String(host), String(text[text.index(after: colon)...]))
    }
}
