import pgTypes from "pg-types";

/** Reads the text of a value. */
export type Parse = (text: string) => unknown;

/** Chooses how the texts of a type are read; `pg`'s `types` and Drizzle's are such objects. */
export interface TypeParsers {
  getTypeParser(oid: number, format?: "text"): Parse;
}

/** Other readers than `pg`'s: some by the oids of their types, or a chooser for all. */
export type TypeOverrides = { readonly [oid: number]: Parse } | TypeParsers;

/** The reader of a type: an override, or what `pg` does. */
export function parserOf(overrides: TypeOverrides | undefined, oid: number): Parse {
  if (overrides !== undefined) {
    if ("getTypeParser" in overrides && typeof overrides.getTypeParser === "function") {
      return (overrides as TypeParsers).getTypeParser(oid, "text");
    }
    const own = (overrides as { readonly [oid: number]: Parse })[oid];
    if (own !== undefined) return own;
  }
  return pgTypes.getTypeParser(oid, "text") as Parse;
}

/** Every value as the text that the database sent. */
export const asText: TypeParsers = { getTypeParser: () => (text) => text };
