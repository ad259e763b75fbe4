// A guardrail in Swift: masks digits, so that no number leaves the house.

public import CGatehouse
import PluginSDK

struct MaskDigits: Guardrail {
    static let id = "digits"
    private let mask: String

    init(config: JSON, host: Host) {
        mask = config["mask"]?.string ?? "#"
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
        for segment in exchange.texts(.request) where !segment.isReadOnly {
            for (place, byte) in segment.text.bytes.enumerated() where (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte {
                try exchange.edit(segment, place..<place + 1, with: mask)
            }
        }
        return .proceed
    }
}

private let plugin = Plugin(id: "mask-digits", version: "1.0.0", checks: [MaskDigits.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
