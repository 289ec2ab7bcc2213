//! How many instructions of the processor the engine spends on a query. `docs/benchmarks.md` has the
//! figures and says how they compare.
//!
//! Nothing here knows what time it is: valgrind's callgrind counts, under which this program runs
//! itself, so that a figure repeats on the same build.
//!
//! ```sh
//! cargo xtask bench --instructions          # installs valgrind where it can
//! cargo bench -p pierhead-engine --bench instructions
//! ```
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark that breaks off says where; what it shares it does not use all of"
)]

mod callgrind;
mod scenes;
#[path = "../warm/mod.rs"]
mod warm;

use std::process::ExitCode;

use scenes::SCENES;

const HELP: &str = "\
instructions                       the table
instructions --count SCENE         the line of one scene
instructions --play SCENE ROUNDS   play a scene so many times: what callgrind watches
instructions --profile SCENE FILE  leave callgrind's profile in FILE, for callgrind_annotate
";

fn main() -> ExitCode {
    // `cargo bench` says so to every benchmark.
    let said = |arg: &String| arg != "--bench";
    let args: Vec<String> = std::env::args().skip(1).filter(said).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["--play", scene, rounds] => {
            scenes::play(scenes::scene(scene), rounds.parse().expect("a number"));
        }
        ["--profile", scene, file] => {
            let _: u64 =
                callgrind::count(scenes::scene(scene).name, 2_000, file).expect("valgrind");
        }
        [] => return table(SCENES),
        ["--count", scene] => return table(std::slice::from_ref(scenes::scene(scene))),
        _ => {
            print!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn table(scenes: &[scenes::Scene]) -> ExitCode {
    println!("{:<44} {:>12} {:>12}", "instructions", "a round", "a query");
    for scene in scenes {
        match callgrind::per_round(scene.name) {
            Ok(count) => {
                let per_query = count / scene.queries;
                println!("{:<44} {count:>12} {per_query:>12}", scene.name);
            }
            Err(obstacle) => {
                println!("instructions cannot be counted: {obstacle}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
