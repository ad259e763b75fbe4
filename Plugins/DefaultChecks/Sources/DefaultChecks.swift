// Portkey's built-in checks, with its parameters and its report keys, over the whole conversation. The checks report;
// the operator's config decides. They run on the data path: bytes of the host's views, no Strings, one allocation per
// report.

public import CGatehouse
import PluginSDK

private let plugin = Plugin(
    id: "default", version: "1.0.0",
    checks: [
        RegexMatch.self, RegexReplace.self, Contains.self, WordCount.self, SentenceCount.self, CharacterCount.self,
        EndsWith.self, AllUppercase.self, AllLowercase.self, NotNull.self, ContainsCode.self, ModelWhitelist.self,
        RequiredMetadataKeys.self, AllowedRequestTypes.self, AddPrefix.self,
    ])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
