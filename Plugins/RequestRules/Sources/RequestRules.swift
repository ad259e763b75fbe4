// request-rules: what a request may ask for, whoever sends it: its type, its parameters, its metadata, its images.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(
    id: "request-rules", version: "1.0.0",
    checks: [RequestTypes.self, Parameters.self, RequiredMetadata.self, Images.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
