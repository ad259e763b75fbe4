// size: how long what was written may be, and must be.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "size", version: "1.0.0", checks: [SizeLimit.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
