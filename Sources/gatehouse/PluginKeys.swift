import ArgumentParser
import Config
import Gateway
import PluginHost

extension Plugin {
    struct Keygen: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key to sign plugins with.",
            discussion: """
                Writes an Ed25519 private key (PEM, PKCS #8) to a new file that only you can read, and prints the public key for \
                plugins.trusted_keys.
                """)

        @Argument(help: "The file for the private key. It must not exist.")
        var file: String

        func run() throws {
            do throws(FileRefusal) {
                let key = try PluginSigning.makeKey(file)
                print("key id:     \(key.id)")
                print("public key: \(key.publicKey)")
            } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
        }
    }

    struct Sign: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign plugins: write plugin.sig beside the manifest.",
            discussion:
                "Signs plugin.json, the libraries that it names and the descriptions of providers beside it, as they are now."
        )

        @Option(name: .shortAndLong, help: "The file with the private key, as keygen writes it.")
        var key: String

        @Argument(help: "The directories that hold plugin.json.")
        var directories: [String]

        func run() throws {
            for directory in directories {
                do throws(FileRefusal) {
                    let id = try PluginSigning.sign(directory, keyFile: key)
                    print("\(directory): signed with the key \(id)")
                } catch {
                    Output.error(error.message)
                    throw ExitCode(1)
                }
            }
        }
    }

    struct Enable: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget that the gateway died in a plugin, so that it is loaded again.",
            discussion:
                "For plugins that plugins.after_crash disabled. A running gateway takes note at its next reload.")

        @Argument(help: "The plugin's id.")
        var id: String

        @Option(name: .shortAndLong, help: "The configuration file, which says where the state directory is.")
        var config: String?

        func run() throws {
            let loaded = try ConfigReader(path: config, listen: nil, allowPublicWithoutKeys: false).load()
            let wasKnown: Bool
            do throws(FileRefusal) {
                wasKnown = try CrashRecords.forget(id, in: PluginLoader.Settings(loaded.snapshot).stateDirectory)
            } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
            guard wasKnown else {
                Output.error("no crash of a plugin \(id) is on record")
                throw ExitCode(1)
            }
            print("\(id) may be loaded again")
        }
    }
}
