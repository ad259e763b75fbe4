// StreamHold as a pure state machine: what is presented, what is held, what leaves, and that none of it depends on how the stream
// was cut on its way.

import Core
import Testing
import Wire

@testable import PluginHost

/// What a hook says to a window.
private struct Answer {
    /// nil: what the host had set.
    var releasedTo: Int?
    var edits: [(range: Range<Int>, text: String)] = []
}

private typealias Judge = (StreamKey, StreamWindow) -> Answer

/// A stream in progress.
private struct Player {
    var hold: StreamHold
    let judge: Judge
    var left: [SSEEvent] = []
    /// "key: text", a bar before what is fresh, "$" behind the last.
    var windows: [String] = []
    var clamps = 0

    init(
        _ check: CheckManifest, of endpoint: Endpoint = .chatCompletions,
        _ judge: @escaping Judge = { _, _ in Answer() }
    ) {
        hold = StreamHold(endpoint: endpoint, rule: StreamRule(check))
        self.judge = judge
    }

    mutating func take(_ events: [SSEEvent], isFinal: Bool = false) {
        for event in events { hold.take(event) }
        if isFinal { hold.finish() }
        while let (key, window) = hold.nextWindow() {
            windows.append(Self.line(key, window))
            let text = String(window.text)
            if text.contains("\u{FFFD}") { Issue.record("half a character: \(text)") }
            let answer = judge(key, window)
            let edits = answer.edits.map { HookExchange.Edit(segment: 0, range: $0.range, text: Bytes($0.text)) }
            if !hold.settle(key, window, releasedTo: answer.releasedTo ?? window.releasedTo, edits: edits) {
                clamps += 1
            }
        }
        left += hold.release()
    }

    static func line(_ key: StreamKey, _ window: StreamWindow) -> String {
        let name = "\(key.choice).\(key.kind)\(key.part == 0 ? "" : ".\(key.part)")"
        let seen = String(window.text[0..<window.freshFrom])
        let fresh = String(window.text[window.freshFrom..<window.text.count])
        return "\(name): \(seen)|\(fresh)\(window.isLast ? "$" : "")"
    }

    /// The texts that left, by what they belong to.
    var said: [String: String] {
        var texts: [String: String] = [:]
        for event in left {
            let chunk = ChunkText(endpoint: .chatCompletions, event: event)
            for delta in chunk.deltas {
                texts[
                    "\(delta.key.choice).\(delta.key.kind)\(delta.key.part == 0 ? "" : ".\(delta.key.part)")",
                    default: ""] += String(chunk.text(of: delta))
            }
        }
        return texts
    }
}

private func check(
    _ mode: CheckManifest.StreamMode = .window, window: Int = 10, overlap: Int = 0, kinds: Set<Segment.Kind> = []
) -> CheckManifest {
    CheckManifest(
        id: "c", title: "c", aliases: [], hooks: [.stream], isBlocking: false, mutates: true, segments: kinds,
        streamMode: mode, windowBytes: window,
        overlapBytes: overlap, schema: nil, schemaDocument: nil)
}

private func chunk(_ delta: String, choice: Int = 0, finish: String? = nil) -> SSEEvent {
    SSEEvent(
        data: Bytes(
            "{\"id\":\"1\",\"choices\":[{\"index\":\(choice),\"delta\":{\(delta)},\"finish_reason\":\(finish.map { "\"\($0)\"" } ?? "null")}]}"
        ))
}

private func content(_ text: String, choice: Int = 0, finish: String? = nil) -> SSEEvent {
    chunk("\"content\":" + JSONValue.string(text).text, choice: choice, finish: finish)
}

private func tool(_ index: Int, _ arguments: String, choice: Int = 0) -> SSEEvent {
    chunk(
        "\"tool_calls\":[{\"index\":\(index),\"function\":{\"arguments\":\(JSONValue.string(arguments).text)}}]",
        choice: choice)
}

private func texts(_ events: [SSEEvent]) -> [String] {
    events.map { event in
        let chunk = ChunkText(endpoint: .chatCompletions, event: event)
        return chunk.deltas.map { String(chunk.text(of: $0)) }.joined(separator: "+")
    }
}

@Suite struct StreamHoldTests {
    // MARK: Windows

