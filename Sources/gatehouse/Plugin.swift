import ArgumentParser
import Config
import Core
import Gateway
import PluginHost
import Workbench

struct Plugin: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, begin, check, test and sign plugins.",
        subcommands: [
            List.self, NewPlugin.self, CheckPlugin.self, TestPlugin.self, Keygen.self, Sign.self, Enable.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "List the plugins that a configuration loads, with their checks and providers, and those it refuses.")

        @Option(name: .shortAndLong, help: "The configuration file; without it, the installed plugins.")
        var config: String?

        @Flag(name: .shortAndLong, help: "Also list checks and providers.")
        var verbose = false

        func run() async throws {
            let loaded = try ConfigReader(path: config, listen: nil, allowPublicWithoutKeys: false).load()
            let catalogue = await Gateway.catalogue(loaded.snapshot)
            let crashes = CrashRecords.read(PluginLoader.Settings(loaded.snapshot).stateDirectory)
            for library in catalogue.libraries {
                let manifest = library.manifest
                print("\(manifest.id) \(manifest.version)  \(manifest.name)")
                print("    \(library.directory), sha256 \(library.sha256)")
                print(
                    "    runtime \(manifest.runtime), status \(manifest.status), security posture \(manifest.securityPosture)"
                )
                print("    \(library.trust.text)")
                printGrants(manifest, loaded.snapshot.plugins.settings[manifest.id] ?? PluginSettings())
                for crash in crashes where crash.sha256 == library.sha256 {
                    print("    the gateway died \(crash.text)")
                }
                guard verbose else { continue }
                for check in manifest.checks {
                    let hooks = check.hooks.map(\.rawValue).sorted().joined(separator: ", ")
                    print("    check \(manifest.id).\(check.id)  \(check.title)  (\(hooks))")
                }
            }
            if verbose { print("providers: \(catalogue.providerSlugs.joined(separator: ", "))") }
            for refusal in catalogue.refusals { print("refused: \(refusal.file): \(refusal.reason)") }
            if !catalogue.refusals.isEmpty { throw ExitCode(1) }
        }

        private func printGrants(_ manifest: PluginManifest, _ granted: PluginSettings) {
            let rows = [
                ("egress", manifest.egress, granted.egress), ("secrets", manifest.secrets, granted.secrets),
                ("headers", manifest.headers ?? [], granted.headers),
            ]
            for (name, asked, granted) in rows where !asked.isEmpty || !granted.isEmpty {
                print("    \(name): \(names(asked)) asked for, \(names(granted)) granted")
            }
            if !manifest.readsText { print("    text: not asked for, withheld") }
            if manifest.readsText, !granted.text { print("    text: asked for, withheld") }
        }

        private func names(_ hosts: [String]) -> String { hosts.isEmpty ? "nothing" : hosts.joined(separator: ", ") }
    }

    struct NewPlugin: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new",
            abstract: "Begin a plugin: a directory that builds with one command and passes check and test.")

        @Option(help: "The language: c or swift.")
        var lang: PluginProject.Language

        @Argument(help: "The plugin's id: lower-case letters, digits and '-', a letter first.")
        var name: String

        @Option(help: "The directory to make. Default: the name.")
        var directory: String?

        @Option(help: "Where Gatehouse is installed. Default: where this command lies.")
        var prefix: String?

        func run() throws {
            do throws(WorkbenchError) {
                let place = directory ?? name
                try PluginProject(name: name, language: lang, prefix: prefix).write(to: place)
                print(
                    """
                    \(place) is a plugin. Next:
                        cd \(place)
                        \(lang.buildCommand)
                        gatehouse plugin check .
                        gatehouse plugin test .
                    """)
            } catch {
                throw ValidationError(error.message)
            }
        }
    }

    struct TestPlugin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "test",
            abstract: "Run a plugin's fixtures: requests, answers, and the same answers as streams cut at every place.",
            discussion: "Prints one line per fixture and ends with status 1 if one failed.")

        @Argument(help: "The directory that holds plugin.json and fixtures/.")
        var directory: String

        @Option(help: "The library, where it does not lie beside plugin.json.")
        var library: String?

        @Option(help: "Only fixtures whose name or place has this text in it.")
        var filter: String?

        @Flag(help: "Measure what each check costs instead.")
        var bench = false

        func run() async throws {
            do {
                let test = try PluginTest(directory, library: library)
                if bench {
                    for cost in try await test.costs() {
                        print(
                            "\(cost.check)  1 KB \(rounded(cost.microsecondsPerKilobyte)) us  32 KB \(rounded(cost.megabytesPerSecond)) MB/s"
                        )
                    }
                    return
                }
                var passed = 0
                var failed = 0
                try await test.run(filter: filter) { result in
                    print(
                        "\(result.problem == nil ? "ok  " : "FAIL") \(result.name)\(result.problem.map { ": " + $0 } ?? "")"
                    )
                    if result.problem == nil { passed += 1 } else { failed += 1 }
                }
                print("\(passed) passed, \(failed) failed")
                if failed > 0 { throw ExitCode(1) }
            } catch let error as WorkbenchError {
                throw ValidationError(error.message)
            }
        }

        private func rounded(_ value: Double) -> String { String((value * 10).rounded() / 10) }
    }

    struct CheckPlugin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract:
                "Check a plugin: its files, then its code: life, views, old hosts, odd texts, late calls, streams, threads.",
            discussion: "Each trial of its code runs in a process of its own. Prints one line per check and ends with "
                + "status 1 if one failed.")

        @Argument(help: "The directory that holds plugin.json.")
        var directory: String

        @Option(help: "The library, where it does not lie beside plugin.json.")
        var library: String?

        @Flag(help: "Run the trials in this process, for a debugger.")
        var inProcess = false

        @Option(help: .private)
        var trial: Int?

        func run() async throws {
            let checkup = PluginCheckup(directory, library: library)
            do {
                if let trial {
                    guard let problem = try await checkup.trial(trial) else { return }
                    print(problem)
                    throw ExitCode(1)
                }
                var passed = 0
                var failed = 0
                try await checkup.run(inProcess: inProcess) { result in
                    print(
                        "\(result.problem == nil ? "ok  " : "FAIL") \(result.name)\(result.problem.map { ": " + $0 } ?? "")"
                    )
                    if result.problem == nil { passed += 1 } else { failed += 1 }
                }
                print("\(passed) passed, \(failed) failed")
                if failed > 0 { throw ExitCode(1) }
            } catch let error as WorkbenchError {
                print(error.message)
                throw ExitCode(1)
            }
        }
    }
}

extension PluginProject.Language: ExpressibleByArgument {}
