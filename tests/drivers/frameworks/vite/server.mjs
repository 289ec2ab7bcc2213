// A server of one's own with Vite in it, as a framework has one.

import { createServer } from "node:http";

import { createServer as createVite } from "vite";

const vite = await createVite({
  root: import.meta.dirname, appType: "custom", logLevel: "warn", server: { middlewareMode: true, ws: false, hmr: false },
});

const server = createServer((request, response) => {
  vite.middlewares(request, response, async () => {
    try {
      const { render } = await vite.ssrLoadModule("/src/page.ts");
      response.end(await render({ params: { least: "2" } }));
    } catch (error) {
      response.writeHead(500).end(error.stack);
    }
  });
});

const [port] = process.argv.slice(2);
server.listen(Number(port), "127.0.0.1");
