// PresentedScope: which part of a conversation a hook is shown, and how much of that it has seen.

import Core
package import Wire

/// What of the request is presented. Answers are presented whole.
package enum PresentedScope: Sendable, Equatable {
    case all
    /// The last message, Portkey's way.
    case last
    /// Messages of these roles; texts that belong to none are left out.
    case roles(Set<Segment.Role>)
}

extension HookExchange {
    package func present(_ scope: PresentedScope) {
        switch scope {
        case .all: presented = (nil, nil)
        case .last:
            let segments = facts.request.segments
            let last = segments.lazy.filter { $0.segment.role != .none }.map(\.segment.index).max()
            let indices = segments.indices.filter {
                last == nil || (segments[$0].segment.index == last && segments[$0].segment.role != .none)
            }
            presented = (indices, nil)
        case .roles(let roles):
            let segments = facts.request.segments
            presented = (segments.indices.filter { roles.contains(segments[$0].segment.role) }, nil)
        }
    }

    /// What there was to see of one side in the scope, and what the last call has read of it. Text that the check does not ask for
    /// counts as unseen, though the plugin has passed it by.
    package func coverage(_ side: Side) -> Coverage {
        var coverage = Coverage()
        guard let check = instance.check, !check.judgesNoText else { return coverage }
        guard let view = side == .request ? facts.request : facts.response else { return coverage }
        let segments = view.segments
        func count(_ index: Int) {
            let segment = segments[index].segment
            let size = segments[index].text.count
            coverage.present(segment.kind, bytes: size)
            guard check.asksFor(segment.kind), !segment.isSealed else { return }
            if sawBody.contains(side) || seen.contains(index << 1 | side.rawValue) || isInValue(segment, side) {
                coverage.see(segment.kind, bytes: size)
            }
        }
        if let indices = indices(side, view) { indices.forEach(count) } else { segments.indices.forEach(count) }
        return coverage
    }

    private func isInValue(_ segment: Segment, _ side: Side) -> Bool {
        seenValues.contains {
            $0.side == side && $0.range.lowerBound <= segment.textRange.lowerBound
                && segment.textRange.upperBound <= $0.range.upperBound
        }
    }
}

extension CheckManifest {
    /// It has said that it wants no segments.
    package var judgesNoText: Bool { coverage == .declared && segments.isEmpty }

    /// Without a list, whatever is text.
    package func asksFor(_ kind: Segment.Kind) -> Bool {
        guard segments.isEmpty else { return segments.contains(kind) }
        return switch kind {
        case .text, .reasoning, .toolArguments, .toolResult, .toolSchema, .other: true
        case .image, .audio, .file, .tokenIDs: false
        }
    }
}
