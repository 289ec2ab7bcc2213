//! What a database's configuration accepts, and how it refuses the rest.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

use std::time::Duration;

use pierhead_config::{
    AccessToken, Address, ConfigError, DatabaseConfig, KEYS, KeyDoc, Mode, Reset, Secret, Secrets,
    State, Tls, Tunnel, table, variable,
};

fn parse(url: &str) -> Result<DatabaseConfig, String> {
    DatabaseConfig::parse("main", url, &Secrets::default()).map_err(|error| error.to_string())
}

fn refused(url: &str) -> String {
    parse(url).expect_err(url)
}

#[test]
fn defaults() {
    let config = parse("postgres://app@db.example.com").unwrap();
    assert_eq!(
        config,
        DatabaseConfig {
            name: "main".into(),
            user: "app".into(),
            password: None,
            socket_password: None,
            address: Address::Tcp { host: "db.example.com".into(), port: 5432 },
            database: "app".into(),
            tunnels: vec![Tunnel::Direct {
                host: "db.example.com".into(),
                port: 5432,
                tls: Tls::StartTls
            }],
            tunnel_wait: Duration::from_secs(5),
            agent_tokens: vec![],
            pool_size: 10,
            max_waiters: 1000,
            wait_timeout: Duration::from_secs(10),
            query_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(1800),
            reset: Reset::Detected,
            state: State::Follow,
            mode: Mode::Transaction,
            pinned_max: 5,
            min_idle: 0,
            class_size: None,
            transaction_timeout: None,
            idle_in_transaction_timeout: Some(Duration::from_secs(30)),
            client_idle_timeout: Some(Duration::from_secs(60)),
            plan_cache: true,
            application_name: "pierhead".into(),
            location: None,
            jurisdiction: None,
        }
    );
}

