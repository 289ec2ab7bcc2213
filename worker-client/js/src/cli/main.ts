// The program `pierhead` of the npm package.

import { parseArgs } from "node:util";

import { check } from "./check.js";
import { dev } from "./dev.js";
import { init } from "./init.js";
import { Problem, readProject } from "./project.js";
import { scaffold } from "./scaffold.js";

const HELP = `pierhead <command>

  init [--name main] [--url postgres://user@host:5432/database?…]
         writes the binding, the migration and the export of the coordinator into this Worker's
         project, comments kept; says which secrets to set. In a directory without a Worker it
         makes a small one
  check  looks for mistakes in this Worker's configuration
  dev [--database postgres://user:password@host:5432/database] [--name main] [--port 6432]
      [--session-port 6433] [--agent-port 6434]
         runs the coordinator in workerd, for programs of this directory in Node (Vite, Next,
         Vitest: connect() finds it), for its Worker in \`wrangler dev\`, and for psql and drivers
         at a local port; without a database, with an empty PostgreSQL that is gone at the end.
         A database with tunnel=agent is reached through agents, which dial in at --agent-port.
         PIERHEAD_DATABASE in place of --database keeps the password out of the process list;
         the other secrets are PIERHEAD_DB_<NAME>_PASSWORD, _AGENT_TOKEN and so on, as in production
`;

async function main(): Promise<number> {
  const { positionals: [command], values } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: "string", default: "main" }, url: { type: "string" }, help: { type: "boolean", short: "h" },
      database: { type: "string" }, port: { type: "string", default: "6432" }, "session-port": { type: "string" },
      "agent-port": { type: "string", default: "6434" },
    },
  });
  if (command === undefined || values.help) {
    console.log(HELP);
    return command === undefined && !values.help ? 2 : 0;
  }
  switch (command) {
    case "init": {
      const made = scaffold(process.cwd(), values.name);
      console.log([...made, ...init(readProject(process.cwd()), { name: values.name, url: values.url })].join("\n"));
      return 0;
    }
    case "check": {
      const problems = check(readProject(process.cwd()));
      for (const problem of problems) console.error(`- ${problem}`);
      if (problems.length === 0) console.log("no mistakes found; secrets and the way to the database are not looked at");
      return problems.length === 0 ? 0 : 1;
    }
    case "dev":
      return dev({
        database: values.database ?? process.env["PIERHEAD_DATABASE"],
        name: values.name, port: values.port,
        sessionPort: values["session-port"], agentPort: values["agent-port"],
      });
    default:
      throw new Problem(`unknown command "${command}"; \`npx pierhead --help\` lists them`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Problem) && !String((error as { code?: unknown }).code).startsWith("ERR_PARSE_ARGS")) throw error;
  console.error(`pierhead: ${(error as Error).message}`);
  process.exitCode = 1;
}
