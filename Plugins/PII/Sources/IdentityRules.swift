// Numbers that states and their offices give: their forms, their check digits, and what must be said near them. The rules
// are facts published by the issuers; where a form alone would take any number, a check digit or a word must speak for it.

/// One form of one identity number.
struct IdentityRule {
    enum Proof: Int {
        /// The form says enough by itself.
        case form
        /// A word of the topic must stand near, or no word at all.
        case context
        /// A word of the topic must stand near.
        case contextOnly
    }

    let entity: Int
    let shape: Shape
    let proof: Proof
    let topics: Topics
    /// Of the characters without separators; letters are upper-case.
    let isValid: @Sendable (Bytes) -> Bool
}

/// Groups of letters and digits with one kind of separator between them: "AA 99 99 99 A". 9 is a digit, A a letter, X
/// either; a space stands for a separator, which is one of those given, the same throughout.
struct Shape {
    /// Lengths of the groups, 5 bits each, the first in the lowest.
    let key: UInt32
    private let letters: UInt32
    private let digits: UInt32
    let separators: [UInt8]

    init(_ form: String, separators: String) {
        var key: UInt32 = 0
        var letters: UInt32 = 0
        var digits: UInt32 = 0
        var place = 0
        for (index, group) in form.split(separator: " ").enumerated() {
            key |= UInt32(group.utf8.count) << UInt32(5 * index)
            for byte in group.utf8 {
                if byte == UInt8(ascii: "A") { letters |= 1 << UInt32(place) }
                if byte == UInt8(ascii: "9") { digits |= 1 << UInt32(place) }
                place += 1
            }
        }
        (self.key, self.letters, self.digits) = (key, letters, digits)
        self.separators = Array(separators.utf8)
    }

    /// `digits`: the places of digits among the characters.
    func fits(digits found: UInt32, separator: UInt8?) -> Bool {
        found & letters == 0 && ~found & digits == 0 && (separator.map(separators.contains) ?? true)
    }
}

enum IdentityRules {
    /// The rules for groups of these lengths.
    static func rules(_ key: UInt32) -> [IdentityRule]? {
        // Most numbers begin with a group that no rule has: one look at a bit.
        firstLengths & 1 << (key & 31) == 0 ? nil : byKey[key]
    }

    private static let byKey: [UInt32: [IdentityRule]] = Dictionary(grouping: all, by: \.shape.key)
    private static let firstLengths: UInt32 = all.reduce(0) { $0 | 1 << ($1.shape.key & 31) }

    private static func rule(
        _ entity: Entity, _ forms: [String], _ proof: IdentityRule.Proof, _ topics: Topics, separators: String = " -",
        _ isValid: @escaping @Sendable (Bytes) -> Bool
    ) -> [IdentityRule] {
        forms.map {
            IdentityRule(
                entity: entity.index, shape: Shape($0, separators: separators), proof: proof, topics: topics,
                isValid: isValid)
        }
    }

    private static func number(_ characters: some Sequence<UInt8>) -> Int {
        characters.reduce(0) { $0 * 10 + Int($1 & 15) }
    }

    private static func letter(_ alphabet: StaticString, _ place: Int) -> UInt8 { alphabet.utf8Start[place] }

    private static func isOneOf(_ byte: UInt8, _ set: StaticString) -> Bool {
        (0..<set.utf8CodeUnitCount).contains { set.utf8Start[$0] == byte }
    }

    /// All digits are the same.
    private static func isUniform(_ digits: some Collection<UInt8>) -> Bool {
        digits.allSatisfy { $0 == digits.first }
    }

    private static let all: [IdentityRule] = joined(
        unitedStates, australia, canada, germany, spain, nordic, india, italy, korea, others, unitedKingdom)

    private static func joined(_ rules: [IdentityRule]...) -> [IdentityRule] { rules.flatMap { $0 } }

    // MARK: United States

    /// Area, group and serial number, none of them 0. Areas from 900 on are not given by the Social Security
    /// Administration; groups below 50 of them are taken for made-up numbers of that form, the others are tested as ITIN.
    private static func isSSN(_ characters: Bytes) -> Bool {
        let area = number(characters.prefix(3))
        let group = number(characters.dropFirst(3).prefix(2))
        let advertised = [78_05_1120, 219_09_9999, 123_45_6789, 987_65_4321]
        return area != 0 && area != 666 && group != 0 && number(characters.suffix(4)) != 0
            && (area < 900 || group < 50) && !isUniform(characters) && !advertised.contains(number(characters))
    }

