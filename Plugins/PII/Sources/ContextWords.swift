// Words that say what a number near them is. A candidate asks which topics are spoken of around it; words are read once,
// from left to right, and only where there are candidates.

/// Topics, as bits.
struct Topics: OptionSet {
    let rawValue: UInt64

    static let phone = bit(0), birth = bit(1), ip = bit(2), passport = bit(3), ssn = bit(4), itin = bit(5)
    static let licence = bit(6), medicare = bit(7), npi = bit(8), abn = bit(9), acn = bit(10), tfn = bit(11)
    static let sin = bit(12), healthInsurance = bit(13), lanr = bit(14), idCard = bit(15), socialSecurity = bit(16)
    static let tax = bit(17), spanishID = bit(18), aadhaar = bit(19), pan = bit(20), voter = bit(21)
    static let fiscalCode = bit(22), vat = bit(23), business = bit(24), resident = bit(25), nin = bit(26)
    static let pesel = bit(27), personnummer = bit(28), organisation = bit(29), nric = bit(30), uen = bit(31)
    static let thai = bit(32), turkish = bit(33), nhs = bit(34), nationalInsurance = bit(35), southAfrican = bit(36)

    init(rawValue: UInt64) { self.rawValue = rawValue }
    private static func bit(_ place: UInt64) -> Topics { Topics(rawValue: 1 << place) }
    static let count = 37

    fileprivate static let words: [(Topics, String)] = [
        (
            .phone,
            "phone phones telephone tel mobile cell cellphone call called calling dial fax whatsapp sms text contact "
                + "telefon telefonnummer handy mobil mobilnummer rückruf téléphone telephone portable "
                + "teléfono telefono móvil cellulare telefone celular telepono cep telefonum telefonu telefoon ring reach"
        ),
        (
            .birth,
            "birth born birthday birthdate dob geboren geburtsdatum geburtstag geb né née naissance nacido nacida "
                + "nacimiento nato nata nascita nascido nascida nascimento geboortedatum född"
        ),
        (
            .ip,
            "ip ips ipv address src dst source destination addr bind bound listen listening host localhost "
                + "loopback unspecified server route gateway subnet prefix network interface"
        ),
        (
            .passport,
            "passport passports pass reisepass passnummer passnr passeport pasaporte passaporto passaporte pasaport "
                + "paspoort 여권 travel document"
        ),
        (.ssn, "ssn ssns social security"),
        (.itin, "itin itins taxpayer tax"),
        (
            .licence,
            "license licence licenses licences driver drivers driving dl führerschein patente permis 운전면허"
        ),
        (.medicare, "medicare mbi"),
        (.npi, "npi provider"),
        (.abn, "abn australian business"),
        (.acn, "acn australian company"),
        (.tfn, "tfn tax"),
        (.sin, "sin nas social insurance assurance"),
        (.healthInsurance, "kvnr krankenkasse krankenversicherung krankenversichertennummer versichertennummer egk"),
        (.lanr, "lanr arztnummer arzt"),
        (.idCard, "identity personalausweis ausweis ausweisnummer carta identità identita cie card"),
        (
            .socialSecurity,
            "rvnr rentenversicherung rentenversicherungsnummer sozialversicherungsnummer sozialversicherungsausweis"
        ),
        (.tax, "steuer steuerid idnr identifikationsnummer steueridentifikationsnummer steuernummer tin tax bir"),
        (.spanishID, "dni nif nie"),
        (.aadhaar, "aadhaar aadhar uidai uid"),
        (.pan, "pan permanent account"),
        (.voter, "voter vote voting epic elector"),
        (.fiscalCode, "codice fiscale"),
        (.vat, "iva vat partita piva"),
        (.business, "brn business registration 사업자등록번호 사업자"),
        (.resident, "rrn frn resident registration 주민등록번호 주민번호 외국인등록번호"),
        (.nin, "nin nimc"),
        (.pesel, "pesel"),
        (.personnummer, "personnummer pnr samordningsnummer identity swedish"),
        (.organisation, "organisationsnummer orgnummer orgnr company organisation"),
        (.nric, "nric fin"),
        (.uen, "uen acra"),
        (.thai, "thai tnin เลขประจำตัวประชาชน เลขบัตรประชาชน"),
        (.turkish, "tckn kimlik turkish tc türk"),
        (.nhs, "nhs"),
        (.nationalInsurance, "nino insurance"),
        (.southAfrican, "african rsa sa"),
    ]
}

/// The topics spoken of around a place. Asked from left to right.
struct ContextWords {
    /// A word counts when it begins in [place - before, place + after).
    static let before = 64
    static let after = 80
    /// The longest word, in bytes; so far beyond `after` the text must be known.
    static let longest = 56

    /// The topics of each word, by its hash.
    private static let topics: [UInt64: Topics] = {
        var topics: [UInt64: Topics] = [:]
        for (topic, words) in Topics.words {
            for word in words.split(separator: " ") {
                topics[word.utf8.reduce(offset) { hashed($0, $1) }, default: []].insert(topic)
            }
        }
        return topics
    }()
    private static let offset: UInt64 = 0xcbf2_9ce4_8422_2325
    @inline(__always) private static func hashed(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }

    private var position = 0
    /// Where each topic was spoken of last, and any word at all.
    private var places = [Int](repeating: .min / 2, count: Topics.count)
    private var lastWord = Int.min / 2

    /// What is spoken of around `place`, which is not left of the place asked for before. `isAlone`: there are no words.
    mutating func around(_ place: Int, in text: Bytes) -> (topics: Topics, isAlone: Bool) {
        read(from: place - Self.before, to: min(place + Self.after, text.count), in: text)
        var topics: Topics = []
        for (topic, found) in places.enumerated() where found >= place - Self.before {
            topics.insert(Topics(rawValue: 1 << UInt64(topic)))
        }
        return (topics, lastWord < place - Self.before)
    }

    private mutating func read(from start: Int, to end: Int, in text: Bytes) {
        let table = Self.topics
        if start > position {
            position = start
            while position < end, isWord(text.at(position - 1)), isWord(text[position]) { position += 1 }
        }
        while position < end {
            guard isLetter(text[position]) else {
                // A letter after a digit is no word's beginning.
                let isDigit = text[position].isDigit
                position += 1
                if isDigit { skipWord(text) }
                continue
            }
            let word = position
            var hash = Self.offset
            while position < text.count, position - word <= Self.longest, isLetter(text[position]) {
                hash = Self.hashed(hash, text[position].lowercased)
                position += 1
            }
            let length = position - word
            while position < text.count, isLetter(text[position]) { position += 1 }
            if position < text.count, text[position].isDigit {
                // "ID12345": its letters may say something, but it is no word that a number has beside it.
                if length <= Self.longest, let known = table[hash] { note(known, word) }
                skipWord(text)
                continue
            }
            if length > 1 { lastWord = word }
            if length <= Self.longest, let known = table[hash] { note(known, word) }
        }
    }

    private mutating func note(_ topics: Topics, _ word: Int) {
        var bits = topics.rawValue
        while bits != 0 {
            places[bits.trailingZeroBitCount] = word
            bits &= bits - 1
        }
    }

    private mutating func skipWord(_ text: Bytes) {
        while position < text.count, isWord(text[position]) { position += 1 }
    }

    @inline(__always) private func isLetter(_ byte: UInt8) -> Bool { byte.isLetter || byte >= 0x80 }
    @inline(__always) private func isWord(_ byte: UInt8) -> Bool { byte.isAlphanumeric || byte >= 0x80 }
}
