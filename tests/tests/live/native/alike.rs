//! Random clients see through the pool what they would see directly, message for message, while
//! others use the same session with the same names, and now and then it is replaced. In session mode
//! there is no difference at all.

use std::net::SocketAddr;

use pierhead_engine::Settings;
use pierhead_tests::sim::rng::Rng;

use super::raw::Raw;
use super::say::Say;
use super::scene::{Scene, pool};
use crate::world::live;

/// What is prepared; the second counts its parameters.
const TEXTS: &[(&str, usize)] = &[
    ("select 1", 0),
    ("select $1::text", 1),
    ("select $1::int + $2::int", 2),
    ("select generate_series(1, 4)", 0),
    ("select 1 / $1::int", 1),
    ("select nonsense", 0),
    ("begin", 0),
    ("commit", 0),
    ("rollback", 0),
    ("set lock_timeout = '1s'", 0),
    ("show lock_timeout", 0),
    ("", 0),
    ("select a from alike where a < $1::int", 1),
    ("insert into alike values ($1::int)", 1),
];

/// What is sent as a simple query.
const QUERIES: &[&str] = &[
    "begin",
    "begin; select 1",
    "start transaction read only",
    "commit",
    "end; begin",
    "rollback",
    "savepoint s",
    "rollback to s",
    "release s",
    "select 1 / 0",
    "select 1; select 2",
    "select 1; select nonsense",
    "set lock_timeout = '2s'",
    "set lock_timeout to '3s'; set statement_timeout = 0",
    "set local lock_timeout = '4s'",
    "reset lock_timeout",
    "reset all",
    "show lock_timeout",
    "set nonsense to 1",
    "deallocate a",
    "deallocate b",
    "deallocate all",
    "discard all",
    "discard plans",
    "insert into alike values (7); select count(*) from alike",
    "delete from alike",
    "copy alike to stdout",
    "fetch all from p",
    "",
    "declare p cursor for select generate_series(1, 3)",
    "close p",
    "do $$ begin raise notice 'seen'; end $$",
    "commit and chain",
    "prepare transaction 'x'",
    "lock table alike",
];

const NAMES: &[&str] = &["", "a", "b"];
const PORTALS: &[&str] = &["", "", "p"];

fn pick<'a, T: ?Sized>(rng: &mut Rng, from: &[&'a T]) -> &'a T {
    from[rng.below(from.len() as u64) as usize]
}

/// One segment of an extended exchange, or a simple query.
fn segment(rng: &mut Rng) -> Say {
    if rng.below(3) == 0 {
        return Say::new().query(pick(rng, QUERIES));
    }
    let mut say = Say::new();
    for _ in 0..1 + rng.below(3) {
        // The unnamed one is used where it was prepared.
        let kind = rng.below(10);
        let name = pick(rng, if kind < 4 { NAMES } else { &NAMES[1..] });
        let portal = pick(rng, PORTALS);
        say = match kind {
            0..=3 => {
                let (text, count) = TEXTS[rng.below(TEXTS.len() as u64) as usize];
                let say = say.parse(name, text);
                // Mostly as many as it takes.
                let count = if rng.below(20) == 0 { count + 1 } else { count };
                let values = &["2", "3", "4"][..count];
                say.bind(portal, name, values).describe_portal(portal).execute(portal, 0)
            }
            4 => say.parse(name, TEXTS[rng.below(TEXTS.len() as u64) as usize].0),
            5 | 6 => {
                let values = &["5", "0"][..rng.below(3) as usize];
                let rows = rng.below(3) as i32;
                say.bind(portal, name, values).execute(portal, rows)
            }
            // PostgreSQL 15 can crash when a portal from before an error is executed after it, so
            // none is used beyond its segment.
            7 => say.bind(portal, name, &[]).execute(portal, 1).execute(portal, 2),
            8 if rng.below(2) == 0 => say.describe_statement(name),
            8 => say.close_statement(name),
            _ => say.message(b'C', &[b"P", portal.as_bytes(), b"\0"].concat()),
        };
        if rng.below(8) == 0 {
            say = say.flush();
        }
    }
    say.sync()
}

/// A segment and a query in one write. What names mean in it must not depend on whether the segment
/// fails: that is not known yet when the query is sent on.
fn more(say: Say, rng: &mut Rng) -> Say {
    let query = pick(rng, QUERIES);
    say.query(if query.starts_with("deallocate") { "select 1" } else { query })
}

/// What a client of this seed hears.
async fn hear(raw: &mut Raw, others: Option<(&mut Raw, &Scene)>, seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut heard = Vec::new();
    let mut others = others;
    for _ in 0..40 {
        let pipelined = rng.below(4) == 0;
        let mut say = segment(&mut rng);
        let mut count = 1;
        if pipelined {
            say = more(say, &mut rng);
            count = 2;
        }
        raw.send(&say).await;
        for _ in 0..count {
            heard.push(raw.until_ready().await);
        }
        if heard.last().is_some_and(|last| last.ends_with("end")) {
            return heard;
        }
        let free = heard.last().is_some_and(|last| last.ends_with("Z(I)"));
        if let (true, Some((other, scene))) = (free, &mut others) {
            disturb(other, seed).await;
            if seed.is_multiple_of(10) && heard.len().is_multiple_of(5) {
                replace_sessions(scene).await;
            }
        }
    }
    heard
}

