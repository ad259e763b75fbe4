// What the built files link: the libraries that we chose, and not the 60 MB of Foundation with its Unicode tables.

import Core
import Foundation
import PluginHost
import Testing

@Suite struct LinkageTests {
    /// Where this test's executable was built, beside the others.
    private static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

    private func needed(_ file: String) throws -> [String]? {
        let url = Self.products.appending(path: file)
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        return try ELFImage(Bytes([UInt8](Data(contentsOf: url)))).dynamicSection().needed
    }

    /// A library's name without version: "libcurl.so".
    private func name(_ library: String) -> String {
        library.range(of: ".so").map { String(library[..<$0.upperBound]) } ?? library
    }

    private static let runtime: Set<String> = [
        "libswiftCore.so", "libswift_Concurrency.so", "libswift_StringProcessing.so", "libswift_RegexParser.so",
        "libswift_Builtin_float.so", "libswiftSynchronization.so", "libswiftGlibc.so", "libswiftSwiftOnoneSupport.so",
        "libswiftDispatch.so", "libdispatch.so", "libBlocksRuntime.so",
    ]
    private static let system: Set<String> = [
        "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libgcc_s.so", "libstdc++.so",
        "ld-linux-x86-64.so", "ld-linux-aarch64.so",
    ]

    @Test func theExecutableLinksWhatWeChose() throws {
        let libraries = try #require(try needed("gatehouse"), "gatehouse was not built beside the tests")
        // FoundationEssentials comes with ArgumentParser; its big sisters must not.
        let chosen: Set<String> = [
            "libcurl.so", "libpcre2-8.so", "libyaml-0.so", "libcrypto.so", "libsqlite3.so",
            "libFoundationEssentials.so",
        ]
        let unexpected = Set(libraries.map(name)).subtracting(Self.runtime).subtracting(Self.system).subtracting(chosen)
        #expect(unexpected.isEmpty)
    }

    @Test(arguments: [
        "libOpenAI.so", "libAnthropic.so", "libMock.so", "libDefaultChecks.so", "libOutageAnswer.so",
        "libJSONSchemaGuard.so", "libRegex.so", "libSize.so", "libCode.so", "libModelRules.so", "libRequestRules.so",
    ])
    func aPluginLinksTheSwiftRuntimeAlone(_ plugin: String) throws {
        let libraries = try #require(try needed(plugin), "\(plugin) was not built beside the tests")
        #expect(Set(libraries.map(name)).subtracting(Self.runtime).subtracting(Self.system).isEmpty)
    }
}
