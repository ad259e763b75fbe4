// What the tests of this folder share: loading a text as if it were a file.

import Config
import Core

let noEnvironment: @Sendable (String) -> String? = { _ in nil }

func load(
    _ text: String, file: String = "test.yaml", environment: [String: String] = [:]
) throws(ConfigFailure) -> LoadedConfig {
    try ConfigLoader(environment: { environment[$0] }).load(Bytes(text), file: file)
}

func snapshot(_ text: String, environment: [String: String] = [:]) throws(ConfigFailure) -> ConfigSnapshot {
    try load(text, environment: environment).snapshot
}

/// The errors as printed; none when the text loads.
func errors(_ text: String, file: String = "test.yaml", environment: [String: String] = [:]) -> [String] {
    do throws(ConfigFailure) {
        _ = try load(text, file: file, environment: environment)
        return []
    } catch {
        return error.errors.map(\.description)
    }
}

func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }
