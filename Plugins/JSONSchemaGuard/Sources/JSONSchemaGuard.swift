// schema: JSON in what a model wrote, judged by a JSON Schema or by the keys it has. The guard finds the JSON, the host
// judges it (gh.schema/1), and a model that got it wrong may be told so and asked again.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "schema", version: "1.0.0", checks: [SchemaCheck.self, KeysCheck.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
