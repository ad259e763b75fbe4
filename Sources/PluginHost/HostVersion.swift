// HostVersion: the gateway's own version, in the one place where it is written.

package enum HostVersion {
    package static let text = "0.1.0"
    /// The plugin ABI's: "1.0 draft 1".
    package static let abi = "1.0 draft 1"
}
