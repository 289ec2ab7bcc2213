use std::collections::BTreeMap;

use pierhead_config::{ConfigError, DatabaseConfig, Secrets, database_of, is_secret};

/// Where the secrets of the databases are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// Among the variables, as the coordinator has them.
    Here,
    /// Elsewhere, as where the variables are those of a file.
    Elsewhere,
}

/// Answers a question: `here` or `elsewhere`, then names and values of variables in turn, all separated by
/// NUL. The answer has a line with the number of databases, then one for each problem.
#[must_use]
pub fn answer(question: &str) -> String {
    let mut parts = question.split('\0');
    let secrets = if parts.next() == Some("here") { Secret::Here } else { Secret::Elsewhere };
    let mut variables = BTreeMap::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        variables.insert(name, value);
    }
    let databases: Vec<_> = variables.keys().filter_map(|name| database_of(name)).collect();
    let mut lines = vec![databases.len().to_string()];
    for database in databases {
        lines.extend(problem(&database, &variables, secrets));
    }
    if secrets == Secret::Elsewhere {
        let held = variables.keys().filter(|name| is_secret(name));
        lines.extend(held.map(|name| misplaced(name)));
    }
    lines.join("\n")
}

fn problem(database: &str, variables: &BTreeMap<&str, &str>, secrets: Secret) -> Option<String> {
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let said = |error: ConfigError| Some(error.to_string());
    if secrets == Secret::Here {
        return DatabaseConfig::look_up(database, lookup).err().and_then(said);
    }
    let variable = match pierhead_config::variable(database) {
        Ok(variable) => variable,
        Err(error) => return said(error),
    };
    let url = lookup(&variable).unwrap_or_default();
    match DatabaseConfig::parse(database, &url, &Secrets::default()) {
        Ok(config) if config.password.is_some() => Some(format!(
            "{variable}: holds a password; take it out, and run `npx wrangler secret put \
             {variable}_PASSWORD`"
        )),
        Ok(_) => None,
        Err(error) => said(error),
    }
}

fn misplaced(variable: &str) -> String {
    format!(
        "{variable}: is a secret; take it out of vars, and run `npx wrangler secret put {variable}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(secrets: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let parts = variables.iter().flat_map(|(name, value)| [*name, *value]);
        let question: Vec<_> = std::iter::once(secrets).chain(parts).collect();
        answer(&question.join("\0")).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_file_must_not_hold_what_is_secret() {
        let url = "postgres://app:hunter2@db/x";
        let said = asked(
            "elsewhere",
            &[("OTHER", "x"), ("PIERHEAD_DB_A", url), ("PIERHEAD_DB_A_AGENT_TOKEN", "hunter2")],
        );
        assert_eq!(said[0], "1");
        assert!(said[1].starts_with("PIERHEAD_DB_A: holds a password;"), "{said:?}");
        assert!(said[2].starts_with("PIERHEAD_DB_A_AGENT_TOKEN: is a secret;"), "{said:?}");
        assert!(said.len() == 3 && !said.concat().contains("hunter2"), "{said:?}");
    }

    #[test]
    fn where_the_secrets_are_they_are_missed() {
        let agent = ("PIERHEAD_DB_A", "postgres://app@db/x?tunnel=agent");
        assert_eq!(asked("elsewhere", &[agent]), ["1"]);
        let said = asked("here", &[agent]);
        assert!(said[1].starts_with("PIERHEAD_DB_A_AGENT_TOKEN: not set;"), "{said:?}");
        let token = ("PIERHEAD_DB_A_AGENT_TOKEN", "a-token-that-is-long-enough");
        assert_eq!(asked("here", &[agent, token]), ["1"]);
        assert_eq!(asked("here", &[]), ["0"]);
    }

    #[test]
    fn a_variable_that_no_database_has_is_named() {
        let said = asked("elsewhere", &[("PIERHEAD_DB_1A", "postgres://app@db/x")]);
        assert!(said[1].starts_with("database name: expected"), "{said:?}");
    }
}
