//! The agent's program, which tests, demo and benchmark start.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::process;

/// Cargo's profile for what is measured, not only run.
pub(crate) const MEASURED: &str = "measure";

/// Builds `pierhead` natively, as for development; gives its path.
pub(crate) fn build(layout: &Layout) -> Result<PathBuf> {
    build_as(layout, "dev")
}

/// Builds it with one of cargo's profiles; gives its path, wherever cargo keeps its target directory.
pub(crate) fn build_as(layout: &Layout, profile: &str) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.current_dir(&layout.root).args([
        "build",
        "--quiet",
        "--profile",
        profile,
        "--package",
        "pierhead-agent",
        "--bin",
        "pierhead",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", process::shown(&command)))?;
    if !output.status.success() {
        bail!("building the agent failed ({}): see above", output.status);
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("{} names no program", process::shown(&command)))
}

/// The program in cargo's messages, one JSON object on a line each.
fn executable(messages: &str) -> Option<PathBuf> {
    const KEY: &str = "\"executable\":\"";
    let line = messages.lines().rfind(|line| line.contains(KEY))?;
    let (_, rest) = line.split_once(KEY)?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::executable;

    #[test]
    fn the_program_is_found_among_libraries() {
        let messages = "{\"reason\":\"a\",\"executable\":null}\n\
                        {\"reason\":\"b\",\"executable\":\"/t/debug/pierhead\",\"fresh\":true}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages).as_deref(), Some(Path::new("/t/debug/pierhead")));
        assert_eq!(executable("{\"executable\":null}\n"), None);
    }
}
