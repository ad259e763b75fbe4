// FirstStart: the vault and the owner's key. The first start makes a master key in a file beside the store's, unless the configuration
// names one, and a key for the owner, which is shown once.

package import Config
import Core
import Digests
import Gateway
import Identity
package import Logging
import Store
package import Vault

#if canImport(Glibc)
    import Glibc
#endif

extension ControlDesk {
    /// Beside the store's file.
    package static func masterKeyFile(of path: String) -> String { path + ".master-key" }

    static func openVault(_ store: ControlStore, _ path: String, _ settings: ControlSettings, _ logger: Logger?)
        throws(ControlError) -> Vault
    {
        let wrapped = try tried { () throws(StoreError) in try store.wrappedKey() }
        let master = try master(path, settings, isFirst: wrapped == nil, logger)
        if let wrapped { return try open(wrapped, master) }
        let (vault, made) = try make(master)
        try tried { () throws(StoreError) in
            try store.transaction { () throws(StoreError) in
                // Two processes may have begun at once: the first one's key stays.
                guard try store.wrappedKey() == nil else { return }
                try store.putWrappedKey(made, at: WallClock.now())
            }
        }
        guard let kept = try tried({ () throws(StoreError) in try store.wrappedKey() }), kept != made else {
            return vault
        }
        return try open(kept, master)
    }

    private static func tried<Value>(_ body: () throws(StoreError) -> Value) throws(ControlError) -> Value {
        do throws(StoreError) { return try body() } catch { throw ControlError(error.message) }
    }

    private static func open(_ wrapped: [UInt8], _ master: KeyMaterial) throws(ControlError) -> Vault {
        do throws(VaultError) { return try Vault(wrapped: wrapped, master: master) } catch {
            throw ControlError("/control/master_key: \(error.message)")
        }
    }

    private static func make(_ master: KeyMaterial) throws(ControlError) -> (Vault, [UInt8]) {
        do throws(VaultError) { return try Vault.make(master: master) } catch { throw ControlError(error.message) }
    }

    /// Where the configuration says it is, or beside the store.
    package static func master(_ path: String, _ settings: ControlSettings, isFirst: Bool, _ logger: Logger?)
        throws(ControlError) -> KeyMaterial
    {
        do throws(VaultError) {
            switch settings.masterKey {
            case .text(let secret): return try MasterKey.read(text: secret.reveal())
            case .command(let command): return try MasterKey.run(command: command)
            case .besideStore:
                let file = masterKeyFile(of: path)
                guard isFirst, access(file, F_OK) != 0 else { return try MasterKey.read(file: file) }
                let key = try MasterKey.make(file: file)
                logger?.notice(
                    "a master key was made: stored credentials cannot be read without it; keep a copy, but not with copies of the store",
                    metadata: ["file": "\(file)"])
                return key
            }
        } catch {
            throw ControlError("/control/master_key: \(error.message)")
        }
    }

    /// The owner's key where one was made.
    func firstStart() throws(GatewayError) -> String? {
        let now = WallClock.now()
        return try read { store throws(StoreError) -> String? in
            guard try store.objects(Kind.workspace).isEmpty else { return nil }
            return try store.transaction { () throws(StoreError) -> String? in
                let system = "gatehouse"
                func record(_ action: String, _ object: String) throws(StoreError) {
                    try store.record(
                        AuditEntry(
                            at: now, workspace: "", actor: system, actorName: system, action: action, object: object,
                            detail: JSONObject()))
                }
                let slug = Directory.defaultWorkspace
                try store.insert(
                    StoredObject(
                        kind: Kind.workspace, id: slug, workspace: slug, slug: slug,
                        document: JSONObject([("name", "Default")]), at: now, by: system))
                try record("workspaces.create", "workspace/" + slug)
                let settings = surroundings.config().control
                let text = settings.ownerKey?.reveal() ?? KeyText.make()
                let id = Identifier.make()
                var document = JSONObject([("name", "owner"), ("type", "organisation-service")])
                document["scopes"] = .array(Scopes.all.sorted().map { .string($0) })
                document["creation_mode"] = "auto"
                document["lookup"] = .string(KeyText.lookup(text))
                try store.insert(
                    StoredObject(
                        kind: Kind.apiKey, id: id, workspace: "", slug: id, document: document, at: now, by: system))
                try store.insert(
                    StoredKey(
                        lookup: KeyText.lookup(text), key: id, workspace: "", code: keyCodes.authenticate(text)))
                try record("api_keys.create", "api-key/" + id)
                return settings.ownerKey == nil ? text : nil
            }
        }
    }
}
