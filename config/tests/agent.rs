//! What the coordinator and the agent read from the same variables.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use pierhead_config::{Address, AgentDatabase, DatabaseConfig, Secrets, Tls, Tunnel};

const TOKEN: &str = "0123456789abcdef-first";
const NEXT: &str = "0123456789abcdef-second";

/// Variables, the names without `PIERHEAD_DB_`.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn new<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let entry = |(name, value): (&str, &str)| (format!("PIERHEAD_DB_{name}"), value.to_owned());
        Self(variables.into_iter().map(entry).collect())
    }

    fn coordinator(&self) -> Result<DatabaseConfig, String> {
        DatabaseConfig::look_up("main", |name| self.0.get(name).cloned())
            .map_err(|error| error.to_string())
    }

    fn agent(&self) -> Result<AgentDatabase, String> {
        AgentDatabase::look_up("main", |name| self.0.get(name).cloned())
            .map_err(|error| error.to_string())
    }
}

#[test]
fn one_line_serves_both() {
    let url = "postgres://app:pw@db.internal:6432/shop?tunnel=agent,direct&tls=on&pool_size=20&\
               tunnel_wait=2s&query_timeout=1m";
    let variables = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", TOKEN)]);
    let config = variables.coordinator().unwrap();
    let (host, port) = ("db.internal".to_owned(), 6432);
    let direct = Tunnel::Direct { host: host.clone(), port, tls: Tls::On };
    assert_eq!(config.tunnels, [Tunnel::Agent, direct]);
    assert_eq!(config.tunnel_wait, Duration::from_secs(2));
    assert_eq!(config.agent_tokens, [TOKEN.into()]);
    assert_eq!(
        variables.agent().unwrap(),
        AgentDatabase {
            name: "main".into(),
            address: Address::Tcp { host, port },
            cap: 20,
            token: TOKEN.into()
        }
    );
}

#[test]
fn the_order_is_the_preference() {
    let url = "postgres://app@db/x?tunnel=agent,cloudflared&tunnel_url=https://db.example.com/";
    let variables = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", TOKEN)]);
    let config = variables.coordinator().unwrap();
    assert!(matches!(config.tunnels.as_slice(), [Tunnel::Agent, Tunnel::Cloudflared { .. }]));
}

#[test]
fn unused_sessions_are_kept_longer_where_that_costs_nothing() {
    let idle = |query: &str| {
        let url = format!("postgres://app@db/x?{query}");
        DatabaseConfig::parse("main", &url, &Secrets::default()).unwrap().idle_timeout
    };
    assert_eq!(idle("tunnel=direct"), Duration::from_secs(60));
    assert_eq!(idle("tunnel=agent,direct"), Duration::from_secs(600));
    assert_eq!(idle("tunnel=agent&idle_timeout=5s"), Duration::from_secs(5));
}

#[test]
fn two_tokens_are_valid_at_once() {
    let mut variables = Variables::new([
        ("MAIN", "postgres://app@db/x?tunnel=agent"),
        ("MAIN_AGENT_TOKEN", TOKEN),
        ("MAIN_AGENT_TOKEN_NEXT", NEXT),
    ]);
    assert_eq!(variables.coordinator().unwrap().agent_tokens, [TOKEN.into(), NEXT.into()]);
    variables.0.remove("PIERHEAD_DB_MAIN_AGENT_TOKEN");
    let error = variables.coordinator().unwrap_err();
    assert!(error.starts_with("PIERHEAD_DB_MAIN_AGENT_TOKEN: not set"), "{error}");
}

#[test]
fn a_missing_token_is_asked_for() {
    let agent = Variables::new([("MAIN", "postgres://app@db/x?tunnel=agent")]);
    for error in [agent.coordinator().unwrap_err(), agent.agent().unwrap_err()] {
        assert!(error.starts_with("PIERHEAD_DB_MAIN_AGENT_TOKEN: not set"), "{error}");
        assert!(error.contains("openssl rand -hex 32"), "{error}");
    }
    assert!(Variables::new([("MAIN", "postgres://app@db/x")]).coordinator().is_ok());
}

#[test]
fn callers_need_no_token_to_know_where_a_coordinator_is() {
    let url = "postgres://app@db/x?tunnel=agent&location=weur";
    let config = DatabaseConfig::parse("main", url, &Secrets::default()).unwrap();
    assert_eq!(config.location.unwrap().as_str(), "weur");
}

