//! From a database's configuration to the engine's settings, and to how a stream is dialled.

use std::time::Duration;

use pierhead_config::{AccessToken, DatabaseConfig, Reset, State, Tls, Tunnel};
use pierhead_engine::time::Millis;
use pierhead_engine::{Allowance, Mode, ResetPolicy, Settings, StatePolicy, Way};

/// How a stream to the database is opened.
#[derive(Debug)]
pub(crate) enum Dial {
    /// One outgoing WebSocket through a cloudflared tunnel.
    WebSocket { url: String, access: Option<AccessToken> },
    /// TCP by the platform's `connect()`.
    Tcp { host: String, port: u16, tls: TcpTls },
}

/// TLS on a stream that is dialled directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TcpTls {
    Off,
    On,
    StartTls,
}

/// How a stream is dialled by each way that is dialled at all.
#[derive(Debug, Default)]
pub(crate) struct Dials(Vec<(Way, Dial)>);

impl Dials {
    #[cfg(test)]
    pub(crate) fn of(dials: impl Into<Vec<(Way, Dial)>>) -> Self {
        Self(dials.into())
    }

    /// How it is done by this way; nothing for those of agents, who dial in.
    pub(crate) fn by(&self, way: Way) -> Option<&Dial> {
        self.0.iter().find(|(other, _)| *other == way).map(|(_, dial)| dial)
    }

    fn add(&mut self, tunnel: Tunnel) -> Way {
        let (way, dial) = match tunnel {
            Tunnel::Agent => return Way::Agent,
            Tunnel::Cloudflared { url, access } => {
                (Way::Cloudflared, Dial::WebSocket { url, access })
            }
            Tunnel::Direct { host, port, tls } => {
                let tls = match tls {
                    Tls::Off => TcpTls::Off,
                    Tls::On => TcpTls::On,
                    Tls::StartTls => TcpTls::StartTls,
                };
                (Way::Direct, Dial::Tcp { host, port, tls })
            }
        };
        self.0.push((way, dial));
        way
    }
}

/// Splits a configuration into what the engine must know and what only the shell does. `allowance` is
/// what the engine shares with its neighbours; `verbose` makes it log every step of every session.
pub(crate) fn split(
    config: DatabaseConfig,
    allowance: Allowance,
    verbose: bool,
) -> (Settings, Dials) {
    let mut dials = Dials::default();
    let ways = config.tunnels.into_iter().map(|tunnel| dials.add(tunnel)).collect();
    let direct = dials.by(Way::Direct);
    let settings = Settings {
        user: config.user,
        password: config.password.map(|secret| secret.expose().to_owned()),
        socket_password: config.socket_password.map(|secret| secret.expose().to_owned()),
        database: config.database,
        application_name: config.application_name,
        pool_size: config.pool_size as usize,
        max_waiters: config.max_waiters as usize,
        wait_timeout: millis(config.wait_timeout),
        query_timeout: millis(config.query_timeout),
        connect_timeout: millis(config.connect_timeout),
        idle_timeout: millis(config.idle_timeout),
        max_lifetime: millis(config.max_lifetime),
        reset: match config.reset {
            Reset::Detected => ResetPolicy::Detected,
            Reset::Always => ResetPolicy::Always,
        },
        state: match config.state {
            State::Follow => StatePolicy::Follow,
            State::Reject => StatePolicy::Reject,
        },
        mode: match config.mode {
            pierhead_config::Mode::Transaction => Mode::Transaction,
            pierhead_config::Mode::Session => Mode::Session,
        },
        pinned_max: config.pinned_max as usize,
        min_idle: config.min_idle as usize,
        class_size: config.class_size.map_or(0, |sessions| sessions as usize),
        transaction_timeout: millis_or_none(config.transaction_timeout),
        idle_in_transaction_timeout: millis_or_none(config.idle_in_transaction_timeout),
        client_idle_timeout: millis_or_none(config.client_idle_timeout),
        plan_cache: config.plan_cache,
        allowance,
        start_tls: matches!(direct, Some(Dial::Tcp { tls: TcpTls::StartTls, .. })),
        ways,
        name: config.name,
        tunnel_wait: millis(config.tunnel_wait),
        verbose,
    };
    (settings, dials)
}

/// The engine's way to write a limit that is off: zero.
fn millis_or_none(span: Option<Duration>) -> Millis {
    span.map_or(Millis(0), millis)
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use pierhead_config::Secrets;

    use super::*;

    #[test]
    fn keeps_the_order_of_tunnels_and_dials_all_but_the_agents() {
        let url =
            "postgres://app@db.example:6432/app?tunnel=agent,direct&tls=starttls&tunnel_wait=2s";
        let config = DatabaseConfig::parse("orders", url, &Secrets::default());
        let Ok(config) = config else { panic!("{config:?}") };
        let (settings, dials) = split(config, Allowance::of(7), false);
        assert_eq!(settings.ways, [Way::Agent, Way::Direct]);
        assert_eq!((settings.name.as_str(), settings.tunnel_wait), ("orders", Millis(2_000)));
        assert!(settings.start_tls);
        assert!(matches!(dials.by(Way::Direct), Some(Dial::Tcp { port: 6432, .. })));
        assert!(dials.by(Way::Agent).is_none() && dials.by(Way::Cloudflared).is_none());
    }

    #[test]
    fn nothing_an_operator_says_is_lost_on_the_way_to_the_engine() {
        let settings = |query: &str| {
            let url = format!("postgres://app@db.example/app?{query}");
            let config = DatabaseConfig::parse("main", &url, &Secrets::default());
            let Ok(config) = config else { panic!("{config:?}") };
            split(config, Allowance::of(7), false).0
        };
        let given = settings(
            "pool_size=20&pinned=25%25&min_idle=2&class_size=4&state=reject&plan_cache=off&\
             mode=session&\
             transaction_timeout=1h&idle_in_transaction_timeout=off&client_idle_timeout=2m",
        );
        assert_eq!((given.pinned_max, given.min_idle, given.class_size), (5, 2, 4));
        assert_eq!((given.state, given.plan_cache), (StatePolicy::Reject, false));
        assert_eq!((given.mode, given.socket_password), (Mode::Session, None));
        assert_eq!(given.transaction_timeout, Millis::secs(3_600));
        assert_eq!(given.idle_in_transaction_timeout, Millis(0));
        assert_eq!(given.client_idle_timeout, Millis::secs(120));

        // Nothing said is what the engine takes when nobody asks it otherwise.
        let (none, default) = (settings(""), Settings::default());
        assert_eq!((none.pinned_max, none.min_idle), (default.pinned_max, default.min_idle));
        assert_eq!((none.class_size, none.state), (default.class_size, default.state));
        assert_eq!((none.plan_cache, none.mode), (default.plan_cache, default.mode));
        assert_eq!(none.transaction_timeout, default.transaction_timeout);
        assert_eq!(none.idle_in_transaction_timeout, default.idle_in_transaction_timeout);
        assert_eq!(none.client_idle_timeout, default.client_idle_timeout);
    }

    #[test]
    fn the_engine_counts_in_the_allowance_it_is_given() {
        let config = DatabaseConfig::parse("main", "postgres://app@db", &Secrets::default());
        let Ok(config) = config else { panic!("{config:?}") };
        let allowance = Allowance::of(7);
        let (settings, _) = split(config, allowance.clone(), false);
        assert!(settings.allowance.is_shared_with(&allowance));
    }
}
