//! Any text in the variables of a database: a configuration or an error that names a variable, and
//! neither shows a secret. Coordinator and agent read the same out of the same variables.
//!
//! The input is the database's name, then one `NAME=value` a line. A `$` in a value stands for a
//! secret, so that it is known where one is shown.

use std::collections::BTreeMap;

use pierhead_config::{AgentDatabase, ConfigError, DatabaseConfig, Location, Tunnel, variable};

/// Fits wherever a token, a password or a client id does, and is part of no text of the parser's.
const SECRET: &str = "4Secret-Of_16+Chars";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let name = lines.next().unwrap_or_default();
    let variables: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace('$', SECRET)))
        .collect();
    names(&variables);
    let config = DatabaseConfig::look_up(name, |key| variables.get(key).cloned());
    let agent = AgentDatabase::look_up(name, |key| variables.get(key).cloned());
    match &config {
        Ok(config) => fits(name, config),
        Err(error) => names_its_variable(name, error),
    }
    match &agent {
        Ok(agent) => hides(&format!("{:?}", agent.token)),
        Err(error) => names_its_variable(name, error),
    }
    if let Ok(config) = config
        && config.tunnels.contains(&Tunnel::Agent)
        && variables.contains_key(&format!("{}_AGENT_TOKEN", variable(name).expect("a name")))
    {
        let agent = agent.expect("what the coordinator accepts, the agent does");
        assert_eq!((agent.address, agent.cap), (config.address, config.pool_size));
        assert_eq!(Some(&agent.token), config.agent_tokens.first());
    }
}

/// The names found among variables are names, each with the variable it was found by.
fn names(variables: &BTreeMap<String, String>) {
    for name in AgentDatabase::names(variables.keys()) {
        assert!(variables.contains_key(&variable(&name).expect("a name")));
    }
}

/// A configuration is within its ranges, and shows no secret but where a caller put it himself.
fn fits(name: &str, config: &DatabaseConfig) {
    assert_eq!(config.name, name);
    assert!((1..=1_000).contains(&config.pool_size) && !config.tunnels.is_empty());
    assert!(config.agent_tokens.len() <= 2 && config.user.len() <= 63);
    if let Some(location) = config.location {
        assert_eq!(Location::from_name(location.as_str()), Some(location));
    }
    if let Some(password) = &config.password {
        hides(&format!("{password:?} {password}"));
    }
    for tunnel in &config.tunnels {
        if let Tunnel::Cloudflared { access, .. } = tunnel {
            hides(&format!("{access:?}"));
        }
    }
    hides(&format!("{:?}", config.agent_tokens));
}

/// An error says which variable to change, and nothing of what stands in any.
fn names_its_variable(name: &str, error: &ConfigError) {
    match variable(name) {
        Ok(variable) => assert!(error.variable().starts_with(&variable), "{error}"),
        Err(expected) => assert_eq!(*error, expected),
    }
    assert!(error.to_string().starts_with(error.variable()));
    hides(&format!("{error} {error:?}"));
}

fn hides(text: &str) {
    assert!(!text.contains(SECRET), "a secret is shown: {text}");
}
