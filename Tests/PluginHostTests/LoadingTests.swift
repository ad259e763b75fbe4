// Loading a plugin directory: everything that is refused, and in which words.

import CGatehouse
import Core
import Glibc
import Testing

@testable import PluginHost

@Suite struct LoadingTests {
    private let recorder = Recorder()
    private let state = Workshop.folder()

    private func load(_ folder: PluginFolder, _ change: (inout PluginLoader.Settings) -> Void = { _ in })
        throws(PluginRefusal) -> PluginLibrary?
    {
        var settings = PluginLoader.Settings(stateDirectory: state)
        change(&settings)
        return try PluginLoader(settings, services: recorder.services).load(folder.path)
    }

    private func refusal(_ folder: PluginFolder, _ change: (inout PluginLoader.Settings) -> Void = { _ in })
        -> PluginRefusal?
    {
        do throws(PluginRefusal) {
            _ = try load(folder, change)
            return nil
        } catch {
            return error
        }
    }

    private func expect(
        _ folder: PluginFolder, refusedFor reason: String, at file: String,
        _ change: (inout PluginLoader.Settings) -> Void = { _ in },
        _ location: SourceLocation = #_sourceLocation
    ) {
        let found = refusal(folder, change)
        #expect(found?.reason == reason, sourceLocation: location)
        #expect(found?.file == file, sourceLocation: location)
    }

    @Test func aSoundPluginIsLoaded() throws {
        let folder = try PluginFolder("refusals")
        let library = try #require(try load(folder))
        #expect(library.manifest.id == "refusals")
        #expect(library.directory == folder.path)
        #expect(library.sha256.utf8.count == 64)
        #expect(library.hooks != nil)
        #expect(library.provider == nil)
    }

    @Test func aDisabledPluginIsLeftAlone() throws {
        #expect(try load(try PluginFolder("refusals")) { $0.disabled = ["refusals"] } == nil)
    }

    // MARK: The library

    struct Fault: Sendable, CustomTestStringConvertible {
        var define: String
        var reason: String
        var testDescription: String { define }
    }

    @Test(arguments: [
        Fault(define: "NO_ENTRY", reason: "does not export gh_plugin_entry_v1"),
        Fault(define: "OTHER_MAJOR", reason: "does not export gh_plugin_entry_v1"),
        Fault(define: "ENTRY_NULL", reason: "its entry function returned NULL"),
        Fault(define: "STRUCT_SIZE=0", reason: "its descriptor has struct_size 0; expected at least 72"),
        Fault(define: "STRUCT_SIZE=64", reason: "its descriptor has struct_size 64; expected at least 72"),
        Fault(define: "MIN_HOST_MINOR=1", reason: "refusals needs ABI 1.1; this host speaks 1.0"),
        Fault(
            define: "FLAGS=1",
            reason: "was compiled with draft 1 of the ABI's headers; this host has the released 1.0: build it again"),
        Fault(define: "ID=\"other\"", reason: "says that its id is \"other\"; plugin.json says \"refusals\""),
        Fault(define: "VERSION=\"1.0.1\"", reason: "says that its version is \"1.0.1\"; plugin.json says \"1.0.0\""),
        Fault(define: "NO_CREATE", reason: "its descriptor lacks create, destroy or query"),
        Fault(define: "NO_TABLE", reason: "plugin.json promises gh.hooks/1, but query(\"gh.hooks/1\") returned NULL"),
        Fault(define: "HOOKS_SIZE=16", reason: "its table gh.hooks/1 has struct_size 16; expected at least 56"),
        Fault(
            define: "NO_HOOK",
            reason: "plugin.json promises on_request for the check check, but the table gh.hooks/1 has none"),
    ])
    func aFaultyLibraryIsRefused(_ fault: Fault) throws {
        let folder = try PluginFolder("refusals", [fault.define])
        expect(folder, refusedFor: fault.reason, at: folder.library)
    }

