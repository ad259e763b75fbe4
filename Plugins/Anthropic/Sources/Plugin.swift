// The plugin `anthropic`: OpenAI's chat format to Anthropic's Messages and back, and Messages as they are.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "anthropic", version: "1.0.0", providers: [AnthropicProvider.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
