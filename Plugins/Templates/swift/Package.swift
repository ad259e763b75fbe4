// swift-tools-version: 6.2
import PackageDescription

/// Where Gatehouse is installed.
let gatehouse = Context.environment["GATEHOUSE"] ?? "/usr/local"
let sdk = gatehouse + "/share/gatehouse/sdk"

let package = Package(
    name: "mask-digits",
    products: [.library(name: "MaskDigits", type: .dynamic, targets: ["MaskDigits"])],
    dependencies: [.package(name: "gatehouse-sdk", path: sdk)],
    targets: [
        .target(
            name: "MaskDigits", dependencies: [.product(name: "PluginSDK", package: "gatehouse-sdk")],
            // One exported symbol, and the Swift runtime of the gateway instead of this machine's toolchain.
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "--version-script=\(sdk)/Sources/PluginSDK/plugin.map",
                    "-no-toolchain-stdlib-rpath", "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../swift",
                ])
            ])
    ],
    swiftLanguageModes: [.v6]
)
