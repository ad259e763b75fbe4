// StreamCuts: the ways in which a stream may come: as it is, cut in two at every character of its text, and character by character.

import Core
import Wire

enum StreamCuts {
    /// Beyond so many places each text is cut at as many, spread evenly: a long fixture would take minutes.
    private static let most = 2_000

    static func all(of events: [SSEEvent], _ endpoint: Endpoint) -> [(name: String, events: [SSEEvent])] {
        var ways: [(String, [SSEEvent])] = [("as it came", events)]
        ways.append(("character by character", events.flatMap { letters(of: $0, endpoint) }))
        for (index, event) in events.enumerated() {
            guard let places = places(in: event, endpoint) else { continue }
            let step = max(1, places.count / most)
            for place in stride(from: 0, to: places.count, by: step).map({ places[$0] }) {
                let halves = cut(event, at: [place], endpoint)
                ways.append(
                    (
                        "event \(index) cut at byte \(place)",
                        Array(events[..<index]) + halves + Array(events[(index + 1)...])
                    ))
            }
        }
        return ways
    }

    /// Where the text of an event with one text can be cut: before each character but the first.
    private static func places(in event: SSEEvent, _ endpoint: Endpoint) -> [Int]? {
        let chunk = ChunkText(endpoint: endpoint, event: event)
        guard chunk.deltas.count == 1, chunk.deltas[0].segment.flags & Segment.Flags.readOnly == 0 else { return nil }
        let text = chunk.text(of: chunk.deltas[0])
        return (1..<max(1, text.count)).filter { text[$0] & 0xC0 != 0x80 }
    }

    private static func letters(of event: SSEEvent, _ endpoint: Endpoint) -> [SSEEvent] {
        guard let places = places(in: event, endpoint) else { return [event] }
        return cut(event, at: places, endpoint)
    }

    private static func cut(_ event: SSEEvent, at places: [Int], _ endpoint: Endpoint) -> [SSEEvent] {
        let chunk = ChunkText(endpoint: endpoint, event: event)
        let text = chunk.text(of: chunk.deltas[0])
        let ends = places + [text.count]
        return zip([0] + places, ends).map { begin, end in
            SSEEvent(name: event.name, data: chunk.replacing([text[begin..<end]]))
        }
    }
}