#[test]
fn every_key() {
    let config = parse(
        "postgresql://a%40b:p%2Fw@[::1]:6000/d%20b?tunnel=direct&tls=off&pool_size=1000&\
         max_waiters=0&wait_timeout=500ms&query_timeout=5m&connect_timeout=1m&idle_timeout=1h&\
         max_lifetime=24h&reset=always&state=reject&pinned=7&min_idle=1000&class_size=900&\
         transaction_timeout=2h&idle_in_transaction_timeout=off&client_idle_timeout=5m&\
         plan_cache=off&mode=session&application_name=my%20app&location=apac-ne&jurisdiction=eu",
    )
    .unwrap();
    assert_eq!(config.user, "a@b");
    assert_eq!(config.password.unwrap().expose(), "p/w");
    let (host, port) = ("[::1]".to_owned(), 6000);
    assert_eq!(config.address.to_string(), "[::1]:6000");
    assert_eq!(config.database, "d b");
    assert_eq!(config.tunnels, [Tunnel::Direct { host, port, tls: Tls::Off }]);
    assert_eq!((config.pool_size, config.max_waiters), (1000, 0));
    assert_eq!(config.wait_timeout, Duration::from_millis(500));
    assert_eq!(config.query_timeout, Duration::from_secs(300));
    assert_eq!(config.connect_timeout, Duration::from_secs(60));
    assert_eq!(config.idle_timeout, Duration::from_secs(3600));
    assert_eq!(config.max_lifetime, Duration::from_secs(86400));
    assert_eq!((config.reset, config.state), (Reset::Always, State::Reject));
    assert_eq!((config.pinned_max, config.min_idle, config.class_size), (7, 1000, Some(900)));
    assert_eq!(config.transaction_timeout, Some(Duration::from_secs(7_200)));
    assert_eq!(config.idle_in_transaction_timeout, None);
    assert_eq!(config.client_idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!((config.plan_cache, config.mode), (false, Mode::Session));
    assert_eq!(config.application_name, "my app");
    assert_eq!(config.location.unwrap().as_str(), "apac-ne");
    assert_eq!(config.jurisdiction.unwrap().as_str(), "eu");
}

#[test]
fn a_share_of_the_pool_follows_its_size() {
    let pinned = |query: &str| parse(&format!("postgres://app@db/x?{query}")).unwrap().pinned_max;
    assert_eq!(pinned("pool_size=30"), 15);
    assert_eq!(pinned("pool_size=1"), 1);
    assert_eq!(pinned("pool_size=30&pinned=20%25"), 6);
    assert_eq!(pinned("pinned=1%25"), 1);
    assert_eq!(pinned("pinned=10&pool_size=10"), 10);
}

#[test]
fn a_part_of_the_pool_that_is_larger_than_the_pool_is_refused() {
    for (key, low) in [("pinned", 1), ("min_idle", 0), ("class_size", 1)] {
        assert!(parse(&format!("postgres://app@db/x?pool_size=20&{key}=20")).is_ok(), "{key}");
        assert_eq!(
            refused(&format!("postgres://app@db/x?{key}=21&pool_size=20")),
            format!(
                "PIERHEAD_DB_MAIN: {key}: 21 is more than pool_size, which is 20; expected {low} \
                 to 20: lower {key} or raise pool_size"
            )
        );
    }
}

#[test]
fn cloudflared() {
    let secrets = Secrets {
        access_client_id: Some("id".into()),
        access_client_secret: Some("secret".into()),
        ..Secrets::default()
    };
    let parse = |url| DatabaseConfig::parse("main", url, &secrets).unwrap().tunnels;
    let access = Some(AccessToken { client_id: "id".into(), client_secret: "secret".into() });
    assert_eq!(
        parse("postgres://app@db.example.com/x?tunnel=cloudflared"),
        [Tunnel::Cloudflared { url: "https://db.example.com/".into(), access: access.clone() }]
    );
    assert_eq!(
        parse("postgres://app@db/x?tunnel=cloudflared&tunnel_url=http://127.0.0.1:8080"),
        [Tunnel::Cloudflared { url: "http://127.0.0.1:8080/".into(), access }]
    );
}

#[test]
fn half_a_service_token_is_refused() {
    let url = "postgres://app@db/x?tunnel=cloudflared";
    let secrets = Secrets { access_client_id: Some("id-value".into()), ..Secrets::default() };
    let error = DatabaseConfig::parse("main", url, &secrets).unwrap_err();
    assert_eq!(error.variable(), "PIERHEAD_DB_MAIN_ACCESS_CLIENT_SECRET");
    assert!(!error.to_string().contains("id-value"));
}

#[test]
fn variables_are_looked_up_by_name() {
    let lookup = |variable: &str| match variable {
        "PIERHEAD_DB_MY_DB" => Some("postgres://app@db/x".to_owned()),
        "PIERHEAD_DB_MY_DB_PASSWORD" => Some("hush".to_owned()),
        _ => None,
    };
    let config = DatabaseConfig::look_up("my_db", lookup).unwrap();
    assert_eq!(config.password.unwrap().expose(), "hush");
    let error = DatabaseConfig::look_up("other", lookup).unwrap_err().to_string();
    assert!(error.starts_with("PIERHEAD_DB_OTHER: not set; set it to postgres://"), "{error}");
}

#[test]
fn names() {
    assert_eq!(variable("a").as_deref(), Ok("PIERHEAD_DB_A"));
    assert_eq!(variable(&"a".repeat(32)).map(|v| v.len()), Ok(12 + 32));
    for bad in ["", "1a", "_a", "A", "a-b", "ä", "main#1", &"a".repeat(33)] {
        assert!(variable(bad).is_err(), "{bad:?}");
    }
    assert!(variable("password").is_ok());
    let error = variable("main_password").unwrap_err().to_string();
    assert!(error.contains("must not end in _password"), "{error}");
    let error = variable("main_socket").unwrap_err().to_string();
    assert!(error.contains("must not end in _socket"), "{error}");
    assert!(variable("socket").is_ok());
}

#[test]
fn what_sockets_log_in_with_is_beside_the_url_and_never_empty() {
    let look_up = |password: &str| {
        let password = password.to_owned();
        DatabaseConfig::look_up("main", move |name| match name {
            "PIERHEAD_DB_MAIN" => Some("postgres://app@db/x".into()),
            "PIERHEAD_DB_MAIN_SOCKET_PASSWORD" => Some(password.clone()),
            _ => None,
        })
    };
    assert_eq!(look_up("hush").unwrap().socket_password, Some("hush".into()));
    let error = look_up("").unwrap_err().to_string();
    assert!(error.starts_with("PIERHEAD_DB_MAIN_SOCKET_PASSWORD: is empty"), "{error}");
}

#[test]
fn two_passwords_are_refused() {
    let secrets = Secrets { password: Some("outer".into()), ..Secrets::default() };
    let error = DatabaseConfig::parse("main", "postgres://app:inner@db", &secrets).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("PIERHEAD_DB_MAIN_PASSWORD; remove it from the URL"), "{text}");
    assert!(!text.contains("inner") && !text.contains("outer"), "{text}");
}

