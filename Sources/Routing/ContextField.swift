// ContextField: the name of a value in the request, as conditions and sticky load balancing spell it.
//
//     metadata.plan      params.model      params.messages.0.content      url.pathname
//
// Portkey stops after two words; here a path goes to any depth, through objects by member name and through arrays by
// index.

package import Core

/// Finds a value of the request being routed. `root` is "metadata", "params" or "url"; nil means that it is not there.
/// A caller whose metadata is flat may try the words of `path` joined by dots, too.
package typealias RoutingLookup = (_ root: String, _ path: [String]) -> JSONValue?

package struct ContextField: Sendable, Equatable {
    package let root: String
    package let path: [String]
    /// False for a name that nothing can ever have, such as "header.x": it stands for a missing value.
    package let isKnown: Bool

    package init(_ name: String) {
        let words = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        root = words[0]
        path = Array(words.dropFirst())
        isKnown =
            switch root {
            case "metadata", "params": !path.isEmpty
            case "url": path == ["pathname"]
            default: false
            }
    }

    func value(_ lookup: RoutingLookup) -> JSONValue? { isKnown ? lookup(root, path) : nil }
}