    @Test func aWindowComesWhenThereIsEnoughFreshText() {
        var player = Player(check(window: 10))
        player.take([content("12345")])
        #expect(player.windows == [])
        #expect(player.left.isEmpty)
        #expect(player.hold.heldBytes == 5)
        player.take([content("67890")])
        #expect(player.windows == ["0.text: |1234567890"])
        #expect(texts(player.left) == ["12345", "67890"])
        player.take([content("abc")])
        player.take([SSEEvent.done], isFinal: true)
        #expect(player.windows == ["0.text: |1234567890", "0.text: |abc$"])
        #expect(texts(player.left) == ["12345", "67890", "abc", ""])
        #expect(player.hold.isEmpty)
    }

    @Test func windowsSayWhereTheyBegin() {
        var offsets: [Int] = []
        var player = Player(check(window: 4, overlap: 2)) { _, window in
            offsets.append(window.offset)
            // An edit does not move what follows.
            return Answer(edits: window.offset == 0 ? [(0..<1, "much longer")] : [])
        }
        player.take(["abcd", "efgh", "é", "ij"].map { content($0) }, isFinal: true)
        #expect(offsets == [0, 2, 6, 10])
        #expect(player.said["0.text"] == "much longerbcdefghéij")
    }

    @Test(arguments: [false, true])
    func theEndComesOnceToWhoWantsIt(_ isWanted: Bool) {
        var check = check(window: 4)
        check.wantsEnd = isWanted
        var ends: [Int] = []
        var player = Player(check) { _, window in
            if window.isEnd {
                #expect(window.isLast && window.text.isEmpty)
                ends.append(window.offset)
            }
            return Answer()
        }
        player.take([content("abcdef"), content("g", finish: "stop"), SSEEvent.done])
        #expect(ends == [])
        player.take([], isFinal: true)
        #expect(ends == (isWanted ? [7] : []))
        #expect(player.windows.count == (isWanted ? 3 : 2))
        #expect(texts(player.left) == ["abcdef", "g", ""])
        var silent = Player(check)
        silent.take([SSEEvent.done], isFinal: true)
        #expect(silent.windows == [])
    }

    @Test func eventsWithoutTextPassAtOnceUnlessSomethingIsHeldBeforeThem() {
        var player = Player(check())
        let role = chunk("\"role\":\"assistant\"")
        player.take([role])
        #expect(player.left == [role])
        player.take([content("held"), role])
        #expect(player.left == [role])
        player.take([], isFinal: true)
        #expect(player.left == [role, content("held"), role])
    }

    @Test func overlapIsPresentedAgain() {
        var player = Player(check(window: 6, overlap: 3))
        player.take([content("abcdef")])
        #expect(player.left.isEmpty, "the event's end is held back")
        player.take([content("ghijkl")])
        player.take([content("m", finish: "stop")])
        #expect(player.windows == ["0.text: |abcdef", "0.text: def|ghijkl", "0.text: jkl|m$"])
        #expect(texts(player.left) == ["abcdef", "ghijkl", "m"])
    }

    @Test func aHoldOverridesTheOverlap() {
        var player = Player(check(window: 4, overlap: 2)) { _, window in Answer(releasedTo: window.isLast ? nil : 1) }
        player.take([content("abcd"), content("efgh")])
        #expect(player.windows == ["0.text: |abcd", "0.text: bcd|efgh"])
        // What may be held is a window: bcd|efgh is more than that behind its first byte.
        #expect(player.clamps == 1)
        player.take([], isFinal: true)
        #expect(player.windows.last == "0.text: efgh|$")
        #expect(texts(player.left) == ["abcd", "efgh"])
    }

    @Test func holdingEverythingIsClampedToAWindow() {
        var player = Player(check(window: 4)) { _, _ in Answer(releasedTo: 0) }
        for letter in "abcdefghijkl" { player.take([content(String(letter))]) }
        #expect(player.windows == ["0.text: |abcd", "0.text: abcd|efgh", "0.text: efgh|ijkl"])
        #expect(player.clamps == 2)
        #expect(texts(player.left) == "abcdefgh".map(String.init))
        // The last window releases all, whatever the hook says.
        player.take([], isFinal: true)
        #expect(player.windows.last == "0.text: ijkl|$")
        #expect(texts(player.left) == "abcdefghijkl".map(String.init))
    }

