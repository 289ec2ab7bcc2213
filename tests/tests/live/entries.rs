//! The entries of the driver matrix that are Workers, in workerd: each tells its chapters over a TCP
//! connection of the coordinator, through an agent, and through cloudflared. The stories are in
//! `worker-client/js/test/worker`, written as users write; those of the Rust client are beside this.

use pierhead_tests::postgres::PostgresConfig;

use crate::listed::{CHAPTERS, Code, WORKERS};
use crate::rust_entry;
use crate::world::{Setup, World, live};

const SESSIONS: usize = 3;
/// Connections that carry a cancel, one at a time.
const CANCELS: usize = 1;

/// All entries in one world: they share the object, its pool, and the database.
async fn tell(world: &World) {
    let mut failed = String::new();
    for entry in WORKERS {
        for chapter in CHAPTERS {
            let told = match entry.code {
                Code::TypeScript(module) => in_typescript(world, module, chapter).await,
                Code::TokioPostgres => rust_entry::by_tokio_postgres(world, chapter).await,
                Code::RustClient => rust_entry::by_the_client(world, chapter).await,
            };
            if let Err(why) = told {
                failed.push_str(&format!("--- {}, {chapter}: {why}\n", entry.name));
            }
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
    world.until_busy(0).await;
    world
        .until_status("at rest", |status| {
            ["leases", "leased", "waiting", "sockets", "request_bytes", "answer_bytes"]
                .iter()
                .all(|key| status[*key] == 0)
        })
        .await;
}

async fn in_typescript(world: &World, module: &str, chapter: &str) -> Result<(), String> {
    let worker = world.http("typescript");
    let path = format!("/{module}/{}", chapter.replace(' ', "_"));
    let answer = worker.get(&path).await.map_err(|error| format!("{error:#}"))?;
    if answer.text() == "ok" {
        return Ok(());
    }
    Err(format!("{} {}", answer.status, answer.text()))
}

/// Tables are made in the stories, so each world has its own server.
fn setup() -> Setup {
    let own = PostgresConfig::default();
    Setup::new().own_postgres(own).keys(&format!("pool_size={SESSIONS}")).typescript()
}

#[test]
fn workers_over_a_connection() {
    live(async {
        let world = setup().direct("off").start().await;
        world.limit_streams(SESSIONS + CANCELS);
        tell(&world).await;
    });
}

#[test]
fn workers_through_an_agent() {
    live(async {
        let world = setup().agent().start().await;
        world.until_links(1).await;
        tell(&world).await;
        assert!(world.sessions().await <= SESSIONS);
    });
}

#[test]
fn workers_through_cloudflared() {
    live(async {
        let world = setup().start().await;
        world.limit_streams(SESSIONS + CANCELS);
        tell(&world).await;
    });
}
