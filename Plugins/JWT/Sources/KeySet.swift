// The keys of one address: fetched when they are first needed, kept for a while, fetched again for a key that is not
// among them. However many exchanges wait for a set, it is fetched once.

import Glibc
import PluginSDK
import Synchronization

final class KeySet: Sendable {
    struct Keys: Sendable {
        var all: [Key]

        /// The token's signature is by one of the keys: by the one that it names, or where it names none, by any.
        func accepts(_ token: Token) -> Bool {
            all.lazy.filter { token.keyID == nil || $0.id == token.keyID }.contains { $0.hasSigned(token) }
        }

        /// There is a key that this token can be checked with.
        func fits(_ token: Token) -> Bool {
            all.contains { (token.keyID == nil || $0.id == token.keyID) && $0.fits(token.algorithm) }
        }
    }
    typealias Waiter = @Sendable (Result<Keys, PluginFailure>) -> Void

    private struct State {
        var keys: Keys?
        /// Seconds on the monotonic clock.
        var fetched = -Double.infinity
        /// When it was last fetched again for a key that was not there.
        var searched = -Double.infinity
        var failure: (PluginFailure, at: Double)?
        var waiting: [Waiter]?
    }

    /// Tokens can name keys that never were: a set is not fetched again for one sooner than this.
    private static let pauseSeconds = 30.0
    /// The same after a fetch that failed: what does not answer is not asked for every token.
    private static let failurePauseSeconds = 1.0
    private static let maximumKeys = 64

    private let state = Mutex(State())
    private let host: Host
    private let url: String
    private let maximumAge: Double
    private let timeoutMilliseconds: Int

    init(_ url: String, maximumAgeSeconds: Int, timeoutMilliseconds: Int, host: Host) {
        self.url = url
        self.host = host
        maximumAge = Double(maximumAgeSeconds)
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// The keys to judge a token by, when no fetch is needed.
    func keys(for token: Token) -> Keys? {
        let now = Self.now()
        return state.withLock { state in
            guard let keys = state.keys, now - state.fetched < maximumAge else { return nil }
            // A key that is not there may be a new one, unless it was asked for just now.
            return keys.fits(token) || now - state.searched < Self.pauseSeconds ? keys : nil
        }
    }

    /// Calls `waiter` once: with keys that are fetched now or are already on their way, or with the failure of a moment ago.
    func fetch(_ waiter: @escaping Waiter) {
        enum Step { case ask, wait, fail(PluginFailure) }
        let now = Self.now()
        let step = state.withLock { state -> Step in
            if state.waiting != nil {
                state.waiting?.append(waiter)
                return .wait
            }
            if let (failure, at) = state.failure, now - at < Self.failurePauseSeconds { return .fail(failure) }
            state.waiting = [waiter]
            if state.keys != nil { state.searched = now }
            return .ask
        }
        switch step {
        case .wait: return
        case .fail(let failure): return waiter(.failure(failure))
        case .ask: break
        }
        do throws(PluginFailure) {
            let request = HTTPRequest(
                "GET", url, headers: [("accept", "application/json")], timeoutMilliseconds: timeoutMilliseconds)
            try host.fetch(request) { self.finish(Self.read($0)) }
        } catch {
            finish(.failure(error))
        }
    }

    private func finish(_ result: Result<Keys, PluginFailure>) {
        let waiters = state.withLock { state in
            switch result {
            case .success(let keys):
                state.keys = keys
                state.fetched = Self.now()
                state.failure = nil
            case .failure(let failure):
                state.failure = (failure, at: Self.now())
                // It counts as no search: the pause is the failure's.
                state.searched = -Double.infinity
            }
            defer { state.waiting = nil }
            return state.waiting ?? []
        }
        for waiter in waiters { waiter(result) }
    }

    private static func read(_ answer: HTTPAnswer) -> Result<Keys, PluginFailure> {
        guard (200...299).contains(answer.status) else {
            let reason = answer.transportError?.string ?? "status \(answer.status)"
            return .failure(PluginFailure("The key set could not be fetched: \(reason)"))
        }
        guard let list = try? JSON(parsing: answer.body)["keys"]?.array else {
            return .failure(PluginFailure("What was fetched is no key set: a JSON object with \"keys\" was expected"))
        }
        guard list.count <= maximumKeys else {
            return .failure(PluginFailure("The key set has \(list.count) keys; \(maximumKeys) are the limit"))
        }
        return .success(Keys(all: list.compactMap(Key.init)))
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
