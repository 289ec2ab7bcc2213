/** A statement's text with its parameters kept apart, made by {@link sql}. Can stand inside another. */
export class Sql {
  readonly #strings: readonly string[];
  readonly #values: readonly unknown[];

  /** `strings` are the pieces of text around the values: one more than those. */
  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.#strings = strings;
    this.#values = values;
  }

  /** The text, with `$1`, `$2`, … for the parameters. */
  get text(): string {
    const out = { text: "", values: [] };
    this.#write(out);
    return out.text;
  }

  /** The parameters, `$1` first. */
  get values(): unknown[] {
    const out = { text: "", values: [] };
    this.#write(out);
    return out.values;
  }

  #write(out: { text: string; values: unknown[] }): void {
    this.#strings.forEach((string, index) => {
      out.text += string;
      if (index >= this.#values.length) return;
      const value = this.#values[index];
      if (value instanceof Sql) value.#write(out);
      else out.text += `$${out.values.push(value)}`;
    });
  }
}

/**
 * A piece of SQL: `` sql`where id = ${id}` ``. Values become parameters, never text; pieces made by
 * `sql` may stand inside others.
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Sql {
  return new Sql(strings, values);
}

/** A quoted name: `sql.identifier("public", "Order")` is `"public"."Order"`. */
sql.identifier = (...path: string[]): Sql =>
  new Sql([path.map((name) => `"${name.replace(/"/g, '""')}"`).join(".")], []);

/** Text that becomes part of the statement as it is. Never for what comes from outside. */
sql.raw = (text: string): Sql => new Sql([text], []);

/** Values or pieces with a separator between them: `` sql`id in (${sql.join(ids)})` ``. */
sql.join = (items: readonly unknown[], separator = ", "): Sql =>
  new Sql(["", ...Array(Math.max(items.length - 1, 0)).fill(separator), ""].slice(0, items.length + 1), items);
