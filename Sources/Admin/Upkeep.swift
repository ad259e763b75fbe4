// Upkeep: what the command line does with the control plane's own state: the audit log is verified, the master key is changed.

package import Core
import Gateway
import Store
import Vault

#if canImport(Glibc)
    import Glibc
#endif

/// A head of the audit log that was written down.
package struct AuditAnchor: Sendable {
    let head: AuditHead

    package init?(_ text: String) {
        guard let head = AuditHead(text) else { return nil }
        self.head = head
    }
}

extension ControlDesk {
    package func verifyAudit(_ anchor: AuditAnchor?) throws(GatewayError) -> (rows: Int, fault: String?, head: String) {
        try read { store throws(StoreError) in
            let found = try store.verifyAudit(anchor: anchor?.head)
            return (found.rows, found.fault, try store.auditHead().description)
        }
    }

    /// The data key under the master key of a file, which is made where there is none.
    package func rekey(file: String) throws(ControlError) {
        let wrapped: [UInt8]
        do throws(VaultError) {
            let master = access(file, F_OK) == 0 ? try MasterKey.read(file: file) : try MasterKey.make(file: file)
            wrapped = try vault.wrap(with: master)
        } catch {
            throw ControlError(error.message)
        }
        do throws(StoreError) {
            try store.transaction { () throws(StoreError) in
                let now = WallClock.now()
                try store.putWrappedKey(wrapped, at: now)
                try store.record(
                    AuditEntry(
                        at: now, workspace: "", actor: "command-line", actorName: "command line",
                        action: "master_key.update", object: "vault", detail: JSONObject()))
            }
        } catch {
            throw ControlError(error.message)
        }
    }
}
