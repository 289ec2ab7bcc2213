//! Python's drivers.

use std::collections::BTreeMap;
use std::process::Command;

use crate::matrix;
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place, Target, Way};

/// A program of `tests/drivers/python`.
fn python(program: &str, place: &Place) -> Command {
    let mut command = program::command(installed("PIERHEAD_PYTHON"), place);
    command.current_dir(folder("python")).arg("-B").arg(program);
    command.env("PYTHONUTF8", "1").env("PYTHONHASHSEED", "0");
    command
}

#[test]
fn psycopg_with_pipelines_cursors_and_copy() {
    live(matrix::PSYCOPG.is_alike(|place| python("psycopg_driver.py", place)));
}

#[test]
fn asyncpg() {
    live(matrix::ASYNCPG.is_alike(|place| python("asyncpg_driver.py", place)));
}

/// The verdict of each of its tests, from a report in pytest's short form.
fn verdicts(out: &str) -> BTreeMap<String, String> {
    let verdict = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let test = name.starts_with("test_suite.py::");
        test.then(|| (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
    };
    out.lines().filter_map(verdict).collect()
}

/// SQLAlchemy's own suite for dialects: what fails directly fails here, and nothing else. In session
/// mode, because it looks at temporary tables and isolation levels from several connections. It takes a
/// minute or two each way, so of the coordinator's ways to the database it goes one only.
#[test]
fn sqlalchemys_dialect_suite() {
    live(async {
        let mut told = None;
        for target in [Target::Direct, Target::Native, Target::Workerd(Way::Tcp)] {
            let place = Place::make(target, Mode::Session, 20).await;
            let mut schema = program::command(installed("PIERHEAD_PSQL"), &place);
            schema.args([
                "-X",
                "-q",
                "-c",
                "create schema test_schema",
                "-c",
                "create extension hstore",
            ]);
            program::run("psql", &place, schema).await.well("psql", &place);
            let url = place.url().replace("postgresql:", "postgresql+psycopg:");
            let mut command = program::command(installed("PIERHEAD_PYTHON"), &place);
            command.current_dir(folder("python/sqlalchemy_suite")).env("PYTHONUTF8", "1");
            command.args(["-B", "-m", "pytest", "-v", "--dburi", &url, "test_suite.py"]);
            let ran = program::run("SQLAlchemy", &place, command).await;
            let verdicts = verdicts(&ran.out.replace(&place.database, "DATABASE"));
            let passed = verdicts.values().filter(|verdict| *verdict == "PASSED").count();
            assert!(passed > 500, "{passed} tests pass\n{}\n{}", ran.out, ran.errors);
            eprintln!("SQLAlchemy through {}: {passed} of {} pass", target.name(), verdicts.len());
            let directly = told.get_or_insert_with(|| verdicts.clone());
            let different =
                verdicts.iter().filter(|(name, verdict)| directly.get(*name) != Some(verdict));
            let different: Vec<_> = different.collect();
            assert!(different.is_empty(), "{different:#?}\n{}", ran.out);
            assert_eq!(verdicts.len(), directly.len());
            place.is_left_clean().await;
        }
    });
}
