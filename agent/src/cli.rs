//! The command line. Every flag has an environment variable, named in its help; the flag wins.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The program's command line.
#[derive(Debug, Parser)]
#[command(name = "pierhead", version, about = "Pierhead: your database, next to every Worker")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Dial in from beside a database, and carry the coordinator's connections to it
    #[command(after_help = EXAMPLE, next_line_help = true)]
    Agent(Box<AgentArgs>),
}

const EXAMPLE: &str = "\
Secrets are never flags, because flags are visible to every user of the machine. A token comes from
PIERHEAD_DB_<NAME>_AGENT_TOKEN, from a file named by PIERHEAD_DB_<NAME>_AGENT_TOKEN_FILE, or from
--token-file.

A complete example, for a database that callers name `main`:

  export PIERHEAD_URL=wss://app.example.com
  export PIERHEAD_DB_MAIN='postgres://10.0.0.5:5432/app?pool_size=20'
  export PIERHEAD_DB_MAIN_AGENT_TOKEN=<the Worker's secret of the same name>
  pierhead agent

A database behind a unix socket: postgres://%2Fvar%2Frun%2Fpostgresql:5432/app

Exit codes: 0 after SIGTERM or SIGINT, 1 on a fault of the program, 2 on a wrong configuration.";

/// The flags of `pierhead agent`.
#[derive(Debug, Default, Args)]
pub(crate) struct AgentArgs {
    /// Where Pierhead's Worker is: wss://host[:port][/base] [PIERHEAD_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// A database to serve; `pool_size` is the most connections to it. Repeatable
    /// [PIERHEAD_DB_<NAME>]
    #[arg(long = "database", value_name = "NAME=URL")]
    pub(crate) databases: Vec<String>,

    /// A file that holds the token of a database. Repeatable
    /// [PIERHEAD_DB_<NAME>_AGENT_TOKEN_FILE]
    #[arg(long = "token-file", value_name = "NAME=FILE")]
    pub(crate) token_files: Vec<String>,

    /// A header of the request that opens a link, for what stands in front of the Worker.
    /// Repeatable; never logged [PIERHEAD_AGENT_HEADERS, separated by newlines, or by `;` in a
    /// single line]
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// Links to each database's coordinator, 1 to 8 [PIERHEAD_AGENT_LINKS; default 1]
    #[arg(long, value_name = "N")]
    pub(crate) links: Option<String>,

    /// What names this agent across restarts: different for agents that run at the same time.
    /// Set it in containers, whose host names change [PIERHEAD_AGENT_NAME; default: the host name]
    #[arg(long, value_name = "INSTANCE")]
    pub(crate) name: Option<String>,

    /// How long idle sessions are kept while no coordinator is in reach
    /// [PIERHEAD_PARK_TTL; default 60s]
    #[arg(long, value_name = "TIME")]
    pub(crate) park_ttl: Option<String>,

    /// How long what runs may finish after SIGTERM [PIERHEAD_DRAIN_TIMEOUT; default 25s]
    #[arg(long, value_name = "TIME")]
    pub(crate) drain_timeout: Option<String>,

    /// A file of PEM certificates to trust beside the platform's [PIERHEAD_CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// error, warn, info, debug, or targets such as pierhead=debug [PIERHEAD_LOG; default info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}
