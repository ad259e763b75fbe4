// Type-checked, never run: what Swift must be able to say with the headers alone.
import CGatehouse

nonisolated(unsafe) private var hooks: gh_hooks = {
    var hooks = gh_hooks()
    hooks.struct_size = UInt32(MemoryLayout<gh_hooks>.size)
    hooks.on_request = { _, exchange, decision in
        decision?.pointee.http_status = 403
        return exchange == nil ? gh_verdict(GH_FAIL) : gh_verdict(GH_DENY)
    }
    return hooks
}()

nonisolated(unsafe) private var descriptor: gh_plugin = {
    var plugin = gh_plugin()
    plugin.struct_size = UInt32(MemoryLayout<gh_plugin>.size)
    plugin.abi_minor = UInt32(GH_ABI_MINOR)
    plugin.flags = UInt32(GH_ABI_DRAFT)
    plugin.create = { host, info in
        guard let host, let info, info.pointee.check.len > 0 else { return nil }
        return UnsafeMutableRawPointer(mutating: host)
    }
    plugin.query = { id in id.map { String(cString: $0) } == GH_INTERFACE_HOOKS ? UnsafeRawPointer(&hooks) : nil }
    return plugin
}()

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? {
    guard let host, Int(host.pointee.struct_size) >= MemoryLayout<gh_host>.offset(of: \gh_host.complete) ?? .max else {
        return nil
    }
    let http = host.pointee.extension?(host, GH_EXT_HTTP)?.assumingMemoryBound(to: gh_http.self)
    host.pointee.log?(host, Int32(GH_LOG_INFO), gh_str(), nil, http == nil ? 0 : 1)
    return withUnsafePointer(to: &descriptor) { $0 }
}
