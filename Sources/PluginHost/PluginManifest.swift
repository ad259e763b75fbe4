// PluginManifest: plugin.json, read and checked before any code is loaded.

package import Core
package import JSONSchema
package import Wire

package struct PluginManifest: Sendable {
    package var id: String
    package var name: String
    package var version: String
    package var license: String?
    /// The library's file name for this platform.
    package var library: String
    /// Those of all platforms.
    package var libraries: [String] = []
    package var abiMajor: Int
    package var minimumMinor: Int
    package var runtime: String
    package var needs: [String]
    package var wants: [String]
    /// Hosts beyond public addresses that the plugin asks to fetch from. To ask is not to be given.
    package var egress: [String]
    /// Secrets that it asks for, by the names that its README gives them. To ask is not to be given.
    package var secrets: [String] = []
    /// Headers that it reads; nil when the manifest does not say: then all but credentials.
    package var headers: [String]?
    /// False: it works without the texts, which are withheld then.
    package var readsText = true
    package var links: [String]
    package var status: String
    package var securityPosture: String
    package var isProcessOnly: Bool
    /// In the manifest's order, without the plugin's prefix.
    package var checks: [CheckManifest]
    package var providers: [ProviderManifest]
    /// Folder of provider descriptions beside the manifest.
    package var descriptions: String?
    package var defaults: GuardDefaults

    /// Extensions that the plugin may ask the host for.
    package var extensions: Set<String> { Set(needs).union(wants) }
}

package struct GuardDefaults: Sendable, Equatable {
    package var timeoutMilliseconds: Int?
    /// "open", "closed" or "retry".
    package var onFailure: String?
    package var onTimeout: String?

    package init(timeoutMilliseconds: Int? = nil, onFailure: String? = nil, onTimeout: String? = nil) {
        self.timeoutMilliseconds = timeoutMilliseconds
        self.onFailure = onFailure
        self.onTimeout = onTimeout
    }
}

package struct CheckManifest: Sendable {
    package enum HookName: String, Sendable, CaseIterable {
        case request = "on_request"
        case response = "on_response"
        case stream = "on_stream"
        case error = "on_error"
        case done = "on_done"
    }

    package enum Coverage: String, Sendable {
        /// Whatever was written or attached.
        case everything
        /// The kinds that it declares: a check that measures text has no business with images.
        case declared
    }

    package enum StreamMode: String, Sendable, CaseIterable {
        case off, observe, window, event, full
    }

    package var id: String
    package var title: String
    package var aliases: [String]
    package var hooks: Set<HookName>
    package var isBlocking: Bool
    package var mutates: Bool
    /// Its answer hooks undo what its request hook did to the exchange: they run after all other guards and after the cache.
    package var restores = false
    /// What `require_full_coverage` asks of it.
    package var coverage = Coverage.everything
    /// Segment kinds that it asks to see; empty: all that are text.
    package var segments: Set<Segment.Kind>
    package var streamMode: StreamMode
    package var windowBytes: Int
    package var overlapBytes: Int
    /// The most that on_stream may hold back; nil: a window, or the overlap where that is larger.
    package var holdBytes: Int?
    /// One more call, without text, when the whole answer has ended.
    package var wantsEnd = false
    /// Of its parameters; nil accepts any object.
    package var schema: Schema?
    package var schemaDocument: JSONValue?
}

extension CheckManifest {
    /// What of `parameters` the check's schema does not allow; nil when it allows all.
    package func validate(_ parameters: JSONValue) -> [PluginConfigError]? {
        guard let violations = schema?.validate(parameters), !violations.isEmpty else { return nil }
        return violations.map { PluginConfigError(pointer: $0.instance.description, message: $0.message) }
    }
}

package struct ProviderManifest: Sendable {
    /// The slug.
    package var id: String
    /// The whole entry or description file, for the adapter.
    package var document: JSONValue
    package var endpoints: [Endpoint: EndpointSupport]
    /// File that it came from.
    package var file: String
}

package enum EndpointSupport: String, Sendable {
    /// The provider speaks the client's format.
    case native
    case translate
}

/// A slug with the library whose adapter speaks its wire format.
package struct ProviderDescriptor: Sendable {
    package var slug: String
    package var library: PluginLibrary
    package var manifest: ProviderManifest

    package init(slug: String, library: PluginLibrary, manifest: ProviderManifest) {
        self.slug = slug
        self.library = library
        self.manifest = manifest
    }

    package func support(for endpoint: Endpoint) -> EndpointSupport? { manifest.endpoints[endpoint] }
}
