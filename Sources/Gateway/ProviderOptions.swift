// ProviderOptions: the options that a provider's manifest or description declares: by name in its "options", or as a place in its
// URLs and headers ("{azure_api_version}", "{region|us-east-1}"). Headers of a request can set these, and no others.

import Core

enum ProviderOptions {
    static func names(in document: JSONValue) -> Set<String> {
        var names = Set((document["options"]?.array ?? []).compactMap(\.string))
        for member in ["base_url", "paths", "query", "headers"] { collect(document[member], into: &names) }
        // The model of the attempt, which no option replaces.
        names.remove("model")
        return names
    }

    private static func collect(_ value: JSONValue?, into names: inout Set<String>) {
        if let text = value?.string { collect(text, into: &names) }
        for element in value?.array ?? [] { collect(element, into: &names) }
        for member in value?.object?.members ?? [] { collect(member.value, into: &names) }
    }

    private static func collect(_ template: String, into names: inout Set<String>) {
        var rest = template[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            names.insert(String(rest[rest.index(after: open)..<close].prefix { $0 != "|" }))
            rest = rest[rest.index(after: close)...]
        }
    }
}
