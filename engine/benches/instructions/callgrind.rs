//! Counting instructions: this program, run again under valgrind.

use std::process::Command;

/// Rounds of the shorter of two runs. Start-up and warm-up are the same in both, so their difference
/// is rounds and nothing else.
const ROUNDS: u64 = 1_000;

/// Instructions of one round of a scene, inside the engine alone.
pub(crate) fn per_round(scene: &str) -> Result<u64, String> {
    let once = count(scene, ROUNDS, "/dev/null")?;
    let twice = count(scene, 2 * ROUNDS, "/dev/null")?;
    Ok((twice - once) / ROUNDS)
}

/// Instructions inside the engine while a scene is played; `file` gets the profile.
pub(crate) fn count(scene: &str, rounds: u64, file: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--toggle-collect=*measured_turn*"]);
    valgrind.args(["--toggle-collect=*measured_drop*", &format!("--callgrind-out-file={file}")]);
    valgrind.arg(program).args(["--play", scene, &rounds.to_string()]);
    let output = valgrind.output().map_err(|e| {
        format!("valgrind does not start ({e}); `cargo xtask bench --instructions` installs it")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number.filter(|&n| output.status.success() && n > 0).ok_or_else(|| said.into_owned())
}
