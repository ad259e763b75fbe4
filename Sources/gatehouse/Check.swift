import ArgumentParser
import Config
import Core
import Gateway
import PluginHost

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration file and the plugins that it names, without starting anything.",
        discussion: "Prints every fault with its place and ends with status 1 if there is one.")

    @Argument(help: "The configuration file (YAML or JSON).")
    var file: String

    func run() async throws {
        let loaded: LoadedConfig
        do throws(ConfigFailure) {
            loaded = try ConfigReader(path: file, listen: nil, allowPublicWithoutKeys: false).load()
        } catch {
            for line in error.warnings { print("warning: \(line)") }
            for line in error.errors { print("error: \(line)") }
            throw ExitCode(1)
        }
        for line in loaded.warnings { print("warning: \(line)") }
        let report = await Gateway.check(loaded.snapshot)
        for refusal in report.refusals { print("warning: \(refusal.file): \(refusal.reason)") }
        for problem in report.problems { print("error: \(file): \(problem)") }
        guard report.problems.isEmpty else { throw ExitCode(1) }
        print(
            "\(file) is valid: \(loaded.snapshot.configs.count) configs, \(loaded.snapshot.providers.count) providers, \(loaded.snapshot.keys.count) keys, \(report.plugins) plugins"
        )
    }
}

struct PrintSchema: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of the configuration file, for editors.")

    @Flag(help: "Print the reference of all keys as Markdown instead.")
    var reference = false

    func run() { print(reference ? Catalogue.reference() : Catalogue.schema().prettyText) }
}
