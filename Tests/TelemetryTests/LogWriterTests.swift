// The writer's thread: order, bounds, trouble with the destination, the end.

import Core
import Testing

@testable import Telemetry

#if canImport(Glibc)
    import Glibc
#endif

/// A directory that goes away with the test.
private final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/gatehouse-log-XXXXXX\0".utf8CString.map { $0 })
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    }

    deinit {
        for name in ["a.log", "a.log.1"] { unlink(path + "/" + name) }
        rmdir(path)
    }

    func read(_ name: String) -> String {
        let file = open(path + "/" + name, O_RDONLY)
        guard file >= 0 else { return "" }
        defer { close(file) }
        return String(decoding: readAll(file), as: UTF8.self)
    }
}

private func readAll(_ file: Int32) -> [UInt8] {
    var all: [UInt8] = []
    while true {
        let part = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            count = max(0, read(file, buffer.baseAddress, buffer.count))
        }
        guard !part.isEmpty else { return all }
        all += part
    }
}

private func pipePair() -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    return (ends[0], ends[1])
}

extension LogChannel {
    fileprivate func say(_ text: String) {
        line {
            $0.append(text: text, .free, limit: 1 << 20)
            $0.append(UInt8(ascii: "\n"))
        }
    }
}

/// How many lines a report says were dropped.
private func report(_ line: String) -> Int? {
    guard line.hasPrefix("{\"time\":\""), line.contains("\"message\":\"log lines were dropped\",\"dropped\":") else {
        return nil
    }
    return line.dropLast().split(separator: ":").last.flatMap { Int($0) }
}

@Suite struct LogWriterTests {
    @Test func writesLinesInTheirOrder() throws {
        let scratch = Scratch()
        let writer = try LogWriter(.file(scratch.path + "/a.log"))
        #expect(!writer.isTerminal)
        #expect(writer.format == .json)
        let channel = writer.channel()
        for number in 0..<1000 { channel.say("\(number)") }
        #expect(writer.flush())
        #expect(scratch.read("a.log") == (0..<1000).map { "\($0)\n" }.joined())
        #expect(writer.statistics.writtenBytes == 3890)
    }

    @Test func linesGoOutWithoutAFlush() throws {
        let ends = pipePair()
        defer { close(ends.read) }
        let writer = try LogWriter(.descriptor(ends.write), interval: 10)
        writer.channel().say("hello")
        var byte: UInt8 = 0
        #expect(read(ends.read, &byte, 1) == 1)
        #expect(byte == UInt8(ascii: "h"))
        writer.shutDown()
        close(ends.write)
    }

    @Test func shutdownWritesTheRestAndLaterLinesAreDropped() throws {
        let scratch = Scratch()
        let writer = try LogWriter(.file(scratch.path + "/a.log"), interval: 60_000)
        let channel = writer.channel()
        channel.say("before")
        #expect(writer.shutDown())
        channel.say("after")
        #expect(scratch.read("a.log") == "before\n")
        #expect(writer.statistics.droppedLines == 1)
        #expect(writer.shutDown())
        #expect(writer.flush())
    }

    @Test func aWriterThatIsLetGoWritesTheRest() throws {
        let ends = pipePair()
        defer { close(ends.read) }
        do {
            let writer = try LogWriter(.descriptor(ends.write), interval: 60_000)
            writer.channel().say("last words")
        }
        var buffer = [UInt8](repeating: 0, count: 11)
        #expect(read(ends.read, &buffer, 11) == 11)
        #expect(String(decoding: buffer, as: UTF8.self) == "last words\n")
        close(ends.write)
    }

    @Test func rotationFollowsTheName() throws {
        let scratch = Scratch()
        let writer = try LogWriter(.file(scratch.path + "/a.log"), interval: 60_000)
        let channel = writer.channel()
        channel.say("old")
        rename(scratch.path + "/a.log", scratch.path + "/a.log.1")
        writer.requestReopen()
        writer.flush()
        channel.say("new")
        writer.flush()
        #expect(scratch.read("a.log.1") == "old\n")
        #expect(scratch.read("a.log") == "new\n")
    }

    @Test func aFileThatCannotBeOpenedAgainIsKept() throws {
        let scratch = Scratch()
        let directory = scratch.path + "/d"
        mkdir(directory, 0o700)
        let writer = try LogWriter(.file(directory + "/a.log"))
        let kept = open(directory + "/a.log", O_RDONLY)
        unlink(directory + "/a.log")
        rmdir(directory)
        writer.requestReopen()
        writer.flush()
        writer.channel().say("still here")
        writer.flush()
        #expect(String(decoding: readAll(kept), as: UTF8.self) == "still here\n")
        #expect(writer.statistics.failures == 1)
        close(kept)
    }

