//! Type numbers of PostgreSQL's own types, which never change.

pub(crate) const BOOL: u32 = 16;
pub(crate) const BYTEA: u32 = 17;
pub(crate) const INT8: u32 = 20;
pub(crate) const INT2: u32 = 21;
pub(crate) const INT4: u32 = 23;
pub(crate) const OID: u32 = 26;
pub(crate) const JSON: u32 = 114;
pub(crate) const BOX: u32 = 603;
pub(crate) const FLOAT4: u32 = 700;
pub(crate) const FLOAT8: u32 = 701;
pub(crate) const DATE: u32 = 1082;
pub(crate) const TIME: u32 = 1083;
pub(crate) const TIMESTAMP: u32 = 1114;
pub(crate) const TIMESTAMPTZ: u32 = 1184;
pub(crate) const UUID: u32 = 2950;
pub(crate) const JSONB: u32 = 3802;

/// Number, name, and number of the array type (0 if there is none).
const TYPES: &[(u32, &str, u32)] = &[
    (BOOL, "bool", 1000),
    (BYTEA, "bytea", 1001),
    (18, "\"char\"", 1002),
    (19, "name", 1003),
    (INT8, "bigint", 1016),
    (INT2, "smallint", 1005),
    (INT4, "integer", 1007),
    (25, "text", 1009),
    (OID, "oid", 1028),
    (JSON, "json", 199),
    (142, "xml", 143),
    (600, "point", 1017),
    (BOX, "box", 1020),
    (650, "cidr", 651),
    (FLOAT4, "real", 1021),
    (FLOAT8, "double precision", 1022),
    (790, "money", 791),
    (829, "macaddr", 1040),
    (869, "inet", 1041),
    (1042, "character", 1014),
    (1043, "character varying", 1015),
    (DATE, "date", 1182),
    (TIME, "time", 1183),
    (TIMESTAMP, "timestamp", 1115),
    (TIMESTAMPTZ, "timestamp with time zone", 1185),
    (1186, "interval", 1187),
    (1266, "time with time zone", 1270),
    (1560, "bit", 1561),
    (1562, "bit varying", 1563),
    (1700, "numeric", 1231),
    (2249, "record", 2287),
    (2278, "void", 0),
    (UUID, "uuid", 2951),
    (JSONB, "jsonb", 3807),
];

/// The type of the elements of an array type; 0 for one that is not PostgreSQL's own.
pub(crate) fn element(array: u32) -> u32 {
    TYPES.iter().find(|(.., of)| *of == array && array != 0).map_or(0, |(oid, ..)| *oid)
}

/// The type's name in errors.
pub(crate) fn name(oid: u32) -> String {
    for (number, name, array) in TYPES {
        if *number == oid {
            return (*name).to_owned();
        }
        if *array == oid && oid != 0 {
            return format!("{name}[]");
        }
    }
    format!("of type {oid}")
}

/// Whether a type is not PostgreSQL's own, so that only its text can tell whether it is an array.
pub(crate) fn is_unknown(oid: u32) -> bool {
    !TYPES.iter().any(|(number, _, array)| *number == oid || *array == oid)
}

pub(crate) const fn is_integer(oid: u32) -> bool {
    matches!(oid, INT2 | INT4 | INT8 | OID)
}

pub(crate) const fn is_json(oid: u32) -> bool {
    matches!(oid, JSON | JSONB)
}
