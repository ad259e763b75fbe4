// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Modules stand on floors; a module imports only from lower ones (Tests/ArchitectureTests holds the table).

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func module(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], linker: [LinkerSetting] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict, linkerSettings: linker)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

/// A plugin is self-contained: it may use the SDK (Swift) or the headers (C), and nothing else of this package. The
/// version script leaves one exported symbol; the run path finds the Swift runtime where the host has it.
func plugin(_ name: String) -> Target {
    let extra = ["providers", "description.schema.json", "fixtures", "corpus"].filter {
        FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/Plugins/\(name)/\($0)")
    }
    // Signatures by the libcrypto that the gateway has loaded already; their manifests say so in "links".
    let system: [Target.Dependency] = ["JWT", "Webhook"].contains(name) ? ["CCrypto"] : []
    return .target(
        name: name, dependencies: ["PluginSDK"] + system, path: "Plugins/\(name)",
        exclude: ["plugin.json", "README.md"] + extra,
        sources: ["Sources"], swiftSettings: strict,
        linkerSettings: [
            .unsafeFlags([
                "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/PluginSDK/plugin.map",
                "-no-toolchain-stdlib-rpath", "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../swift",
            ])
        ])
}

let pluginNames = [
    "OpenAI", "Anthropic", "Mock", "DefaultChecks", "OutageAnswer",
    "JSONSchemaGuard", "Regex", "Size", "Code", "ModelRules", "RequestRules", "PII",
    "Profanity", "Competitors", "PromptInjection", "Language",
    "Judge", "JWT", "Webhook", "Log", "URLs",
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "gatehouse",
    products: [
        .executable(name: "gatehouse", targets: ["gatehouse"]),
        .library(name: "PluginSDK", targets: ["PluginSDK"]),
    ] + pluginNames.map { .library(name: $0, type: .dynamic, targets: [$0]) },
    dependencies: [
        // HTTP/1.1 parsing, sockets and event loops: the most used and best tested of their kind in Swift.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        // TLS on the listener, by the same authors; no system OpenSSL headers needed there.
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        // Command line: help texts, completion and errors that users of Swift tools know.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // The logging interface of the ecosystem: whoever embeds a module can bring another backend.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // Floor 0: C. The public headers, system libraries behind typed shims, and the Linux calls Glibc's overlay lacks.
        .systemLibrary(name: "CGatehouse", path: "include"),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        // libyaml gives events with positions, which errors need, and no Foundation, which Yams would bring.
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        // Digests, and Ed25519 signatures of plugins, from the libcrypto that libcurl has loaded already: a second
        // implementation of both would be one more to trust.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CLinux"),

        // Floor 1: values. No I/O, no Foundation.
        module("Core", []),
        module("Patterns", ["CPCRE2"]),
        module("Digests", ["CCrypto"]),
        module("Wire", ["Core"]),
        module("JSONSchema", ["Core", "Patterns"]),

        // Floor 2: what the operator and the request say, and what to do about it. Pure.
        module("Config", ["Core", "JSONSchema", "Digests", "CYAML"]),
        module("Routing", ["Core", "Patterns"]),
        module("Identity", ["Core", "Digests"]),
        module("Prompts", ["Core"]),
        module("Accounting", ["Core", "Wire"], exclude: ["make-prices.py", "prices.txt"]),

        // Floor 3: the outside world, each room for itself.
        module(
            "HTTPServer",
            [
                "Core", "CLinux", .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + nio),
        module("Upstream", ["Core", "CCurl", "CLinux"] + nio),
        module("PluginHost", ["Core", "Wire", "Patterns", "JSONSchema", "Digests", "CGatehouse"]),
        module("Cache", ["Core"]),
        module("Vault", ["Digests", "CCrypto"]),
        // SQLite by its C API: half the time of a wrapper's for a row, and no wrapper to build.
        module("Store", ["Core", "Digests", "CSQLite"]),
        module("Telemetry", ["Core", "Accounting", .product(name: "Logging", package: "swift-log")]),

        // Floor 4: the data path. Start at Sources/Gateway/Pipeline.swift.
        module(
            "Gateway",
            [
                "Core", "Wire", "Patterns", "JSONSchema", "Digests", "CLinux", "Config", "Routing", "Accounting",
                "Identity", "Prompts", "HTTPServer",
                "Upstream", "PluginHost", "Cache", "Store",
                "Telemetry", .product(name: "Logging", package: "swift-log"),
            ] + nio),

        // Floor 5: the control API, and what it manages.
        module(
            "Admin",
            [
                "Core", "Wire", "Digests", "Config", "Identity", "Prompts", "Routing", "Accounting", "Vault", "Store",
                "Gateway", .product(name: "Logging", package: "swift-log"),
            ]),
        // What plugin authors try their plugins on, without a gateway.
        module("Workbench", ["Core", "Wire", "PluginHost"]),

        // Floor 6: arguments and signals.
        .executableTarget(
            name: "gatehouse",
            dependencies: [
                "CLinux", "Core", "Digests", "Config", "Identity", "Accounting", "PluginHost", "Store", "Telemetry",
                "Vault", "Gateway", "Admin", "Workbench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict,
            // The Swift runtime lies beside an installed executable. Debug builds also find the toolchain's, so that
            // .build/debug/gatehouse starts by itself; release builds name no path of the machine that made them.
            linkerSettings: [
                .unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/gatehouse/swift"]),
                .unsafeFlags(["-no-toolchain-stdlib-rpath"], .when(configuration: .release)),
            ]),

        // Beside: what plugin authors import, and the plugins.
        .target(name: "PluginSDK", dependencies: ["CGatehouse"], exclude: ["plugin.map"], swiftSettings: strict),
    ] + pluginNames.map(plugin) + [
        tests("Core", ["Core"]),
        tests("Patterns", ["Patterns"]),
        tests("Digests", ["Digests"]),
        tests("JSONSchema", ["JSONSchema", "Core"], exclude: []),
        tests("Wire", ["Wire", "Core"]),
        tests("Routing", ["Routing", "Core"]),
        tests("Config", ["Config", "Core"]),
        tests("PluginSDK", ["PluginSDK"]),
        tests("Cache", ["Cache", "Core"]),
        tests("Store", ["Store", "Digests", "Core"]),
        tests("Identity", ["Identity", "Core"]),
        tests("Prompts", ["Prompts", "Core"]),
        tests("Vault", ["Vault", "Digests"]),
        tests("Accounting", ["Accounting", "Wire", "Core"]),
        tests("Telemetry", ["Telemetry", "Accounting", "Core"]),
        tests("Upstream", ["Upstream", "Core"] + nio),
        tests("PluginHost", ["PluginHost", "Core", "Wire", "Digests", "CGatehouse"]),
        tests("Architecture", ["PluginHost", "Core"]),
    ],
    swiftLanguageModes: [.v6]
)
