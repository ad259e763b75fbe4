// Where a target's requests go: the description's URLs with the target's options in them, made once.

import PluginSDK

/// One endpoint of a target.
struct Route: Sendable {
    let endpoint: String
    /// The description's rules are about this request.
    let isShaped: Bool
    /// They are about its answer, too.
    let isCompletion: Bool
    /// The absolute URL; of the proxy, what the client's path is put behind.
    private let url: String
    private let takesModel: Bool
    /// `api-version=2024-10-21`, or empty.
    private let query: String

    init(endpoint: String, url: String, query: String) {
        self.endpoint = endpoint
        self.query = query
        isCompletion = endpoint == "chat_completions" || endpoint == "completions"
        isShaped = isCompletion || endpoint == "embeddings"
        takesModel = url.contains("{model}")
        self.url = takesModel || endpoint == "proxy" ? url : Self.join(url, query)
    }

    /// The URL of one attempt.
    func url(_ exchange: Exchange) throws(Unusable) -> String {
        if endpoint == "proxy" { return Self.join(url + Self.remainder(exchange.info(.path)), query) }
        guard takesModel else { return url }
        guard let model = exchange.model, !model.isEmpty else {
            throw Unusable(code: "model_required", message: "Model is required")
        }
        guard let path = URLText.path(ofModel: model) else {
            throw Unusable(code: "invalid_model", message: "The model's name cannot stand in a path")
        }
        var result = ""
        var rest = Substring(url)
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace] + path
            rest = rest[brace...].dropFirst("{model}".utf8.count)
        }
        return Self.join(result + rest, query)
    }

    /// The request cannot be expressed.
    struct Unusable: Error {
        let code: String
        let message: String
    }

    /// The client's path and query without `/v1`.
    private static func remainder(_ path: Text?) -> String {
        guard let path else { return "" }
        let prefix = Array("/v1".utf8)
        guard path.bytes.starts(with: prefix), path.count == 3 || path.bytes[3] == UInt8(ascii: "/") else {
            return path.string
        }
        return path[3..<path.count].string
    }

    private static func join(_ url: String, _ query: String) -> String {
        query.isEmpty ? url : url + (url.utf8.contains(UInt8(ascii: "?")) ? "&" : "?") + query
    }
}

/// All endpoints of a target, and the headers that go with each request.
struct Routes: Sendable {
    private let routes: [Route]
    let headers: [(name: String, value: String)]

    init(_ description: Description, target: JSON) throws(ConfigError) {
        let options = TargetOptions(target)
        let base = try options.base(description)
        let query = try options.present(description.query).map { "\($0.name)=\(URLText.query($0.value))" }.joined(
            separator: "&")
        var routes: [Route] = []
        for (endpoint, path) in description.paths {
            routes.append(Route(endpoint: endpoint, url: base + (try options.fill(path, inPath: true)), query: query))
        }
        self.routes = routes
        headers = try options.present(description.headers)
    }

    /// Without an allocation for the endpoints that matter.
    func find(_ endpoint: Text?) -> Route? {
        guard let endpoint else { return nil }
        return routes.first { endpoint == $0.endpoint }
    }
}

/// The target's own options, as texts.
private struct TargetOptions {
    private let target: JSON

    init(_ target: JSON) {
        self.target = target
    }

    private func text(_ name: String) -> String? {
        switch target[name] {
        case .string(let text): text.isEmpty ? nil : text
        case .number(let text): text
        case .bool(let bool): "\(bool)"
        default: nil
        }
    }

    /// What stands before the paths. `custom_host` and `base_url` replace the description's, version prefix included.
    func base(_ description: Description) throws(ConfigError) -> String {
        for name in ["custom_host", "base_url"] {
            guard let own = text(name) else { continue }
            guard URLText.isOrigin(own) else {
                throw ConfigError("\(name) must be an http or https URL without user info", at: "/target/\(name)")
            }
            return withoutSlash(own)
        }
        let template = Template(description.baseURL)
        if let origin = template.leadingOption, let own = text(origin), !URLText.isOrigin(own) {
            throw ConfigError("\(origin) must be an http or https URL", at: "/target/\(origin)")
        }
        return withoutSlash(try fill(description.baseURL, inPath: true, except: template.leadingOption))
    }

    private func withoutSlash(_ url: String) -> String {
        url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    /// In paths and host names an option may only be a plain segment.
    func fill(_ text: String, inPath: Bool = false, except origin: String? = nil) throws(ConfigError) -> String {
        var refused: String?
        do throws(Template.Missing) {
            let filled = try Template(text).filled { name in
                guard let value = self.text(name) else { return nil }
                if inPath, name != origin, !URLText.isSegment(value) { refused = name }
                return value
            }
            guard let refused else { return filled }
            throw Template.Missing(option: refused)
        } catch {
            let reason = refused == nil ? "is required by this provider" : "may have letters, digits and -._~ only"
            throw ConfigError("\(error.option) \(reason)", at: "/target/\(error.option)")
        }
    }

    /// Headers and query members of which no option is missing.
    func present(_ members: [(name: String, value: String)]) throws(ConfigError) -> [(name: String, value: String)] {
        var present: [(name: String, value: String)] = []
        for member in members {
            do throws(Template.Missing) {
                present.append((member.name, try Template(member.value).filled(text)))
            } catch {
                continue
            }
        }
        return present
    }
}
