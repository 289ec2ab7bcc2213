// Values into parameters, by the rules of `pg`: text, but bytes as they are.

/** An object that says itself what it is to the database. */
export interface ToPostgres {
  toPostgres(prepare: (value: unknown) => Param): unknown;
}

/** A parameter as it is sent. */
export type Param = string | Buffer | null;

/** What is sent for a value. */
export function toParam(value: unknown, seen: readonly object[] = []): Param {
  if (value === null || value === undefined) return null;
  if (typeof value !== "object") return String(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (value instanceof Date) return dateText(value);
  if (Array.isArray(value)) return arrayText(value);
  const { toPostgres } = value as Partial<ToPostgres>;
  if (typeof toPostgres !== "function") return JSON.stringify(value);
  if (seen.includes(value)) throw new TypeError("toPostgres() of a parameter leads back to itself");
  return toParam(toPostgres.call(value, toParam), [...seen, value]);
}

/** An array literal. Its elements are separated by commas, as in all types but `box`. */
function arrayText(values: readonly unknown[]): string {
  const element = (value: unknown): string => {
    if (value === null || value === undefined) return "NULL";
    if (Array.isArray(value)) return arrayText(value);
    const text = toParam(value);
    if (text === null) return "NULL";
    if (typeof text !== "string") return `"\\\\x${text.toString("hex")}"`;
    return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;
  };
  return `{${values.map(element).join(",")}}`;
}

/** Local time with its offset: right for `timestamptz`, and read back as written for `timestamp`. */
function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw new TypeError("a parameter is an invalid Date");
  const two = (number: number) => String(number).padStart(2, "0");
  const year = date.getFullYear();
  const offset = -date.getTimezoneOffset();
  const minutes = Math.abs(offset);
  return (
    `${String(year < 1 ? 1 - year : year).padStart(4, "0")}-${two(date.getMonth() + 1)}-` +
    `${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:` +
    `${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}` +
    `${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}` +
    (year < 1 ? " BC" : "")
  );
}