    @Test func releasesOutOfRangeAreTakenForTheNearest() {
        var player = Player(check(window: 4)) { _, window in Answer(releasedTo: window.freshFrom == 0 ? Int.max : -5) }
        player.take([content("abcd")])
        #expect(texts(player.left) == ["abcd"])
    }

    @Test func charactersAreNotCutByReleases() {
        // Five characters of three bytes; the hook names offsets within them.
        var player = Player(check(window: 6)) { _, window in Answer(releasedTo: window.text.count - 4) }
        for _ in 0..<5 { player.take([content("漢")]) }
        player.take([], isFinal: true)
        #expect(player.windows == ["0.text: |漢漢", "0.text: 漢漢|漢漢", "0.text: 漢漢|漢$"])
        #expect(player.said == ["0.text": "漢漢漢漢漢"])
    }

    @Test func charactersAreNotCutByOverlap() {
        var player = Player(check(window: 4, overlap: 2))
        player.take([content("ab漢"), content("cd漢")])
        #expect(player.windows == ["0.text: |ab漢", "0.text: 漢|cd漢"])
    }

    @Test func oneLongEventIsOneWindow() {
        var player = Player(check(window: 4, overlap: 2))
        player.take([content(String(repeating: "x", count: 100))])
        #expect(player.windows == ["0.text: |" + String(repeating: "x", count: 100)])
    }

    @Test func emptyTextsArePassedOver() {
        var player = Player(check(window: 1))
        player.take([content(""), content("", finish: "stop"), .done], isFinal: true)
        #expect(player.windows == [])
        #expect(player.left.count == 3)
    }

    @Test func textBehindAFinishedOneIsPresentedToo() {
        // Some upstreams go on after finish_reason.
        var player = Player(check(window: 10))
        player.take([content("abc", finish: "stop")])
        player.take([content("def")])
        #expect(texts(player.left) == ["abc"])
        player.take([.done], isFinal: true)
        #expect(player.windows == ["0.text: |abc$", "0.text: |def$"])
        #expect(texts(player.left) == ["abc", "def", ""])
    }

    @Test func whatIsNoJSONIsPresented() {
        var player = Player(check(window: 100))
        player.take([SSEEvent(data: "plain words")], isFinal: true)
        #expect(player.windows.count == 1)
        #expect(player.windows.first?.hasSuffix("|plain words$") == true)
    }

    // MARK: Several texts

