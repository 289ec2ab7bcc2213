//! What workerd's isolates spend their time on while callers ask, as the inspector samples it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pierhead_tests::show::{Align, Table};
use pierhead_tests::workerd::PROFILE_INTERVAL;
use serde_json::Value;

use crate::load::closed_loop;
use crate::progress::Progress;
use crate::stage::Stage;
use crate::ways::Way;

const TIME: Duration = Duration::from_secs(5);
/// The callers begin before and end after.
const MARGIN: Duration = Duration::from_secs(2);
/// Lines of each list.
const LINES: usize = 40;
/// Isolates that are looked at.
const ISOLATES: [&str; 4] = ["bench", "app", "coordinator", "floors"];

pub(crate) async fn run(
    stage: &Arc<Stage>,
    way: Way,
    callers: usize,
    progress: &mut Progress,
) -> Result<()> {
    for isolate in ISOLATES {
        progress.step(&format!("profiling {isolate} for {:.0} s", TIME.as_secs_f64()));
        let asking = closed_loop(stage, way, callers, TIME + MARGIN);
        let looking = async {
            tokio::time::sleep(MARGIN / 2).await;
            stage.workerd().cpu_profile(isolate, TIME).await
        };
        let (load, profile) = tokio::join!(asking, looking);
        let (rate, profile) = (load?.per_second(), profile?);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        fs::create_dir_all(&root)?;
        let file = root.join(format!("{}-{isolate}.cpuprofile", way.id()));
        fs::write(&file, profile.to_string())?;
        let share = samples(&profile) as f64 * PROFILE_INTERVAL.as_secs_f64() / TIME.as_secs_f64();
        let per_thousand = share * 1e3 / rate.max(1e-9);
        println!(
            "\n{isolate}: {per_thousand:.2} s per 1,000 queries in this isolate, at {rate:.0} queries/s\n{}\n\n{}",
            file.display(),
            list(&profile)
        );
    }
    Ok(())
}

/// How often the isolate was met at work: nothing is sampled while workerd is in none or in another.
fn samples(profile: &Value) -> usize {
    profile["samples"].as_array().map_or(0, Vec::len)
}

/// Where the most samples were taken: functions by themselves.
fn list(profile: &Value) -> Table {
    let none = Vec::new();
    let mut hits = BTreeMap::<String, u64>::new();
    for node in profile["nodes"].as_array().unwrap_or(&none) {
        let frame = &node["callFrame"];
        let (name, url) = (frame["functionName"].as_str(), frame["url"].as_str());
        let line = frame["lineNumber"].as_i64().unwrap_or_default() + 1;
        let file = url.unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let name = name.filter(|name| !name.is_empty()).unwrap_or("(nameless)");
        let label = if file.is_empty() { name.to_owned() } else { format!("{name} {file}:{line}") };
        *hits.entry(label).or_default() += node["hitCount"].as_u64().unwrap_or_default();
    }
    let sum: u64 = hits.values().sum();
    let mut sorted: Vec<_> = hits.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut table = Table::new([("share", Align::Right), ("function", Align::Left)]);
    for (label, count) in sorted.into_iter().take(LINES).filter(|(_, count)| *count > 0) {
        let share = format!("{:.1} %", count as f64 * 100.0 / sum.max(1) as f64);
        table.row([share, label]);
    }
    table
}
