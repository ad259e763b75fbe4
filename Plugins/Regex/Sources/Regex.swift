// regex: patterns of the operator's, by name, over everything that was written: deny, report or replace.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(id: "regex", version: "1.0.0", checks: [RegexMatch.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
