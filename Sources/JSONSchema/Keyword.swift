// Keyword: where the two dialects have schemas.

enum Keyword {
    /// What a keyword's value is made of.
    enum Shape {
        case schema
        case list
        case map
        case schemaOrList
        /// Schemas or lists of names, by name.
        case dependencies
    }

    /// nil for a keyword without schemas in it.
    static func shape(of keyword: String, _ draft: Draft) -> Shape? {
        switch keyword {
        case "allOf", "anyOf", "oneOf": .list
        // Draft 7 says "definitions", 2020-12 "$defs"; people write either in both.
        case "properties", "patternProperties", "definitions", "$defs": .map
        case "not", "if", "then", "else", "contains", "additionalProperties", "propertyNames": .schema
        // Gone from 2020-12, but its appendix keeps it as an option, and it is still met.
        case "dependencies": .dependencies
        case "items": draft == .draft7 ? .schemaOrList : .schema
        case "additionalItems": draft == .draft7 ? .schema : nil
        case "prefixItems": draft == .draft2020 ? .list : nil
        case "dependentSchemas": draft == .draft2020 ? .map : nil
        case "unevaluatedItems", "unevaluatedProperties", "contentSchema": draft == .draft2020 ? .schema : nil
        default: nil
        }
    }
}