/// Another client uses the session in the meantime, with the same names and settings.
async fn disturb(other: &mut Raw, seed: u64) {
    let say = Say::new().close_statement("a").parse("a", "select 'other', $1::text");
    let say = say.bind("", "a", &["x"]).execute("", 0).sync();
    let replies = other.ask(&say).await;
    assert_eq!(replies, "3 1 2 D(other,x) C(SELECT 1) Z(I)", "seed {seed}");
    let replies = other.query("set lock_timeout = '5s'; show lock_timeout").await;
    assert_eq!(replies, "C(SET) T D(5s) C(SHOW) Z(I)", "seed {seed}");
}

/// The database ends all sessions of the pool, unless somebody keeps one.
async fn replace_sessions(scene: &Scene) {
    if scene.native.status().await.leased == 0 {
        scene.postgres.terminate_sessions(&scene.application).await.unwrap();
        scene.until("without sessions", |status| status.idle == 0).await;
    }
}

#[test]
fn a_random_client_hears_what_it_would_hear_directly() {
    live(async {
        // The second session is for when the first is kept: DO may have left anything.
        let scene = Scene::of(2).await;
        let table = "create table if not exists alike (a int); grant all on alike to public";
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        let first: u64 = number("PIERHEAD_ALIKE_SEED").unwrap_or(1);
        let runs: u64 = number("PIERHEAD_ALIKE_RUNS").unwrap_or(150);
        for seed in first..first + runs {
            scene.postgres.run(&format!("{table}; truncate alike")).await.unwrap();
            let mut direct = scene.direct().await;
            let directly = hear(&mut direct, None, seed).await;
            assert!(
                !directly.last().unwrap().ends_with("end"),
                "seed {seed}: {directly:#?}{}",
                script(seed)
            );
            direct.send(&Say::new().terminate()).await;
            direct.until_ready().await;
            scene.postgres.run("truncate alike").await.unwrap();
            let (mut raw, mut other) = (scene.raw().await, scene.raw().await);
            let pooled = hear(&mut raw, Some((&mut other, &scene)), seed).await;
            compare(&pooled, &directly, seed, is_alike);
            raw.send(&Say::new().terminate()).await;
            raw.until_ready().await;
            scene.postgres.run("truncate alike").await.unwrap();
            let mut raw = scene.raw_session().await;
            let alone = hear(&mut raw, None, seed).await;
            compare(&alone, &directly, seed, |alone, directly| alone == directly);
            raw.send(&Say::new().terminate()).await;
            raw.until_ready().await;
        }
    });
}

/// Eight at a time on eight sessions, each with a schema of its own that it asks for at its start:
/// whoever is free gets the session used last, whosever it was.
#[test]
fn random_clients_at_once_hear_what_each_would_hear_alone() {
    live(async {
        let scene = Scene::with(Settings { pinned_max: 8, ..pool(8) }).await;
        let (pooled, directly) = (scene.native.transaction, scene.postgres.addr());
        for seeds in [1000..1008, 2000..2008, 3000..3008, 4000..4008_u64] {
            let mut clients = tokio::task::JoinSet::new();
            for seed in seeds {
                let schema =
                    format!("create schema alike_{seed}; create table alike_{seed}.alike (a int)");
                let grants = format!(
                    "grant usage on schema alike_{seed} to public; \
                                      grant all on alike_{seed}.alike to public"
                );
                scene.postgres.run(&format!("{schema}; {grants}")).await.unwrap();
                let wanted = at_home(directly, "trust_user", seed).await;
                scene.postgres.run(&format!("truncate alike_{seed}.alike")).await.unwrap();
                clients.spawn(async move {
                    let heard = at_home(pooled, "scram_user", seed).await;
                    compare(&heard, &wanted, seed, is_alike);
                });
            }
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        }
        scene.until_at_rest().await;
    });
}

/// What a client hears that lives in its own schema.
async fn at_home(address: SocketAddr, user: &str, seed: u64) -> Vec<String> {
    let options = format!("-c search_path=alike_{seed}");
    let mut raw =
        Raw::connect_with(address, &[("user", user), ("options", &options)]).await.unwrap();
    let heard = hear(&mut raw, None, seed).await;
    raw.send(&Say::new().terminate()).await;
    raw.until_ready().await;
    heard
}

#[track_caller]
fn compare(
    pooled: &[String],
    directly: &[String],
    seed: u64,
    is_alike: impl Fn(&str, &str) -> bool,
) {
    let different = pooled.iter().zip(directly).position(|(a, b)| !is_alike(a, b));
    let Some(at) = different else {
        assert_eq!(pooled.len(), directly.len(), "seed {seed}{}", script(seed));
        return;
    };
    let before = directly[..at].join("\n");
    let (pooled, directly) = (&pooled[at], &directly[at]);
    let script = script(seed);
    panic!(
        "seed {seed}, answer {at}:\npooled   {pooled}\ndirectly {directly}\nafter\n{before}\nto{script}"
    );
}

/// In a broken transaction one error is as good as another: a statement that its session lacks cannot
/// be prepared there any more, and the pool's own errors are not reported. Elsewhere, the pool finds
/// that a name is taken before the database would find what else is wrong.
fn is_alike(pooled: &str, directly: &str) -> bool {
    let both_broken = pooled.ends_with("Z(E)") && directly.ends_with("Z(E)");
    both_broken && pooled.contains("E(")
        || pooled.replace("E(42703)", "E(42P05)") == directly.replace("E(42703)", "E(42P05)")
}

/// What a client of this seed says, for whoever looks for the difference.
fn script(seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut lines = String::new();
    for _ in 0..40 {
        let pipelined = rng.below(4) == 0;
        let mut say = segment(&mut rng);
        if pipelined {
            say = more(say, &mut rng);
        }
        lines.push_str(&format!("\n{}", say.show()));
    }
    lines
}
