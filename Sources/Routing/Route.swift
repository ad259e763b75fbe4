// Route: where a request may go, as a tree of targets and strategies. Immutable; made once per config, used by any
// number of routers at a time.
//
// Whoever reads configs describes the tree with `Route.Node`, retry policies already inherited. `Route` checks it,
// gives every node its path ("config", "config.targets[1]", "config.targets[1].targets[0]"), hands circuit breakers
// down, finds the names that conditions refer to, and lays the nodes out in one array, in which routers walk by index.

package struct Route: Sendable {
    /// A target or a strategy as its author wrote it.
    package struct Node: Sendable {
        package enum Kind: Sendable {
            /// `target` is the caller's own number for it.
            case leaf(target: Int, retry: RetryPolicy)
            case strategy(Strategy, breaker: BreakerPolicy?, targets: [Node])
        }

        /// What conditions and hooks call it.
        package var name: String?
        /// Its share in a load-balancing parent.
        package var weight: Double
        package var kind: Kind

        package static func leaf(
            _ target: Int, name: String? = nil, weight: Double = 1, retry: RetryPolicy = .none
        ) -> Node {
            Node(name: name, weight: weight, kind: .leaf(target: target, retry: retry))
        }

        package static func strategy(
            _ strategy: Strategy, name: String? = nil, weight: Double = 1, breaker: BreakerPolicy? = nil,
            _ targets: [Node]
        ) -> Node {
            Node(name: name, weight: weight, kind: .strategy(strategy, breaker: breaker, targets: targets))
        }
    }

    package enum Strategy: Sendable {
        /// The first target.
        case single
        /// One after the other, while the status is not 2xx, or is one of these.
        case fallback(onStatusCodes: Set<Int>? = nil)
        case loadbalance(sticky: StickyPolicy? = nil)
        /// The first case that is true, else the default. Cases are nil where the config has no `conditions` at all.
        case conditional([Case]?, default: String?)
    }

    package struct Case: Sendable {
        package var condition: Condition
        /// Name of the target.
        package var then: String

        package init(_ condition: Condition, then: String) {
            self.condition = condition
            self.then = then
        }
    }

    /// A node in the array.
    struct Place: Sendable {
        var kind: Kind
        var path: String
        /// The strategy it belongs to, and its position there; -1 for the root.
        var parent: Int
        var position: Int
        /// For targets under a strategy that has a breaker, or inherits one.
        var breaker: Breaker?
    }

    struct Breaker: Sendable {
        var key: BreakerBoard.Key
        var policy: BreakerPolicy
    }

    enum Kind: Sendable {
        case leaf(target: Int, retry: RetryPolicy)
        case single(Int)
        case fallback(Set<Int>?, [Int])
        case loadbalance(LoadBalance)
        case conditional(Conditional)
    }

    struct Conditional: Sendable {
        var cases: [Case]?
        var otherwise: String?
        var nodes: [String: Int]

        func node(_ lookup: RoutingLookup) throws(RoutingError) -> Int {
            guard let cases else { throw RoutingError.noConditions }
            guard let name = cases.first(where: { $0.condition.isTrue(lookup) })?.then ?? otherwise else {
                throw RoutingError.noTargetResolved
            }
            guard let node = nodes[name] else { throw RoutingError.unknownTarget(name) }
            return node
        }
    }

    private(set) var places: [Place] = []
    private(set) var hasBreakers = false
    private var names: [String: Int] = [:]

    /// `identity` names the config for memories that outlive a request: sticky choices and circuit breakers. It must
    /// differ between tenants and change with the config's content; a digest will do.
    package init(_ root: Node, identity: String) throws(RoutingError) {
        try add(root, path: "config", parent: -1, position: -1, breaker: nil, identity: identity)
    }

    /// The node of that name; where several have it, the first from the top.
    func node(named name: String) -> Int? { names[name] }

    /// How the strategies lead to the node of a path, from the root: "fallback 2/3, loadbalance 1/2" (its position among the
    /// targets). Empty for a lone target, and for a path that is not there.
    package func way(to path: String) -> String {
        guard var index = places.firstIndex(where: { $0.path == path }) else { return "" }
        var steps: [String] = []
        while places[index].parent >= 0 {
            let parent = places[index].parent
            let word =
                switch places[parent].kind {
                case .leaf, .single: "single"
                case .fallback: "fallback"
                case .loadbalance: "loadbalance"
                case .conditional: "conditional"
                }
            let count = places.count { $0.parent == parent }
            steps.append("\(word) \(places[index].position + 1)/\(count)")
            index = parent
        }
        return steps.reversed().joined(separator: ", ")
    }

    @discardableResult
    private mutating func add(
        _ node: Node, path: String, parent: Int, position: Int, breaker: BreakerPolicy?, identity: String
    ) throws(RoutingError) -> Int {
        let index = places.count
        if let name = node.name, names[name] == nil { names[name] = index }
        switch node.kind {
        case .leaf(let target, let retry):
            let breaker = breaker.map { Breaker(key: .init(config: identity, path: path), policy: $0) }
            if breaker != nil { hasBreakers = true }
            places.append(
                Place(
                    kind: .leaf(target: target, retry: retry), path: path, parent: parent, position: position,
                    breaker: breaker))
        case .strategy(let strategy, let own, let targets):
            guard !targets.isEmpty else { throw RoutingError("\(path) has a strategy and no targets") }
            // The children need this place's index, and its kind needs theirs: what stands here until then is never
            // read.
            places.append(Place(kind: .single(index), path: path, parent: parent, position: position))
            let policy = own ?? breaker
            var isWatched = true
            if case .conditional = strategy { isWatched = false }
            var children: [Int] = []
            for (position, target) in targets.enumerated() {
                var handed = policy
                if case .leaf = target.kind, !isWatched { handed = nil }
                children.append(
                    try add(
                        target, path: "\(path).targets[\(position)]", parent: index, position: position,
                        breaker: handed,
                        identity: identity))
            }
            places[index].kind = try kind(strategy, targets, children, path: path, identity: identity)
        }
        return index
    }

    private func kind(
        _ strategy: Strategy, _ targets: [Node], _ children: [Int], path: String, identity: String
    ) throws(RoutingError) -> Kind {
        switch strategy {
        case .single: return .single(children[0])
        case .fallback(let codes): return .fallback(codes, children)
        case .loadbalance(let sticky):
            return .loadbalance(try loadBalance(sticky, targets, children, path: path, identity: identity))
        case .conditional(let cases, let otherwise):
            let named = zip(targets, children).compactMap { target, child in target.name.map { ($0, child) } }
            let nodes = Dictionary(named, uniquingKeysWith: { first, _ in first })
            return .conditional(Conditional(cases: cases, otherwise: otherwise, nodes: nodes))
        }
    }

    private func loadBalance(
        _ sticky: StickyPolicy?, _ targets: [Node], _ children: [Int], path: String, identity: String
    ) throws(RoutingError) -> LoadBalance {
        var arms: [LoadBalance.Arm] = []
        var names: Set<String> = []
        for (target, child) in zip(targets, children) {
            guard target.weight >= 0, target.weight.isFinite else {
                throw RoutingError(
                    "The weight of \(places[child].path) must be a number from 0 up, not \(target.weight)")
            }
            // A name keeps a target's callers when targets change places.
            let isNamed = target.name.map { names.insert($0).inserted } ?? false
            guard target.weight > 0 else { continue }
            var seed = StableHash()
            seed.combine(isNamed ? target.name ?? "" : "[\(places[child].position)]")
            arms.append(.init(node: child, weight: target.weight, seed: seed.value))
        }
        let total = arms.reduce(0) { $0 + $1.weight }
        guard total > 0, total.isFinite else {
            throw RoutingError("The weights of the targets of \(path) add up to \(arms.isEmpty ? "0" : "infinity")")
        }
        var seed = StableHash()
        seed.combine(identity)
        seed.combine(path)
        return LoadBalance(arms: arms, sticky: sticky, seed: seed.value)
    }
}
