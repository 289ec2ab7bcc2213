//! What it costs to open a session: handshakes of the tunnel, start-up, authentication.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use pierhead_tests::show::{Align, FAR_MS, Samples, Stage, Table, ms};

use crate::Plan;

/// Until a session that was ended is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The coordinator's databases, with the application names of their sessions.
const DATABASES: [(&str, &str); 2] = [("main", "pierhead"), ("trust", "pierhead-trust")];

/// One database's samples.
#[derive(Default)]
struct Costs {
    warm: Samples,
    /// A new session of a coordinator that has had one: derived keys are kept.
    again: Samples,
    /// The first session of a new coordinator object.
    first: Samples,
}

/// Measures with SCRAM and without a password, near and far.
pub(crate) async fn costs(stage: &Arc<Stage>, plan: Plan) -> Result<Table> {
    let columns = ["round trip", "password", "warm", "new session", "new object"];
    let mut table = Table::new(
        columns
            .into_iter()
            .enumerate()
            .map(|(index, name)| (name, if index < 2 { Align::Left } else { Align::Right })),
    );
    for far_ms in [0, FAR_MS] {
        eprintln!("opening sessions, {far_ms} ms");
        stage.set_round_trip_ms(far_ms);
        let mut costs = [Costs::default(), Costs::default()];
        for _ in 0..plan.openings {
            for ((database, application), costs) in DATABASES.into_iter().zip(&mut costs) {
                measure(stage, database, application, costs).await?;
            }
        }
        for (name, costs) in ["SCRAM", "trust"].into_iter().zip(&costs) {
            let [warm, again, first] =
                [&costs.warm, &costs.again, &costs.first].map(|samples| ms(samples.median()));
            table.row([format!("{far_ms} ms"), name.into(), warm, again, first]);
        }
        let [scram, trust] = &costs;
        let more =
            |of: fn(&Costs) -> &Samples| ms(of(scram).median().saturating_sub(of(trust).median()));
        table.row([
            String::new(),
            "SCRAM costs".into(),
            String::new(),
            more(|costs| &costs.again),
            more(|costs| &costs.first),
        ]);
    }
    stage.set_round_trip_ms(0);
    Ok(table)
}

async fn measure(
    stage: &Stage,
    database: &str,
    application: &str,
    costs: &mut Costs,
) -> Result<()> {
    let postgres = stage.postgres();
    ask(stage, database).await?;
    costs.warm.push(ask(stage, database).await?);

    postgres.terminate_sessions(application).await?;
    postgres.wait_for_sessions(application, 0, PATIENCE).await?;
    settle().await;
    costs.again.push(ask(stage, database).await?);

    stage.workerd().abort_all_objects().await?;
    postgres.wait_for_sessions(application, 0, PATIENCE).await?;
    settle().await;
    costs.first.push(ask(stage, database).await?);
    Ok(())
}

/// The coordinator must know that its session has ended, else it would try it first: the news
/// takes half a round trip.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(2 * FAR_MS)).await;
}

async fn ask(stage: &Stage, database: &str) -> Result<Duration> {
    let began = Instant::now();
    stage.app().get(&format!("/echo?db={database}&value=x")).await?.ok()?;
    Ok(began.elapsed())
}
