// "gh.regex/1": PCRE2 patterns, with the limits of the Patterns module.

import CGatehouse
import Core
import Patterns

enum RegexService {
    nonisolated(unsafe) static let table: UnsafePointer<gh_regex> = {
        var table = gh_regex()
        table.struct_size = structSize(gh_regex.self)
        table.compile = { _, pattern, flags, errorOffset, error, errorSize in
            let known = UInt32(
                GH_REGEX_CASELESS | GH_REGEX_MULTILINE | GH_REGEX_DOTALL | GH_REGEX_EXTENDED | GH_REGEX_BYTES)
            do throws(PatternError) {
                let compiled = try Pattern(pattern.string ?? "", options: Pattern.Options(rawValue: flags & known))
                return OpaquePointer(Unmanaged.passRetained(compiled).toOpaque())
            } catch let failure {
                errorOffset?.pointee = UInt64(failure.offset)
                if let error, errorSize > 0 {
                    var count = 0
                    for byte in failure.message.utf8.prefix(errorSize - 1) {
                        error[count] = CChar(bitPattern: byte)
                        count += 1
                    }
                    error[count] = 0
                }
                return nil
            }
        }
        table.match = { pattern, text, start, spans, count in
            guard let pattern = compiled(pattern), start <= text.len else { return Int32(GH_INVALID) }
            return match(pattern, text, Int(start), spans, count)
        }
        table.group_name = { pattern, number in
            guard let name = compiled(pattern)?.groupNameBytes(Int(number)) else { return .absent }
            return gh_str(ptr: name.baseAddress?.assumingMemoryBound(to: CChar.self), len: name.count)
        }
        table.free_pattern = { pattern in
            guard let pattern else { return }
            Unmanaged<Pattern>.fromOpaque(UnsafeRawPointer(pattern)).release()
        }
        return Extensions.immortal(table)
    }()

    private static func compiled(_ pointer: OpaquePointer?) -> Pattern? {
        guard let pointer else { return nil }
        return Unmanaged<Pattern>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    private static func match(
        _ pattern: Pattern, _ text: gh_str, _ start: Int, _ spans: UnsafeMutablePointer<gh_regex_span>?, _ count: Int
    ) -> Int32 {
        // gh_regex_span and Pattern.Span have the same layout: two UInt64, UINT64_MAX for a group that took no part.
        let room = UnsafeMutableRawBufferPointer(
            start: spans, count: spans == nil ? 0 : count * MemoryLayout<gh_regex_span>.stride
        )
        .bindMemory(to: Pattern.Span.self)
        switch pattern.firstMatch(in: text.buffer, from: start, spans: room) {
        case .match: return Int32(pattern.groupCount + 1)
        case .noMatch: return 0
        case .limit: return Int32(GH_OVER_LIMIT)
        case .invalidUTF8: return Int32(GH_INVALID)
        }
    }
}