    @Test func whatTheEntrySaysIsLogged() throws {
        #expect(refusal(try PluginFolder("refusals", ["ENTRY_NULL"])) != nil)
        #expect(
            recorder.lines == [
                Recorder.Line(level: .error, plugin: "refusals", message: "this host will not do", fields: [])
            ])
    }

    @Test func aMissingSymbolIsAnErrorAtOnce() throws {
        let folder = try PluginFolder("refusals", ["UNDEFINED"])
        let found = try #require(refusal(folder))
        #expect(found.reason.hasPrefix("cannot be loaded: "))
        #expect(found.reason.hasSuffix("undefined symbol: gh_nobody_defines_this"))
        #expect(found.file == folder.library)
    }

    @Test func aLargerDescriptorOfALaterMinorIsAccepted() throws {
        #expect(
            try load(
                try PluginFolder("refusals", ["STRUCT_SIZE=sizeof(gh_plugin)+64", "HOOKS_SIZE=sizeof(gh_hooks)+8"]))
                != nil)
    }

    @Test func aMissingLibraryIsNamed() throws {
        let folder = try PluginFolder("refusals")
        unlink(folder.library)
        expect(folder, refusedFor: "cannot be opened: No such file or directory", at: folder.library)
    }

    // MARK: The library's file

    private func patched(_ change: (inout [UInt8]) -> Void) throws -> PluginFolder {
        let folder = try PluginFolder("refusals")
        var bytes = try Workshop.compile("refusals/refusals.c")
        change(&bytes)
        try Workshop.write(bytes, to: folder.library)
        return folder
    }

    @Test func whatIsNoLibraryOfThisMachineIsRefused() throws {
        let text = try patched { $0 = Array("#!/bin/sh\nexit 0\n".utf8) + [UInt8](repeating: 0x20, count: 100) }
        expect(text, refusedFor: "is not an ELF file", at: text.library)
        let empty = try patched { $0 = [] }
        expect(empty, refusedFor: "is not an ELF file", at: empty.library)
        // e_machine, at 18.
        let arm = try patched { $0[18] = 183 }
        let host = ELFImage.name(ELFImage.hostMachine)
        if ELFImage.hostMachine == 62 {
            expect(arm, refusedFor: "is for aarch64; this host is x86-64", at: arm.library)
        }
        let unheardOf = try patched { ($0[18], $0[19]) = (0x39, 0x30) }
        expect(unheardOf, refusedFor: "is for machine 12345; this host is \(host)", at: unheardOf.library)
        // e_type, at 16: an executable at a fixed address.
        let executable = try patched { $0[16] = 2 }
        expect(executable, refusedFor: "is an ELF file, but no shared library", at: executable.library)
        let narrow = try patched { $0[4] = 1 }
        expect(narrow, refusedFor: "is not a 64-bit little-endian ELF file", at: narrow.library)
        let bigEndian = try patched { $0[5] = 2 }
        expect(bigEndian, refusedFor: "is not a 64-bit little-endian ELF file", at: bigEndian.library)
    }

    @Test func aTruncatedLibraryIsRefusedWhereverItEnds() throws {
        let whole = try Workshop.compile("refusals/refusals.c")
        let inHeader = try patched { $0.removeLast($0.count - 40) }
        expect(
            inHeader, refusedFor: "is a truncated ELF file: it ends at byte 40, within its header", at: inHeader.library
        )
        let inTable = try patched { $0.removeLast($0.count - 100) }
        expect(
            inTable, refusedFor: "is a truncated ELF file: its program headers lie beyond its end", at: inTable.library)
        // The end of the last segment that is mapped from the file.
        let image = try #require(try? ELFImage(Bytes(whole)))
        #expect(image.isSharedObject)
        let half = try patched { $0.removeLast($0.count / 2) }
        let reason = try #require(refusal(half)?.reason)
        #expect(
            reason.hasPrefix(
                "is a truncated ELF file: it ends at byte \(whole.count - whole.count / 2), a segment at byte "))
    }

    @Test func noDamageToALibrarysHeadersCrashesTheReader() throws {
        var random = Xoshiro256(seed: 7)
        let whole = try Workshop.compile("refusals/refusals.c")
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let end = Bool.random(using: &random) ? 64 : min(bytes.count, 4096)
                bytes[Int.random(in: 0..<end, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            guard let image = try? ELFImage(Bytes(bytes)) else { continue }
            _ = try? image.dynamicSection()
            _ = try? image.exportedSymbols()
        }
    }

    @Test func theReaderFindsExportsAndLibraries() throws {
        let image = try ELFImage(Bytes(try Workshop.compile("behaviours/behaviours.c")))
        #expect(try image.exportedSymbols().filter { !$0.hasPrefix("_") } == ["gh_plugin_entry_v1"])
        let dynamic = try image.dynamicSection()
        #expect(dynamic.needed.contains { $0.hasPrefix("libc.so") })
        #expect(dynamic.runPaths.isEmpty)
        #expect(!dynamic.hasTextRelocations)
        #expect(!image.hasExecutableStack)
    }

    // MARK: Who may write

    @Test func whatOthersCanChangeIsRefused() throws {
        let tail = ", so that others can change it; expected no write permission for group and others"
        let library = try PluginFolder("refusals")
        chmod(library.library, 0o666)
        expect(library, refusedFor: "has mode 0666" + tail, at: library.library)
        let group = try PluginFolder("refusals")
        chmod(group.library, 0o664)
        expect(group, refusedFor: "has mode 0664" + tail, at: group.library)
        let manifest = try PluginFolder("refusals")
        chmod(manifest.manifestFile, 0o646)
        expect(manifest, refusedFor: "has mode 0646" + tail, at: manifest.manifestFile)
        let directory = try PluginFolder("refusals")
        chmod(directory.path, 0o777)
        expect(directory, refusedFor: "has mode 0777" + tail, at: directory.manifestFile)
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
    func whatBelongsToSomebodyElseIsRefused() throws {
        let library = try PluginFolder("refusals")
        chown(library.library, 12345, 0)
        expect(library, refusedFor: "belongs to user 12345; expected root or user 0", at: library.library)
        let manifest = try PluginFolder("refusals")
        chown(manifest.manifestFile, 12345, 0)
        expect(manifest, refusedFor: "belongs to user 12345; expected root or user 0", at: manifest.manifestFile)
        let directory = try PluginFolder("refusals")
        chown(directory.path, 12345, 0)
        expect(directory, refusedFor: "belongs to user 12345; expected root or user 0", at: directory.manifestFile)
    }

    @Test func linksAreNotFollowed() throws {
        let folder = try PluginFolder("refusals")
        rename(folder.library, folder.path + "/elsewhere.so")
        symlink("elsewhere.so", folder.library)
        expect(folder, refusedFor: "cannot be opened: Too many levels of symbolic links", at: folder.library)
    }

    @Test func aPipeIsNotWaitedFor() throws {
        let folder = try PluginFolder("refusals")
        unlink(folder.library)
        mkdir(folder.library, 0o700)
        expect(folder, refusedFor: "is not a regular file", at: folder.library)
        rmdir(folder.library)
        mkfifo(folder.library, 0o600)
        expect(folder, refusedFor: "is not a regular file", at: folder.library)
    }

    @Test func theStateDirectoryMustBeThisUsersAlone() throws {
        let folder = try PluginFolder("refusals")
        mkdir(state + "/plugins", 0o700)
        chmod(state + "/plugins", 0o777)
        expect(
            folder,
            refusedFor:
                "cannot be copied: the state directory \(state)/plugins has mode 0777, so that others can change it; expected no write permission for group and others",
            at: folder.library)
    }

    // MARK: What is opened is what was checked

    @Test func aPinnedLibraryMustBeThatOne() throws {
        let folder = try PluginFolder("refusals")
        let digest = try #require(try load(folder)).sha256
        #expect(try load(folder) { $0.pins = ["refusals": digest.uppercased()] } != nil)
        let other = String(repeating: "0", count: 64)
        expect(folder, refusedFor: "its SHA-256 is \(digest); the configuration pins \(other)", at: folder.library) {
            $0.pins = ["refusals": other]
        }
    }

    @Test func aTamperedCopyIsRefused() throws {
        let folder = try PluginFolder("refusals")
        let digest = try #require(try load(folder)).sha256
        let copy = state + "/plugins/\(digest).so"
        unlink(copy)
        try Workshop.write(Array("something else".utf8), to: copy)
        let reason = try #require(refusal(folder)?.reason)
        #expect(reason.hasPrefix("its copy \(copy) has the SHA-256 "))
        #expect(reason.hasSuffix(", expected \(digest)"))
    }

    @Test func theCopyCannotBeWritten() throws {
        let folder = try PluginFolder("refusals")
        let digest = try #require(try load(folder)).sha256
        var info = stat()
        #expect(stat(state + "/plugins/\(digest).so", &info) == 0)
        #expect(info.st_mode & 0o777 == 0o500)
    }

    // MARK: The manifest's file

    @Test func aDirectoryWithoutAManifestIsRefused() throws {
        let folder = try PluginFolder("refusals")
        unlink(folder.manifestFile)
        expect(folder, refusedFor: "cannot be opened: No such file or directory", at: folder.manifestFile)
    }

    @Test func aMissingDirectoryIsRefused() throws {
        let folder = try PluginFolder("refusals")
        try Workshop.run(["rm", "-rf", folder.path])
        expect(folder, refusedFor: "cannot be examined: No such file or directory", at: folder.manifestFile)
    }

    @Test func aManifestThatIsNoJSONIsRefusedWithThePlace() throws {
        var folder = try PluginFolder("refusals")
        try folder.writeManifest("{\"manifest\": 1,}")
        expect(
            folder, refusedFor: "is not valid JSON: expected a member name in quotes (byte 15)", at: folder.manifestFile
        )
        try folder.writeManifest("{\"id\": \"a\", \"id\": \"b\"}")
        expect(folder, refusedFor: "is not valid JSON: duplicate member \"id\" (byte 13)", at: folder.manifestFile)
        try folder.writeManifest("")
        expect(
            folder, refusedFor: "is not valid JSON: expected a value, found the end of the text (byte 0)",
            at: folder.manifestFile)
        try folder.writeManifest("[]")
        expect(folder, refusedFor: "/: expected an object", at: folder.manifestFile)
    }

    @Test func anEndlessManifestIsNotRead() throws {
        let folder = try PluginFolder("refusals")
        truncate(folder.manifestFile, 2 << 20)
        expect(folder, refusedFor: "has 2097152 bytes; at most 1048576 are read", at: folder.manifestFile)
    }

    // MARK: The manifest's members

    struct Flaw: Sendable, CustomTestStringConvertible {
        var pointer: String
        /// nil takes the member out.
        var json: String?
        var reason: String
        var testDescription: String { "\(pointer) = \(json ?? "nothing")" }

        init(_ pointer: String, _ json: String?, _ reason: String) {
            self.pointer = pointer
            self.json = json
            self.reason = reason
        }
    }

    @Test(arguments: [
        Flaw("/manifest", nil, "/manifest: expected a whole number; it is missing"),
        Flaw("/manifest", "2", "/manifest: expected 1, found 2"),
        Flaw("/manifest", "\"1\"", "/manifest: expected a whole number, found a string"),
        Flaw("/id", nil, "/id: expected a text; it is missing"),
        Flaw("/id", "\"\"", "/id: expected a text, found a string"),
        Flaw("/id", "\"My Plugin\"", "/id: expected lower-case letters, digits, '-', '_' and '.', found \"My Plugin\""),
        Flaw("/id", "\"../x\"", "/id: expected lower-case letters, digits, '-', '_' and '.', found \"../x\""),
        Flaw("/version", nil, "/version: expected a text; it is missing"),
        Flaw("/version", "1", "/version: expected a text, found a number"),
        Flaw("/abi", nil, "/abi: expected an object; it is missing"),
        Flaw("/abi/major", nil, "/abi/major: expected a whole number; it is missing"),
        Flaw("/abi/major", "2", "refusals is for ABI 2.x; this host speaks 1.0"),
        Flaw("/abi/min_minor", "3", "refusals needs ABI 1.3; this host speaks 1.0"),
        Flaw("/abi/min_minor", "-1", "/abi/min_minor: expected a number from 0 to 1073741824, found -1"),
        Flaw("/abi/minor", "1", "/abi/minor: unknown member"),
        Flaw("/library", nil, "/library: expected an object; it is missing"),
        Flaw("/library", "{\"plan9-mips\": \"a.so\"}", "/library: there is no library for \(ManifestReader.platform)"),
        Flaw(
            "/library/\(ManifestReader.platform)", "\"../a.so\"",
            "/library/\(ManifestReader.platform): expected a file name beside plugin.json, found \"../a.so\""),
        Flaw(
            "/library/\(ManifestReader.platform)", "\"/lib/a.so\"",
            "/library/\(ManifestReader.platform): expected a file name beside plugin.json, found \"/lib/a.so\""),
        Flaw(
            "/library/\(ManifestReader.platform)", "\"..\"",
            "/library/\(ManifestReader.platform): expected a file name beside plugin.json, found \"..\""),
        Flaw("/colour", "\"red\"", "/colour: unknown member"),
        Flaw("/needs", "\"gh.http/1\"", "/needs: expected an array of texts, found a string"),
        Flaw("/needs", "[1]", "/needs: expected an array of texts, found a number in it"),
        Flaw(
            "/needs", "[\"gh.quantum/1\"]",
            "/needs: this host does not offer gh.quantum/1; it offers gh.gateway/1, gh.http/1, gh.metrics/1, gh.regex/1, gh.schema/1, gh.upstream/1"
        ),
        Flaw("/grants", "{\"egres\": []}", "/grants/egres: unknown member"),
        Flaw("/grants", "{\"egress\": \"all\"}", "/grants/egress: expected an array of texts, found a string"),
        Flaw(
            "/isolation", "\"process-only\"",
            "refusals must run in a process of its own, which this version of the gateway does not offer"),
        Flaw(
            "/runtime", "\"go\"",
            "refusals must run in a process of its own, which this version of the gateway does not offer"),
        Flaw(
            "/defaults", "{\"on_failure\": \"shut\"}",
            "/defaults/on_failure: expected open, closed or retry, found \"shut\""),
        Flaw("/defaults", "{\"on_timeout\": true}", "/defaults/on_timeout: expected a text, found a boolean"),
        Flaw("/defaults", "{\"timeout\": 1}", "/defaults/timeout: unknown member"),
        Flaw("/defaults", "{\"timeout_ms\": 1.5}", "/defaults/timeout_ms: expected a whole number, found a number"),
        Flaw("/checks", "[]", "/checks: expected an object, found an array"),
        Flaw("/checks/check", "null", "/checks/check: expected an object, found null"),
        Flaw("/checks/check/hooks", nil, "/checks/check/hooks: expected an object; it is missing"),
        Flaw("/checks/check/hook", "{}", "/checks/check/hook: unknown member"),
        Flaw(
            "/checks/check/hooks/on_reply", "{}",
            "/checks/check/hooks/on_reply: unknown hook; known are on_request, on_response, on_stream, on_error, on_done"
        ),
        Flaw(
            "/checks/check/hooks/on_request", "true",
            "/checks/check/hooks/on_request: expected an object, found a boolean"),
        Flaw(
            "/checks/check/hooks/on_request", "{\"blocking\": true}",
            "/checks/check/hooks/on_request/blocking: unknown member"),
        Flaw(
            "/checks/check/hooks/on_stream", "{\"window\": 1}", "/checks/check/hooks/on_stream/window: unknown member"),
        Flaw(
            "/checks/check/hooks/on_stream", "{\"mode\": \"half\"}",
            "/checks/check/hooks/on_stream/mode: expected off, observe, window, event, full, found \"half\""),
        Flaw(
            "/checks/check/hooks/on_stream", "{\"window_bytes\": \"1k\"}",
            "/checks/check/hooks/on_stream/window_bytes: expected a whole number, found a string"),
        Flaw("/checks/check/blocking", "1", "/checks/check/blocking: expected true or false, found a number"),
        Flaw(
            "/checks/check/segments", "[\"words\"]",
            "/checks/check/segments: unknown kind \"words\"; known are audio, file, image, other, reasoning, text, token_ids, tool_arguments, tool_result, tool_schema"
        ),
        Flaw("/checks/check/aliases", "{}", "/checks/check/aliases: expected an array of texts, found an object"),
        Flaw("/providers", "{\"p\": {}}", "/providers/p/endpoints: expected an object; it is missing"),
        Flaw(
            "/providers", "{\"p\": {\"endpoints\": {\"chat\": \"native\"}}}",
            "/providers/p/endpoints/chat: unknown endpoint; known are chat_completions, completions, embeddings, messages, models, proxy"
        ),
        Flaw(
            "/providers", "{\"p\": {\"endpoints\": {\"messages\": \"no\"}}}",
            "/providers/p/endpoints/messages: expected native or translate"),
    ])
    func aFlawInTheManifestIsNamedWithItsPlace(_ flaw: Flaw) throws {
        var folder = try PluginFolder("refusals")
        try folder.put(flaw.pointer, flaw.json)
        expect(folder, refusedFor: flaw.reason, at: folder.manifestFile)
        // No code has run: the library was not even read.
        #expect(recorder.lines.isEmpty)
    }

    @Test func anInvalidSchemaOfParametersIsRefused() throws {
        var folder = try PluginFolder("refusals")
        try folder.put("/checks/check/schema", "{\"type\": \"strin\"}")
        let reason = try #require(refusal(folder)?.reason)
        #expect(reason.hasPrefix("/checks/check/schema: not a valid JSON Schema: "))
        try folder.put("/checks/check/schema", "{\"$ref\": \"https://example.com/elsewhere.json\"}")
        #expect(refusal(folder)?.reason.hasPrefix("/checks/check/schema: not a valid JSON Schema: ") == true)
    }

    @Test func providersNeedTheirTable() throws {
        var folder = try PluginFolder("refusals")
        try folder.put("/providers", "{\"p\": {\"endpoints\": {\"messages\": \"native\"}}}")
        expect(
            folder, refusedFor: "plugin.json promises gh.provider/1, but query(\"gh.provider/1\") returned NULL",
            at: folder.library)
    }

    @Test func everyHookThatIsPromisedMustBeThere() throws {
        for (hook, needs) in [
            ("\"on_response\": {}", "on_response"), ("\"on_error\": {}", "on_error"), ("\"on_done\": {}", "on_done"),
            ("\"on_stream\": {}", "on_stream"), ("\"on_stream\": {\"mode\": \"full\"}", "on_stream"),
        ] {
            var folder = try PluginFolder("refusals")
            try folder.put("/checks/check/hooks", "{\(hook)}")
            expect(
                folder,
                refusedFor: "plugin.json promises \(needs) for the check check, but the table gh.hooks/1 has none",
                at: folder.library)
        }
        var folder = try PluginFolder("refusals")
        try folder.put("/checks/check/hooks", "{\"on_stream\": {\"mode\": \"off\"}}")
        #expect(refusal(folder) == nil)
    }
}
