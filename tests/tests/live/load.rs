//! Writes that can be counted, under way while something breaks.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::app::{App, Failure};
use crate::world::World;

/// What the caller of one write was told.
#[derive(Debug)]
pub(crate) enum Told {
    Done,
    /// Nothing was executed, or the database rolled it back and said so.
    NotDone(Failure),
    Unknown(Failure),
}

/// Callers that insert one number after the other until they are stopped.
pub(crate) struct Load {
    table: String,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<(usize, Told)>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) async fn start(world: &World, callers: usize) -> Self {
        let app = world.app();
        Self::start_with(world, vec![&app; callers]).await
    }

    /// One caller of each of these.
    pub(crate) async fn start_with<'a>(
        world: &World,
        apps: impl IntoIterator<Item = &'a App>,
    ) -> Self {
        let table = format!("marks_{}", world.application.replace('-', "_"));
        let sql = format!(
            "create table {table} (id bigint not null); \
             grant all on {table} to scram_user, md5_user, clear_user, trust_user"
        );
        world.postgres.run(&sql).await.unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let mut load = Self {
            table,
            stop: Arc::default(),
            done: Arc::default(),
            told: Arc::default(),
            callers: Vec::new(),
        };
        for app in apps {
            load.callers.push(load.caller(app.clone(), next.clone()));
        }
        load.until_done(load.callers.len() * 2).await;
        load
    }

    fn caller(&self, app: App, next: Arc<AtomicUsize>) -> JoinHandle<()> {
        let sql = format!("insert into {} values ($1)", self.table);
        let (stop, done, told) = (self.stop.clone(), self.done.clone(), self.told.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let id = next.fetch_add(1, Ordering::Relaxed);
                let what = match app.execute(&sql, &[json!(id)]).await {
                    Ok(rows) => {
                        assert_eq!(rows, 1);
                        done.fetch_add(1, Ordering::Relaxed);
                        Told::Done
                    }
                    Err(failure) if failure.is("unknown") => Told::Unknown(failure),
                    Err(failure) => {
                        // As a caller does that reads Retry-After, only more eager.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Told::NotDone(failure)
                    }
                };
                told.lock().unwrap().push((id, what));
            }
        })
    }

    /// Waits until this many more writes were done.
    pub(crate) async fn until_done(&self, more: usize) {
        let target = self.done.load(Ordering::Relaxed) + more;
        let waiting = async {
            while self.done.load(Ordering::Relaxed) < target {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        assert!(in_time.is_ok(), "no recovery; the newest answers: {:#?}", self.newest());
    }

    fn newest(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().rev().take(5).map(|(id, told)| format!("{id}: {told:?}")).collect()
    }

    /// Stops, and compares what callers were told with what is in the table.
    pub(crate) async fn finish(self, world: &World) -> Vec<(usize, Told)> {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        // What was given up on may still be running for a moment.
        world.until_busy(0).await;
        let sql = format!("select id, count(*) from {} group by id", self.table);
        let control = world.postgres.control().await.unwrap();
        let rows = control.query(&sql, &[]).await.unwrap();
        let written: std::collections::BTreeMap<usize, i64> =
            rows.iter().map(|row| (row.get::<_, i64>(0) as usize, row.get(1))).collect();
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let (mut done, mut not_done, mut unknown) = (0, 0, 0);
        for (id, told) in &told {
            let times = written.get(id).copied().unwrap_or_default();
            match told {
                Told::Done => {
                    done += 1;
                    assert_eq!(times, 1, "{id} was reported done");
                }
                Told::NotDone(failure) => {
                    not_done += 1;
                    assert_eq!(times, 0, "{id} was reported not done: {failure:?}");
                }
                Told::Unknown(_) => {
                    unknown += 1;
                    assert!(times <= 1, "{id} was written {times} times");
                }
            }
        }
        eprintln!("{done} writes done, {not_done} not done, {unknown} unknown");
        told
    }
}
