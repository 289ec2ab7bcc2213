// Answers of a coordinator, made by hand.

export const ascii = (text) => Buffer.from(text, "latin1");
export const message = (letter, body = "") => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(4 + body.length);
  return Buffer.concat([ascii(letter), length, ascii(body)]);
};
export const u16 = (n) => String.fromCharCode(n >> 8, n & 255);
export const u32 = (n) => u16(n >>> 16) + u16(n & 0xffff);
export const columns = (...list) =>
  message("T", u16(list.length) + list.map(([name, oid]) =>
    `${name}\0${u32(0)}${u16(0)}${u32(oid)}${u16(8)}${u32(0)}${u16(0)}`).join(""));
export const row = (...values) =>
  message("D", u16(values.length) + values.map((v) => (v === null ? u32(0xffffffff) : u32(v.length) + v)).join(""));
export const [PARSED, BOUND, NO_DATA] = ["1", "2", "n"].map((letter) => message(letter));
export const done = (tag) => message("C", `${tag}\0`);
export const ready = (status) => message("Z", status);
export const failed = (fields) => message("E", `${Object.entries(fields).map(([k, v]) => `${k}${v}\0`).join("")}\0`);

function outcome({ status = 0, code = "00000", blame = 0, retry = 0, after = 0, text = "", hint = "" } = {}) {
  return ascii(
    String.fromCharCode(status) + code + String.fromCharCode(blame, retry) + u32(after) + u32(0) + u32(0) +
      u16(text.length) + text + u16(hint.length) + hint,
  );
}

export function answer(messages, end) {
  const data = Buffer.concat(messages);
  const last = outcome(end);
  const whole = [ascii(`\x01D${u32(data.length)}`), data, ascii(`O${u32(last.length)}`), last];
  return new Uint8Array(Buffer.concat(whole));
}
