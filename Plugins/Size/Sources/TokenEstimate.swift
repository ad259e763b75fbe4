// TokenEstimate: about how many tokens a byte-pair encoder makes of a text. Encoders cut a text into runs of letters,
// digits, marks and white space first, and cut long runs further; a space or a mark mostly goes with the word behind it,
// line ends with the mark before them, and scripts that an encoder has seen less of cost more per letter. The figures,
// in hundredths of a token, were fitted to two encoders in wide use; the README has the errors.

struct TokenEstimate {
    private enum Run { case none, latin, foreign, digits, marks, spaces, lineEnds, single }

    private var run = Run.none
    private var previous = Run.none
    private var length = 0
    /// What letters with diacritics cost beside their run.
    private var diacritics = 0
    /// Of all that is closed.
    private var closed = 0

    var count: Int { (closed + cost(before: .none) + 50) / 100 }

    mutating func add(_ scalar: UInt32) {
        switch scalar {
        case 0x41...0x5A, 0x61...0x7A: extend(.latin)
        case 0xAA...0x24F:
            extend(.latin)
            diacritics += scalar < 0x100 ? 60 : 150
        case 0x30...0x39: extend(.digits)
        case 0x20, 0xA0: extend(.spaces)
        case 0x09...0x0D: extend(.lineEnds)
        case 0x00..<0xAA, 0x2010...0x205E: extend(.marks)
        case 0x250..<0x900: extend(.foreign)
        case 0x3000...0x303F, 0xFF00...0xFFEF: add(single: 100)
        case 0x3040...0x30FF: add(single: 75)  // kana
        case 0x3400...0x9FFF: add(single: 90)  // ideographs
        case 0xAC00...0xD7AF: add(single: 80)  // hangul
        case 0x10000...: add(single: 200)
        default: add(single: 55)
        }
    }

    /// Letters of the alphabet, behind one.
    mutating func addLetters(_ count: Int) { length += count }

    private mutating func add(single cost: Int) {
        close(before: .single)
        closed += cost
        previous = .single
    }

    private mutating func extend(_ next: Run) {
        if run != next {
            close(before: next)
            run = next
        }
        length += 1
    }

    private mutating func close(before next: Run) {
        closed += cost(before: next)
        previous = run
        run = .none
        length = 0
        diacritics = 0
    }

    /// Of the open run, given what follows.
    private func cost(before next: Run) -> Int {
        switch run {
        case .none, .single: 0
        case .latin: 100 + max(0, length - 6) * 12 + diacritics
        case .foreign: max(100, length * 42)
        case .digits: (length + 2) / 3 * 100
        case .marks:
            length == 1 && previous != .spaces && (next == .latin || next == .foreign) ? 15 : 60 + length * 30
        case .spaces: length > 1 ? 60 : next == .digits ? 100 : 0
        case .lineEnds: previous == .marks ? 15 : 90
        }
    }
}
