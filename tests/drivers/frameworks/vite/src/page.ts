// What is rendered on the server.

import { type Event, load } from "./load.ts";

export async function render(event: Event): Promise<string> {
  const { ships } = await load(event);
  return `<ul>${ships.map(({ name }) => `<li>${name}</li>`).join("")}</ul>`;
}
