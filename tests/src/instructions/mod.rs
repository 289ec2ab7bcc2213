//! How many instructions PgBouncer spends on a query, counted as those of the engine are
//! (`engine/benches/instructions`): by callgrind, for the same messages, as the difference between
//! two runs, of a pool that is warm.
//!
//! Unlike the engine's, its figure has input and output in it, as far as user space goes. How much of
//! it that is can be told only in part: Debian's program comes without the names of its functions, so
//! what it does itself for its sockets cannot be told from the rest.

mod client;
mod profile;
#[allow(dead_code, reason = "the engine's benchmark plays the database as well")]
#[path = "../../../engine/benches/warm/script.rs"]
mod script;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use crate::pgbouncer::{PgBouncer, PgBouncerConfig};
use crate::postgres::{DATABASE, Postgres, PostgresConfig};
use client::Client;
use profile::Profile;

/// How often the longer of two runs plays a round more than the shorter.
const TIMES: u64 = 2_000;
/// How often the shorter does: so few that in a pipeline, where no two runs meet the answers in the
/// same pieces, the figure is that of the longer.
const BEFORE: u64 = 100;
/// What a figure is the median of: [`Bench::count`] is asked so often.
pub const REPETITIONS: usize = 3;
/// Who asks: trusted by PostgreSQL too, since there is no password on the way.
const USER: &str = "trust_user";
/// The name of the statement that is prepared.
const STATEMENT: &str = "s";

/// Something that is played over and over, by one client, as the engine's benchmark does.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// What it is called there.
    pub name: &'static str,
    /// Queries in one.
    pub queries: u64,
    /// Rows that answer each query.
    pub rows: usize,
    asked: fn() -> Bytes,
}

/// The rounds, in the order of the tables.
pub const ROUNDS: &[Round] = &[
    Round { name: "simple query", queries: 1, rows: 1, asked: script::simple },
    Round { name: "extended query", queries: 1, rows: 1, asked: || script::extended(1) },
    Round { name: "prepared query", queries: 1, rows: 1, asked: || script::prepared(STATEMENT, 1) },
    Round {
        name: "ten prepared queries in a pipeline",
        queries: 10,
        rows: 1,
        asked: || script::prepared(STATEMENT, 10),
    },
    Round { name: "a thousand rows", queries: 1, rows: 1_000, asked: script::simple },
];

/// Instructions in user space for one round.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// All of them.
    pub all: u64,
    /// Without libevent and without the C library's functions that make a system call. What the
    /// program does itself for its sockets and buffers is in it.
    pub without_io: u64,
}

/// A PostgreSQL to ask, which is kept for all rounds.
#[derive(Debug)]
pub struct Bench {
    postgres: Postgres,
}

impl Bench {
    /// Starts the database.
    pub async fn start() -> Result<Self> {
        let postgres = Postgres::start(PostgresConfig::default()).await?;
        postgres
            .run(
                "create table pgbench_accounts (aid int, abalance int);
                 grant select on pgbench_accounts to trust_user;",
            )
            .await?;
        Ok(Self { postgres })
    }

    /// What PgBouncer spends on a round.
    pub async fn count(&self, round: &Round) -> Result<Spent> {
        let rows = format!(
            "truncate pgbench_accounts; \
             insert into pgbench_accounts select 90210, 0 from generate_series(1, {})",
            round.rows
        );
        self.postgres.run(&rows).await?;
        let before = self.play(round, BEFORE).await?;
        let after = self.play(round, BEFORE + TIMES).await?;
        let each = |counted: fn(&str, &str) -> bool| -> Result<u64> {
            let more = after.sum(counted).checked_sub(before.sum(counted));
            Ok(more.context("more rounds took fewer instructions")? / TIMES)
        };
        Ok(Spent {
            all: each(|_, _| true)?,
            without_io: each(|object, function| !is_io(object, function))?,
        })
    }

    /// Plays a round so many times to a PgBouncer of its own, under callgrind.
    async fn play(&self, round: &Round, times: u64) -> Result<Profile> {
        let mut config = PgBouncerConfig::of(&self.postgres).await?;
        // A log-in is not what is counted, and both runs have the same.
        config.settings = vec!["auth_type = trust".into()];
        config.under = ["valgrind", "--tool=callgrind", "--callgrind-out-file=profile.%p"]
            .map(String::from)
            .into();
        let mut bouncer = PgBouncer::start(config).await?;
        let mut client = Client::connect(bouncer.addr(), USER, DATABASE).await?;
        client.ask(&script::prepare(STATEMENT, 0)).await?;
        let asked = (round.asked)();
        for _ in 0..times {
            let rows = client.ask(&asked).await?;
            let wanted = round.rows * usize::try_from(round.queries)?;
            ensure!(rows == wanted, "{rows} rows instead of {wanted}");
        }
        drop(client);
        bouncer.stop().await?;
        Profile::read(&bouncer.directory().join(format!("profile.{}", bouncer.id())))
    }
}

/// What stands for input and output in user space, as far as names tell: libevent, and what the C
/// library does around a system call.
fn is_io(object: &str, function: &str) -> bool {
    const CALLS: [&str; 11] = [
        "recv",
        "send",
        "read",
        "write",
        "readv",
        "writev",
        "epoll_wait",
        "epoll_ctl",
        "clock_gettime",
        "gettimeofday",
        "gettimeofday_syscall",
    ];
    // `__libc_recv`, `clock_gettime@@GLIBC_2.17`; and what makes a call one that a thread may end in.
    let name = function.split('@').next().unwrap_or_default().trim_start_matches('_');
    let name = name.strip_prefix("libc_").unwrap_or(name);
    let call = CALLS.contains(&name) || name.ends_with("asynccancel") || name == "syscall_cancel";
    object.starts_with("libevent") || (object.starts_with("libc.") && call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_output_are_told_by_name() {
        for (object, function, io) in [
            ("libevent-2.1.so.7.0.1", "0x1c4e0", true),
            ("libc.so.6", "recv", true),
            ("libc.so.6", "__libc_send", true),
            ("libc.so.6", "clock_gettime@@GLIBC_2.17", true),
            ("libc.so.6", "__pthread_enable_asynccancel", true),
            ("libc.so.6", "__memcpy_avx_unaligned_erms", false),
            ("libc.so.6", "malloc", false),
            ("pgbouncer", "0xba30", false),
            ("pgbouncer", "recv", false),
        ] {
            assert_eq!(is_io(object, function), io, "{object} {function}");
        }
    }
}
