// What the four checks say: a sentence, and what is wrong.

import PluginSDK

/// Something that a rule does not allow.
struct Fault {
    /// A JSON pointer into the request, or a metadata key.
    let place: String
    let message: String

    var json: JSON { ["place": .string(place), "message": .string(message)] }
}

extension Exchange {
    /// More faults than these are not told of one by one.
    private static var most: Int { 20 }

    func report(_ faults: [Fault], _ more: KeyValuePairs<String, JSON> = [:]) throws(PluginFailure) {
        var data: JSON = [
            "explanation": faults.isEmpty ? "The request is within the rules." : "The request breaks rules.",
            "faults": .array(faults.prefix(Self.most).map(\.json)),
        ]
        for (key, value) in more { data[key] = value }
        try report(passed: faults.isEmpty, data: data)
    }

    /// A member of the request's body.
    func value(_ pointer: String) -> JSON? {
        json(pointer, .request).flatMap { try? JSON(parsing: $0) }
    }
}

extension JSON {
    /// A list of strings; nil when it is left out.
    func texts(_ key: String) -> [String]? { self[key]?.array?.compactMap(\.string) }
}

/// RFC 6901.
func escaped(_ token: String) -> String {
    token.replacing("~", with: "~0").replacing("/", with: "~1")
}
