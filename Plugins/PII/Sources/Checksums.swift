// Check digits. Every function takes ASCII digits, most significant first.

enum Checksum {
    /// ISO/IEC 7812-1, annex B: from the right every second digit counts twice, and the sum ends in 0.
    /// `prefix`: the sum of digits that go before and are not written.
    static func luhn(_ digits: some BidirectionalCollection<UInt8>, prefix: Int = 0) -> Bool {
        var sum = prefix
        var isDoubled = false
        for digit in digits.reversed() {
            let value = isDoubled ? 2 * Int(digit & 15) : Int(digit & 15)
            sum += value > 9 ? value - 9 : value
            isDoubled.toggle()
        }
        return sum % 10 == 0
    }

    /// The weighted sum of as many digits as there are weights.
    static func sum(_ digits: some Sequence<UInt8>, _ weights: [Int]) -> Int {
        zip(digits, weights).reduce(0) { $0 + Int($1.0 & 15) * $1.1 }
    }

    /// ISO/IEC 7064, MOD 11,10.
    static func mod11_10(_ digits: some BidirectionalCollection<UInt8>) -> Bool {
        guard let last = digits.last else { return false }
        var product = 10
        for digit in digits.dropLast() {
            let sum = (Int(digit & 15) + product) % 10
            product = (sum == 0 ? 10 : sum) * 2 % 11
        }
        return (11 - product) % 10 == Int(last & 15)
    }

    /// Verhoeff's scheme over the dihedral group of order 10.
    static func verhoeff(_ digits: some BidirectionalCollection<UInt8>) -> Bool {
        var check = 0
        for (place, digit) in digits.reversed().enumerated() {
            check = dihedral(check, permuted(Int(digit & 15), place % 8))
        }
        return check == 0
    }

    /// The product of two elements: 0 to 4 are rotations, 5 to 9 reflections.
    private static func dihedral(_ a: Int, _ b: Int) -> Int {
        switch (a < 5, b < 5) {
        case (true, true): (a + b) % 5
        case (true, false): 5 + (a + b - 5) % 5
        case (false, true): 5 + (a - 5 - b + 5) % 5
        case (false, false): (a - b + 5) % 5
        }
    }

    private static func permuted(_ digit: Int, _ times: Int) -> Int {
        let permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
        return (0..<times).reduce(digit) { value, _ in permutation[value] }
    }

    /// ISO 13616: the first four characters go to the end, letters count 10 to 35, and the remainder by 97 is 1.
    static func iban(_ characters: Bytes) -> Bool {
        var remainder = 0
        for index in characters.indices {
            let value = characters[(index + 4) % characters.count].base36
            remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97
        }
        return remainder == 1
    }

    /// ICAO Doc 9303: weights 7, 3, 1; letters count 10 to 35; the last character is the sum's last digit.
    static func travelDocument(_ characters: Bytes) -> Bool {
        guard let last = characters.last, last.isDigit else { return false }
        let weights = [7, 3, 1]
        let sum = characters.dropLast().enumerated().reduce(0) { $0 + $1.element.base36 * weights[$1.offset % 3] }
        return sum % 10 == last.base36
    }

    /// A day, month and two-digit year that a calendar can have.
    static func isDate(day: Int, month: Int) -> Bool {
        (1...12).contains(month) && day >= 1 && day <= [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }
}
