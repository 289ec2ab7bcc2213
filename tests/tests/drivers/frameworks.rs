//! Vite, Vitest and Next with the npm package as it is published, beside its `npx pierhead dev`.

use std::fs;

use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place, Target};

/// What is run in the directory of the programs. `$PROJECT` is where the pool runs.
const SCRIPT: &str = r#"
pierhead=$PWD/node_modules/pierhead/dist/bin.mjs
( cd "$PROJECT"; exec node "$pierhead" dev --port 0 ) > "$PROJECT/dev.log" 2>&1 &
timeout 120 sh -c 'until [ -e "$PROJECT/.pierhead/dev.json" ]; do sleep 0.1; done' || cat "$PROJECT/dev.log"
export PIERHEAD_DEV=$PROJECT NO_COLOR=1 NEXT_TELEMETRY_DISABLED=1

echo "== vitest"
node node_modules/vitest/vitest.mjs run --root vitest
echo "== vite"
node vite/server.mjs "$VITE_PORT" &
node ask.mjs "http://127.0.0.1:$VITE_PORT/"
echo "== next"
node node_modules/next/dist/bin/next dev next --hostname 127.0.0.1 --port "$NEXT_PORT" > "$PROJECT/next.log" 2>&1 &
node ask.mjs "http://127.0.0.1:$NEXT_PORT/ships?least=2"
node ask.mjs "http://127.0.0.1:$NEXT_PORT/"
"#;

#[test]
fn vite_vitest_and_next_find_the_pool() {
    live(async {
        let place = Place::make(Target::Direct, Mode::Transaction, 3).await;
        let programs = folder("frameworks");
        let modules = programs.join("node_modules");
        assert!(modules.join("next").exists(), "`cargo xtask env --drivers` installs them");
        let project = tempfile::tempdir().unwrap();

        let script = format!("{}{SCRIPT}", program::unpack_package(&modules));
        let (mut command, running) = program::shell(&script, &programs);
        let [vite, next] = program::free_ports();
        command.env("PROJECT", project.path()).env("PIERHEAD_DATABASE", place.url());
        command.env("VITE_PORT", vite.to_string()).env("NEXT_PORT", next.to_string());
        command.env("PIERHEAD_WORKERD", installed("PIERHEAD_WORKERD")).env_remove("NODE_ENV");
        let told = program::run("the frameworks", &place, command).await;
        let told = told.well("the frameworks", &place);
        drop(running);

        let logs = ["dev.log", "next.log"]
            .map(|log| fs::read_to_string(project.path().join(log)).unwrap_or_default());
        let (vitest, rest) = told.split_once("== vite\n").unwrap();
        assert!(vitest.contains("2 passed"), "{told}\n{logs:?}");
        let expected = "200 ship 2  ship 3\n== next\n\
            200 [{\"n\":2,\"name\":\"ship 2\"},{\"n\":3,\"name\":\"ship 3\"}]\n\
            200 ship 2  ship 3\n";
        assert_eq!(rest, expected, "{logs:?}");
        assert!(!logs[0].contains(&place.url()), "the password is shown:\n{}", logs[0]);
    });
}
