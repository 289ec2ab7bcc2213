// Imported first: what reads and writes the protocol needs Node's Buffer as soon as it is loaded.

if (typeof Buffer === "undefined") {
  throw new Error(
    "the package `pierhead` needs Node's Buffer: set compatibility_date to 2026-08-04 or later, or " +
      'add compatibility_flags = ["nodejs_compat"] to the Worker\'s configuration',
  );
}
export {};
