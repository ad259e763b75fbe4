// MatchRoom: what a search needs besides the pattern and the text, made once per thread and given back when it ends.

internal import CPCRE2
internal import Glibc

/// PCRE2's working memory of one thread. Only that thread may use it, for one search at a time.
struct MatchRoom {
    /// Where a match's positions go.
    let data: OpaquePointer
    /// The limits of the two gears of a search.
    let plain: OpaquePointer
    let metered: OpaquePointer

    private struct Storage {
        var data: OpaquePointer
        var groups: Int
        var plain: OpaquePointer
        var metered: OpaquePointer
        var stack: OpaquePointer?
    }

    private init(_ storage: Storage) {
        data = storage.data
        plain = storage.plain
        metered = storage.metered
    }

    /// The calling thread's room, with space for at least this many groups.
    static func current(groups: Int) -> MatchRoom {
        let slot = pthread_getspecific(key)?.assumingMemoryBound(to: Storage.self) ?? make()
        if slot.pointee.groups < groups {
            pcre2_match_data_free_8(slot.pointee.data)
            slot.pointee.data = create(pcre2_match_data_create_8(UInt32(groups + 1), nil))
            slot.pointee.groups = groups
        }
        return MatchRoom(slot.pointee)
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { destroy($0) }
        precondition(status == 0, "no thread-specific key is left for patterns: \(status)")
        return key
    }()

    private static func make() -> UnsafeMutablePointer<Storage> {
        let slot = UnsafeMutablePointer<Storage>.allocate(capacity: 1)
        // Address space; pages are touched by patterns with deep recursion only. Without it JIT uses 32 KiB of our
        // stack.
        let stack = pcre2_jit_stack_create_8(32 << 10, 1 << 20, nil)
        slot.initialize(
            to: Storage(
                data: create(pcre2_match_data_create_8(16, nil)), groups: 15, plain: context(stack),
                metered: context(stack), stack: stack))
        // The meter's limit, not this one, is to end a search in the second gear.
        pcre2_set_match_limit_8(slot.pointee.metered, 1 << 30)
        pthread_setspecific(key, slot)
        return slot
    }

    private static func context(_ stack: OpaquePointer?) -> OpaquePointer {
        let context = create(pcre2_match_context_create_8(nil))
        pcre2_jit_stack_assign_8(context, nil, stack.map { UnsafeMutableRawPointer($0) })
        // For the interpreter, where there is no JIT: KiB of heap, and steps back kept in it.
        pcre2_set_heap_limit_8(context, 16 << 10)
        pcre2_set_depth_limit_8(context, 1 << 20)
        return context
    }

    private static func create(_ made: OpaquePointer?) -> OpaquePointer {
        guard let made else { preconditionFailure("out of memory for a thread's matches") }
        return made
    }

    private static func destroy(_ raw: UnsafeMutableRawPointer?) {
        guard let slot = raw?.assumingMemoryBound(to: Storage.self) else { return }
        pcre2_match_data_free_8(slot.pointee.data)
        pcre2_match_context_free_8(slot.pointee.plain)
        pcre2_match_context_free_8(slot.pointee.metered)
        if let stack = slot.pointee.stack { pcre2_jit_stack_free_8(stack) }
        slot.deinitialize(count: 1)
        slot.deallocate()
    }
}
