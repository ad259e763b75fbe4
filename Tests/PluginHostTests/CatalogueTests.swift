// All plugins of a gateway: names that clash, what a reload takes over, and generations side by side.

import CGatehouse
import Core
import Glibc
import Testing
import Wire

@testable import PluginHost

@Suite struct CatalogueTests {
    private let recorder = Recorder()
    private let state = Workshop.folder()
    private let plugins = Workshop.folder()

    private func load(_ previous: PluginCatalogue? = nil, _ change: (inout PluginLoader.Settings) -> Void = { _ in })
        -> PluginCatalogue
    {
        var settings = PluginLoader.Settings(stateDirectory: state)
        settings.directories = [plugins]
        change(&settings)
        return PluginCatalogue.load(settings, services: recorder.services, previous: previous)
    }

    private func refusals(_ catalogue: PluginCatalogue) -> [String] {
        catalogue.refusals.map { "\($0.file): \($0.reason)" }
    }

    /// What the hook of refusals.c denies with: 450 and its generation.
    private func status(of library: PluginLibrary) async throws -> Int? {
        let instance = try PluginInstance.create(
            library: library, interface: .hooks, id: "check", check: library.manifest.checks.first, config: [:],
            services: recorder.services)
        return await status(of: instance)
    }

    private func status(of instance: PluginInstance) async -> Int? {
        await TestLoop().run(.request, on: HookExchange(instance: instance, facts: .chat())).denialStatus
    }

    // MARK: Names

    @Test func checksAreFoundByNameAndAlias() throws {
        var folder = try PluginFolder("refusals", in: plugins)
        try folder.put("/checks/check/aliases", "[\"default.old\", \"shorthand\"]")
        let catalogue = load()
        #expect(refusals(catalogue) == [])
        #expect(catalogue.checkNames == ["default.old", "refusals.check", "shorthand"])
        #expect(catalogue.check("default.old")?.check.id == "check")
        #expect(catalogue.check("refusals.check") != nil)
        #expect(catalogue.check("check") == nil)
        #expect(catalogue.suggestion(for: "refusals.chekc") == "; did you mean refusals.check?")
        #expect(catalogue.suggestion(for: "check") == "; did you mean refusals.check?")
        #expect(catalogue.suggestion(for: "entirely.different") == "")
        #expect(catalogue.suggestion(for: "") == "")
    }

