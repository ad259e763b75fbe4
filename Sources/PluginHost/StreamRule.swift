// StreamRule: how one guard judges streamed answers: what its manifest says, and the config over that.

package import Wire

package struct StreamRule: Sendable {
    package var mode: CheckManifest.StreamMode
    /// Fresh text for each call.
    package var windowBytes: Int
    /// Text that is shown again with the next.
    package var overlapBytes: Int
    /// The most that the hook may hold back.
    package var holdBytes: Int
    package let check: CheckManifest
    /// Kinds of segments that may not leave unseen.
    package let demanded: Set<Segment.Kind>
    /// on_response judges the assembled answer; else on_stream its windows.
    package let judgesWhole: Bool

    package init(
        mode: CheckManifest.StreamMode, windowBytes: Int, overlapBytes: Int, holdBytes: Int?, check: CheckManifest,
        demanded: Set<Segment.Kind>, judgesWhole: Bool
    ) {
        self.mode = mode
        self.windowBytes = windowBytes
        self.overlapBytes = overlapBytes
        self.holdBytes = max(holdBytes ?? windowBytes, overlapBytes)
        self.check = check
        self.demanded = demanded
        self.judgesWhole = judgesWhole
    }

    /// As the manifest says.
    package init(_ check: CheckManifest) {
        self.init(
            mode: check.streamMode, windowBytes: check.streamMode == .event ? 1 : max(1, check.windowBytes),
            overlapBytes: max(0, check.overlapBytes), holdBytes: check.holdBytes, check: check, demanded: [],
            judgesWhole: check.streamMode == .full)
    }
}
