// What a token's claims must say (RFC 7519, 4.1), apart from whose signature they carry.

import PluginSDK

struct ClaimRules: Sendable {
    var issuers: [String] = []
    var audiences: [String] = []
    /// Claims that must be there, with the value that they must have, or any (null).
    var required: [(name: String, value: JSON)] = []
    var toleranceSeconds = 5
    /// nil: any age.
    var maximumAgeSeconds: Int?

    /// `now` in seconds since 1970.
    func check(_ claims: JSON.Object, now: Double) throws(TokenRefusal) {
        let tolerance = Double(toleranceSeconds)
        if let expiry = try time("exp", claims), expiry <= now - tolerance {
            throw TokenRefusal("the token has expired")
        }
        if let start = try time("nbf", claims), start > now + tolerance {
            throw TokenRefusal("the token is not valid yet")
        }
        let issued = try time("iat", claims)
        if let maximumAgeSeconds {
            guard let issued else { throw TokenRefusal("the token does not say when it was issued") }
            if now - issued - tolerance > Double(maximumAgeSeconds) { throw TokenRefusal("the token is too old") }
            if issued > now + tolerance { throw TokenRefusal("the token was issued in the future") }
        }
        if !issuers.isEmpty, !issuers.contains(where: { claims["iss"]?.string == $0 }) {
            throw TokenRefusal("the token's issuer is not accepted")
        }
        if !audiences.isEmpty {
            let own = claims["aud"]?.array?.compactMap(\.string) ?? claims["aud"]?.string.map { [$0] } ?? []
            if !own.contains(where: audiences.contains) { throw TokenRefusal("the token is for another audience") }
        }
        for (name, value) in required {
            guard let claim = claims[name], value.isNull || claim == value else {
                throw TokenRefusal("the token's claim \(name) is missing or has another value")
            }
        }
    }

    private func time(_ name: String, _ claims: JSON.Object) throws(TokenRefusal) -> Double? {
        guard let claim = claims[name] else { return nil }
        guard let seconds = claim.double, seconds.isFinite else { throw TokenRefusal("the token's \(name) is no time") }
        return seconds
    }
}

/// A span of time: seconds as a number, or a number with a unit, "90s", "15 minutes", "1d".
enum TimeSpan {
    static func seconds(_ value: JSON) -> Int? {
        if let seconds = value.int { return (0...limit).contains(seconds) ? seconds : nil }
        guard let text = value.string else { return nil }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard let count = Int(digits), let scale = scale(String(unit)), count <= limit / scale else { return nil }
        return count * scale
    }

    private static let limit = 1 << 40

    private static func scale(_ unit: String) -> Int? {
        switch unit {
        case "", "s", "sec", "secs", "second", "seconds": 1
        case "m", "min", "mins", "minute", "minutes": 60
        case "h", "hr", "hrs", "hour", "hours": 3600
        case "d", "day", "days": 86_400
        case "w", "week", "weeks": 7 * 86_400
        default: nil
        }
    }
}
