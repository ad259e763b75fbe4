// Personal data: found by form, check digit and context; redacted, masked, hashed, refused, or hidden from the model and
// put back for the user.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(
    id: "pii", version: "1.0.0", checks: [Redact.self, Detect.self, Pseudonymize.self, PortkeyPII.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
