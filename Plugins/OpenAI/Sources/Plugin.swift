// The plugin `openai`: every provider that speaks OpenAI's wire format, each described by one file in providers/.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "openai", version: "1.0.0", providers: [OpenAIProvider.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
