// Fixture: one case of a plugin's fixtures/*.json: an instance, an exchange, and what is expected of it. The format is told in
// Plugins/README.md.

import Core
import Wire

package struct FixtureError: Error, Sendable {
    package var place: String
    package var message: String
}

struct Fixture: Sendable {
    struct Expectation: Sendable {
        var verdict: String?
        var passed: Bool?
        /// Of all segments of the side, after the edits.
        var texts: [String]?
        var body: JSONValue?
        var isUnchanged: Bool?
        var code: String?
        var message: String?
        var status: Int?
        /// Members that the report must have.
        var data: JSONObject?
    }

    struct Fetch: Sendable {
        var method: String
        var url: String
        var status: Int
        var headers: [(name: String, value: String)]
        var body: String
    }

    var name: String
    var place: String
    var check: String
    var config: JSONValue
    var endpoint: Endpoint
    var model: String?
    var headers: [(name: String, value: String)]
    var metadata: [(key: String, value: String)]
    var request: JSONValue?
    var answer: JSONValue?
    var stream: String?
    var fetches: [Fetch]
    var configError: String?
    var onRequest: Expectation?
    var onAnswer: Expectation?

    /// All cases of a plugin's directory.
    static func all(in directory: String) throws(WorkbenchError) -> [Fixture] {
        var fixtures: [Fixture] = []
        let folder = directory + "/fixtures"
        for name in Files.list(folder) where name.hasSuffix(".json") {
            let text = try Files.read(folder + "/" + name)
            do throws(FixtureError) { fixtures += try read(text, file: "fixtures/" + name) } catch {
                throw WorkbenchError(message: "\(error.place): \(error.message)")
            }
        }
        return fixtures
    }

    /// All cases of one file: an object, or an array of objects.
    static func read(_ text: Bytes, file: String) throws(FixtureError) -> [Fixture] {
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue(parsing: text) } catch {
            throw FixtureError(place: file, message: "is not valid JSON: \(error.reason) (byte \(error.offset))")
        }
        guard let list = document.array else { return [try Reader(document, file).fixture(0)] }
        var fixtures: [Fixture] = []
        for (index, element) in list.enumerated() {
            fixtures.append(try Reader(element, "\(file)#/\(index)").fixture(index))
        }
        return fixtures
    }
}

/// Typed access with errors that name the place.
private struct Reader {
    let value: JSONValue
    let place: String

    init(_ value: JSONValue, _ place: String) {
        self.value = value
        self.place = place
    }

    private func error(_ key: String, _ message: String) -> FixtureError {
        FixtureError(place: place.contains("#") ? "\(place)/\(key)" : "\(place)#/\(key)", message: message)
    }

    private func only(_ known: [String]) throws(FixtureError) {
        guard let object = value.object else { throw error("", "expected an object, found \(value.kindName)") }
        for key in object.keys where !known.contains(key) {
            throw error(key, "unknown member; known are \(known.joined(separator: ", "))")
        }
    }

    private func read<Value>(_ key: String, _ expected: String, _ get: (JSONValue) -> Value?) throws(FixtureError)
        -> Value?
    {
        guard let member = value[key] else { return nil }
        guard let result = get(member) else { throw error(key, "expected \(expected), found \(member.kindName)") }
        return result
    }

    private func pairs(_ key: String) throws(FixtureError) -> [(String, String)] {
        var pairs: [(String, String)] = []
        for member in try read(key, "an object", \.object)?.members ?? [] {
            guard let text = member.value.string else { throw error("\(key)/\(member.key)", "expected a text") }
            pairs.append((member.key, text))
        }
        return pairs
    }

    private func child(_ key: String) -> Reader? {
        value[key].map { Reader($0, place.contains("#") ? "\(place)/\(key)" : "\(place)#/\(key)") }
    }

    func fixture(_ index: Int) throws(FixtureError) -> Fixture {
        try only([
            "name", "check", "config", "endpoint", "model", "headers", "metadata", "request", "answer", "stream",
            "fetches", "expected",
        ])
        guard let check = try read("check", "a text", \.string) else {
            throw error("check", "expected a check's id; it is missing")
        }
        let endpointName = try read("endpoint", "a text", \.string) ?? "chat_completions"
        guard let endpoint = Endpoint(rawValue: endpointName), endpoint.hasSegmentTable else {
            let known = Endpoint.allCases.filter(\.hasSegmentTable).map(\.rawValue).joined(separator: ", ")
            throw error("endpoint", "unknown endpoint \"\(endpointName)\"; known are \(known)")
        }
        var fetches: [Fixture.Fetch] = []
        for (number, element) in (try read("fetches", "an array", \.array) ?? []).enumerated() {
            fetches.append(try Reader(element, error("fetches/\(number)", "").place).fetch())
        }
        guard let expected = child("expected") else { throw error("expected", "expected an object; it is missing") }
        try expected.only(["config_error", "request", "answer"])
        let fixture = Fixture(
            name: try read("name", "a text", \.string) ?? "\(check) \(index)", place: place, check: check,
            config: value["config"] ?? [:], endpoint: endpoint, model: try read("model", "a text", \.string),
            headers: try pairs("headers"), metadata: try pairs("metadata"), request: value["request"],
            answer: value["answer"], stream: try read("stream", "a text", \.string), fetches: fetches,
            configError: try expected.read("config_error", "a text", \.string),
            onRequest: try expected.child("request")?.expectation(),
            onAnswer: try expected.child("answer")?.expectation())
        if fixture.configError == nil, fixture.onRequest == nil, fixture.onAnswer == nil {
            throw expected.error("", "expects nothing: one of config_error, request, answer is needed")
        }
        if fixture.onRequest != nil, fixture.request == nil {
            throw error("request", "it is expected to be judged; it is missing")
        }
        if fixture.onAnswer != nil, fixture.answer == nil, fixture.stream == nil {
            throw error("answer", "it is expected to be judged; it is missing")
        }
        return fixture
    }

    private func fetch() throws(FixtureError) -> Fixture.Fetch {
        try only(["method", "url", "status", "headers", "body"])
        guard let url = try read("url", "a text", \.string) else { throw error("url", "expected a URL; it is missing") }
        return Fixture.Fetch(
            method: try read("method", "a text", \.string) ?? "GET", url: url,
            status: try read("status", "a number", \.int) ?? 200, headers: try pairs("headers"),
            body: value["body"].map { $0.string ?? $0.text } ?? "")
    }

    private func expectation() throws(FixtureError) -> Fixture.Expectation {
        try only(["verdict", "passed", "texts", "body", "unchanged", "code", "message", "status", "data"])
        let verdict = try read("verdict", "a text", \.string)
        let known = ["continue", "deny", "answer", "retry", "fail"]
        if let verdict, !known.contains(verdict) {
            throw error("verdict", "expected one of \(known.joined(separator: ", ")), found \"\(verdict)\"")
        }
        var texts: [String]?
        if let list = try read("texts", "an array", \.array) {
            var all: [String] = []
            for (index, element) in list.enumerated() {
                guard let text = element.string else { throw error("texts/\(index)", "expected a text") }
                all.append(text)
            }
            texts = all
        }
        return Fixture.Expectation(
            verdict: verdict, passed: try read("passed", "true or false", \.bool), texts: texts, body: value["body"],
            isUnchanged: try read("unchanged", "true or false", \.bool), code: try read("code", "a text", \.string),
            message: try read("message", "a text", \.string), status: try read("status", "a number", \.int),
            data: try read("data", "an object", \.object))
    }
}