    @Test func whatCannotBeOpenedIsAnError() {
        #expect(throws: LogWriterError(message: "cannot open the log file /nowhere/a.log: No such file or directory")) {
            try LogWriter(.file("/nowhere/a.log"))
        }
    }

    @Test func aSlowReaderCostsLinesButNoMemory() throws {
        let ends = pipePair()
        for end in [ends.write] {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
        }
        let writer = try LogWriter(.descriptor(ends.write), channelLimit: 10_000, interval: 0)
        let channel = writer.channel()
        let line = String(repeating: "x", count: 999)
        // Until the pipe and the channel are full; how many lines that takes depends on the thread's pace.
        var sent = 0
        while writer.statistics.droppedLines < 10, sent < 1_000_000 {
            channel.say(line)
            sent += 1
        }
        #expect(writer.statistics.droppedLines >= 10)
        // The reader comes back: everything that was not dropped arrives, and a report for what was.
        let dropped = Int(writer.statistics.droppedLines)
        var rest: [UInt8] = []
        var arrived = 0
        var reported = 0
        while arrived < sent - dropped || reported < dropped {
            let part = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                count = max(0, read(ends.read, buffer.baseAddress, buffer.count))
            }
            guard !part.isEmpty else { break }
            rest += part
            while let end = rest.firstIndex(of: 0x0A) {
                let text = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                if text == line { arrived += 1 } else { reported += report(text) ?? 0 }
            }
        }
        #expect(arrived == sent - dropped)
        #expect(reported == dropped)
        writer.shutDown()
        close(ends.read)
        close(ends.write)
    }

    @Test func aFullDiskIsWaitedForUntilTheEnd() throws {
        let writer = try LogWriter(.file("/dev/full"), interval: 0)
        writer.channel().say("x")
        #expect(!writer.flush(by: .after(milliseconds: 50)))
        #expect(writer.statistics.failures >= 1)
        #expect(writer.statistics.droppedLines == 0)
        _ = writer.shutDown(by: .after(milliseconds: 50))
        #expect(writer.shutDown(by: .after(milliseconds: 5000)))
        #expect(writer.statistics.droppedLines == 1)
    }

    @Test func aReaderThatIsGoneCostsItsLines() throws {
        let ends = pipePair()
        close(ends.read)
        let writer = try LogWriter(.descriptor(ends.write), interval: 0)
        let channel = writer.channel()
        channel.say("a")
        channel.say("b")
        #expect(writer.flush())
        #expect(writer.statistics.droppedLines == 2)
        writer.shutDown()
        close(ends.write)
    }

    @Test func aTerminalGetsTextAtOnce() throws {
        // posix_openpt(3) and its kin are not among what Glibc's overlay shows: TIOCSPTLCK and TIOCGPTN of
        // ioctl_tty(2).
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var locked: Int32 = 0
        var number: Int32 = 0
        try #require(ioctl(terminal, 0x4004_5431, &locked) == 0 && ioctl(terminal, 0x8004_5430, &number) == 0)
        let end = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        defer { close(terminal) }
        let writer = try LogWriter(.descriptor(end), interval: 60_000)
        #expect(writer.isTerminal)
        #expect(writer.format == .text)
        writer.channel().say("now")
        var buffer = [UInt8](repeating: 0, count: 3)
        #expect(read(terminal, &buffer, 3) == 3)
        #expect(String(decoding: buffer, as: UTF8.self) == "now")
        writer.shutDown()
        close(end)
    }

    @Test func manyThreadsLoseNothing() async throws {
        let scratch = Scratch()
        let writer = try LogWriter(.file(scratch.path + "/a.log"), interval: 1)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                let channel = writer.channel()
                group.addTask { for number in 0..<5000 { channel.say("\(thread) \(number)") } }
            }
        }
        writer.flush()
        let lines = scratch.read("a.log").split(separator: "\n")
        #expect(lines.count == 20_000)
        for thread in 0..<4 {
            #expect(lines.filter { $0.hasPrefix("\(thread) ") } == (0..<5000).map { "\(thread) \($0)" })
        }
        #expect(writer.statistics.droppedLines == 0)
    }
}
