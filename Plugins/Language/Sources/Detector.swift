// Detector: which language a text is in, by the script of its letters, then by its commonest words and its rare letters.
// One pass over the bytes. Says nothing where there is too little to go by.

import PluginSDK

/// What was counted in texts. Add texts, then ask.
struct Evidence {
    private(set) var letters = 0
    private var scripts = [Int](repeating: 0, count: Script.allCases.count)
    private var scores = [Double](repeating: 0, count: Profile.all.count)
    private var words = 0

    /// A language that was made out, and how much of the evidence is for it (0.5 to 1).
    struct Finding {
        let profile: Int
        let confidence: Double
    }

    mutating func add(_ text: Text, _ lexicon: Lexicon) {
        let bytes = text.bytes
        var position = 0
        var word = Lexicon.noWord
        while position < bytes.count {
            let byte = bytes[position]
            var scalar = UInt32(byte)
            var size = 1
            if byte >= 0x80 { (scalar, size) = bytes.character(at: position) }
            position += size
            let isASCIILetter = (scalar | 0x20) &- 0x61 < 26
            if isASCIILetter {
                scripts[Script.latin.rawValue] += 1
                letters += 1
                word = Lexicon.add(scalar | 0x20, to: word)
            } else if scalar >= 0x80, let script = Script(scalar) {
                scripts[script.rawValue] += script.weight
                letters += script.weight
                let small = lexicon.small(scalar)
                word = Lexicon.add(small, to: word)
                if let owners = lexicon.letters[small] {
                    for owner in owners { scores[owner] += Lexicon.letterWeight / Double(owners.count) }
                }
            } else if scalar == 0x27 || scalar == 0x2019 {
                if word != Lexicon.noWord { word = Lexicon.add(0x27, to: word) }
            } else {
                if scalar == 0xBF || scalar == 0xA1, let owners = lexicon.letters[scalar] {
                    for owner in owners { scores[owner] += 1 }
                }
                end(&word, lexicon)
            }
        }
        end(&word, lexicon)
    }

    private mutating func end(_ word: inout UInt64, _ lexicon: Lexicon) {
        guard word != Lexicon.noWord else { return }
        words += 1
        if let owners = lexicon.words[word] {
            for owner in owners { scores[owner] += 1 / Double(owners.count) }
        }
        word = Lexicon.noWord
    }

    /// nil: too little text, or no language that is known here stands out.
    func language(leastLetters: Int) -> Finding? {
        guard letters > 0 else { return nil }
        // Japanese is written with Han characters too.
        var scripts = scripts
        if scripts[Script.kana.rawValue] * 12 >= scripts[Script.han.rawValue], scripts[Script.kana.rawValue] > 0 {
            scripts[Script.kana.rawValue] += scripts[Script.han.rawValue]
            scripts[Script.han.rawValue] = 0
        }
        guard let (place, count) = scripts.enumerated().max(by: { $0.element < $1.element }),
            let script = Script(rawValue: place), 5 * count >= 3 * letters
        else { return nil }
        let candidates = Profile.all.indices.filter { Profile.all[$0].script == script }
        if candidates.count == 1 {
            return count >= 4 ? Finding(profile: candidates[0], confidence: Double(count) / Double(letters)) : nil
        }
        guard letters >= leastLetters else { return nil }
        let ranked = candidates.sorted { scores[$0] > scores[$1] }
        let (first, second) = (scores[ranked[0]], scores[ranked[1]])
        // Enough evidence, most of it for one, and not a stray word in text of another kind.
        guard first >= 0.9, first >= 1.3 * second, first >= 0.06 * Double(words) else { return nil }
        return Finding(profile: ranked[0], confidence: first / (first + second))
    }
}

/// The words and letters of all profiles, ready to be looked up. Made once.
struct Lexicon: Sendable {
    static let shared = Lexicon()
    static let noWord: UInt64 = 0xCBF2_9CE4_8422_2325
    static let letterWeight = 0.5

    private(set) var words: [UInt64: [Int]] = [:]
    private(set) var letters: [UInt32: [Int]] = [:]
    private var smallLetters: [UInt16] = []

    private init() {
        smallLetters = (0..<0x530).map { value in
            let lower = Unicode.Scalar(UInt32(value))?.properties.lowercaseMapping.unicodeScalars
            return UInt16(lower?.first?.value ?? UInt32(value))
        }
        for (index, profile) in Profile.all.enumerated() {
            for word in Set(profile.words.split { $0 == " " || $0 == "\n" }) {
                words[word.unicodeScalars.reduce(Self.noWord) { Self.add($1.value, to: $0) }, default: []].append(index)
            }
            for letter in profile.letters.unicodeScalars { letters[letter.value, default: []].append(index) }
        }
    }

    /// FNV-1a over the characters.
    static func add(_ scalar: UInt32, to word: UInt64) -> UInt64 {
        (word ^ UInt64(scalar)) &* 0x100_0000_01B3
    }

    func small(_ scalar: UInt32) -> UInt32 {
        if scalar < UInt32(smallLetters.count) { return UInt32(smallLetters[Int(scalar)]) }
        // In Latin Extended Additional, capital letters are even.
        if 0x1EA0...0x1EFF ~= scalar || 0x1E00...0x1E95 ~= scalar { return scalar | 1 }
        return scalar
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// The character at an offset and its size; a malformed byte is U+FFFD.
    fileprivate func character(at offset: Int) -> (UInt32, Int) {
        let first = self[offset]
        let size = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1
        guard size > 1, offset + size <= count else { return (0xFFFD, 1) }
        var value = UInt32(first & (0x7F >> UInt8(size)))
        for place in 1..<size {
            guard self[offset + place] & 0xC0 == 0x80 else { return (0xFFFD, 1) }
            value = value << 6 | UInt32(self[offset + place] & 0x3F)
        }
        return (value, size)
    }
}
