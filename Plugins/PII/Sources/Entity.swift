// The kinds of personal data that the plugin knows, by the names that configs, labels and reports use.

enum Entity: String, CaseIterable {
    case email = "EMAIL"
    case phone = "PHONE"
    case creditCard = "CREDIT_CARD"
    case iban = "IBAN"
    case ipAddress = "IP_ADDRESS"
    case macAddress = "MAC_ADDRESS"
    case url = "URL"
    case crypto = "CRYPTO"
    case dateOfBirth = "DATE_OF_BIRTH"
    case usSSN = "US_SSN"
    case usITIN = "US_ITIN"
    case usPassport = "US_PASSPORT"
    case usDriverLicense = "US_DRIVER_LICENSE"
    case usMBI = "US_MBI"
    case usNPI = "US_NPI"
    case auABN = "AU_ABN"
    case auACN = "AU_ACN"
    case auMedicare = "AU_MEDICARE"
    case auTFN = "AU_TFN"
    case caSIN = "CA_SIN"
    case deHealthInsurance = "DE_HEALTH_INSURANCE"
    case deLANR = "DE_LANR"
    case dePassport = "DE_PASSPORT"
    case deSocialSecurity = "DE_SOCIAL_SECURITY"
    case deTaxID = "DE_TAX_ID"
    case deVATID = "DE_VAT_ID"
    case esNIE = "ES_NIE"
    case esNIF = "ES_NIF"
    case esPassport = "ES_PASSPORT"
    case fiPersonalID = "FI_PERSONAL_ID"
    case inAadhaar = "IN_AADHAAR"
    case inGSTIN = "IN_GSTIN"
    case inPAN = "IN_PAN"
    case inPassport = "IN_PASSPORT"
    case inVoter = "IN_VOTER"
    case itDriverLicense = "IT_DRIVER_LICENSE"
    case itFiscalCode = "IT_FISCAL_CODE"
    case itIdentityCard = "IT_IDENTITY_CARD"
    case itPassport = "IT_PASSPORT"
    case itVAT = "IT_VAT"
    case krBRN = "KR_BRN"
    case krDriverLicense = "KR_DRIVER_LICENSE"
    case krPassport = "KR_PASSPORT"
    case krRRN = "KR_RRN"
    case ngNIN = "NG_NIN"
    case phTIN = "PH_TIN"
    case plPESEL = "PL_PESEL"
    case sePersonnummer = "SE_PERSONNUMMER"
    case seOrganisationsnummer = "SE_ORGANISATIONSNUMMER"
    case sgNRIC = "SG_NRIC"
    case sgUEN = "SG_UEN"
    case thNationalID = "TH_NATIONAL_ID"
    case trNationalID = "TR_NATIONAL_ID"
    case ukDrivingLicence = "UK_DRIVING_LICENCE"
    case ukNHS = "UK_NHS"
    case ukNINO = "UK_NINO"
    case ukPassport = "UK_PASSPORT"
    case zaID = "ZA_ID"

    /// The place in `allCases`; what matches carry. Swift numbers cases without payloads in their order, in one byte
    /// (docs/ABI/TypeLayout.rst, "C-Like Enums").
    var index: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    /// Names for several kinds at once.
    static func named(_ name: String) -> [Entity]? {
        switch name {
        case "PASSPORT": allCases.filter { $0.rawValue.hasSuffix("_PASSPORT") }
        case "NATIONAL_ID":
            allCases.filter { $0.index >= Entity.usSSN.index && !$0.rawValue.hasSuffix("_PASSPORT") }
        default: Entity(rawValue: name).map { [$0] }
        }
    }
}

/// A set of entities, and of kinds that the config defines after them.
struct EntitySet {
    private var bits: UInt64 = 0

    init(_ entities: some Sequence<Entity>) {
        for entity in entities { bits |= 1 << UInt64(entity.index) }
    }

    @inline(__always) func contains(index: Int) -> Bool { bits & (1 << UInt64(index)) != 0 }
    func contains(_ entity: Entity) -> Bool { contains(index: entity.index) }
    func containsAny(_ entities: Entity...) -> Bool { entities.contains { contains($0) } }
    var isEmpty: Bool { bits == 0 }
}

/// A value that was found: where, and what it is. Kinds from `Entity.allCases.count` on are the config's own patterns.
struct Match: Equatable {
    var kind: Int
    var range: Range<Int>
    /// The next part of a URL that is too long to be held whole.
    var isContinuation = false
}