    private static func isITIN(_ characters: Bytes) -> Bool {
        let group = number(characters.dropFirst(3).prefix(2))
        return characters.first == UInt8(ascii: "9")
            && [50...65, 70...88, 90...92, 94...99].contains { $0.contains(group) }
    }

    private static let unitedStates: [IdentityRule] = joined(
        rule(.usSSN, ["999 99 9999"], .form, .ssn, separators: "-. ", isSSN),
        rule(.usSSN, ["999999999", "999 999999", "99999 9999"], .context, .ssn, separators: "-. ", isSSN),
        rule(.usITIN, ["999 99 9999"], .form, .itin, separators: "-. ", isITIN),
        rule(.usITIN, ["999999999", "999 999999", "99999 9999"], .context, .itin, separators: "-. ", isITIN),
        rule(.usPassport, ["999999999", "A99999999"], .contextOnly, .passport) { !isUniform($0) },
        rule(.usDriverLicense, ["A9999999", "A99999999", "A999999999999"], .contextOnly, .licence) { _ in true },
        rule(.usMBI, ["9AXX AXX AXXX", "9XXX XXX XXXX", "9XXXXXXXXXX"], .form, .medicare) { characters in
            // Centers for Medicare & Medicaid Services: C A AN N, A AN N, A A N N; no S, L, O, I, B, Z.
            let form = Array("CANNANNAANN".utf8)
            let isEither: Set<Int> = [2, 5]
            return characters.enumerated().allSatisfy { index, byte in
                if byte.isLetter, isOneOf(byte, "SLOIBZ") { return false }
                if isEither.contains(index) { return true }
                return index == 0 ? byte != UInt8(ascii: "0") : byte.isLetter == (form[index] == UInt8(ascii: "A"))
            }
        },
        rule(.usNPI, ["9999999999", "9999 999 999"], .context, .npi) { characters in
            isOneOf(characters.first ?? 0, "12") && !isUniform(characters.dropLast())
                && Checksum.luhn(characters, prefix: 24)
        })

    // MARK: Australia and Canada

