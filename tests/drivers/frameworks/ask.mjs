// `node ask.mjs <url>`: prints the answer of a server that is starting, without its tags.

const [url] = process.argv.slice(2);
/** Milliseconds for a start, on a busy machine. */
const PATIENCE = 120_000;

for (const end = Date.now() + PATIENCE; ; ) {
  const answer = await fetch(url).catch((error) => error);
  if (answer instanceof Response) {
    const text = await answer.text();
    const [body = text] = text.match(/<ul>.*<\/ul>/s) ?? [];
    console.log(answer.status, body.replaceAll(/<[^>]*>/g, " ").trim());
    break;
  }
  if (Date.now() > end) throw answer;
  await new Promise((wake) => setTimeout(wake, 200));
}
