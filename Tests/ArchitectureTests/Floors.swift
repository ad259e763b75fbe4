// Floors: which module may import which. The one table of the architecture; FloorTests compares the sources with it.
//
// A module imports from lower floors. Within floor 1 some stand on others, which `besides` names. What comes from outside
// the package is listed with each module, so that a dependency cannot spread unseen.

import Testing

struct Module: Sendable, CustomTestStringConvertible {
    var name: String
    var floor: Int
    /// Modules of the same floor that it may import.
    var besides: Set<String> = []
    /// Modules of lower floors that it must not know, although they are below it.
    var never: Set<String> = []
    /// The C shims that it may import; they are for the modules that wrap them.
    var shims: Set<String> = []
    /// Modules of other packages.
    var packages: Set<String> = []

    var testDescription: String { name }
}

enum Floors {
    /// C: the public headers, system libraries behind typed shims, Linux calls that Glibc's overlay lacks.
    static let shims: Set<String> = ["CGatehouse", "CCurl", "CPCRE2", "CYAML", "CCrypto", "CSQLite", "CLinux"]

    static let modules: [Module] = [
        // 1: values. No I/O.
        Module(name: "Core", floor: 1),
        Module(name: "Patterns", floor: 1, shims: ["CPCRE2"]),
        Module(name: "Digests", floor: 1, shims: ["CCrypto"]),
        Module(name: "Wire", floor: 1, besides: ["Core"]),
        Module(name: "JSONSchema", floor: 1, besides: ["Core", "Patterns"]),

        // 2: what the operator and the request say, and what to do about it. Pure.
        Module(name: "Config", floor: 2, shims: ["CYAML"]),
        Module(name: "Routing", floor: 2, never: ["Wire"]),
        Module(name: "Accounting", floor: 2),
        Module(name: "Identity", floor: 2, never: ["Wire"]),
        Module(name: "Prompts", floor: 2, never: ["Wire"]),

        // 3: the outside world, each room for itself.
        Module(
            name: "HTTPServer", floor: 3, never: ["Wire", "Config", "Routing"], shims: ["CLinux"],
            packages: ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL"]),
        Module(
            name: "Upstream", floor: 3, never: ["Wire", "Config", "Routing"], shims: ["CCurl", "CLinux"],
            packages: ["NIOCore", "NIOPosix"]),
        Module(name: "PluginHost", floor: 3, never: ["Config", "Routing"], shims: ["CGatehouse"]),
        Module(name: "Cache", floor: 3, never: ["Wire", "Config", "Routing"]),
        Module(name: "Store", floor: 3, never: ["Wire", "Config", "Routing"], shims: ["CSQLite"]),
        Module(name: "Vault", floor: 3, never: ["Wire", "Config", "Routing"], shims: ["CCrypto"]),
        Module(name: "Telemetry", floor: 3, never: ["Wire", "Config", "Routing"], packages: ["Logging"]),

        // 4: the data path.
        Module(
            name: "Gateway", floor: 4, shims: ["CLinux"], packages: ["NIOCore", "NIOPosix", "NIOSSL", "Logging"]),

        // 5: the control plane.
        Module(
            name: "Admin", floor: 5, never: ["HTTPServer", "Upstream", "PluginHost", "Telemetry"], packages: ["Logging"]
        ),

        // 5: plugins tried out without a gateway.
        Module(name: "Workbench", floor: 5, besides: ["Core", "Wire", "PluginHost"]),

        // 6: arguments and signals.
        Module(
            name: "gatehouse", floor: 6, never: ["HTTPServer", "Upstream", "Wire"], shims: ["CLinux"],
            packages: ["ArgumentParser", "Logging"]),
    ]

    /// Beside the floors: what plugin authors import. Nothing on the floors may import it.
    static let sdk = Module(name: "PluginSDK", floor: 0, shims: ["CGatehouse"])

    /// Plugins are self-contained: the SDK and the headers, and for signatures the system's libcrypto.
    static let pluginImports: Set<String> = ["PluginSDK", "CGatehouse", "CCrypto"]

    /// Parts of the system, for everyone. Foundation is not among them: it would be most of the binary's size.
    static let system: Set<String> = ["Glibc", "Musl", "Synchronization"]

    /// Directories in Sources that are no Swift modules.
    static let others: Set<String> = ["Distribution"]

    static func module(named name: String) -> Module? {
        name == sdk.name ? sdk : modules.first { $0.name == name }
    }

    /// Whether the table lets a module import another.
    static func allows(_ module: Module, toImport name: String) -> Bool {
        if system.contains(name) || module.packages.contains(name) || module.shims.contains(name) { return true }
        guard let other = modules.first(where: { $0.name == name }), module.name != sdk.name else { return false }
        return module.besides.contains(name) || (other.floor < module.floor && !module.never.contains(name))
    }
}
