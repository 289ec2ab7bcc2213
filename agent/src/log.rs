//! The log: one line for each event, on standard error.

use std::io::IsTerminal as _;

use pierhead_agent::core::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log. True if streams' lives are to be logged too.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(filter: &str) -> Result<bool, String> {
    let targets: Targets = filter.parse().map_err(|_| {
        "PIERHEAD_LOG (--log): expected error, warn, info, debug, or targets such as \
         pierhead=debug"
            .to_owned()
    })?;
    let verbose = targets.would_enable("pierhead", &tracing::Level::DEBUG);
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let format =
        tracing_subscriber::fmt::layer().compact().with_ansi(ansi).with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(format)
        .with(targets)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(verbose)
}

/// Logs one line about a database's links, or about the program.
pub(crate) fn event(level: Level, database: Option<&str>, link: Option<u32>, text: &str) {
    let subject = match (database, link) {
        (Some(database), Some(link)) => format!("{database}, link {link}: "),
        (Some(database), None) => format!("{database}: "),
        (None, Some(link)) => format!("link {link}: "),
        (None, None) => String::new(),
    };
    // Others' words may be in it: a line stays a line.
    let text = text.replace(|c: char| c.is_control(), " ");
    match level {
        Level::Debug => tracing::debug!(target: "pierhead", "{subject}{text}"),
        Level::Info => tracing::info!(target: "pierhead", "{subject}{text}"),
        Level::Warn => tracing::warn!(target: "pierhead", "{subject}{text}"),
    }
}