#[test]
fn weak_tokens_are_refused_and_not_shown() {
    for bad in [
        "",
        "short-hunter2",
        "hunter2 with some spaces",
        &"hunter2".repeat(40),
        "hünter2hunter2hunter2",
    ] {
        let url = "postgres://app@db/x?tunnel=agent";
        let variables = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", bad)]);
        for error in [variables.coordinator().unwrap_err(), variables.agent().unwrap_err()] {
            let expected = "PIERHEAD_DB_MAIN_AGENT_TOKEN: expected 16 to 256 printable ASCII";
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("nter2"), "{error}");
        }
    }
}

#[test]
fn an_agent_can_use_a_unix_socket() {
    let url = "postgres://app@%2Fvar%2Frun%2Fpostgresql:5433/x";
    let agent = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", TOKEN)]).agent().unwrap();
    let directory = "/var/run/postgresql".to_owned();
    assert_eq!(agent.address, Address::Unix { directory, port: 5433 });
    assert_eq!(agent.address.to_string(), "/var/run/postgresql/.s.PGSQL.5433");
    assert_eq!((agent.cap, agent.address.socket_path()), (10, Some(agent.address.to_string())));
}

#[test]
fn only_an_agent_can_use_a_unix_socket() {
    let parse = |query: &str| {
        let url = format!("postgres://app@%2Ftmp/x?{query}");
        DatabaseConfig::parse("main", &url, &Secrets::default()).map_err(|error| error.to_string())
    };
    assert_eq!(parse("tunnel=agent").unwrap().address.to_string(), "/tmp/.s.PGSQL.5432");
    for query in ["", "tunnel=agent,direct", "tunnel=cloudflared"] {
        let error = parse(query).expect_err(query);
        assert!(error.contains("only an agent can open a unix socket"), "{error}");
    }
    for host in ["tmp%2Fx", "%2E%2Fx", &format!("%2F{}", "d".repeat(88)), "%2Fa%0Ab"] {
        let url = format!("postgres://app@{host}/x?tunnel=agent");
        assert!(DatabaseConfig::parse("main", &url, &Secrets::default()).is_err(), "{host}");
    }
}

#[test]
fn an_agent_refuses_what_it_cannot_do() {
    let cases = [
        ("mysql://app@db/x", "MySQL is not supported yet"),
        ("postgres://db/x?pool_sise=20", "unknown key `pool_sise`"),
        ("postgres://db/x?pool_size=0", "pool_size: expected a whole number from 1 to 1000"),
        ("postgres://db/x?tunnel=direct", "tunnel= does not list agent"),
        ("postgres://db/x?tls=on", "tls means nothing with tunnel=agent"),
    ];
    for (url, expected) in cases {
        let variables = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", TOKEN)]);
        let error = variables.agent().expect_err(url);
        assert!(error.starts_with("PIERHEAD_DB_MAIN: "), "{error}");
        assert!(error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn databases_are_found_by_their_variables() {
    let variables = [
        "PATH",
        "PIERHEAD_URL",
        "PIERHEAD_DB_",
        "PIERHEAD_DB_MAIN",
        "PIERHEAD_DB_MAIN_PASSWORD",
        "PIERHEAD_DB_MAIN_AGENT_TOKEN",
        "PIERHEAD_DB_MAIN_AGENT_TOKEN_NEXT",
        "PIERHEAD_DB_MAIN_AGENT_TOKEN_FILE",
        "PIERHEAD_DB_ARCHIVE_2",
        "PIERHEAD_DB_OTHER_ACCESS_CLIENT_SECRET",
        "PIERHEAD_DB_lower",
        "PIERHEAD_DB_2",
    ];
    assert_eq!(AgentDatabase::names(variables), ["archive_2", "main"]);
}

#[test]
fn tokens_do_not_print() {
    let url = "postgres://app@db/x?tunnel=agent";
    let variables = Variables::new([("MAIN", url), ("MAIN_AGENT_TOKEN", TOKEN)]);
    let printed = format!("{:?} {:?}", variables.coordinator(), variables.agent());
    assert!(!printed.contains(TOKEN), "{printed}");
}
