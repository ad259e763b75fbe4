// HostVersion: the gateway's own version, in the one place where it is written.

package enum HostVersion {
    package static let text = "0.1.0"
    /// The plugin ABI's.
    package static let abi = "1.0"
}