    private static let australia: [IdentityRule] = joined(
        rule(.auABN, ["99999999999", "99 999 999 999"], .context, .abn) { characters in
            var digits = characters.map { Int($0 & 15) }
            digits[0] -= 1
            return digits[0] >= 0
                && zip(digits, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).reduce(0) { $0 + $1.0 * $1.1 } % 89 == 0
        },
        rule(.auMedicare, ["9999999999", "9999 99999 9"], .context, .medicare) { characters in
            let digits = characters
            return (2...6).contains(digits[0] & 15)
                && Checksum.sum(digits, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 == Int(digits[8] & 15)
        },
        rule(.auTFN, ["999999999", "999 999 999"], .context, .tfn) { characters in
            !isUniform(characters) && Checksum.sum(characters, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 == 0
        },
        rule(.auACN, ["999999999", "999 999 999"], .context, .acn) { characters in
            let digits = characters
            let sum = Checksum.sum(digits, [8, 7, 6, 5, 4, 3, 2, 1])
            return !isUniform(characters) && (10 - sum % 10) % 10 == Int(digits[8] & 15)
        })

    private static let canada = rule(.caSIN, ["999999999", "999 999 999"], .context, .sin) { characters in
        !isOneOf(characters.first ?? 0, "08") && !isUniform(characters) && Checksum.luhn(characters)
    }

    // MARK: Germany

    /// Weights 1 and 2 in turn, or others; products count by the sum of their digits.
    private static func crossSum(_ digits: some Sequence<UInt8>, _ weights: [Int]) -> Int {
        zip(digits, weights).reduce(0) { sum, pair in
            let product = Int(pair.0 & 15) * pair.1
            return sum + product / 10 + product % 10
        }
    }

    private static func expanded(_ letter: UInt8) -> [UInt8] {
        let place = letter.uppercased &- 64
        return [place / 10, place % 10]
    }

    private static let germany: [IdentityRule] = joined(
        rule(.deHealthInsurance, ["A999999999"], .context, .healthInsurance) { characters in
            let digits = expanded(characters[0]) + characters.dropFirst()
            let sum = crossSum(digits[..<10], [1, 2, 1, 2, 1, 2, 1, 2, 1, 2])
            return sum % 10 == Int(digits[10] & 15)
        },
        rule(.deLANR, ["999999999"], .contextOnly, .lanr) { characters in
            let digits = characters
            return (10 - Checksum.sum(digits, [4, 9, 4, 9, 4, 9]) % 10) % 10 == Int(digits[6] & 15)
        },
        rule(.dePassport, ["AXXXXXXX9"], .context, [.passport, .idCard]) { characters in
            characters.allSatisfy { $0.isDigit || isOneOf($0, "CFGHJKLMNPRTVWXYZ") }
                && Checksum.travelDocument(characters)
        },
        rule(.deSocialSecurity, ["99999999A999"], .form, .socialSecurity) { characters in
            let digits =
                Array(characters[..<8]) + expanded(characters[8])
                + characters[9...]
            let day = number(characters[2..<4])
            let isDate = Checksum.isDate(
                day: day > 50 ? day - 50 : day, month: number(characters[4..<6]))
            return isDate
                && crossSum(digits[..<12], [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]) % 10 == Int(digits[12] & 15)
        },
        rule(.deTaxID, ["99999999999", "99 999 999 999"], .context, .tax) { characters in
            !isOneOf(characters.first ?? 0, "0") && !isUniform(characters.dropLast())
                && Checksum.mod11_10(characters)
        },
        rule(.deVATID, ["AA999999999", "AA 999 999 999"], .form, .vat) { characters in
            return characters[0] == UInt8(ascii: "D") && characters[1] == UInt8(ascii: "E")
                && Checksum.mod11_10(characters.dropFirst(2))
        })

    // MARK: Spain

    private static func hasSpanishLetter(_ number: Int, _ check: UInt8) -> Bool {
        letter("TRWAGMYFPDXBNJZSQVHLCKE", number % 23) == check
    }

    private static let spain: [IdentityRule] = joined(
        rule(.esNIE, ["A9999999A", "A9999999 A", "A 9999999 A"], .form, .spanishID) { characters in
            guard let first = characters.first, let last = characters.last, isOneOf(first, "XYZ") else { return false }
            let number = number(characters.dropFirst().dropLast())
            return hasSpanishLetter(Int(first - UInt8(ascii: "X")) * 10_000_000 + number, last)
        },
        rule(.esNIF, ["99999999A", "99999999 A", "9999999A", "9999999 A"], .form, .spanishID, separators: "-") {
            characters in
            hasSpanishLetter(number(characters.dropLast()), characters.last ?? 0)
        },
        rule(.esPassport, ["AAA999999"], .context, .passport) { _ in true })

    // MARK: Finland and Sweden

    private static let nordic: [IdentityRule] = joined(
        rule(.fiPersonalID, ["999999A999X", "999999 999X"], .form, .personnummer, separators: "-+") { characters in
            let digits = characters.count == 11 ? Array(characters[..<6]) + characters[7...] : Array(characters)
            if characters.count == 11, !isOneOf(characters[6], "ABCDEFYXWVU") { return false }
            return Checksum.isDate(day: number(digits[..<2]), month: number(digits[2..<4]))
                && number(digits[6..<9]) >= 2
                && letter("0123456789ABCDEFHJKLMNPRSTUVWXY", number(digits[..<9]) % 31) == digits[9]
        },
        rule(
            .sePersonnummer, ["999999 9999", "99999999 9999"], .form, .personnummer, separators: "-+", isPersonnummer),
        rule(.sePersonnummer, ["9999999999", "999999999999"], .context, .personnummer, isPersonnummer),
        rule(.seOrganisationsnummer, ["999999 9999"], .form, .organisation, separators: "-", isOrganisation),
        rule(.seOrganisationsnummer, ["9999999999"], .contextOnly, .organisation, isOrganisation))

    /// Birth date (the day may be 60 higher), serial number, Luhn over the last ten digits.
    private static func isPersonnummer(_ characters: Bytes) -> Bool {
        if characters.count == 12, !(18...20).contains(number(characters.prefix(2))) { return false }
        let ten = characters.suffix(10)
        let day = number(ten.dropFirst(4).prefix(2))
        return Checksum.isDate(day: day > 60 ? day - 60 : day, month: number(ten.dropFirst(2).prefix(2)))
            && Checksum.luhn(ten)
    }

    private static func isOrganisation(_ characters: Bytes) -> Bool {
        number(characters.dropFirst(2).prefix(1)) >= 2 && Checksum.luhn(characters)
    }

    // MARK: India

    private static let india: [IdentityRule] = joined(
        rule(.inAadhaar, ["999999999999", "9999 9999 9999"], .context, .aadhaar, separators: " -:") { characters in
            !isOneOf(characters.first ?? 0, "01") && Checksum.verhoeff(characters)
        },
        rule(.inGSTIN, ["99AAAAA9999AXAX"], .form, .tax) { characters in
            (1...37).contains(number(characters.prefix(2))) && isOneOf(characters[13], "Z")
        },
        rule(.inPAN, ["AAAAA9999A"], .form, .pan) { isOneOf($0[3], "ABCFGHLJPT") },
        rule(.inPAN, ["AAAAA9999A"], .context, .pan) { _ in true },
        rule(.inPassport, ["A9999999"], .context, .passport) {
            !isOneOf($0.first ?? 0, "QXZ") && $0[1] != UInt8(ascii: "0")
        },
        rule(.inVoter, ["AAA9999999"], .context, .voter) { _ in true })

    // MARK: Italy

    /// Ministerial decree of 23 December 1976: characters at odd places count by a table, the others by their place.
    private static func isFiscalCode(_ characters: Bytes) -> Bool {
        let odd = [
            1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
        ]
        let sum = characters.dropLast().enumerated().reduce(0) { sum, character in
            let byte = character.element
            let value = byte.isDigit ? Int(byte & 15) : Int(byte - 65)
            return sum + (character.offset & 1 == 0 ? odd[value] : value)
        }
        return UInt8(sum % 26) + 65 == characters.last
    }

    private static let italy: [IdentityRule] = joined(
        rule(.itFiscalCode, ["AAAAAAXXAXXAXXXA"], .form, .fiscalCode, isFiscalCode),
        rule(.itFiscalCode, ["AAAAAA99A99A999A"], .contextOnly, .fiscalCode) { _ in true },
        rule(.itDriverLicense, ["AA9999999A", "A9XXXXXXXA"], .context, .licence) { _ in true },
        rule(.itIdentityCard, ["AA99999AA", "AA9999999", "9999999AA"], .contextOnly, .idCard) { _ in true },
        rule(.itPassport, ["AA9999999"], .contextOnly, .passport) { _ in true },
        rule(.itVAT, ["99999999999"], .context, .vat) { !isUniform($0) && Checksum.luhn($0) })

    // MARK: Korea

    /// Birth date, a digit for century and sex, and (for numbers given before October 2020) a check digit.
    private static func isResident(_ characters: Bytes, checked: Bool) -> Bool {
        let digits = characters
        guard Checksum.isDate(day: number(characters[4..<6]), month: number(characters[2..<4])),
            (1...8).contains(characters[6] & 15)
        else { return false }
        return !checked
            || (11 - Checksum.sum(digits, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10 == Int(digits[12] & 15)
            || ((5...8).contains(digits[6] & 15)
                && (13 - Checksum.sum(digits, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10 == Int(digits[12] & 15))
    }

    private static let korea: [IdentityRule] = joined(
        rule(.krRRN, ["999999 9999999"], .form, .resident, separators: "-") { isResident($0, checked: false) },
        rule(.krRRN, ["9999999999999"], .context, .resident) { isResident($0, checked: true) },
        rule(.krBRN, ["999 99 99999", "9999999999"], .context, .business, separators: "-") { characters in
            let digits = characters.map { Int($0 & 15) }
            let sum = zip(digits, [1, 3, 7, 1, 3, 7, 1, 3, 5]).reduce(digits[8] * 5 / 10) { $0 + $1.0 * $1.1 }
            return (10 - sum % 10) % 10 == digits[9]
        },
        rule(.krDriverLicense, ["99 99 999999 99", "999999999999"], .context, .licence) { characters in
            (11...28).contains(number(characters.prefix(2)))
        },
        rule(.krPassport, ["A99999999", "A999A9999"], .context, .passport) { isOneOf($0.first ?? 0, "MSRODG") })

    // MARK: Others

    private static let others: [IdentityRule] = joined(
        rule(.ngNIN, ["99999999999"], .contextOnly, .nin) { _ in true },
        rule(.phTIN, ["999 999 999 999", "999 999 999", "999999999999", "999999999"], .contextOnly, .tax) {
            !isUniform($0)
        },
        rule(.plPESEL, ["99999999999"], .context, .pesel) { characters in
            let digits = characters
            return Checksum.isDate(
                day: number(characters[4..<6]), month: number(characters[2..<4]) % 20)
                && (10 - Checksum.sum(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 == Int(digits[10] & 15)
        },
        rule(.sgNRIC, ["A9999999A"], .form, .nric) { characters in
            guard let first = characters.first, let last = characters.last else { return false }
            let sum = Checksum.sum(characters.dropFirst(), [2, 7, 6, 5, 4, 3, 2])
            switch first {
            case UInt8(ascii: "S"): return letter("JZIHGFEDCBA", sum % 11) == last
            case UInt8(ascii: "T"): return letter("JZIHGFEDCBA", (sum + 4) % 11) == last
            case UInt8(ascii: "F"): return letter("XWUTRQPNMLK", sum % 11) == last
            case UInt8(ascii: "G"): return letter("XWUTRQPNMLK", (sum + 4) % 11) == last
            case UInt8(ascii: "M"): return letter("XWUTRQPNJLK", (sum + 3) % 11) == last
            default: return false
            }
        },
        rule(.sgNRIC, ["A9999999A"], .context, .nric) { isOneOf($0.first ?? 0, "STFGM") },
        rule(.sgUEN, ["99999999A", "999999999A", "A99AA9999A"], .context, .uen) { _ in true },
        rule(.thNationalID, ["9999999999999", "9 9999 99999 99 9"], .context, .thai) { characters in
            let digits = characters
            let sum = Checksum.sum(digits, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
            return isOneOf(characters.first ?? 0, "12345678")
                && (11 - sum % 11) % 10 == Int(digits[12] & 15)
        },
        rule(.trNationalID, ["99999999999"], .context, .turkish) { characters in
            let digits = characters.map { Int($0 & 15) }
            let odd = digits[0] + digits[2] + digits[4] + digits[6] + digits[8]
            let even = digits[1] + digits[3] + digits[5] + digits[7]
            return digits[0] != 0 && (odd * 7 + 90 - even) % 10 == digits[9]
                && digits[..<10].reduce(0, +) % 10 == digits[10]
        },
        rule(.zaID, ["9999999999999"], .form, .southAfrican) { characters in
            return Checksum.isDate(
                day: number(characters[4..<6]), month: number(characters[2..<4]))
                && isOneOf(characters[10], "012") && isOneOf(characters[11], "89")
                && Checksum.luhn(characters)
        })

    // MARK: United Kingdom

    private static let unitedKingdom: [IdentityRule] = joined(
        rule(
            .ukNINO, ["AA999999A", "AA 99 99 99 A", "AA 999999 A", "AA 999999A"], .form, .nationalInsurance,
            separators: " "
        ) {
            characters in
            let (first, second) = (characters[0], characters[1])
            let prefix = [first, second]
            return !isOneOf(first, "DFIQUV") && !isOneOf(second, "DFIOQUV") && isOneOf(characters.last ?? 0, "ABCD")
                && !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains { $0.utf8.elementsEqual(prefix) }
        },
        rule(.ukNHS, ["999 999 9999", "9999999999"], .context, .nhs) { characters in
            let digits = characters
            let check = 11 - Checksum.sum(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11
            return !isUniform(characters) && check != 10 && check % 11 == Int(digits[9] & 15)
        },
        rule(.ukPassport, ["AA9999999"], .context, .passport) { _ in true },
        rule(.ukPassport, ["999999999"], .contextOnly, .passport) { !isUniform($0) },
        rule(.ukDrivingLicence, ["AXXXX999999XXXAA", "AXXXX999999XX9AA"], .form, .licence) { characters in
            // Surname padded with 9s; decade, month (50 more for women), day, year; initials; three check characters.
            let surname = characters[..<5].drop { $0.isLetter }
            let month = number(characters[6..<8]) % 50
            return surname.allSatisfy { $0 == UInt8(ascii: "9") }
                && Checksum.isDate(day: number(characters[8..<10]), month: month)
        })
}
