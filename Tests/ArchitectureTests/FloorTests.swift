// The floors hold: every import in the sources is one that the table allows.

import Testing

@Suite struct FloorTests {
    @Test func everyModuleHasAFloor() throws {
        let found = Set(try Repository.directories(in: "Sources"))
        let known = Set(Floors.modules.map(\.name)).union(Floors.shims).union(Floors.others).union([Floors.sdk.name])
        // CGatehouse's directory is include/.
        #expect(found == known.subtracting(["CGatehouse"]))
    }

    @Test(arguments: Floors.modules + [Floors.sdk])
    func importsOnlyWhatTheTableAllows(_ module: Module) throws {
        let imports = try Import.all(below: "Sources/\(module.name)")
        #expect(!imports.isEmpty || module.floor == 1)
        for line in imports {
            #expect(Floors.allows(module, toImport: line.module), "\(line), which floor \(module.floor) does not allow")
        }
    }

    @Test func pluginsImportTheSDKOnly() throws {
        let allowed = Floors.pluginImports.union(Floors.system)
        for plugin in try Repository.directories(in: "Plugins") where plugin != "Templates" {
            for line in try Import.all(below: "Plugins/\(plugin)") {
                #expect(allowed.contains(line.module), "\(line): a plugin has the SDK and nothing else of this package")
            }
        }
    }

    @Test func shimsImportNothing() throws {
        for shim in Floors.shims where shim != "CGatehouse" {
            #expect(try Repository.swiftFiles(below: "Sources/\(shim)").isEmpty, "\(shim) is C")
        }
    }

    @Test(arguments: [
        ("import Core", "Core"), ("    import Glibc", "Glibc"), ("package import struct Core.Bytes", "Core"),
        ("@preconcurrency public import NIOCore", "NIOCore"), ("@_exported import Foundation", "Foundation"),
        ("import Foundation; import Core", "Foundation"), ("// import Foundation", nil), ("let important = 1", nil),
    ])
    func readsImportLines(_ line: String, _ module: String?) {
        #expect(Import.module(in: line[...]) == module)
    }

    @Test(arguments: [
        ("Core", "Foundation"), ("Wire", "Config"), ("Patterns", "Core"), ("Config", "Routing"), ("Routing", "CCurl"),
        ("HTTPServer", "Upstream"), ("Telemetry", "Cache"), ("Upstream", "PluginHost"), ("Gateway", "gatehouse"),
        ("Gateway", "PluginSDK"), ("Gateway", "FoundationEssentials"), ("PluginSDK", "Core"), ("gatehouse", "CCurl"),
    ])
    func refusesWhatWouldBendTheFloors(_ name: String, _ other: String) throws {
        let module = try #require(Floors.module(named: name))
        #expect(!Floors.allows(module, toImport: other))
    }
}
