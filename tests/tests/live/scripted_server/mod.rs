//! Real PostgreSQL agrees with the scripted server of the simulation: both are told the same, and
//! say the same, message by message.

mod peers;
mod scripts;
mod step;
mod twin;

use std::sync::Arc;

use pierhead_tests::postgres::{Postgres, PostgresConfig};

use crate::world::live;
use peers::{Real, Scripted};
use scripts::SCRIPTS;
use step::Step;

/// What the twins of the scripted server's commands need.
const SETUP: &str = "
    create table ids (id bigint);
    create table parents (id bigint primary key);
    create table children (id bigint references parents deferrable initially deferred);
    create table t (v text);
    create table numbers (n int);
    create table plan (v varchar(10));
    insert into plan values ('v');
    create function fail(code text) returns text language plpgsql as
        $$begin raise exception using errcode = code; end$$;
    create function say(v text) returns text language plpgsql as
        $$begin raise notice '%', v; return v; end$$;
    grant all on ids, parents, children, t, numbers, plan to trust_user;
    alter table plan owner to trust_user;
    grant create on schema public to trust_user;
";

async fn real_server() -> Arc<Postgres> {
    let settings = ["app.a=", "app.b=", "app.c="].map(String::from).into();
    let postgres = Postgres::start(PostgresConfig { settings, ..PostgresConfig::default() });
    let postgres = postgres.await.unwrap();
    postgres.run(SETUP).await.unwrap();
    Arc::new(postgres)
}

#[test]
fn the_scripted_server_says_what_postgresql_says() {
    live(async {
        let postgres = real_server().await;
        let mut wrong = Vec::new();
        for (name, script) in SCRIPTS {
            if let Err(difference) = compare(&postgres, script).await {
                wrong.push(format!("{name}:\n{difference}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), SCRIPTS.len(), wrong.join("\n"));
    });
}

/// Runs one script against both.
async fn compare(postgres: &Arc<Postgres>, script: &str) -> Result<(), String> {
    let mut real = Real::start(postgres.clone()).await;
    let mut scripted = Scripted::start();
    let said = converse(&mut real, &mut scripted, script).await;
    let committed = real.committed().await;
    said?;
    if committed != scripted.committed() {
        return Err(format!("  committed {committed:?}, scripted {:?}", scripted.committed()));
    }
    Ok(())
}

async fn converse(real: &mut Real, scripted: &mut Scripted, script: &str) -> Result<(), String> {
    let steps: Vec<Step> = script.lines().filter_map(Step::read).collect();
    let mut said = scripted.said(true);
    for (index, step) in steps.iter().enumerate() {
        if !step.is_pause() {
            scripted.take(step);
            real.take(step);
        }
        if step.is_pause() || index + 1 == steps.len() {
            let is_cancelled = steps.get(index + 1).is_some_and(Step::is_cancel);
            said.extend(scripted.said(!is_cancelled));
            real.send().await;
            let answered = real.read(said.len()).await;
            if answered != said {
                let at = answered.iter().zip(&said).take_while(|(a, b)| a == b).count();
                let place = format!("message {at}, after step {index} ({:?})", steps[index]);
                return Err(format!("  {place}\n  real     {answered:?}\n  scripted {said:?}"));
            }
        }
    }
    Ok(())
}
