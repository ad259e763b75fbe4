// PluginGrants: what a plugin may see and reach beyond the exchange's plain parts. The manifest asks, the operator grants
// (`plugins.settings`), the host services enforce.

/// The operator's part, for one plugin.
package struct PluginGrants: Sendable, Equatable {
    /// Names from the configuration's `secrets` that `${secret:name}` in its parameters may stand for.
    package var secrets: Set<String> = []
    /// In lower case. Headers that it may read, credentials too.
    package var headers: Set<String> = []
    /// False: segments, bodies and windows are withheld.
    package var text = true

    package init() {}
}

/// What one instance may see: both parts together.
struct Sight: Sendable {
    /// Header names of the manifest, in lower case; nil: it did not say.
    var askedHeaders: Set<String>?
    var grantedHeaders: Set<String> = []
    var text = true

    init() {}

    init(_ manifest: PluginManifest, _ granted: PluginGrants?) {
        askedHeaders = manifest.headers.map { Set($0.map { $0.lowercased() }) }
        grantedHeaders = granted?.headers ?? []
        text = manifest.readsText && granted?.text ?? true
    }

    /// Credentials are visible where the operator says so by name, and then only. Other headers are, unless the manifest lists what it
    /// needs: then no more than that ("*": all that are no credentials).
    func sees(header name: String) -> Bool {
        if grantedHeaders.contains(name) { return true }
        if ExchangeIdentity.secretHeaders.contains(name) { return false }
        guard let askedHeaders else { return true }
        return askedHeaders.contains(name) || askedHeaders.contains("*")
    }
}
