// StagedChanges: what a hook has staged, applied to a body when its decision lets the exchange go on.

package import Core
import Wire

extension HookExchange {
    /// The body with the staged changes of one side; nil when there are none. Whole bodies first, then values at pointers, then
    /// edits of segments, which refer to the text as it was presented and therefore need the body as it was.
    package func changed(_ view: BodyView, _ side: Side) throws(GatewayError) -> Bytes? {
        let ours = edits.filter { ($0.segment >> 62 == 0 ? Side.request : .response) == side }
        let putsHere = puts.filter { $0.side == side }
        guard !ours.isEmpty || !putsHere.isEmpty || newBodies[side] != nil else { return nil }
        var body = view.body
        if let whole = newBodies[side] {
            body = whole
        } else if !ours.isEmpty {
            var changes = SegmentEdits()
            for edit in ours {
                guard let presented = view.segment(edit.segment & Self.segmentBits) else { continue }
                changes.replace(edit.range, of: presented.segment, with: edit.text)
            }
            body = changes.apply(to: body)
        }
        for put in putsHere {
            guard let changed = JSONEditor.put(put.value, at: put.pointer, in: body, put.inserts ? .insert : .replace)
            else {
                throw GatewayError(.pluginFailed, status: 502, "set_json: nothing stands at \(put.pointer)")
            }
            body = changed
        }
        return body
    }

    /// The staged changes of the request on another body than the one that was presented: without the target's parameters,
    /// from which the next attempt starts. nil when there are none. Where a text was edited it must be the same in both.
    package func changedRequest(_ view: BodyView) throws(GatewayError) -> Bytes? {
        if newBodies[.request] == nil {
            for segment in Set(edits.lazy.map(\.segment)) where segment >> 62 == 0 {
                guard let shown = facts.request.segment(segment)?.text, shown == view.segment(segment)?.text else {
                    throw GatewayError(
                        .pluginFailed, status: 502, "edit: the client's text is another one than was presented")
                }
            }
        }
        return try changed(view, .request)
    }
}
