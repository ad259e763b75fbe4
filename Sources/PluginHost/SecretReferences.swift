// SecretReferences: `${secret:name}` in a plugin's parameters. The host puts the secret in when it makes the instance, so that it stands
// in no plan, log or receipt; and only where the operator granted that secret to that plugin.

import Core

enum SecretReferences {
    static let opening = "${secret:"

    /// `config` with its references resolved. `secret` gives nil for a name that must not be resolved, and says why.
    static func resolve(
        _ config: JSONValue, _ secret: (String) -> Result<String, PluginConfigError>
    ) throws(PluginCreationError.Errors) -> JSONValue {
        var errors: [PluginConfigError] = []
        let resolved = replace(config, JSONPointer(), secret, &errors)
        guard errors.isEmpty else { throw PluginCreationError.Errors(list: errors) }
        return resolved
    }

    private static func replace(
        _ value: JSONValue, _ pointer: JSONPointer, _ secret: (String) -> Result<String, PluginConfigError>,
        _ errors: inout [PluginConfigError]
    ) -> JSONValue {
        switch value {
        case .string(let text):
            guard text.contains(opening) else { return value }
            return .string(expand(text, pointer, secret, &errors))
        case .array(let elements):
            var replaced: [JSONValue] = []
            for (index, element) in elements.enumerated() {
                replaced.append(replace(element, pointer / index, secret, &errors))
            }
            return .array(replaced)
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.map { ($0.key, replace($0.value, pointer / $0.key, secret, &errors)) }))
        default: return value
        }
    }

    private static func expand(
        _ text: String, _ pointer: JSONPointer, _ secret: (String) -> Result<String, PluginConfigError>,
        _ errors: inout [PluginConfigError]
    ) -> String {
        var output = ""
        var rest = Substring(text)
        while let start = rest.firstRange(of: opening) {
            output += rest[..<start.lowerBound]
            let inner = rest[start.upperBound...]
            guard let end = inner.firstIndex(of: "}") else {
                errors.append(PluginConfigError(pointer: pointer.description, message: "'\(opening)' has no '}'"))
                return text
            }
            switch secret(String(inner[..<end])) {
            case .success(let value): output += value
            case .failure(let error):
                errors.append(PluginConfigError(pointer: pointer.description, message: error.message))
            }
            // What a secret holds is not looked at again.
            rest = inner[inner.index(after: end)...]
        }
        return output + rest
    }
}
