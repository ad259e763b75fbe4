// The plugin `mock`: a provider that answers without a network. The demo's default target, and a test double.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "mock", version: "1.0.0", providers: [MockProvider.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
