// model-rules: which models may be asked for, by whom: lists chosen by the request's metadata.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "model-rules", version: "1.0.0", checks: [AllowModels.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