#[test]
fn refusals_name_key_shape_and_what_is_accepted() {
    let cases = [
        (
            "pool_size=0",
            "pool_size: expected a whole number from 1 to 1000, found a number of 1 digit",
        ),
        (
            "pool_size=ten",
            "pool_size: expected a whole number from 1 to 1000, found text of 3 characters",
        ),
        ("wait_timeout=10", "written like 500ms, 10s, 5m or 1h, found a number of 2 digits"),
        ("wait_timeout=", "wait_timeout: expected a duration from 10ms to 15m"),
        ("tls=maybe", "tls: expected one of off, on, starttls, found text of 5 characters"),
        ("location=moon", "location: expected one of wnam, enam"),
        ("tunnel=pigeon", "tunnel: expected one of agent, cloudflared, direct"),
        ("tunnel=", "tunnel: expected one of agent, cloudflared, direct, found nothing"),
        ("tunnel=agent,", "tunnel: expected one of agent, cloudflared, direct, found nothing"),
        ("tunnel=agent,agent", "tunnel: names a tunnel twice"),
        ("tunnel=direct,agent", "tunnel: only an absent agent is passed over"),
        ("tunnel=agent,cloudflared,direct", "write agent alone, agent and one more, or one"),
        ("tunnel_wait=1s", "tunnel_wait means nothing with tunnel=direct; add agent to tunnel="),
        ("tunnel=agent,cloudflared&tls=on", "tls means nothing with tunnel=agent,cloudflared"),
        ("tunnel=agent&tunnel_wait=2m", "tunnel_wait: expected a duration from 10ms to 1m"),
        (
            "sslmode=require",
            "unknown key `sslmode`, its value is text of 7 characters; use tls instead; accepted keys: tunnel, tunnel_wait, tunnel_url, tls, pool_size",
        ),
        ("application_name=", "expected 1 to 63 printable ASCII characters, found nothing"),
        ("tls=on&tls=off", "tls is given twice"),
        ("tunnel_url=https://x/", "tunnel_url means nothing with tunnel=direct"),
        ("tunnel=cloudflared&tls=on", "tls means nothing with tunnel=cloudflared"),
        ("tunnel=cloudflared&tunnel_url=ftp://x", "begins with https:// or http://"),
        ("tunnel=cloudflared&tunnel_url=https://u:p@x", "without user or password"),
        ("pinned=0", "pinned: expected a whole number from 1 to 1000, or 1% to 100%"),
        ("pinned=50%", "a % itself is written %25"),
        ("pinned=101%25", "which is written %25 in a URL, found text of 4 characters"),
        ("min_idle=-1", "min_idle: expected a whole number from 0 to 1000"),
        ("class_size=0", "class_size: expected a whole number from 1 to 1000"),
        ("state=keep", "state: expected one of follow, reject"),
        ("plan_cache=yes", "plan_cache: expected one of on, off"),
        (
            "transaction_timeout=0s",
            "transaction_timeout: expected off, or a duration from 10ms to 24h, written like",
        ),
        ("idle_in_transaction_timeout=2h", "expected off, or a duration from 10ms to 1h"),
        ("client_idle_timeout=500ms", "expected off, or a duration from 1s to 24h"),
        ("wait_timeout=off", "wait_timeout: expected a duration from 10ms to 15m"),
        ("tls", "the URL's parameters must be key=value"),
    ];
    for (query, expected) in cases {
        let error = refused(&format!("postgres://app@db/x?{query}"));
        assert!(error.starts_with("PIERHEAD_DB_MAIN: "), "{error}");
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[test]
fn urls_that_do_not_parse_are_not_echoed() {
    let urls = [
        "hunter2",
        "mysql://app:hunter2@db/x",
        "http://app:hunter2@db/x",
        "postgres://db/hunter2",
        "postgres://app:hunter2@db:0/x",
        "postgres://app:hunter2@db:99999/x",
        "postgres://app:hunter2@db:5x/x",
        "postgres://app:hunter2@@db/x",
        "postgres://app:hunter2@/x",
        "postgres://app:hunter2@d b/x",
        "postgres://app:hunter2@d$b/x",
        "postgres://app:hunter2%zz@db/x",
        "postgres://app:hunter2%ff@db/x",
        "postgres://app:hunter2%00@db/x",
        "postgres://app:x@hunter2%2Ftmp/x",
        "postgres://app:x@%2Fhunter2:0/x",
        "postgres://app:x@%2Fhunter2/x?tunnel=direct",
        "postgres://app:x@db/x?tunnel=hunter2",
        "postgres://app:hunter2@[::1/x",
        "postgres://app:hunter2@db/x/y",
        "postgres://app:hunter2@db/x#y",
        "postgres://app:/hunter2@db/x",
        "postgres://app:?hunter2@db/x",
        "postgres://app:a@b?hunter2%=1@db/x",
        "postgres://app@db/x?pool_size=hunter2",
        "postgres://app@db/x?Hunter2hunter2=x",
        "postgres://app@db/x?unknown=hunter2",
        "postgres://app@db/x?tunnel=cloudflared&tunnel_url=hunter2",
    ];
    for url in urls {
        let error = refused(url);
        assert!(!error.to_lowercase().contains("hunter2"), "{error}");
    }
}

/// What `golden/refusals.txt` says, which `npx pierhead check` and the coordinator are held against too: a
/// URL and what is said of it, in turn. `REWRITE_GOLDEN=1` writes it anew.
#[test]
fn refusals_are_the_golden_ones() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/refusals.txt");
    let golden = std::fs::read_to_string(FILE).expect(FILE);
    let urls: Vec<&str> = golden.lines().step_by(2).collect();
    let told: String = urls.iter().map(|url| format!("{url}\n{}\n", refused(url))).collect();
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        std::fs::write(FILE, &told).expect(FILE);
    }
    assert!(told == golden, "REWRITE_GOLDEN=1 writes it anew; it would be\n{told}");
    for KeyDoc { key, .. } in KEYS {
        let refused = format!("PIERHEAD_DB_MAIN: {key}: ");
        assert!(golden.contains(&refused), "no value of {key} is refused");
    }
}

#[test]
fn long_names_are_refused() {
    let error = refused(&format!("postgres://{}@db/x", "u".repeat(64)));
    assert!(error.contains("the user has 64 bytes, PostgreSQL takes at most 63"), "{error}");
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::from("hunter2");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    let config = parse("postgres://app:hunter2@db").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let error: ConfigError = DatabaseConfig::parse("Bad", "x", &Secrets::default()).unwrap_err();
    assert_eq!(error.variable(), "database name");
}

/// With `REWRITE_DOCS=1` in the environment the page is brought up to date instead.
#[test]
fn the_documentation_has_this_table() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let page = std::fs::read_to_string(PAGE).unwrap();
    if std::env::var_os("REWRITE_DOCS").is_some() {
        let (before, after) = page.split_once("\n| key |").unwrap();
        let (_, after) = after.split_once("\n\n").unwrap();
        std::fs::write(PAGE, format!("{before}\n{}\n{after}", table())).unwrap();
        return;
    }
    assert!(page.contains(&table()), "REWRITE_DOCS=1 cargo test -p pierhead-config rewrites it");
}
