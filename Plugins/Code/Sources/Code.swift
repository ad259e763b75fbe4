// code: program code in what was written, in fenced blocks and without them.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "code", version: "1.0.0", checks: [CodeDetect.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
