//! What the agent is told: flags and environment variables, checked before anything is dialled.
//! Errors name the variable, the flag and the fix, and hold no value that may be a secret.

mod headers;
mod text;
mod tokens;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pierhead_config::AgentDatabase;
use pierhead_wire::limits::TUNNEL_NAME_BYTES_MAX;

pub(crate) use headers::Header;

use crate::cli::AgentArgs;
use crate::limits::{
    DRAIN_TIMEOUT, DRAIN_TIMEOUT_DEFAULT, LINKS, LINKS_DEFAULT, PARK_TTL, PARK_TTL_DEFAULT,
};
use crate::url::Base;

/// Everything `pierhead agent` is told.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where the Worker is.
    pub(crate) base: Base,
    /// At least one, sorted by name.
    pub(crate) databases: Vec<AgentDatabase>,
    /// Of the request that opens a link, beside our own.
    pub(crate) headers: Vec<Header>,
    /// To each coordinator.
    pub(crate) links: u16,
    /// What names this agent across restarts.
    pub(crate) name: String,
    pub(crate) park_ttl: Duration,
    pub(crate) drain_timeout: Duration,
    /// Certificates to trust beside the platform's.
    pub(crate) ca: Option<PathBuf>,
}

/// The environment. A variable that is set to nothing counts as not set.
pub(crate) type Variables = BTreeMap<String, String>;

/// The environment's variables that are ours.
///
/// # Errors
/// When one is not UTF-8.
pub(crate) fn environment() -> Result<Variables, String> {
    let mut variables = Variables::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PIERHEAD_")) else {
            continue;
        };
        let value = value.into_string().map_err(|_| format!("{name}: is not UTF-8"))?;
        if !value.is_empty() {
            variables.insert(name.to_owned(), value);
        }
    }
    Ok(variables)
}

impl Config {
    /// Reads flags and variables; a flag wins over its variable.
    ///
    /// # Errors
    /// The first thing that is wrong, and the fix.
    pub(crate) fn read(args: &AgentArgs, mut variables: Variables) -> Result<Self, String> {
        let base = value(args.url.as_ref(), &variables, "PIERHEAD_URL").ok_or(
            "PIERHEAD_URL (--url) is not set: set it to the URL of Pierhead's Worker, \
             wss://host or wss://host/base",
        )?;
        let base =
            Base::parse(base).map_err(|problem| format!("PIERHEAD_URL (--url): {problem}"))?;
        let (links, drain_timeout, park_ttl) = (
            number(args, &variables)?,
            duration(
                value(args.drain_timeout.as_ref(), &variables, "PIERHEAD_DRAIN_TIMEOUT"),
                DRAIN_TIMEOUT_DEFAULT,
                &DRAIN_TIMEOUT,
                "PIERHEAD_DRAIN_TIMEOUT (--drain-timeout)",
            )?,
            duration(
                value(args.park_ttl.as_ref(), &variables, "PIERHEAD_PARK_TTL"),
                PARK_TTL_DEFAULT,
                &PARK_TTL,
                "PIERHEAD_PARK_TTL (--park-ttl)",
            )?,
        );
        let headers = headers::read(&args.headers, variables.get("PIERHEAD_AGENT_HEADERS"))?;
        let name = instance(value(args.name.as_ref(), &variables, "PIERHEAD_AGENT_NAME"))?;
        let ca = args.ca.clone().or_else(|| variables.get("PIERHEAD_CA").map(PathBuf::from));
        add_flags(&args.databases, &mut variables)?;
        tokens::resolve(&args.token_files, &mut variables)?;
        let databases = databases(&variables)?;
        Ok(Self { base, databases, headers, links, name, park_ttl, drain_timeout, ca })
    }
}

/// The databases given as flags, as if they were variables.
fn add_flags(flags: &[String], variables: &mut Variables) -> Result<(), String> {
    let mut seen = Variables::new();
    for flag in flags {
        let (name, url) =
            flag.split_once('=').ok_or("--database: write it as --database NAME=URL")?;
        let variable =
            pierhead_config::variable(name).map_err(|error| format!("--database: {error}"))?;
        if seen.insert(variable, url.to_owned()).is_some() {
            return Err(format!("--database: {name} is given twice; remove one"));
        }
    }
    variables.append(&mut seen);
    Ok(())
}

fn databases(variables: &Variables) -> Result<Vec<AgentDatabase>, String> {
    let databases = AgentDatabase::names(variables.keys())
        .into_iter()
        .map(|name| AgentDatabase::look_up(&name, |variable| variables.get(variable).cloned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    if databases.is_empty() {
        return Err("no database is configured: set PIERHEAD_DB_<NAME>, or give \
            --database NAME=URL, with postgres://host:5432/database?pool_size=20"
            .to_owned());
    }
    Ok(databases)
}

fn value<'a>(
    flag: Option<&'a String>,
    variables: &'a Variables,
    variable: &str,
) -> Option<&'a str> {
    flag.or_else(|| variables.get(variable)).map(String::as_str)
}

fn number(args: &AgentArgs, variables: &Variables) -> Result<u16, String> {
    let Some(text) = value(args.links.as_ref(), variables, "PIERHEAD_AGENT_LINKS") else {
        return Ok(LINKS_DEFAULT);
    };
    text.parse().ok().filter(|links| LINKS.contains(links)).ok_or_else(|| {
        let (low, high) = (LINKS.start(), LINKS.end());
        format!("PIERHEAD_AGENT_LINKS (--links): expected a whole number from {low} to {high}")
    })
}

fn duration(
    value: Option<&str>,
    default: Duration,
    range: &std::ops::RangeInclusive<Duration>,
    what: &str,
) -> Result<Duration, String> {
    let Some(value) = value else { return Ok(default) };
    text::duration(value).filter(|duration| range.contains(duration)).ok_or_else(|| {
        format!(
            "{what}: expected a time from {} to {} s, written like 500ms, 25s or 5m",
            range.start().as_secs(),
            range.end().as_secs()
        )
    })
}

/// The configured name, else the host's.
fn instance(configured: Option<&str>) -> Result<String, String> {
    let valid = |name: &str| {
        (1..=TUNNEL_NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic())
    };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match configured {
        Some(name) if valid(name) => Ok(name.to_owned()),
        None if valid(&host) => Ok(host),
        Some(_) => Err(format!(
            "PIERHEAD_AGENT_NAME (--name): expected 1 to {TUNNEL_NAME_BYTES_MAX} printable ASCII \
             characters without spaces"
        )),
        None => Err("PIERHEAD_AGENT_NAME (--name) is not set, and this machine's host name \
             cannot be used: set it to a name that no other agent has"
            .to_owned()),
    }
}
