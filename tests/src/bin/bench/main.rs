//! The benchmark: every comparison side by side in one run, repeated. It writes what it measured;
//! `pierhead_tests::report` makes pages and charts of that.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]
#![allow(clippy::indexing_slicing, reason = "JSON indexed by a missing name is null, no panic")]

mod cpu;
mod figures;
mod load;
mod native;
mod plan;
mod profile;
mod progress;
mod sections;
mod stage;
mod ways;
mod write;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use pierhead_tests::report::page;
use pierhead_tests::show::interrupted;

use crate::plan::{HELP, RENDER, Request};
use crate::progress::Progress;
use crate::stage::Stage;

/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    if std::env::args().skip(1).eq([RENDER]) {
        return ended(render().map(|()| ExitCode::SUCCESS));
    }
    let request = match Request::parse(std::env::args().skip(1), &sections::all()) {
        Ok(Some(request)) => request,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("bench: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    ended(start(&request))
}

fn ended(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

/// Makes page and charts of the figures that are there; tells which of them have changed.
fn render() -> Result<()> {
    for path in page::rewrite(&page::docs())? {
        println!("{}", path.display());
    }
    Ok(())
}

fn start(request: &Request) -> Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let interrupted = interrupted()?;
        tokio::select! {
            // What has been started ends with the future that is dropped.
            result = run(request) => result.map(|()| ExitCode::SUCCESS),
            () = interrupted => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn run(request: &Request) -> Result<()> {
    let mut progress = Progress::start();
    let stage = Arc::new(Stage::set(&request.only, |step| progress.step(step)).await?);
    if let Some(way) = request.profile {
        return profile::run(&stage, way, request.callers, &mut progress).await;
    }
    for name in sections::all() {
        if request.wants(name, sections::NAMES.contains(&name)) {
            progress.section(name);
            let measured = sections::measure(name, &stage, &request.plan, &mut progress).await?;
            let path =
                write::section(name, request, &stage, progress.in_section(), measured).await?;
            println!("{}", path.display());
        }
    }
    stage.assert_clean();
    if request.write {
        render()?;
    }
    progress.step("done");
    Ok(())
}