    @Test func textsAreJoinedByWhatTheyBelongTo() {
        var player = Player(check(window: 4))
        player.take([
            content("ab"), chunk("\"reasoning_content\":\"12\""), content("AB", choice: 1), tool(0, "{\"x"),
            tool(1, "{\"y"),
            content("cd"), chunk("\"reasoning_content\":\"34\""), content("CD", choice: 1), tool(0, "\":1}"),
            tool(1, "\":2}"),
        ])
        #expect(
            player.windows == [
                "0.text: |abcd", "0.reasoning: |1234", "1.text: |ABCD", "0.toolArguments: |{\"x\":1}",
                "0.toolArguments.1: |{\"y\":2}",
            ])
        #expect(player.left.count == 10)
    }

    @Test func eventsLeaveInTheirOrder() {
        // The reasoning is released at once, but stands behind content that is not.
        var player = Player(check(window: 4)) { key, window in
            Answer(releasedTo: key.kind == .text && !window.isLast ? 0 : window.text.count)
        }
        player.take([content("abcd"), chunk("\"reasoning_content\":\"1234\"")])
        #expect(player.left.isEmpty)
        player.take([content("e", finish: "stop")])
        #expect(texts(player.left) == ["abcd", "1234", "e"])
    }

    @Test func anEventWithTwoTextsLeavesWhenBothMay() {
        var player = Player(check(window: 4))
        player.take([chunk("\"content\":\"abcd\",\"reasoning_content\":\"12\"")])
        #expect(player.windows == ["0.text: |abcd"])
        #expect(player.left.isEmpty)
        player.take([chunk("\"reasoning_content\":\"34\"")])
        #expect(texts(player.left) == ["abcd+12", "34"])
    }

    @Test func eachChoiceFinishesByItself() {
        var player = Player(check(window: 100))
        player.take([content("a"), content("b", choice: 1), content("", choice: 1, finish: "stop")])
        #expect(player.windows == ["1.text: |b$"])
        #expect(player.left.isEmpty)
        player.take([content("", finish: "length")])
        #expect(player.windows == ["1.text: |b$", "0.text: |a$"])
        #expect(player.left.count == 4)
    }

    @Test func kindsThatACheckDoesNotAskForPassUnseen() {
        var player = Player(check(window: 100, kinds: [.text]))
        player.take([
            chunk("\"reasoning_content\":\"free\""), content("held"), chunk("\"reasoning_content\":\"behind\""),
        ])
        #expect(texts(player.left) == ["free"])
        player.take([], isFinal: true)
        #expect(player.windows == ["0.text: |held$"])
    }

    @Test func blocksOfMessagesFinishByThemselves() {
        func event(_ name: String, _ data: String) -> SSEEvent {
            SSEEvent(name: name, data: Bytes("{\"type\":\"\(name)\",\(data)}"))
        }
        var player = Player(check(window: 100), of: .messages)
        player.take([
            event("content_block_start", "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"),
            event("content_block_delta", "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}"),
            event("content_block_stop", "\"index\":0"),
        ])
        #expect(player.windows == ["0.text: |Hello$"])
        #expect(player.left.count == 3)
        #expect(player.left.map(\.name) == ["content_block_start", "content_block_delta", "content_block_stop"])
        player.take([
            event(
                "content_block_delta", "\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}"),
            event("message_stop", "\"x\":1"),
        ])
        #expect(player.windows.last == "0.toolArguments.1: |{}$")
        #expect(player.left.count == 5)
    }

    // MARK: Edits

    /// Replaces the first range of "<…>" by what `text` says, in the window in which it is complete.
    private func player(_ edits: [(Range<Int>, String)], window: Int = 12, releasedTo: Int? = nil) -> Player {
        var isDone = false
        return Player(check(window: window)) { _, _ in
            if isDone { return Answer() }
            isDone = true
            return Answer(releasedTo: releasedTo, edits: edits.map { (range: $0.0, text: $0.1) })
        }
    }

    @Test func anEditMaySpanManyEvents() {
        var player = player([(2..<10, "XY")])
        player.take(["abc", "def", "ghi", "jkl"].map { content($0) })
        #expect(texts(player.left) == ["abXY", "", "", "kl"])
    }

    @Test func editsOfOneWindowStandSideBySide() {
        var player = player([(0..<3, "1"), (3..<6, "2"), (6..<6, "+"), (6..<9, ""), (12..<12, "!")])
        player.take(["abc", "def", "ghi", "jkl"].map { content($0) })
        #expect(player.said == ["0.text": "12+jkl!"])
    }

    @Test(arguments: 0...12)
    func anInsertionGoesWhereItWasPut(_ place: Int) {
        let text = "abcdefghijkl"
        for pieces in [
            ["abcdefghijkl"], ["abc", "def", "ghi", "jkl"], text.map(String.init), ["a", "bcdefghijk", "l"],
        ] {
            var player = player([(place..<place, "·")])
            player.take(pieces.map { content($0) })
            let index = text.index(text.startIndex, offsetBy: place)
            #expect(player.said == ["0.text": text[..<index] + "·" + text[index...]])
        }
    }

    @Test func anInsertionAtTheBeginningOfALaterWindowIsKept() {
        // What precedes it has left already.
        var windows = 0
        var player = Player(check(window: 4)) { _, _ in
            windows += 1
            return Answer(edits: [(range: 0..<0, text: "\(windows)")])
        }
        player.take([content("abcd")])
        #expect(texts(player.left) == ["1abcd"])
        player.take([content("ef"), content("gh")])
        #expect(texts(player.left) == ["1abcd", "2ef", "gh"])
    }

    @Test func insertionsOnBothSidesOfABorderKeepTheirOrder() {
        var windows = 0
        var player = Player(check(window: 4)) { _, window in
            windows += 1
            return Answer(edits: [
                (range: 0..<0, text: "<\(windows)"),
                (range: window.text.count..<window.text.count, text: "\(windows)>"),
            ])
        }
        player.take(["ab", "cd", "ef", "gh"].map { content($0) })
        #expect(player.said == ["0.text": "<1abcd1><2efgh2>"])
    }

    @Test func whatIsEditedIsReleased() {
        // The hook holds all back and edits at the end: what it edited cannot be presented again.
        var player = player([(8..<10, "--")], releasedTo: 0)
        player.take(["abc", "def", "ghi", "jkl"].map { content($0) })
        #expect(texts(player.left) == ["abc", "def", "gh--"])
        player.take([], isFinal: true)
        #expect(player.windows.last == "0.text: kl|$")
        #expect(player.said == ["0.text": "abcdefgh--kl"])
    }

    @Test func oneChoicesEditLeavesTheOthersAlone() {
        var player = Player(check(window: 4)) { key, _ in
            Answer(edits: key.choice == 1 ? [(range: 0..<4, text: "edited")] : [])
        }
        player.take([content("abcd"), content("ABCD", choice: 1)])
        #expect(player.said == ["0.text": "abcd", "1.text": "edited"])
        #expect(player.left.first == content("abcd"), "byte for byte")
    }

    @Test func editedTextIsEscaped() {
        var player = player([(0..<4, "\"\\\n\u{1}😀")], window: 4)
        player.take([content("abcd")])
        #expect(player.said == ["0.text": "\"\\\n\u{1}😀"])
    }

    @Test func escapedTextIsEditedByWhatItSays() {
        // é as an escape, cut in two events.
        var player = player([(1..<3, "e")], window: 4)
        player.take([SSEEvent(data: #"{"choices":[{"index":0,"delta":{"content":"a\u00e9\n"}}]}"#)])
        #expect(String(player.left.first?.data ?? .empty) == #"{"choices":[{"index":0,"delta":{"content":"ae\n"}}]}"#)
    }

    @Test func longStreamsDoNotGatherEdits() {
        var player = Player(check(window: 2)) { _, window in Answer(edits: [(range: 0..<1, text: "-")]) }
        for _ in 0..<2000 { player.take([content("ab")]) }
        #expect(player.said == ["0.text": String(repeating: "-b", count: 2000)])
        #expect(player.hold.editCount == 0)
    }

    // MARK: Modes

    @Test func inModeEventEachEventIsPresented() {
        var events: [String] = []
        var player = Player(check(.event, window: 1000)) { _, window in
            events.append(String(window.event ?? .empty))
            return Answer()
        }
        let stream = [content("ab"), content("c"), tool(0, "{}")]
        // All at once, as one read from the upstream's socket may bring them.
        player.take(stream)
        #expect(player.windows == ["0.text: |ab", "0.text: |c", "0.toolArguments: |{}"])
        #expect(events == stream.map { String($0.data) })
        #expect(player.left == stream)
    }

    @Test func inModeEventOneEventMayBeHeld() {
        var player = Player(check(.event)) { _, window in Answer(releasedTo: window.isLast ? nil : window.freshFrom) }
        player.take([content("ab")])
        #expect(player.left.isEmpty)
        player.take([content("cd")])
        #expect(texts(player.left) == ["ab"])
        #expect(player.windows == ["0.text: |ab", "0.text: ab|cd"])
        #expect(player.clamps == 0)
    }

    @Test func releasingAllLetsGoOfWhatWasNotLookedAt() {
        var hold = StreamHold(endpoint: .chatCompletions, rule: StreamRule(check(window: 4)))
        for text in ["ab", "cd", "ef"] { hold.take(content(text)) }
        #expect(hold.nextWindow() != nil)
        #expect(texts(hold.releaseAll()) == ["ab", "cd", "ef"])
        #expect(hold.isEmpty)
    }

    // MARK: However it is cut

    private static let secret = "geheim漢字"

    /// As a redactor does: takes the secret out, and holds back what may be the beginning of it.
    private static func redact(_ window: StreamWindow) -> Answer {
        let text = window.text.array
        let word = Array(secret.utf8)
        var answer = Answer()
        var open = text.count
        if !window.isLast {
            for length in stride(from: min(word.count - 1, text.count), to: 0, by: -1)
            where text.suffix(length).elementsEqual(word.prefix(length)) {
                open = text.count - length
                break
            }
        }
        var at = 0
        while at + word.count <= text.count {
            if text[at..<at + word.count].elementsEqual(word) {
                answer.edits.append((range: at..<at + word.count, text: "[…]"))
                at += word.count
            } else {
                at += 1
            }
        }
        answer.releasedTo = open
        return answer
    }

    /// Two choices, reasoning, two tool calls; secrets cut over the borders of events; both kinds of line ends, a comment.
    private static func fixture() -> [UInt8] {
        var output = BytesBuilder()
        output.append(": warming up\r\n\r\n")
        func add(_ events: [SSEEvent]) { for event in events { event.write(into: &output) } }
        add([chunk("\"role\":\"assistant\",\"content\":\"\"")])
        add(["Das ist ", "ge", "hei", "m漢", "字 und ", "gehe", "n ", secret, secret, " 😀"].map { content($0) })
        add(["x", "geheim", "漢", "字y"].map { chunk("\"reasoning_content\":\(JSONValue.string($0).text)") })
        add([content("\(secret)gehei", choice: 1), content("m漢字", choice: 1)])
        add([tool(0, "{\"q\":\"geheim"), tool(1, "{\"r\":\"geh"), tool(0, "漢字\"}"), tool(1, "eim漢字\"}", choice: 0)])
        add([content("geh", finish: "stop"), content("", choice: 1, finish: "stop")])
        output.append("data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\r\ndata: \r\n\r\n")
        add([.done])
        return output.finish().array
    }

    private func play(_ pieces: [ArraySlice<UInt8>], _ check: CheckManifest) throws -> Player {
        var player = Player(check) { _, window in Self.redact(window) }
        var decoder = SSEDecoder()
        for piece in pieces {
            var events: [SSEEvent] = []
            try Array(piece).withUnsafeBytes { try decoder.feed($0, into: &events) }
            player.take(events)
        }
        var events: [SSEEvent] = []
        decoder.finish(into: &events)
        player.take(events, isFinal: true)
        return player
    }

    private func expectFixture(_ player: Player) {
        let gone = "[…]"
        #expect(
            player.said == [
                "0.text": "Das ist \(gone) und gehen \(gone)\(gone) 😀geh", "0.reasoning": "x\(gone)y",
                "1.text": "\(gone)\(gone)",
                "0.toolArguments": "{\"q\":\"\(gone)\"}", "0.toolArguments.1": "{\"r\":\"\(gone)\"}",
            ])
        #expect(!player.left.contains { String($0.data).contains(Self.secret) })
    }

    // A window must be able to hold what a secret may begin with: 11 bytes.
    @Test(arguments: [11, 12, 13, 20, 64, 1000])
    func aSecretOverManyEventsIsTakenOut(_ window: Int) throws {
        expectFixture(try play([Self.fixture()[...]], check(window: window)))
    }

    @Test func everyCutOfAStreamGivesTheSame() throws {
        let bytes = Self.fixture()
        let manifest = check(window: 14)
        let whole = try play([bytes[...]], manifest)
        expectFixture(whole)
        #expect(whole.clamps == 0)
        for cut in 1..<bytes.count {
            let player = try play([bytes[..<cut], bytes[cut...]], manifest)
            if player.left != whole.left || player.windows != whole.windows { Issue.record("cut at \(cut)") }
        }
        let singly = try play(bytes.indices.map { bytes[$0...$0] }, manifest)
        #expect(singly.left == whole.left)
        #expect(singly.windows == whole.windows)
    }

    @Test func anyCutsAndAnyEventsKeepTheText() throws {
        var random = Xoshiro256(seed: 3)
        let letters = Array("ab漢😀é\n\"\\")
        for _ in 0..<300 {
            let window = Int.random(in: 1...12, using: &random)
            let overlap = Int.random(in: 0...6, using: &random)
            var expected: [String: String] = [:]
            var player = Player(check(window: window, overlap: overlap)) { _, _ in Answer() }
            for _ in 0..<Int.random(in: 1...30, using: &random) {
                let choice = Int.random(in: 0...1, using: &random)
                let text = String(
                    (0..<Int.random(in: 0...5, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a"
                    })
                if !text.isEmpty { expected["\(choice).text", default: ""] += text }
                player.take([content(text, choice: choice)])
            }
            player.take([], isFinal: true)
            #expect(player.said.filter { !$0.value.isEmpty } == expected)
            #expect(player.hold.isEmpty)
            // Nothing was presented as fresh twice, and nothing was left out.
            var fresh: [String: String] = [:]
            for line in player.windows {
                let parts = line.split(separator: ": ", maxSplits: 1)
                let text = parts[1].drop { $0 != "|" }.dropFirst()
                fresh[String(parts[0]), default: ""] += line.hasSuffix("$") ? text.dropLast() : text
            }
            #expect(fresh == expected)
        }
    }
}
