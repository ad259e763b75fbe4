// PluginLibrary: one loaded shared library. It stays mapped as long as the process lives: unloading code that a runtime still
// refers to crashes (plugin-abi, §2), so a new version is a new file and a new generation beside the old one.

package import CGatehouse

package final class PluginLibrary: @unchecked Sendable {
    package let manifest: PluginManifest
    /// Of plugin.json, hex.
    package let manifestSHA256: String
    /// Of the library file, hex.
    package let sha256: String
    /// The directory that it was found in.
    package let directory: String
    package let descriptor: UnsafePointer<gh_plugin>
    let hooks: UnsafePointer<gh_hooks>?
    let provider: UnsafePointer<gh_provider>?
    package var speaksForProviders: Bool { provider != nil }
    let auth: UnsafePointer<gh_auth>?
    package let trust: PluginTrust
    /// Its number in the crash marker; 0 for none.
    let mark: UInt32

    private let enter: (@Sendable () -> UnsafePointer<gh_plugin>?)?

    /// Calls the entry function once more; the id that it gives, or nil.
    package func enterAgain() -> String? { enter?()?.pointee.id.string }

    init(
        manifest: PluginManifest, manifestSHA256: String, sha256: String, directory: String,
        descriptor: UnsafePointer<gh_plugin>, hooks: UnsafePointer<gh_hooks>?, provider: UnsafePointer<gh_provider>?,
        auth: UnsafePointer<gh_auth>?, trust: PluginTrust, mark: UInt32,
        enter: (@Sendable () -> UnsafePointer<gh_plugin>?)?
    ) {
        self.enter = enter
        self.manifest = manifest
        self.manifestSHA256 = manifestSHA256
        self.sha256 = sha256
        self.directory = directory
        self.descriptor = descriptor
        self.hooks = hooks
        self.provider = provider
        self.auth = auth
        self.trust = trust
        self.mark = mark
    }
}
