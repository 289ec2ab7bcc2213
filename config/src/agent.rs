use crate::check::check_token;
use crate::database::{PREFIX, not_set, token_missing, variable};
use crate::reader::Reader;
use crate::{Address, ConfigError, Secret, url};

/// What an agent must know about one database it serves. The same variables as the Worker's give
/// it, so that one line can be copied; what only the coordinator needs is read over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentDatabase {
    /// The name that callers use.
    pub name: String,
    /// Where the agent connects to.
    pub address: Address,
    /// The most connections at once, over all links and restarts of the coordinator, 1 to 1,000:
    /// `pool_size`.
    pub cap: u32,
    /// What the agent identifies itself by at the Worker.
    pub token: Secret,
}

impl AgentDatabase {
    /// Looks up and parses what `PIERHEAD_DB_<NAME>` and `PIERHEAD_DB_<NAME>_AGENT_TOKEN` say;
    /// `lookup` gives the value of a variable, if it is set. User and password in the URL are read
    /// over: they travel from the coordinator to the database.
    ///
    /// # Errors
    /// Names the variable, the key and the fix; contains no value.
    pub fn look_up(
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let variable = variable(name)?;
        let Some(url) = lookup(&variable) else {
            return Err(not_set(variable));
        };
        let parts =
            url::split(&url).map_err(|problem| ConfigError::new(variable.as_str(), problem))?;
        let (address, cap) = Reader::new(variable.clone()).agent(parts)?;
        let Some(token) = lookup(&format!("{variable}_AGENT_TOKEN")) else {
            return Err(token_missing(&variable));
        };
        let token = check_token(&variable, "AGENT_TOKEN", &token.into())?;
        Ok(Self { name: name.to_owned(), address, cap, token })
    }

    /// The names of the databases that have a variable among `variables`, sorted. Secrets' variables
    /// and those whose name is no database's are left out.
    pub fn names<S: AsRef<str>>(variables: impl IntoIterator<Item = S>) -> Vec<String> {
        let name = |variable: S| {
            let upper = variable.as_ref().strip_prefix(PREFIX)?;
            let name = upper.to_ascii_lowercase();
            (name.to_ascii_uppercase() == upper && crate::variable(&name).is_ok()).then_some(name)
        };
        let mut names: Vec<_> = variables.into_iter().filter_map(name).collect();
        names.sort();
        names
    }
}
