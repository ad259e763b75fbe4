// swift-tools-version: 6.2
import PackageDescription

// The Swift SDK for Gatehouse plugins, as it is installed. A plugin's package depends on it by path.
let package = Package(
    name: "gatehouse-sdk",
    products: [.library(name: "PluginSDK", type: .static, targets: ["PluginSDK"])],
    targets: [
        .systemLibrary(name: "CGatehouse", path: "include"),
        .target(
            name: "PluginSDK", dependencies: ["CGatehouse"], exclude: ["plugin.map"],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
