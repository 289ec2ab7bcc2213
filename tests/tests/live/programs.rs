//! The demo and the benchmark run to their ends, so that they do not rot.

use std::process::Command;

fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_demo_shows_rows_and_what_is_gained() {
    let (code, out, err) = run(env!("CARGO_BIN_EXE_demo"), &[]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    for part in ["Ship 1 „Möwe“  Pier 1", "visits", "Gained: ", "round trips per query"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}\n{err}");
    }
    let (code, _, err) = run(env!("CARGO_BIN_EXE_demo"), &["--kep"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("`--kep`") && err.contains("--keep"), "{err}");
}

#[test]
fn the_demo_of_the_agent_shows_what_survives() {
    let (code, out, err) = run(env!("CARGO_BIN_EXE_demo"), &["--tunnel", "agent"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert_eq!(out.matches("3 of 3 kept, 0 opened").count(), 6, "{out}\n{err}");
    assert_eq!(out.matches("0 of 3 kept, 3 opened").count(), 6, "{out}\n{err}");
    let (code, _, err) = run(env!("CARGO_BIN_EXE_demo"), &["--tunnel", "carrier-pigeon"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn the_benchmark_runs() {
    let (code, out, err) = run(env!("CARGO_BIN_EXE_bench"), &["--smoke"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    for section in ["latency", "throughput", "large", "idle"] {
        assert!(out.contains(&format!("{section}.json\n")), "no {section} in:\n{out}\n{err}");
    }
    let (code, _, err) = run(env!("CARGO_BIN_EXE_bench"), &["--render", "latency"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--render measures nothing"), "{err}");
}
