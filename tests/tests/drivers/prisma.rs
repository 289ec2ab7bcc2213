//! Prisma's generated client in a Worker, on `pierhead/prisma`: a project of its own, which wrangler runs.

use std::fs;

use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place, Target};

/// The program makes its client without its engine, but asks where one is, and would download it.
const SCRIPT: &str = r#"
export CHECKPOINT_DISABLE=1 PRISMA_SCHEMA_ENGINE_BINARY=$(type -P true)
node node_modules/prisma/build/index.js generate > "$PROJECT/prisma.log" 2>&1 || cat "$PROJECT/prisma.log"
export WRANGLER_SEND_METRICS=false WRANGLER_SEND_ERROR_REPORTS=false CLOUDFLARE_CF_FETCH_ENABLED=false
export WRANGLER_REGISTRY_PATH=$PROJECT/registry WRANGLER_LOG_PATH=$PROJECT/logs NO_COLOR=1
node "$WRANGLER" dev --env-file "$PROJECT/dev.env" --ip 127.0.0.1 --port "$PORT" --inspector-port 0 \
  --persist-to "$PROJECT/state" --show-interactive-dev-session=false > "$PROJECT/wrangler.log" 2>&1 &
for story in types transactions big two; do
  echo "$story $(node ../frameworks/ask.mjs "http://127.0.0.1:$PORT/$story")"
done
"#;

#[test]
fn prismas_client_over_calls() {
    live(async {
        let place = Place::make(Target::Direct, Mode::Transaction, 3).await;
        let programs = folder("prisma");
        let modules = programs.join("node_modules");
        assert!(modules.join("prisma").exists(), "`cargo xtask env --drivers` installs it");
        let project = tempfile::tempdir().unwrap();
        let url = format!("{}?tls=off&pool_size=3", place.url());
        let variables = format!("PIERHEAD_DB_MAIN='{url}'\n");
        fs::write(project.path().join("dev.env"), variables).unwrap();

        let script = format!("{}{SCRIPT}", program::unpack_package(&modules));
        let (mut command, running) = program::shell(&script, &programs);
        let [port, _] = program::free_ports();
        let wrangler = installed("PIERHEAD_NODE_MODULES").join("wrangler/bin/wrangler.js");
        command.env("PROJECT", project.path()).env("PORT", port.to_string());
        command.env("WRANGLER", wrangler);
        let told = program::run("prisma", &place, command).await;
        let told = told.well("prisma", &place);
        drop(running);
        let log = fs::read_to_string(project.path().join("wrangler.log")).unwrap_or_default();
        let stories = "types 200 ok\ntransactions 200 ok\nbig 200 ok\ntwo 200 ok\n";
        assert!(told.ends_with(stories), "{told}\n{log}");
        assert!(!log.contains(&place.url()), "the password is shown:\n{log}");
    });
}
