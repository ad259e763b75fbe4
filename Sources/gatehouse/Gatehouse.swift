// The gatehouse command: arguments, signals, and nothing else.

import ArgumentParser
import PluginHost

@main
struct Gatehouse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gatehouse",
        abstract: "An AI gateway: one address for all LLM providers, with routing, guardrails and caching.",
        discussion: """
            Start it with a configuration file, then point the OpenAI, Anthropic or Portkey SDK at http://127.0.0.1:8787/v1 \
            (Anthropic: without /v1).

              gatehouse serve --config gatehouse.yaml
              gatehouse check gatehouse.yaml
            """,
        version: "gatehouse \(HostVersion.text) (plugin ABI \(HostVersion.abi))",
        subcommands: [
            Serve.self, Check.self, PrintSchema.self, Plugin.self, Models.self, Logs.self, Explain.self,
            StoreCommand.self, AdminCommand.self, AuditCommand.self, Version.self,
        ])
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the versions of the gateway and of its plugin ABI.")

    func run() { print(Gatehouse.configuration.version) }
}