    @Test func aFolderWithoutAManifestIsRefusedAndAFileIsNot() throws {
        _ = try PluginFolder("refusals", in: plugins, named: "good")
        mkdir(plugins + "/empty", 0o755)
        symlink("/nowhere/at/all", plugins + "/gone")
        close(open(plugins + "/README.md", O_CREAT | O_WRONLY, 0o644))
        let catalogue = load()
        #expect(catalogue.libraries.map(\.manifest.id) == ["refusals"])
        #expect(
            refusals(catalogue) == [
                "\(plugins)/empty/plugin.json: cannot be opened: No such file or directory",
                "\(plugins)/gone/plugin.json: cannot be examined: No such file or directory",
            ])
    }

    @Test func namesOfChecksAreUnique() throws {
        var first = try PluginFolder("refusals", in: plugins, named: "a")
        try first.put("/checks/check/aliases", "[\"default.contains\"]")
        var second = try PluginFolder("refusals", ["ID=\"second\""], in: plugins, named: "b")
        try second.put("/id", "\"second\"")
        try second.put("/checks/check/aliases", "[\"default.contains\", \"default.other\"]")
        let catalogue = load()
        #expect(refusals(catalogue) == ["\(second.path): the check name default.contains is taken by refusals"])
        #expect(catalogue.check("default.contains")?.library.manifest.id == "refusals")
        #expect(catalogue.check("default.other")?.library.manifest.id == "second")
    }

    @Test func idsAreUnique() throws {
        let first = try PluginFolder("refusals", in: plugins, named: "a")
        let second = try PluginFolder("refusals", ["GENERATION=2"], in: plugins, named: "b")
        let catalogue = load()
        #expect(refusals(catalogue) == ["\(second.path): its id refusals is taken by \(first.path)"])
        #expect(catalogue.libraries.map(\.directory) == [first.path])
    }

    @Test func providersAreUniqueAmongPlugins() throws {
        var first = try PluginFolder("refusals", ["PROVIDER"], in: plugins, named: "a")
        try first.put("/providers", "{\"acme\": {\"endpoints\": {\"messages\": \"native\"}}}")
        var second = try PluginFolder("refusals", ["PROVIDER", "ID=\"second\""], in: plugins, named: "b")
        try second.put("/id", "\"second\"")
        try second.put("/providers", "{\"acme\": {\"endpoints\": {\"messages\": \"translate\"}}}")
        let catalogue = load()
        #expect(refusals(catalogue) == ["\(second.path): the provider acme is taken by refusals"])
        #expect(catalogue.provider("acme")?.library.manifest.id == "refusals")
        #expect(catalogue.provider("acme")?.support(for: .messages) == .native)
        #expect(catalogue.provider("acme")?.support(for: .embeddings) == nil)
        // A description is the operator's: it may say otherwise.
        let descriptions = Workshop.folder()
        try Workshop.write(
            Array("{\"id\": \"acme\", \"adapter\": \"second\", \"endpoints\": {\"embeddings\": \"native\"}}".utf8),
            to: descriptions + "/acme.json")
        let told = load { $0.providerDirectories = [descriptions] }
        #expect(told.provider("acme")?.library.manifest.id == "second")
    }

    @Test func providersOfDescriptionsNeedTheirAdapter() throws {
        let folder = try PluginFolder("refusals", in: plugins)
        let descriptions = Workshop.folder()
        let file = descriptions + "/acme.json"
        func refusal(_ text: String) throws -> [String] {
            try Workshop.write(Array(text.utf8), to: file)
            return refusals(load { $0.providerDirectories = [descriptions] })
        }
        #expect(try refusal("{}") == ["\(file): a provider description needs \"id\" and \"adapter\""])
        #expect(try refusal("{\"id\": \"acme\", \"adapter\": \"none\"}") == ["\(file): its adapter none is not loaded"])
        #expect(
            try refusal("{\"id\": \"acme\", \"adapter\": \"refusals\"}") == [
                "\(file): /endpoints: expected an object; it is missing"
            ])
        #expect(try refusal("{") == ["\(file): is not valid JSON: expected a member name in quotes (byte 1)"])
        chmod(file, 0o666)
        #expect(
            refusals(load { $0.providerDirectories = [descriptions] }).first?.hasPrefix("\(file): has mode 0666")
                == true)
        #expect(
            refusals(load { $0.providerDirectories = ["/nowhere"] }) == [
                "/nowhere: cannot be listed: No such file or directory"
            ])
        #expect(folder.parent == plugins)
    }

    @Test func oneFaultyPluginDoesNotKeepTheOthersOut() throws {
        let faulty = try PluginFolder("refusals", ["ENTRY_NULL"], in: plugins, named: "a")
        let sound = try PluginFolder("behaviours", in: plugins, named: "b")
        try Workshop.write([], to: plugins + "/README.md")
        mkdir(plugins + "/.hidden", 0o700)
        let catalogue = load()
        #expect(refusals(catalogue) == ["\(faulty.library): its entry function returned NULL"])
        #expect(catalogue.libraries.map(\.directory) == [sound.path])
        #expect(
            refusals(load { $0.directories = ["/nowhere"] }) == [
                "/nowhere: cannot be listed: No such file or directory"
            ])
    }

    // MARK: Reload

    @Test func anUnchangedLibraryIsTakenOver() async throws {
        _ = try PluginFolder("refusals", in: plugins)
        let first = load()
        let second = load(first)
        #expect(second.libraries.count == 1)
        #expect(second.libraries.first?.descriptor == first.libraries.first?.descriptor)
        #expect(recorder.lines.isEmpty)
    }

    @Test func aChangedManifestIsHeldAgainstTheSameLibrary() throws {
        var folder = try PluginFolder("refusals", in: plugins)
        let first = load()
        try folder.put("/checks/check/title", "\"New\"")
        #expect(load(first).libraries.first?.manifest.checks.first?.title == "New")
        try folder.put("/version", "\"2.0.0\"")
        #expect(
            refusals(load(first)) == [
                "\(folder.library): says that its version is \"1.0.0\"; plugin.json says \"2.0.0\""
            ])
        try folder.put("/version", "\"1.0.0\"")
        try folder.put("/checks/check/hooks/on_error", "{}")
        #expect(
            refusals(load(first)) == [
                "\(folder.library): plugin.json promises on_error for the check check, but the table gh.hooks/1 has none"
            ])
    }

    @Test func aChangedLibraryRunsBesideTheOld() async throws {
        let folder = try PluginFolder("refusals", in: plugins)
        let first = load()
        let old = try PluginInstance.create(
            library: try #require(first.libraries.first), interface: .hooks, id: "check",
            check: first.libraries.first?.manifest.checks.first,
            config: [:], services: recorder.services)
        #expect(await status(of: old) == 451)
        // As a package manager does it: a new file in the place of the old.
        try Workshop.write(try Workshop.compile("refusals/refusals.c", ["GENERATION=2"]), to: folder.library + ".new")
        rename(folder.library + ".new", folder.library)
        let second = load(first)
        let fresh = try #require(second.libraries.first)
        #expect(fresh.sha256 != first.libraries.first?.sha256)
        #expect(try await status(of: fresh) == 452)
        #expect(await status(of: old) == 451)
        // And back again.
        try Workshop.write(try Workshop.compile("refusals/refusals.c"), to: folder.library)
        #expect(try await status(of: try #require(load(second).libraries.first)) == 451)
        #expect(try await status(of: fresh) == 452)
    }

    @Test func overwritingTheFileOfALoadedLibraryDoesNothing() async throws {
        let folder = try PluginFolder("refusals", in: plugins)
        let catalogue = load()
        let library = try #require(catalogue.libraries.first)
        let instance = try PluginInstance.create(
            library: library, interface: .hooks, id: "check", check: library.manifest.checks.first, config: [:],
            services: recorder.services)
        let size = try Workshop.read(folder.library).count
        try Workshop.write([UInt8](repeating: 0xCC, count: size), to: folder.library)
        #expect(await status(of: instance) == 451)
        #expect(refusals(load(catalogue)) == ["\(folder.library): is not an ELF file"])
        #expect(await status(of: instance) == 451)
        unlink(folder.library)
        #expect(try await status(of: library) == 451)
    }

    @Test func manyReloadsKeepOneGenerationPerContent() async throws {
        let folder = try PluginFolder("refusals", in: plugins)
        var catalogue = load()
        var descriptors: Set<UnsafePointer<gh_plugin>> = []
        for generation in 0..<20 {
            try Workshop.write(
                try Workshop.compile("refusals/refusals.c", generation % 2 == 0 ? [] : ["GENERATION=2"]),
                to: folder.library)
            catalogue = load(catalogue)
            let library = try #require(catalogue.libraries.first)
            descriptors.insert(library.descriptor)
            #expect(try await status(of: library) == 451 + generation % 2)
        }
        #expect(descriptors.count == 2)
    }
}
