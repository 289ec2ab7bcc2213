//! `--tunnel agent`: what is left of warm pools when their coordinators sleep, crash and are cut off.

use anyhow::{Result, bail};
use pierhead_tests::show::{Align, Event, FAR_MS, Outcome, Survival, Table, Tunnels, ms};

use crate::progress::Progress;

/// Runs every event and prints the table; fails if the agent's pool did not survive one.
pub(crate) async fn run(progress: &mut Progress) -> Result<()> {
    let mut stage = Survival::set(|step| progress.step(step)).await?;
    progress.done();
    println!(
        "\nThree warm pools of the same database, {FAR_MS} ms away, by their server processes:\n"
    );
    for way in Tunnels::ALL {
        println!("  {:<12} {}", format!("{way:?}"), list(stage.pids(way)));
    }
    println!();
    let mut table = Table::new([
        ("after", Align::Left),
        ("agent", Align::Left),
        ("cloudflared", Align::Left),
        ("direct", Align::Left),
    ]);
    let mut lost = Vec::new();
    for event in Event::ALL {
        progress.step(event.name());
        let outcomes = stage.survive(event).await?;
        progress.done();
        println!("{}: the agent's pool is {}", event.name(), list(stage.pids(Tunnels::Agent)));
        let cells = outcomes.each_ref().map(cell);
        table.row(std::iter::once(event.name().to_owned()).chain(cells));
        let [agent, ..] = &outcomes;
        if agent.kept != agent.of || agent.opened > 0 {
            lost.push(event.name());
        }
    }
    println!("\n{table}");
    println!(
        "  Sessions kept, by their process ids; connections opened to the database; the first query's\n  \
         time, {FAR_MS} ms away. * The object had slept, or is a new one. With the agent an idle object\n  \
         sleeps and costs nothing; with the other two it must stay awake to keep its sessions.\n"
    );
    println!("The agent's log:\n");
    for line in stage.agent_log().lines() {
        println!("  {line}");
    }
    println!();
    if !lost.is_empty() {
        bail!("the agent's pool did not survive: {}\n{}", lost.join(", "), stage.agent_log());
    }
    Ok(())
}

fn cell(outcome: &Outcome) -> String {
    let mark = if outcome.new_object { "*" } else { "" };
    format!(
        "{} of {} kept, {} opened, {}{mark}",
        outcome.kept,
        outcome.of,
        outcome.opened,
        ms(outcome.first)
    )
}

fn list(pids: &std::collections::BTreeSet<i64>) -> String {
    pids.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}
