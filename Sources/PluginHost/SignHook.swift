// SignHook: gh.auth/1, the last step before a request goes out. It runs like a hook: on the loop, or on the pool where there is much to
// hash; it may pend while it fetches a token.

import CGatehouse
import Core

extension PluginLibrary {
    /// It has the table of gh.auth/1.
    package var canSign: Bool { auth != nil }
}

/// A request while it is being signed: one thread at a time has it, the loop or a pool's.
package struct Signing: @unchecked Sendable {
    package let out: OutgoingRequest

    package init(_ out: OutgoingRequest) { self.out = out }
}

extension HookCall {
    static func sign(_ signing: Signing, _ exchange: HookExchange) -> Result {
        guard let sign = exchange.instance.library.auth?.pointee.sign else {
            return .decided(Decision(verdict: .fail("the plugin has no sign function")))
        }
        // A signer that pends uses the request until it completes, however long the host has stopped waiting by then.
        exchange.signing = signing
        let running = CrashMarker.begin(.sign, of: exchange.instance.library.mark)
        defer { running.end() }
        var decision = gh_decision()
        decision.struct_size = structSize(gh_decision.self)
        return result(
            sign(exchange.instance.pointer, exchange.pointer, signing.out.pointer, &decision), decision, exchange)
    }
}
